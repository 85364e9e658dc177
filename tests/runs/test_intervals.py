"""Intervals against a slow bootstrap written out."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from semshare.evaluation import Evaluation
from semshare.paper.failures import Failures, excess_share
from semshare.runs import intervals
from semshare.runs.intervals import Scored


def make(seed: int, images: int = 40, texts_each: int = 2, lift: float = 0.0) -> Scored:
    """An evaluation of random per-item values; ``lift`` raises every NDCG."""
    generator = torch.Generator().manual_seed(seed)
    owner = torch.arange(images).repeat_interleave(texts_each)
    draw = lambda size: torch.rand(size, generator=generator, dtype=torch.float64) / 2 + lift  # noqa: E731
    counts = lambda size: torch.randint(0, 4, (size, 3), generator=generator)  # noqa: E731
    t2i = draw(len(owner))
    evaluation = Evaluation(
        image_counts=counts(images),
        text_counts=counts(len(owner)),
        image_half=counts(images),
        text_half=counts(len(owner)),
        i2t=draw(images),
        t2i=t2i,
        t2i_rank=t2i - 0.1,
        i2t_random=draw(images) * 0 + 0.1,
        t2i_random=draw(len(owner)) * 0 + 0.1,
    )
    return Scored(evaluation, owner)


@pytest.mark.parametrize("measure", intervals.MEASURES)
def test_the_estimate_is_the_difference_of_the_headline_numbers(measure: intervals.Measure) -> None:
    one, other = make(0), make(1)
    expected = one.evaluation.numbers()[measure] - other.evaluation.numbers()[measure]
    assert intervals.difference([one], [other], measure).value == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("measure", ["text_f1", "t2i"])
def test_interval_equals_a_slow_bootstrap_over_images(measure: intervals.Measure) -> None:
    one, other = make(0), make(1)
    generator = np.random.default_rng(5)
    values = []
    for _ in range(1500):
        drawn = torch.from_numpy(generator.integers(0, 40, 40))
        # A text goes with its image: both texts of a drawn image count.
        texts = torch.stack([2 * drawn, 2 * drawn + 1], 1).flatten()
        sides = []
        for side in (one, other):
            if measure == "t2i":
                sides.append(float(side.evaluation.t2i[texts].mean()))
            else:
                hit, false, missed = side.evaluation.text_counts[texts].sum(0).tolist()
                sides.append(2 * hit / (2 * hit + false + missed))
        values.append(sides[0] - sides[1])
    found = intervals.difference([one], [other], measure)
    low, high = np.quantile(values, [0.025, 0.975])
    width = high - low
    assert found.low == pytest.approx(low, abs=0.12 * width)
    assert found.high == pytest.approx(high, abs=0.12 * width)


def test_the_mean_by_query_leaves_out_what_does_not_count() -> None:
    one = make(0)
    values = one.evaluation.t2i.clone()
    whole = intervals.mean_by_query([values], one.owner)
    assert whole == intervals.mean([one], "t2i")
    values[50:] = torch.nan
    half = intervals.mean_by_query([values], one.owner)
    assert half.value == pytest.approx(float(values[:50].mean()), abs=1e-12)
    assert half.half_width > 1.1 * whole.half_width
    seeds = [values, make(1).evaluation.t2i]
    assert intervals.mean_by_query(seeds, one.owner).value == pytest.approx(sum(float(v.nanmean()) for v in seeds) / 2)


def test_a_run_compared_with_itself_differs_by_exactly_nothing() -> None:
    found = intervals.difference([make(0)], [make(0)], "image_f1")
    assert (found.value, found.low, found.high) == (0, 0, 0)


def test_seeds_that_disagree_widen_the_interval() -> None:
    base = [make(0), make(0)]
    agreeing = intervals.difference([make(0, lift=0.2)] * 2, base, "i2t")
    disagreeing = intervals.difference([make(0, lift=0.0), make(0, lift=0.4)], base, "i2t")
    assert agreeing.value == pytest.approx(disagreeing.value)
    assert disagreeing.high - disagreeing.low > 0.3 > agreeing.high - agreeing.low + 0.2


def test_unequal_numbers_of_seeds_are_refused() -> None:
    with pytest.raises(ValueError, match="found 1 and 2 seeds"):
        intervals.difference([make(0)], [make(0), make(1)], "i2t")


def test_gain_over_random_uses_the_ordinary_discount() -> None:
    one = make(0)
    expected = float(one.evaluation.t2i_rank.mean() - one.evaluation.t2i_random.mean())
    assert intervals.gain_over_random([one], "t2i").value == pytest.approx(expected)


def rising(direction: int) -> list[Scored]:
    """Four epochs whose F1 rises and whose NDCG goes in ``direction``."""
    plain = make(0)
    epochs = []
    for step in range(1, 5):
        hits = torch.tensor([[step, 1, 1]]).repeat(40, 1)
        fields = {
            "image_counts": hits,
            "text_counts": hits.repeat(2, 1),
            "i2t": plain.evaluation.i2t + direction * step,
        }
        epochs.append(Scored(Evaluation(**(vars(plain.evaluation) | fields)), plain.owner))
    return epochs


def test_rank_correlation_is_one_where_f1_and_ndcg_rise_together() -> None:
    found = intervals.rank_correlation([[rising(1)]])
    assert (found.value, found.low) == (pytest.approx(1), pytest.approx(1))


def test_rank_correlation_of_a_seed_is_the_mean_of_its_runs() -> None:
    found = intervals.rank_correlation([[rising(1), rising(-1)]])
    assert (found.value, found.low, found.high) == (pytest.approx(0),) * 3


def test_spread_sees_a_dip_in_the_middle() -> None:
    settings = [[make(0, lift=0.2)], [make(0, lift=0.1)], [make(0, lift=0.2)]]
    assert intervals.spread(settings, "i2t").value == pytest.approx(0.1)


def test_spread_is_of_the_means_over_seeds_not_the_mean_of_the_spreads() -> None:
    """Two seeds that favour different settings: each alone spreads by 0.2, their mean not at all."""
    settings = [[make(0, lift=0.2), make(0, lift=0.0)], [make(0, lift=0.0), make(0, lift=0.2)]]
    found = intervals.spread(settings, "i2t")
    assert found.value == pytest.approx(0, abs=1e-12) and found.high == pytest.approx(0.2)


@pytest.mark.parametrize("name", ["image_f1", "text_f1", "image_f1_at_half", "text_f1_at_half", "i2t", "t2i_rank"])
def test_the_mean_is_that_of_the_headline_numbers(name: str) -> None:
    some = [make(0), make(1), make(2)]
    found = intervals.mean(some, name)
    assert found.value == pytest.approx(np.mean([one.evaluation.numbers()[name] for one in some]), abs=1e-12)
    assert found.low < found.value < found.high and found.half_width == pytest.approx((found.high - found.low) / 2)


def test_excess_share_compares_with_each_querys_own_chance() -> None:
    wrong = torch.tensor([[True, True], [True, False], [False, False]])
    semantic = torch.tensor([[True, False], [True, False], [False, False]])
    chance = torch.tensor([0.5, 0.0, float("nan")])  # nothing is wrong for the third query
    failures = Failures(
        "t2i", torch.tensor([0, 0, 1]), torch.zeros(3, 2, dtype=torch.long), wrong,
        {"semantic": semantic, "superclass": semantic, "other": ~semantic & wrong},
        {"semantic": chance, "superclass": chance, "other": 1 - chance},
    )  # fmt: skip
    # 2 of 3 wrong items are semantic; by chance (2 x 0.5 + 1 x 0) / 3 would be.
    found = excess_share([failures], "semantic")
    assert found.value == pytest.approx(2 / 3 - 1 / 3)
    # Both failing queries are captions of one image: resampled together, they always give the same share.
    assert (found.low, found.high) == (pytest.approx(0), pytest.approx(1 / 3))
