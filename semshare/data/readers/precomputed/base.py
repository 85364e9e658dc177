"""What readers of feature files share: arrays that fit together, label columns, and the store of their regions."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from semshare.data.files import digest, shorten
from semshare.data.readers.coco_labels import LABELS, SUPERCATEGORIES
from semshare.data.readers.mirflickr import LABELS as FLICKR_LABELS
from semshare.data.regions.array_checks import (
    boxes_outside,
    classes_outside,
    not_finite,
    read_through,
    scores_outside,
)
from semshare.data.regions.arrays import ArrayFile, ArrayStore, RegionArrays, check_floats, shown
from semshare.data.regions.registry import PRECOMPUTED
from semshare.data.regions.visual_words import best_classes, visual_words, word_count
from semshare.data.source import Item, Source
from semshare.errors import UserError
from semshare.utils.text_files import read_lines
from semshare.utils.texts import composed

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from PIL import Image

    from semshare.data.about import Status

LABEL_NAMES = "label_names.txt"


@dataclass(frozen=True)
class Group:
    """Arrays of one layout row by row, with the items that are in them.

    Attributes:
        arrays: the regions; their classes, if a file gives them.
        rows: the row of each item id.
        class_scores: [N, R, K], of which the highest is a region's class; None where there are none.
    """

    arrays: RegionArrays
    rows: Mapping[str, int]
    class_scores: ArrayFile | None = None

    def paths(self) -> list[Path]:
        """The files that hold the regions."""
        arrays = self.arrays
        files = (arrays.features, arrays.classes, arrays.boxes, arrays.scores, self.class_scores)
        return [file.path for file in files if file is not None]


class PrecomputedSource(Source):
    """Items whose regions lie in feature files; there are no pictures.

    A reader fills ``_items`` and ``_groups``, the group of the training split first. Shapes, counts and ranges of the
    small files are checked when a reader is made, every value of the large ones before regions are first read.
    """

    status: Status = "own"
    name = "precomputed"
    without_pictures = True
    attribution = "Feature files at hand: pictures, texts and features keep the licence they have."
    root: Path
    _items: list[Item]
    _groups: list[Group]

    def items(self) -> list[Item]:
        return self._items

    def picture(self, id: str) -> Image.Image:
        """There is none: raises :class:`UserError`."""
        raise UserError(
            f"{self.root}: there are features here and no pictures (item {id}): choose regions {PRECOMPUTED!r}"
        )

    def region_store(self, verify: bool = False) -> ArrayStore:
        """The regions, after every value of every file was looked at; ``verify`` looks again.

        Raises:
            UserError: rows with a value that is not finite or out of range, by file and row; no class of any region.
        """
        contents, parts, features = [], [], []
        class_count = 0
        for group in self._groups:
            arrays = group.arrays
            content = [read_through(arrays.features, "finite", not_finite, verify).sha256]
            if arrays.boxes is not None:
                sizes = b"" if arrays.sizes is None else np.ascontiguousarray(arrays.sizes, "<i8").tobytes()
                rule = f"boxes in pictures {hashlib.sha256(sizes).hexdigest()}"
                content += [rule, read_through(arrays.boxes, rule, boxes_outside(arrays.sizes), verify).sha256]
            if arrays.scores is not None:
                content.append(read_through(arrays.scores, "scores", scores_outside, verify).sha256)
            features += content
            if group.class_scores is not None:
                scores = read_through(group.class_scores, "finite", not_finite, verify)
                arrays = replace(arrays, classes=best_classes(group.class_scores, scores.sha256))
                class_count = max(class_count, group.class_scores.shape[-1])
            parts.append(arrays)
            contents.append([*content, digest(json.dumps(list(group.rows.items())))])
        if parts[0].classes is None:
            class_count, classes = visual_words(parts, self._train_rows(), features)
            parts = [replace(arrays, classes=file) for arrays, file in zip(parts, classes, strict=True)]
        for content, arrays in zip(contents, parts, strict=True):
            if arrays.classes is not None:
                classes_of = read_through(arrays.classes, "classes", classes_outside, verify, classes=True)
                class_count = max(class_count, classes_of.highest + 1)
                content.append(classes_of.sha256)
        if not class_count:
            named = [arrays.classes.path for arrays in parts if arrays.classes is not None]
            raise UserError(
                f"{named[0]}: every class is -1: not known; expected classes from 0, or no such file: masked regions "
                "are then predicted by visual words"
            )
        placed = [(arrays, group.rows) for arrays, group in zip(parts, self._groups, strict=True)]
        return ArrayStore(placed, class_count, [said for content in contents for said in content])

    def _train_rows(self) -> list[int]:
        train, rows = {item.id for item in self._items if item.split == "train"}, self._groups[0].rows
        return [rows[id] for id in rows if id in train]

    def _finish(self, notes: Iterable[str]) -> None:
        """Check the groups against one another, name the pool, and note what of the regions is not in the files."""
        first = self._groups[0].arrays
        for group in self._groups[1:]:
            if group.arrays.shape != first.shape:
                raise UserError(
                    f"{group.arrays.features.path}: {shown(group.arrays.shape)} an item, expected "
                    f"{shown(first.shape)} as in {first.features.path.name}"
                )
        if first.classes is None and self._groups[0].class_scores is None:
            words = word_count(first, self._train_rows())
            said = f"no classes of the regions here: masked regions are predicted by {words} visual words"
            notes = [*notes, f"{said} (MiniBatchKMeans fitted on the training regions, seed 0)"]
        if first.boxes is None:
            notes = [*notes, "no boxes here: every region has the box of the whole picture"]
        self.notes = tuple(notes)
        states = [(path.resolve(), path.stat()) for group in self._groups for path in group.paths()]
        said = " ".join(f"{path} {state.st_size} {state.st_mtime_ns}" for path, state in states)
        self.pool = f"{PRECOMPUTED}-{digest(said)}"


def open_features(path: Path) -> ArrayFile:
    """The features at ``path``, [N, R, D] or [N, D]; raises :class:`UserError` for anything else."""
    file = ArrayFile(path)
    check_floats(file, (2, 3), "[N, R, D] (N items, R regions, D numbers), or [N, D]")
    return file


def open_beside(path: Path, features: ArrayFile, last: int | None, what: str, kinds: str) -> ArrayFile | None:
    """The array of ``what`` at ``path``, a value or ``last`` values a region; None where there is no such file.

    ``last`` 0 stands for any number of values; they are of NumPy's ``kinds``.

    Raises:
        UserError: a shape that does not go with that of ``features``, or another kind of values.
    """
    if not path.exists():
        return None
    file = ArrayFile(path)
    single = len(features.shape) == 2  # a region an item: the middle number may be missing
    expected = (len(features), 1 if single else features.shape[1])
    ends = () if last is None else (file.shape[-1] if last == 0 and len(file.shape) > 1 else last,)
    if file.shape != (*expected, *ends) and not (single and file.shape == (len(features), *ends)):
        wanted = shown(expected)[:-1] + ("]" if last is None else f", {last or 'K'}]")
        cut = (
            f"; keep the same rows in every file, e.g. np.save(NEW, np.load({path.name!r})[:{len(features)}])"
            if file.shape[0] > len(features)
            else ""
        )
        raise UserError(
            f"{path}: {what} of shape {shown(file.shape)}, expected {wanted} as in {features.path.name} "
            f"{shown(features.shape)}{cut}"
        )
    return check_kind(file, kinds, what)


def check_kind(file: ArrayFile, kinds: str, what: str) -> ArrayFile:
    """``file`` if its values are of NumPy's ``kinds``; raises :class:`UserError` saying ``what`` they are to be."""
    if file.dtype.kind not in kinds:
        numbers = "floats" if kinds == "f" else "whole numbers" if "f" not in kinds else "numbers"
        raise UserError(f"{file.path}: values are {file.dtype}, expected {what}: {numbers}")
    return file


