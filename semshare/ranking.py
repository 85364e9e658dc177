"""Rankings: what a query finds first, ties in gallery order, and how many labels the found items share with it.

Pure functions of tensors on any device. :func:`over_blocks` ranks by embeddings without holding the whole similarity.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Self, TypeVar

import torch
from torch import Tensor
from torch.nn.functional import normalize

Ranking = Literal["cosine", "dot"]
Result = TypeVar("Result")
_HELD = 2**21  # similarities in a block: 8 MB


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


@dataclass(frozen=True)
class Ranked:
    """B queries and what each found in a gallery of G items: all that a retrieval measure reads.

    Attributes:
        order: [B, K] rows of the gallery in falling similarity.
        relevance: [B, K] float32, how many labels each of them shares with the query.
        counts: [B, V] float64, how many of the G items share 0, 1, ..., V - 1 labels with the query.
        size: G.
        caption_index: [B] a caption's place among its image's texts, where the queries are captions.
        own: [B, T] rows of the gallery that belong to the query's own pair, -1 where there are fewer than T.
    """

    order: Tensor
    relevance: Tensor
    counts: Tensor
    size: int
    caption_index: Tensor | None = None
    own: Tensor | None = None

    @classmethod
    def of(
        cls,
        similarity: Tensor,
        query_labels: Tensor,
        gallery_labels: Tensor,
        k: int | None = None,
        caption_index: Tensor | None = None,
        own: Tensor | None = None,
    ) -> Self:
        """The ranking by ``similarity`` [B, G], to depth ``k``, of items with labels [B, C] and [G, C], 0/1.

        Raises:
            ValueError: shapes that do not fit, or NaN similarity.
        """
        expected = (len(query_labels), len(gallery_labels))
        if tuple(similarity.shape) != expected:
            raise ValueError(f"similarity: found shape {tuple(similarity.shape)}, expected {expected}")
        _same_labels(query_labels, gallery_labels)
        shared = query_labels.float() @ gallery_labels.float().T
        order = rank(similarity, k)
        most = int(shared.max()) if shared.numel() else 0
        counts = torch.stack([(shared == value).sum(1) for value in range(most + 1)], 1).double()
        return cls(order, shared.gather(1, order), counts, len(gallery_labels), caption_index, own)

    def depth(self, k: int | None = None) -> int:
        """The lesser of ``k`` and G; raises :class:`ValueError` where the ranking is not that deep."""
        depth = self.size if k is None else min(k, self.size)
        if self.order.shape[1] < depth:
            raise ValueError(f"ranked: found the first {self.order.shape[1]} items, expected {depth}")
        return depth


def over_blocks(
    work: Callable[[Ranked], Result],
    query_embeddings: Tensor,
    gallery_embeddings: Tensor,
    query_labels: Tensor,
    gallery_labels: Tensor,
    k: int | None = None,
    ranking: Ranking = "cosine",
    caption_index: Tensor | None = None,
    own: Tensor | None = None,
    rows: int | None = None,
) -> list[Result]:
    """``work`` on the rankings of all queries, block by block in their order.

    Args:
        work: what to do with a block of queries.
        query_embeddings: [Q, E].
        gallery_embeddings: [G, E].
        query_labels: [Q, C] 0/1.
        gallery_labels: [G, C] 0/1.
        k: the depth of the rankings; None ranks the whole gallery.
        ranking: embeddings are compared by their cosine, or by their plain dot product.
        caption_index: [Q], see :class:`Ranked`.
        own: [Q, T], likewise.
        rows: queries in a block; by default as many as have 2 million similarities.

    Raises:
        ValueError: shapes that do not fit, an unknown ``ranking``, or NaN embeddings.
    """
    if ranking not in ("cosine", "dot"):
        raise ValueError(f"ranking: found {ranking!r}, expected 'cosine' or 'dot'")
    _as_many("query", query_embeddings, query_labels)
    _as_many("gallery", gallery_embeddings, gallery_labels)
    _same_labels(query_labels, gallery_labels)
    queries, gallery = query_embeddings.float(), gallery_embeddings.float()
    if ranking == "cosine":
        queries, gallery = normalize(queries, dim=1), normalize(gallery, dim=1)
    gallery = gallery.T
    rows = rows or max(_HELD // gallery.shape[1], 1)
    results = []
    for start in range(0, len(queries), rows):
        block = slice(start, start + rows)
        extra = [None if one is None else one[block] for one in (caption_index, own)]
        results.append(work(Ranked.of(queries[block] @ gallery, query_labels[block], gallery_labels, k, *extra)))
    return results


def _as_many(side: str, embeddings: Tensor, labels: Tensor) -> None:
    if len(embeddings) != len(labels):
        raise ValueError(f"{side}_embeddings: found {len(embeddings)} rows, expected the labels' {len(labels)}")


def _same_labels(query_labels: Tensor, gallery_labels: Tensor) -> None:
    if query_labels.shape[1] != gallery_labels.shape[1]:
        raise ValueError(f"gallery_labels: found {gallery_labels.shape[1]} labels, expected {query_labels.shape[1]}")
