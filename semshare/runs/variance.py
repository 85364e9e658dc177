"""The variance of scores over test images and over seeds, on arrays: any leading axes stand for repetitions.

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
one seed takes the pool's variance. Without any pool an interval knows of the images alone. A run whose training draws
nothing adds item noise, and neither takes from the pool nor gives to it. One assumption remains: that seeds matter
about as much in every setting of a pool. Where they matter twice as much to two settings of five, a comparison of just
these two is held about nine times in ten. A study of many changes tests the assumption (:func:`outlying`), since a
change with which training fails for some seeds would widen every interval. ``test_interval_coverage.py`` simulates all
of this with a known truth; a rank correlation, whose truth is not as plain, is not simulated.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.stats import f as fisher
from scipy.stats import t as student

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

LEVEL = 0.95
RARE = 0.001  # how often, at most, settings that are alike are taken for ones that are not
POWER = 0.8  # how often the smallest effect that a design could have found is found


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
    for setting in settings:
        count = setting.values.shape[-1]
        squares = squares + ((setting.values - setting.values.mean(-1, keepdims=True)) ** 2).sum(-1)
        unshared = unshared + setting.noise.trace(axis1=-2, axis2=-1) - setting.noise.sum((-2, -1)) / count
        freedom += count - 1
    if not freedom:
        return None
    return Seeds(np.asarray(squares) / freedom, np.asarray(unshared) / freedom, freedom)


def outlying(settings: Sequence[Estimates]) -> set[int]:
    """Which of ``settings`` differ more between their seeds than all the others allow, by their places.

    The most variable setting is tested against the others together, then the next, until one fits (after Cochran 1941;
    an F test at ``RARE`` over the number of settings). At least two stay.
    """
    spreads = {
        place: (setting.values.var(ddof=1), setting.values.size - 1)
        for place, setting in enumerate(settings)
        if setting.values.size > 1
    }
    strange: set[int] = set()
    while len(spreads) > 2:
        place = max(spreads, key=lambda place: spreads[place][0])
        spread, freedom = spreads.pop(place)
        others = sum(count for _, count in spreads.values())
        level = sum(value * count for value, count in spreads.values()) / others
        if spread <= 0 or (level and fisher.sf(spread / level, freedom, others) * (len(spreads) + 1) > RARE):
            break
        strange.add(place)
    return strange


def combined(
    estimates: Estimates, weights: np.ndarray, seeds: Seeds | None, seeded: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The sum of R runs times ``weights`` [R]: its value [...], standard error [...] and degrees of freedom [...].

    Without ``seeds`` the error is that of the images alone; so it is for the runs that are not ``seeded`` ([R] bool,
    all by default).
    """
    value = estimates.values @ weights
    of_items = np.einsum("...ij,i,j->...", estimates.noise, weights, weights).clip(min=0)
    freedom = float(max(estimates.items - 1, 1))
    if seeds is None:
        return value, np.sqrt(of_items), np.full_like(value, freedom)
    drawn = weights if seeded is None else weights[seeded]
    share = float(drawn @ drawn)
    total = of_items + share * seeds.variance
    doubt = (share * seeds.between) ** 2 / seeds.freedom + of_items**2 / freedom
    least = min(seeds.freedom, freedom)
    approximate = np.divide(total**2, doubt, out=np.full_like(total, freedom), where=(doubt > 0) & (total > 0))
    return value, np.sqrt(total), approximate.clip(least, freedom + seeds.freedom)


def reach(error: np.ndarray | float, freedom: np.ndarray | float, tests: int = 1) -> np.ndarray:
    """How far beyond a bound the truth must lie to be called beyond it ``POWER`` of the time (Bloom 1995).

    Where several ``tests`` must all say so it is far enough for them together, whatever they share (Bonferroni).
    """
    return (quantile(freedom) + student.isf((1 - POWER) / tests, freedom)) * error


def quantile(freedom: np.ndarray | float, tests: int = 1) -> np.ndarray:
    """How many standard errors a 95 % interval reaches to each side; at Bonferroni's level for several ``tests``."""
    return student.isf((1 - LEVEL) / 2 / tests, freedom)
