"""Grids: described and checked, trained by workers that may die, kept in the one run store."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Thread
from types import SimpleNamespace

import psutil
import pytest
import torch
from distributed import LocalCluster
from safetensors.torch import load_file

import semshare
from semshare import runs, training
from semshare.cli import app
from semshare.errors import UserError
from semshare.experiment import Experiment
from semshare.runs import cluster, grid, parallel, store

# Short, and the same wherever the tests run: a CPU may compute in bfloat16 by default.
SMALL = {"dataset": "scenes-flickr25k", "method": "dscmr", "scale": "smoke", "precision": "float32", "epochs": 2}


def _workers() -> list[psutil.Process]:
    """The worker processes of grids that this process runs."""
    children = psutil.Process().children(recursive=True)
    alive = [one for one in children if one.status() != psutil.STATUS_ZOMBIE]  # other tests kill what they started
    return [one for one in alive if "spawn_main" in " ".join(one.cmdline())]


# Described


def _file(folder: Path, text: str) -> Path:
    path = folder / "grid.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_every_combination_is_planned_once_in_the_files_order(tmp_path: Path) -> None:
    path = _file(
        tmp_path, "dataset: [scenes-flickr25k, scenes-nuswide]\nlam: [0, 0.1, 0.0]\nseed: [0, 1]\nscale: smoke"
    )
    found = grid.plan(grid.read(path))
    assert [(one.dataset, one.lam, one.seed) for one in found] == [
        (dataset, lam, seed)
        for dataset in ("scenes-flickr25k", "scenes-nuswide")
        for lam in (0, 0.1)
        for seed in (0, 1)
    ]
    assert found[0] == runs.plan("scenes-flickr25k", "ours", "smoke", lam=0, seed=0)


def test_grids_of_a_list_are_joined_and_flags_read_as_the_file_does(tmp_path: Path) -> None:
    listed = grid.read(_file(tmp_path, "- {dataset: scenes-flickr25k, lam: 1e-2}\n- {dataset: scenes-nuswide}\n"))
    assert [(one.dataset, one.lam) for one in grid.plan(listed)] == [
        ("scenes-flickr25k", 0.01),
        ("scenes-nuswide", 0.1),
    ]
    flags = grid.from_flags(["dataset=scenes-flickr25k", "lam=1e-2, 0", "train_items=null,40", "preset=released"])
    planned = grid.plan([flags])
    assert [(one.lam, one.train_items) for one in planned] == [(0.01, None), (0.01, 40), (0, None), (0, 40)]
    assert {one.preset for one in planned} == {"released"}


def test_a_field_that_a_method_or_dataset_does_not_read_does_not_multiply_its_runs() -> None:
    asked = {"dataset": "scenes-flickr25k", "method": ["independent", "ours"], "lam": [0, 0.1], "scale": "smoke"}
    assert [one.method for one in grid.plan([asked])] == ["independent", "ours", "ours"]
    with pytest.raises(UserError, match=r"^lam: no method or dataset of the grid reads it"):
        grid.plan([asked | {"method": "independent"}])
    with pytest.raises(UserError, match=r"^split_seed: no method or dataset of the grid reads it"):
        grid.plan([asked | {"split_seed": [0, 1]}])


def test_names_tell_the_runs_of_a_method_and_dataset_apart() -> None:
    asked = {"dataset": "scenes-flickr25k", "method": ["independent", "ours"], "lam": [0, 0.1], "scale": "smoke"}
    assert grid.names(grid.plan([asked])) == [
        "independent on scenes-flickr25k",
        "ours on scenes-flickr25k, lam 0.0",
        "ours on scenes-flickr25k, lam 0.1",
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("dataset: flickr", "dataset: unknown 'flickr', expected one of scenes-flickr25k"),
        ("dataset: scenes-flickr25k\nmethod: [ours, our]", "method: unknown 'our', expected one of "),
        ("dataset: scenes-flickr25k\nlamda: [0, 1]", "lamda: no such field, perhaps lam; an experiment has .*lam"),
        ("dataset: scenes-flickr25k\nlam: [0, much]", "lam: input should be a valid number.*, found 'much'"),
        ("dataset: scenes-flickr25k\nlam: -1", "lam: input should be greater than or equal to 0, found -1"),
        ("dataset: scenes-flickr25k\nseed: 0.5", "seed: .*integer.*found 0.5"),
        ("dataset: scenes-flickr25k\nseed: yes", "line 2: YAML reads yes as true; quote it, or write true"),
        ("dataset: scenes-flickr25k\nseed: []", r"seed: found \[\], expected a number or a name"),
        ("dataset: scenes-flickr25k\nlam: {from: 0, to: 1}", "lam: found {'from': 0, 'to': 1}, expected a number"),
        ("dataset: scenes-flickr25k\nscale: tiny", "scale: unknown 'tiny', expected one of smoke, laptop, full"),
        ("dataset: 2024", "dataset: found 2024, expected a name, in quotes where it is a number"),
        ("dataset: [null]", "dataset: found None, expected a name, in quotes"),
        ("dataset: no", "line 1: YAML reads no as false; quote it, or write false"),
        ("dataset: scenes-flickr25k\nmethod: 7.5", "method: unknown 7.5, expected one of "),
        ("dataset: scenes-flickr25k\ntokens: 7", "tokens: found 7, expected a name or folder, in quotes where it is"),
        ("dataset: scenes-flickr25k\nbert: 7.5", "bert: found 7.5, expected a name or folder, in quotes where it is"),
        ("dataset: scenes-flickr25k\nregions: 7", "regions: input should be a valid string, found 7"),
        ("lam: 0.1", "dataset: missing, expected one or more of scenes-flickr25k"),
        ("- dataset\n- lam", "found 'dataset', expected fields with their values"),
        ("", "found None, expected fields with their values"),
        ("dataset: [a", "no YAML: .*line 1"),
        ("dataset: 2024-13-45", "line 1: YAML reads 2024-13-45 as a date; quote it"),
        ("dataset: !!python/object/apply:os.system [true]", "no YAML: could not determine a constructor"),
    ],
)
def test_a_mistake_in_the_file_is_one_line_and_exit_code_2_before_any_work(
    text: str, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(store, "missing", lambda *_: pytest.fail("work was begun"))
    path = _file(tmp_path, text)
    monkeypatch.setattr(sys, "argv", ["semshare", "grid", str(path)])
    with pytest.raises(SystemExit) as stopped:
        app.main()
    shown = capsys.readouterr()
    assert stopped.value.code == 2 and shown.out == "" and len(shown.err.splitlines()) == 1
    with pytest.raises(UserError, match=f"^{path}: {expected}"):
        grid.plan(grid.read(path), source=str(path))


def test_a_name_in_a_flag_is_a_name_whatever_it_looks_like() -> None:
    assert grid.from_flags(["dataset=2024,no,1e3"]) == {"dataset": ["2024", "no", "1e3"]}
    assert grid.from_flags(["seed=2024,1.5", "bert=null"]) == {"seed": [2024, 1.5], "bert": [None]}


def test_a_file_that_is_not_there_and_flags_of_no_form_are_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"nothing.yaml: missing"):
        grid.read(tmp_path / "nothing.yaml")
    for flag in ("width", "width=", "=3", "width=3,", "width=3,,4"):
        with pytest.raises(UserError, match=f"^set: found '{flag}', expected FIELD=VALUE"):
            grid.from_flags([flag])


def test_the_precision_is_that_of_the_device_elsewhere() -> None:
    (one,) = grid.plan([{"dataset": "scenes-flickr25k"}], "cuda", elsewhere=True)
    assert one.precision == "bfloat16"
    with pytest.raises(UserError, match=r"^device: 'gpu' cannot be used"):
        grid.plan([{"dataset": "scenes-flickr25k"}], "gpu", elsewhere=True)


def test_the_released_codes_precision_is_its_own_elsewhere_too() -> None:
    grids = [{"dataset": "scenes-flickr25k", "preset": ["paper", "released"]}]
    paper, released = grid.plan(grids, "cuda", elsewhere=True)
    assert (paper.precision, released.precision) == ("bfloat16", "float32")


# Where


def _planned(**fields: object) -> list[Experiment]:
    return grid.plan([SMALL | {"seed": [0, 1, 2]} | fields], "cpu")


def test_a_core_has_one_run_and_a_gpu_has_one(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (cluster, parallel):
        monkeypatch.setattr(module, "cores", lambda: 2)
    assert cluster.environments(_planned(), "cpu", None) == [{"OMP_NUM_THREADS": "1"}] * 2
    for workers in (1, 3):
        assert cluster.environments(_planned(), "cpu", workers) == [{"OMP_NUM_THREADS": "1"}] * workers
    assert cluster.environments(_planned(scale="full"), "cpu", None) == [{"OMP_NUM_THREADS": "2"}]
    for module in (cluster, parallel):
        monkeypatch.setattr(module, "find_device", lambda name: torch.device("cuda" if name == "auto" else name))
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert cluster.environments(_planned(), "auto", None) == [{"CUDA_VISIBLE_DEVICES": card} for card in "01"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,5,6,7")
    assert cluster.environments(_planned(), "cuda", None) == [{"CUDA_VISIBLE_DEVICES": card} for card in "356"]
    assert len(cluster.environments(_planned(), "cuda:1", None)) == 1
    assert parallel.places(_planned(), "cuda") == ["3", "5", "6"]


def test_workers_have_their_environment_listen_on_this_machine_alone_and_say_nothing(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    given = [{"CUDA_VISIBLE_DEVICES": "3"}, {"CUDA_VISIBLE_DEVICES": "5"}]
    monkeypatch.setattr(cluster, "environments", lambda *_: given)
    with cluster.local([], "cpu", None) as client:
        seen = client.run(lambda: os.environ["CUDA_VISIBLE_DEVICES"])
        assert sorted(seen.values()) == ["3", "5"]
        workers = _workers()
        assert len(workers) == 2
        open_ports = [
            connection.laddr.ip
            for process in (psutil.Process(), *workers)
            for connection in process.net_connections("inet")
            if connection.status == psutil.CONN_LISTEN
        ]
        assert len(open_ports) >= 4 and set(open_ports) == {"127.0.0.1"}
    assert not any(one.is_running() for one in workers)
    assert capfd.readouterr() == ("", "")


def test_a_scheduler_that_does_not_answer_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "_WAIT", "1s")
    for address in ("tcp://127.0.0.1:9", "nonsense://x"):
        with pytest.raises(UserError, match=rf"^scheduler: '{address}' does not answer \(.*expected tcp://HOST:PORT"):
            grid.train(grid.plan([SMALL | {"seed": 99}], "cpu"), "cpu", scheduler=address)


# Trained


def test_runs_are_trained_once_and_a_failed_one_holds_up_no_other(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = [f"{name}={value}" for name, value in SMALL.items()]
    chosen = [part for flag in [*flags, "learning_rate=2e-3,1e30,3e-3"] for part in ("--set", flag)]

    def call(*more: str) -> tuple[int, dict]:
        monkeypatch.setattr(sys, "argv", ["semshare", "grid", *chosen, "--device", "cpu", "--json", *more])
        try:
            app.main()
        except SystemExit as stopped:
            return int(stopped.code or 0), json.loads(capsys.readouterr().out)
        return 0, json.loads(capsys.readouterr().out)

    code, listed = call("--dry-run")
    assert (code, listed["count"]) == (0, {"missing": 3})
    code, result = call()
    assert (code, result["count"]) == (1, {"trained": 2, "failed": 1})
    failed = result["runs"][1]
    assert failed["name"].endswith(", learning_rate 1e+30") and "a loss is not finite" in failed["reason"]
    for row in (result["runs"][0], result["runs"][2]):
        experiment = runs.plan(**{name: row["experiment"][name] for name in (*SMALL, "learning_rate")}, device="cpu")
        assert store.exists(experiment) and runs.get(experiment, "cpu").test.numbers() == row["test"]
        assert row["status"] == "stand-in" and row["device"].startswith("cpu")
    code, again = call("--dry-run")
    assert (code, again["count"]) == (0, {"found": 2, "missing": 1})


@pytest.fixture
def another_home(semshare_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A home that has the session's data and none of its runs."""
    store.load_data(grid.plan([SMALL], "cpu")[0])  # drawn once
    folder = tmp_path / "home"
    shutil.copytree(semshare_home, folder, ignore=shutil.ignore_patterns("runs"))
    monkeypatch.setenv("SEMSHARE_HOME", str(folder))
    yield folder


