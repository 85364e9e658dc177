"""Pictures to try a search on: files like anybody's, written once, of a run that reads pictures."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from semshare import runs
from semshare.book import samples
from semshare.data import catalogue
from semshare.data.collections import read, recognised
from semshare.data.scenes.paint import paint
from semshare.data.scenes.pool import scene_of
from semshare.paper import figures
from semshare.search.retriever import Found, Hit


def test_pictures_are_written_once_as_files(semshare_home: Path) -> None:
    dataset = catalogue.load("scenes-flickr25k", "smoke")
    folder = samples.pictures(dataset, 3)
    files = sorted(folder.iterdir())
    assert [path.name for path in files] == ["0001.jpg", "0002.jpg", "0003.jpg"]
    found = np.asarray(Image.open(files[1]).convert("RGB"), int)
    expected = np.asarray(dataset.source.picture(dataset.parts["test"].image_ids[1]), int)
    assert np.abs(found - expected).mean() < 4 < np.abs(found - expected[::-1]).mean()
    before = [path.stat().st_mtime_ns for path in files]
    samples.pictures(dataset, 3)
    assert [path.stat().st_mtime_ns for path in sorted(folder.iterdir())] == before


def test_a_collection_is_drawn_once_and_says_that_it_is_drawn(semshare_home: Path) -> None:
    folder = samples.collection(6)
    assert recognised(folder).name == "rows"
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}
    assert len(before) == 6 + 2 and samples.collection(6) == folder
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()} == before
    source = read(recognised(folder), folder)
    assert source.status == "stand-in" and "OpenMoji" in source.attribution
    items = {item.id: item for item in source.items()}
    assert len(items) == 6 and all(len(item.texts) == 2 and item.labels for item in items.values())
    drawn = paint(scene_of(samples._SEED, "train", 4)).convert("RGB")
    found = np.asarray(source.picture("pictures/0005.jpg"), int)
    assert np.abs(found - np.asarray(drawn, int)).mean() < 4
    assert items["pictures/0005.jpg"].labels == scene_of(samples._SEED, "train", 4).labels("flickr25k")


def _run(method: str, regions: str, without_pictures: bool = False) -> Any:
    dataset = SimpleNamespace(regions=regions, source=SimpleNamespace(without_pictures=without_pictures))
    return SimpleNamespace(experiment=SimpleNamespace(method=method), dataset=dataset)


def test_the_first_run_that_reads_pictures_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    without = [_run("dscmr", "grid"), _run("ours", "simulated"), _run("ours", "grid", without_pictures=True)]
    good = _run("ours", "grid")
    assert samples.run_with_pictures([*without, good, _run("ours", "grid")]) is good
    monkeypatch.setattr(runs, "get", lambda experiment: experiment)
    fallback = samples.run_with_pictures(without)
    assert (fallback.dataset, fallback.method, fallback.scale) == ("scenes-flickr25k", "ours", "smoke")


def test_the_figure_of_a_search_shows_every_hit(semshare_home: Path) -> None:
    files = sorted(samples.pictures(catalogue.load("scenes-flickr25k", "smoke"), 3).iterdir())
    hits = tuple(Hit(str(path), 0.5, ("$x^$",)) for path in files)
    figure = figures.found_pictures([Found("a $query_", (), (), hits), Found("one", (), (), hits[:1])], "$about_")
    axes = figure.axes
    assert len(axes) == 6 and [len(axis.images) for axis in axes] == [1, 1, 1, 1, 0, 0]
    assert axes[0].get_title(loc="left") == "“a $query_”" and axes[0].get_xlabel() == "0.500\n$x^$"
