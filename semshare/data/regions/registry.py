"""The region extractors by name; one is loaded when it is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from semshare.data.regions.base import UNTRAINED, RegionExtractor

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch


def _grid(device: torch.device | str) -> RegionExtractor:
    from semshare.data.regions.grid import GridRegions

    return GridRegions(device)


def _detector(name: str, weights: Literal["DEFAULT"] | None = "DEFAULT") -> Callable[..., RegionExtractor]:
    def make(device: torch.device | str) -> RegionExtractor:
        from semshare.data.regions.detector import FasterRCNNRegions, MobileFasterRCNNRegions

        return {kind.name: kind for kind in (FasterRCNNRegions, MobileFasterRCNNRegions)}[name](device, weights)

    return make


# By name, what makes the extractor for a device; every one of them sees pixels only.
EXTRACTORS: dict[str, Callable[[torch.device | str], RegionExtractor]] = {
    "grid": _grid,
    "fasterrcnn": _detector("fasterrcnn"),
    "fasterrcnn-mobilenet": _detector("fasterrcnn-mobilenet"),
    f"fasterrcnn{UNTRAINED}": _detector("fasterrcnn", None),
    f"fasterrcnn-mobilenet{UNTRAINED}": _detector("fasterrcnn-mobilenet", None),
}
