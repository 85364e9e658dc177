"""Rows beside an array: a JSONL or CSV file as for your own collection, with ``row`` in place of ``image``.

::

    items.jsonl       {"row": 0, "texts": ["A dog on a beach."], "labels": ["dog", "sea"]}
    features.npy      [N, R, D] features of regions, or [N, D]: one vector is one region
    boxes.npy         (optional) [N, R, 4] x1, y1, x2, y2 relative to the picture, in [0, 1]
    classes.npy       (optional) [N, R] whole numbers, -1 where it is not known; or [N, R, K] class scores
    scores.npy        (optional) [N, R] in [0, 1], 0 where there is no region

A row of the array that no line names is not used.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Literal

from semshare.data.readers.custom import Rows, described_by, label_set
from semshare.data.readers.precomputed.base import Group, PrecomputedSource, open_beside, open_features
from semshare.data.readers.precomputed.tags import open_classes
from semshare.data.readers.records import in_words
from semshare.data.regions.arrays import RegionArrays

FEATURES = "features.npy"
_ROW = re.compile(r"\s*[0-9]{1,12}\s*")


class ArrayRowsSource(PrecomputedSource):
    """The items of a file of rows, each with its row of ``features.npy``."""

    text_kind: Literal["tags", "captions"] = "tags"

    def __init__(self, root: Path, split_seed: int = 0) -> None:
        """Open the arrays beside the file and read and check every row of it.

        Args:
            root: the folder, or the JSONL or CSV file in it.
            split_seed: the seed of the split, where the file gives none.

        Raises:
            UserError: a file that is missing or does not go with the others, or rows that are wrong: the first 20
                mistakes by line, and how many more.
        """
        self.root = Path(root)
        path = described_by(self.root)
        features = open_features(path.parent / FEATURES)
        boxes = open_beside(path.parent / "boxes.npy", features, 4, "boxes", "f")
        classes, class_scores = open_classes(path.parent / "classes.npy", features)
        scores = open_beside(path.parent / "scores.npy", features, None, "scores", "f")
        check = _ArrayRows(path, len(features))
        self._items = check.read(split_seed)
        self.text_kind, self.kind_known = check.text_kind, check.kind_known
        self.label_names = label_set(self._items)
        arrays = RegionArrays(features, classes, boxes, None, scores)
        self._groups = [Group(arrays, check.rows, class_scores)]
        self._finish([])


class _ArrayRows(Rows):
    """Rows that are about a row of an array."""

    subject = "row"

    def __init__(self, path: Path, count: int) -> None:
        super().__init__(path)
        self._count = count
        self.rows: dict[str, int] = {}

    def find(self, rows: object) -> None:
        """There is nothing to find: rows are numbers."""

    def keep(self, id: str, about: Any) -> None:
        """Note the row of an item."""
        self.rows[id] = int(about)

    def same(self, about: Any) -> str:
        return str(about)

    def about(self, line: int, value: Any) -> Any:
        """The row that is named; None after a fault. CSV gives it as a text."""
        number = int(value) if isinstance(value, str) and _ROW.fullmatch(value) else value
        if not isinstance(number, int) or isinstance(number, bool) or not 0 <= number < self._count:
            written = "missing" if value is None else f"found {in_words(value)}"
            self.fault(line, f"row: {written}, expected a row of {FEATURES}: 0 to {self._count - 1:,}")
            return None
        return number
