"""What is laid out in a scene: the label lists, and the labels that scenes have."""

from __future__ import annotations

from pathlib import Path

import pytest

from semshare.data.dataset import check_items
from semshare.data.scenes.layout import LABELS, View

VIEWS: tuple[View, ...] = ("flickr25k", "nuswide", "coco")


COCO_NAMES = set(
    "person,bicycle,car,motorcycle,airplane,bus,train,truck,boat,traffic light,fire hydrant,stop sign,parking meter,"
    "bench,bird,cat,dog,horse,sheep,cow,elephant,bear,zebra,giraffe,backpack,umbrella,handbag,tie,suitcase,frisbee,"
    "skis,snowboard,sports ball,kite,baseball bat,baseball glove,skateboard,surfboard,tennis racket,bottle,"
    "wine glass,cup,fork,knife,spoon,bowl,banana,apple,sandwich,orange,broccoli,carrot,hot dog,pizza,donut,cake,"
    "chair,couch,potted plant,bed,dining table,toilet,tv,laptop,mouse,remote,keyboard,cell phone,microwave,oven,"
    "toaster,sink,refrigerator,book,clock,vase,scissors,teddy bear,hair drier,toothbrush".split(",")
)


def test_label_lists() -> None:
    assert len(LABELS["flickr25k"]) == 24 and len(LABELS["nuswide"]) == 10
    assert 60 <= len(LABELS["coco"]) <= 80
    assert set(LABELS["coco"]) <= COCO_NAMES
    for names in LABELS.values():
        assert len(set(names)) == len(names)


def test_flickr_labels_are_the_real_ones_in_their_order(realdata: Path) -> None:
    real = (realdata / "flickr25k" / "label_names.txt").read_text(encoding="utf-8").split()
    assert list(LABELS["flickr25k"]) == real


@pytest.mark.parametrize(
    ("view", "expected", "share"), [("flickr25k", 3.78, 0.15), ("nuswide", 2.0, 0.25), ("coco", 2.9, 0.15)]
)
def test_labels_a_pair_are_near_the_originals(many: dict, view: View, expected: float, share: float) -> None:
    counts = [len(item.labels) for item in many[view].items()]
    assert sum(counts) / len(counts) == pytest.approx(expected, rel=share)


@pytest.mark.parametrize("view", VIEWS)
def test_every_label_and_no_other_is_used(many: dict, view: View) -> None:
    items = many[view].items()
    check_items(view, items, LABELS[view])
    assert {label for item in items for label in item.labels} == set(LABELS[view])
    assert all(item.labels for item in items)
    assert all(len(set(item.labels)) == len(item.labels) for item in items)


@pytest.mark.parametrize("view", VIEWS)
def test_no_label_is_on_most_pictures(many: dict, view: View) -> None:
    # A label that is nearly always there would make micro-F1 easy.
    items = many[view].items()
    for name in LABELS[view]:
        assert sum(name in item.labels for item in items) < 0.75 * len(items), name
