"""Every extractor is found by its name, those from outside too."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

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
    own = {"grid", "yolox-nano", "yolox-nano-imagenet"}
    assert set(EXTRACTORS) == own | detectors | {f"{name}-untrained" for name in detectors}
    assert isinstance(EXTRACTORS["grid"].make("cpu"), GridRegions)
    assert all(registry.about(name) for name in registry.names()) and registry.names()[-1] == "simulated"


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


def test_an_unknown_one_is_named_with_those_that_are_known() -> None:
    with pytest.raises(UserError, match=r"regions: unknown 'pyramid', expected one of grid, yolox-nano, .*simulated$"):
        registry.known_regions("pyramid")


def test_the_code_of_one_from_outside_is_known(corners: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from semshare.data.regions import kept

    monkeypatch.setattr(kept, "EXTRACTORS", registry.EXTRACTORS)
    assert len(region_code(corners)) >= 8 and region_code(corners) != region_code("grid")
