"""The measures: Micro-F1 for classification; NDCG, mAP, ACG and Recall@k for retrieval.

Pure functions of tensors on any device. A retrieval measure is a frozen description that, called on a block of
rankings (:class:`semshare.ranking.Ranked`), gives one value a query; :func:`retrieve` reads any number of them off
embeddings in one pass.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, get_args

import torch
from torch import Tensor

from semshare import checks
from semshare.ranking import Ranked, over_blocks

if TYPE_CHECKING:
    from collections.abc import Sequence

Gain = Literal["linear", "exponential"]
Discount = Literal["rank", "coco-released"]


def above(scores: Tensor, threshold: float) -> Tensor:
    """Which ``scores`` reach ``threshold``: the one comparison by which a label is predicted.

    In float64, since a threshold is the midpoint of two scores: rounded to float32 it can be the lower one.

    Args:
        scores: of any shape and precision.
        threshold: what a score has to be at least.

    Returns:
        Booleans of the shape of ``scores``.

    Raises:
        ValueError: ``threshold`` is NaN, or ``scores`` are not finite.
    """
    if threshold != threshold:
        raise ValueError("threshold: found NaN, expected a number")
    checks.finite("scores", scores)
    return scores.double() >= threshold


def f1_counts(scores: Tensor, labels: Tensor, threshold: float) -> Tensor:
    """Per-item true positives, false positives and false negatives.

    Args:
        scores: [N, C]; a label is predicted where its score is at least ``threshold``.
        labels: [N, C] 0/1.
        threshold: the decision threshold.

    Returns:
        [N, 3] integer counts, what an interval over items is made of; [0, 3] of no items.

    Raises:
        ValueError: shapes that differ, scores that are not finite, labels other than 0 and 1, or a NaN threshold.
    """
    _check_decisions(scores, labels)
    predicted, true = above(scores, threshold), labels.bool()
    return torch.stack([(predicted & true).sum(1), (predicted & ~true).sum(1), (~predicted & true).sum(1)], 1)


def micro_f1(scores: Tensor, labels: Tensor, threshold: float) -> float:
    """Micro-F1 in [0, 1]: one F1 over all N x C decisions; 0 when nothing is true and nothing predicted.

    Raises:
        ValueError: what :func:`f1_counts` refuses, or no decision at all.

    >>> micro_f1(torch.tensor([[0.9, 0.2], [0.4, 0.8]]), torch.tensor([[1, 0], [1, 1]]), threshold=0.5)
    0.8
    """
    checks.not_empty("scores", scores)
    return f1_of_counts(f1_counts(scores, labels, threshold).sum(0))


def f1_of_counts(counts: Tensor) -> float:
    """Micro-F1 of summed counts [3]: true positives, false positives, false negatives.

    Raises:
        ValueError: not three numbers from 0 up.
    """
    if counts.shape != (3,) or not (counts >= 0).all():
        raise ValueError(f"counts: found {counts.tolist()}, expected three numbers from 0 up")
    hit, false, missed = counts.tolist()
    return 2 * hit / max(2 * hit + false + missed, 1)


def best_threshold(scores: Tensor, labels: Tensor) -> float:
    """The threshold with the highest Micro-F1 over all possible ones (to be called on dev, never on test).

    Args:
        scores: [N, C].
        labels: [N, C] 0/1.

    Returns:
        The midpoint between the lowest accepted and the highest refused score; among equals the highest. Finite.

    Raises:
        ValueError: shapes that differ, no decision at all, scores that are not finite, or labels other than 0 and 1.
    """
    checks.not_empty("scores", scores)
    checks.finite("scores", scores)
    _check_decisions(scores, labels)
    flat, order = scores.double().flatten().sort(descending=True, stable=True)
    truth = labels.flatten()[order].double()
    hits = truth.cumsum(0)
    predicted = torch.arange(1, len(flat) + 1, device=flat.device)
    f1 = 2 * hits / (predicted + truth.sum()).clamp(min=1)
    f1[:-1][flat[:-1] == flat[1:]] = -1  # equal scores are accepted together
    best = int(f1.argmax())
    accepted, refused = float(flat[best]), float(flat[min(best + 1, len(flat) - 1)])
    middle = accepted / 2 + refused / 2  # halved first: the sum of two large numbers can be infinite
    return middle if refused < middle <= accepted else accepted  # nothing lies between two neighbours among the numbers


class Scores(NamedTuple):
    """A measure's values [Q] float64, and what a uniformly random ranking of the same gallery is expected to give."""

    values: Tensor
    random: Tensor


