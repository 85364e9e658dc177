"""Rankings: what a query finds first, ties in gallery order, and how many labels the found items share with it.

Functions of tensors on any device. :func:`over_blocks` ranks by embeddings without holding the whole similarity, on a
CPU with one block on each core.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from math import isfinite
from typing import TYPE_CHECKING, Literal, Self, TypeVar

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import normalize

from semshare import checks

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Ranking = Literal["cosine", "dot"]
Result = TypeVar("Result")
_HELD = 2**21  # similarities in a block: 8 MB
_PLACE = 2**32 - 1  # a key's lower half
_LAST = 2**63 - 1


def rank(similarity: Tensor, k: int | None = None) -> Tensor:
    """Gallery indices [Q, k] in falling similarity; ties keep gallery order; k = None ranks everything.

    Fewer than k where the gallery is smaller, none where it is empty.

    Args:
        similarity: [Q, G], finite.
        k: a whole number from 1.

    Raises:
        ValueError: ``similarity`` is no matrix or holds NaN or infinities, or a ``k`` below 1.
    """
    checks.matrix("similarity", similarity)
    checks.finite("similarity", similarity)
    if k is not None:
        checks.whole_number("k", k)
    return _rank(similarity, k)


def _rank(similarity: Tensor, k: int | None) -> Tensor:
    """:func:`rank` of what is known to be right."""
    size = similarity.shape[1]
    k = size if k is None else min(k, size)
    if not len(similarity) or k == 0:
        return torch.empty(len(similarity), k, dtype=torch.long, device=similarity.device)
    if similarity.dtype == torch.float64:  # the keys below hold float32 only
        return similarity.sort(dim=1, descending=True, stable=True).indices[:, :k]
    similarity = similarity.float().contiguous()
    keys = _best_keys(similarity, k) if 2 * k <= size else _all_keys(similarity)
    return _sorted_rows(keys)[:, :k] & _PLACE


def _all_keys(similarity: Tensor) -> Tensor:
    """[B, G] the keys of all items."""
    return _keys(similarity, torch.arange(similarity.shape[1], device=similarity.device))


def _best_keys(similarity: Tensor, k: int) -> Tensor:
    """[B, W] the keys of at least the first k items, filled up with a key that comes last.

    With the gallery dealt into 2 k groups or more, the k-th best of the groups' maxima is reached by k items at least,
    so that no item below it is among the first k. A scan finds the few others, which alone need sorting.
    """
    rows, size = similarity.shape
    depth = size // (2 * k)
    groups = size // depth
    dealt = similarity[:, : depth * groups].unflatten(1, (depth, groups)).amax(1)
    highest = _where(similarity >= _kth_largest(dealt, k))
    starts = torch.arange(rows + 1, device=highest.device) * size
    count = torch.searchsorted(highest, starts).diff().unsqueeze(1)
    filled = torch.arange(int(count.max()) if rows else 0, device=highest.device) < count
    keys = torch.full(filled.shape, _LAST, device=highest.device)
    return keys.masked_scatter_(filled, _keys(similarity.take(highest), highest % size))


def _keys(similarity: Tensor, column: Tensor) -> Tensor:
    """Integers that rise as (similarity falls, place in the gallery rises): one comparison breaks ties as well."""
    bits = (similarity + 0.0).view(torch.int32)  # + 0.0 turns -0.0 into 0.0
    rising = bits ^ ((bits >> 31) & 0x7FFFFFFF)  # a negative float's bits rise as it falls
    return (~rising).long() << 32 | column


def _by_numpy(tensor: Tensor) -> bool:
    """On a CPU numpy scans, partitions and sorts with vector instructions, several times faster than torch."""
    return tensor.device.type == "cpu"


def _where(mask: Tensor) -> Tensor:
    """The places of True in ``mask``, laid flat."""
    if _by_numpy(mask):
        return torch.from_numpy(np.flatnonzero(mask.numpy()))
    return mask.flatten().nonzero().squeeze(1)


def _kth_largest(values: Tensor, k: int) -> Tensor:
    """[B, 1] of each row of [B, M], which may be left in another order."""
    if _by_numpy(values):
        cut = values.shape[1] - k
        values.numpy().partition(cut, axis=1)
        return values[:, cut : cut + 1]
    return values.topk(k, dim=1).values[:, -1:]


def _sorted_rows(keys: Tensor) -> Tensor:
    """``keys`` with its rows in rising order, in place where that is faster."""
    if _by_numpy(keys):
        keys.numpy().sort(axis=1)
        return keys
    return keys.sort(dim=1).values


@dataclass(frozen=True)
class _LabelSets:
    """The different label vectors among N items: many items have the same, and products of a few tell those of all.

    Attributes:
        labels: [U, C] float32.
        of: [N] which of the U each item has.
        items: [U] float64, how many items have it.
    """

    labels: Tensor
    of: Tensor
    items: Tensor

    @classmethod
    def among(cls, labels: Tensor) -> Self:
        """The label vectors of ``labels`` [N, C] 0/1."""
        of = torch.zeros(len(labels), dtype=torch.long, device=labels.device)
        for columns in labels.long().split(31, dim=1):
            code = (columns << torch.arange(columns.shape[1], device=of.device)).sum(1)
            of = torch.unique(of << 31 | code, return_inverse=True)[1]
        items = torch.bincount(of)
        rows = torch.arange(len(labels), device=of.device)
        first = torch.zeros_like(items).scatter_reduce_(0, of, rows, "amin", include_self=False)
        return cls(labels[first].float(), of, items.double())


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
            ValueError: shapes that do not fit, an empty gallery, labels other than 0 and 1, NaN or infinite similarity,
                or a ``k`` that is no whole number from 1.
        """
        _check_labels(query_labels, gallery_labels)
        checks.matrix("similarity", similarity, len(query_labels), len(gallery_labels))
        checks.finite("similarity", similarity)
        _check_options(len(query_labels), len(gallery_labels), k, caption_index, own)
        queries, gallery = _LabelSets.among(query_labels), _LabelSets.among(gallery_labels)
        return cls._of_sets(similarity, queries.labels, queries.of, gallery, k, caption_index, own)

    @classmethod
    def _of_sets(
        cls,
        similarity: Tensor,
        query_sets: Tensor,
        query_of: Tensor,
        gallery: _LabelSets,
        k: int | None,
        caption_index: Tensor | None,
        own: Tensor | None,
    ) -> Self:
        order = _rank(similarity, k)
        asked, row = query_of.unique(return_inverse=True)
        shared = query_sets[asked] @ gallery.labels.T
        counts = torch.zeros(len(asked), query_sets.shape[1] + 1, dtype=torch.float64, device=order.device)
        counts.scatter_add_(1, shared.long(), gallery.items.expand(len(asked), -1))
        relevance = shared.take(gallery.of.take(order) + row.unsqueeze(1) * shared.shape[1])
        return cls(order, relevance, counts[row], similarity.shape[1], caption_index, own)

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
    """``work`` on the rankings of all queries, block by block in their order; on one empty block where there are none.

    Args:
        work: what to do with a block of queries.
        query_embeddings: [Q, E], finite.
        gallery_embeddings: [G, E], likewise; one item at least.
        query_labels: [Q, C] 0/1.
        gallery_labels: [G, C] 0/1.
        k: the depth of the rankings; None ranks the whole gallery.
        ranking: embeddings are compared by their cosine, or by their plain dot product.
        caption_index: [Q], see :class:`Ranked`.
        own: [Q, T], likewise.
        rows: queries in a block; by default as many as have 2 million similarities.

    Raises:
        ValueError: shapes that do not fit, an empty gallery, an unknown ``ranking``, labels other than 0 and 1,
            embeddings that are not finite or too long for float32, or a ``k`` or ``rows`` that is no whole number
            from 1.
    """
    if ranking not in ("cosine", "dot"):
        raise ValueError(f"ranking: found {ranking!r}, expected 'cosine' or 'dot'")
    _check_labels(query_labels, gallery_labels)
    _as_many("query", query_embeddings, query_labels)
    _as_many("gallery", gallery_embeddings, gallery_labels)
    checks.matrix("gallery_embeddings", gallery_embeddings, columns=query_embeddings.shape[1])
    _check_options(len(query_labels), len(gallery_labels), k, caption_index, own)
    if rows is not None:
        checks.whole_number("rows", rows)
    queries, gallery = query_embeddings.float(), gallery_embeddings.float()
    # Of finite lengths no similarity is NaN or infinite: none needs to be looked at.
    _check_lengths("query_embeddings", queries)
    _check_lengths("gallery_embeddings", gallery)
    if ranking == "cosine":
        queries, gallery = normalize(queries, dim=1), normalize(gallery, dim=1)
    gallery = gallery.T
    asked, held = _LabelSets.among(query_labels), _LabelSets.among(gallery_labels)

    def of_block(block: slice) -> Result:
        extra = [None if per_query is None else per_query[block] for per_query in (caption_index, own)]
        return work(Ranked._of_sets(queries[block] @ gallery, asked.labels, asked.of[block], held, k, *extra))

    count = max(-(-len(queries) // (rows or max(_HELD // len(held.of), 1))), 1)
    bounds = [len(queries) * part // count for part in range(count + 1)]
    return _on_every_core(of_block, [slice(*pair) for pair in pairwise(bounds)], gallery.device)


def _on_every_core(work: Callable[[slice], Result], blocks: Sequence[slice], device: torch.device) -> list[Result]:
    """``work`` on each of ``blocks``, in order; on a CPU torch's threads take a block each instead of sharing one.

    What a block gives does not depend on how many they are, and none waits for the others after each operation.
    """
    threads = min(torch.get_num_threads(), len(blocks))
    if device.type != "cpu" or threads < 2:
        return [work(block) for block in blocks]
    before = torch.get_num_threads()
    try:
        with ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            return list(pool.map(work, blocks))
    finally:
        torch.set_num_threads(before)


def _as_many(side: str, embeddings: Tensor, labels: Tensor) -> None:
    checks.matrix(f"{side}_embeddings", embeddings)
    if len(embeddings) != len(labels):
        raise ValueError(f"{side}_embeddings: found {len(embeddings)} rows, expected the labels' {len(labels)}")


def _check_labels(query_labels: Tensor, gallery_labels: Tensor) -> None:
    for name, labels in (("query_labels", query_labels), ("gallery_labels", gallery_labels)):
        checks.matrix(name, labels)
        checks.zeros_and_ones(name, labels)
    if query_labels.shape[1] != gallery_labels.shape[1]:
        raise ValueError(f"gallery_labels: found {gallery_labels.shape[1]} labels, expected {query_labels.shape[1]}")
    if not len(gallery_labels):
        raise ValueError("gallery_labels: found an empty gallery, expected one item at least")


def _check_options(queries: int, size: int, k: int | None, caption_index: Tensor | None, own: Tensor | None) -> None:
    if k is not None:
        checks.whole_number("k", k)
    if caption_index is not None:
        if caption_index.shape != (queries,):
            raise ValueError(f"caption_index: found shape {tuple(caption_index.shape)}, expected ({queries},)")
        if queries and int(caption_index.min()) < 0:
            raise ValueError(f"caption_index: found {int(caption_index.min())}, expected places from 0")
    if own is not None:
        checks.matrix("own", own, rows=queries)
        if own.numel() and not -1 <= int(own.min()) <= int(own.max()) < size:
            found = f"{int(own.min())} to {int(own.max())}"
            raise ValueError(f"own: found rows {found}, expected rows of the gallery, below {size}, or -1")


def _check_lengths(name: str, embeddings: Tensor) -> None:
    """Refuse rows without a finite length; a length is the root of a float32, so two of them multiply to one."""
    if len(embeddings) and not isfinite(torch.linalg.vector_norm(embeddings, dim=1).max()):
        checks.finite(name, embeddings)
        raise ValueError(f"{name}: found numbers too large for a length in float32")
