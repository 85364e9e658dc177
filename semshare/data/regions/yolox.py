"""YoloxRegions: the boxes of a small trained detector, an ImageNet network's map pooled on each."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from semshare.data.pictures import as_rgb
from semshare.data.regions.base import Regions
from semshare.data.regions.grid import GridRegions
from semshare.data.regions.weights import YOLOX_NANO
from semshare.utils.devices import cores
from semshare.utils.extras import extra

with extra("detector"):
    import onnxruntime
    from torchvision.ops import batched_nms, roi_align

    from semshare.data.regions.boxes import LEAST, choose_regions, padded, relative

if TYPE_CHECKING:
    from collections.abc import Sequence

_SIDE = 416  # of the square that the detector looks at
_STRIDES = (8, 16, 32)  # of its three maps, in pixels of that square
_GREY = 114  # fills the square beside and below the picture
_CANDIDATES = 1000  # the best boxes that suppression looks at, far more than a picture has things
_OVERLAP = 0.65  # of two boxes of one class that count as one thing
_POINTS = 4  # along each side of a box, at which the map is read


class YoloxRegions(GridRegions):
    """The best 36 boxes of YOLOX-nano, trained on COCO's train2017 with its 80 classes.

    A feature is :class:`GridRegions`' network on the picture in 320 x 320 pixels, its 10x10 map averaged over the box
    (RoIAlign), [1280], and the box's score for each of the 80 classes, [80]. Class and score of a region are the best
    of those. The detector has seen most of COCO's pictures that a method is tested on, with these very labels.
    """

    name = "yolox-nano"
    feature_size = 1280 + 80
    class_count = 80
    _INPUT = 320  # of the network whose map is pooled

    def __init__(self, device: torch.device | str = "cpu") -> None:
        """Load both networks; the detector's runs on the CPU.

        Raises:
            UserError: the weights are neither at hand nor to be had, or are no such network.
        """
        super().__init__(device)
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        options.intra_op_num_threads = 1  # it takes one picture at a time: pictures, not products, are shared by cores
        self._pool = ThreadPoolExecutor(cores())
        self._detector = YOLOX_NANO.load(
            lambda path: onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        )

    def shrink(self, picture: Image.Image) -> Image.Image:
        """``picture`` with its longer side as long as the detector's square."""
        picture = as_rgb(picture)
        ratio = _SIDE / max(picture.size)
        width, height = (max(1, int(side * ratio)) for side in picture.size)
        return picture.resize((width, height), Image.Resampling.BILINEAR)

    @torch.inference_mode()
    def extract(self, pictures: Sequence[Image.Image]) -> Regions:
        pictures = [self.shrink(picture) for picture in pictures]
        boxes, scores = zip(*self._pool.map(self._detections, pictures), strict=True)
        maps = self._network.extract_features(self._batch(pictures))
        boxes = [relative(of_picture, picture.size[::-1]) for of_picture, picture in zip(boxes, pictures, strict=True)]
        corners = [of_picture[:, :4].to(self._device) for of_picture in boxes]
        pooled = roi_align(maps, corners, 1, spatial_scale=maps.shape[-1], sampling_ratio=_POINTS, aligned=True)
        cells = pooled.flatten(1).cpu().split([len(of_picture) for of_picture in boxes])
        return Regions(
            features=padded([torch.cat(parts, 1) for parts in zip(cells, scores, strict=True)]),
            boxes=padded(boxes),
            classes=padded([self._classes(*parts) for parts in zip(cells, scores, strict=True)]),
            scores=padded([of_picture.amax(1).clamp_min(LEAST) for of_picture in scores]),
        )

    def _classes(self, cells: Tensor, scores: Tensor) -> Tensor:
        """[R], from the pooled features [R, 1280] and the class scores [R, 80]."""
        return scores.argmax(1)

    def _detections(self, picture: Image.Image) -> tuple[Tensor, Tensor]:
        """The boxes to keep, [R, 4] in pixels of ``picture``, and their class scores [R, 80], best first."""
        square = np.full((_SIDE, _SIDE, 3), _GREY, np.float32)
        square[: picture.height, : picture.width] = np.asarray(picture)[..., ::-1]  # it reads blue first
        (output,) = self._detector.run(None, {"images": square.transpose(2, 0, 1)[None]})
        boxes, scores = decode(torch.from_numpy(output[0]))
        limit = torch.tensor([picture.width, picture.height] * 2)
        boxes = boxes.minimum(limit).clamp_min(0)
        best, classes = scores.max(1)
        rows = best.topk(min(_CANDIDATES, len(best))).indices
        inside = (boxes[rows, 2:] - boxes[rows, :2] > 0).all(1)  # else it lies in the grey, beside the picture
        rows = rows[inside]
        rows = rows[batched_nms(boxes[rows], best[rows], classes[rows], _OVERLAP)]
        rows = rows[choose_regions(boxes[rows], best[rows])]
        return boxes[rows], scores[rows]

    def _batch(self, pictures: Sequence[Image.Image]) -> Tensor:
        """``pictures`` as the network reads them, [B, 3, 320, 320] in [-1, 1]."""
        size = (self._INPUT, self._INPUT)
        pixels = np.stack([np.asarray(picture.resize(size, Image.Resampling.BICUBIC)) for picture in pictures])
        batch = torch.from_numpy(pixels).to(self._device).permute(0, 3, 1, 2).float()
        return batch.div_(127.5).sub_(1).contiguous(memory_format=torch.channels_last)


class YoloxImagenetRegions(YoloxRegions):
    """As :class:`YoloxRegions`, but a region's class is what the ImageNet network says of its pooled feature.

    So a masked region's target is none of COCO's labels, which methods are tested on.
    """

    name = "yolox-nano-imagenet"
    class_count = 1000

    def _classes(self, cells: Tensor, scores: Tensor) -> Tensor:
        return self._network._fc(cells.to(self._device)).argmax(1).cpu()


def decode(output: Tensor) -> tuple[Tensor, Tensor]:
    """Boxes and class scores of what the detector says.

    Args:
        output: [3549, 85], a row a cell of the three maps, row by row, finest first: centre and logarithm of the size
            in strides (the centre counted from the cell), objectness, 80 class scores.

    Returns:
        [3549, 4] corners in pixels of the square, and [3549, 80] scores, objectness times class score.
    """
    cells = []
    for stride in _STRIDES:
        places = torch.arange(_SIDE // stride, dtype=torch.float32)
        down, across = torch.meshgrid(places, places, indexing="ij")
        cells.append(torch.stack([across.flatten(), down.flatten(), torch.full((places.numel() ** 2,), stride)], 1))
    left_top, stride = torch.cat(cells).split([2, 1], 1)
    centre, size = (output[:, :2] + left_top) * stride, output[:, 2:4].exp() * stride
    return torch.cat([centre - size / 2, centre + size / 2], 1), output[:, 4:5] * output[:, 5:]
