"""RegionExtractor: from a picture to its 36 regions, each a feature, a box, a class and a score.

What a region is and how it is stored; no network is loaded here.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from semshare.data.segments import Segments

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PIL import Image

REGIONS = 36  # the supplementary's fixed number of RoIs an image
UNTRAINED = "-untrained"  # ends the name of a detector with random weights, which tries the pipeline: no result
ELIGIBLE = 0.5  # a region above this score is eligible; with fewer than 36 of them the top 36 are taken


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

    @classmethod
    def of_rows(cls, rows: Tensor) -> Regions:
        """The regions that stored ``rows`` [B, 36, D + 7] hold, in float32: the inverse of :meth:`rows`."""
        rows = rows.float()
        return cls(rows[..., :-7], rows[..., -7:-2], rows[..., -2].long(), rows[..., -1])

    def segments(self) -> Segments:
        """As a network reads them; a region whose score is 0 is padding."""
        return Segments(self.features, self.boxes, self.scores > 0, self.classes)

    def rows(self) -> np.ndarray:
        """As stored, float16 [B, 36, D + 7]: feature, box (5 columns), class, score."""
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

    def shrink(self, picture: Image.Image) -> Image.Image:
        """``picture`` in the size that :meth:`extract` looks at, where that is a fixed one; called from threads."""
        return picture

    @abstractmethod
    def extract(self, pictures: Sequence[Image.Image]) -> Regions:
        """The regions of RGB ``pictures`` of any size."""
