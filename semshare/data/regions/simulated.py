"""RegionSimulator: region features drawn from an item's labels, for method studies without pictures.

How well images are classified is thereby put in: the height of an image score on simulated regions, and its distance
from the paper's, say nothing. What a method does with the same regions, and every score of a text, do.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np

from semshare.data.regions.base import REGIONS
from semshare.data.regions.store import FeatureStore, write_store
from semshare.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

# The share of an item's labels that its regions show wrongly. Calibrated once with benchmarks/probe_simulated.py, on
# dev of FLICKR25K's real labels, so that the image branch of Independent (scale laptop, threshold tuned on dev) scores
# the paper's Micro-F1 .672: epochs 5 to 7 gave .671, .672, .673. At .41 and .425 the fifth epoch gave .677 and .664.
NOISE = 0.415


class RegionSimulator:
    """Draws 36 regions an item from its labels; with a fixed seed an item's regions never change.

    What the regions show is not the labels but the *seen* ones, drawn once an item: each label is, with probability
    ``noise``, seen as another one, drawn uniformly. The regions hold nothing that tells a label seen rightly from a
    false one, so no model can average the error away: it sets how well any image model can do.

    Each label has a prototype, a fixed random unit vector times sqrt(64). A region carries one of the item's seen
    labels (chosen at random) or, half of the time, none (background); its feature is that prototype, or 0, plus
    Gaussian noise of standard deviation 1 of its own. A region's class is its seen label's column + 1, or 0 for
    background, boxes are random, and every score is 1.
    """

    name = "simulated"
    feature_size = 64
    _BACKGROUND = 0.5

    def __init__(self, label_count: int, seed: int = 0, noise: float = NOISE) -> None:
        """A simulator of ``label_count`` labels with ``noise`` in [0, 1]; raises :class:`UserError` below 2 labels."""
        if label_count < 2:
            raise UserError(
                f"regions: simulated ones need at least 2 labels, to take one for another; found {label_count}"
            )
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
        digest = hashlib.sha256(f"{self._seed} {id}".encode("utf-8", "surrogateescape")).digest()
        rng = np.random.default_rng(int.from_bytes(digest[:8], "big"))
        classes = np.zeros(REGIONS, dtype=int)
        if columns:
            shown = rng.random(REGIONS) >= self._BACKGROUND
            classes = np.where(shown, rng.choice(self._seen(columns, rng) + 1, REGIONS), 0)
        noise = rng.normal(size=(REGIONS, self.feature_size))
        low, high = np.sort(rng.random((2, REGIONS, 2)), axis=0)
        area = (high - low).prod(1, keepdims=True)
        parts = (self._prototypes[classes] + noise, low, high, area, classes[:, None], np.ones((REGIONS, 1)))
        return np.concatenate(parts, 1).astype(np.float16)

    def _seen(self, columns: Sequence[int], rng: np.random.Generator) -> np.ndarray:
        """The label columns that an item's regions show, each once."""
        count = self.class_count - 1
        wrong = rng.random(len(columns)) < self._noise
        others = (np.asarray(columns) + rng.integers(1, count, len(columns))) % count
        return np.unique(np.where(wrong, others, columns))


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
            batch_ids = ids[start : start + batch]
            yield batch_ids, simulator.simulate(batch_ids, labels[start : start + batch])

    meta = {"extractor": simulator.name, "features": simulator.feature_size, "classes": simulator.class_count}
    return write_store(folder, track(batches(), -(-len(ids) // batch)), meta)
