"""RegionSimulator: region features drawn from an item's labels, for method studies without pictures."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from semshare.data.store import FeatureStore, write_store
from semshare.errors import UserError

REGIONS = 36
# Calibrated once on FLICKR25K's real labels, on dev (benchmarks/probe_simulated.py): a logistic regression on the mean
# feature scores Micro-F1 .672 there at its tuned threshold, .650 at 0.5; the paper's independent image model has .672.
# A transformer reads single regions and does far better than that probe: image scores made so are no claim.
NOISE = 0.57


class RegionSimulator:
    """Draws 36 regions an item from its labels; with a fixed seed an item's regions never change.

    Each label has a prototype, a fixed random unit vector times sqrt(64). A region carries one of the item's labels
    (chosen at random) or, half of the time, none (background); its feature is that prototype, or 0, plus
    one Gaussian noise of standard deviation ``noise`` shared by the item's regions and one of deviation 1 of its own.
    The shared part is what averaging cannot remove: it sets how well any image model can do. A region's class is
    its label's column + 1, or 0 for background, boxes are random, and every score is 1.
    """

    name = "simulated"
    feature_size = 64
    _BACKGROUND = 0.5

    def __init__(self, label_count: int, seed: int = 0, noise: float = NOISE) -> None:
        self.class_count = label_count + 1
        self._seed, self._noise = seed, noise
        prototypes = np.random.default_rng(seed).normal(size=(label_count, self.feature_size))
        prototypes *= self.feature_size**0.5 / np.linalg.norm(prototypes, axis=1, keepdims=True)
        self._prototypes = np.vstack([np.zeros((1, self.feature_size)), prototypes])

    def simulate(self, ids: Sequence[str], labels: Sequence[Sequence[int]]) -> np.ndarray:
        """Stored rows, float16 [len(ids), 36, 64 + 7], of items whose label columns are ``labels``.

        Raises:
            UserError: a label column past the last.
        """
        return np.stack([self._item(id, columns) for id, columns in zip(ids, labels, strict=True)])

    def _item(self, id: str, columns: Sequence[int]) -> np.ndarray:
        if columns and not 0 <= min(columns) <= max(columns) < self.class_count - 1:
            raise UserError(f"item {id!r}: label columns {list(columns)}, expected 0 to {self.class_count - 2}")
        digest = hashlib.sha256(f"{self._seed} {id}".encode()).digest()
        rng = np.random.default_rng(int.from_bytes(digest[:8], "big"))
        classes = np.zeros(REGIONS, dtype=int)
        if columns:
            shown = rng.random(REGIONS) >= self._BACKGROUND
            classes = np.where(shown, rng.choice(np.asarray(columns) + 1, REGIONS), 0)
        noise = self._noise * rng.normal(size=self.feature_size) + rng.normal(size=(REGIONS, self.feature_size))
        low, high = np.sort(rng.random((2, REGIONS, 2)), axis=0)
        area = (high - low).prod(1, keepdims=True)
        parts = (self._prototypes[classes] + noise, low, high, area, classes[:, None], np.ones((REGIONS, 1)))
        return np.concatenate(parts, 1).astype(np.float16)


def simulate_to_store(
    simulator: RegionSimulator,
    ids: Sequence[str],
    labels: Sequence[Sequence[int]],
    folder: Path,
    track: Callable[[Iterator, int], Iterator],
    batch: int = 256,
) -> FeatureStore:
    """The simulated regions of items ``ids`` with label columns ``labels`` as a store at ``folder``."""

    def batches() -> Iterator[tuple[Sequence[str], np.ndarray]]:
        for start in range(0, len(ids), batch):
            some = ids[start : start + batch]
            yield some, simulator.simulate(some, labels[start : start + batch])

    meta = {"extractor": simulator.name, "features": simulator.feature_size, "classes": simulator.class_count}
    return write_store(folder, track(batches(), -(-len(ids) // batch)), meta)
