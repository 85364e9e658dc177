"""Every extractor is found by its name, those from outside too."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from semshare.data.pictures import open_picture
from semshare.data.regions import registry
from semshare.data.regions.base import RegionExtractor
from semshare.data.regions.grid import GridRegions
from semshare.data.regions.kept import region_code
from semshare.data.regions.registry import EXTRACTORS
from semshare.errors import UserError
from semshare.runs import parallel


class Corners(GridRegions):
    name = "corners"


def make(device: torch.device | str) -> RegionExtractor:
    return Corners(device)


@pytest.fixture
def corners(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setattr(registry, "EXTRACTORS", dict(EXTRACTORS))
    monkeypatch.setattr(registry, "_registered", {})
    registry.register("corners", make, "the corners of a picture", "It has seen corners.")
    yield "corners"


def test_the_registry_names_each_extractor() -> None:
    detectors = {"fasterrcnn", "fasterrcnn-mobilenet"}
    own = {"grid", "yolox-nano", "yolox-nano-imagenet", "precomputed"}
    assert set(EXTRACTORS) == own | detectors | {f"{name}-untrained" for name in detectors}
    assert isinstance(EXTRACTORS["grid"].make("cpu"), GridRegions)
    assert all(registry.about(name) for name in registry.names()) and registry.names()[-1] == "simulated"


def test_regions_of_feature_files_are_made_of_no_picture() -> None:
    with pytest.raises(UserError, match=r"'precomputed' come from feature files: .* train a model on pictures"):
        EXTRACTORS["precomputed"].make("cpu")


def test_what_has_seen_coco_says_so() -> None:
    seen = {name for name in registry.names() if registry.seen(name)}
    assert seen == {"yolox-nano", "yolox-nano-imagenet", "fasterrcnn", "fasterrcnn-mobilenet"}


def test_an_extractor_from_outside_is_one_of_them(corners: str) -> None:
    assert registry.known_regions(corners) == corners and corners in registry.names()
    assert registry.about(corners) == "the corners of a picture" and registry.seen(corners) == "It has seen corners."
    assert __name__ in parallel.outside_modules()
    registry.register(corners, make, "the same module may say it again")
    with pytest.raises(UserError, match="'grid' is there already"):
        registry.register("grid", make, "another grid")
    with pytest.raises(UserError, match="'simulated' is there already"):
        registry.register("simulated", make, "another")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["grid", "fasterrcnn-mobilenet-untrained", "yolox-nano", "yolox-nano-imagenet"])
def test_a_picture_stands_upright_whoever_opened_it(
    name: str, tmp_path: Path, request: pytest.FixtureRequest, own_home: Path
) -> None:
    if name.startswith("yolox"):
        weights = request.getfixturevalue("realdata").parent / "weights" / "yolox_nano.onnx"
        if not weights.is_file():
            pytest.skip(f"{weights} is not there")
        registry.take_weights(name, weights, str)
    exif = Image.Exif()
    exif[0x0112] = 6  # a phone's picture, stored lying on its side
    pixels = np.random.default_rng(0).integers(0, 255, (40, 64, 3), dtype=np.uint8)
    Image.fromarray(pixels).resize((640, 400)).save(tmp_path / "phone.jpg", exif=exif)
    extractor, upright = EXTRACTORS[name].make("cpu"), open_picture(tmp_path / "phone.jpg")
    assert upright.size == (400, 640)
    features = [extractor.extract([picture]).features for picture in (Image.open(tmp_path / "phone.jpg"), upright)]
    assert torch.equal(*features)


def test_an_unknown_one_is_named_with_those_that_are_known() -> None:
    with pytest.raises(UserError, match=r"regions: unknown 'pyramid', expected one of grid, yolox-nano, .*simulated$"):
        registry.known_regions("pyramid")


def test_the_code_of_one_from_outside_is_known(corners: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from semshare.data.regions import kept

    monkeypatch.setattr(kept, "EXTRACTORS", registry.EXTRACTORS)
    assert len(region_code(corners)) >= 8 and region_code(corners) != region_code("grid")
