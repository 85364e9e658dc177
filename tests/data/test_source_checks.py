"""A source of one's own: every mistake in it is named before a region is extracted."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from semshare.data import build, catalogue
from semshare.data.source import Item, Source
from semshare.data.source_checks import checked
from semshare.errors import UserError


@pytest.fixture(autouse=True)
def forgotten(own_home: Path) -> Iterator[None]:
    """What is registered here, other tests do not know."""
    yield
    for name in ("mine", "arrays"):
        if catalogue._registered.pop(name, None):
            catalogue.CATALOGUE.pop(name)


class Stripes(Source):
    """Two colours, told by a word each."""

    name, status, text_kind, pool = "stripes", "simulated", "tags", "stripes"
    label_names = ("red", "blue")
    attribution = "Drawn by this test."

    def items(self) -> list[Item]:
        splits = ("train", "train", "dev", "test")
        return [Item(str(number), ("red",), ("red",), split) for number, split in enumerate(splits)]

    def picture(self, id: str) -> Image.Image:
        return Image.new("RGB", (64, 64), "red")


def _changed(**attributes: Any) -> Source:
    return type("Mine", (Stripes,), attributes)()


def _without(attribute: str) -> Source:
    own = {name: value for name, value in vars(Stripes).items() if name != attribute and not name.startswith("__")}
    return type("Mine", (Source,), own)()


def _items(*items: Any) -> Source:
    return _changed(items=lambda self: list(items))


def _generator(self: Source) -> Iterator[Item]:
    yield from Stripes.items(self)


GOOD = Item("0", ("red",), ("red",), "train")
MISTAKES: dict[str, tuple[Source, str]] = {
    "no text_kind": (_without("text_kind"), "text_kind of Mine: missing, expected one of tags, captions"),
    "another text_kind": (
        _changed(text_kind="words"),
        "text_kind of Mine: found 'words', of type str",
    ),
    "another status": (_changed(status="mine"), "status of Mine: found 'mine', of type str, expected one of real, "),
    "no pool": (_changed(pool=None), "pool of Mine: missing, expected a text"),
    "no attribution": (_without("attribution"), "attribution of Mine: missing, expected a text"),
    "no label_names": (_without("label_names"), "label_names of Mine: missing, expected a tuple of texts"),
    "a label for labels": (
        _changed(label_names="red"),
        "label_names of Mine: found 'red', of type str",
    ),
    "a label twice": (_changed(label_names=("red", "red")), "label 'red' has 2 columns"),
    "a generator": (_changed(items=_generator), "items() of Mine: found <generator object"),
    "a dict": (_items({"id": "0"}), "items()[0] of Mine: found {'id': '0'}, of type dict, expected an Item"),
    "a number for an id": (_items(GOOD, Item(1, (), (), "dev")), "items()[1] of Mine: its id found 1, of type int"),  # type: ignore[arg-type]
    "a text for texts": (
        _items(Item("0", "red", ("red",), "train")),  # type: ignore[arg-type]
        "texts of item '0': found 'red', of type str, expected a tuple of texts",
    ),
    "a number in labels": (
        _items(Item("0", ("red",), (0,), "train")),  # type: ignore[arg-type]
        "labels of item '0': found (0,), of type tuple, expected a tuple of texts",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_in_a_source_is_named_before_anything_is_made(mistake: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("semshare.data.catalogue.region_store", lambda *_: pytest.fail("regions were asked for"))
    source, expected = MISTAKES[mistake]
    with pytest.raises(UserError) as caught:
        build("mine", source)
    assert str(caught.value).startswith("mine: ") and expected in str(caught.value)


def test_what_is_right_is_given_back() -> None:
    source = Stripes()
    assert checked("mine", source) is source


def test_a_source_that_is_registered_is_checked_when_it_is_opened() -> None:
    catalogue.register("mine", lambda: _changed(status="mine"), "tags")
    with pytest.raises(UserError, match="mine: status of Mine: found 'mine'"):
        catalogue.load("mine", "smoke")


def test_a_picture_that_is_an_array_is_named() -> None:
    source = _changed(picture=lambda self, id: np.zeros((8, 8, 3), np.uint8), pool="arrays")
    with pytest.raises(UserError, match="picture of '0': found ndarray, expected a Pillow picture"):
        build("arrays", source)
