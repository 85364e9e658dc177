"""Classes of precomputed regions: the best of given class scores, or visual words where nothing is given.

Context prediction hides a region and predicts its class. Where features come without classes, the classes are visual
words (Sivic and Zisserman, ICCV 2003): the centres of k-means over the features of training regions alone.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np

from semshare.data.regions.arrays import ArrayFile
from semshare.data.regions.registry import PRECOMPUTED
from semshare.errors import UserError
from semshare.utils.files import atomic_write, file_lock
from semshare.utils.home import cache_folder
from semshare.utils.progress import Progress
from semshare.utils.source import code_digest

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from sklearn.cluster import MiniBatchKMeans

    from semshare.data.regions.arrays import RegionArrays

WORDS = 256  # visual words at most
_REGIONS_A_WORD = 8  # training regions that a word stands for at least, where there are few
_FITTED_ON = 400_000  # training regions at most
_STEP = 4096  # regions a step of k-means


def classes_code() -> str:
    """The digest of the code that makes classes."""
    return code_digest(__name__)


def best_classes(scores: ArrayFile, sha256: str) -> ArrayFile:
    """The classes [N, R] of the highest of ``scores`` [N, R, K], computed once and kept.

    ``sha256`` is that of the scores.
    """

    def make(folder: Path) -> None:
        with atomic_write(folder / "best.npy") as part:
            _write(part, scores, lambda block: block.argmax(-1))

    return _kept(["best", sha256], "best.npy", make)


def visual_words(
    parts: Sequence[RegionArrays], train_rows: Sequence[int], sha256s: Sequence[str], seed: int = 0
) -> tuple[int, list[ArrayFile]]:
    """How many visual words there are, and the nearest one of each region of each of ``parts``, kept as arrays [N, R].

    They are fitted on training regions alone; a region whose score is 0 does not count.

    Args:
        parts: the arrays, those of the training split first.
        train_rows: the rows of the first of ``parts`` that are trained on.
        sha256s: of the features, and of the scores where there are any.
        seed: of k-means and of the order in which it sees the regions.
    """
    train = parts[0]
    words = word_count(train, train_rows)
    names = [f"words-{number}.npy" for number in range(len(parts))]
    fitted: list[MiniBatchKMeans] = []

    def make(folder: Path, number: int) -> None:
        if not fitted:
            fitted.append(_fit(train, train_rows, words, seed))
        size = parts[number].shape[1]

        def nearest(block: np.ndarray) -> np.ndarray:
            return fitted[0].predict(block.reshape(-1, size).astype(np.float32)).reshape(len(block), -1)

        with atomic_write(folder / names[number]) as part:
            _write(part, parts[number].features, nearest)

    rows = hashlib.sha256(np.asarray(train_rows, "<i8").tobytes()).hexdigest()
    said = ["words", str(words), str(seed), rows, *sha256s]
    files = [_kept(said, name, lambda folder, number=n: make(folder, number)) for n, name in enumerate(names)]
    return words, files


def word_count(train: RegionArrays, train_rows: Sequence[int]) -> int:
    """How many visual words the regions of ``train_rows`` are enough for."""
    regions = len(train_rows) * train.shape[0]
    if train.scores is not None:
        regions = sum(
            int((train.scores.read(train_rows[start : start + _STEP]) > 0).sum())
            for start in range(0, len(train_rows), _STEP)
        )
    return max(1, min(WORDS, regions // _REGIONS_A_WORD))


def _fit(train: RegionArrays, train_rows: Sequence[int], words: int, seed: int) -> MiniBatchKMeans:
    """k-means over regions of ``train`` in a random order, a few thousand at a time."""
    from sklearn.cluster import MiniBatchKMeans

    count, size = train.shape
    order = np.random.default_rng(seed).permutation(np.asarray(train_rows))[: max(1, _FITTED_ON // count)]
    model = MiniBatchKMeans(words, random_state=seed, n_init=1)
    step = max(1, _STEP // count)
    cuts = [order[start : start + step].tolist() for start in range(0, len(order), step)]
    waiting, fitted = np.empty((0, size), np.float32), False
    for rows in Progress(f"{words} visual words", quiet=len(cuts) < 20).track(cuts, len(cuts)):
        regions = train.features.read(rows).reshape(-1, size).astype(np.float32)
        if train.scores is not None:
            regions = regions[train.scores.read(rows).reshape(-1) > 0]
        waiting = np.concatenate([waiting, regions])
        if len(waiting) >= max(words, _STEP // 2) or (rows is cuts[-1] and len(waiting) >= (1 if fitted else words)):
            model.partial_fit(waiting)
            waiting, fitted = waiting[:0], True
    return model


def _write(path: Path, source: ArrayFile, classes: Callable[[np.ndarray], np.ndarray]) -> None:
    """Write the ``classes`` of all rows of ``source`` as one array [N, R], a block at a time."""
    shape = (len(source), source.shape[1] if len(source.shape) == 3 else 1)
    track = Progress(f"classes of {source.path.name}", quiet=len(source) < 10_000).track
    with open(path, "wb") as file:
        header = {"descr": "<i4", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_2_0(file, header)
        for _, block in track(source.blocks(), -(-len(source) // source.block_rows)):
            file.write(np.ascontiguousarray(classes(block), "<i4").tobytes())


def _kept(said: Sequence[str], name: str, make: Callable[[Path], None]) -> ArrayFile:
    """The array ``name`` of the folder that keeps what ``said`` decides; made where it is missing."""
    digest = hashlib.sha256(" ".join(said).encode()).hexdigest()[:12]
    folder = cache_folder("regions") / f"{digest}-{PRECOMPUTED}-{classes_code()}"
    try:
        return ArrayFile(folder / name)
    except UserError:
        pass  # none there, or a damaged one: made again
    with file_lock(folder.with_name(f"{folder.name}.lock")):
        try:
            return ArrayFile(folder / name)  # another process may have been faster
        except UserError:
            folder.mkdir(exist_ok=True)
            make(folder)
        return ArrayFile(folder / name)