def _timeless(history: list[dict]) -> list[dict]:
    return [{name: value for name, value in row.items() if name != "seconds"} for row in history]


def test_a_killed_worker_loses_nothing_and_the_result_is_the_same_bit_for_bit(another_home: Path) -> None:
    (experiment, other) = grid.plan([SMALL | {"epochs": 16, "seed": [0, 1]}], "cpu")
    folder, killed = store.folder_of(experiment), SimpleNamespace(history=None)

    def kill() -> None:
        """As soon as two epochs are on disk, SIGKILL for the process that holds the run's lock."""
        while not ((folder / "training.pt").exists() and len(_state(folder)) >= 2):
            time.sleep(0.01)
        lock = str(folder / ".lock")
        (holder,) = [one for one in _workers() if lock in [file.path for file in one.open_files()]]
        holder.suspend()  # so that it writes nothing between the look and the end
        killed.history = _state(folder)
        holder.kill()

    killer = Thread(target=kill, daemon=True)
    killer.start()
    outcomes = grid.train([experiment, other], "cpu", quiet=True)
    killer.join(timeout=10)
    assert [one.state for one in outcomes] == ["trained", "trained"]
    run = outcomes[0].run
    assert 2 <= len(killed.history) < 16, "it died in mid-run"
    # The seconds an epoch took tell whose it was: the first ones are the dead worker's, trained once.
    assert run.history[: len(killed.history)] == killed.history
    shutil.move(folder, another_home / "kept")
    alone = runs.get(experiment, "cpu", quiet=True)
    assert _timeless(alone.history) == _timeless(run.history) and alone.thresholds == run.thresholds
    kept = load_file(another_home / "kept" / training.BEST)
    assert all(torch.equal(weight, kept[name]) for name, weight in load_file(folder / training.BEST).items())
    assert alone.test.numbers() == run.test.numbers()


