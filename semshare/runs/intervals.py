"""Means and differences of runs with 95 % intervals that hold the truth, whatever the number of seeds.

How is derived in :mod:`semshare.runs.variance`. What is compared are runs' sums by test image, a text with its image.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from itertools import combinations
from typing import TYPE_CHECKING, Literal

import numpy as np
from scipy.stats import rankdata

from semshare.runs.quantities import HEADLINE
from semshare.runs.variance import Estimates, Seeds, combined, outlying, pooled, quantile, ratios, reach

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from torch import Tensor

    from semshare.evaluation import Evaluation

Measure = Literal["image_f1", "text_f1", "i2t", "t2i"]
MEASURES: tuple[Measure, ...] = HEADLINE
RESAMPLES = 2000  # of images, for the one statistic that is no ratio of sums: a rank correlation
_F1 = {"image_f1": "image_counts", "text_f1": "text_counts"}
_F1 |= {"image_f1_at_half": "image_half", "text_f1_at_half": "text_half"}
_NDCG = ("i2t", "t2i", "t2i_rank", "i2t_random", "t2i_random")
_OF_TEXTS = ("text_f1", "text_f1_at_half", "t2i", "t2i_rank", "t2i_random")


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

    def reach(self, tests: int = 1) -> float | None:
        """:func:`reach` of this interval; None where the standard error, or what the seeds do, is not known."""
        if self.error is None or self.freedom is None or not self.training:
            return None
        return float(reach(self.error, self.freedom, tests))

    def __str__(self) -> str:
        return f"{self.value:+.3f} [{self.low:+.3f}, {self.high:+.3f}]{'' if self.training else ' images alone'}"


@dataclass(frozen=True)
class Scored:
    """One run's measures by image: what an interval is made of.

    Attributes:
        key: the run's, with how it was read where not plainly: what is on both sides of a comparison is known by it.
        sums: for each measure [N, 2], the numerators and denominators of the images; a text counts for its image.
        seeded: whether its training drew anything; what drew nothing varies with the images alone.
        training: a name for what was trained (:func:`training_name`), which several readings of it share; the key
            where it is not known.
    """

    key: str
    sums: Mapping[str, np.ndarray]
    seeded: bool = True
    training: str = ""

    def __post_init__(self) -> None:
        if not self.training:
            object.__setattr__(self, "training", self.key)

    @classmethod
    def of(cls, evaluation: Evaluation, owner: Tensor, key: str, seeded: bool = True, training: str = "") -> Scored:
        """An evaluation of N images and M texts; ``owner`` [M] is the image of each text."""
        sums: dict[str, np.ndarray] = {}
        for measure, kept in _F1.items():
            hit, false, missed = getattr(evaluation, kept).double().numpy().T
            sums[measure] = np.stack([2 * hit, 2 * hit + false + missed], 1)
        for measure in _NDCG:
            values = getattr(evaluation, measure).double().numpy()
            asked = ~np.isnan(values)  # NaN: a text that does not ask
            sums[measure] = np.stack([np.where(asked, values, 0), asked.astype(values.dtype)], 1)
        images = len(evaluation.image_counts)
        for measure in _OF_TEXTS:
            sums[measure] = _by_image(sums[measure], owner, images)
        return cls(key, sums, seeded, training)

    def rows(self, measure: str) -> np.ndarray:
        """[N, 2] of ``measure``; ``i2t_gain`` and ``t2i_gain`` are NDCG (ordinary discount) above a random ranking."""
        if measure in ("i2t_gain", "t2i_gain"):
            direction = measure.removesuffix("_gain")
            ranked, random = self.sums["t2i_rank" if direction == "t2i" else "i2t"], self.sums[f"{direction}_random"]
            return np.stack([ranked[:, 0] - random[:, 0], ranked[:, 1]], 1)
        return self.sums[measure]


def training_name(key: str, history: Sequence[Mapping[str, float]]) -> str:
    """What a run was trained to: equal for runs whose trainings went alike to the last digit, whatever they kept of it.

    It is made of the history, all but the seconds; of what has none it is the run's ``key``.
    """
    rows = [{name: value for name, value in row.items() if name != "seconds"} for row in history]
    return sha256(json.dumps(rows, sort_keys=True).encode()).hexdigest() if rows else key


def by_query(values: Tensor, owner: Tensor, key: str, seeded: bool = True) -> Scored:
    """A measure of queries ``values`` [Q], those that are NaN left out, under the name ``query``.

    ``owner`` [Q] is the image that a query is or belongs to.
    """
    rows = np.stack([values.nan_to_num().double().numpy(), (~values.isnan()).double().numpy()], 1)
    return Scored(key, {"query": _by_image(rows, owner, int(owner.max()) + 1)}, seeded)


@dataclass(frozen=True)
class SeedVariance:
    """What seeds do to every measure, pooled over settings of one dataset, scale and schedule.

    Attributes:
        settings: the runs of each setting, which differ in the seed alone.
    """

    settings: tuple[tuple[Scored, ...], ...] = ()

    @classmethod
    def pool(cls, settings: Iterable[Sequence[Scored]]) -> SeedVariance:
        """From several settings; one that is there or was trained twice counts once, a single run says nothing."""
        trained = {tuple(run.training for run in runs): tuple(runs) for runs in settings}
        distinct = {frozenset(run.key for run in runs): runs for runs in trained.values()}
        return cls(tuple(runs for keys, runs in distinct.items() if not any(keys < other for other in distinct)))

    def fitting(self, runs: Sequence[Scored], measure: str) -> SeedVariance:
        """The pool for a comparison of ``runs``: without the settings that are ``outlying``.

        Where ``runs`` are of such a setting, it is their own settings alone: elsewhere seeds do something else.
        """
        several = [setting for setting in self.settings if len(setting) > 1 and setting[0].seeded]
        strange = outlying([_estimates(setting, measure) for setting in several])
        compared = {run.training for run in runs}
        own = {place for place, setting in enumerate(several) if compared & {run.training for run in setting}}
        kept = own if own & strange else set(range(len(several))) - strange
        return SeedVariance(tuple(several[place] for place in sorted(kept)))

    def of(self, measure: str) -> Seeds | None:
        """The pooled variance of ``measure``; None where no setting has two runs."""
        return pooled(_estimates(runs, measure) for runs in self.settings if len(runs) > 1 and runs[0].seeded)


def mean(runs: Sequence[Scored], measure: str, variance: SeedVariance) -> Interval:
    """``measure`` over ``runs``, one entry a seed; the names are those of ``Evaluation.numbers``."""
    return _interval([(runs, 1.0)], measure, variance)


def difference(first: Sequence[Scored], second: Sequence[Scored], measure: str, variance: SeedVariance) -> Interval:
    """``measure`` of ``first`` minus that of ``second``, on the same test images, one entry a seed.

    Where both sides are the same trainings, read in two ways, each seed's difference is one value, and what varies
    between these few is their own and not the pool's.
    """
    if [run.training for run in first] == [run.training for run in second] and first[0].key != second[0].key:
        estimates, sides = _estimates([*first, *second], measure), np.eye(len(first))
        apart = np.hstack([sides, -sides])
        estimates = Estimates(apart @ estimates.values, apart @ estimates.noise @ apart.T, estimates.items)
        seeded = np.array([run.seeded for run in first])
        return _student(estimates, np.full(len(first), 1 / len(first)), pooled([estimates]), seeded)
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
    pairs = [difference(first, other, measure, variance) for first, other in combinations(settings, 2)]
    widest = max(pairs, key=lambda pair: abs(pair.value))
    ends, begins = [], [0.0]
    for pair in pairs:
        assert pair.error is not None and pair.freedom is not None
        ends.append(max(-pair.low, pair.high))
        begins.append(abs(pair.value) - quantile(pair.freedom, len(pairs)) * pair.error)
    coarsest = max(pairs, key=lambda pair: pair.error or 0.0)
    return Interval(abs(widest.value), max(begins), max(ends), coarsest.error, coarsest.freedom, widest.training)


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
    interval = _student(every, np.full(start, 1 / start), seeds)
    low, high = max(interval.low, -1.0), min(interval.high, 1.0)  # a correlation has an end
    return Interval(interval.value, low, high, interval.error, interval.freedom, interval.training)


def over_splits(values: Sequence[float], train: int, test: int) -> Interval:
    """The mean of a score over random splits of one dataset into ``train`` and ``test`` items.

    Splits share items, so their scores do too: the variance of the mean is the one between splits times 1/J + test over
    train (Nadeau and Bengio 2003), with J - 1 degrees of freedom.
    """
    count = len(values)
    centre = float(np.mean(values))
    error = float(np.std(values, ddof=1) * np.sqrt(1 / count + test / train))
    half = float(quantile(count - 1)) * error
    return Interval(centre, centre - half, centre + half, error, count - 1)


def _interval(sides: Sequence[tuple[Sequence[Scored], float]], measure: str, variance: SeedVariance) -> Interval:
    """The sum of the sides' means times their signs; a run that is on several sides counts once, with its sum."""
    weights: dict[str, float] = {}
    distinct: dict[str, Scored] = {}
    for runs, sign in sides:
        for run in runs:
            distinct[run.key] = run
            weights[run.key] = weights.get(run.key, 0.0) + sign / len(runs)
    estimates = _estimates(list(distinct.values()), measure)
    seeded = np.array([run.seeded for run in distinct.values()])
    return _student(estimates, np.array(list(weights.values())), variance.of(measure), seeded)


def _estimates(runs: Sequence[Scored], measure: str) -> Estimates:
    return ratios(np.stack([run.rows(measure) for run in runs]))


def _student(
    estimates: Estimates, weights: np.ndarray, seeds: Seeds | None, seeded: np.ndarray | None = None
) -> Interval:
    value, error, freedom = (float(number) for number in combined(estimates, weights, seeds, seeded))
    drawn = weights if seeded is None else weights[seeded]
    half = float(quantile(freedom)) * error
    # What has no weight, as a run compared with itself, or draws nothing has no training noise either.
    return Interval(value, value - half, value + half, error, freedom, seeds is not None or not drawn.any())


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
