"""Batches where the network is: features held in a GPU's memory where they fit, else the next batch copied ahead.

A GPU is expected to take a step in less time than reading and copying its regions costs; ``benchmarks/README.md`` has
the reckoning, and says that no GPU has confirmed it yet. On a CPU nothing here does anything.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from semshare.data.dataset import Batch, PairedDataset
    from semshare.data.regions.arrays import ArrayStore
    from semshare.data.regions.store import FeatureStore

_SHARE = 0.5  # of the free memory; the rest is the network's and its activations'
_BLOCK = 512  # items read at once on the way there


class HeldStore:
    """The rows of some ids of a store in a device's memory, as exact as the store gives them."""

    def __init__(self, store: FeatureStore | ArrayStore, ids: Sequence[str], device: torch.device) -> None:
        """Copy the rows of ``ids`` to ``device``; raises :class:`UserError` for an id that ``store`` lacks."""
        self.shape, self.meta, self.skipped, self.checksum = store.shape, store.meta, store.skipped, store.checksum
        self._row = {id: row for row, id in enumerate(ids)}
        self._rows = torch.empty(len(ids), *store.shape, dtype=store.tensor(ids[:1]).dtype, device=device)
        for start in range(0, len(ids), _BLOCK):
            self._rows[start : start + _BLOCK] = store.tensor(ids[start : start + _BLOCK])

    def tensor(self, ids: Sequence[str]) -> Tensor:
        """The held rows of ``ids`` on the device; raises ``KeyError`` for an id that is not held."""
        rows = torch.tensor([self._row[id] for id in ids])
        return self._rows.index_select(0, rows.to(self._rows.device, non_blocking=True))


def hold(dataset: PairedDataset, device: torch.device) -> PairedDataset:
    """``dataset`` with the features that training reads in ``device``'s memory, where they fit into half of it."""
    ids = [id for split in ("train", "dev") for id in dataset.parts[split].image_ids]
    if len(ids) * dataset.store.tensor(ids[:1]).nbytes > _SHARE * _free(device):
        return dataset
    return replace(dataset, store=HeldStore(dataset.store, ids, device))


def ahead(batches: Iterator[Batch], device: torch.device) -> Iterator[Batch]:
    """``batches`` on ``device``, on a GPU each one read and on its way while the one before is computed."""
    if device.type == "cpu":
        yield from batches
        return
    with ThreadPoolExecutor(1) as reader:

        def read() -> Batch | None:
            batch = next(batches, None)
            return batch and batch.to(device)

        coming = reader.submit(read)
        while (batch := coming.result()) is not None:
            coming = reader.submit(read)
            yield batch


def _free(device: torch.device) -> int:
    """Free bytes of a GPU; none where features are in the computer's memory already."""
    return torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else 0
