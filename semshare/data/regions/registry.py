"""The region extractors by name; one is loaded when it is asked for."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Literal

from semshare.data.regions.base import UNTRAINED
from semshare.errors import UserError
from semshare.utils.plugins import use_entry_points

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import torch

    from semshare.data.regions.base import RegionExtractor
    from semshare.data.regions.weights import Weights

SIMULATED = "simulated"  # regions that no extractor makes: they are drawn from labels
PRECOMPUTED = "precomputed"  # regions that were computed elsewhere and come as feature files
RANDOM = "a detector with random weights, to try the pipeline: nothing on this page is a result"
_SEEN = (
    "The detector was trained on COCO's train2017 with its 80 labels: of COCO it has seen train2014 whole, and most of "
    "val2014, test pictures and their labels included."
)


@dataclass(frozen=True)
class Extractor:
    """A kind of regions.

    Attributes:
        make: from a device to what extracts them; it sees pixels only.
        about: what a region is, for readers.
        seen: what its training had of data that methods are tested on, for readers; empty where it had none.
        weights: gives the file of weights that a user may hand over; None where there is none.
    """

    make: Callable[[torch.device | str], RegionExtractor]
    about: str
    seen: str = ""
    weights: Callable[[], Weights] | None = None


def _grid(device: torch.device | str) -> RegionExtractor:
    from semshare.data.regions.grid import GridRegions

    return GridRegions(device)


def _faster_rcnn(name: str, weights: Literal["DEFAULT"] | None = "DEFAULT") -> Callable[..., RegionExtractor]:
    def make(device: torch.device | str) -> RegionExtractor:
        from semshare.data.regions.detector import FasterRCNNRegions, MobileFasterRCNNRegions

        return {kind.name: kind for kind in (FasterRCNNRegions, MobileFasterRCNNRegions)}[name](device, weights)

    return make


def _none(device: torch.device | str) -> RegionExtractor:
    raise UserError(
        f"regions: {PRECOMPUTED!r} come from feature files: what extracted them is not here, so no picture "
        "can be read; ask by text, or train a model on pictures"
    )


def _yolox(device: torch.device | str) -> RegionExtractor:
    from semshare.data.regions.yolox import YoloxRegions

    return YoloxRegions(device)


def _yolox_imagenet(device: torch.device | str) -> RegionExtractor:
    from semshare.data.regions.yolox import YoloxImagenetRegions

    return YoloxImagenetRegions(device)


def _yolox_weights() -> Weights:
    from semshare.data.regions.weights import YOLOX_NANO

    return YOLOX_NANO


_RESNET = "the best detections of a Faster R-CNN (ResNet-50) trained on COCO"
_MOBILE = "the best detections of a Faster R-CNN (MobileNetV3) trained on COCO"
_YOLOX = "the best boxes of YOLOX-nano trained on COCO, with its class scores beside an ImageNet network's feature"
EXTRACTORS: dict[str, Extractor] = {
    "grid": Extractor(_grid, "the cells of a 6 x 6 grid"),
    "yolox-nano": Extractor(_yolox, _YOLOX, _SEEN, _yolox_weights),
    "yolox-nano-imagenet": Extractor(
        _yolox_imagenet, f"{_YOLOX}; a region's class is the ImageNet network's", _SEEN, _yolox_weights
    ),
    "fasterrcnn": Extractor(_faster_rcnn("fasterrcnn"), _RESNET, _SEEN),
    "fasterrcnn-mobilenet": Extractor(_faster_rcnn("fasterrcnn-mobilenet"), _MOBILE, _SEEN),
    f"fasterrcnn{UNTRAINED}": Extractor(_faster_rcnn("fasterrcnn", None), RANDOM),
    f"fasterrcnn-mobilenet{UNTRAINED}": Extractor(_faster_rcnn("fasterrcnn-mobilenet", None), RANDOM),
    PRECOMPUTED: Extractor(_none, "features from files, computed elsewhere"),
}
ENTRY_POINTS = "semshare.regions"  # the group in which another package names functions that register extractors
_registered: dict[str, str] = {}  # extractors from outside, by name the module that registers them


def register(name: str, make: Callable[[torch.device | str], RegionExtractor], about: str, seen: str = "") -> None:
    """Add a region extractor from outside; the command line, the run store and worker processes then know it.

    A worker process imports the module that calls this, so call it when that module is imported. Code in a notebook
    cannot be imported: runs on its regions are trained in the notebook's own process, one after another.

    Args:
        name: what it is called everywhere, and what its ``name`` is.
        make: see :class:`Extractor`, here and below; regions are extracted again when its module's code changes.
        about: what a region is.
        seen: what its training had of data that methods are tested on.

    Raises:
        UserError: another extractor has that name.
    """
    module = sys._getframe(1).f_globals["__name__"]
    if name == SIMULATED or (name in EXTRACTORS and _registered.get(name) != module):
        raise UserError(f"regions: {name!r} is there already; give yours another name")
    EXTRACTORS[name] = Extractor(make, about, seen)
    _registered[name] = module


def modules_to_import() -> list[str]:
    """The modules that a worker process must import to know the extractors registered here."""
    return sorted(set(_registered.values()) - {"__main__"})


def is_of_main(name: str) -> bool:
    """Whether the extractor called ``name`` was registered by code that no other process can import: a notebook's."""
    return _registered.get(name) == "__main__"


def names() -> tuple[str, ...]:
    """What regions there are, ``simulated`` last."""
    _load_entry_points()
    return (*EXTRACTORS, SIMULATED)


def known_regions(regions: str, where: str = "regions") -> str:
    """``regions``, if there are such; raises :class:`UserError`, which begins with ``where``."""
    if regions not in EXTRACTORS and regions not in names():
        raise UserError(f"{where}: unknown {regions!r}, expected one of {', '.join(names())}")
    return regions


def take_weights(regions: str, file: Path, say: Callable[[str], None] = print) -> None:
    """Copy the weights in ``file`` to where the extractor called ``regions`` looks for them.

    Raises:
        UserError: an extractor that has no such file, or a file that cannot be read.
    """
    extractor = EXTRACTORS.get(regions)
    if extractor is None or extractor.weights is None:
        takes = ", ".join(name for name, extractor in EXTRACTORS.items() if extractor.weights)
        raise UserError(f"weights: regions {regions!r} take no file of weights, only {takes} do")
    extractor.weights().take(file, lambda: extractor.make("cpu"), say)


def about(regions: str) -> str:
    """What a region of this kind is, for readers."""
    return "drawn from the labels, not from pictures" if regions == SIMULATED else EXTRACTORS[regions].about


def seen(regions: str) -> str:
    """What an extractor's training had of data that methods are tested on, for readers; empty where it had none."""
    return "" if regions == SIMULATED else EXTRACTORS[regions].seen


@cache
def _load_entry_points() -> None:
    use_entry_points(ENTRY_POINTS, "regions", lambda register: register())
