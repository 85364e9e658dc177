"""How a dataset shows itself."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest
from bs4 import BeautifulSoup
from PIL import Image

from semshare.data import catalogue
from semshare.data.dataset import PairedDataset
from semshare.data.regions import registry
from semshare.errors import UserError

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def dataset(semshare_home: object) -> PairedDataset:
    return catalogue.load("scenes-coco5k", "smoke")


def source(picture: object = None, without: bool = False) -> SimpleNamespace:
    return SimpleNamespace(without_pictures=without, picture=picture)


def test_its_text_is_a_line(dataset: PairedDataset) -> None:
    text, count = repr(dataset), len(dataset.parts["train"].image_ids)
    assert "\n" not in text and f"images: {count:,} train" in text and "drawn stand-in" in text
    assert repr(dataset.parts["dev"]).startswith(f"<Part: {len(dataset.parts['dev'].image_ids)} images, ")


def test_it_shows_train_pictures_with_their_texts_and_labels(dataset: PairedDataset) -> None:
    shown = dataset._repr_html_()
    assert len(shown) < 100_000  # thumbnails
    part, figures = dataset.parts["train"], BeautifulSoup(shown, "html.parser").find_all("figure")
    assert len(figures) == 6 and all(figure.img["src"].startswith("data:image/jpeg") for figure in figures)
    rows = [place * len(part.image_ids) // 6 for place in range(6)]
    for figure, row in zip(figures, rows, strict=True):
        names = [name for name, held in zip(dataset.label_names, part.labels[row].tolist(), strict=True) if held]
        assert [tag.get_text() for tag in figure.find_all(class_="label")] == names
        first, second, *more = [
            text for text, owner in zip(part.texts, part.owner.tolist(), strict=True) if owner == row
        ]
        lines = [tag.get_text() for tag in figure.figcaption.find_all("div")]
        assert lines[:3] == [first, second, f"and {len(more)} more"]


def test_it_says_why_there_is_no_picture(dataset: PairedDataset) -> None:
    def broken(id: str) -> Image.Image:
        raise UserError(f"{id} <b>: broken")

    for lost, told in ((source(without=True), "no picture"), (source(broken), "&lt;b&gt;: broken")):
        shown = replace(dataset, source=lost)._repr_html_()
        assert "<img" not in shown and shown.count(told) == 6


def test_it_says_what_its_regions_are(dataset: PairedDataset) -> None:
    assert f"grid: {registry.about('grid')}" in BeautifulSoup(dataset._repr_html_(), "html.parser").details.get_text()
