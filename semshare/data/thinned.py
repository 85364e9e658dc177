"""Thinned data: segments withheld from every item, for studies of how much a modality knows.

What is withheld is drawn once an item, from its id: it is gone in training and in test, in every epoch and for every
method, so no model can average it away.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

if TYPE_CHECKING:
    from collections.abc import Sequence


def kept_regions(ids: Sequence[str], missing: float, present: Tensor) -> Tensor:
    """The ``present`` regions of images ``ids`` ([N, L] bool) less those withheld; an image keeps one that is there.

    ``missing`` is the probability, in [0, 1), that a region is withheld.
    """
    if not missing:
        return present
    drawn = torch.from_numpy(np.stack([_uniform(f"regions of {id}", present.shape[1]) for id in ids]))
    drawn = drawn.to(present.device)
    drawn = drawn.masked_fill(~present, -1)  # padding is never the one that stays
    return present & ((drawn >= missing) | (drawn == drawn.amax(1, keepdim=True)))


def kept_words(id: str, index: int, words: Sequence[int], missing: float) -> tuple[int, ...]:
    """The word ids of an item's text number ``index`` without those withheld; ``<start>`` and ``<end>`` stay."""
    drawn = _uniform(f"words of {id}, text {index}", len(words) - 2)
    return (words[0], *(word for word, one in zip(words[1:-1], drawn, strict=True) if one >= missing), words[-1])


def _uniform(name: str, count: int) -> np.ndarray:
    """``count`` numbers in [0, 1) that depend on ``name`` alone."""
    return np.random.default_rng(list(hashlib.sha256(name.encode()).digest())).random(count)
