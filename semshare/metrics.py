"""The measures: Micro-F1 for classification; NDCG, mAP, ACG and Recall@k for retrieval.

Pure functions of tensors on any device. Retrieval measures take a similarity [Q, G] and give one value a
query; :func:`over_blocks` applies any of them to embeddings without holding the whole similarity.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import normalize

Gain = Literal["linear", "exponential"]
Discount = Literal["rank", "coco-released"]
Ranking = Literal["cosine", "dot"]


def f1_counts(scores: Tensor, labels: Tensor, threshold: float) -> Tensor:
    """Per-item true positives, false positives and false negatives.

    Args:
        scores: [N, C]; a label is predicted where its score is at least ``threshold``.
        labels: [N, C] 0/1.
        threshold: the decision threshold.

    Returns:
        [N, 3] integer counts, what a bootstrap over items resamples.
    """
    _same_shape("scores", scores, "labels", labels)
    predicted, true = scores.double() >= threshold, labels.bool()
    return torch.stack([(predicted & true).sum(1), (predicted & ~true).sum(1), (~predicted & true).sum(1)], 1)


def micro_f1(scores: Tensor, labels: Tensor, threshold: float) -> float:
    """Micro-F1 in [0, 1]: one F1 over all N x C decisions; 0 when nothing is true and nothing predicted.

    >>> micro_f1(torch.tensor([[0.9, 0.2], [0.4, 0.8]]), torch.tensor([[1, 0], [1, 1]]), threshold=0.5)
    0.8
    """
    return f1_of_counts(f1_counts(scores, labels, threshold).sum(0))


def f1_of_counts(counts: Tensor) -> float:
    """Micro-F1 of summed counts [3]: true positives, false positives, false negatives."""
    hit, false, missed = counts.tolist()
    return 2 * hit / max(2 * hit + false + missed, 1)


def best_threshold(scores: Tensor, labels: Tensor) -> float:
    """The threshold with the highest Micro-F1 over all possible ones (to be called on dev, never on test).

    Args:
        scores: [N, C].
        labels: [N, C] 0/1.

    Returns:
        The midpoint between the lowest accepted and the highest refused score; among equals the highest.
    """
    _same_shape("scores", scores, "labels", labels)
    flat, order = scores.double().flatten().sort(descending=True, stable=True)
    truth = labels.flatten()[order].double()
    hits = truth.cumsum(0)
    accepted = torch.arange(1, len(flat) + 1, device=flat.device)
    f1 = 2 * hits / (accepted + truth.sum()).clamp(min=1)
    f1[:-1][flat[:-1] == flat[1:]] = -1  # equal scores are accepted together
    best = int(f1.argmax())
    below = flat[min(best + 1, len(flat) - 1)]
    return float((flat[best] + below) / 2)


def rank(similarity: Tensor, k: int | None = None) -> Tensor:
    """Gallery indices [Q, k] in falling similarity; ties keep gallery order; k = None ranks everything.

    Raises:
        ValueError: ``similarity`` holds NaN.
    """
    if torch.isnan(similarity).any():
        raise ValueError("similarity: found NaN, expected numbers")
    size = similarity.shape[1]
    if k is None or k >= size or similarity.dtype == torch.float64:  # the packing below holds float32 only
        return similarity.sort(dim=1, descending=True, stable=True).indices[:, :k]
    # topk alone breaks ties as it likes: rank by (similarity, earlier index first) packed in one integer.
    bits = (similarity.float() + 0.0).view(torch.int32).long()  # + 0.0 turns -0.0 into 0.0
    ordered = torch.where(bits < 0, bits ^ 0x7FFFFFFF, bits)
    earlier = torch.arange(size - 1, -1, -1, device=similarity.device)
    return size - 1 - ((ordered << 31) | earlier).topk(k, dim=1).values.bitwise_and(0x7FFFFFFF)


def ndcg(
    similarity: Tensor,
    query_labels: Tensor,
    gallery_labels: Tensor,
    k: int | None = 500,
    gain: Gain = "linear",
    discount: Discount = "rank",
    caption_index: Tensor | None = None,
) -> Tensor:
    """NDCG@k of each query (as the released evaluation computes it; Järvelin & Kekäläinen 2002).

    Relevance is the number of shared labels. The ideal ranking is over the whole gallery, so a query with
    fewer relevant items than k is normalised by what it could reach. Nothing relevant: 0, and counted.

    Args:
        similarity: [Q, G]; ties keep gallery order.
        query_labels: [Q, C] 0/1.
        gallery_labels: [G, C] 0/1.
        k: cut-off; None ranks the whole gallery.
        gain: relevance itself, or 2^relevance - 1.
        discount: log2(rank + 1), or the released code's log2(5 (rank - 1) + c + 2) for COCO captions.
        caption_index: [Q] c, the query caption's place among its image's five; for ``coco-released`` alone.

    Returns:
        [Q] float64 in [0, 1].

    Raises:
        ValueError: shapes that do not fit, NaN similarity, or a missing or surplus ``caption_index``.

    >>> ndcg(torch.tensor([[0.1, 0.9]]), torch.tensor([[1, 1]]), torch.tensor([[1, 1], [0, 1]]))
    tensor([0.8597], dtype=torch.float64)
    """
    relevance = _relevance(similarity, query_labels, gallery_labels)
    depth = relevance.shape[1] if k is None else min(k, relevance.shape[1])
    weight = _discounts(depth, discount, caption_index, similarity)
    found = _gain(relevance.gather(1, rank(similarity, depth)), gain)
    ideal = _ideal_dcg(relevance, weight, gain)
    return torch.where(ideal > 0, (found * weight).sum(1) / ideal.clamp(min=1e-300), 0.0)


def random_ndcg(
    query_labels: Tensor, gallery_labels: Tensor, k: int | None = 500, gain: Gain = "linear", chunk: int = 256
) -> Tensor:
    """The expected NDCG@k [Q] of a uniformly random ranking, in closed form (discount log2(rank + 1)).

    At every rank the expected gain is the gallery's mean gain, so the expected DCG is that mean times the
    sum of the discounts. ``chunk`` queries are held at once.
    """
    values = []
    for labels in query_labels.split(chunk):
        relevance = labels.float() @ gallery_labels.float().T
        depth = relevance.shape[1] if k is None else min(k, relevance.shape[1])
        weight = _discounts(depth, "rank", None, relevance)
        ideal = _ideal_dcg(relevance, weight, gain)
        expected = _gain(relevance, gain).mean(1) * weight.sum()
        values.append(torch.where(ideal > 0, expected / ideal.clamp(min=1e-300), 0.0))
    return torch.cat(values)


def mean_average_precision(similarity: Tensor, query_labels: Tensor, gallery_labels: Tensor) -> Tensor:
    """Average precision [Q] over the full ranking; relevant means at least one shared label.

    A query with nothing relevant gives NaN, so that ``.nanmean()`` is the mAP that skips it.
    """
    hits = _relevance(similarity, query_labels, gallery_labels).gather(1, rank(similarity)).gt(0).double()
    places = torch.arange(1, hits.shape[1] + 1, device=hits.device)
    return (hits.cumsum(1) / places * hits).sum(1) / hits.sum(1)


def average_cumulative_gain(similarity: Tensor, query_labels: Tensor, gallery_labels: Tensor, k: int = 500) -> Tensor:
    """ACG@k [Q]: the mean number of labels that the first k items share with the query."""
    relevance = _relevance(similarity, query_labels, gallery_labels)
    return relevance.gather(1, rank(similarity, k)).double().mean(1)


def recall_at_k(similarity: Tensor, query_pair: Tensor, gallery_pair: Tensor, k: int) -> Tensor:
    """1 for each query [Q] that finds an item of its own pair within the first k, else 0.

    Args:
        similarity: [Q, G].
        query_pair: [Q] integer, the pair (on COCO the image) a query belongs to.
        gallery_pair: [G] integer, likewise.
        k: cut-off.
    """
    return (gallery_pair[rank(similarity, k)] == query_pair.unsqueeze(1)).any(1).double()


def over_blocks(
    measure: Callable[..., Tensor],
    query_embeddings: Tensor,
    gallery_embeddings: Tensor,
    query_labels: Tensor,
    gallery_labels: Tensor,
    chunk: int = 256,
    caption_index: Tensor | None = None,
    ranking: Ranking = "cosine",
    **options: object,
) -> Tensor:
    """Any retrieval measure on the similarity of embeddings, ``chunk`` queries at a time.

    Args:
        measure: one of this module's retrieval measures.
        query_embeddings: [Q, E].
        gallery_embeddings: [G, E].
        query_labels: [Q, C], or [Q] pairs for :func:`recall_at_k`.
        gallery_labels: [G, C], or [G].
        chunk: queries held at once; memory is about ``20 * chunk * G`` bytes.
        caption_index: [Q], passed on by the block where given.
        ranking: embeddings are compared by their cosine, or by their plain dot product.
        options: passed on to ``measure``.

    Returns:
        [Q], equal to ``measure`` on the full similarity.
    """
    if ranking not in ("cosine", "dot"):
        raise ValueError(f"ranking: found {ranking!r}, expected 'cosine' or 'dot'")
    queries, gallery = query_embeddings.float(), gallery_embeddings.float()
    if ranking == "cosine":
        queries, gallery = normalize(queries, dim=1), normalize(gallery, dim=1)
    gallery = gallery.T
    values = []
    for start in range(0, len(queries), chunk):
        block = slice(start, start + chunk)
        if caption_index is not None:
            options["caption_index"] = caption_index[block]
        values.append(measure(queries[block] @ gallery, query_labels[block], gallery_labels, **options))
    return torch.cat(values)


def retrieval_ndcg(
    query_embeddings: Tensor,
    gallery_embeddings: Tensor,
    query_labels: Tensor,
    gallery_labels: Tensor,
    k: int | None = 500,
    gain: Gain = "linear",
    discount: Discount = "rank",
    caption_index: Tensor | None = None,
    chunk: int = 256,
    ranking: Ranking = "cosine",
) -> Tensor:
    """:func:`ndcg` [Q] on the similarity of embeddings [Q, E] and [G, E], by blocks of queries."""
    return over_blocks(
        ndcg,
        query_embeddings,
        gallery_embeddings,
        query_labels,
        gallery_labels,
        chunk,
        caption_index,
        ranking,
        k=k,
        gain=gain,
        discount=discount,
    )


def _relevance(similarity: Tensor, query_labels: Tensor, gallery_labels: Tensor) -> Tensor:
    """Shared labels [Q, G] as float32: exact, since counts are small integers."""
    expected = (len(query_labels), len(gallery_labels))
    if tuple(similarity.shape) != expected:
        raise ValueError(f"similarity: found shape {tuple(similarity.shape)}, expected {expected}")
    if query_labels.shape[1] != gallery_labels.shape[1]:
        raise ValueError(f"gallery_labels: found {gallery_labels.shape[1]} labels, expected {query_labels.shape[1]}")
    return query_labels.float() @ gallery_labels.float().T


def _gain(relevance: Tensor, gain: Gain) -> Tensor:
    if gain not in ("linear", "exponential"):
        raise ValueError(f"gain: found {gain!r}, expected 'linear' or 'exponential'")
    return relevance.double() if gain == "linear" else torch.exp2(relevance.double()) - 1


def _discounts(depth: int, discount: Discount, caption_index: Tensor | None, like: Tensor) -> Tensor:
    """1 / log2(...) of each rank: [1, depth], or [Q, depth] where it depends on the caption."""
    places = torch.arange(1, depth + 1, device=like.device, dtype=torch.float64).unsqueeze(0)
    if discount not in ("rank", "coco-released"):
        raise ValueError(f"discount: found {discount!r}, expected 'rank' or 'coco-released'")
    if (discount == "coco-released") != (caption_index is not None):
        raise ValueError("caption_index: goes with discount='coco-released' and with no other")
    if caption_index is None:
        return 1 / torch.log2(places + 1)
    return 1 / torch.log2(5 * (places - 1) + caption_index.to(like.device).unsqueeze(1) + 2)


def _ideal_dcg(relevance: Tensor, weight: Tensor, gain: Gain) -> Tensor:
    """The best reachable DCG [Q], from counts instead of a sort.

    In the ideal ranking the n_v items of relevance v or more stand first, so each step from v - 1 to v adds
    its gain to the first n_v discounts.
    """
    depth = weight.shape[1]
    sums = torch.cat([torch.zeros_like(weight[:, :1]), weight.cumsum(1)], 1).expand(len(relevance), -1)
    total = torch.zeros(len(relevance), dtype=torch.float64, device=relevance.device)
    for value in range(1, int(relevance.max()) + 1 if relevance.numel() else 1):
        count = (relevance >= value).sum(1).clamp(max=depth)
        step = _gain(torch.tensor([value, value - 1.0], device=relevance.device), gain)
        total += (step[0] - step[1]) * sums.gather(1, count.unsqueeze(1)).squeeze(1)
    return total


def _same_shape(name: str, found: Tensor, other: str, expected: Tensor) -> None:
    if found.shape != expected.shape or found.dim() != 2:
        raise ValueError(f"{name}: found shape {tuple(found.shape)}, expected that of {other}, {tuple(expected.shape)}")
    if torch.isnan(found).any():
        raise ValueError(f"{name}: found NaN, expected numbers")