def _state(folder: Path) -> list[dict]:
    return torch.load(folder / "training.pt", weights_only=True)["history"]


def test_a_run_that_kills_every_worker_fails_with_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "DEATHS", 1)
    monkeypatch.setattr(grid, "_task", _die)
    (outcome,) = grid.train(grid.plan([SMALL | {"seed": 98}], "cpu"), "cpu", quiet=True)
    assert outcome.state == "failed" and outcome.reason.startswith("2 workers died of it")


def _die(*_: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def test_an_existing_scheduler_trains_into_the_same_store_and_wrong_workers_are_told(another_home: Path) -> None:
    experiments = grid.plan([SMALL | {"seed": [0, 1]}], "cpu")
    with LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=None) as cluster:
        first, second = grid.train(experiments, "cpu", cluster.scheduler_address, quiet=True)
        assert (first.state, second.state) == ("trained", "trained") and store.exists(experiments[0])
        shutil.rmtree(another_home / "runs")
        with pytest.MonkeyPatch.context() as patch:  # the worker keeps the home it was started with
            patch.setenv("SEMSHARE_HOME", str(another_home.parent / "other"))
            shutil.copytree(another_home, another_home.parent / "other")
            (outcome,) = grid.train(experiments[:1], "cpu", cluster.scheduler_address, quiet=True)
    assert outcome.state == "failed" and "workers need the same SEMSHARE_HOME on a shared" in outcome.reason


