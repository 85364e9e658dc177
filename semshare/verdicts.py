"""The paper's claims tested on runs: a number, its interval, a verdict.

Every interval is a paired bootstrap over the test split's images (a text goes with its image) and over seeds.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
import torch
from scipy.stats import rankdata
from torch import Tensor

from semshare.evaluation import Evaluation
from semshare.failures import Failures
from semshare.runs import Run

Measure = Literal["image_f1", "text_f1", "i2t", "t2i"]
Outcome = Literal["reproduced", "not reproduced", "inconclusive"]
MEASURES: tuple[Measure, ...] = ("image_f1", "text_f1", "i2t", "t2i")
MARGIN = 0.005  # "A >= B" forgives this much
FLAT = 0.025  # a spread below this is flat; the paper's own spreads among small lambdas stay below it
COLLAPSE = 0.05  # a fall beyond this is a collapse; the paper's smallest is .095
_RESAMPLES = 2000


@dataclass(frozen=True)
class Interval:
    """An estimate with its 95 % bootstrap interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:+.3f} [{self.low:+.3f}, {self.high:+.3f}]"


@dataclass(frozen=True)
class Verdict:
    """One claim on one measure of one dataset."""

    claim: str
    dataset: str
    measure: str
    interval: Interval
    verdict: Outcome


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


def scored_last_epoch(run: Run) -> Scored:
    """``run`` on its test split after the last epoch, as Fig. 1 reads it."""
    return Scored(run.epochs[-1], run.dataset.parts["test"].owner)


def _scored_epochs(run: Run) -> list[Scored]:
    return [Scored(one, run.dataset.parts["test"].owner) for one in run.epochs]


def difference(first: Sequence[Scored], second: Sequence[Scored], measure: Measure, seed: int = 0) -> Interval:
    """``measure`` of ``first`` minus that of ``second``, paired by place: entry i of both has the same seed.

    Raises:
        ValueError: the two have not the same number of seeds.
    """
    if len(first) != len(second):
        raise ValueError(f"difference: found {len(first)} and {len(second)} seeds, expected as many of each")

    def between(weights: Tensor) -> Tensor:
        return _values(first, measure, weights) - _values(second, measure, weights)

    return _interval(between, _images(first[0]), seed)


def gain_over_random(runs: Sequence[Scored], measure: Literal["i2t", "t2i"], seed: int = 0) -> Interval:
    """NDCG@500 (ordinary discount) minus that of a random ranking of the same gallery."""
    ranked = "t2i_rank" if measure == "t2i" else "i2t"

    def gain(weights: Tensor) -> Tensor:
        return _values(runs, ranked, weights) - _values(runs, f"{measure}_random", weights)

    return _interval(gain, _images(runs[0]), seed)


def mean_interval(values: Tensor, owner: Tensor, images: int, seed: int = 0) -> Interval:
    """The mean of one run's values by query, those that are NaN left out.

    Args:
        values: [Q].
        owner: [Q] the image that a query is or belongs to, among ``images`` of them.
        images: how many images the bootstrap draws.
        seed: of the bootstrap.
    """
    counts = ~values.isnan()
    rows = _by_image(torch.stack([values.nan_to_num().double(), counts.double()], 1), owner, images)

    def mean(weights: Tensor) -> Tensor:
        sums = weights @ rows
        return sums[:, :1] / sums[:, 1:].clamp(min=1)

    return _interval(mean, images, seed)


def spread(settings: Sequence[Sequence[Scored]], measure: Measure, seed: int = 0) -> Interval:
    """The highest minus the lowest ``measure`` over several settings, each one entry a seed."""

    def range_of(weights: Tensor) -> Tensor:
        values = torch.stack([_values(some, measure, weights) for some in settings])
        return values.amax(0) - values.amin(0)

    return _interval(range_of, _images(settings[0][0]), seed)


