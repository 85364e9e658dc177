"""Withheld segments: how many, always the same ones, and what is never withheld."""

from __future__ import annotations

import math

import pytest
import torch

from semshare.data.dataset import kept_regions, kept_words

REGIONS = 36
IDS = [f"image-{number}" for number in range(200)]
ALL = torch.ones(len(IDS), REGIONS, dtype=torch.bool)


@pytest.mark.parametrize("missing", [0.1, 0.5, 0.8])
def test_the_share_of_withheld_regions_is_the_one_asked_for(missing: float) -> None:
    count = len(IDS) * REGIONS
    withheld = 1 - kept_regions(IDS, missing, ALL).float().mean().item()
    assert withheld == pytest.approx(missing, abs=4 * math.sqrt(missing * (1 - missing) / count))


@pytest.mark.parametrize("missing", [0.1, 0.5, 0.8])
def test_the_share_of_withheld_words_is_the_one_asked_for(missing: float) -> None:
    text = [1, *range(5, 105), 2]
    kept = sum(len(kept_words(id, 0, text, missing)) - 2 for id in IDS)
    deviation = math.sqrt(missing * (1 - missing) / (100 * len(IDS)))
    assert 1 - kept / (100 * len(IDS)) == pytest.approx(missing, abs=4 * deviation)


def test_nothing_is_withheld_at_zero() -> None:
    present = torch.rand(len(IDS), REGIONS, generator=torch.Generator().manual_seed(0)) < 0.5
    assert torch.equal(kept_regions(IDS, 0.0, present), present)
    assert kept_words("image-0", 0, [1, 7, 8, 2], 0.0) == (1, 7, 8, 2)


def test_what_is_withheld_follows_from_the_id_alone() -> None:
    whole = kept_regions(IDS, 0.5, ALL)
    assert torch.equal(kept_regions(IDS, 0.5, ALL), whole)
    assert torch.equal(kept_regions([IDS[7], IDS[3]], 0.5, ALL[:2]), whole[[7, 3]])
    assert not torch.equal(whole[0], whole[1])
    text = [1, *range(5, 45), 2]
    assert kept_words("image-0", 0, text, 0.5) == kept_words("image-0", 0, text, 0.5)
    others = {kept_words("image-1", 0, text, 0.5), kept_words("image-0", 1, text, 0.5)}
    assert len(others | {kept_words("image-0", 0, text, 0.5)}) == 3, "each text of each item loses words of its own"


def test_what_a_larger_share_keeps_a_smaller_one_kept_too() -> None:
    more, less = kept_regions(IDS, 0.3, ALL), kept_regions(IDS, 0.7, ALL)
    assert (more | ~less).all() and less.sum() < more.sum()
    text = [1, *range(5, 45), 2]
    assert set(kept_words("image-0", 0, text, 0.7)) < set(kept_words("image-0", 0, text, 0.3))


def test_an_image_keeps_one_region() -> None:
    kept = kept_regions(IDS, 0.999, ALL).sum(1)
    assert (kept >= 1).all() and (kept == 1).sum() > len(IDS) / 2


def test_the_one_that_stays_is_no_padding() -> None:
    present = ALL & (torch.arange(REGIONS) < 3)
    kept = kept_regions(IDS, 0.999, present)
    assert not (kept & ~present).any() and (kept.sum(1) >= 1).all()


def test_an_image_without_regions_gets_none() -> None:
    assert not kept_regions(IDS, 0.5, torch.zeros_like(ALL)).any()


def test_words_keep_their_order_between_start_and_end() -> None:
    text = [1, *range(5, 45), 2]
    kept = kept_words("image-0", 0, text, 0.5)
    assert kept[0] == 1 and kept[-1] == 2 and list(kept[1:-1]) == sorted(set(kept) - {1, 2})
    assert 2 < len(kept) < len(text)
    assert kept_words("image-0", 0, text, 0.999999) == (1, 2), "even when every word goes"
    assert kept_words("image-0", 0, [1, 2], 0.9) == (1, 2)
