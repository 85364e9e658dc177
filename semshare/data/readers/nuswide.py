"""NUS-WIDE in its official layout: 269,648 Flickr pictures with 1,000 tags and 81 concepts, of which 10 or 21 are used.

The rows of ``Imagelist.txt``, of every ``Labels_<concept>.txt`` and of ``AllTags1k.txt`` belong together line by
line. The long files are streamed, and every value is checked: copies of this dataset are known to hold a
number such as -1130179 where a 0 or a 1 belongs.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from semshare.data.files import (
    count_notes,
    find_pictures,
    is_inside,
    missing_notes,
    pool_digest,
    shorten,
)
from semshare.data.readers import splits
from semshare.data.source import FileSource, Item
from semshare.errors import UserError
from semshare.utils.text_files import read_lines, stream_lines
from semshare.utils.texts import composed

if TYPE_CHECKING:
    from collections.abc import Iterator

Concepts = Literal["tc10", "tc21"]
ROWS, CONCEPTS, TAGS = 269_648, 81, 1_000
PAIRS: dict[Concepts, int] = {"tc10": 186_577, "tc21": 195_834}
WITH_TAGS = 181_365  # of tc10's pairs, those with at least one tag
HELD_OUT = 2000  # of dev, and of test

_IMAGES = ("images", "Flickr")
_TAG_LISTS = tuple(f"{folder}TagList1k.txt" for folder in ("NUS_WID_Tags/", "ConceptsList/", ""))
_TAG_ROWS = ("NUS_WID_Tags/AllTags1k.txt", "AllTags1k.txt")


class NusWideSource(FileSource):
    """The pictures that carry at least one of the 10 (or 21) most frequent concepts, with their tags.

    A pair without a tag stays, as in the paper's count, with an empty text. Item ids are the lines of
    ``Imagelist.txt``, from 1. A row with a value that is neither 0 nor 1, among its tags or the chosen concepts,
    is left out and reported in ``notes``; so is every other count that differs.

    Attributes:
        status: ``real`` when the expected number of pairs is there with pictures, else ``subset``.
        notes: counts that differ from the expected ones and rows left out, one line each.
        splits: the split of each id: dev 2,000, test 2,000, the rest train (a tenth each in a smaller set).
    """

    name = "nuswide"
    text_kind: Literal["tags"] = "tags"
    attribution = (
        "NUS-WIDE: T.-S. Chua et al., NUS-WIDE: A Real-World Web Image Database from National University of Singapore, "
        "CIVR 2009. For research; the photographs keep the licences of their Flickr authors."
    )

    def __init__(self, root: Path, concepts: Concepts = "tc10", split_seed: int = 0) -> None:
        """Read lists, concepts and tags under ``root``; pictures are only listed.

        Args:
            root: the folder of ``ImageList/``, ``Groundtruth/AllLabels/``, ``NUS_WID_Tags/`` and ``images/``.
            concepts: ``tc10`` or ``tc21``, the 10 or 21 concepts most frequent in the data.
            split_seed: the seed of the split.

        Raises:
            UserError: unknown concepts, a file that is missing, files of unequal length, or one with many bad rows.
        """
        if concepts not in get_args(Concepts):
            raise UserError(f"concepts: unknown {concepts!r}, expected tc10 or tc21")
        self.root, self.split_seed = Path(root), split_seed
        images = _first(self.root, _IMAGES)
        names, again = _image_names(self.root / "ImageList" / "Imagelist.txt")
        counted = [("rows", len(names), ROWS)]
        self.label_names, labels, bad, label_notes, pictures_found = _concepts(self.root, len(names), int(concepts[2:]))
        counted.append(("files of concepts", pictures_found, CONCEPTS))
        tag_list = _first(self.root, _TAG_LISTS)
        tags = tag_names(tag_list)
        counted.append(("tags in the list", len(tags), TAGS))
        tag_notes: list[str] = []
        wanted = labels.any(1)
        wanted[list(bad)] = False
        again_notes = [note for row, note in again.items() if wanted[row]]
        wanted[list(again)] = False
        rows = np.flatnonzero(wanted).tolist()
        paths = dict(zip(rows, find_pictures(images, [names[row] for row in rows]), strict=True))
        kept, absent, empty = {}, [], 0
        for row, columns in _tag_rows(_first(self.root, _TAG_ROWS), len(names), len(tags), wanted, tag_notes):
            empty += not len(columns)
            if paths[row] is None:
                absent.append(names[row])
                continue
            kept[row] = " ".join(tags[column] for column in columns)
        counted.append(("pairs", len(kept), PAIRS[concepts]))
        if concepts == "tc10" and not absent:
            counted.append(("pairs with a tag", len(kept) - empty, WITH_TAGS))
        missing = missing_notes(images, absent)
        self.notes = tuple(
            count_notes(self.root, counted) + missing + shorten(again_notes + label_notes + tag_notes, "bad rows")
        )
        self.status: Literal["real", "subset"] = "real" if len(kept) == PAIRS[concepts] else "subset"
        if len(kept) < 3:
            why = "".join(f"\n{note}" for note in self.notes)
            raise UserError(
                f"{self.root}: {len(kept)} pairs with a picture and a concept of {concepts}, expected 3 at least{why}"
            )
        size = splits.held_out(len(kept), HELD_OUT)
        self.splits = splits.split_ids((str(row + 1) for row in kept), split_seed, size, size)
        self._files = {str(row + 1): path for row in kept if (path := paths[row]) is not None}
        self._items = [
            Item(
                id=str(row + 1),
                texts=(text,),
                labels=tuple(self.label_names[column] for column in np.flatnonzero(labels[row])),
                split=self.splits[str(row + 1)],
            )
            for row, text in kept.items()
        ]
        self.pool = f"nuswide-{concepts}-{pool_digest(self._files)}"


def _first(root: Path, names: tuple[str, ...]) -> Path:
    for name in names:
        if (root / name).exists():
            return root / name
    raise UserError(f"{root / names[0]}: missing, expected NUS-WIDE's official layout")


def tag_names(path: Path) -> list[str]:
    """The tags of a list, one a line and perhaps its count behind it; raises :class:`UserError` naming the line."""
    names: list[str] = []
    for line, text in enumerate(read_lines(path), 1):
        parts = text.split()
        if not parts or len(parts) > 2 or (len(parts) == 2 and not parts[1].isdecimal()):
            raise UserError(f"{path}, line {line}: found {text[:60]!r}, expected a tag, and its count if you like")
        names.append(composed(parts[0]))
    return names


def _image_names(path: Path) -> tuple[list[str], dict[int, str]]:
    r"""Lines such as ``actor\0001_2124494179.jpg``, with slashes; and the rows that name an earlier row's picture."""
    names = [line.strip().replace("\\", "/") for line in read_lines(path)]
    first: dict[str, int] = {}
    again = {}
    for row, name in enumerate(names):
        if not is_inside(name):
            raise UserError(
                f"{path}, line {row + 1}: found {name[:60]!r}, expected a picture such as actor/0001_21.jpg"
            )
        earlier = first.setdefault(composed(name), row)
        if earlier != row:
            again[row] = f"{path}, line {row + 1}: {name[:60]!r} stands in line {earlier + 1} already; row left out"
    return names, again


