"""Means and differences of runs with 95 % intervals that hold the truth, whatever the number of seeds.

A score has two sources of chance that cross: which test images were drawn (a text goes with its image), and what the
seed drew in training. The truth meant here is the score's mean over both.

*Items.* Every measure is a ratio of two sums over images: F1 is 2 TP over 2 TP + FP + FN, a mean is its sum over its
count. To first order such a ratio is a mean of influences, one an image, so the item noise of all runs and how it is
shared between runs is the covariance of their influences (the infinitesimal jackknife, Efron 1982). Runs that are
compared answer the same images: what the images do to both cancels. The gallery is taken as given.

*Seeds.* Every run is trained with noise of its own, also runs of one seed number with different methods. The squared
deviations of a setting's runs from their mean estimate the variance between seeds plus the part of the item noise that
runs do not share. That part is known from the influences and taken off, since the item noise of a mean holds it
already. Three seeds say little about a variance, so it is pooled over all settings of one dataset, scale and schedule.

The variance of a combination of runs, with weights c, is the item noise of c plus the pooled variance times the sum of
c squared; its degrees of freedom follow Satterthwaite (1946), and a t quantile gives the interval. A comparison with
one seed takes the pool's variance. Without any pool an interval knows of the images alone, and says so. One assumption
remains: that seeds matter about as much in every setting of a pool. ``tests/test_interval_coverage.py`` simulates
all of this with a known truth.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations
from typing import Literal, Protocol

import numpy as np
from scipy.stats import rankdata
from scipy.stats import t as student
from torch import Tensor

from semshare.evaluation import Evaluation
from semshare.runs import Run

Measure = Literal["image_f1", "text_f1", "i2t", "t2i"]
MEASURES: tuple[Measure, ...] = ("image_f1", "text_f1", "i2t", "t2i")
LEVEL = 0.95
POWER = 0.8  # how often the smallest effect that a design could have found is found
RESAMPLES = 2000  # of images, for the one statistic that is no ratio of sums: a rank correlation
_F1 = {"image_f1": "image_counts", "text_f1": "text_counts"}
_F1 |= {"image_f1_at_half": "image_half", "text_f1_at_half": "text_half"}
_NDCG = ("i2t", "t2i", "t2i_rank", "i2t_random", "t2i_random")
_OF_TEXTS = ("text_f1", "text_f1_at_half", "t2i", "t2i_rank", "t2i_random")


# The estimator, on arrays: any leading axes stand for repetitions


@dataclass(frozen=True)
class Estimates:
    """One measure of R runs on the same N test images.

    Attributes:
        values: [..., R] the measure of each run.
        noise: [..., R, R] the covariance that the choice of the images gives these values.
        items: N.
    """

    values: np.ndarray
    noise: np.ndarray
    items: int


def ratios(sums: np.ndarray) -> Estimates:
    """The ratio of summed statistics of each run, with the covariance of its item noise.

    Args:
        sums: [..., R, N, 2] numerator and denominator by run and image. Where all denominators are 0 so is the ratio.
    """
    items = sums.shape[-2]
    top, bottom = np.moveaxis(sums.sum(-2), -1, 0)
    values = np.divide(top, bottom, out=np.zeros_like(top), where=bottom != 0)
    influence = sums[..., 0] - values[..., None] * sums[..., 1]
    influence *= np.divide(items, bottom, out=np.zeros_like(bottom), where=bottom != 0)[..., None]
    noise = influence @ np.swapaxes(influence, -1, -2) / (items * max(items - 1, 1))
    return Estimates(values, noise, items)


@dataclass(frozen=True)
class Seeds:
    """How runs of one setting differ between seeds, pooled over settings.

    Attributes:
        between: [...] the mean squared deviation from the mean of a run's own setting.
        unshared: [...] the part of it that is item noise which these runs do not share.
        freedom: the degrees of freedom of ``between``: runs less settings.
    """

    between: np.ndarray
    unshared: np.ndarray
    freedom: int

    @property
    def variance(self) -> np.ndarray:
        """[...] what the seeds alone do, at least 0."""
        return np.maximum(self.between - self.unshared, 0)


def pooled(settings: Iterable[Estimates]) -> Seeds | None:
    """The variance between seeds over ``settings``, each of which holds runs that differ in the seed alone.

    None where no setting has two runs.
    """
    squares, unshared, freedom = 0.0, 0.0, 0
    for one in settings:
        count = one.values.shape[-1]
        squares = squares + ((one.values - one.values.mean(-1, keepdims=True)) ** 2).sum(-1)
        unshared = unshared + one.noise.trace(axis1=-2, axis2=-1) - one.noise.sum((-2, -1)) / count
        freedom += count - 1
    if not freedom:
        return None
    return Seeds(np.asarray(squares) / freedom, np.asarray(unshared) / freedom, freedom)


def combined(
    estimates: Estimates, weights: np.ndarray, seeds: Seeds | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The sum of R runs times ``weights`` [R]: its value [...], standard error [...] and degrees of freedom [...].

    Without ``seeds`` the error is that of the images alone.
    """
    value = estimates.values @ weights
    of_items = np.einsum("...ij,i,j->...", estimates.noise, weights, weights).clip(min=0)
    freedom = float(max(estimates.items - 1, 1))
    if seeds is None:
        return value, np.sqrt(of_items), np.full_like(value, freedom)
    share = float(weights @ weights)
    total = of_items + share * seeds.variance
    doubt = (share * seeds.between) ** 2 / seeds.freedom + of_items**2 / freedom
    least = min(seeds.freedom, freedom)
    approximate = np.divide(total**2, doubt, out=np.full_like(total, freedom), where=(doubt > 0) & (total > 0))
    return value, np.sqrt(total), approximate.clip(least, freedom + seeds.freedom)


