"""Means and differences of runs with 95 % intervals.

Every interval is a paired bootstrap over the test split's images (a text goes with its image) and over seeds.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch
from scipy.stats import rankdata
from torch import Tensor

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from semshare.evaluation import Evaluation
    from semshare.runs.store import Run

Measure = Literal["image_f1", "text_f1", "i2t", "t2i"]
MEASURES: tuple[Measure, ...] = ("image_f1", "text_f1", "i2t", "t2i")
LEVEL = 0.95
RESAMPLES = 2000
# Where an evaluation keeps what a measure is made of, if not under the measure's own name.
_KEPT = {"image_f1": "image_counts", "text_f1": "text_counts", "image_f1_at_half": "image_half"}
_KEPT |= {"text_f1_at_half": "text_half"}
_OF_TEXTS = ("text_f1", "text_f1_at_half", "t2i", "t2i_rank", "t2i_random")


@dataclass(frozen=True)
class Interval:
    """An estimate with its 95 % bootstrap interval."""

    value: float
    low: float
    high: float

    @property
    def half_width(self) -> float:
        """Half the interval's width."""
        return (self.high - self.low) / 2

    def __str__(self) -> str:
        return f"{self.value:+.3f} [{self.low:+.3f}, {self.high:+.3f}]"


@dataclass(frozen=True)
class Scored:
    """One evaluation with the image each text belongs to: what a bootstrap over images needs."""

    evaluation: Evaluation
    owner: Tensor

    @property
    def captions(self) -> bool:
        """Whether an image has several texts, so that ``t2i`` uses the released caption discount."""
        return len(self.owner) > len(self.evaluation.image_counts)


def scored(run: Run) -> Scored:
    """``run`` on its test split at the kept weights."""
    return Scored(run.test, run.dataset.parts["test"].owner)


def scored_epochs(run: Run) -> list[Scored]:
    """``run`` on its test split after each epoch; the last of them is what Fig. 1's claims read."""
    owner = run.dataset.parts["test"].owner
    return [Scored(one, owner) for one in run.epochs]


def mean(runs: Sequence[Scored], measure: str, seed: int = 0) -> Interval:
    """``measure``, a name of :meth:`semshare.evaluation.Evaluation.numbers`, over ``runs``, one entry a seed."""
    return interval(lambda weights: _values(runs, measure, weights), _images(runs[0]), seed)


def mean_by_query(values: Sequence[Tensor], owner: Tensor, seed: int = 0) -> Interval:
    """The mean over queries, those that are NaN left out, of ``values`` [Q], one entry a seed.

    ``owner`` [Q] is the image that a query is or belongs to.
    """
    images = int(owner.max()) + 1

    def means(weights: Tensor) -> Tensor:
        columns = []
        for one in values:
            rows = torch.stack([one.nan_to_num().double(), (~one.isnan()).double()], 1)
            sums = weights @ by_image(rows, owner, images)
            columns.append(sums[:, 0] / sums[:, 1].clamp(min=1))
        return torch.stack(columns, 1)

    return interval(means, images, seed)


def difference(first: Sequence[Scored], second: Sequence[Scored], measure: Measure, seed: int = 0) -> Interval:
    """``measure`` of ``first`` minus that of ``second``, paired by place: entry i of both has the same seed.

    Raises:
        ValueError: the two have not the same number of seeds.
    """
    if len(first) != len(second):
        raise ValueError(f"difference: found {len(first)} and {len(second)} seeds, expected as many of each")

    def between(weights: Tensor) -> Tensor:
        return _values(first, measure, weights) - _values(second, measure, weights)

    return interval(between, _images(first[0]), seed)


def gain_over_random(runs: Sequence[Scored], measure: Literal["i2t", "t2i"], seed: int = 0) -> Interval:
    """NDCG@500 (ordinary discount) minus that of a random ranking of the same gallery."""
    ranked = "t2i_rank" if measure == "t2i" else "i2t"

    def gain(weights: Tensor) -> Tensor:
        return _values(runs, ranked, weights) - _values(runs, f"{measure}_random", weights)

    return interval(gain, _images(runs[0]), seed)


def spread(settings: Sequence[Sequence[Scored]], measure: Measure, seed: int = 0) -> Interval:
    """The highest minus the lowest mean of ``measure`` over several settings, each one entry a seed in one order."""
    weights = _weights(_images(settings[0][0]), seed)
    means = torch.stack([_over_seeds(_values(some, measure, weights), seed) for some in settings])
    return _quantiles(means.amax(0) - means.amin(0))


