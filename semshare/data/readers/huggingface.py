"""A Hugging Face dataset on disk, as ``save_to_disk`` leaves it; the extra ``datasets`` reads it.

A ``Dataset``, or a ``DatasetDict`` of train, validation and test. Its columns are named, or are called:

``image``
    pictures (``datasets.Image``), in the dataset or as paths.
``texts``, ``text``, ``captions`` or ``caption``
    a text or a list of texts.
``labels`` or ``label``
    a ``ClassLabel``, whose names are the labels, or a text; or a list of either. -1 and None are no label.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from semshare.data.files import digest, shorten
from semshare.data.pictures import content_digest, open_picture, picture_from
from semshare.data.readers import splits
from semshare.data.readers.records import in_words, is_text
from semshare.data.source import SPLITS, Item, Source, Split
from semshare.errors import UserError
from semshare.utils.extras import extra
from semshare.utils.texts import composed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from PIL import Image

    from semshare.data.about import Status

COLUMNS = {  # what the columns are called where they are not named
    "image": ("image",),
    "texts": ("texts", "text", "captions", "caption"),
    "labels": ("labels", "label"),
}
_ROWS = 1000  # read at once


class HuggingFaceSource(Source):
    """The rows of a dataset on disk; pictures are read from its memory-mapped files one by one.

    Every text and label is checked before anything is made. An item's id is its row, or SPLIT/ROW.
    """

    name = "huggingface"
    status: Status = "own"
    text_kind: Literal["tags", "captions"] = "captions"
    attribution = "A Hugging Face dataset at hand: its pictures and texts keep the licence they have."

    def __init__(self, root: Path, split_seed: int = 0, fields: Mapping[str, str] | None = None) -> None:
        """Open the dataset at ``root`` and read its texts and labels.

        Args:
            root: the folder that ``save_to_disk`` made.
            split_seed: the seed of the split, where there is a single one.
            fields: the columns of ``image``, ``texts`` and ``labels``, where they are called otherwise.

        Raises:
            MissingExtraError: the package ``datasets`` is not installed.
            UserError: a folder that cannot be read, a column that is not there or holds something else, or rows that
                are wrong: the first 20.
        """
        self.root = Path(root)
        parts = _parts(self.root)
        features = _features(self.root, parts)
        column, labels_of = _columns(self.root, features, fields or {})
        self._image = column["image"]
        self._rows: dict[str, tuple[Any, int]] = {}
        faults: list[str] = []
        read: list[tuple[str, tuple[str, ...], tuple[str, ...], str]] = []
        for name, part in parts.items():
            pictures = part.with_format(None).select_columns([self._image]).cast_column(self._image, _undecoded())
            for row, values in _rows_of(part, [column["texts"], column["labels"]]):
                id = f"{name}/{row}" if name else str(row)
                where = f"{self.root}, {f'{name}, ' if name else ''}row {row}"
                texts, fault = _texts(values[column["texts"]])
                faults += [f"{where}: {column['texts']}: {fault}"] if fault else []
                read.append((id, texts, labels_of(values[column["labels"]]), name))
                self._rows[id] = pictures, row
        if faults:
            raise UserError("\n".join(shorten(faults, "mistakes")))
        if len(read) < 3:
            raise UserError(f"{self.root}: {len(read)} rows, expected at least 3: one for train, dev and test each")
        split_of = _splits([(id, name) for id, *_, name in read], split_seed)
        self._items = [Item(id, texts, labels, split_of[id]) for id, texts, labels, _ in read]
        named = _names(features[column["labels"]])
        self.label_names = tuple(named or sorted({label for item in self._items for label in item.labels}))
        self.pool = f"huggingface-{digest(f'{self._image} {_state(self.root)}')}"

    def items(self) -> list[Item]:
        return self._items

    def digests(self) -> dict[str, str]:
        """The digest of each picture's content, in the dataset's own files or where these say that it lies."""
        found = {}
        for id, (part, row) in self._rows.items():
            stored = part[row][self._image] or {}
            if stored.get("bytes"):
                found[id] = hashlib.sha256(stored["bytes"]).hexdigest()[:32]
            elif stored.get("path"):
                found[id] = content_digest(Path(stored["path"]))
        return {id: digest for id, digest in found.items() if digest}

    def picture(self, id: str) -> Image.Image:
        part, row = self._rows[id]
        stored = part[row][self._image] or {}
        if stored.get("bytes"):
            return picture_from(stored["bytes"], f"{self.root}, {id}")
        if stored.get("path"):
            return open_picture(Path(stored["path"]))
        raise UserError(f"{self.root}, {id}: {self._image}: empty, expected a picture")


def is_dataset(root: Path) -> bool:
    """Whether ``root`` is a folder that ``save_to_disk`` made."""
    saved = (root / "state.json").is_file() and (root / "dataset_info.json").is_file()
    return saved or (root / "dataset_dict.json").is_file()


def _parts(root: Path) -> dict[str, Any]:
    """The dataset of each split, by its name; one without a name where there is only one."""
    with extra("datasets"):
        from datasets import DatasetDict, load_from_disk
    try:
        loaded = load_from_disk(str(root))
    except Exception as error:  # whatever Arrow and the readers of its JSON files stumble over
        raise UserError(f"{root}: cannot be read as a Hugging Face dataset: {' '.join(str(error).split())}") from None
    parts = dict(loaded) if isinstance(loaded, DatasetDict) else {"": loaded}
    if len(parts) == 1:
        return {"": next(iter(parts.values()))}
    meant = [splits.meant(name) for name in parts]
    if sorted(filter(None, meant)) != sorted(SPLITS) or None in meant:
        raise UserError(
            f"{root}: found splits {', '.join(parts)}, expected train, validation and test, or a single one, which is "
            "split by the seed; train_test_split of datasets.Dataset takes a part off another"
        )
    return parts


def _features(root: Path, parts: Mapping[str, Any]) -> Any:
    """What the columns hold, which is the same in every part."""
    (first, features), *others = [(name, part.features) for name, part in parts.items()]
    for name, other in others:
        if differing := [column for column in {**features, **other} if features.get(column) != other.get(column)]:
            raise UserError(
                f"{root}: column {differing[0]!r} is another one in {name} than in {first}, expected the same columns, "
                "and the same names of labels, in all splits"
            )
    return features


def _columns(
    root: Path, features: Any, fields: Mapping[str, str]
) -> tuple[dict[str, str], Callable[[Any], tuple[str, ...]]]:
    """The column of each role, and what makes labels of a value of theirs."""
    from datasets import Image

    column: dict[str, str] = {}
    faults: list[str] = []
    for role, usual in COLUMNS.items():
        here = [fields[role]] if role in fields else [name for name in usual if name in features]
        if len(here) != 1 or here[0] not in features:
            wrong = " or ".join(map(repr, here or usual))
            wrong = f"no column {wrong}" if len(here) < 2 else f"found columns {' and '.join(here)}"
            faults.append(f"{role}: {wrong}, expected one that is named with --field {role}=COLUMN")
        column[role] = here[0] if here else ""
    if faults:
        raise UserError("\n".join(f"{root}: {fault}; there are {', '.join(features)}" for fault in faults))
    pictures = features[column["image"]]
    if not isinstance(pictures, Image):
        raise UserError(
            f"{root}: column {column['image']!r} is {_kind(pictures)}, expected pictures; paths become such with "
            f"dataset.cast_column({column['image']!r}, datasets.Image())"
        )
    labels = features[column["labels"]]
    names = _names(labels)
    if names is None and getattr(_inner(labels), "dtype", "") not in ("string", "large_string"):
        raise UserError(
            f"{root}: column {column['labels']!r} is {_kind(labels)}, expected ClassLabel or texts, or lists of them; "
            f"numbers become names with dataset.cast_column({column['labels']!r}, datasets.ClassLabel(names=[...]))"
        )

    def labels_of(value: Any) -> tuple[str, ...]:
        listed = value if isinstance(value, list) else [value]
        if names is not None:
            return tuple(dict.fromkeys(names[number] for number in listed if number is not None and number >= 0))
        return tuple(dict.fromkeys(composed(value.strip()) for value in listed if value and value.strip()))

    return column, labels_of


def _inner(feature: Any) -> Any:
    """What a column's lists hold; the feature itself where it holds no lists."""
    return feature[0] if isinstance(feature, list) else getattr(feature, "feature", feature)


