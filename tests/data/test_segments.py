"""Hidden segments: how many, and never where there is nothing to predict."""

from __future__ import annotations

import math

import pytest
import torch

from semshare.data.dataset import pad_words
from semshare.data.segments import Segments, draw_hidden


def _regions(items: int = 400, length: int = 36) -> Segments:
    mask = torch.ones(items, length, dtype=torch.bool)
    mask[::2, 20:] = False
    return Segments(
        features=torch.zeros(items, length, 3),
        positions=torch.zeros(items, length, 5),
        mask=mask,
        targets=torch.where(mask, 7, -1),
    )


def _words(items: int = 800) -> Segments:
    # <start> word word <unk> <mask> ... <end>, of lengths 4 to 23
    return pad_words([[1, *range(5, 6 + row % 20), 3, 2] for row in range(items)])


@pytest.mark.parametrize("share", [0.15, 0.5])
@pytest.mark.parametrize("kind", ["regions", "words"])
def test_the_share_of_hidden_segments_is_binomial(kind: str, share: float) -> None:
    segments = _regions() if kind == "regions" else _words()
    hidden = draw_hidden(segments, share, torch.Generator().manual_seed(0))
    allowed = int((segments.mask & (segments.targets >= 0)).sum())
    assert allowed > 8_000
    bound = 4 * math.sqrt(allowed * share * (1 - share))
    assert abs(int(hidden.sum()) - share * allowed) < bound


def test_padding_and_special_words_are_never_hidden() -> None:
    segments = _words()
    hidden = draw_hidden(segments, 0.99, torch.Generator().manual_seed(1))
    assert hidden.any()
    assert not (hidden & ~segments.mask).any()
    assert int(segments.features[hidden].min()) >= 5  # <pad> <start> <end> <unk> <mask> are 0 to 4
    regions = _regions()
    assert not (draw_hidden(regions, 0.99, torch.Generator().manual_seed(1)) & ~regions.mask).any()


def test_a_share_of_zero_hides_nothing() -> None:
    assert not draw_hidden(_regions(), 0.0, torch.Generator().manual_seed(0)).any()


def test_the_seed_decides_what_is_hidden() -> None:
    segments = _regions()
    first, same, other = (draw_hidden(segments, 0.15, torch.Generator().manual_seed(seed)) for seed in (3, 3, 4))
    assert torch.equal(first, same) and not torch.equal(first, other)


def test_mean_leaves_padding_out() -> None:
    segments = Segments(
        features=torch.tensor([[[2.0], [4.0], [100.0]], [[1.0], [100.0], [100.0]]]),
        positions=torch.zeros(2, 3, 5),
        mask=torch.tensor([[True, True, False], [True, False, False]]),
        targets=torch.zeros(2, 3, dtype=torch.long),
    )
    assert segments.mean().tolist() == [[3.0], [1.0]]


def test_mean_of_no_segment_is_zero() -> None:
    segments = _regions(2)
    empty = Segments(torch.ones(2, 36, 3), segments.positions, torch.zeros(2, 36, dtype=torch.bool), segments.targets)
    assert empty.mean().abs().sum() == 0
