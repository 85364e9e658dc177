"""The region extractors by name; one is loaded when it is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from semshare.data.regions.base import UNTRAINED, RegionExtractor
from semshare.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch

PRECOMPUTED = "precomputed"  # regions that were computed elsewhere and come as feature files


def _grid(device: torch.device | str) -> RegionExtractor:
    from semshare.data.regions.grid import GridRegions

    return GridRegions(device)


def _detector(name: str, weights: Literal["DEFAULT"] | None = "DEFAULT") -> Callable[..., RegionExtractor]:
    def make(device: torch.device | str) -> RegionExtractor:
        from semshare.data.regions.detector import FasterRCNNRegions, MobileFasterRCNNRegions

        return {kind.name: kind for kind in (FasterRCNNRegions, MobileFasterRCNNRegions)}[name](device, weights)

    return make


def _none(device: torch.device | str) -> RegionExtractor:
    raise UserError(
        f"regions: {PRECOMPUTED!r} come from feature files: what extracted them is not here, so no picture "
        "can be read; ask by text, or extract features of the same kind yourself"
    )


# By name, what makes the extractor for a device; every one of them sees pixels only.
EXTRACTORS: dict[str, Callable[[torch.device | str], RegionExtractor]] = {
    "grid": _grid,
    "fasterrcnn": _detector("fasterrcnn"),
    "fasterrcnn-mobilenet": _detector("fasterrcnn-mobilenet"),
    f"fasterrcnn{UNTRAINED}": _detector("fasterrcnn", None),
    f"fasterrcnn-mobilenet{UNTRAINED}": _detector("fasterrcnn-mobilenet", None),
    PRECOMPUTED: _none,
}
