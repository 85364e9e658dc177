"""MIRFLICKR-25K: tags and 24 labels of Flickr pictures, in the official layout or as three text files without pictures.

The clean set, and thereby what everyone calls FLICKR25K: pictures with at least one of the 1,386 common tags and
at least one label. 20,015 pairs with 4.64 tags and 3.78 labels each.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from semshare.data.files import count_notes, digest, pool_digest, shorten
from semshare.data.readers import splits
from semshare.data.source import FileSource, Item
from semshare.errors import UserError
from semshare.utils.text_files import read_lines
from semshare.utils.texts import composed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from PIL import Image

LABELS = (
    "animals baby bird car clouds dog female flower food indoor lake male night people plant_life portrait river sea "
    "sky structures sunset transport tree water"
).split()
PICTURES, COMMON_TAGS, PAIRS = 25_000, 1_386, 20_015
HELD_OUT = 2000  # of dev, and of test

_Rows = dict[int, tuple[list[str], list[str]]]  # tags and labels by the picture's number
_ANNOTATIONS = ("annotations", "mirflickr/annotations", "mirflickr25k_annotations_v080")


class _Flickr(FileSource):
    """The clean set as items in the order of their pictures' numbers, whatever it was read from."""

    name = "flickr25k"
    text_kind: Literal["tags"] = "tags"
    label_names = tuple(LABELS)
    attribution = (
        "MIRFLICKR-25K: M. J. Huiskes and M. S. Lew, The MIR Flickr Retrieval Evaluation, 2008. Each photograph keeps "
        "the Creative Commons licence of its author (meta/license)."
    )

    def __init__(self, root: Path, rows: _Rows, notes: list[str], split_seed: int) -> None:
        if len(rows) < 3:
            raise UserError(f"{root}: {len(rows)} pairs with a common tag and a label, expected {PAIRS:,}")
        self.root, self.split_seed = root, split_seed
        size = splits.held_out(len(rows), HELD_OUT)
        self.splits = splits.split_ids((str(number) for number in rows), split_seed, size, size)
        self._items = [
            Item(str(number), (" ".join(tags),), tuple(labels), self.splits[str(number)])
            for number, (tags, labels) in rows.items()
        ]
        notes = notes + count_notes(root, [("pairs", len(rows), PAIRS)])
        if len(rows) == PAIRS:
            notes += splits.differences("flickr25k", split_seed, self.splits)
        self.notes = tuple(notes)


class MirflickrSource(_Flickr):
    """The clean set with its pictures, from the official layout.

    Attributes:
        status: ``real`` when all 20,015 pairs are there, else ``subset``.
        notes: where a count or the split differs from what is expected, one line each.
        splits: the split of each id: dev 2,000, test 2,000, the rest train (a tenth each in a smaller set).
    """

    def __init__(self, root: Path, split_seed: int = 0) -> None:
        """Read tags and annotations under ``root``; pictures are only listed.

        Args:
            root: the folder of ``mirflickr/`` and, beside or in it, ``annotations/``.
            split_seed: the seed of the split.

        Raises:
            UserError: a folder or file that is missing, or a line that is not what it should be.
        """
        root = Path(root)
        if (root / "all_imgs.txt").exists():
            raise UserError(
                f"{root}: tags and labels without pictures, expected mirflickr/im1.jpg...; "
                "dataset flickr25k-simulated reads this folder"
            )
        rows, notes = _official(root, with_pictures=True)
        super().__init__(root, rows, notes, split_seed)
        self.status: Literal["real", "subset"] = "real" if len(rows) == PAIRS else "subset"
        self._files = {id: self.root / "mirflickr" / f"im{id}.jpg" for id in self.pool_ids()}
        self.pool = f"flickr25k-{pool_digest(self._files)}"


class FlickrTextSource(_Flickr):
    """The clean set's real tags and labels without pictures, for method studies on simulated regions.

    Same ids, texts, labels and splits as :class:`MirflickrSource` of the same data. ``root`` holds either the
    three text files (``all_imgs.txt``, ``all_tags.txt``, ``all_labels.txt``, with ``label_names.txt`` and
    ``TagList_1386.txt``) or the official layout, whose pictures are then not needed. The status is always
    ``simulated``; the pool is named by the labels, of which its regions are drawn. Image scores are thereby put in
    (:mod:`semshare.data.regions.simulated`), scores of texts are not.
    """

    name = "flickr25k-simulated"
    status: Literal["simulated"] = "simulated"
    without_pictures = True

    def __init__(self, root: Path, split_seed: int = 0) -> None:
        """Read the texts and labels of ``root``; raises :class:`UserError` as :class:`MirflickrSource` does."""
        root = Path(root)
        official = (root / "mirflickr").is_dir() and not (root / "all_imgs.txt").exists()
        rows, notes = _official(root, with_pictures=False) if official else _text_only(root)
        super().__init__(root, rows, notes, split_seed)
        labels = "\n".join(f"{number} {' '.join(labels)}" for number, (_, labels) in rows.items())
        self.pool = f"flickr25k-labels-{digest(labels)}"

    @property
    def files(self) -> Mapping[str, Path]:
        """None: there are no pictures."""
        return {}

    def picture(self, id: str) -> Image.Image:
        """There is none: raises :class:`UserError`."""
        raise UserError(
            f"{self.root}: there are no pictures here (item {id}), only tags and labels: "
            "choose regions 'simulated', or dataset flickr25k with the pictures"
        )


