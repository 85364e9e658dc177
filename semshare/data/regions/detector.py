"""FasterRCNNRegions: the paper's RoIs, the 36 best detections of torchvision's Faster R-CNN."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch
from torch import Tensor, nn

from semshare.data.pictures import as_rgb
from semshare.data.regions.base import UNTRAINED, RegionExtractor, Regions
from semshare.errors import UserError
from semshare.utils.extras import extra

with extra("detector"):
    from torchvision.models import detection

    from semshare.data.regions.boxes import LEAST, choose_regions, padded, relative

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PIL import Image
    from torchvision.models._api import WeightsEnum


class FasterRCNNRegions(RegionExtractor):
    """The best 36 detections of a Faster R-CNN trained on COCO; a feature is the box head's output for that box.

    Fewer than 36 survivors are padded with score 0. Classes are the detector's own 91, 0 the background.
    The weights were trained on COCO's train2017, which holds most of the pictures that Karpathy's split calls dev and
    test: on COCO the detector has seen pictures that a method is tested on.
    """

    name = "fasterrcnn"
    feature_size = 1024
    class_count = 91
    batch = 8  # large pictures: 32 would take some 10 GB
    _build = staticmethod(detection.fasterrcnn_resnet50_fpn_v2)
    _weights: type[WeightsEnum] = detection.FasterRCNN_ResNet50_FPN_V2_Weights

    def __init__(self, device: torch.device | str = "cpu", weights: Literal["DEFAULT"] | None = "DEFAULT") -> None:
        """Build the detector.

        Args:
            device: where it runs.
            weights: ``"DEFAULT"`` loads the COCO weights, downloaded at first use; ``None`` leaves random ones,
                always the same. The name then says so.

        Raises:
            UserError: the weights are neither at hand nor to be had; the message says where to put the file.
        """
        self._device = torch.device(device)
        # No detection and no proposal may be dropped for its score, or the rule's top 36 could not be filled.
        keep_all = {"box_score_thresh": 0.0, "box_detections_per_img": 300, "rpn_score_thresh": 0.0}
        with torch.random.fork_rng():
            torch.manual_seed(0)
            network = self._build(weights=None, weights_backbone=None, **keep_all)
        if weights is None:
            self.name += UNTRAINED
        else:
            _load(network, self._weights.DEFAULT)
        self._network = network.eval().to(self._device)

    @torch.inference_mode()
    def extract(self, pictures: Sequence[Image.Image]) -> Regions:
        net, heads = self._network, self._network.roi_heads
        batch, _ = net.transform([self._pixels(picture) for picture in pictures])
        maps = net.backbone(batch.tensors)
        proposals, _ = net.rpn(batch, maps)
        detections, _ = heads(maps, proposals, batch.image_sizes)
        kept = [choose_regions(detection["boxes"], detection["scores"]) for detection in detections]
        boxes = [detection["boxes"][rows] for detection, rows in zip(detections, kept, strict=True)]
        features = heads.box_head(heads.box_roi_pool(maps, boxes, batch.image_sizes))
        return Regions(
            features=padded(features.split([len(rows) for rows in kept])),
            boxes=padded([relative(of_image, size) for of_image, size in zip(boxes, batch.image_sizes, strict=True)]),
            classes=padded([detection["labels"][rows] for detection, rows in zip(detections, kept, strict=True)]),
            scores=padded(
                [detection["scores"][rows].clamp_min(LEAST) for detection, rows in zip(detections, kept, strict=True)]
            ),
        )

    def _pixels(self, picture: Image.Image) -> Tensor:
        pixels = torch.from_numpy(np.array(as_rgb(picture))).to(self._device)
        return pixels.permute(2, 0, 1).float().div_(255)


class MobileFasterRCNNRegions(FasterRCNNRegions):
    """As :class:`FasterRCNNRegions` with a MobileNetV3 body on pictures of 320 pixels: less exact, much faster."""

    name = "fasterrcnn-mobilenet"
    _build = staticmethod(detection.fasterrcnn_mobilenet_v3_large_320_fpn)
    _weights = detection.FasterRCNN_MobileNet_V3_Large_320_FPN_Weights


def _load(network: nn.Module, weights: WeightsEnum) -> None:
    """Load torchvision's ``weights``, downloaded at first use; raises :class:`UserError` saying where they go."""
    path = Path(torch.hub.get_dir()) / "checkpoints" / weights.url.rsplit("/", 1)[-1]
    try:
        state = weights.get_state_dict(progress=True, check_hash=True, weights_only=True)
    except Exception as error:  # no network, a full disk, another checksum, a damaged file: one remedy
        raise UserError(
            f"{path}: the detector's weights are missing or damaged and could not be downloaded "
            f"({type(error).__name__}: {error}); download {weights.url} elsewhere and put the file there"
        ) from None
    missing, unexpected = network.load_state_dict(state, strict=False)
    # torchvision freezes the normalisation of trained weights, which then have no count of batches.
    if lost := [name for name in (*missing, *unexpected) if not name.endswith("num_batches_tracked")]:
        raise UserError(f"{path}: the weights do not fit this detector: {lost[0]} is missing or unknown")