def _concepts(root: Path, rows: int, count: int) -> tuple[tuple[str, ...], np.ndarray, set[int], list[str], int]:
    """The most frequent concepts a to z, their 0/1 matrix, the rows to leave out, the reports, the files found."""
    folder = root / "Groundtruth" / "AllLabels"
    files = sorted(folder.glob("Labels_*.txt"))
    if len(files) < count:
        raise UserError(f"{folder}: {len(files)} files Labels_<concept>.txt, expected at least {count} (81 in all)")
    columns, bad_rows, paths = {}, {}, {}
    for path in files:
        name = composed(path.stem.removeprefix("Labels_"))
        if name in columns:
            raise UserError(f"{path}: concept {name!r} has another file in this folder, expected one (NFC or NFD)")
        columns[name], bad_rows[name] = _column(path, rows)
        paths[name] = path
    ranked = sorted(columns, key=lambda name: (-int(columns[name].sum()), name))
    chosen = tuple(sorted(ranked[:count]))
    notes, left_out = [], set()
    for name, bad in bad_rows.items():
        effect = "row left out" if name in chosen else "row kept: the concept is not among those used"
        for row, value in bad.items():
            path = paths[name]
            notes.append(f"{path}, line {row + 1}: found {value!r}, expected 0 or 1; {effect}")
        left_out |= bad.keys() if name in chosen else set()
    return chosen, np.stack([columns[name] for name in chosen], 1), left_out, notes, len(files)


