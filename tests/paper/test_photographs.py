"""Study ``photographs``: what it plans, and that each comparison changes the one thing that its row names."""

from __future__ import annotations

import pytest

from semshare import methods
from semshare.paper import photographs
from semshare.paper.comparisons import Comparison

CHANGED = {
    "one network for both": {"method"},
    "the same, segments hidden": {"mask_share"},
    "the same, hidden segments predicted (Ours)": {"lam"},
    "label loss bce for softplus_dot": {"label_loss"},
    "Independent at its own best peak (0.002) for Ours": {"method", "learning_rate"},
    "consistency loss, 1,500 pairs in 240 steps": {"eta"},
    "consistency loss, 12,000 pairs in 1,200 steps": {"eta"},
}


@pytest.fixture(scope="module")
def planned() -> dict[str, Comparison]:
    return {comparison.what["change"]: comparison for comparison in photographs.comparisons("float32", None)}


@pytest.mark.parametrize(("change", "fields"), CHANGED.items())
def test_a_comparison_changes_what_its_row_names(planned: dict[str, Comparison], change: str, fields: set[str]) -> None:
    for changed, base in zip(planned[change].changed, planned[change].base, strict=True):
        unread = methods.get(changed.method).unread | methods.get(base.method).unread
        differing = {name for name, value in changed if value != getattr(base, name)}
        assert differing - unread == fields


def test_networks_are_held_against_linear_on_the_same_regions(planned: dict[str, Comparison]) -> None:
    for change in (change for change in planned if change.startswith("Ours for Linear")):
        (floor,) = planned[change].base
        assert floor.method == "linear"
        assert {experiment.regions for experiment in planned[change].changed} == {floor.regions}
    without = planned["Ours for Linear, detector regions, nothing predicted"].changed
    assert {experiment.lam for experiment in without} == {0.0}


def test_rows_say_in_how_many_steps_their_pairs_were_learnt(planned: dict[str, Comparison]) -> None:
    rows = [change.split(", ", 1)[1] for change in planned if change.startswith("consistency loss")]
    assert rows == [
        "1,500 pairs in 240 steps",
        "3,000 pairs in 470 steps",
        "6,000 pairs in 940 steps",
        "12,000 pairs in 1,200 steps",
    ]


def test_every_run_is_of_the_subset_and_every_seed_stands_once() -> None:
    experiments = photographs.STUDY.plan(None, "cpu")
    assert {experiment.dataset for experiment in experiments} == {"coco16k"}
    assert {experiment.seed for experiment in experiments} == set(photographs.SEEDS)
    assert len({experiment.to_json() for experiment in experiments}) == len(experiments)
