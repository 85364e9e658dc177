"""How what was found shows itself: pictures as thumbnails, texts as text, whatever they say."""

from __future__ import annotations

from pathlib import Path

import pytest
from bs4 import BeautifulSoup, Tag
from PIL import Image

from semshare.search.retriever import Answers, Found, Hit


@pytest.fixture
def picture(tmp_path: Path) -> str:
    path = tmp_path / "<b>x<b>.png"
    Image.new("RGB", (400, 300), "red").save(path)
    return str(path)


def figures(found: Found | Answers | Hit) -> list[Tag]:
    return BeautifulSoup(found._repr_html_(), "html.parser").find_all("figure")


def test_pictures_are_shown_with_scores_and_labels(picture: str) -> None:
    hits = (Hit(picture, 0.8125, ("dog", "<i>sea</i>"), "image"), Hit("gone.png", 0.5, (), "image"))
    found = Found("dog <b>", ("dog",), ("qwxz", "qwxz"), hits)
    shown = found._repr_html_()
    first, second = figures(found)
    assert first.img["src"].startswith("data:image/jpeg;base64,") and first.img["alt"] == "<b>x<b>.png"
    assert first.find(class_="score").get_text() == "0.812"
    assert [tag.get_text() for tag in first.find_all(class_="label")] == ["dog", "<i>sea</i>"]
    assert second.img is None and "there is no such file" in second.get_text() and "no label" in second.get_text()
    assert "not known to the model: qwxz<" in shown and "<b>" not in shown and "<i>" not in shown
    assert figures(hits[0])[0].img is not None


def test_a_text_is_never_opened_as_a_file(picture: str) -> None:
    """A line of a stranger's file may be the path of a private picture."""
    assert figures(Found("dog", (), (), (Hit(picture, 1.0, ()),)))[0].img is None
    assert figures(Found(picture, (), (), ())) == []
    (asked,) = figures(Found(picture, (), (), (), "image"))
    assert asked.img is not None


def test_many_hits_are_counted_and_none_is_said() -> None:
    many = Found("dog", (), (), tuple(Hit(f"text {place}", 0.5, ()) for place in range(40)))
    assert len(figures(many)) == 12 and "and 28 more" in many._repr_html_()
    assert "nothing found" in Found("qwxz", (), ("qwxz",), ())._repr_html_()
    assert "No query" in Answers()._repr_html_()


def test_as_plain_text_answers_are_what_print_shows() -> None:
    one, two = Found("dog", ("dog",), (), (Hit("a\x1b.png", 0.5, ("dog",)),)), Found("sky", (), (), ())
    assert repr(Answers([one, two])) == f"{one}\n{two}" and repr(one) == str(one)
    assert repr(one.hits[0]) == "<Hit 0.5000  a\\x1b.png  [dog]>"
    assert len(figures(Answers([one, one]))) == 2
