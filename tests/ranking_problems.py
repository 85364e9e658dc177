"""What the tests of rankings and of measures share: small problems, some full of ties, and a slow way to rank."""

from __future__ import annotations

import torch
from torch import Tensor


def problem(
    seed: int, queries: int = 9, gallery: int = 23, labels: int = 5, coarse: bool = False
) -> tuple[Tensor, Tensor, Tensor]:
    """Similarity, query labels, gallery labels; ``coarse`` similarities are full of ties."""
    generator = torch.Generator().manual_seed(seed)
    if coarse:
        similarity = torch.randint(-2, 3, (queries, gallery), generator=generator).float() / 2
    else:
        # A permutation a query: no two similarities of a row are equal.
        rows = [torch.randperm(gallery, generator=generator) for _ in range(queries)]
        similarity = torch.stack(rows).float() / gallery - 0.5
    query_labels = (torch.rand(queries, labels, generator=generator) < 0.4).float()
    return similarity, query_labels, (torch.rand(gallery, labels, generator=generator) < 0.4).float()


def embeddings(
    seed: int = 0, queries: int = 40, gallery: int = 50, coarse: bool = False
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Embeddings and labels of queries and gallery; ``coarse`` ones are small integers, with exact, tied products."""
    generator = torch.Generator().manual_seed(seed)
    _, query_labels, gallery_labels = problem(seed, queries, gallery)
    sizes = (queries, 6), (gallery, 6)
    if coarse:
        query, items = (torch.randint(-1, 2, size, generator=generator).float() for size in sizes)
    else:
        query, items = (torch.randn(size, generator=generator) for size in sizes)
    return query, items, query_labels, gallery_labels


def order(row: list[float]) -> list[int]:
    """Falling similarity; Python's sort is stable, so ties keep gallery order."""
    return sorted(range(len(row)), key=lambda index: -row[index])