def _official(root: Path, with_pictures: bool) -> tuple[_Rows, list[str]]:
    base = root / "mirflickr"
    if not base.is_dir():
        raise UserError(f"{base}: missing, expected MIRFLICKR's official layout (mirflickr/meta/tags/tags1.txt...)")
    common = _common_tags(base / "doc" / "common_tags.txt")
    labels = _annotations(root)
    tagged = _numbers(base / "meta" / "tags", "tags", "txt")
    usable, notes = tagged, count_notes(base / "doc" / "common_tags.txt", [("common tags", len(common), COMMON_TAGS)])
    if with_pictures:
        pictures = _numbers(base, "im", "jpg")
        usable = tagged & pictures
        notes += count_notes(base, [("pictures", len(pictures), PICTURES)])
    notes += count_notes(base / "meta" / "tags", [("files of tags", len(tagged), PICTURES)])
    rows: _Rows = {}
    for number in sorted(usable & labels.keys()):
        lines = read_lines(base / "meta" / "tags" / f"tags{number}.txt")
        if tags := [tag for tag in (composed(line.strip()) for line in lines) if tag in common]:
            rows[number] = (tags, labels[number])
    return rows, notes


def _common_tags(path: Path) -> set[str]:
    """The tags of lines such as ``sky 845``."""
    tags = set()
    for number, line in enumerate(read_lines(path), 1):
        tag, _, count = line.strip().rpartition(" ")
        if not tag.strip() or not (count.isascii() and count.isdigit()):
            raise UserError(f"{path}, line {number}: found {line[:60]!r}, expected a tag and its count")
        tags.add(composed(tag.strip()))
    return tags


def _annotations(root: Path) -> dict[int, list[str]]:
    """Each picture's labels in alphabetical order, from one file of picture numbers a concept (not the ``_r1``)."""
    folder = next((root / name for name in _ANNOTATIONS if (root / name).is_dir()), root / _ANNOTATIONS[0])
    labels: dict[int, list[str]] = {}
    for label in LABELS:
        path, seen = folder / f"{label}.txt", set()
        for row, line in enumerate(read_lines(path), 1):
            number = line.strip()
            if not number:
                continue
            if not (number.isascii() and number.isdigit() and len(number) < 6 and 1 <= int(number) <= PICTURES):
                raise UserError(
                    f"{path}, line {row}: found {line[:60]!r}, expected a picture's number from 1 to {PICTURES}"
                )
            if int(number) not in seen:
                seen.add(int(number))
                labels.setdefault(int(number), []).append(label)
    return labels


def _numbers(folder: Path, stem: str, suffix: str) -> set[int]:
    """The numbers n of the files ``<stem>n.<suffix>`` in a folder."""
    pattern = re.compile(rf"{stem}([1-9][0-9]{{0,4}})\.{suffix}")
    try:
        with os.scandir(folder) as files:
            return {int(match[1]) for file in files if (match := pattern.fullmatch(file.name))}
    except OSError as error:
        raise UserError(f"{folder}: cannot be listed ({error.strerror}), expected MIRFLICKR's layout") from None


def _text_only(root: Path) -> tuple[_Rows, list[str]]:
    """The rows of the three text files; every bad row is listed before anything is refused."""
    if not (root / "all_imgs.txt").exists():
        raise UserError(f"{root}: neither mirflickr/ nor all_imgs.txt here, expected FLICKR25K's tags and labels")
    names = [line.strip() for line in read_lines(root / "label_names.txt")]
    if names != LABELS:
        wrong = next((name for name in names if name not in LABELS), f"{len(names)} names")
        raise UserError(f"{root / 'label_names.txt'}: found {wrong!r}, expected MIRFLICKR's 24 labels, a to z")
    common = {composed(line.strip()) for line in read_lines(root / "TagList_1386.txt")} - {""}
    files = {name: read_lines(root / name) for name in ("all_imgs.txt", "all_tags.txt", "all_labels.txt")}
    pictures, tags, labels = files.values()
    for name, lines in files.items():
        if len(lines) != len(pictures):
            raise UserError(
                f"{root / name}: {len(lines):,} lines, expected {len(pictures):,} as in all_imgs.txt (rows go together)"
            )
    rows: _Rows = {}
    faults: list[str] = []
    for row, (picture, line, flags) in enumerate(zip(pictures, tags, labels, strict=True), 1):
        match = re.fullmatch(r"(?:mirflickr/)?im([1-9][0-9]{0,4})\.jpg", picture.strip())
        if not match or int(match[1]) in rows:
            found = "twice" if match else f"{picture[:60]!r}"
            faults.append(f"{root / 'all_imgs.txt'}, line {row}: found {found}, expected another mirflickr/im<n>.jpg")
            continue
        words, bits = composed(line).split(","), flags.split()
        if unknown := [word for word in words if word not in common]:
            faults.append(f"{root / 'all_tags.txt'}, line {row}: found {unknown[0][:60]!r}, expected common tags")
        wrong = [bit for bit in bits if bit not in ("0", "1")]
        if wrong or len(bits) != len(LABELS) or "1" not in bits:
            what = repr(wrong[0][:60]) if wrong else f"{len(bits)} columns, {bits.count('1')} of them 1"
            faults.append(f"{root / 'all_labels.txt'}, line {row}: found {what}, expected 24 of 0 or 1, not all 0")
        rows[int(match[1])] = (words, [label for label, bit in zip(LABELS, bits, strict=False) if bit == "1"])
    if faults:
        raise UserError("\n".join(shorten(faults, "faults")))
    return {number: rows[number] for number in sorted(rows)}, count_notes(
        root / "TagList_1386.txt", [("common tags", len(common), COMMON_TAGS)]
    )
