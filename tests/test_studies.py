"""The recorded studies: sound plans, complete comparisons, and committed files that today's code understands."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from semshare import recorded, studies
from semshare.experiment import DIFFERENCES
from semshare.studies import STUDIES

FOLDER = Path(__file__).parent.parent / "book" / "recorded"
COMMITTED = sorted(path.stem for path in FOLDER.glob("*.json"))


@pytest.mark.parametrize("name", STUDIES)
def test_plans_are_distinct_and_of_one_scale(name: str) -> None:
    planned = STUDIES[name].plan(Path("/data") if name == "flickr25k" else None, "cpu")
    assert len({one.to_json() for one in planned}) == len(planned) > 5
    assert {one.scale for one in planned} == {"laptop"}


def test_every_difference_between_the_presets_is_measured_but_the_width() -> None:
    measured = {one.field: (method, fields) for one, _, method, fields in studies.variants()}
    assert {one.field for one in DIFFERENCES} - measured.keys() == {"width", "feed_forward"}
    assert measured["learning_rate"][1] == {"learning_rate": pytest.approx(1e-3)}
    assert measured["similarity"][0] == "ours+con" and measured["label_loss"][0] == "independent"


@pytest.mark.parametrize("name", [name for name in STUDIES if name != "flickr25k"])
def test_every_planned_run_is_compared(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    compared: set[str] = set()

    def difference(first: list, second: list, measure: str) -> SimpleNamespace:
        compared.update(one.key for one in (*first, *second))
        return SimpleNamespace(value=0.0, low=0.0, high=0.0)

    monkeypatch.setattr(studies, "difference", difference)
    monkeypatch.setattr(studies, "scored", lambda run: run)
    planned = STUDIES[name].plan(None, "cpu")
    done = [SimpleNamespace(key=one.to_json(), experiment=one) for one in planned]
    rows = STUDIES[name].compare(done)
    assert compared == {one.to_json() for one in planned}
    whole = len({tuple(sorted((k, str(v)) for k, v in row.items())) for row in rows})
    assert whole == len(rows) > 0
    assert len(STUDIES[name].compare(done[:-1])) < len(rows)  # a pair that lacks a run is left out


@pytest.mark.parametrize("name", COMMITTED)
def test_committed_recordings_are_of_planned_experiments(name: str) -> None:
    recording = recorded.load(name, FOLDER)
    planned = STUDIES[name].plan(Path("/data") if name == "flickr25k" else None, "cpu")
    assert recording.runs and recording.planned == len(planned)

    def text(one: object) -> str:
        return one.change(precision="float32", root=None).to_json()

    assert {text(run.experiment) for run in recording.runs} <= {text(one) for one in planned}
    for run in recording.runs:
        assert all(0 < value < 1 for name, value in run.test.numbers().items() if "half" not in name)
        assert "local changes" not in run.record["commit"]
