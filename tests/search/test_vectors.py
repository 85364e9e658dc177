"""Exact search with faiss and without it."""

from __future__ import annotations

import pytest
import torch

from semshare.search import vectors
from semshare.search.vectors import Vectors
from semshare.utils.extras import MissingExtraError


@pytest.fixture
def without_faiss(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vectors, "find_spec", lambda name: None)


def _rows(count: int) -> torch.Tensor:
    return torch.randn(count, 8, generator=torch.Generator().manual_seed(count))


def test_torch_finds_what_faiss_finds(monkeypatch: pytest.MonkeyPatch) -> None:
    rows, queries = _rows(500), _rows(40)
    by_faiss = Vectors(rows)
    monkeypatch.setattr(vectors, "find_spec", lambda name: None)
    by_torch = Vectors(rows)
    assert len(by_faiss) == len(by_torch) == 500 and by_torch.width == 8
    assert torch.equal(by_faiss.tensor(), rows) and torch.equal(by_torch.tensor(), rows)
    (found, at), (expected, where) = by_torch.search(queries, 7), by_faiss.search(queries, 7)
    torch.testing.assert_close(found, expected)
    assert torch.equal(at, where)


@pytest.mark.usefixtures("without_faiss")
def test_a_large_gallery_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vectors, "SMALL", 10)
    Vectors(_rows(10))
    with pytest.raises(MissingExtraError, match=r"faiss is not installed, and 11 items .*'semshare\[search\]'"):
        Vectors(_rows(11))


@pytest.mark.usefixtures("without_faiss")
def test_a_query_too_long_to_be_multiplied_is_refused() -> None:
    with pytest.raises(ValueError, match="too large to be multiplied"):
        Vectors(_rows(3)).search(torch.full((1, 8), 3e38), 1)
