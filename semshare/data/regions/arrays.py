"""Regions that lie on disk as arrays: rows of ``.npy`` files read by position, never copied whole."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from semshare.data.regions.registry import PRECOMPUTED
from semshare.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

_BLOCK = 1 << 25  # bytes that one pass over a file holds at a time
_FLOATS = ("float16", "float32", "float64")


class ArrayFile:
    """A ``.npy`` file of at least one dimension whose rows are read by position.

    Nothing is loaded when it is opened; memory is that of the rows asked for, whatever the file's size.

    Attributes:
        path: the file.
        shape: of the array; the first number counts its rows.
        dtype: of its values.
        block_rows: how many rows :meth:`blocks` gives at a time.
    """

    def __init__(self, path: Path) -> None:
        """Read the header of ``path``; raises :class:`UserError` for anything but a whole array of plain values."""
        self.path = path
        try:
            array = np.load(path, mmap_mode="r", allow_pickle=False)
        except FileNotFoundError:
            raise UserError(f"{path}: missing") from None
        except (OSError, ValueError, EOFError) as error:
            raise UserError(f"{path}: {_why_not_loaded(path, error)}") from None
        if not isinstance(array, np.memmap) or array.ndim == 0:
            raise UserError(f"{path}: found no array with rows, expected one array as np.save writes it")
        if array.ndim > 1 and not array.flags.c_contiguous:
            raise UserError(
                f"{path}: rows do not lie one after another (Fortran order); write it again with "
                "np.save(NEW, np.ascontiguousarray(np.load(OLD)))"
            )
        self.shape: tuple[int, ...] = array.shape
        self.dtype: np.dtype = array.dtype
        self._offset = int(array.offset)
        self._row_bytes = int(np.prod(self.shape[1:], dtype=np.int64)) * self.dtype.itemsize
        self.block_rows = max(1, _BLOCK // max(1, self._row_bytes))
        self._file: int | None = None

    def __len__(self) -> int:
        return self.shape[0]

    def read(self, rows: Sequence[int]) -> np.ndarray:
        """The rows of these numbers, ``[len(rows), *shape[1:]]``; raises :class:`UserError` where the file ends early.

        All are asked for at once: a disk answers many requests faster than one after another.
        """
        content = np.empty((len(rows), *self.shape[1:]), self.dtype)
        view = memoryview(content.reshape(-1).view(np.uint8))
        file, size = self._opened(), self._row_bytes
        for row in rows:
            os.posix_fadvise(file, self._offset + row * size, size, os.POSIX_FADV_WILLNEED)
        for position, row in enumerate(rows):
            self._fill(file, view[position * size : (position + 1) * size], self._offset + row * size)
        return content

    def blocks(self) -> Iterator[tuple[int, np.ndarray]]:
        """All rows in order, some megabytes at a time: the number of the first row of each block, and the block."""
        for start in range(0, len(self), self.block_rows):
            stop = min(start + self.block_rows, len(self))
            content = np.empty((stop - start, *self.shape[1:]), self.dtype)
            view = memoryview(content.reshape(-1).view(np.uint8))
            self._fill(self._opened(), view, self._offset + start * self._row_bytes)
            yield start, content

    def close(self) -> None:
        """Close the file; reading again opens it again."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def __del__(self) -> None:
        if getattr(self, "_file", None) is not None:
            self.close()

    def _opened(self) -> int:
        if self._file is None:
            try:
                self._file = os.open(self.path, os.O_RDONLY)
            except OSError as error:
                raise UserError(f"{self.path}: cannot be read: {error.strerror}") from None
        return self._file

    def _fill(self, file: int, view: memoryview, offset: int) -> None:
        """Read until ``view`` is full: one call gives two gigabytes at most."""
        done = 0
        while done < len(view):
            count = os.preadv(file, [view[done:]], offset + done)
            if not count:
                raise UserError(f"{self.path}: ends early: it was changed since it was opened; prepare the data again")
            done += count


@dataclass(frozen=True)
class RegionArrays:
    """The files that hold the regions of one split, row by row.

    Attributes:
        features: [N, R, D], or [N, D]: one region an item.
        classes: [N, R] integer; -1, as everywhere where there is no file, is a region of which no class is known.
        boxes: [N, R, 4] x1, y1, x2, y2, in pixels where ``sizes`` are given, else relative to the picture. Without
            a file every region has the box of the whole picture.
        sizes: [N, 2] width and height of each picture.
        scores: [N, R] in [0, 1], 0 where there is no region; without a file every region is one.
    """

    features: ArrayFile
    classes: ArrayFile | None = None
    boxes: ArrayFile | None = None
    sizes: np.ndarray | None = None
    scores: ArrayFile | None = None

    @property
    def shape(self) -> tuple[int, int]:
        """How many regions an item has, and the length of a feature."""
        shape = self.features.shape
        return (shape[1], shape[2]) if len(shape) == 3 else (1, shape[1])

    def rows(self, numbers: Sequence[int]) -> np.ndarray:
        """Rows as :meth:`semshare.data.regions.base.Regions.of_rows` reads them, float32 [B, R, D + 7]."""
        count, size = self.shape
        rows = np.empty((len(numbers), count, size + 7), np.float32)
        rows[..., :size] = self.features.read(numbers).reshape(len(numbers), count, size)
        rows[..., size : size + 4] = (0, 0, 1, 1) if self.boxes is None else self._relative(numbers)
        corners = rows[..., size : size + 4]
        rows[..., size + 4] = (corners[..., 2] - corners[..., 0]) * (corners[..., 3] - corners[..., 1])
        rows[..., -2] = -1 if self.classes is None else self.classes.read(numbers).reshape(len(numbers), count)
        rows[..., -1] = 1 if self.scores is None else self.scores.read(numbers).reshape(len(numbers), count)
        return rows

    def _relative(self, numbers: Sequence[int]) -> np.ndarray:
        assert self.boxes is not None
        boxes = self.boxes.read(numbers).reshape(len(numbers), -1, 4).astype(np.float32)
        if self.sizes is not None:
            boxes /= np.tile(self.sizes[list(numbers)], 2)[:, None, :].astype(np.float32)
        return boxes.clip(0, 1)


