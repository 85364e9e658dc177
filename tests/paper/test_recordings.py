"""Recordings: written as runs finish, read back as runs, free of this machine's paths."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from semshare import runs
from semshare.errors import UserError
from semshare.experiment import Experiment
from semshare.paper import recordings, retrieval, tables
from semshare.paper.recordings import Recording, Study
from semshare.runs import intervals, parallel, store
from semshare.runs.intervals import SeedVariance
from semshare.runs.store import Run


def _plan(root: Path | None, device: str) -> list[Experiment]:
    fixed = {"epochs": 2, "precision": "float32", "learning_rate": 2e-3}
    return [
        runs.plan("scenes-flickr25k", "dscmr", "smoke", device, seed=seed, keep=keep, **fixed)
        for seed, keep in ((1, "best"), (0, "every-epoch"))
    ]


def _compare(done: Sequence[Run]) -> list[dict]:
    return [{"seeds": len(done), "measure": "i2t", "value": 0.0, "low": -0.1, "high": 0.1}]


STUDY = Study("two", "Two short runs.", _plan, _compare, retrieval=lambda done: done[:1])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, semshare_home: Path) -> Path:
    folder = tmp_path_factory.mktemp("recorded")
    assert recordings.record(STUDY, device="cpu", folder=folder) == folder / "two.json"
    return folder


def test_a_recording_reads_back_as_runs(folder: Path) -> None:
    recording = recordings.load("two", folder)
    assert (recording.name, recording.about, recording.planned) == ("two", "Two short runs.", 2)
    assert sorted(run.experiment.seed for run in recording.runs) == [0, 1]
    assert {run.experiment.method for run in recording.runs} == {"dscmr"}
    for run, experiment in zip(recording.runs, _plan(None, "cpu"), strict=True):
        live = runs.get(experiment, "cpu", quiet=True)
        assert run.experiment == experiment and run.key == live.key and run.title == "DSCMR"
        assert run.test.numbers() == pytest.approx(live.test.numbers(), abs=5.1e-6)
        assert [row["epoch"] for row in run.record["history"]] == [row["epoch"] for row in live.history]
        assert run.record["history"][-1]["t2i"] == pytest.approx(live.history[-1]["t2i"], abs=5.1e-6)
    assert [len(run.epochs) for run in recording.runs] == [0, 2]
    assert recording.frame().loc[0, "seeds"] == 2


def test_a_recording_keeps_what_an_interval_is_made_of(folder: Path) -> None:
    """From the file alone the interval comes out as from the runs: sums by image, at the kept weights and by epoch."""
    recording = recordings.load("two", folder)
    live = [runs.get(experiment, "cpu", quiet=True) for experiment in _plan(None, "cpu")]
    for measure in intervals.MEASURES:
        of_runs, kept = (
            intervals.difference([one.scored], [other.scored], measure, SeedVariance.pool([[one.scored, other.scored]]))
            for one, other in (live, recording.runs)
        )
        assert vars(kept) == pytest.approx(vars(of_runs), rel=1e-9 if measure.endswith("f1") else 2e-3)
        assert kept.error > 0 and kept.freedom > 0
    epochs = [run.scored_epochs for run in (live[1], recording.runs[1])]
    assert [len(readings) for readings in epochs] == [2, 2]
    for of_run, kept in zip(*epochs, strict=True):
        np.testing.assert_array_equal(of_run.rows("text_f1"), kept.rows("text_f1"))
        np.testing.assert_allclose(of_run.rows("t2i"), kept.rows("t2i"), atol=1e-3)
    assert (folder / "two.npz").stat().st_size < 40_000


def test_retrieval_by_protocols_is_kept_of_the_runs_that_the_study_names(folder: Path) -> None:
    ranked, other = recordings.load("two", folder).runs
    live = runs.get(_plan(None, "cpu")[0], "cpu", quiet=True)
    expected = retrieval.of(live, retrieval.RECORDED)
    assert ranked.key == live.key and ranked.queries.keys() == expected.keys() and not other.queries
    for column, queries in expected.items():
        kept = ranked.queries[column]
        np.testing.assert_allclose(kept.scored.rows("query"), queries.scored.rows("query"), atol=1e-3)
        assert kept.random == pytest.approx(queries.random) and kept.scored.seeded
    assert expected["map", "i2t"].scored.rows("query")[:, 0].std() > 0.01
    tables_of = [tables.retrieval_table({("dscmr", "scenes-flickr25k"): [run]}, ["map"]) for run in (ranked, live)]
    np.testing.assert_allclose(*tables_of, atol=0.05)


def test_a_better_statistic_needs_no_training(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel, "train_missing", lambda *_: pytest.fail("trained"))
    recording = recordings.load("two", folder)
    seeds = SeedVariance.pool([[run.scored for run in recording.runs]])
    found = intervals.mean([run.scored for run in recording.runs], "t2i", seeds)
    assert found.training and found.value == pytest.approx(
        np.mean([run.test.numbers()["t2i"] for run in recording.runs]), abs=2e-5
    )


def test_a_recording_of_before_says_so(folder: Path, tmp_path: Path) -> None:
    shutil.copy(folder / "two.json", tmp_path)
    recording = recordings.load("two", tmp_path)
    assert recording.before and [run.scored for run in recording.runs] == [None, None]
    kept = Recording("a", "b", 1, [], [{"low": 0.1, "high": 0.2, "error": 0.01, "training": False}])
    assert not kept.before and not kept.frame().loc[0, "decided"], "an interval of images alone decides nothing"


def _overwritten(content: bytes, share: float) -> bytes:
    """``content`` with its bytes turned round in the middle of what a zip file holds."""
    start = int(share * len(content))
    return content[:start] + bytes(255 - byte for byte in content[start : start + 400]) + content[start + 400 :]


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content[:-100],
        lambda content: b"",
        lambda content: bytes(len(content)),
        *(partial(_overwritten, share=share) for share in (0.1, 0.3, 0.5, 0.7)),
    ],
)
def test_damaged_sums_are_named(folder: Path, tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    shutil.copy(folder / "two.json", tmp_path)
    (tmp_path / "two.npz").write_bytes(damage((folder / "two.npz").read_bytes()))
    with pytest.raises(UserError, match=r"two.npz: damaged recording: (?!.*pickled)"):
        recordings.load("two", tmp_path)


def test_sums_that_lack_a_run_are_told(folder: Path, tmp_path: Path) -> None:
    """As when only one of the two files was taken from elsewhere."""
    shutil.copy(folder / "two.json", tmp_path)
    with np.load(folder / "two.npz") as file:
        first = next(iter(file)).split("/")[0]
        np.savez(tmp_path / "two.npz", **{name: file[name] for name in file if not name.startswith(first)})
    with pytest.raises(UserError, match=rf"two.npz has no sums of run {first}"):
        recordings.load("two", tmp_path)


def test_a_recording_says_where_it_came_from(folder: Path) -> None:
    recording = recordings.load("two", folder)
    facts = recording.facts()
    assert facts["Recorded runs"] == "2 of 2" and facts["Seeds"] == "0, 1" and facts["Scale"] == "smoke"
    assert facts["Learning rate"].endswith(" constant")
    assert facts["Device"].startswith("cpu") and facts["Trained at commit"]
    for run in recording.runs:
        assert {"commit", "device", "threads", "versions", "seconds", "made", "data", "status"} <= run.record.keys()


def test_a_recording_holds_no_path_of_this_machine(folder: Path, semshare_home: Path) -> None:
    text = (folder / "two.json").read_text(encoding="utf-8")
    assert str(semshare_home) not in text and str(Path.home()) not in text
    assert all(row["experiment"]["root"] is None for row in json.loads(text)["runs"])


def test_a_root_that_no_dataset_reads_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"^root: study 'two' reads no dataset's folder"):
        recordings.record(STUDY, tmp_path, "cpu", folder=tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_recorded_checkpoint_has_a_name_and_no_place() -> None:
    run = runs.get(_plan(None, "cpu")[0], "cpu", quiet=True)
    begun = replace(run, experiment=run.experiment.change(bert="/home/me/models/small-bert"))
    row = recordings.row(begun)
    assert row["experiment"]["bert"] == "models/small-bert" and "/home" not in json.dumps(row)
    assert row["initial_weights"] == "random"


def test_an_interrupted_study_keeps_what_is_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one, _ = _plan(None, "cpu")
    there: list[Experiment] = []

    def interrupted(experiments: Sequence[Experiment], device: str) -> Iterator[Experiment]:
        there.append(one)
        yield one
        raise KeyboardInterrupt

    monkeypatch.setattr(parallel, "train_missing", interrupted)
    monkeypatch.setattr(store, "exists", lambda experiment: experiment in there)
    with pytest.raises(KeyboardInterrupt):
        recordings.record(STUDY, device="cpu", folder=tmp_path)
    assert recordings.load("two", tmp_path).facts()["Recorded runs"] == "1 of 2"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["two.json", "two.npz"]


@pytest.mark.parametrize(
    ("content", "said"),
    [(None, "nothing recorded there; semshare record two"), ("{", "damaged recording"), ("{}", "damaged recording")],
)
def test_what_cannot_be_read_is_named(tmp_path: Path, content: str | None, said: str) -> None:
    if content is not None:
        (tmp_path / "two.json").write_text(content, encoding="utf-8")
    with pytest.raises(UserError, match=f"two.json: {said}"):
        recordings.load("two", tmp_path)


def test_a_method_that_draws_nothing_stays_so(folder: Path, tmp_path: Path) -> None:
    """Else its one run would be taken for a seed of which no other is known."""
    for name in ("two.json", "two.npz"):
        shutil.copy(folder / name, tmp_path)
    content = json.loads((tmp_path / "two.json").read_text(encoding="utf-8"))
    content["runs"][0]["experiment"]["method"] = "linear"
    (tmp_path / "two.json").write_text(json.dumps(content), encoding="utf-8")
    drawn = [(run.seeded, run.scored.seeded) for run in recordings.load("two", tmp_path).runs]
    assert drawn == [(False, False), (True, True)]


def test_one_training_that_is_read_in_two_ways_is_two_readings(tmp_path: Path, semshare_home: Path) -> None:
    """Both have one key: once the second's sums replaced the first's, and their difference was 0 in silence."""
    fields = {"epochs": 1, "precision": "float32", "seed": 3}
    ways = [
        runs.plan("scenes-coco1k", "ours", "smoke", "cpu", ranking=ranking, **fields) for ranking in ("cosine", "dot")
    ]
    study = Study("ways", "One run, read twice.", lambda root, device: ways, lambda done: [])
    recordings.record(study, device="cpu", folder=tmp_path)
    live = [runs.get(experiment, "cpu", quiet=True) for experiment in ways]
    recorded = recordings.load("ways", tmp_path).runs
    assert live[0].key == live[1].key and recorded[0].scored.key != recorded[1].scored.key
    assert live[0].test.numbers()["t2i"] != live[1].test.numbers()["t2i"]
    for own, kept in zip(live, recorded, strict=True):
        np.testing.assert_allclose(kept.scored.rows("t2i"), own.scored.rows("t2i"), atol=2e-3)
    found = [
        intervals.difference([one.scored], [other.scored], "t2i", SeedVariance()) for one, other in (live, recorded)
    ]
    assert found[0].value == pytest.approx(live[0].test.numbers()["t2i"] - live[1].test.numbers()["t2i"], abs=1e-6)
    assert found[1].value == pytest.approx(found[0].value, abs=1e-4) and found[0].low < found[0].high
