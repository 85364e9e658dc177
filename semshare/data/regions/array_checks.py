"""Arrays of regions read to their end, once: every value is checked, and the content gets a checksum.

The checksum is the sha256 of every byte, not of samples: the values must be read in any case to see that all of them
are finite. A file that was read before is known by its size, times and inode, and is not read again.
"""

from __future__ import annotations

import hashlib
import json
import os
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from semshare.data.files import digest, shorten
from semshare.errors import UserError
from semshare.utils.files import DamagedError, read_json, write_json
from semshare.utils.home import cache_folder, home
from semshare.utils.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from semshare.data.regions.arrays import ArrayFile

    # From a block of rows, a message for each row of it that cannot be used, by its place in the block.
    Faults = Callable[[int, np.ndarray], Iterator[tuple[int, str]]]

MOST_CLASSES = 100_000  # a context head has a row of weights for each
_LARGE = 1 << 28  # bytes that take long enough to be told
_PIXEL = 1.0  # a box may end so far outside its picture: detectors round
_SHARE = 0.01  # likewise of a box relative to its picture


@dataclass(frozen=True)
class Checked:
    """What is known of a file that was read to its end: its sha256, and its highest value where values are classes."""

    sha256: str
    highest: int = -1


def read_through(file: ArrayFile, rule: str, faults: Faults, verify: bool = False, classes: bool = False) -> Checked:
    """Check every row of ``file``, unless this very file was checked by the same rule before.

    Args:
        file: the array.
        rule: what is checked, in a few words: a file that was checked by another rule is read again.
        faults: finds the rows of a block that cannot be used.
        verify: read the file again, also where it looks as before.
        classes: whether the highest value is wanted.

    Raises:
        UserError: rows that cannot be used: the first 20 by number, counted from 0, and how many more there are.
    """
    kept = f"array-{digest(os.path.realpath(file.path))}.json"
    stamp = _stamp(file.path)
    with suppress(DamagedError, KeyError, TypeError):
        before = read_json(home() / "whole" / kept)
        if (before["stamp"], before["rule"]) == (stamp, rule) and not verify:
            return Checked(before["sha256"], before["highest"])
    said = hashlib.sha256(json.dumps([list(file.shape), file.dtype.str]).encode())
    bad: list[str] = []
    highest = -1
    size = int(np.prod(file.shape, dtype=np.int64)) * file.dtype.itemsize
    with Progress(f"reading {file.path.name}", quiet=size < _LARGE).transfer(size, 0) as advance:
        for start, block in file.blocks():
            said.update(block.data)
            bad += [f"{file.path}, row {start + row}: {message}" for row, message in faults(start, block)]
            highest = max(highest, int(block.max())) if classes and block.size else highest
            advance(block.nbytes)
    if bad:
        raise UserError("\n".join([*shorten(bad, "rows"), "rows are counted from 0"]))
    with suppress(OSError, UserError):  # who may only read the cache reads the file again, next time
        content = {"stamp": stamp, "rule": rule, "sha256": said.hexdigest(), "highest": highest}
        write_json(cache_folder("whole") / kept, content)
    return Checked(said.hexdigest(), highest)


def not_finite(start: int, block: np.ndarray) -> Iterator[tuple[int, str]]:
    """Rows with a value that is not a number or that float32 cannot hold."""
    with np.errstate(over="ignore"):
        values = block.astype(np.float32) if block.dtype.itemsize > 4 else block
    good = np.isfinite(values)
    if good.all():
        return
    for row in np.flatnonzero(~good.reshape(len(block), -1).all(1)):
        bad = block[row][~good[row]].ravel()[0]
        yield int(row), f"found {bad}, expected finite numbers"


def boxes_outside(sizes: np.ndarray | None) -> Faults:
    """Rows with a box that is not in its picture of ``sizes`` [N, 2], in pixels, or not in [0, 1] without sizes."""

    def faults(start: int, block: np.ndarray) -> Iterator[tuple[int, str]]:
        boxes = block.reshape(len(block), -1, 4).astype(np.float64)
        most = np.ones((len(block), 1, 4))
        slack = _SHARE
        if sizes is not None:
            most = np.tile(sizes[start : start + len(block)], 2)[:, None, :].astype(np.float64)
            slack = _PIXEL
        good = np.isfinite(boxes).all(-1) & (boxes >= -slack).all(-1) & (boxes <= most + slack).all(-1)
        good &= (boxes[..., 2] >= boxes[..., 0]) & (boxes[..., 3] >= boxes[..., 1])
        for row in np.flatnonzero(~good.all(1)):
            region = int(np.flatnonzero(~good[row])[0])
            found = ", ".join(f"{value:g}" for value in boxes[row, region])
            expected = (
                "x1, y1, x2, y2 relative to the picture, in [0, 1] (divide by its width and height)"
                if sizes is None
                else f"x1, y1, x2, y2 in a picture of {most[row, 0, 0]:g} x {most[row, 0, 1]:g} pixels"
            )
            yield int(row), f"box {region} is {found}, expected {expected}"

    return faults


def scores_outside(start: int, block: np.ndarray) -> Iterator[tuple[int, str]]:
    """Rows with a score outside [0, 1], or without any region: 0 marks the places where there is none."""
    scores = block.reshape(len(block), -1)
    good = (scores >= 0) & (scores <= 1)
    for row in np.flatnonzero(~good.all(1) | ~(scores > 0).any(1)):
        wrong = scores[row][~good[row]]
        found = f"score {wrong[0]:g}" if len(wrong) else "no score above 0"
        yield int(row), f"found {found}, expected scores in [0, 1], at least one above 0"


def classes_outside(start: int, block: np.ndarray) -> Iterator[tuple[int, str]]:
    """Rows with a class below -1 (not known) or too high to be one."""
    classes = block.reshape(len(block), -1)
    good = (classes >= -1) & (classes < MOST_CLASSES)
    for row in np.flatnonzero(~good.all(1)):
        wrong = classes[row][~good[row]][0]
        yield int(row), f"class {wrong}, expected a whole number from 0 to {MOST_CLASSES - 1:,}, or -1: not known"


def _stamp(path: Path) -> str:
    """What changes when the content of ``path`` may have."""
    state = path.stat()
    return f"{state.st_size} {state.st_mtime_ns} {state.st_ctime_ns} {state.st_ino}"
