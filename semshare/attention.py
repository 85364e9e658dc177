"""Attention and dropout as a CPU computes them fast; on every other device they are torch's own.

A CPU spends a third of a small network's training in torch's dropout, which draws a 64-bit number an element, and in
scaled dot-product attention, whose kernels are made for long sequences. Here four elements share one random number, and
attention is three plain matrix operations.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from transformers import AttentionInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward

NAME = "semshare"  # what BertConfig's attn_implementation calls :func:`attend`


def drop(values: Tensor, share: float) -> Tensor:
    """Dropout on a CPU: an element becomes 0 with probability ``share``, to 16 bits, or grows by 1 / (1 - share).

    Draws from torch's default generator.
    """
    count = values.numel()
    drawn = torch.empty(-(-count // 4), dtype=torch.int64).random_(-(2**63), None)
    kept = drawn.view(torch.int16)[:count].view(values.shape) >= round(share * 2**16) - 2**15
    return values * kept.to(values.dtype).mul_(1 / (1 - share))


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
    attention_mask: Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    **options: object,
) -> tuple[Tensor, None]:
    """Scaled dot-product attention as transformers calls it.

    Args:
        module: the layer that asks.
        query, key, value: [B, heads, L, size].
        attention_mask: bool, broadcast to [B, heads, L, L]: True where a query may look.
        dropout: the share of weights dropped; 0 outside training.
        scaling: of the scores; 1 / sqrt(size) by default.
        options: for other devices' kernels.

    Returns:
        [B, L, heads, size], and no weights.
    """
    if query.device.type != "cpu":
        return sdpa_attention_forward(module, query, key, value, attention_mask, dropout, scaling, **options)
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    scores = (query * scale) @ key.transpose(2, 3)
    if attention_mask is not None:
        scores = scores.masked_fill(~attention_mask, float("-inf"))
    weights = scores.softmax(-1).to(value.dtype)
    if dropout:
        weights = drop(weights, dropout)
    return (weights @ value).transpose(1, 2), None


def use(network: nn.Module) -> None:
    """Give ``network`` this module's dropout in place of torch's."""
    for module in list(network.modules()):
        for name, child in module.named_children():
            if type(child) is nn.Dropout:
                setattr(module, name, Dropout(child.p))


AttentionInterface.register(NAME, attend)
