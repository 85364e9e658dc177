"""Features with five captions a picture: SCAN's ``*_precomp`` folders, and the authors' release of COCO.

::

    train_ims.npy ...                [N, R, D] features, or [5N, R, D]: every picture five times
    train_caps.txt ...               5N lines, five in a row for each picture
    train_ids.txt ... (optional)     N or 5N lines: COCO's ids of the pictures
    train_label.npy ...              [N, labels] or [5N, labels] of 0 and 1
    annotations/instances_*.json     COCO's own labels, by id, where there is no train_label.npy
    train_cls.npy (optional)         [N, R, K] class scores, or [N, R] classes
    train_box.npy ... (optional)     [N, R, 4] x1, y1, x2, y2 relative to the picture, in [0, 1]
    label_names.txt (optional)       a label a line, in the order of the columns

The splits are ``train``, ``dev`` and ``testall``, or ``test`` where there is no ``testall``.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from semshare.data.files import shorten
from semshare.data.readers.instances import Instances, official_files
from semshare.data.readers.precomputed.base import (
    Group,
    PrecomputedSource,
    flags,
    label_names,
    names_of,
    open_beside,
    open_features,
)
from semshare.data.readers.precomputed.tags import open_classes
from semshare.data.regions.arrays import ArrayFile, RegionArrays
from semshare.data.source import SPLITS, Item, Split
from semshare.errors import UserError
from semshare.utils.text_files import read_lines

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    # The labels of each picture, from how the names of a split's files begin, how many pictures it has, and their ids.
    LabelsOf = Callable[[str, int, Sequence[str]], list[tuple[str, ...]]]

FEATURES = "_ims.npy"
CAPTIONS = 5
DEV = 1000  # pictures: the paper's dev split
_COMPARED = 64  # pictures of which the five rows are compared


class CaptionArraysSource(PrecomputedSource):
    """The pictures of a folder in the layout above, each with five captions; dev is its first 1,000 pictures."""

    text_kind: Literal["captions"] = "captions"
    kind_known = "as this layout has"

    def __init__(self, root: Path) -> None:
        """Open the arrays of ``root`` and read its captions, ids and labels.

        Raises:
            UserError: a file that is missing, or does not go with the others: by file, and by line or row.
        """
        self.root = Path(root)
        self._groups, self._items = [], []
        notes: list[str] = []
        stems = {split: self._stem(split) for split in SPLITS}
        if stems["test"] == "testall" and (self.root / f"test{FEATURES}").exists():
            notes.append("test is testall_ims.npy; test_ims.npy is not read")
        labels_of = self._columns(stems, notes)
        seen: dict[str, str] = {}
        for split, stem in stems.items():
            features = open_features(self.root / f"{stem}{FEATURES}")
            captions = _captions(self.root / f"{stem}_caps.txt")
            pictures, step = _pictures(features, captions, self.root / f"{stem}_caps.txt")
            ids = _ids(self.root / f"{stem}_ids.txt", pictures) or [f"{split}/{row}" for row in range(pictures)]
            labels = labels_of(stem, pictures, ids)
            kept = min(pictures, DEV) if split == "dev" else pictures
            if kept < pictures:
                notes.append(f"{split}: the first {kept:,} of {pictures:,} pictures, as in the paper")
            for row, id in enumerate(ids[:kept]):
                if (where := seen.setdefault(id, stem)) != stem:
                    raise UserError(f"{self.root / f'{stem}_ids.txt'}: {id} is in {where} too, expected one split each")
                texts = tuple(captions[row * CAPTIONS : (row + 1) * CAPTIONS])
                self._items.append(Item(id, texts, labels[row], split))
            boxes = open_beside(self.root / f"{stem}_box.npy", features, 4, "boxes", "f")
            classes, scores = open_classes(self.root / f"{stem}_cls.npy", features)
            rows = {id: row * step for row, id in enumerate(ids[:kept])}
            self._groups.append(Group(RegionArrays(features, classes, boxes), rows, scores))
        self._finish(notes)

    def _stem(self, split: Split) -> str:
        """How the names of the files of ``split`` begin."""
        stems = ("testall", "test") if split == "test" else (split,)
        for stem in stems:
            if (self.root / f"{stem}{FEATURES}").exists():
                return stem
        raise UserError(f"{self.root / f'{split}{FEATURES}'}: missing, expected train, dev and test")

    def _columns(self, stems: dict[Split, str], notes: list[str]) -> LabelsOf:
        """What gives the labels of a split's pictures, from the arrays or from COCO's instances."""
        path = self.root / f"{stems['train']}_label.npy"
        if path.exists():
            width = ArrayFile(path).shape[-1]
            self.label_names, self.supercategories, noted = label_names(self.root, width)
            notes += noted
            return self._from_arrays
        if not any((self.root / "annotations").glob("instances_*.json")):
            raise UserError(
                f"{path}: missing, and no annotations/instances_*.json in {self.root}: labels are needed; put an array "
                "[N, labels] of 0 and 1 there for each split, or COCO's annotations beside the features"
            )
        instances = Instances(self.root, official_files(self.root))
        self.label_names, self.supercategories = instances.label_names, instances.supercategories
        keys = instances.by_id()
        notes.append("labels are those of COCO's instances, by the ids of the pictures")

        def labels(stem: str, pictures: int, ids: Sequence[str]) -> list[tuple[str, ...]]:
            path = self.root / f"{stem}_ids.txt"
            if not path.exists():
                raise UserError(f"{path}: missing, expected COCO's ids: labels are found by them")
            numbers = [int(match[0]) if (match := re.search(r"\d+(?=\D*$)", id)) else -1 for id in ids]
            unknown = [
                f"{path}: {id!r} is no picture of annotations/instances_*.json"
                for id, number in zip(ids, numbers, strict=True)
                if number not in keys
            ]
            if unknown:
                raise UserError("\n".join(shorten(unknown, "pictures")))
            return [instances.names_of(keys[number]) for number in numbers]

        return labels

    def _from_arrays(self, stem: str, pictures: int, ids: Sequence[str]) -> list[tuple[str, ...]]:
        path = self.root / f"{stem}_label.npy"
        file = ArrayFile(path)
        times = CAPTIONS if len(file) == pictures * CAPTIONS else 1
        content = flags(path, file.read(range(len(file))), pictures * times, f"{stem}{FEATURES}")
        if content.shape[1] != len(self.label_names):
            raise UserError(
                f"{path}: {content.shape[1]:,} columns, expected {len(self.label_names):,} as in train_label.npy"
            )
        by_picture = content.reshape(pictures, times, -1)
        differing = np.flatnonzero((by_picture != by_picture[:, :1]).any((1, 2)))
        if len(differing):
            raise UserError(
                f"{path}, row {differing[0] * times}: the five rows of a picture differ, expected the same labels "
                "(rows are counted from 0)"
            )
        return [names_of(columns[0], self.label_names) for columns in by_picture]


def _captions(path: Path) -> list[str]:
    """The captions of a file, a line each; raises :class:`UserError` naming every empty line."""
    captions = [line.strip() for line in read_lines(path)]
    empty = [f"{path}, line {line}: empty, expected a caption" for line, text in enumerate(captions, 1) if not text]
    if empty:
        raise UserError("\n".join(shorten(empty, "lines")))
    return captions


def _pictures(features: ArrayFile, captions: Sequence[str], path: Path) -> tuple[int, int]:
    """How many pictures there are, and how many rows of ``features`` each has."""
    rows, lines = len(features), len(captions)
    if lines == rows * CAPTIONS:
        return rows, 1
    if lines != rows or rows % CAPTIONS:
        raise UserError(
            f"{path}: {lines:,} lines, expected {rows * CAPTIONS:,}: five captions for each of the {rows:,} rows of "
            f"{features.path.name}, or a line for each row where every picture is there five times"
        )
    for picture in range(0, rows // CAPTIONS, max(1, rows // CAPTIONS // _COMPARED)):
        five = features.read(range(picture * CAPTIONS, (picture + 1) * CAPTIONS))
        if not np.array_equal(five, np.broadcast_to(five[:1], five.shape), equal_nan=True):
            raise UserError(
                f"{features.path}, row {picture * CAPTIONS}: {path.name} has a line for each row, but the five rows "
                f"from here on differ; expected every picture five times, or {rows * CAPTIONS:,} captions (rows are "
                "counted from 0)"
            )
    return rows // CAPTIONS, CAPTIONS


def _ids(path: Path, pictures: int) -> list[str]:
    """The ids of the pictures, each once; empty where there is no such file."""
    if not path.exists():
        return []
    lines = [line.strip() for line in read_lines(path)]
    if len(lines) not in (pictures, pictures * CAPTIONS):
        raise UserError(f"{path}: {len(lines):,} lines, expected {pictures:,} or {pictures * CAPTIONS:,}")
    step = len(lines) // pictures
    first: dict[str, int] = {}
    for line, id in enumerate(lines):
        if not id:
            raise UserError(f"{path}, line {line + 1}: empty, expected an id")
        if lines[line - line % step] != id:
            raise UserError(f"{path}, line {line + 1}: {id} among the five lines of {lines[line - line % step]}")
        if line % step == 0 and first.setdefault(id, line) != line:
            raise UserError(f"{path}, line {line + 1}: {id} is in line {first[id] + 1} already")
    return lines[::step]
