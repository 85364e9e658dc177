"""Intervals against a slow bootstrap, and against values worked out by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.stats import t as student

from semshare.evaluation import Evaluation
from semshare.runs import intervals, variance
from semshare.runs.intervals import Interval, Scored, SeedVariance

NONE = SeedVariance()
IMAGES = 40
OWNER = torch.arange(IMAGES).repeat_interleave(2)


def evaluation(seed: int, lift: float = 0.0) -> Evaluation:
    """Random values of 40 images with two texts each; ``lift`` raises every NDCG."""
    generator = torch.Generator().manual_seed(seed)
    draw = lambda size: torch.rand(size, generator=generator, dtype=torch.float64) / 2 + lift  # noqa: E731
    counts = lambda size: torch.randint(0, 4, (size, 3), generator=generator)  # noqa: E731
    t2i = draw(len(OWNER))
    return Evaluation(
        image_counts=counts(IMAGES),
        text_counts=counts(len(OWNER)),
        image_half=counts(IMAGES),
        text_half=counts(len(OWNER)),
        i2t=draw(IMAGES),
        t2i=t2i,
        t2i_rank=t2i - 0.1,
        i2t_random=draw(IMAGES) * 0 + 0.1,
        t2i_random=draw(len(OWNER)) * 0 + 0.1,
    )


def make(seed: int, lift: float = 0.0, key: str | None = None) -> Scored:
    return Scored.of(evaluation(seed, lift), OWNER, key or f"{seed}-{lift}")


@pytest.mark.parametrize("measure", intervals.MEASURES)
def test_the_estimate_is_the_difference_of_the_headline_numbers(measure: intervals.Measure) -> None:
    expected = evaluation(0).numbers()[measure] - evaluation(1).numbers()[measure]
    assert intervals.difference([make(0)], [make(1)], measure, NONE).value == pytest.approx(expected, abs=1e-12)


def test_what_draws_nothing_neither_takes_from_the_pool_nor_gives_to_it() -> None:
    """Linear has one run: its interval is of the images alone and knows everything, with a pool and without one."""
    several = [make(seed, key=f"{seed}") for seed in (0, 1)]
    fixed = replace(make(2, key="fixed"), seeded=False)
    pool, with_fixed = SeedVariance.pool([several]), SeedVariance.pool([several, [fixed, replace(fixed, key="again")]])
    assert pool.of("i2t").variance > 0
    assert with_fixed.of("i2t") == pool.of("i2t")
    alone = intervals.mean([fixed], "i2t", NONE)
    assert alone.training and intervals.mean([fixed], "i2t", pool).error == alone.error
    as_if_drawn = intervals.mean([replace(fixed, seeded=True)], "i2t", pool)
    assert as_if_drawn.error > alone.error
    gap = intervals.difference(several, [fixed], "i2t", pool)
    noise = variance.ratios(np.stack([run.rows("i2t") for run in (*several, fixed)])).noise
    weights = np.array([0.5, 0.5, -1])
    expected = weights @ noise @ weights + 0.5 * float(pool.of("i2t").variance)
    assert gap.error == pytest.approx(expected**0.5, rel=1e-12) and gap.training
    assert not intervals.difference(several, [fixed], "i2t", NONE).training


@pytest.mark.parametrize("measure", ["text_f1", "t2i"])
def test_item_noise_equals_a_slow_bootstrap_over_images(measure: intervals.Measure) -> None:
    """Of each run, and what two runs share: the covariance over redraws of the images, a text with its image."""
    sides = [evaluation(0), evaluation(1)]
    generator = np.random.default_rng(5)
    values = []
    for _ in range(4000):
        drawn = torch.from_numpy(generator.integers(0, IMAGES, IMAGES))
        texts = torch.stack([2 * drawn, 2 * drawn + 1], 1).flatten()
        of_sides = []
        for side in sides:
            if measure == "t2i":
                of_sides.append(float(side.t2i[texts].mean()))
            else:
                hit, false, missed = side.text_counts[texts].sum(0).tolist()
                of_sides.append(2 * hit / (2 * hit + false + missed))
        values.append(of_sides)
    slow = np.cov(np.array(values), rowvar=False)
    found = variance.ratios(np.stack([make(seed).rows(measure) for seed in (0, 1)])).noise
    np.testing.assert_allclose(found, slow, atol=0.1 * slow.max())
    gap = intervals.difference([make(0)], [make(1)], measure, NONE)
    low, high = np.quantile(np.diff(np.array(values), axis=1), [0.025, 0.975])
    assert gap.half_width == pytest.approx((high - low) / 2, rel=0.12)


def test_queries_that_do_not_count_are_left_out() -> None:
    values = evaluation(0).t2i.clone()
    whole = intervals.mean([intervals.by_query(values, OWNER, "a")], "query", NONE)
    assert whole == intervals.mean([make(0)], "t2i", NONE)
    values[50:] = torch.nan
    half = intervals.mean([intervals.by_query(values, OWNER, "a")], "query", NONE)
    assert half.value == pytest.approx(float(values[:50].mean()), abs=1e-12)
    assert half.half_width > 1.1 * whole.half_width


def test_a_run_compared_with_itself_differs_by_exactly_nothing() -> None:
    found = intervals.difference([make(0)], [make(0)], "image_f1", NONE)
    assert (found.value, found.low, found.high, found.training) == (0, 0, 0, True)


def test_seeds_that_disagree_widen_the_interval() -> None:
    base, other = ([make(0, lift, key) for lift, key in ((0.0, f"{side}1"), (0.0, f"{side}2"))] for side in "ab")
    apart = [make(0, lift, key) for lift, key in ((-0.2, "c1"), (0.2, "c2"))]
    agreeing = intervals.difference(other, base, "i2t", SeedVariance.pool([base, other]))
    disagreeing = intervals.difference(apart, base, "i2t", SeedVariance.pool([base, apart]))
    assert agreeing.value == pytest.approx(disagreeing.value) and agreeing.half_width == pytest.approx(0, abs=1e-9)
    # The pooled variance is .04 (.08 on one of two degrees), a difference of means of two runs has as much.
    assert disagreeing.error == pytest.approx(0.2) and disagreeing.freedom == pytest.approx(2)
    assert disagreeing.half_width == pytest.approx(student.isf(0.025, 2) * 0.2)


def test_one_seed_takes_the_pools_variance_and_without_a_pool_says_what_it_does_not_know() -> None:
    apart = [make(0, lift, key) for lift, key in ((-0.2, "c1"), (0.2, "c2"))]
    one, other = make(0, 0.0, "a"), make(0, 0.1, "b")
    found = intervals.difference([one], [other], "i2t", SeedVariance.pool([apart, [one], [other]]))
    assert found.training and found.error == pytest.approx((2 * 0.08) ** 0.5) and found.freedom == pytest.approx(1)
    assert found.reach() == pytest.approx((student.isf(0.025, 1) + student.isf(0.2, 1)) * found.error)
    alone = intervals.difference([one], [make(1)], "i2t", SeedVariance.pool([[one], [other]]))
    assert not alone.training and alone.reach() is None and str(alone).endswith("images alone")


def test_networks_read_in_two_ways_differ_by_what_the_reading_does_alone() -> None:
    """The pool's seeds lie .4 apart; read otherwise every NDCG rises by .1 and .12: variance .0002 on one degree."""
    ways = [], []
    for seed in (0, 1):
        plain = evaluation(seed, lift=0.4 * seed)
        other = Evaluation(**(vars(plain) | {"i2t": plain.i2t + 0.1 + 0.02 * seed}))
        for way, read in zip(ways, (plain, other), strict=True):
            way.append(Scored.of(read, OWNER, f"{seed}-{len(ways[0])}-{read is other}", training=f"{seed}"))
    pool = SeedVariance.pool(ways)
    assert len(pool.settings) == 1, "trained once"
    found = intervals.difference(ways[1], ways[0], "i2t", pool)
    assert found.value == pytest.approx(0.11) and found.error == pytest.approx(0.01) and found.training
    assert found.freedom == pytest.approx(1)
    nothing = intervals.difference(ways[1], ways[0], "text_f1", pool)
    assert (nothing.value, nothing.low, nothing.high) == (0, 0, 0)


