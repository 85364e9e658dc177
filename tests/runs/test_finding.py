"""A finished run found again by its key, the beginning of it, or its folder."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from semshare import runs
from semshare.errors import UserError
from semshare.experiment import Experiment
from semshare.runs import finding
from semshare.runs.store import Run

# Short, and the same wherever the tests run: a CPU may compute in bfloat16 by default.
FIXED = {"epochs": 2, "precision": "float32"}


def _plan(method: str = "dscmr", dataset: str = "scenes-flickr25k", **fields: object) -> Experiment:
    return runs.plan(dataset, method, "smoke", "cpu", **{**FIXED, **fields})


def _get(experiment: Experiment) -> Run:
    return runs.get(experiment, "cpu", quiet=True)


@pytest.fixture(scope="module")
def run(semshare_home: Path) -> Run:
    """One finished run that keeps every epoch; cheap, and chosen by the mean of both F1."""
    return _get(_plan(keep="every-epoch", epochs=3, learning_rate=2e-3))


def test_a_run_is_not_read_under_a_preset_that_trains_another(run: Run) -> None:
    ours = _get(_plan("ours"))
    with pytest.raises(UserError, match=r"^preset: run .* with block 'post-ln', 'released' trains with 'pre-ln'"):
        runs.find(ours.key, preset="released")


def test_a_run_is_found_by_its_key_its_beginning_and_its_folder(run: Run) -> None:
    for name in (run.key, run.key[:9], str(run.folder), run.folder.name):
        found = runs.find(name)
        assert found.record == run.record and found.experiment == run.experiment


def test_a_run_that_is_not_there_or_not_alone_is_one_line_with_candidates(run: Run) -> None:
    another = _get(_plan(epochs=1))
    with pytest.raises(UserError, match=r"^run: 'zz': no such folder or key in .*choose from .*scenes-") as caught:
        runs.find("zz")
    assert "\n" not in str(caught.value)
    with pytest.raises(UserError, match=r"^run: '': \d+ keys begin with it; choose from .*scenes-"):
        runs.find("")
    assert {run.key, another.key} <= {one.rpartition("-")[2] for one in os.listdir(run.folder.parent)}


def test_the_message_lists_a_few_of_many() -> None:
    assert finding._listed([]) == "there are no finished runs"
    assert finding._listed(["a", "b"]) == "choose from a, b"
    assert finding._listed([*"abcdefghij"]) == "choose from a, b, c, d, e, f, g, h and 2 more"


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        (lambda record: record.pop("experiment"), "run.json: damaged record: 'experiment' is missing"),
        (lambda record: record["experiment"].update(dataset="coco"), "root: missing; dataset 'coco'"),
        (lambda record: record["experiment"].update(widht=3), "widht: no such field"),
        (lambda record: record.update(data="0"), "was trained on other data than 'scenes-flickr25k' holds now"),
    ],
    ids=["no experiment", "no dataset", "unknown field", "other data"],
)
def test_a_run_that_cannot_be_read_says_why(damage: Callable, expected: str, run: Run, tmp_path: Path) -> None:
    record = json.loads((run.folder / "run.json").read_text(encoding="utf-8"))
    damage(record)
    (tmp_path / "run.json").write_text(json.dumps(record), encoding="utf-8")
    with pytest.raises(UserError, match=expected):
        runs.find(str(tmp_path))


def test_a_record_that_is_no_json_says_so(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text("{", encoding="utf-8")
    with pytest.raises(UserError, match=r"run\.json: damaged, expected JSON: .* train it again"):
        runs.find(str(tmp_path))
