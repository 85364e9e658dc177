"""The recorded studies that test the claims: their plans, their runs' places, and what unfinished ones compare."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from semshare.data import catalogue
from semshare.experiment import Experiment
from semshare.paper import plans, recorded_claims, recordings, tables, wording
from semshare.paper.recorded_claims import CLAIM_STUDIES

FOLDER = Path(__file__).resolve().parents[2] / "book" / "recorded"


def _done(experiments: list[Experiment]) -> list[SimpleNamespace]:
    """Runs as another machine may have made them: in another precision, on another schedule."""
    return [SimpleNamespace(experiment=one.change(precision="float32", learning_rate=1e-3)) for one in experiments]


def _asked(monkeypatch: pytest.MonkeyPatch) -> dict[str, list]:
    """What each function of claims was called with, by its name, in place of its verdicts."""
    asked: dict[str, list] = {}
    for name in ("consistency", "classification", "linear", "failure", "sensitivity"):

        def claims(*given: object, name: str = name) -> list:
            asked[name] = list(given)
            return []

        monkeypatch.setattr(recorded_claims, f"{name}_claims", claims)
    return asked


@pytest.mark.parametrize("study", CLAIM_STUDIES.values(), ids=lambda study: study.name)
def test_every_planned_run_has_its_places_and_no_other(study: recorded_claims.ClaimStudy) -> None:
    planned = study.plan(None, "cpu")
    sections = study.sections(_done(planned))
    assert [len(side) for side in sections["consistency"].values()] == [study.seeds] * 2
    for (method, dataset), side in sections["classification"].items():
        assert dataset == study.dataset and len(side) == (1 if method == "linear" else study.seeds)
    assert [len(side) for side in sections["sensitivity"][study.dataset].values()] == [study.sweep_seeds] * 6
    assert {id(run) for run in plans.flat(sections)} and len({id(run) for run in plans.flat(sections)}) == len(planned)


def test_the_pairs_that_claims_need_come_before_the_sweep() -> None:
    planned = CLAIM_STUDIES["coco16k"].plan(None, "cpu")
    chosen = plans.chosen_lambda("coco16k")
    swept = [one.method == "ours" and one.lam != chosen for one in planned]
    assert swept == sorted(swept) and sum(swept) == 10 and len(planned) == 41


def test_claims_rest_on_the_seeds_that_all_have(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs finish in any order: what lacks its fellow of the same seed waits for it."""
    asked = _asked(monkeypatch)
    study = CLAIM_STUDIES["coco16k"]
    done = [
        run
        for run in _done(study.plan(None, "cpu"))
        if (run.experiment.method, run.experiment.eta, run.experiment.seed) != ("traditional", 0, 0)
        and (run.experiment.method, run.experiment.seed) != ("dscmr", 4)
    ]
    study.compare(done)
    assert [[run.experiment.seed for run in side] for side in asked["consistency"]] == [[1, 2, 3, 4]] * 2
    by_method = asked["classification"][0]
    assert {tuple(run.experiment.seed for run in side) for side in by_method.values()} == {(0, 1, 2, 3)}
    assert asked["linear"][0].keys() == {*by_method, "linear"} and asked["failure"][0].keys() == by_method.keys()


def test_the_sweep_has_the_seeds_that_every_lambda_has() -> None:
    study = CLAIM_STUDIES["coco16k"]
    done = _done(study.plan(None, "cpu"))
    some = [run for run in done if (run.experiment.lam, run.experiment.seed) != (10, 1)]
    swept = study.sections(some)["sensitivity"]["coco16k"]
    assert [[run.experiment.seed for run in side] for side in swept.values()] == [[0]] * 6
    begun = [run for run in done if run.experiment.lam < 1]
    swept = study.sections(begun)["sensitivity"]
    assert swept == {"coco16k": {}} and tables.dev_choice(swept).empty
    assert wording.converged(plans.flat(swept)) == "No run behind it has been recorded yet."


def test_a_study_that_has_only_begun_compares_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = _asked(monkeypatch)
    study = CLAIM_STUDIES["coco16k"]
    linear = [run for run in _done(study.plan(None, "cpu")) if run.experiment.method == "linear"]
    assert study.compare(linear) == [] and asked == {}


def test_tags_have_no_super_categories_to_confuse(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = _asked(monkeypatch)
    study = CLAIM_STUDIES["flickr25k"]
    study.compare(_done(study.plan(None, "cpu")))
    assert asked.keys() == {"consistency", "classification", "linear", "sensitivity"}


def test_a_dataset_prepared_with_other_regions_keeps_its_recording(monkeypatch: pytest.MonkeyPatch) -> None:
    study = CLAIM_STUDIES["coco16k"]
    planned = study.plan(None, "cpu")
    monkeypatch.setattr(catalogue, "regions_of", lambda name: "yolox-nano")
    assert study.plan(None, "cpu") == planned and {experiment.regions for experiment in planned} == {"grid"}


@pytest.mark.parametrize("name", CLAIM_STUDIES)
def test_committed_verdicts_are_what_todays_statistic_makes_of_the_kept_sums(name: str) -> None:
    """All but claim 5, which is about items: of these a recording keeps none."""
    recording = recordings.load(name, FOLDER)
    kept = {(row["claim"], row["statement"], row["measure"]): row for row in recording.comparisons if row["claim"] != 5}
    again = {
        (row["claim"], row["statement"], row["measure"]): row for row in CLAIM_STUDIES[name].compare(recording.runs)
    }
    assert again.keys() == kept.keys()
    for test, row in again.items():
        assert row["runs"] == tuple(kept[test]["runs"]) and row["verdict"] == kept[test]["verdict"], test
        for field in ("value", "low", "high"):
            assert row[field] == pytest.approx(kept[test][field], rel=2e-2, abs=1e-4), (test, field)
