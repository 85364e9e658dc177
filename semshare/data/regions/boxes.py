"""Boxes of a detector: which are regions, how they are measured, and how they become a batch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn.functional import pad

from semshare.data.regions.base import REGIONS
from semshare.utils.extras import extra

with extra("detector"):
    from torchvision.ops import nms

if TYPE_CHECKING:
    from collections.abc import Sequence

_SAME = 0.95  # two boxes that overlap more than this are one region under two classes
LEAST = 2.0**-14  # a kept region's stored score is at least this: in float16 a smaller one would read as padding


def choose_regions(boxes: Tensor, scores: Tensor, count: int = REGIONS) -> Tensor:
    """The detections [N] to keep, best first: at most ``count`` indices into ``boxes`` [N, 4] and ``scores`` [N].

    The supplementary keeps the best regions above 0.5 and, where fewer than ``count`` are eligible, the best
    whatever their score. Both halves are the same ``count`` highest scores, so no threshold is read here; what the
    rule does ask is that no detection was dropped for its score before. The suppression of overlaps is done a
    class at a time, hence one box may come under two classes: it is one region, of its better class. Among equal
    scores the earlier detection goes first.
    """
    order = scores.argsort(descending=True, stable=True)
    ranks = torch.arange(len(order), 0, -1, device=boxes.device, dtype=torch.float32)
    return order[nms(boxes[order].float(), ranks, _SAME)[:count]]


def relative(boxes: Tensor, size: tuple[int, int]) -> Tensor:
    """``boxes`` [N, 4] in pixels of a picture of ``size`` (height, width) as x1, y1, x2, y2 and area in [0, 1]."""
    height, width = size
    corners = (boxes / boxes.new_tensor([width, height, width, height])).clamp(0, 1)
    area = (corners[:, 2] - corners[:, 0]) * (corners[:, 3] - corners[:, 1])
    return torch.cat([corners, area.unsqueeze(1)], 1)


def padded(parts: Sequence[Tensor]) -> Tensor:
    """Tensors of at most 36 rows as one batch, zeros where rows are missing."""
    return torch.stack([pad(part, (0, 0) * (part.dim() - 1) + (0, REGIONS - len(part))) for part in parts])