@dataclass(frozen=True)
class NDCG:
    """NDCG@k (as the released evaluation computes it; Järvelin & Kekäläinen 2002), in [0, 1].

    Relevance is the number of shared labels. The ideal ranking is over the whole gallery, so a query with
    fewer relevant items than k is normalised by what it could reach. Nothing relevant: 0, and counted.

    Attributes:
        k: cut-off; None ranks the whole gallery.
        gain: relevance itself, or 2^relevance - 1.
        discount: log2(rank + 1), or the released code's log2(5 (rank - 1) + c + 2), where c is the query caption's
            place among its image's five.

    >>> similarity, labels = torch.tensor([[0.1, 0.9]]), torch.tensor([[1, 1], [0, 1]])
    >>> NDCG()(Ranked.of(similarity, labels[:1], labels)).values
    tensor([0.8597], dtype=torch.float64)
    """

    k: int | None = 500
    gain: Gain = "linear"
    discount: Discount = "rank"

    def __post_init__(self) -> None:
        for name, kind in (("gain", Gain), ("discount", Discount)):
            if getattr(self, name) not in get_args(kind):
                expected = " or ".join(map(repr, get_args(kind)))
                raise ValueError(f"{name}: found {getattr(self, name)!r}, expected {expected}")
        if self.k is not None:
            checks.whole_number("k", self.k)

    def __call__(self, ranked: Ranked) -> Scores:
        """The values of a block; raises :class:`ValueError` where the discount needs captions and there are none."""
        depth = ranked.depth(self.k)
        weights, row = self._weights(depth, ranked)
        gained = (self._gain(ranked.relevance[:, :depth].double()) @ weights.T).gather(1, row).squeeze(1)
        gains = self._gain(torch.arange(ranked.counts.shape[1], device=row.device, dtype=torch.float64))
        # In the ideal ranking the n_v items of relevance v or more stand first, so each step from v - 1 to v adds
        # its gain to the first n_v discounts: counts instead of a sort.
        at_least = ranked.counts.flip(1).cumsum(1).flip(1)[:, 1:].clamp(max=depth).long()
        sums = torch.cat([torch.zeros_like(weights[:, :1]), weights.cumsum(1)], 1)
        ideal = sums.take(row * (depth + 1) + at_least) @ gains.diff()
        # At every rank of a random ranking the expected gain is the gallery's mean.
        expected = ranked.counts @ gains / ranked.size * weights.sum(1)[row.squeeze(1)]
        return Scores(*(torch.where(ideal > 0, gain / ideal.clamp(min=1e-300), 0.0) for gain in (gained, expected)))

    def _gain(self, relevance: Tensor) -> Tensor:
        return relevance if self.gain == "linear" else torch.exp2(relevance) - 1

    def _weights(self, depth: int, ranked: Ranked) -> tuple[Tensor, Tensor]:
        """The different discounts [D, depth] of a block, and which of them each query has, [B, 1]."""
        places = torch.arange(1, depth + 1, device=ranked.order.device, dtype=torch.float64)
        if self.discount == "rank":
            row = torch.zeros_like(ranked.order[:, :1])
            return 1 / torch.log2(places + 1).unsqueeze(0), row
        if ranked.caption_index is None:
            raise ValueError("caption_index: missing; discount 'coco-released' needs captions as queries")
        captions, row = ranked.caption_index.to(places.device).unique(return_inverse=True)
        return 1 / torch.log2(5 * (places - 1) + captions.unsqueeze(1) + 2), row.unsqueeze(1)