def flags(path: Path, content: np.ndarray, rows: int, as_in: str) -> np.ndarray:
    """``content`` [rows, columns] of 0 and 1 as booleans; raises :class:`UserError` by row for anything else."""
    if content.ndim != 2 or content.dtype.kind not in "biuf":
        raise UserError(
            f"{path}: {content.dtype} of shape {shown(content.shape)}, expected [{rows:,}, columns] of 0, 1"
        )
    if len(content) != rows:
        raise UserError(
            f"{path}: {len(content):,} rows, expected {rows:,} as in {as_in}; keep the same rows in every file"
        )
    bad = ~((content == 0) | (content == 1))
    wrong = np.flatnonzero(bad.any(1))
    listed = [f"{path}, row {row}: found {content[row][bad[row]][0]}, expected 0 or 1" for row in wrong]
    if listed:
        raise UserError("\n".join([*shorten(listed, "rows"), "rows are counted from 0"]))
    return content == 1


def label_names(root: Path, width: int) -> tuple[tuple[str, ...], dict[str, str], list[str]]:
    """The names of ``width`` label columns, their super-categories where they are known, and what to note.

    They are the lines of ``label_names.txt``; without it, 80 columns are COCO's categories and 24 are MIRFLICKR's
    labels, a to z; other columns are numbered.

    Raises:
        UserError: as many names as there are columns are not there, or one is empty or there twice.
    """
    path = root / LABEL_NAMES
    if path.exists():
        names = [composed(line.strip()) for line in read_lines(path)]
        if len(names) != width:
            raise UserError(f"{path}: {len(names):,} names, expected {width:,}: one for each column of the labels")
        for line, name in enumerate(names, 1):
            if not name or name in names[: line - 1]:
                wrong = f"{name!r}, which stands there already" if name else "nothing"
                raise UserError(f"{path}, line {line}: found {wrong}, expected another label name")
        above = SUPERCATEGORIES if tuple(names) == LABELS else {}
        return tuple(names), dict(above), []
    known = {len(LABELS): LABELS, len(FLICKR_LABELS): tuple(FLICKR_LABELS)}.get(width)
    if known is None:
        note = f"no {LABEL_NAMES} here: the {width} label columns are numbered"
        return tuple(f"label {number}" for number in range(1, width + 1)), {}, [note]
    whose = "COCO's categories by ascending id" if width == len(LABELS) else "MIRFLICKR's, a to z"
    note = f"no {LABEL_NAMES} here: the {width} label columns are taken for {whose}"
    return known, dict(SUPERCATEGORIES) if known == LABELS else {}, [note]


def names_of(columns: np.ndarray, names: Sequence[str]) -> tuple[str, ...]:
    """The ``names`` of the columns that are true."""
    return tuple(names[column] for column in np.flatnonzero(columns))
