"""Vectors compared with every query by inner product: by faiss where it is installed, else by plain torch."""

from __future__ import annotations

from importlib.util import find_spec

import torch
from torch import Tensor

from semshare.utils.extras import MissingExtraError

SMALL = 100_000  # vectors: a larger gallery is searched by faiss, two to three times as fast (benchmarks/search.py)


class Vectors:
    """[N, E] float32 vectors, searched exactly."""

    def __init__(self, rows: Tensor) -> None:
        """Hold ``rows``.

        Raises:
            MissingExtraError: more than ``SMALL`` rows, and faiss is not installed.
        """
        self.width = rows.shape[1]
        self._rows, self._index = rows, None
        if find_spec("faiss") is not None:
            import faiss

            self._index, self._rows = faiss.IndexFlatIP(self.width), None
            self._index.add(rows.numpy())
        elif len(rows) > SMALL:
            raise MissingExtraError(
                f"faiss is not installed, and {len(rows):,} items are more than {SMALL:,}; install it with: "
                "pip install 'semshare[search]'"
            )

    def __len__(self) -> int:
        return self._index.ntotal if self._rows is None else len(self._rows)

    def tensor(self) -> Tensor:
        """[N, E] the vectors, a copy."""
        if self._rows is not None:
            return self._rows.clone()
        return torch.from_numpy(self._index.reconstruct_n(0, self._index.ntotal).copy())

    def search(self, queries: Tensor, top: int) -> tuple[Tensor, Tensor]:
        """The ``top`` largest inner products of each query, best first.

        All ``queries`` [Q, E] go to faiss in one batch: below 128,000 numbers in a batch it compares them one by one,
        some five times slower a query than by matrix products (``benchmarks/search.py``).

        Returns:
            Inner products [Q, top] and rows [Q, top].

        Raises:
            ValueError: an inner product is no number, because a query is too long to be multiplied.
        """
        if self._rows is None:
            scores, rows = (torch.from_numpy(part) for part in self._index.search(queries.numpy(), top))
            wrong = bool((rows < 0).any())  # how faiss says that no inner product was a number
        else:
            scores, rows = (queries @ self._rows.T).topk(top, dim=1)
            wrong = not bool(scores.isfinite().all())
        if wrong:
            raise ValueError(f"queries: found up to {float(queries.abs().max()):.1e}, too large to be multiplied")
        return scores, rows
