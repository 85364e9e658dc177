"""Building blocks of what objects show: escaped, small, without a word about where a photograph was taken."""

from __future__ import annotations

import base64
import io
import math

import pytest
from bs4 import BeautifulSoup
from PIL import Image

from semshare.utils import html

HOSTILE = "<script>alert(1)</script>\" onload='x' \x1b[31m\u202e &amp;"


def parsed(markup: str) -> BeautifulSoup:
    return BeautifulSoup(markup, "html.parser")


@pytest.mark.parametrize(
    "block",
    [
        html.text(HOSTILE), html.shown(HOSTILE), html.labels([HOSTILE]), html.facts({HOSTILE: HOSTILE}),
        html.table([HOSTILE], [[HOSTILE, HOSTILE]]), html.folded(HOSTILE), html.curve(HOSTILE, {HOSTILE: [0.0, 1.0]}),
        html.picture(HOSTILE, "", html.text(HOSTILE)),
        html.picture(Image.new("RGB", (4, 4)), HOSTILE, html.text(HOSTILE)),
    ],
)  # fmt: skip
def test_what_a_stranger_wrote_is_text(block: str) -> None:
    tree = parsed(block)
    assert not tree.find_all("script")
    assert not any(name.startswith("on") for tag in tree.find_all(True) for name in tag.attrs)
    assert "\x1b" not in block and "\u202e" not in block
    told = tree.get_text() + "".join(tag.get("alt", "") for tag in tree.find_all("img"))
    assert "<script>alert(1)</script>\" onload='x' \\x1b[31m\\u202e &amp;" in told


def test_a_long_text_is_cut() -> None:
    assert parsed(html.text("x" * 5000)).get_text() == "x" * 240 + "…"


def test_a_thumbnail_is_small_and_holds_pixels_alone() -> None:
    noise = Image.effect_noise((3000, 2000), 90).convert("RGB")
    exif = noise.getexif()
    exif[271] = "a camera"
    file = io.BytesIO()
    noise.save(file, "JPEG", exif=exif, comment=b"at home")
    image = Image.open(file)
    assert image.getexif() and image.info["comment"] == b"at home"
    (tag,) = parsed(html.picture(image, "noise", "")).find_all("img")
    kind, _, data = tag["src"].partition(",")
    assert kind == "data:image/jpeg;base64"
    small = Image.open(io.BytesIO(base64.b64decode(data)))
    assert small.size == (216, 144) and not small.getexif() and "comment" not in small.info
    assert len(data) < 30_000  # noise is the most that a picture of this size can hold


def points(line: BeautifulSoup) -> list[list[float]]:
    return [[float(number) for number in pair.split(",")] for pair in line["points"].split()]


def test_a_curve_lies_where_its_values_say() -> None:
    tree = parsed(html.curve("F1", {"image": [0.0, 0.5, 1.0], "text": [1.0, math.nan, 0.5]}, kept=2))
    kept, image, text = tree.find_all("polyline")
    assert points(image) == [[5, 75], [120, 40], [235, 5]]
    assert points(text) == [[5, 5], [235, 40]]  # what is no number is left out
    assert points(kept) == [[120, 75], [120, 5]]
    assert tree.figcaption.get_text() == "F1: image 0.000 → 1.000, text 1.000 → 0.500; epoch 2 of 3 kept"


@pytest.mark.parametrize("line", [[0.25], [0.25, 0.25]])
def test_a_curve_of_one_value_is_drawn(line: list[float]) -> None:
    ends = parsed(html.curve("loss", {"loss": line})).find_all("circle")
    assert {end["cy"] for end in ends} == {"75.0"}


def test_nothing_is_drawn_of_nothing() -> None:
    assert html.curve("loss", {"loss": []}) == html.curve("loss", {"loss": [math.inf]}) == ""


def test_both_themes_have_their_colours_whoever_says_which_it_is() -> None:
    for told in ('data-jp-theme-light="true"', 'data-jp-theme-light="false"', "prefers-color-scheme:dark", "--jp-"):
        assert told in html.STYLE