def rank_correlation(seeds: Sequence[Sequence[Sequence[Scored]]], seed: int = 0) -> Interval:
    """Spearman's correlation over epochs between mean Micro-F1 and mean NDCG.

    Args:
        seeds: for each seed its runs, for each run its epochs in order; a seed's value is its runs' mean.
        seed: of the bootstrap.
    """

    def correlation(weights: Tensor) -> Tensor:
        return torch.stack([torch.stack([_over_epochs(run, weights) for run in runs]).mean(0) for runs in seeds], 1)

    return _interval(correlation, _images(seeds[0][0][0]), seed)


def excess_share(failures: Sequence[Failures], kind: str, seed: int = 0) -> Interval:
    """Share of ``kind`` among wrong retrieved items minus that among random wrong ones; one entry a seed."""

    def excess(weights: Tensor) -> Tensor:
        columns = []
        for one in failures:
            wrong = one.wrong.sum(1).double()
            above = one.kinds[kind].sum(1).double() - wrong * one.chance[kind].nan_to_num().double()
            rows = _by_image(torch.stack([above, wrong], 1), one.owner, weights.shape[1])
            sums = weights @ rows
            columns.append(sums[:, 0] / sums[:, 1].clamp(min=1))
        return torch.stack(columns, 1)

    return _interval(excess, int(failures[0].owner.max()) + 1, seed)


def judge(interval: Interval, above: float) -> Outcome:
    """The verdict on "the value is above ``above``": decided where the whole interval lies on one side."""
    if interval.low > above:
        return "reproduced"
    return "not reproduced" if interval.high < above else "inconclusive"


def judge_below(interval: Interval, below: float) -> Outcome:
    """The verdict on "the value is below ``below``"."""
    return judge(Interval(-interval.value, -interval.high, -interval.low), -below)


def consistency_claims(without: Sequence[Run], with_: Sequence[Run]) -> list[Verdict]:
    """Claims 1 and 2 (Fig. 1): what the consistency loss does, read after the last epoch."""
    name = without[0].experiment.dataset
    plain, added = [scored_last_epoch(run) for run in without], [scored_last_epoch(run) for run in with_]
    verdicts = []
    for claim, measure, above in (
        ("1. the consistency loss lowers image Micro-F1", "image_f1", 0.0),
        ("1. the consistency loss does not raise text Micro-F1", "text_f1", -MARGIN),
        ("2. I2T NDCG falls when the consistency loss is added", "i2t", 0.0),
        ("2. T2I NDCG falls when the consistency loss is added", "t2i", 0.0),
    ):
        fall = difference(plain, added, measure)
        verdicts.append(Verdict(claim, name, f"{measure}: without - with", fall, judge(fall, above)))
    together = rank_correlation([[_scored_epochs(run) for run in pair] for pair in zip(without, with_, strict=True)])
    claim = "2. NDCG rises as the classification error falls, epoch by epoch"
    verdicts.append(Verdict(claim, name, "Spearman of F1 and NDCG", together, judge(together, 0.0)))
    return verdicts


def classification_claims(runs: dict[str, Sequence[Run]], dataset: str) -> list[Verdict]:
    """Claim 3 (Table 1) on one dataset: ``runs`` by method, each one run a seed."""
    ours = [scored(run) for run in runs["ours"]]
    verdicts = []
    for other in ("independent", "dscmr", "ours+con"):
        for measure in ("image_f1", "text_f1"):
            lead = difference(ours, [scored(run) for run in runs[other]], measure)
            claim = f"3. Ours >= {runs[other][0].title}"
            verdicts.append(Verdict(claim, dataset, f"{measure}: difference", lead, judge(lead, -MARGIN)))
    return verdicts


def sensitivity_claims(runs: dict[float, Sequence[Run]], dataset: str, chosen: float) -> list[Verdict]:
    """Claim 4 (Fig. 3) on one dataset: ``runs`` by lambda; ``chosen`` is the paper's lambda for it."""
    at = {lam: [scored(run) for run in some] for lam, some in runs.items()}
    verdicts = []
    for measure in ("i2t", "t2i"):
        rise = difference(at[chosen], at[0.0], measure)
        level = spread([at[0.001], at[0.01], at[0.1]], measure)
        fall = difference(at[chosen], at[10.0], measure)
        rows = (
            (f"4. NDCG rises from lambda 0 to {chosen:g}", rise, judge(rise, 0.0)),
            ("4. NDCG stays flat from lambda 0.001 to 0.1", level, judge_below(level, FLAT)),
            (f"4. NDCG collapses from lambda {chosen:g} to 10", fall, judge(fall, COLLAPSE)),
        )
        name = f"{measure}, released discount" if at[chosen][0].captions and measure == "t2i" else measure
        verdicts += [Verdict(claim, dataset, f"{name}: difference", *rest) for claim, *rest in rows]
    return verdicts


