"""Boxes of a detector: the rule on hand-made detections, shares of a picture, padding."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from semshare.data.regions.boxes import choose_regions, padded, relative


def _apart(count: int) -> Tensor:
    """Boxes that do not overlap."""
    left = torch.arange(count) * 10.0
    return torch.stack([left, torch.zeros(count), left + 8, torch.full((count,), 8.0)], 1)


def test_more_than_36_eligible_keep_the_best() -> None:
    scores = torch.linspace(0.51, 0.99, 50)[torch.randperm(50, generator=torch.Generator().manual_seed(0))]
    kept = choose_regions(_apart(50), scores)
    assert torch.equal(scores[kept], scores.sort(descending=True).values[:36])


@pytest.mark.parametrize("eligible", [0, 5])
def test_where_fewer_qualify_the_top_36_are_taken_whatever_their_score(eligible: int) -> None:
    scores = torch.cat([torch.linspace(0.001, 0.4, 50 - eligible), torch.linspace(0.6, 0.9, eligible)])
    kept = choose_regions(_apart(50), scores)
    assert len(kept) == 36 and torch.equal(kept, torch.arange(49, 13, -1))


def test_fewer_than_36_in_all_are_all_kept() -> None:
    assert choose_regions(_apart(3), torch.tensor([0.1, 0.9, 0.3])).tolist() == [1, 2, 0]
    assert choose_regions(torch.zeros(0, 4), torch.zeros(0)).tolist() == []


def test_among_equal_scores_the_earlier_goes_first() -> None:
    assert choose_regions(_apart(5), torch.tensor([0.2, 0.7, 0.7, 0.2, 0.7]), count=4).tolist() == [1, 2, 4, 0]


def test_one_box_under_two_classes_is_one_region_of_the_better() -> None:
    boxes = _apart(3)[[0, 1, 1, 2]]
    assert choose_regions(boxes, torch.tensor([0.5, 0.3, 0.6, 0.1])).tolist() == [2, 0, 3]
    half = torch.tensor([[0.0, 0, 10, 10], [0, 0, 10, 5]])  # an overlap of one half: two regions
    assert len(choose_regions(half, torch.tensor([0.9, 0.8]))) == 2


def test_boxes_arerelative_and_padding_is_zero() -> None:
    found = relative(torch.tensor([[10.0, 20, 60, 120]]), (200, 100))
    torch.testing.assert_close(found, torch.tensor([[0.1, 0.1, 0.6, 0.6, 0.25]]))
    batch = padded([found, found[:0]])
    assert batch.shape == (2, 36, 5) and torch.equal(batch[0, 0], found[0])
    assert batch[0, 1:].abs().sum() == 0 == batch[1].abs().sum()