def test_other_trainings_that_predict_alike_are_not_one() -> None:
    """Networks that predict nothing have equal counts, and yet each was trained for itself."""
    nothing = torch.tensor([[0, 0, 3]]).repeat(IMAGES, 1)
    dead = [replace(evaluation(seed), image_counts=nothing) for seed in range(2)]
    settings = [
        [Scored.of(run, OWNER, f"{setting}{seed}", training=f"{setting}{seed}") for seed, run in enumerate(dead)]
        for setting in "ab"
    ]
    pool = SeedVariance.pool(settings)
    assert len(pool.settings) == 2
    assert intervals.difference(*settings, "i2t", pool).error > 0
    histories = [[{"epoch": 1, "image_f1": 0.0, "loss": loss, "seconds": loss}] for loss in (0.5, 0.5, 0.6)]
    names = [intervals.training_name(key, history) for key, history in zip("abc", histories, strict=True)]
    assert names[0] == names[1] != names[2] and intervals.training_name("d", []) == "d"


def test_what_draws_nothing_differs_from_its_other_reading_by_the_images_alone() -> None:
    plain = evaluation(0)
    other = Evaluation(**(vars(plain) | {"i2t": plain.i2t + 0.1}))
    ways = [[Scored.of(read, OWNER, key, seeded=False, training="a")] for key, read in (("a", plain), ("a.b", other))]
    found = intervals.difference(ways[1], ways[0], "i2t", NONE)
    assert found.value == pytest.approx(0.1) and found.training


