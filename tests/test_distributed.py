"""Two processes that train one run together, as ``accelerate launch`` starts them, beside one process."""

from __future__ import annotations

import json
import os
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

# What each process runs; told to, all of them stop after an epoch, so that another call resumes it.
SCRIPT = """
import json, sys
from contextlib import contextmanager
from pathlib import Path
import torch
from semshare import methods
from semshare.utils import processes
from semshare import runs
from semshare import training
from semshare.data import catalogue
from semshare.utils.devices import find_device

method, folder, stop = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])

class Stopping:
    @contextmanager
    def epochs(self, total, done):
        def advance(row):
            if stop:
                raise KeyboardInterrupt
        yield advance

torch.set_num_threads(1)
fields = {"dropout": 0.0, "precision": "float32", "batch": 25, "epochs": 2, "train_items": 60}
fields |= {"eta": 0.1} if method == "ours+con" else {}
fields |= json.loads(sys.argv[4])
experiment = runs.plan("scenes-coco5k", method, "smoke", "cpu").change(**fields)
dataset = catalogue.load("scenes-coco5k", "smoke", None, "grid", 0, 0, train_items=fields["train_items"])
device = find_device("cpu") if processes.count() < 2 else find_device()
try:
    history = training.fit(experiment, methods.get(method), dataset, folder, device, Stopping())
    said = {"processes": processes.count(), "history": history}
    (folder.parent / f"{folder.name}-{processes.rank()}.json").write_text(json.dumps(said))
except KeyboardInterrupt:
    pass
"""


# Accelerate calls whatever is several processes multi_gpu; where there is no GPU they are on the CPU.
LAUNCH = [sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2"]
LAUNCH += ["--num_machines", "1", "--mixed_precision", "no", "--dynamo_backend", "no", "--main_process_port", "0"]


def _launch(
    processes: int, script: Path, method: str, folder: Path, stop: bool = False, **fields: float
) -> list[dict[str, Any]]:
    """What each process said."""
    folder.mkdir(exist_ok=True)
    asked = [str(script), method, str(folder), str(int(stop)), json.dumps(fields)]
    if processes == 1:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, "argv", asked)
            runpy.run_path(str(script), run_name="__main__")
    else:
        environment = os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
        done = subprocess.run([*LAUNCH, *asked], capture_output=True, env=environment, timeout=300)
        assert done.returncode == 0, done.stderr.decode()[-3000:]
    return [
        json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.parent.glob(f"{folder.name}-*.json"))
    ]


def _losses(row: dict[str, float]) -> dict[str, float]:
    return {name: row[name] for name in row if name == "loss" or name.split("_")[0] in LOSSES}


LOSSES = ("label", "context", "inter", "intra", "consistency", "pair")


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "train.py"
    path.write_text(SCRIPT, encoding="utf-8")
    return path


@pytest.mark.parametrize(("method", "terms"), [("ours+con", 8), ("dscmr", 4)])
def test_two_processes_take_the_steps_of_one(method: str, terms: int, script: Path, tmp_path: Path) -> None:
    """Batches of 25, 25 and 10 pairs: 12 and 13 rows a process, and 5 each."""
    (alone,) = _launch(1, script, method, tmp_path / "one")
    both = _launch(2, script, method, tmp_path / "two")
    assert alone["processes"] == 1 and [one["processes"] for one in both] == [2, 2]
    for mine, theirs in zip(both[0]["history"], alone["history"], strict=True):
        assert len(_losses(theirs)) == terms
        assert _losses(mine) == pytest.approx(_losses(theirs), rel=2e-5)
    files = [sorted(path.name for path in (tmp_path / name).iterdir()) for name in ("one", "two")]
    assert files[0] == files[1] == ["best.safetensors", "training.pt"]


def test_a_batch_too_small_to_share_keeps_the_processes_equal(script: Path, tmp_path: Path) -> None:
    """Batches of 25, 25 and 1 pairs; each process drops out other elements, of that one pair too."""
    first, second = _launch(2, script, "ours", tmp_path / "two", train_items=51, dropout=0.3)
    for mine, other in zip(first["history"], second["history"], strict=True):
        dev = [name for name in mine if name.startswith(("image_", "text_", "i2t", "t2i"))]
        assert len(dev) >= 8
        assert {name: mine[name] for name in dev} == {name: other[name] for name in dev}


def test_two_processes_resume_where_they_stopped(script: Path, tmp_path: Path) -> None:
    whole = _launch(2, script, "ours+con", tmp_path / "whole")
    assert _launch(2, script, "ours+con", tmp_path / "resumed", stop=True) == []
    resumed = _launch(2, script, "ours+con", tmp_path / "resumed")
    for mine, theirs in zip(resumed, whole, strict=True):
        for row, expected in zip(mine["history"], theirs["history"], strict=True):
            assert row | {"seconds": 0} == expected | {"seconds": 0}
    weights = [load_file(tmp_path / name / "best.safetensors") for name in ("whole", "resumed")]
    assert all(torch.equal(tensor, weights[1][name]) for name, tensor in weights[0].items())


def test_a_run_trained_by_two_processes_is_found_by_one(tmp_path: Path) -> None:
    asked = ["train", "--dataset", "scenes-coco5k", "--scale", "smoke", "--seed", "7", "--json"]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(
        [*LAUNCH, "-m", "semshare", *asked],
        capture_output=True,
        text=True,
        env=environment,
        timeout=300,
        encoding="utf-8",
    )
    assert done.returncode == 0, done.stderr[-3000:]
    result = json.loads(done.stdout)  # printed by the first process alone
    assert 0 < result["test"]["image_f1"] < 1
    again = subprocess.run(
        [sys.executable, "-m", "semshare", *asked], capture_output=True, text=True, timeout=300, encoding="utf-8"
    )
    assert json.loads(again.stdout) == result, "found, not trained again"
    record = json.loads((Path(result["runs"][0]["folder"]) / "run.json").read_text(encoding="utf-8"))
    assert record["processes"] == 2