def failure_claims(failures: Sequence[Failures], dataset: str) -> list[Verdict]:
    """Claim 5 (Fig. 2): wrong items are of the two kinds more often than random wrong items; one entry a seed."""
    verdicts = []
    for kind, title in (("semantic", "semantic"), ("superclass", "super-class")):
        excess = excess_share(failures, kind)
        claim = f"5. {title} confusion is more frequent than by chance"
        verdicts.append(Verdict(claim, dataset, f"{failures[0].direction}: excess share", excess, judge(excess, 0.0)))
    return verdicts


def summary(verdicts: Sequence[Verdict]) -> str:
    """How many of the verdicts came out how, in words."""
    counts = Counter(one.verdict for one in verdicts)
    parts = [f"{counts[verdict]} {verdict}" for verdict in ("reproduced", "not reproduced", "inconclusive")]
    return f"of {len(verdicts)} tests, {parts[0]}, {parts[1]}, {parts[2]}"


def _statistics(one: Scored, measure: str) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
    """[N images, s] additive statistics of ``measure``, and how summed statistics [R, s] become values [R]."""
    values = {"image_f1": "image_counts", "text_f1": "text_counts"}.get(measure, measure)
    rows = getattr(one.evaluation, values).double()
    if rows.dim() == 1:
        rows = torch.stack([rows, torch.ones_like(rows)], 1)
        value = lambda sums: sums[:, 0] / sums[:, 1].clamp(min=1)  # noqa: E731 - a mean
    else:
        value = lambda sums: 2 * sums[:, 0] / (2 * sums[:, 0] + sums[:, 1] + sums[:, 2]).clamp(min=1)  # noqa: E731
    if measure in ("text_f1", "t2i", "t2i_rank", "t2i_random"):
        rows = _by_image(rows, one.owner, _images(one))
    return rows, value


def _images(one: Scored) -> int:
    return len(one.evaluation.image_counts)


def _by_image(rows: Tensor, owner: Tensor, images: int) -> Tensor:
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


def _interval(values: Callable[[Tensor], Tensor], images: int, seed: int) -> Interval:
    """The mean over seeds of ``values`` (image weights -> [R, S]), resampled over images and seeds."""
    per_seed = values(_weights(images, seed))
    generator = torch.Generator().manual_seed(seed + 1)
    chosen = torch.randint(per_seed.shape[1], per_seed.shape, generator=generator)
    chosen[0] = torch.arange(per_seed.shape[1])  # row 0 is the estimate itself
    return _quantiles(per_seed.gather(1, chosen).mean(1))


@lru_cache(maxsize=4)
def _weights(items: int, seed: int) -> Tensor:
    """[1 + resamples, items]: how often each item counts; the first row counts each once."""
    generator = np.random.default_rng(seed)
    drawn = generator.multinomial(items, np.full(items, 1 / items), size=_RESAMPLES)
    return torch.from_numpy(np.concatenate([np.ones((1, items)), drawn]))


def _quantiles(values: Tensor) -> Interval:
    low, high = values[1:].quantile(torch.tensor([0.025, 0.975], dtype=values.dtype)).tolist()
    return Interval(float(values[0]), low, high)


def _spearman(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Spearman's correlation of each row [R, E] with its partner."""
    ranks = [rankdata(values, axis=1) for values in (left, right)]
    ranks = [values - values.mean(1, keepdims=True) for values in ranks]
    scale = np.sqrt((ranks[0] ** 2).sum(1) * (ranks[1] ** 2).sum(1))
    return (ranks[0] * ranks[1]).sum(1) / np.maximum(scale, 1e-12)
