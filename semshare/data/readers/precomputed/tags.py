"""The authors' release of FLICKR25K and NUS-WIDE: regions as arrays, tags and labels as MATLAB files.

::

    train_preim.npy  dev_preim.npy  test_preim.npy    [N, 36, 2048] features of regions
    train_tag.mat ...                                 key feat, [N, tags] of 0 and 1
    train_label.mat ...                               key feat, [N, labels] of 0 and 1
    common_tags.txt or TagList1k.txt                  a tag a line, in the order of the columns; a count may follow
    train_box.npy, train_hw.npy ... (optional)        [N, 36, 4] x1, y1, x2, y2 in pixels; [N, 2] sides of the picture
    train_cls.npy (optional)                          [N, 36, 1000] class scores, or [N, 36] classes
    train_image_path.txt ... (optional)               a name a line: the items' ids
    label_names.txt (optional)                        a label a line, in the order of the columns
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from semshare.data.files import name_few
from semshare.data.readers.nuswide import tag_names
from semshare.data.readers.precomputed.base import (
    Group,
    PrecomputedSource,
    check_kind,
    flags,
    label_names,
    names_of,
    open_beside,
    open_features,
)
from semshare.data.regions.arrays import ArrayFile, RegionArrays, shown
from semshare.data.source import SPLITS, Item, Split
from semshare.errors import UserError
from semshare.utils.counts import counted
from semshare.utils.text_files import read_lines

if TYPE_CHECKING:
    from collections.abc import Sequence

FEATURES = "_preim.npy"
_TAG_LISTS = ("common_tags.txt", "TagList1k.txt", "TagList_1386.txt")
_KEY = "feat"


class TagArraysSource(PrecomputedSource):
    """The items of a folder in the layout above; those without a tag or without a label are left out and noted."""

    text_kind: Literal["tags"] = "tags"
    kind_known = "as this layout has"

    def __init__(self, root: Path) -> None:
        """Open the arrays of ``root`` and read its tags and labels.

        Raises:
            UserError: a file that is missing, or does not go with the others: by file, and by row where it is one.
        """
        self.root = Path(root)
        missing = [split for split in SPLITS if not (self.root / f"{split}{FEATURES}").exists()]
        if missing:
            raise UserError(f"{self.root / f'{missing[0]}{FEATURES}'}: missing, expected train, dev and test")
        self._groups, self._items = [], []
        notes: list[str] = []
        words = _tag_names(self.root)
        bare: list[str] = []
        seen: dict[str, str] = {}
        for split in SPLITS:
            features = open_features(self.root / f"{split}{FEATURES}")
            as_in = features.path.name
            tags = flags(*_mat(self.root / f"{split}_tag.mat"), len(features), as_in)
            labels = flags(*_mat(self.root / f"{split}_label.mat"), len(features), as_in)
            if tags.shape[1] != len(words):
                raise UserError(
                    f"{self.root / f'{split}_tag.mat'}: {tags.shape[1]:,} columns, expected {len(words):,}: one for "
                    "each line of the list of tags"
                )
            if split == "train":
                self.label_names, self.supercategories, noted = label_names(self.root, labels.shape[1])
                notes += noted
            elif labels.shape[1] != len(self.label_names):
                raise UserError(
                    f"{self.root / f'{split}_label.mat'}: {labels.shape[1]:,} columns, expected "
                    f"{len(self.label_names):,} as in train_label.mat"
                )
            rows: dict[str, int] = {}
            for row, id in enumerate(_ids(self.root, split, len(features), as_in)):
                if (where := seen.setdefault(id, f"{split}, row {row}")) != f"{split}, row {row}":
                    raise UserError(f"{self.root}: item {id!r} is in {where} and in {split}, row {row}; expected once")
                if not tags[row].any() or not labels[row].any():
                    bare.append(id)
                    continue
                rows[id] = row
                text = " ".join(words[column] for column in np.flatnonzero(tags[row]))
                self._items.append(Item(id, (text,), names_of(labels[row], self.label_names), split))
            self._groups.append(self._group(split, features, rows, notes))
        if bare:
            notes.append(f"{counted(len(bare), 'item')} without a tag or without a label, left out: {name_few(bare)}")
        self._finish(notes)

    def _group(self, split: Split, features: ArrayFile, rows: dict[str, int], notes: list[str]) -> Group:
        boxes = open_beside(self.root / f"{split}_box.npy", features, 4, "boxes", "iuf")
        sizes = None
        if boxes is not None:
            sizes, note = _sizes(self.root / f"{split}_hw.npy", boxes)
            notes += [note] if note and note not in notes else []
        classes, scores = open_classes(self.root / f"{split}_cls.npy", features)
        return Group(RegionArrays(features, classes, boxes, sizes), rows, scores)


def open_classes(path: Path, features: ArrayFile) -> tuple[ArrayFile | None, ArrayFile | None]:
    """The classes [N, R], or else the class scores [N, R, K], of the file at ``path``; two Nones without such a file.

    Raises:
        UserError: another shape than that of ``features``, or another kind of values.
    """
    if not path.exists():
        return None, None
    if ArrayFile(path).dtype.kind in "iu":
        return open_beside(path, features, None, "classes", "iu"), None
    return None, open_beside(path, features, 0, "class scores", "f")


def _sizes(path: Path, boxes: ArrayFile) -> tuple[np.ndarray, str]:
    """Width and height of each picture [N, 2] from a file of its two sides, and what to note.

    Copies differ in which side comes first: the order is taken in which more boxes lie in their pictures, height first
    (as the file's name says) where both do as well.
    """
    if not path.exists():
        raise UserError(
            f"{path}: missing, expected [{len(boxes):,}, 2] sides of the pictures, since boxes are in pixels"
        )
    file = check_kind(ArrayFile(path), "iuf", "sides of the pictures")
    if file.shape != (len(boxes), 2):
        raise UserError(
            f"{path}: shape {shown(file.shape)}, expected {shown((len(boxes), 2))} as in {boxes.path.name} "
            f"{shown(boxes.shape)}"
        )
    sides = file.read(range(len(file)))
    for row in np.flatnonzero(~(np.isfinite(sides) & (sides > 0)).all(1)):
        raise UserError(f"{path}, row {row}: found {sides[row].tolist()}, expected two sides above 0")
    outside = [0, 0]
    for start, block in boxes.blocks():
        corners = block.reshape(len(block), -1, 4)[..., 2:].max(1)  # the last x2 and y2 of each picture
        for order, most in enumerate((sides[start : start + len(block), ::-1], sides[start : start + len(block)])):
            outside[order] += int((corners > most + 1).any(1).sum())
    if outside[1] < outside[0]:
        return sides, "the *_hw.npy are read as width, height: boxes would not lie in their pictures otherwise"
    return sides[:, ::-1], ""


def _tag_names(root: Path) -> list[str]:
    """The tags in the order of their columns."""
    path = next((root / name for name in _TAG_LISTS if (root / name).exists()), None)
    if path is None:
        raise UserError(f"{root}: no list of tags here, expected {' or '.join(_TAG_LISTS[:2])}")
    return tag_names(path)


def _ids(root: Path, split: Split, count: int, as_in: str) -> Sequence[str]:
    """The items' ids: the names of their pictures, where a file gives them, else the split and the row."""
    path = root / f"{split}_image_path.txt"
    if not path.exists():
        return [f"{split}/{row}" for row in range(count)]
    names = [line.strip() for line in read_lines(path)]
    if len(names) != count:
        raise UserError(f"{path}: {len(names):,} lines, expected {count:,} as in {as_in}")
    if "" in names:
        raise UserError(f"{path}, line {names.index('') + 1}: empty, expected a picture's name")
    return names


def _mat(path: Path) -> tuple[Path, np.ndarray]:
    """The array ``feat`` of a MATLAB file; raises :class:`UserError` where it cannot be read or holds none."""
    from scipy.io import loadmat

    if not path.exists():
        raise UserError(f"{path}: missing")
    try:
        content: dict[str, Any] = loadmat(path, variable_names=[_KEY])
    except NotImplementedError:
        raise UserError(
            f"{path}: MATLAB's format 7.3 is not read here; save it as version 7: save(FILE, '-v7')"
        ) from None
    except Exception as error:  # on damaged bytes SciPy raises whatever it stumbles over
        raise UserError(f"{path}: no MATLAB file that can be read: {' '.join(str(error).split())[:120]}") from None
    if _KEY not in content:
        raise UserError(f"{path}: no variable {_KEY!r} in it, expected an array of 0 and 1 of that name")
    array = content[_KEY]  # MATLAB keeps a sparse one as such
    return path, array.toarray() if hasattr(array, "toarray") else np.asarray(array)