@dataclass(frozen=True)
class AveragePrecision:
    """Average precision over the full ranking, in [0, 1]; relevant means at least one shared label.

    A query with nothing relevant gives NaN, so that ``.nanmean()`` is the mAP that skips it.
    """

    k: None = None

    def __post_init__(self) -> None:
        if self.k is not None:
            raise ValueError(f"k: found {self.k!r}, expected None: it reads the full ranking")

    def __call__(self, ranked: Ranked) -> Scores:
        """The values of a block that is ranked to the end."""
        hits = ranked.relevance[:, : ranked.depth()].gt(0).double()
        places = torch.arange(1, ranked.size + 1, device=hits.device)
        relevant = ranked.counts[:, 1:].sum(1)
        # Of R relevant items among G, one at rank i has (i - 1) (R - 1) / (G - 1) others before it on average.
        harmonic = (1 / places.double()).sum()
        others = (relevant - 1) / max(ranked.size - 1, 1)
        expected = (harmonic + others * (ranked.size - harmonic)) / ranked.size
        return Scores(
            (hits.cumsum(1) / places * hits).sum(1) / relevant, torch.where(relevant > 0, expected, torch.nan)
        )


@dataclass(frozen=True)
class ACG:
    """Average cumulative gain: the mean number of labels that the first k items share with the query."""

    k: int = 500

    def __post_init__(self) -> None:
        checks.whole_number("k", self.k)

    def __call__(self, ranked: Ranked) -> Scores:
        """The values of a block."""
        labels = torch.arange(ranked.counts.shape[1], device=ranked.counts.device, dtype=torch.float64)
        return Scores(
            ranked.relevance[:, : ranked.depth(self.k)].double().mean(1), ranked.counts @ labels / ranked.size
        )


@dataclass(frozen=True)
class Recall:
    """1 for a query that finds an item of its own pair within the first k, else 0."""

    k: int

    def __post_init__(self) -> None:
        checks.whole_number("k", self.k)

    def __call__(self, ranked: Ranked) -> Scores:
        """The values of a block; raises :class:`ValueError` where it does not say what a query's own items are."""
        if ranked.own is None:
            raise ValueError("own: missing; recall needs to know which items belong to a query's pair")
        depth = ranked.depth(self.k)
        hits = (ranked.order[:, :depth].unsqueeze(2) == ranked.own.unsqueeze(1)).any(2).any(1).double()
        # Each of a query's own items in turn misses the k places that are looked at.
        places = torch.arange(ranked.own.shape[1], device=hits.device, dtype=torch.float64)
        misses = ((ranked.size - depth - places) / (ranked.size - places)).clamp(min=0).expand(len(hits), -1)
        counted = places < ranked.own.ge(0).sum(1, keepdim=True)
        return Scores(hits, 1 - torch.where(counted, misses, 1.0).prod(1))


Measure = NDCG | AveragePrecision | ACG | Recall


def retrieve(
    measures: Sequence[Measure],
    query_embeddings: Tensor,
    gallery_embeddings: Tensor,
    query_labels: Tensor,
    gallery_labels: Tensor,
    **options: Any,
) -> list[Scores]:
    """The :class:`Scores` of every one of ``measures``, from one ranking of each query.

    The embeddings [Q, E] and [G, E], the labels [Q, C] and [G, C] and the options are those of
    :func:`semshare.ranking.over_blocks`. Without a query every value is of length 0.

    Raises:
        ValueError: what :func:`semshare.ranking.over_blocks` refuses.
    """
    if not measures:
        return []
    depths = [measure.k for measure in measures]
    blocks = over_blocks(
        lambda ranked: [measure(ranked) for measure in measures],
        query_embeddings,
        gallery_embeddings,
        query_labels,
        gallery_labels,
        None if None in depths else max(depths),
        **options,
    )
    return [Scores(*map(torch.cat, zip(*of_blocks, strict=True))) for of_blocks in zip(*blocks, strict=True)]


def _check_decisions(scores: Tensor, labels: Tensor) -> None:
    checks.matrix("scores", scores, *labels.shape) if labels.dim() == 2 else checks.matrix("labels", labels)
    checks.zeros_and_ones("labels", labels)
