"""Attention over packed segments; attention and dropout as a CPU computes them fast; the released normalisation.

A CPU spends a third of a small network's training in torch's dropout, which draws a 64-bit number an element, and in
scaled dot-product attention, whose kernels are made for long sequences. Here four elements share one random number, and
attention is three plain matrix operations.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from semshare.losses import widened

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
        flat = [tensor.flatten(0, 1) for tensor in padded]
        return torch.cat([part if rows is None else part.index_select(0, rows) for part, rows in self._with_rows(flat)])

    def split(self, packed: Tensor) -> tuple[Tensor, ...]:
        """[T, ...] to one [size, ...] a batch."""
        return packed.split(self.sizes)

    def unpack(self, packed: Tensor) -> list[Tensor]:
        """[T, ...] to one [B, L, ...] a batch, 0 on padding."""
        filled = []
        for mask, (part, rows) in zip(self.masks, self._with_rows(self.split(packed)), strict=True):
            if rows is not None:
                part = part.new_zeros(mask.numel(), *part.shape[1:]).index_copy(0, rows, part)
            filled.append(part.unflatten(0, mask.shape))
        return filled

    def _with_rows(self, batches: Sequence[Tensor]) -> list[tuple[Tensor, Tensor | None]]:
        return list(zip(batches, self._rows, strict=True))


NAME = "semshare"  # what BertConfig's attn_implementation calls :func:`attend`


def drop(values: Tensor, share: float) -> Tensor:
    """Dropout on a CPU: an element becomes 0 with probability ``share``, to 16 bits, or grows by 1 / (1 - share).

    Draws from torch's default generator.
    """
    count = values.numel()
    drawn = torch.empty(-(-count // 4), dtype=torch.int64).random_(-(2**63), None)
    drawn = drawn.view(torch.int16)[:count].view(values.shape)
    # Compared into the values' own type: bool to float is the slowest step of all otherwise.
    kept = torch.ge(drawn, round(share * 2**16) - 2**15, out=torch.empty(values.shape, dtype=values.dtype))
    return values * kept.mul_(1 / (1 - share))


class Dropout(nn.Dropout):
    """``nn.Dropout`` through :func:`drop` where that is faster."""

    def forward(self, values: Tensor) -> Tensor:
        """Any shape, in training mode with elements dropped."""
        if self.training and self.p and values.device.type == "cpu":
            return drop(values, self.p)
        return super().forward(values)


def attend(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: None,
    packing: Packing,
    dropout: float = 0.0,
    **options: object,
) -> tuple[Tensor, None]:
    """Scaled dot-product attention among each item's segments, as transformers calls it.

    Args:
        module: the layer that asks.
        query, key, value: [1, heads, T, size], packed.
        attention_mask: none, the packing knows.
        packing: where the items' segments are.
        dropout: the share of weights dropped; 0 outside training.
        options: of other kinds of attention.

    Returns:
        [1, T, heads, size], and no weights.
    """
    heads = [packing.unpack(parts[0].transpose(0, 1)) for parts in (query, key, value)]
    mixed = []
    for mask, *tensors in zip(packing.masks, *heads, strict=True):
        in_heads = (tensor.transpose(1, 2).contiguous() for tensor in tensors)  # a product of strided ones takes longer
        mixed.append(_mix(*in_heads, mask, dropout).transpose(1, 2))
    return packing.pack(mixed).unsqueeze(0), None


def _mix(query: Tensor, key: Tensor, value: Tensor, mask: Tensor, dropout: float) -> Tensor:
    """Attention of [B, heads, L, size] to the segments that ``mask`` [B, L] has."""
    seen = mask[:, None, None, :]
    if query.device.type != "cpu":
        return scaled_dot_product_attention(query, key, value, seen, dropout)
    scores = (query * query.shape[-1] ** -0.5) @ key.transpose(2, 3)
    weights = scores.masked_fill(~seen, float("-inf")).softmax(-1).to(value.dtype)
    return (drop(weights, dropout) if dropout else weights) @ value


def use(network: nn.Module) -> None:
    """Give ``network`` this module's dropout in place of torch's."""
    for module in list(network.modules()):
        for name, child in module.named_children():
            if type(child) is nn.Dropout:
                setattr(module, name, Dropout(child.p))


class DeviationNorm(nn.LayerNorm):
    """Layer normalisation that divides by the unbiased standard deviation + 1e-6, not by sqrt(variance + 1e-5).

    The two agree to 1 / 2d on ordinary tokens. A token whose deviation is near 1e-6, as that of read padding, is
    brought near 1 by this one and near 0 by the other.
    """

    def forward(self, tokens: Tensor) -> Tensor:
        """[..., d] to [..., d]."""
        tokens = widened(tokens)
        centred = tokens - tokens.mean(-1, keepdim=True)
        return self.weight * centred / (tokens.std(-1, keepdim=True) + 1e-6) + self.bias


def divide_by_deviation(network: nn.Module) -> None:
    """Turn every layer normalisation of ``network`` into a :class:`DeviationNorm` with the weights that it has."""
    for module in network.modules():
        if type(module) is nn.LayerNorm:
            module.__class__ = DeviationNorm


def register() -> None:
    """Let transformers know :func:`attend` by ``NAME``, before a network is made that calls it so."""
    from transformers import AttentionInterface  # takes seconds to import, and only a network needs it

    AttentionInterface.register(NAME, attend)
