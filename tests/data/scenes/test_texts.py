"""Tags and captions of drawn scenes: as many as the originals', sentences, and weaker than the labels."""

from __future__ import annotations

import pytest

from semshare.data.scenes.layout import View

VIEWS: tuple[View, ...] = ("flickr25k", "nuswide", "coco")


@pytest.mark.parametrize("view", ["flickr25k", "nuswide"])
def test_tags_a_text_are_as_many_as_flickrs(many: dict, view: View) -> None:
    counts = []
    for item in many[view].items():
        assert len(item.texts) == 1
        tags = item.texts[0].split()
        assert tags and len(set(tags)) == len(tags)
        counts.append(len(tags))
    assert sum(counts) / len(counts) == pytest.approx(4.64, rel=0.05)


def test_five_captions_an_image_each_a_sentence(many: dict) -> None:
    for item in many["coco"].items():
        assert len(item.texts) == 5
        for text in item.texts:
            assert text.endswith(".") and not text.endswith("..") and text[0].isupper()
            assert "  " not in text and "{" not in text and len(text.split()) >= 3, text


def test_captions_of_an_image_are_not_copies_of_one_another(many: dict) -> None:
    distinct = [len(set(item.texts)) for item in many["coco"].items()]
    assert sum(distinct) / len(distinct) > 4


@pytest.mark.parametrize("view", VIEWS)
def test_texts_are_weaker_than_labels(many: dict, view: View) -> None:
    # Were every label named in the text, reading would be enough: about a quarter goes unmentioned by design.
    named = total = 0
    for item in many[view].items():
        for text in item.texts:
            total += len(item.labels)
            named += sum(label.replace("_", " ").rstrip("s") in text.lower() for label in item.labels)
    assert 0.05 < named / total < 0.75