class ArrayStore:
    """Regions of items by id, read from arrays: what a :class:`~semshare.data.regions.store.FeatureStore` is otherwise.

    Attributes:
        shape: of one item's rows, (R, D + 7).
        meta: what made the regions, the length of a feature, and how many classes there are.
        skipped: none: arrays have no row that cannot be read.
        checksum: of the contents of all files.
    """

    def __init__(
        self, parts: Sequence[tuple[RegionArrays, Mapping[str, int]]], class_count: int, checksums: Sequence[str]
    ) -> None:
        """Take the rows of some items from each of ``parts``.

        Args:
            parts: arrays of one shape an item, and the row of each id in them.
            class_count: classes are 0 to this, without it.
            checksums: of everything that the regions come from.
        """
        count, size = parts[0][0].shape
        self.shape = (count, size + 7)
        self.meta: dict[str, Any] = {"extractor": PRECOMPUTED, "features": size, "classes": class_count}
        self.skipped: dict[str, str] = {}
        said = json.dumps([self.shape, self.meta, list(checksums)], sort_keys=True)
        self.checksum = hashlib.sha256(said.encode()).hexdigest()
        self._parts = [arrays for arrays, _ in parts]
        self._place = {id: (number, row) for number, (_, rows) in enumerate(parts) for id, row in rows.items()}

    def __len__(self) -> int:
        return len(self._place)

    def __contains__(self, id: object) -> bool:
        return id in self._place

    def read(self, ids: Sequence[str]) -> np.ndarray:
        """The rows of ``ids`` in that order, float32 [len(ids), R, D + 7]; raises :class:`UserError` for no such id."""
        places = []
        for id in ids:
            if id not in self._place:
                raise UserError(f"{self._parts[0].features.path}: no features for item {id!r}")
            places.append(self._place[id])
        if len({part for part, _ in places}) == 1:
            return self._parts[places[0][0]].rows([row for _, row in places])
        content = np.empty((len(ids), *self.shape), np.float32)
        for number, arrays in enumerate(self._parts):
            if chosen := [position for position, (part, _) in enumerate(places) if part == number]:
                content[chosen] = arrays.rows([places[position][1] for position in chosen])
        return content

    def tensor(self, ids: Sequence[str]) -> Tensor:
        """:meth:`read` as a tensor, where batches are made of it."""
        return torch.from_numpy(self.read(ids))


def check_floats(file: ArrayFile, dimensions: Sequence[int], expected: str) -> None:
    """Raise :class:`UserError` where ``file`` holds no floating-point array of so many dimensions, all at least 1."""
    if str(file.dtype.newbyteorder("=")) not in _FLOATS:
        raise UserError(f"{file.path}: values are {file.dtype}, expected float16, float32 or float64")
    if len(file.shape) not in dimensions or min(file.shape) == 0:
        raise UserError(f"{file.path}: shape {shown(file.shape)}, expected {expected}")


def shown(shape: Sequence[int]) -> str:
    """A shape as people write it."""
    return f"[{', '.join(f'{count:,}' for count in shape)}]"


def _why_not_loaded(path: Path, error: Exception) -> str:
    """What is wrong with a file that NumPy does not take for an array, and what to do."""
    if isinstance(error, OSError) and error.strerror:
        return f"cannot be read: {error.strerror}"
    said = str(error)
    with open(path, "rb") as file:
        start = file.read(1)
    # NumPy says of every file that is not its own that it is a pickle; one begins with this byte.
    if "Python objects" in said or start == b"\x80":
        return (
            "holds Python objects (a pickle), which can run a stranger's code and are never loaded here; whoever "
            "trusts the file writes it once more as plain numbers: np.save(NEW, np.stack(np.load(OLD, "
            "allow_pickle=True)).astype('float32'))"
        )
    why = "it does not begin as one does" if "pickle" in said else " ".join(said.split())[:160]
    return f"not a whole .npy array ({path.stat().st_size:,} bytes): {why}"
