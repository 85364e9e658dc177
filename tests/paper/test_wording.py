"""What pages say of an experiment: true of each preset, and of every value of the fields that they name."""

from __future__ import annotations

from types import SimpleNamespace
from typing import get_args

import pytest

from semshare import runs
from semshare.experiment import Experiment
from semshare.paper import wording


def _said(preset: str, **fields: object) -> dict[str, str]:
    return wording.sentences(runs.plan("scenes-flickr25k", "ours", "smoke", "cpu", preset=preset, **fields))


def test_the_paper_is_told_as_the_supplementary_has_it() -> None:
    said = _said("paper")
    assert said["padding"] == "Padding does not count."
    assert said["similarity"] == "S is 1 where items i and j share a label and 0 where they share none"
    assert said["hidden_shows"] == "A hidden region shows a learnt vector, a hidden word a symbol of its own."
    assert said["segments"].startswith(
        "A region becomes the sum of a linear map of its feature and a linear map of its box. A word is"
    )
    assert "dev" in said["kept"] and "Word2Vec" in said["initial_words"]


def test_the_released_code_is_told_as_it_is() -> None:
    said = _said("released")
    assert said["padding"].startswith("Padding is read and counts like a segment")
    assert said["similarity"] == "S is how many labels items i and j share"
    assert said["hidden_shows"].startswith(
        "A hidden region shows itself all the same, a hidden word the symbol of unknown"
    )
    assert "longest texts" in said["hidden_shows"]
    for part in ("half of the sum", "0.0001 times", "the split's first image", "1e-05 times", "place 0"):
        assert part in said["segments"], part
    assert "lowest training loss" in said["kept"] and "±0.1" in said["initial_words"]


FIELDS = (
    "similarity", "padding", "masked_region", "masked_word", "context_items", "checkpoint", "initial_words",
    "segment_sum", "boxes", "word_places", "block",
)  # fmt: skip


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize("preset", ["paper", "released"])
def test_another_value_of_a_field_is_told_otherwise(field: str, preset: str) -> None:
    values = get_args(Experiment.model_fields[field].annotation)
    told = [_said(preset, **{field: value}) for value in values]
    assert len({tuple(one.values()) for one in told}) == len(values) == 2


def _run(key: str, gain: float) -> SimpleNamespace:
    scores = [0.5] * 9 + [0.5 + gain]
    return SimpleNamespace(key=key, history=[{"image_f1": score, "text_f1": score} for score in scores])


def test_runs_have_converged_where_the_end_brings_nothing() -> None:
    flat = [_run(str(number), 0.004) for number in range(9)]
    rising = [_run("a", 0.006), _run("b", 0.006)]
    fitted = SimpleNamespace(key="fitted", history=[])
    said = wording.converged([*flat, flat[0], rising[0], fitted])
    assert said.startswith("9 of 10 runs behind it have converged: ") and "0.005" in said
    said = wording.converged([*flat, *rising])
    assert said.startswith("Only 9 of 11 runs") and "not where they would end" in said


def test_results_are_about_drawings_only_where_all_data_is() -> None:
    drawn, real = SimpleNamespace(status="stand-in"), SimpleNamespace(status="subset")
    assert wording.made_on([drawn, drawn]) == "drawings" and wording.made_on([drawn, real]) == "this build's data"