def test_a_setting_counts_once_in_a_pool() -> None:
    runs = [make(seed) for seed in range(4)]
    pool = SeedVariance.pool([runs[:2], runs[:2], runs[:3], runs[3:]])
    assert [len(setting) for setting in pool.settings] == [3, 1]


def test_gain_over_random_uses_the_ordinary_discount() -> None:
    kept = evaluation(0)
    for direction, ranked in (("i2t", kept.i2t), ("t2i", kept.t2i_rank)):
        expected = float(ranked.mean()) - 0.1
        assert intervals.gain_over_random([make(0)], direction, NONE).value == pytest.approx(expected)


def rising(direction: int, key: str) -> list[Scored]:
    """Four epochs whose F1 rises and whose NDCG goes in ``direction``."""
    plain = evaluation(0)
    epochs = []
    for step in range(1, 5):
        hits = torch.tensor([[step, 1, 1]]).repeat(IMAGES, 1)
        fields = {"image_counts": hits, "text_counts": hits.repeat(2, 1), "i2t": plain.i2t + direction * step}
        epochs.append(Scored.of(Evaluation(**(vars(plain) | fields)), OWNER, key))
    return epochs


def test_rank_correlation_is_one_where_f1_and_ndcg_rise_together() -> None:
    found = intervals.rank_correlation([[rising(1, "a"), rising(1, "b")]])
    assert (found.value, found.low, found.high) == (pytest.approx(1), pytest.approx(1), 1) and found.training
    assert not intervals.rank_correlation([[rising(1, "a")], [rising(1, "b")]]).training, "one seed a setting"


def test_rank_correlation_is_the_mean_of_runs_and_ends_where_a_correlation_ends() -> None:
    found = intervals.rank_correlation([[rising(1, "a"), rising(-1, "b")], [rising(1, "c"), rising(-1, "d")]])
    assert found.value == pytest.approx(0) and (found.low, found.high) == (-1, 1)
    # In each setting seeds differ by 2: a variance of 2 on two degrees of freedom, a quarter of it for four runs.
    assert found.error == pytest.approx(0.5**0.5) and found.freedom == pytest.approx(2)


def test_spread_is_the_widest_pair_of_means_over_seeds() -> None:
    """The middle setting dips by .1; two seeds that favour different settings have the same mean."""
    settings = [[make(0, lift, f"{lift}{place}")] for place, lift in enumerate((0.2, 0.1, 0.2))]
    assert intervals.spread(settings, "i2t", NONE).value == pytest.approx(0.1)
    settings = [
        [make(0, lift, f"{side}{lift}") for lift in lifts] for side, lifts in (("a", (0.2, 0.0)), ("b", (0.0, 0.2)))
    ]
    assert intervals.spread(settings, "i2t", NONE).value == pytest.approx(0, abs=1e-12)


def test_spread_ends_with_the_last_pair_and_begins_with_the_first_at_bonferronis_level() -> None:
    settings = [[make(seed, lift)] for seed, lift in ((0, 0.0), (1, 0.1), (2, 0.3))]
    pairs = [intervals.difference(settings[a], settings[b], "i2t", NONE) for a, b in ((0, 1), (0, 2), (1, 2))]
    found = intervals.spread(settings, "i2t", NONE)
    assert found.high == max(abs(pair.value) + pair.half_width for pair in pairs)
    begins = [abs(pair.value) - student.isf(0.025 / 3, IMAGES - 1) * pair.error for pair in pairs]
    assert found.low == pytest.approx(max(begins)) and found.low > 0 and not found.training


@pytest.mark.parametrize("name", ["image_f1", "text_f1", "image_f1_at_half", "text_f1_at_half", "i2t", "t2i_rank"])
def test_the_mean_is_that_of_the_headline_numbers(name: str) -> None:
    runs = [make(seed) for seed in range(3)]
    found = intervals.mean(runs, name, SeedVariance.pool([runs]))
    assert found.value == pytest.approx(np.mean([evaluation(seed).numbers()[name] for seed in range(3)]), abs=1e-12)
    assert found.low < found.value < found.high and found.half_width == pytest.approx((found.high - found.low) / 2)


def test_splits_share_items_so_their_mean_is_less_sure_than_that_of_as_many_draws() -> None:
    """Nadeau and Bengio's correction by hand: variance 1 times (1/3 + 20/60), two degrees of freedom."""
    found = intervals.over_splits([1.0, 2.0, 3.0], train=60, test=20)
    assert found == Interval(2.0, found.low, found.high, pytest.approx((2 / 3) ** 0.5), 2)
    assert found.high - 2 == 2 - found.low == pytest.approx(4.302653 * (2 / 3) ** 0.5, rel=1e-6)