def test_ctrl_c_ends_quietly_without_orphans_and_the_next_call_goes_on(another_home: Path) -> None:
    fields = {"epochs": 400, "seed": "0,1"}
    flags = [f"{name}={value}" for name, value in (SMALL | fields).items()]
    command = [sys.executable, "-m", "semshare.cli.app", "grid", *(part for flag in flags for part in ("--set", flag))]
    environment = {**os.environ, "PYTHONPATH": str(Path(semshare.__file__).parent.parent), "OMP_NUM_THREADS": "1"}
    experiments = grid.plan([SMALL | {"epochs": 400, "seed": [0, 1]}], "cpu")
    folders = [store.folder_of(one) for one in experiments]
    process = subprocess.Popen(
        [*command, "--device", "cpu"], env=environment, text=True, start_new_session=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        # What a shell starts in the background ignores the signal, these tests among it, and so would their children.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL), encoding="utf-8")  # fmt: skip
    deadline = time.monotonic() + 120
    while not all((folder / "training.pt").exists() for folder in folders):
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.05)
    children = psutil.Process(process.pid).children(recursive=True)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does
    out, err = process.communicate(timeout=240)  # a loaded machine ends workers slowly
    assert process.returncode not in (0, 2) and "Traceback" not in err, err
    assert out == "" and len(err.splitlines()) <= 3, err
    _, alive = psutil.wait_procs(children, timeout=5)
    assert children and not alive
    done = [len(_state(folder)) for folder in folders]
    assert all(0 < count < 400 for count in done)