def reach(error: np.ndarray | float, freedom: np.ndarray | float) -> np.ndarray:
    """How far beyond a bound the truth must lie to be called beyond it ``POWER`` of the time (Bloom 1995)."""
    return (_quantile(_outside(), freedom) + student.ppf(POWER, freedom)) * error


# Intervals of runs


@dataclass(frozen=True)
class Interval:
    """An estimate with its 95 % interval.

    Attributes:
        value: the estimate.
        low: where the interval begins.
        high: where it ends.
        error: the standard error; None for an interval that was recorded before errors were kept.
        freedom: the degrees of freedom of ``error``.
        training: whether the interval knows of the chance in training, or of the choice of test images alone.
    """

    value: float
    low: float
    high: float
    error: float | None = None
    freedom: float | None = None
    training: bool = True

    @property
    def half_width(self) -> float:
        """Half the interval's width."""
        return (self.high - self.low) / 2

    @property
    def reach(self) -> float | None:
        """:func:`reach` of this interval; None where the standard error, or what the seeds do, is not known."""
        if self.error is None or self.freedom is None or not self.training:
            return None
        return float(reach(self.error, self.freedom))

    def __str__(self) -> str:
        return f"{self.value:+.3f} [{self.low:+.3f}, {self.high:+.3f}]{'' if self.training else ' images alone'}"


@dataclass(frozen=True)
class Scored:
    """One run's measures by image: what an interval is made of.

    Attributes:
        key: the run's, by which a run that is on both sides of a comparison is known.
        sums: for each measure [N, 2], the numerators and denominators of the images; a text counts for its image.
    """

    key: str
    sums: Mapping[str, np.ndarray]

    @classmethod
    def of(cls, evaluation: Evaluation, owner: Tensor, key: str) -> Scored:
        """An evaluation of N images and M texts; ``owner`` [M] is the image of each text."""
        sums: dict[str, np.ndarray] = {}
        for measure, kept in _F1.items():
            hit, false, missed = getattr(evaluation, kept).double().numpy().T
            sums[measure] = np.stack([2 * hit, 2 * hit + false + missed], 1)
        for measure in _NDCG:
            values = getattr(evaluation, measure).double().numpy()
            sums[measure] = np.stack([values, np.ones_like(values)], 1)
        images = len(evaluation.image_counts)
        for measure in _OF_TEXTS:
            sums[measure] = _by_image(sums[measure], owner, images)
        return cls(key, sums)

    @property
    def captions(self) -> bool:
        """Whether an image has several texts, so that ``t2i`` uses the released caption discount."""
        return bool((self.sums["t2i"][:, 1] > 1).any())

    def rows(self, measure: str) -> np.ndarray:
        """[N, 2] of ``measure``; ``i2t_gain`` and ``t2i_gain`` are NDCG (ordinary discount) above a random ranking."""
        if measure in ("i2t_gain", "t2i_gain"):
            direction = measure.removesuffix("_gain")
            ranked, random = self.sums["t2i_rank" if direction == "t2i" else "i2t"], self.sums[f"{direction}_random"]
            return np.stack([ranked[:, 0] - random[:, 0], ranked[:, 1]], 1)
        return self.sums[measure]


