"""Collections of your own by name: what a folder holds is seen from its files, and kept until it is forgotten."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, get_args

from semshare.data.readers.coco import CocoSource, KarpathySource
from semshare.data.readers.custom import CustomSource
from semshare.data.readers.exports import annotation_files
from semshare.data.readers.groups import supercategories_beside
from semshare.data.readers.huggingface import HuggingFaceSource, is_dataset
from semshare.data.readers.image_folder import ImageFolderSource, holds_classes
from semshare.data.readers.origin import origin_beside
from semshare.data.readers.precomputed.captions import FEATURES as CAPTION_FEATURES
from semshare.data.readers.precomputed.captions import CaptionArraysSource
from semshare.data.readers.precomputed.rows import FEATURES as ROW_FEATURES
from semshare.data.readers.precomputed.rows import ArrayRowsSource
from semshare.data.readers.precomputed.tags import FEATURES as TAG_FEATURES
from semshare.data.readers.precomputed.tags import TagArraysSource
from semshare.data.readers.tables import describes_pictures
from semshare.data.regions.registry import PRECOMPUTED
from semshare.data.remembered import stored
from semshare.data.text_kinds import TextKind, text_kind_of
from semshare.errors import UserError
from semshare.utils.files import DamagedError, check_readable, read_json, written_while
from semshare.utils.home import cache_folder, home

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from semshare.data.catalogue import Entry
    from semshare.data.source import Source

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")
_SUFFIX = ".collection.json"
_EXPECTED = "the folder of a collection, or its JSONL or CSV file"


@dataclass(frozen=True)
class Layout:
    """A way in which collections lie on disk.

    Attributes:
        name: as it is kept.
        about: for people.
        is_at: whether a file or folder has this layout.
        read: opens a file or folder with a split seed, and with the fields that are named where there may be some.
        fields: what of it may be, or must be, named by its own field or column: texts, image, labels.
        seeded: whether the split seed means anything.
        regions: where its regions come from, unless said otherwise.
        grouped: whether a file beside it may say the labels' super-categories.
    """

    name: str
    about: str
    is_at: Callable[[Path], bool]
    read: Callable[..., Source]
    fields: tuple[str, ...] = ()
    seeded: bool = True
    regions: str = "grid"
    grouped: bool = False


def _any(root: Path, pattern: str) -> bool:
    return root.is_dir() and any(root.glob(pattern))


def _described(root: Path) -> bool:
    """Whether ``root`` is a file of rows, or a folder of such; beside pictures in folders a table may be any."""
    if root.is_file():
        return root.suffix.lower() in (".jsonl", ".csv")
    visible = [path for path in root.iterdir() if path.name[0] != "." and path.is_file()]
    tables = [path for path in visible if path.suffix.lower() == ".csv"]
    rows = any(path.suffix.lower() == ".jsonl" for path in visible) or any(map(describes_pictures, tables))
    return rows or (bool(tables) and not holds_classes(root))


def _folder(root: Path) -> Path:
    return root if root.is_dir() else root.parent


# In the order in which they are looked for: feature files before the rows that may lie beside them.
LAYOUTS = (
    Layout(
        "tag-arrays",
        "feature files as the authors released FLICKR25K and NUS-WIDE (train_preim.npy, train_tag.mat...)",
        lambda root: _any(root, f"*{TAG_FEATURES}"),
        lambda root, seed: TagArraysSource(root),
        seeded=False,
        regions=PRECOMPUTED,
    ),
    Layout(
        "caption-arrays",
        "feature files with five captions a picture, as SCAN's precomp and the authors' COCO (train_ims.npy, "
        "train_caps.txt...)",
        lambda root: _any(root, f"*{CAPTION_FEATURES}"),
        lambda root, seed: CaptionArraysSource(root),
        seeded=False,
        regions=PRECOMPUTED,
    ),
    Layout(
        "array-rows",
        "rows beside features.npy",
        lambda root: (_folder(root) / ROW_FEATURES).exists(),
        lambda root, seed: ArrayRowsSource(root, seed),
        regions=PRECOMPUTED,
        grouped=True,
    ),
    Layout("rows", "a file of rows with pictures", _described, CustomSource, grouped=True),
    Layout(
        "coco-karpathy",
        "COCO 2014 with Karpathy's split (dataset_coco.json)",
        lambda root: (root / "dataset_coco.json").is_file(),
        lambda root, seed: KarpathySource(root),
        seeded=False,
    ),
    Layout(
        "coco",
        "annotations in COCO's format (annotations/instances_*.json or lvis_*.json, */_annotations.coco.json, "
        "result.json, or a JSON file of any name)",
        lambda root: bool(annotation_files(root)),
        CocoSource,
        ("texts",),
        grouped=True,
    ),
    Layout(
        "huggingface",
        "a Hugging Face dataset on disk (save_to_disk)",
        is_dataset,
        HuggingFaceSource,
        ("image", "texts", "labels"),
        grouped=True,
    ),
    Layout("image-folder", "a folder of pictures for each class", holds_classes, ImageFolderSource, grouped=True),
)
_BY_NAME = {layout.name: layout for layout in LAYOUTS}


@dataclass(frozen=True)
class Collection:
    """A collection as this home keeps it: its name, its layout, what its texts are, and the fields that were named."""

    name: str
    layout: Layout
    text_kind: TextKind
    fields: Mapping[str, str] = field(default_factory=dict)

    @property
    def reads(self) -> frozenset[str]:
        """Which of root and split seed mean something."""
        return frozenset({"root", "split_seed"} if self.layout.seeded else {"root"})

    def open(self, root: Path, split_seed: int) -> Source:
        """What lies at ``root``.

        Raises:
            UserError: it has not this layout, cannot be used, or says now that its texts are something else.
        """
        check_readable(root, _EXPECTED)
        source = read(self.layout, root, split_seed, self.fields)
        if (why := source.kind_known) and source.text_kind != self.text_kind:
            raise UserError(
                f"text: {self.name!r} was prepared with {self.text_kind}, now they are {source.text_kind}, "
                f"{why}; prepare it again with semshare data prepare {self.name}={root}"
            )
        source.name, source.text_kind = self.name, self.text_kind
        return source


def recognised(root: Path) -> Layout:
    """The layout of what lies at ``root``.

    Raises:
        UserError: nothing there, nothing that can be read, or no layout that is known; the message lists them.
    """
    check_readable(root, _EXPECTED)
    for layout in LAYOUTS:
        if layout.is_at(root):
            return layout
    known = "; ".join(layout.about for layout in LAYOUTS)
    raise UserError(f"{root}: found none of the layouts that are read here, expected one of: {known}")


def read(layout: Layout, root: Path, split_seed: int = 0, fields: Mapping[str, str] | None = None) -> Source:
    """What lies at ``root`` in ``layout``, with the super-categories and the origin that files beside it give.

    Raises:
        UserError: ``fields`` name what this layout has no named field of, or the files cannot be used.
    """
    if other := sorted((fields or {}).keys() - set(layout.fields)):
        named = f"expected {', '.join(layout.fields)}" if layout.fields else "expected none"
        raise UserError(f"field: found {other[0]!r}, {named}: {layout.about}")
    source = layout.read(root, split_seed, *([fields or {}] if layout.fields else []))
    if layout.grouped and (groups := supercategories_beside(_folder(root), source.label_names)):
        source.supercategories = groups
    origin = origin_beside(_folder(root))
    source.status = origin.status or source.status
    source.attribution = origin.attribution or source.attribution
    return source


def named_fields(written: Sequence[str]) -> dict[str, str]:
    """Each of ``ROLE=NAME`` by its role; raises :class:`UserError` for one that is written otherwise or there twice."""
    fields: dict[str, str] = {}
    for line in written:
        role, equals, name = line.partition("=")
        if not equals or not role or not name or role in fields:
            wrong = f"{role!r} is there twice" if role in fields else f"found {line[:60]!r}"
            raise UserError(f"field: {wrong}, expected ROLE=NAME as in texts=caption, each role once")
        fields[role] = name
    return fields


def recognise(
    name: str,
    root: Path | None,
    text: str | None,
    fields: Mapping[str, str] | None,
    taken: Sequence[str],
    say: Callable[[str], None],
) -> tuple[Collection, Path]:
    """The collection to be called ``name``, at ``root`` or where it was prepared before, and where it lies.

    Args:
        name: what it is to be called; ``taken`` are all names there are.
        root: its folder or file.
        text: what its texts are, where it is said.
        fields: the fields that are named; by default those of before, where no root is given.
        say: receives a line on the layout, and one on the texts.

    Raises:
        UserError: no such collection, or one that cannot be used.
    """
    check_name(name, taken)
    if root is None and (folder := stored((name,))) is not None:
        root, before = folder.resolve(), kept(name)
        fields = fields or (before.fields if before else None)
    if root is None:
        raise UserError(f"name: no collection {name!r} here yet, expected {name}=FOLDER")
    layout = recognised(root)
    say(f"{name}: {root}: {layout.about}")
    source = read(layout, root, 0, fields)
    known, why = (source.text_kind, source.kind_known) if source.kind_known else (None, "")
    kind, how = text_kind_of([item.texts for item in source.items()], text, known, why)
    other = "tags" if kind == "captions" else "captions"
    more = f"; if they are not, say --text {other}" if how.startswith("guessed") else ""
    say(f"{name}: texts are {kind}, {how}{more}")
    return Collection(name, layout, kind, dict(fields or {})), root


def check_name(name: str, taken: Sequence[str]) -> None:
    """Raise :class:`UserError` where a collection cannot be called ``name``: ``taken`` are all names there are."""
    if not _NAME.fullmatch(name):
        raise UserError(f"name: found {name[:60]!r}, expected up to 40 letters a-z, digits, - or _")
    if name in taken and not file_of(name).is_file():  # what is kept may be damaged, and is made anew
        raise UserError(f"name: {name!r} is another dataset's; give your collection another one")


def kept(name: str) -> Collection | None:
    """The collection that this home keeps as ``name``; None where there is none.

    Raises:
        UserError: what is kept of it is damaged.
    """
    path = file_of(name)
    if not isinstance(name, str):
        raise UserError(f"dataset: found {name!r}, expected a name, in quotes where it is a number")
    if not _NAME.fullmatch(name) or not path.is_file():
        return None
    try:
        content = read_json(path)
        text_kind = content["text_kind"]
        if text_kind not in get_args(TextKind):
            raise KeyError(text_kind)
        fields = content.get("fields", {})
        if not all(isinstance(named, str) for named in fields.values()):
            raise TypeError(fields)
        return Collection(name, _BY_NAME[content["layout"]], text_kind, fields)
    except (DamagedError, KeyError, TypeError, AttributeError):
        raise UserError(
            f"{path}: damaged, or of another version of semshare; prepare the collection again with semshare data "
            f"prepare {name}=FOLDER"
        ) from None


def file_of(name: str) -> Path:
    """The file that keeps the collection called ``name``."""
    return home() / "data" / f"{name}{_SUFFIX}"


def kept_names() -> list[str]:
    """The collections that this home keeps, a to z."""
    names = (path.name.removesuffix(_SUFFIX) for path in (home() / "data").glob(f"*{_SUFFIX}"))
    return sorted(name for name in names if _NAME.fullmatch(name))


@contextmanager
def keeping(collection: Collection) -> Iterator[None]:
    """Keep ``collection`` under its name; where the block fails, what was kept before stands again."""
    content: dict[str, object] = {"layout": collection.layout.name, "text_kind": collection.text_kind}
    if collection.fields:
        content["fields"] = dict(collection.fields)
    with written_while(cache_folder("data") / f"{collection.name}{_SUFFIX}", json.dumps(content) + "\n"):
        yield


class Datasets(MutableMapping[str, "Entry"]):
    """Entries by name: those that were put in, then the collections that this home keeps."""

    def __init__(
        self, entries: Mapping[str, Entry], make: type[Entry], find: Callable[[str, str, tuple[str, ...]], Path]
    ) -> None:
        """Hold ``entries``; ``make`` makes others, and ``find`` gives the root of one that none is given for."""
        self._entries, self._make, self._find = dict(entries), make, find

    def __getitem__(self, name: str) -> Entry:
        if name in self._entries:
            return self._entries[name]
        if (collection := kept(name)) is None:
            raise KeyError(name)
        return self._of(collection)

    def _of(self, collection: Collection) -> Entry:
        folders, layout = (collection.name,), collection.layout

        def open(scale: str, root: Path | None, split_seed: int) -> Source:
            return collection.open(root or self._find(collection.name, layout.about, folders), split_seed)

        return self._make(open, collection.text_kind, collection.reads, folders=folders, regions=layout.regions)

    def __setitem__(self, name: str, entry: Entry) -> None:
        self._entries[name] = entry

    def __delitem__(self, name: str) -> None:
        del self._entries[name]

    def __iter__(self) -> Iterator[str]:
        yield from self._entries
        yield from (name for name in kept_names() if name not in self._entries)

    def __len__(self) -> int:
        return sum(1 for _ in self)