def _names(feature: Any) -> list[str] | None:
    """The names of a ClassLabel, or of a list of such."""
    names = getattr(_inner(feature), "names", None)
    return None if names is None else [composed(name) for name in names]


def _kind(feature: Any) -> str:
    """A feature in a word or two, e.g. ``List of int64``."""
    inner = _inner(feature)
    kind = str(getattr(inner, "dtype", "")) or type(inner).__name__
    return kind if inner is feature else f"a list of {kind}"


def _undecoded() -> Any:
    from datasets import Image

    return Image(decode=False)  # pictures are opened as all others here are


def _rows_of(dataset: Any, columns: list[str]) -> Any:
    """The values of ``columns``, row by row with its number."""
    row = 0
    for batch in dataset.with_format(None).select_columns(list(dict.fromkeys(columns))).iter(_ROWS):
        for values in zip(*batch.values(), strict=True):
            yield row, dict(zip(batch, values, strict=True))
            row += 1


def _texts(value: Any) -> tuple[tuple[str, ...], str]:
    """The texts of a row, and what is wrong with them."""
    listed = value if isinstance(value, list) else [value]
    expected = "expected a text or a list of texts, none of them empty"
    for entry in listed or [None]:
        if not isinstance(entry, str) or not is_text(entry) or not entry.strip():
            return (), f"found {in_words(entry)}, {expected}"
    return tuple(value.strip() for value in listed), ""


def _splits(names: list[tuple[str, str]], seed: int) -> dict[str, Split]:
    """The split of each (id, name of its part)."""
    if all(name for _, name in names):
        return {id: split for id, name in names if (split := splits.meant(name))}
    fifth = max(1, len(names) // 5)
    return splits.split_ids([id for id, _ in names], seed, fifth, fifth)


def _state(root: Path) -> str:
    """What changes when the dataset is saved anew: where its files lie, their sizes and times."""
    states = [(path, path.stat()) for path in sorted(root.rglob("*.arrow"))]
    return "\n".join(f"{path.resolve()} {state.st_size} {state.st_mtime_ns}" for path, state in states)