class KeepsSums(Protocol):
    """A recorded run: it has no items, and kept what its intervals are made of."""

    scored: Scored
    scored_epochs: list[Scored]


def scored(run: Run | KeepsSums) -> Scored:
    """``run`` on its test split at the kept weights."""
    if kept := getattr(run, "scored", None):
        return kept
    return Scored.of(run.test, run.dataset.parts["test"].owner, run.key)


def scored_epochs(run: Run | KeepsSums) -> list[Scored]:
    """``run`` on its test split after each epoch; the last of them is what Fig. 1's claims read."""
    if kept := getattr(run, "scored_epochs", None):
        return kept
    owner = run.dataset.parts["test"].owner
    return [Scored.of(evaluation, owner, run.key) for evaluation in run.epochs]


def by_query(values: Tensor, owner: Tensor, key: str) -> Scored:
    """A measure of queries ``values`` [Q], those that are NaN left out, under the name ``query``.

    ``owner`` [Q] is the image that a query is or belongs to.
    """
    rows = np.stack([values.nan_to_num().double().numpy(), (~values.isnan()).double().numpy()], 1)
    return Scored(key, {"query": _by_image(rows, owner, int(owner.max()) + 1)})


@dataclass(frozen=True)
class SeedVariance:
    """What seeds do to every measure, pooled over settings of one dataset, scale and schedule.

    Attributes:
        settings: the runs of each setting, which differ in the seed alone.
    """

    settings: tuple[tuple[Scored, ...], ...] = ()

    @classmethod
    def pool(cls, settings: Iterable[Sequence[Scored]]) -> SeedVariance:
        """From several settings; one that is named twice counts once, one with a single run says nothing."""
        distinct = {frozenset(run.key for run in runs): tuple(runs) for runs in settings}
        return cls(tuple(runs for keys, runs in distinct.items() if not any(keys < other for other in distinct)))

    def of(self, measure: str) -> Seeds | None:
        """The pooled variance of ``measure``; None where no setting has two runs."""
        return pooled(_estimates(runs, measure) for runs in self.settings if len(runs) > 1)


def mean(runs: Sequence[Scored], measure: str, variance: SeedVariance) -> Interval:
    """``measure`` over ``runs``, one entry a seed; the names are those of ``Evaluation.numbers``."""
    return _interval([(runs, 1.0)], measure, variance)


def difference(first: Sequence[Scored], second: Sequence[Scored], measure: str, variance: SeedVariance) -> Interval:
    """``measure`` of ``first`` minus that of ``second``, on the same test images, one entry a seed."""
    return _interval([(first, 1.0), (second, -1.0)], measure, variance)


def gain_over_random(runs: Sequence[Scored], direction: Literal["i2t", "t2i"], variance: SeedVariance) -> Interval:
    """NDCG@500 (ordinary discount) minus that of a random ranking of the same gallery."""
    return mean(runs, f"{direction}_gain", variance)


def spread(settings: Sequence[Sequence[Scored]], measure: str, variance: SeedVariance) -> Interval:
    """The largest difference between the means of two of ``settings``, with an interval from its pairs.

    The value is biased upwards, the interval is not. It ends where every pair's 95 % interval of the absolute
    difference has ended, so an end below a bound is an equivalence test of each pair (two one-sided tests, Schuirmann
    1987). It begins at the farthest beginning of a pair's interval, at Bonferroni's level for the number of pairs.
    """
    pairs = [difference(one, other, measure, variance) for one, other in combinations(settings, 2)]
    widest = max(pairs, key=lambda pair: abs(pair.value))
    ends, begins = [], [0.0]
    for pair in pairs:
        assert pair.error is not None and pair.freedom is not None
        ends.append(max(-pair.low, pair.high))
        begins.append(abs(pair.value) - _quantile(_outside() / len(pairs), pair.freedom) * pair.error)
    least = max(pairs, key=lambda pair: pair.error or 0.0)
    return Interval(abs(widest.value), max(begins), max(ends), least.error, least.freedom, widest.training)