def rank_correlation(seeds: Sequence[Sequence[Sequence[Scored]]], seed: int = 0) -> Interval:
    """Spearman's correlation over epochs between mean Micro-F1 and mean NDCG.

    Args:
        seeds: for each seed its runs, for each run its epochs in order; a seed's value is its runs' mean.
        seed: of the bootstrap.
    """

    def correlation(weights: Tensor) -> Tensor:
        return torch.stack([torch.stack([_over_epochs(run, weights) for run in runs]).mean(0) for runs in seeds], 1)

    return interval(correlation, _images(seeds[0][0][0]), seed)


def _statistics(one: Scored, measure: str) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
    """[N images, s] additive statistics of ``measure``, and how summed statistics [R, s] become values [R]."""
    rows = getattr(one.evaluation, _KEPT.get(measure, measure)).double()
    if rows.dim() == 1:
        rows = torch.stack([rows.nan_to_num(), (~rows.isnan()).double()], 1)  # NaN: a text that does not ask
        value = lambda sums: sums[:, 0] / sums[:, 1].clamp(min=1)  # noqa: E731 - a mean
    else:
        value = lambda sums: 2 * sums[:, 0] / (2 * sums[:, 0] + sums[:, 1] + sums[:, 2]).clamp(min=1)  # noqa: E731
    if measure in _OF_TEXTS:
        rows = by_image(rows, one.owner, _images(one))
    return rows, value


def _images(one: Scored) -> int:
    return len(one.evaluation.image_counts)


def by_image(rows: Tensor, owner: Tensor, images: int) -> Tensor:
    """Rows [M, s] of texts summed into their images' rows [images, s]."""
    return torch.zeros(images, rows.shape[1], dtype=rows.dtype).index_add_(0, owner, rows)


def _over_epochs(epochs: Sequence[Scored], weights: Tensor) -> Tensor:
    """[R]: Spearman's correlation over one run's epochs under each row of image weights."""
    columns = {m: torch.stack([_values([one], m, weights)[:, 0] for one in epochs], 1) for m in MEASURES}
    f1, ndcg = columns["image_f1"] + columns["text_f1"], columns["i2t"] + columns["t2i"]
    return torch.from_numpy(_spearman(f1.numpy(), ndcg.numpy()))


def _values(runs: Sequence[Scored], measure: str, weights: Tensor) -> Tensor:
    """[R, S]: ``measure`` of each run under each row of image weights [R, N]."""
    columns = []
    for one in runs:
        rows, value = _statistics(one, measure)
        columns.append(value(weights @ rows))
    return torch.stack(columns, 1)


def interval(values: Callable[[Tensor], Tensor], images: int, seed: int) -> Interval:
    """The mean over seeds of ``values`` (image weights -> [R, S]), resampled over images and seeds."""
    return _quantiles(_over_seeds(values(_weights(images, seed)), seed))


def _over_seeds(values: Tensor, seed: int) -> Tensor:
    """[R]: the means of [R, S] over seeds drawn anew in each row; row 0, the estimate itself, takes each seed once."""
    generator = torch.Generator().manual_seed(seed + 1)
    chosen = torch.randint(values.shape[1], values.shape, generator=generator)
    chosen[0] = torch.arange(values.shape[1])
    return values.gather(1, chosen).mean(1)


@lru_cache(maxsize=4)
def _weights(items: int, seed: int) -> Tensor:
    """[1 + resamples, items]: how often each item counts; the first row counts each once."""
    generator = np.random.default_rng(seed)
    drawn = generator.multinomial(items, np.full(items, 1 / items), size=RESAMPLES)
    return torch.from_numpy(np.concatenate([np.ones((1, items)), drawn]))


def _quantiles(values: Tensor) -> Interval:
    outside = (1 - LEVEL) / 2
    low, high = values[1:].quantile(torch.tensor([outside, 1 - outside], dtype=values.dtype)).tolist()
    return Interval(float(values[0]), low, high)


def _spearman(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Spearman's correlation of each row [R, E] with its partner."""
    ranks = [rankdata(values, axis=1) for values in (left, right)]
    ranks = [values - values.mean(1, keepdims=True) for values in ranks]
    scale = np.sqrt((ranks[0] ** 2).sum(1) * (ranks[1] ** 2).sum(1))
    return (ranks[0] * ranks[1]).sum(1) / np.maximum(scale, 1e-12)
