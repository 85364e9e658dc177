"""Segments: one modality's bag of segments, the one type that images and texts share.

An image is its regions, a text is its words; past this type nothing asks which.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor


@dataclass(frozen=True)
class Segments:
    """A padded batch of items, each a bag of at most L segments.

    Attributes:
        features: [B, L, D] float region features, or [B, L] integer word ids; [B, L, d] once encoded.
        positions: [B, L, 5] float boxes (x1, y1, x2, y2 relative, area ratio), or [B, L] integer places.
        mask: [B, L] bool, True where a segment is, False where padding is.
        targets: [B, L] integer, what context prediction would predict of each segment (detector class or
            word id); -1 where there is nothing to predict (padding, ``<start>``, ``<end>``, and ``<unk>`` unless the
            dataset says otherwise).
    """

    features: Tensor
    positions: Tensor
    mask: Tensor
    targets: Tensor

    def __len__(self) -> int:
        return self.features.shape[0]

    def to(self, device: torch.device | str) -> Segments:
        """The same segments on ``device``."""
        return Segments(
            *(
                tensor.to(device, non_blocking=True)
                for tensor in (self.features, self.positions, self.mask, self.targets)
            )
        )

    def with_features(self, features: Tensor) -> Segments:
        """The same places, mask and targets around other ``features`` [B, L, ...]."""
        return replace(self, features=features)

    def mean(self) -> Tensor:
        """The mean feature over each item's segments, [B, D]; padding does not count."""
        weight = self.mask.unsqueeze(-1).to(self.features.dtype)
        return (self.features * weight).sum(1) / weight.sum(1).clamp(min=1)


def draw_hidden(segments: Segments, share: float, generator: torch.Generator) -> Tensor:
    """Choose the segments that context prediction hides (paper, "Eq. 6": 15 % of each modality's tokens).

    Args:
        segments: the batch.
        share: probability that a segment is hidden, in [0, 1].
        generator: CPU random generator, so that a seed gives the same places on every device.

    Returns:
        [B, L] bool, True where a segment is hidden; never on padding or where there is nothing to predict.
    """
    drawn = torch.rand(segments.mask.shape, generator=generator) < share
    return drawn.to(segments.mask.device) & segments.mask & (segments.targets >= 0)