def rank_correlation(settings: Sequence[Sequence[Sequence[Scored]]]) -> Interval:
    """Spearman's correlation over epochs between mean Micro-F1 and mean NDCG, the mean over runs.

    Ranks are no ratio of sums, so their item noise is a bootstrap's over images. The variance between seeds is pooled
    over ``settings``.

    Args:
        settings: for each setting its runs, one a seed, for each run its epochs in order.
    """
    images = len(settings[0][0][0].rows("i2t"))
    draws = _draws(images)
    columns = np.stack([_over_epochs(epochs, draws) for runs in settings for epochs in runs], 1)
    every = Estimates(columns[0], np.atleast_2d(np.cov(columns[1:], rowvar=False)), images)
    parts, start = [], 0
    for runs in settings:
        own = slice(start, start + len(runs))
        parts.append(Estimates(every.values[own], every.noise[own, own], images))
        start += len(runs)
    seeds = pooled(part for part in parts if len(part.values) > 1)
    found = _student(every, np.full(start, 1 / start), seeds)
    low, high = max(found.low, -1.0), min(found.high, 1.0)  # a correlation has an end
    return Interval(found.value, low, high, found.error, found.freedom, found.training)


def over_splits(values: Sequence[float], train: int, test: int) -> Interval:
    """The mean of a score over random splits of one dataset into ``train`` and ``test`` items.

    Splits share items, so their scores do too: the variance of the mean is the one between splits times 1/J + test over
    train (Nadeau and Bengio 2003), with J - 1 degrees of freedom.
    """
    count = len(values)
    centre = float(np.mean(values))
    error = float(np.std(values, ddof=1) * np.sqrt(1 / count + test / train))
    half = float(_quantile(_outside(), count - 1)) * error
    return Interval(centre, centre - half, centre + half, error, count - 1)


def _interval(sides: Sequence[tuple[Sequence[Scored], float]], measure: str, variance: SeedVariance) -> Interval:
    """The sum of the sides' means times their signs; a run that is on several sides counts once, with its sum."""
    weights: dict[str, float] = {}
    distinct: dict[str, Scored] = {}
    for runs, sign in sides:
        for run in runs:
            distinct[run.key] = run
            weights[run.key] = weights.get(run.key, 0.0) + sign / len(runs)
    found = _estimates(list(distinct.values()), measure)
    return _student(found, np.array(list(weights.values())), variance.of(measure))


def _estimates(runs: Sequence[Scored], measure: str) -> Estimates:
    return ratios(np.stack([run.rows(measure) for run in runs]))


def _student(estimates: Estimates, weights: np.ndarray, seeds: Seeds | None) -> Interval:
    value, error, freedom = (float(number) for number in combined(estimates, weights, seeds))
    half = float(_quantile(_outside(), freedom)) * error
    # What has no weight has no training noise either: a run compared with itself.
    return Interval(value, value - half, value + half, error, freedom, seeds is not None or not weights.any())


def _outside() -> float:
    """The share of the truth that may lie beyond one end of an interval."""
    return (1 - LEVEL) / 2


def _quantile(outside: float, freedom: float | np.ndarray) -> np.ndarray:
    return student.isf(outside, freedom)


def _by_image(rows: np.ndarray, owner: Tensor, images: int) -> np.ndarray:
    """Rows [M, s] of texts summed into their images' rows [images, s]."""
    sums = np.zeros((images, rows.shape[1]))
    np.add.at(sums, owner.numpy(), rows)
    return sums


def _over_epochs(epochs: Sequence[Scored], draws: np.ndarray) -> np.ndarray:
    """[D]: Spearman's correlation over one run's epochs under each row of image counts [D, N]."""
    columns = {}
    for measure in MEASURES:
        sums = np.stack([draws @ epoch.rows(measure) for epoch in epochs], 1)
        columns[measure] = sums[..., 0] / np.maximum(sums[..., 1], 1)
    return _spearman(columns["image_f1"] + columns["text_f1"], columns["i2t"] + columns["t2i"])


@lru_cache(maxsize=4)
def _draws(images: int) -> np.ndarray:
    """[1 + resamples, images]: how often each image counts; the first row counts each once."""
    drawn = np.random.default_rng(0).multinomial(images, np.full(images, 1 / images), size=RESAMPLES)
    return np.concatenate([np.ones((1, images)), drawn])


def _spearman(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Spearman's correlation of each row [D, E] with its partner."""
    ranks = [rankdata(values, axis=1) for values in (left, right)]
    ranks = [values - values.mean(1, keepdims=True) for values in ranks]
    scale = np.sqrt((ranks[0] ** 2).sum(1) * (ranks[1] ** 2).sum(1))
    return (ranks[0] * ranks[1]).sum(1) / np.maximum(scale, 1e-12)
