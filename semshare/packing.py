"""Packing: the segments of several batches in one row, without their padding.

What a transformer does token by token then costs nothing for padding, and one call serves images and texts together;
only attention, where an item's segments meet, needs them padded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from collections.abc import Sequence


class Packing:
    """Where the T segments of several padded batches lie in one row.

    Attributes:
        masks: of each batch [B, L] bool, True where a segment is.
        sizes: how many segments each has; T is their sum.
    """

    def __init__(self, masks: Sequence[Tensor]) -> None:
        self.masks = tuple(masks)
        self.sizes = [int(mask.sum()) for mask in masks]
        # None where a batch has no padding: its segments are in order already.
        self._rows = [
            None if size == mask.numel() else mask.flatten().nonzero().squeeze(1)
            for mask, size in zip(self.masks, self.sizes, strict=True)
        ]

    def pack(self, padded: Sequence[Tensor]) -> Tensor:
        """One [B, L, ...] a batch to [T, ...]."""
        flat = [one.flatten(0, 1) for one in padded]
        return torch.cat([one if rows is None else one.index_select(0, rows) for one, rows in self._with_rows(flat)])

    def split(self, packed: Tensor) -> tuple[Tensor, ...]:
        """[T, ...] to one [size, ...] a batch."""
        return packed.split(self.sizes)

    def unpack(self, packed: Tensor) -> list[Tensor]:
        """[T, ...] to one [B, L, ...] a batch, 0 on padding."""
        filled = []
        for mask, (one, rows) in zip(self.masks, self._with_rows(self.split(packed)), strict=True):
            if rows is not None:
                one = one.new_zeros(mask.numel(), *one.shape[1:]).index_copy(0, rows, one)
            filled.append(one.unflatten(0, mask.shape))
        return filled

    def _with_rows(self, batches: Sequence[Tensor]) -> list[tuple[Tensor, Tensor | None]]:
        return list(zip(batches, self._rows, strict=True))
