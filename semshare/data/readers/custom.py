"""Your own collection: a JSONL or CSV file with one picture a row, its texts and its labels.

JSONL, one object a line, and the same as CSV with a header::

    {"image": "pictures/1.jpg", "texts": ["A dog on a beach.", "A wet dog."], "labels": ["dog", "sea"]}

    image,texts,labels,split
    pictures/1.jpg,A dog on a beach.,dog;sea,train

``image``
    path of the picture, relative to the file and inside its folder; an absolute path is taken as it is. Where there
    is no such file, the one picture in or below the folder with the same last part is meant, if there is only one.
``texts``
    a list of texts, or one text (in CSV always one). The field may be called ``captions`` or ``tags`` instead: that
    says what the texts are. So does a first line ``{"text": "captions"}`` of a JSONL file, or ``"tags"``. Where
    neither is there, ``semshare data prepare --text`` says it, or it is guessed.
``labels``
    a list, in CSV separated by ``;``: at least one. All labels of the file together are the label set, a to z.
``split`` (optional)
    train, dev (or val, validation) or test: in every row or in none. Without it, a seed holds out a fifth for dev and
    a fifth for test.
``id`` (optional)
    names the item; by default its image path as written.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast, get_args

from semshare.data.files import find_pictures, is_inside, last_part, moved_notes, names_below, pool_digest, shorten
from semshare.data.readers import splits
from semshare.data.readers.records import in_words, is_text
from semshare.data.readers.tables import TEXTS, csv_rows, jsonl_rows
from semshare.data.readers.whole import Whole
from semshare.data.source import SPLITS, FileSource, Item, Split
from semshare.data.text_kinds import TextKind
from semshare.errors import UserError
from semshare.utils.texts import composed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from semshare.data.about import Status

_LONGEST = 100_000  # characters of one field


class CustomSource(FileSource):
    """A collection described by one JSONL or CSV file (see the module).

    Every row is checked before anything is made, its picture read to the end: one bad row and nothing is made, but all
    are named.
    """

    name = "custom"
    status: Status = "own"
    text_kind: TextKind = "tags"
    kind_known: str
    attribution = "Your own collection: its pictures and texts keep the licence they have."

    def __init__(self, root: Path, split_seed: int = 0) -> None:
        """Read and check every row.

        Args:
            root: the file, or a folder that holds exactly one ``.jsonl`` or ``.csv``.
            split_seed: the seed of the split, where the file gives none.

        Raises:
            UserError: no such file, or rows that are wrong: the first 20 mistakes by line, and how many more.
        """
        self.root = Path(root)
        self.path = described_by(self.root)
        self.split_seed = split_seed
        check = Rows(self.path)
        self._items = check.read(split_seed)
        self._files, self.notes = check.files, tuple(check.notes)
        self.text_kind, self.kind_known = check.text_kind, check.kind_known
        self.label_names = label_set(self._items)
        self.splits: dict[str, Split] = {item.id: item.split for item in self._items}
        self.pool = f"custom-{pool_digest(self._files)}"


def tagged_rows(root: Path, split_seed: int) -> CustomSource:
    """The collection of the dataset called ``custom``, whose texts are tags; raises :class:`UserError` for captions."""
    source = CustomSource(root, split_seed)
    if source.text_kind != "tags":
        raise UserError(f"text: 'custom' has tags, found captions, {source.kind_known}; prepare it as NAME={root}")
    return source


def label_set(items: Sequence[Item]) -> tuple[str, ...]:
    """All labels of ``items``, a to z."""
    return tuple(sorted({label for item in items for label in item.labels}))


class Rows:
    """The rows of a file that describes a collection, and every mistake with its line.

    ``subject`` is the field that says what a row is about: here its picture.
    """

    subject = "image"

    def __init__(self, path: Path) -> None:
        self.path = path
        self.items: list[Item] = []  # with split "train" where none is given yet
        self.files: dict[str, Path] = {}
        self.notes: list[str] = []
        self.with_split = 0
        self.text_kind: TextKind = "tags"
        self._kind_line = 0  # which line says what the texts are
        self._faults: list[tuple[int, str]] = []
        self._found: dict[str, Path] = {}  # by what is written for it
        self._called: Mapping[str, int] | None = None  # how many files have a name, once that is asked
        self._paths: dict[int, Path] = {}
        self._named: dict[int, str] = {}  # of a line, the picture as it is written there
        self._lines: dict[tuple[str, str], int] = {}
        self._without_split: list[int] = []

    @property
    def fields(self) -> tuple[str, ...]:
        """What a row may have; the first three it must."""
        return (self.subject, "texts", "labels", "split", "id")

    def read(self, split_seed: int) -> list[Item]:
        """All items, split by ``split_seed`` where the file gives no split; raises all mistakes at once."""
        if self.path.suffix.lower() == ".jsonl":
            rows = list(jsonl_rows(self.path, self.fault, self.say_kind))
        else:
            rows = list(csv_rows(self.path, self.fields, self.fault, self.say_kind))
        self.find(rows)
        for line, record in rows:
            self.row(line, record)
        self.finish()
        if self.with_split:
            return self.items
        fifth = max(1, len(self.items) // 5)
        chosen = splits.split_ids((item.id for item in self.items), split_seed, fifth, fifth)
        return [Item(item.id, item.texts, item.labels, chosen[item.id]) for item in self.items]

    def fault(self, line: int, message: str) -> None:
        """Note a mistake."""
        self._faults.append((line, message))

    def say_kind(self, line: int, kind: TextKind) -> None:
        """Note that a line says what the texts are, or a mistake where an earlier one says otherwise."""
        self.text_kind, self._kind_line = (self.text_kind, self._kind_line) if self._kind_line else (kind, line)
        if kind != self.text_kind:
            first = f"line {self._kind_line} says that the texts are {self.text_kind}"
            self.fault(line, f"{kind}: {first}, expected one kind in a file")

    @property
    def kind_known(self) -> str:
        """Where the file says what its texts are; empty where it does not."""
        return f"as {self.path}, line {self._kind_line} says" if self._kind_line else ""

    def find(self, rows: Sequence[tuple[int, dict[str, Any]]]) -> None:
        """Find the pictures of all rows in the folder of the file; an absolute path that is there is taken as it is."""
        written = (record.get("image") for _, record in rows)
        names = list(dict.fromkeys(name for name in written if isinstance(name, str) and _is_sane(name)))
        self._found = {name: Path(name) for name in names if os.path.isabs(name) and os.path.exists(name)}
        names = [name for name in names if name not in self._found]
        paths = find_pictures(self.path.parent, names)
        self._found |= {name: path for name, path in zip(names, paths, strict=True) if path is not None}
        self.notes += moved_notes(self.path.parent, zip(names, paths, strict=True))

    def row(self, line: int, record: dict[str, Any]) -> None:
        """Check one row and keep it."""
        called = [name for name in TEXTS if name in record]
        for name in record:
            if name not in self.fields and name not in called:
                self.fault(line, f"unknown field {str(name)[:60]!r}, expected {', '.join(self.fields)}")
        about = self.about(line, record.get(self.subject))
        for kind in called[1:]:
            self.fault(line, f"{kind}: {called[0]} is there too, expected one of them")
        name = called[0] if called else "texts"
        if name in get_args(TextKind):
            self.say_kind(line, cast(TextKind, name))
        texts = self._words(line, name, record.get(name), one_is_enough=True)
        labels = self._words(line, "labels", record.get("labels"), one_is_enough=False)
        split = self._split(line, record.get("split"))
        id = record.get("id")
        own = id not in (None, "")
        if own and (not isinstance(id, str | int) or isinstance(id, bool) or not _is_sane(str(id))):
            self.fault(line, f"id: {_found(id, str)}, expected a text or a whole number")
            return
        if about is not None and not self._once(line, self.subject, self.same(about)):
            return
        if not own and about is None:
            return
        id = str(id if own else record[self.subject])
        if not self._once(line, "id", id):
            return
        if about is not None:
            self.keep(id, about)
        self.items.append(Item(id, tuple(texts), tuple(dict.fromkeys(labels)), split))

    def finish(self) -> None:
        """Raise all mistakes at once, if there are any, by their lines; those of the pictures' contents among them."""
        if self.with_split:
            for line in self._without_split:
                self.fault(line, "split: missing, expected train, dev or test, as other rows have one")
        elif len(self.items) < 3 and not self._faults:
            self.fault(1, f"{len(self.items)} rows, expected at least 3: one for train, dev and test each")
        if self.with_split and not self._faults:
            given = {item.split for item in self.items}
            for name in (name for name in SPLITS if name not in given):
                self.fault(1, f"split: no row is in {name!r}, expected rows in train, dev and test")
        whole = Whole(self.path)
        for line, reason in whole.faults(self._paths).items():
            self.fault(line, f"image: {self._named[line][:120]!r}: {reason}")
        if self._faults:
            listed = [
                f"{self.path}, line {line}: {text}" for line, text in sorted(self._faults, key=lambda fault: fault[0])
            ]
            raise UserError("\n".join(shorten(listed, "mistakes")))
        whole.remember()

    def keep(self, id: str, about: Path) -> None:
        """Note where the picture of an item is."""
        self.files[id] = about

    def same(self, about: Path) -> str:
        """What is equal where two rows are about one picture."""
        return os.path.realpath(about)

    def about(self, line: int, value: Any) -> Path | None:
        """Where the picture is that a row names; None after a fault."""
        if not isinstance(value, str) or not value.strip() or not _is_sane(value):
            self.fault(line, f"image: {_found(value, str)}, expected a path")
            return None
        path = self._found.get(value)
        if path is None and not os.path.isabs(value) and not is_inside(value):
            self.fault(line, f"image: {value[:120]!r} leaves the folder of the file, expected a path inside it")
            return None
        if path is None and not os.path.exists(self.path.parent / value):
            self.fault(line, f"image: {value[:120]!r} does not exist, and {self._others(last_part(value))}")
            return None
        path = path or self.path.parent / value  # no file: what it is instead is said when it is read
        self._paths[line], self._named[line] = path, value
        return path

    def _others(self, name: str) -> str:
        """Which files of this name there are, none of which was taken."""
        if self._called is None:
            self._called = names_below(self.path.parent)
        count = self._called.get(name, 0)
        if not count:
            return f"no file in or below {self.path.parent} is called {name[:60]!r}"
        if count > 1:
            return f"{count:,} files are called {name[:60]!r}: write the folder of the one that is meant"
        return f"the file called {name[:60]!r} may be another row's: write its folder"

    def _words(self, line: int, name: str, value: Any, one_is_enough: bool) -> list[str]:
        """The texts or labels of a row, stripped; empty after a fault."""
        listed = [value] if one_is_enough and isinstance(value, str) else value
        kind = "a text or a list of texts" if one_is_enough else "a list of labels"
        if not isinstance(listed, list) or not listed:
            self.fault(line, f"{name}: {_found(value)}, expected {kind}, at least one")
            return []
        for entry in listed:
            if not isinstance(entry, str) or not entry.strip() or not _is_sane(entry):
                self.fault(line, f"{name}: {_found(entry, str)} in it, expected {kind}, none of them empty")
                return []
        return (
            [composed(value.strip()) for value in listed] if name == "labels" else [value.strip() for value in listed]
        )

    def _split(self, line: int, value: Any) -> Split:
        if value in (None, ""):
            self._without_split.append(line)
            return "train"
        self.with_split += 1
        split = splits.meant(value.strip()) if isinstance(value, str) else None
        if split is None:
            self.fault(line, f"split: {_found(value, str)}, expected train, dev (or val, validation) or test")
        return split or "train"

    def _once(self, line: int, name: str, value: str) -> bool:
        """Whether no earlier line had this id or image."""
        first = self._lines.setdefault((name, value), line)
        if first != line:
            self.fault(line, f"{name}: {value[:120]!r} is the {name} of line {first} already")
        return first == line


def described_by(root: Path) -> Path:
    """The file that describes the collection at ``root``: itself, or the one JSONL or CSV file of a folder."""
    if root.is_dir():
        visible = (path for path in root.iterdir() if not path.name.startswith("."))  # macOS puts ._x beside x
        files = sorted(path for path in visible if path.suffix.lower() in (".jsonl", ".csv"))
        if len(files) != 1:
            raise UserError(f"{root}: {len(files)} files .jsonl or .csv here, expected one (or give the file itself)")
        return files[0]
    if not root.is_file():
        raise UserError(f"{root}: missing, expected a JSONL or CSV file that describes a collection")
    if root.suffix.lower() not in (".jsonl", ".csv"):
        raise UserError(f"{root}: found {root.suffix or 'no'} ending, expected .jsonl or .csv")
    return root


def _found(value: Any, right: type | None = None) -> str:
    """What stands there, with its type unless that is the ``right`` one."""
    if value is None or value in ("", []):
        return "missing" if value is None else "empty"
    return f"found {repr(value[:60]) if right is str and isinstance(value, str) else in_words(value)}"


def _is_sane(value: str) -> bool:
    """Whether a string can be written as UTF-8 and is of a sane length."""
    return len(value) <= _LONGEST and is_text(value)
