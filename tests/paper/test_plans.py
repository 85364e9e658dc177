"""Which runs a section rests on: seeds, shapes, what sections share, and that they are asked for at once."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from feature_files import array_rows

from semshare import runs
from semshare.data import prepare
from semshare.errors import UserError
from semshare.experiment import PRESETS, Experiment
from semshare.paper import plans, reference

STAND_INS = list(reference.DATASETS.values())
FLOOR = [("linear", dataset) for dataset in STAND_INS]


def _seeds(experiments: Sequence[Experiment]) -> list[int]:
    return [one.seed for one in experiments]


@pytest.mark.parametrize(("scale", "table", "sweep"), [("smoke", 1, 1), ("laptop", 3, 1), ("full", 5, 5)])
def test_seeds_are_the_scales_own_unless_given(scale: str, table: int, sweep: int) -> None:
    found = plans.everything(STAND_INS, scale)
    for section in ("consistency", "classification"):
        sides = {name: side for name, side in found[section].items() if name not in FLOOR}
        assert all(_seeds(side) == list(range(table)) for side in sides.values()), section
    assert {len(found["classification"][name]) for name in FLOOR} == {1}, "it draws nothing: one run says all"
    lists = [some for by_lambda in found["sensitivity"].values() for some in by_lambda.values()]
    assert all(_seeds(some) == list(range(sweep)) for some in lists)
    asked = plans.everything(STAND_INS, scale, seeds=2)
    assert {len(some) for name, some in asked["classification"].items() if name not in FLOOR} == {2}
    assert {len(asked["classification"][name]) for name in FLOOR} == {1}
    assert {len(some) for by_lambda in asked["sensitivity"].values() for some in by_lambda.values()} == {2}


@pytest.mark.parametrize("preset", PRESETS)
def test_sections_share_their_runs(preset: str) -> None:
    found = plans.everything(STAND_INS, "laptop", preset)
    for dataset in STAND_INS:
        ours = found["classification"]["ours", dataset]
        chosen = found["sensitivity"][dataset][plans.chosen_lambda(dataset, preset)]
        assert chosen == ours[:1], "the sweep at the tables' lambda is the tables' own run"
    assert found["failure_cases"] == {
        name: {method: found["classification"][method, name] for method in plans.PAPERS}
        for name in ("scenes-coco1k", "scenes-coco5k")
    }
    assert {one.preset for one in plans.flat(found)} == {preset}


def test_the_lambdas_are_the_supplementarys_and_the_presets_own() -> None:
    paper, released = (plans.sensitivity(["scenes-nuswide"], "smoke", preset)["scenes-nuswide"] for preset in PRESETS)
    assert tuple(paper) == reference.LAMBDAS
    assert sorted({*reference.LAMBDAS, 5e-4}) == list(released)
    assert all(one.lam == lam for lam, some in released.items() for one in some)


def test_fig_1_is_the_traditional_network_without_and_with_the_loss_on_the_first_dataset() -> None:
    found = plans.everything(["scenes-nuswide", "scenes-coco5k"], "smoke")["consistency"]
    assert list(found) == [0.0, 0.1]
    for eta, some in found.items():
        assert [(one.dataset, one.method, one.eta, one.keep) for one in some] == [
            ("scenes-nuswide", "traditional", eta, "every-epoch")
        ]


def test_all_runs_are_asked_for_in_one_call_and_put_in_their_places(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def get_all(experiments: Sequence[Experiment], device: str) -> list[str]:
        calls.append(device)
        return [f"run of {one.to_json()}" for one in experiments]

    monkeypatch.setattr(runs, "get_all", get_all)
    planned = plans.everything(STAND_INS, "laptop")
    found = plans.train(planned, "cpu")
    assert calls == ["cpu"]
    assert [f"run of {one.to_json()}" for one in plans.flat(planned)] == plans.flat(found)
    assert found["sensitivity"]["scenes-coco1k"].keys() == planned["sensitivity"]["scenes-coco1k"].keys()


@pytest.mark.parametrize("seeds", [0, -1, [0, 1], "3"])
def test_a_number_of_seeds_that_is_none_is_named(seeds: object) -> None:
    with pytest.raises(UserError, match=r"^seeds: found .*, expected how many"):
        plans.consistency("scenes-nuswide", "smoke", seeds=seeds)


def test_an_unknown_scale_or_preset_is_named() -> None:
    with pytest.raises(UserError, match=r"^scale: unknown 'tiny'"):
        plans.classification(["scenes-nuswide"], "tiny")
    with pytest.raises(UserError, match=r"^preset: unknown 'old'"):
        plans.sensitivity(["scenes-nuswide"], "smoke", "old")


@pytest.mark.usefixtures("own_home")
@pytest.mark.parametrize("text", ["captions", "tags"])
def test_section_4_is_about_the_collections_whose_labels_have_super_categories(text: str, tmp_path: Path) -> None:
    for name in ("plain", "grouped"):
        root = array_rows(tmp_path / name, count=30)
        if name == "grouped":
            (root / "supercategories.yaml").write_text("animal: [dog]\nplace: [sea]\n", encoding="utf-8")
        prepare.prepare(f"{name}={root}", text=text, say=lambda line: None)
    assert not plans.has_supercategories("plain") and plans.has_supercategories("grouped")
    found = plans.everything(["plain", "grouped", "scenes-flickr25k", "scenes-coco5k"], "smoke")
    assert list(found["failure_cases"]) == ["grouped", "scenes-coco5k"]
