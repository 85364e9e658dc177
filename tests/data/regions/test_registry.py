"""Every extractor is found by its name."""

from __future__ import annotations

from semshare.data.regions.grid import GridRegions
from semshare.data.regions.registry import EXTRACTORS


def test_the_registry_names_each_extractor() -> None:
    detectors = {"fasterrcnn", "fasterrcnn-mobilenet"}
    assert set(EXTRACTORS) == {"grid"} | detectors | {f"{name}-untrained" for name in detectors}
    assert isinstance(EXTRACTORS["grid"]("cpu"), GridRegions)
