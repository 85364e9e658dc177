"""Planning: scale, method and preset set what is not given, and a mistake is named before any work."""

from __future__ import annotations

from pathlib import Path

import pytest

from semshare import runs
from semshare.errors import UserError
from semshare.experiment import DIFFERENCES, Difference, Experiment
from semshare.runs import planning


def test_plan_takes_the_scale_then_the_method_then_what_is_given() -> None:
    experiment = runs.plan("scenes-coco5k", "ours", "smoke", lam=None, eta=0.2)
    assert (experiment.width, experiment.lam, experiment.eta) == (32, 0.01, 0.2)
    assert runs.plan("scenes-flickr25k", "ours", "smoke").lam == 0.1
    assert runs.plan("scenes-flickr25k", "ours", "smoke", lam=0).lam == 0
    assert runs.plan("scenes-flickr25k", "dscmr", "smoke").batch == 100


WITNESS = {"label_loss": "independent", "text_clip": "independent", "similarity": "ours+con"}


@pytest.mark.parametrize("difference", [row for row in DIFFERENCES if not row.refused], ids=lambda row: row.field)
def test_a_plan_has_what_its_preset_says_where_that_holds(
    difference: Difference, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(planning, "default_precision", lambda device: "bfloat16")
    method = "dscmr" if "dscmr" in difference.only else WITNESS.get(difference.field, "ours")
    dataset = "scenes-coco5k" if "captions" in difference.only else "scenes-flickr25k"
    plans = {preset: runs.plan(dataset, method, "full", "cpu", preset=preset) for preset in ("paper", "released")}
    found = {preset: getattr(plan, difference.field) for preset, plan in plans.items()}
    assert found["released"] == difference.released
    assert plans["released"].preset == "released" and plans["paper"].preset == "paper"
    if difference.field == "lam":
        found["paper"] = f"{found['paper']} on tags, {runs.plan('scenes-coco5k', method, 'full').lam} on captions"
    if difference.field == "precision":
        found["paper"] = {"bfloat16": "the device's own"}[found["paper"]]
    assert found["paper"] == difference.paper


# What a method never reads, written out here: no preset may set it.
UNREAD = {
    "independent": {
        "lam",
        "context_scores",
        "masked_word",
        "masked_region",
        "similarity",
        "context_items",
        "context_words",
    },
    "traditional": {"lam", "context_scores", "masked_word", "masked_region", "context_items", "context_words"},
    "ours": set(),
    "ours+con": set(),
}


@pytest.mark.parametrize("scale", ["smoke", "laptop", "full"])
@pytest.mark.parametrize("dataset", ["scenes-flickr25k", "scenes-coco5k"])
@pytest.mark.parametrize("method", UNREAD)
def test_the_presets_differ_in_the_differences_that_hold_and_the_method_reads(
    method: str, dataset: str, scale: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(planning, "default_precision", lambda device: "bfloat16")
    paper = runs.plan(dataset, method, scale, "cpu").model_dump()
    released = runs.plan(dataset, method, scale, "cpu", preset="released").model_dump()
    changed = {name for name in paper if paper[name] != released[name]}
    wide = {"width", "feed_forward", "learning_rate", "epochs"} if scale == "full" else set()
    expected = {"preset", "block", "padding", "box_weight", "place_weight", "masked_word", "masked_region"} | wide
    expected |= {"context_scores", "lam", "similarity", "text_clip", "gallery"}
    expected |= {"segment_sum", "layer_norm", "word_places", "boxes", "initial_words", "initial_layers", "checkpoint"}
    expected |= {"evaluation_batches", "context_items", "context_words", "precision"}
    expected |= {"ranking", "caption_mean", "epoch_pairs"} if dataset == "scenes-coco5k" else {"text_queries"}
    expected |= {"label_loss"} if method == "independent" else set()
    assert changed == expected - UNREAD[method]


@pytest.mark.parametrize("scale", ["smoke", "laptop", "full"])
@pytest.mark.parametrize(
    ("dataset", "ranked"), [("scenes-flickr25k", {"gallery", "text_queries"}), ("scenes-coco5k", {"gallery"})]
)
def test_no_preset_changes_dscmr_but_in_its_epochs_and_in_what_all_methods_share(
    dataset: str, ranked: set[str], scale: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(planning, "default_precision", lambda device: "bfloat16")
    paper = runs.plan(dataset, "dscmr", scale, "cpu").model_dump()
    released = runs.plan(dataset, "dscmr", scale, "cpu", preset="released").model_dump()
    own = {"epochs"} if scale == "full" else set()
    assert {name for name in paper if paper[name] != released[name]} == {"preset", "precision"} | ranked | own
    assert released["ranking"] == "cosine" and (scale != "full" or released["epochs"] == 500)


def test_what_is_given_goes_before_the_preset() -> None:
    one = runs.plan("scenes-flickr25k", "ours", "full", "cpu", preset="released", lam=0.3, padding="masked", epochs=2)
    assert (one.lam, one.padding, one.epochs) == (0.3, "masked", 2) and one.block == "pre-ln"


def test_a_mistake_about_presets_is_named() -> None:
    with pytest.raises(UserError, match=r"^preset: unknown 'theirs', expected one of paper, released"):
        runs.plan("scenes-flickr25k", "ours", "smoke", "cpu", preset="theirs")
    with pytest.raises(UserError, match=r"^bert: a BERT checkpoint has post-ln blocks, found block 'pre-ln'"):
        Experiment.make(
            dataset="scenes-flickr25k", method="ours", scale="smoke", bert="bert-base-uncased", block="pre-ln"
        )


@pytest.mark.parametrize(
    ("arguments", "fields", "expected"),
    [
        (("flickr", "ours"), {}, "dataset: unknown 'flickr', expected one of .*scenes-flickr25k"),
        (("scenes-coco5k", "our"), {}, "method: unknown 'our', expected one of .*ours"),
        (("scenes-coco5k", "ours", "tiny"), {}, "scale: unknown 'tiny', expected one of smoke, laptop, full"),
        (("scenes-coco5k", "ours"), {"lamda": 1}, "lamda: no such field, perhaps lam; an experiment has .*lam"),
        (("scenes-coco5k", "ours"), {"epochs": -3}, "epochs: .*greater than 0, found -3"),
        (("scenes-coco5k", "ours", "smoke", "gpu"), {}, "device: 'gpu' cannot be used: .*cpu, cuda"),
        (("scenes-coco5k", "ours", "smoke", "cuda:99"), {}, "device: 'cuda:99' cannot be used: "),
    ],
)
def test_plan_names_a_mistake_and_lists_what_is_possible(
    arguments: tuple, fields: dict, expected: str, no_work: Path
) -> None:
    with pytest.raises(UserError, match=f"^{expected}") as caught:
        runs.plan(*arguments, **fields)
    assert "\n" not in str(caught.value)
    assert not no_work.exists()