def _column(path: Path, rows: int) -> tuple[np.ndarray, dict[int, str]]:
    """One concept's values, False where bad, and the bad ones by row."""
    content = b"\n".join(line.rstrip(b"\r\n") for line in stream_lines(path)).rstrip(b"\n")
    if len(content) == 2 * rows - 1 and not content[1::2].strip(b"\n") and not content[::2].translate(None, b"01"):
        return np.frombuffer(content[::2], np.uint8) == ord("1"), {}
    lines = content.split(b"\n")
    if len(lines) != rows:
        raise UserError(f"{path}: {len(lines):,} lines, expected {rows:,} as in Imagelist.txt")
    values = np.zeros(rows, bool)
    bad = {}
    for row, line in enumerate(lines):
        value = line.strip()
        if value == b"1":
            values[row] = True
        elif value != b"0":
            bad[row] = value[:40].decode("utf-8", "replace")
    if bad and len(bad) + values.sum() == rows and set(bad.values()) == {"-1"}:
        raise UserError(
            f"{path}, line {min(bad) + 1}: found -1 (in {len(bad):,} of {rows:,} lines, and 0 in none), expected 0 or "
            f"1; where labels are coded -1 and 1, write 0 for -1: sed -i 's/^-1/0/' {path.parent}/Labels_*.txt"
        )
    _check_share(path, len(bad), rows)
    return values, bad


def _tag_rows(
    path: Path, rows: int, width: int, wanted: np.ndarray, notes: list[str]
) -> Iterator[tuple[int, np.ndarray]]:
    """Row and tag columns of every wanted row whose values are all 0 or 1; the other wanted rows go to ``notes``."""
    seen = 0
    for row, line in enumerate(stream_lines(path)):
        if row >= rows and not line.strip():
            continue
        seen = row + 1
        if row >= rows or not wanted[row]:
            continue
        flags = _flags(line, width)
        if flags is not None:
            yield row, np.flatnonzero(flags)
            continue
        tokens = line.split()
        if len(tokens) == width and set(tokens) <= {b"-1", b"1"}:
            raise UserError(
                f"{path}, line {row + 1}: found -1 and no 0, expected {width} of 0 or 1; where tags are coded -1 and "
                f"1, write 0 for -1: sed -i 's/-1/0/g' {path}"
            )
        wrong = next((token for token in tokens if token not in (b"0", b"1")), None)
        found = f"{len(tokens)} columns" if wrong is None else repr(wrong[:40].decode("utf-8", "replace"))
        notes.append(f"{path}, line {row + 1}: found {found}, expected {width} of 0 or 1; row left out")
        _check_share(path, len(notes), rows)
    if seen != rows:
        raise UserError(f"{path}: {seen:,} lines, expected {rows:,} as in Imagelist.txt")


def _check_share(path: Path, bad: int, rows: int) -> None:
    """Refuse a file with more bad rows than an accident explains: it is not the file it should be."""
    if bad > (most := max(10, rows // 100)):
        raise UserError(f"{path}: {bad:,} rows hold something else than 0 and 1, expected {most:,} at most")


def _flags(line: bytes, width: int) -> np.ndarray | None:
    """The values of a line of 0s and 1s, or None where it is anything else."""
    text = line.strip()
    if len(text) == 2 * width - 1 and not text[::2].translate(None, b"01") and not text[1::2].translate(None, b" \t"):
        return np.frombuffer(text[::2], np.uint8) == ord("1")
    tokens = text.split()
    if len(tokens) == width and all(token in (b"0", b"1") for token in tokens):
        return np.array([token == b"1" for token in tokens])
    return None
