"""A part of COCO named by a manifest: a JSON file of COCO ids with their split, read against COCO's own files.

A manifest says which pictures, and no caption, label or picture::

    {"dataset": "kitchens", "rule": "how they were drawn", "train": [9, 25], "dev": [30], "test": [34]}

``coco16k``'s comes with semshare; another one becomes a dataset by ``semshare data prepare NAME --manifest FILE``.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import defaultdict
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from semshare.data.files import find_pictures, is_inside, moved_notes, pool_digest, shorten
from semshare.data.readers.coco import ATTRIBUTION, CAPTIONS
from semshare.data.readers.coco_labels import LABELS, SUPERCATEGORIES
from semshare.data.readers.instances import InstancesById, official_files, read_captions
from semshare.data.readers.records import in_words, is_text
from semshare.data.readers.shapes import shape_notes
from semshare.data.readers.splits import SHIPPED
from semshare.data.source import SPLITS, FileSource, Item, Split
from semshare.errors import UserError
from semshare.utils.counts import counted
from semshare.utils.files import written_while
from semshare.utils.home import cache_folder, home
from semshare.utils.json_text import parse_json
from semshare.utils.text_files import read_lines, read_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

COCO16K = SHIPPED / "coco16k.json"
PAIRS = "pairs.jsonl"
# Pictures of scale smoke; every other scale takes all.
SMOKE_SIZES: dict[Split, int] = {"train": 160, "dev": 48, "test": 64}
_FIELDS = ("dataset", "rule", *SPLITS)
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")
_NAMED = 3  # pictures left out that are named; the others are counted
_SUFFIX = ".manifest.json"


@dataclass(frozen=True)
class Manifest:
    """What a manifest says: the dataset's name, how its pictures were drawn, and the split of each COCO id."""

    name: str
    rule: str
    splits: Mapping[int, Split]


def read_manifest(path: Path) -> Manifest:
    """The manifest at ``path``; raises :class:`UserError` naming the field, what was found and what was expected."""
    try:
        content = parse_json(read_text(path))
    except ValueError as error:
        raise UserError(f"{path}: {error}") from None
    if not isinstance(content, dict):
        raise UserError(f"{path}: found {in_words(content)}, expected an object with {', '.join(_FIELDS)}")
    if unknown := [str(name) for name in content if name not in _FIELDS]:
        raise UserError(f"{path}: unknown field {unknown[0][:60]!r}, expected {', '.join(_FIELDS)}")
    name, rule = content.get("dataset"), content.get("rule", "")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise UserError(
            f"{path}: dataset: found {in_words(name)}, expected a name of up to 40 letters a-z, digits, - or _"
        )
    if not isinstance(rule, str):
        raise UserError(f"{path}: rule: found {in_words(rule)}, expected a text: how the pictures were drawn")
    splits: dict[int, Split] = {}
    for split in SPLITS:
        ids = content.get(split)
        if not isinstance(ids, list) or not ids:
            found = "missing" if ids is None else f"found {in_words(ids)}"
            raise UserError(f"{path}: {split}: {found}, expected a list of COCO ids, at least one")
        for id in ids:
            if not isinstance(id, int) or isinstance(id, bool) or id < 0:
                raise UserError(f"{path}: {split}: found {in_words(id)}, expected a COCO id: a whole number")
            if id in splits:
                raise UserError(f"{path}: {split}: id {id} is in {splits[id]} already, expected each id once")
            splits[id] = split
    return Manifest(name, rule, splits)


def remembered(name: str) -> Path | None:
    """The manifest that dataset ``name`` was prepared with, as this home keeps it; None where there is none."""
    path = home() / "data" / f"{name}{_SUFFIX}"
    return path if _NAME.fullmatch(name) and path.is_file() else None


def remembered_names() -> list[str]:
    """The datasets that were prepared with a manifest, a to z."""
    names = (path.name.removesuffix(_SUFFIX) for path in (home() / "data").glob(f"*{_SUFFIX}"))
    return sorted(name for name in names if _NAME.fullmatch(name))


@contextmanager
def remembering(manifest: Manifest) -> Iterator[None]:
    """Keep ``manifest`` in this home under its name; where the block fails, what was kept before stands again."""
    parts = {split: sorted(id for id, own in manifest.splits.items() if own == split) for split in SPLITS}
    content = {"dataset": manifest.name, "rule": manifest.rule, **parts}
    text = json.dumps(content, separators=(",", ":")) + "\n"
    with written_while(cache_folder("data") / f"{manifest.name}{_SUFFIX}", text):
        yield


@dataclass(frozen=True)
class _Pair:
    """What a folder has of one picture; ``file`` is None where its file is not here."""

    file: Path | None
    texts: tuple[str, ...]
    labels: tuple[str, ...]


class ManifestSource(FileSource):
    """The pictures that a manifest lists, with the captions and labels that a folder has for them.

    The folder is either COCO's official one (``annotations/`` beside ``train2014/`` and ``val2014/``: up to five
    captions a picture), or one of small copies with ``pairs.jsonl``, one object a line with ``id``, ``image``,
    ``texts`` and ``labels``. Where it has both, the official annotations are read. The manifest alone decides the
    split. Items come in ascending id; a picture without file, caption or label is left out.

    Attributes:
        notes: which of the two was read, and for each reason how many pictures were left out, the first few named.
    """

    status: Literal["subset"] = "subset"
    text_kind: Literal["captions"] = "captions"

    def __init__(self, root: Path, manifest: Path, scale: str = "full") -> None:
        """Read the rows of ``root`` that ``manifest`` lists; pictures are only looked for.

        Args:
            root: COCO's official folder, or one with ``pairs.jsonl``.
            manifest: the manifest's file.
            scale: ``smoke`` takes a part (``SMOKE_SIZES``) by a fixed seed, every other scale all.

        Raises:
            UserError: a file or field that is off, a folder of neither kind, or one without any picture of the list.
        """
        self.root = Path(root)
        listed = read_manifest(manifest)
        self.name = listed.name
        self.label_names, self.supercategories = LABELS, SUPERCATEGORIES
        notes: list[str] = []
        if (self.root / "annotations").is_dir():
            pairs, origin = self._official(listed.splits, notes), "COCO's official annotations and pictures"
        elif (self.root / PAIRS).is_file():
            pairs, origin = _small_copies(self.root, listed.splits, notes), f"{PAIRS} and the copies it names"
        else:
            raise UserError(
                f"{self.root}: neither annotations/ nor {PAIRS} here, expected COCO's official layout or a folder of "
                f"small copies with {PAIRS}"
            )
        usable, left_out = _usable(listed.splits, pairs)
        reasons = [_left_out(why, ids, len(listed.splits)) for why, ids in left_out.items()]
        if not usable:
            raise UserError("\n".join([f"{self.root}: no picture of {manifest} can be used", *reasons]))
        chosen = _part(usable, listed.splits) if scale == "smoke" else usable
        self._files = {str(id): file for id in chosen if (file := pairs[id].file)}
        self._items = [Item(str(id), pairs[id].texts, pairs[id].labels, listed.splits[id]) for id in chosen]
        counts = sorted({len(item.texts) for item in self._items})
        captions = "one caption" if counts == [1] else f"{' to '.join(map(str, counts[:1] + counts[1:][-1:]))} captions"
        read = f"read from {origin}: {captions} a picture"
        self.attribution = f"{ATTRIBUTION} Here {read}."
        self.notes = (read, *([f"how it was drawn: {listed.rule}"] if listed.rule else []), *reasons, *notes)
        self.pool = f"{self.name}-{pool_digest(self._files)}"

    def _official(self, splits: Mapping[int, Split], notes: list[str]) -> dict[int, _Pair]:
        """What COCO's own files say of the pictures listed, of 2014 where they are here; ``notes`` get odd shapes."""
        of_2014 = any((self.root / "annotations").glob("instances_*2014.json"))
        files = official_files(self.root, "instances_*2014.json" if of_2014 else "instances_*.json")
        instances = InstancesById(self.root, files)
        self.label_names, self.supercategories = instances.label_names, instances.supercategories
        captions: defaultdict[int, list[str]] = defaultdict(list)
        for split, path in files.items():
            for id, caption in read_captions(path.with_name(f"captions_{split}.json")):
                if id in splits:
                    captions[id].append(caption)
        sized = sorted(splits.keys() & instances.paths.keys() & instances.sizes.keys())
        notes += shape_notes(self.root, ((str(id), instances.paths[id], instances.sizes[id]) for id in sized))
        return {
            id: _Pair(instances.paths.get(id), tuple(captions[id][:CAPTIONS]), instances.names_of(id))
            for id in splits
            if id in instances.names
        }


def _small_copies(root: Path, splits: Mapping[int, Split], notes: list[str]) -> dict[int, _Pair]:
    """The rows of ``pairs.jsonl`` that are listed; ``notes`` get what else the file says. All bad rows are told."""
    path = root / PAIRS
    pairs: dict[int, _Pair] = {}
    images: dict[int, str] = {}
    lines: dict[int, int] = {}  # by id, where it was read
    faults: list[str] = []
    others, elsewhere = 0, 0
    for line, text in enumerate(read_lines(path), 1):
        if not text.strip():
            continue
        try:
            id, image, pair, split = _row(parse_json(text))
            if id in lines:
                raise ValueError(f"id: {id} is the id of line {lines[id]} already")
        except ValueError as error:
            faults.append(f"{path}, line {line}: {error}")
            continue
        lines[id], images[id] = line, image
        if id not in splits:
            others += 1
            continue
        elsewhere += split is not None and split != splits[id]
        pairs[id] = pair
    if faults:
        raise UserError("\n".join(shorten(faults, "mistakes")))
    if others:
        notes.append(f"{path}: {counted(others, 'row')} whose id is not in the manifest, not used")
    if elsewhere:
        count = counted(elsewhere, "row names", "rows name")
        notes.append(f"{path}: {count} another split than the manifest, whose split was taken")
    files = dict(zip(images, find_pictures(root, list(images.values())), strict=True))
    owner: dict[Path, int] = {}
    for id in pairs:
        if (file := files[id]) is not None and (first := owner.setdefault(file, id)) != id:
            faults.append(f"{path}, line {lines[id]}: image: {images[id]!r} is that of line {lines[first]} already")
    if faults:
        raise UserError("\n".join(shorten(faults, "mistakes")))
    notes += moved_notes(root, [(images[id], files[id]) for id in pairs])
    return {id: replace(pair, file=files[id]) for id, pair in pairs.items()}


def _row(record: Any) -> tuple[int, str, _Pair, Any]:
    """Id, picture's name, content and split of one row; raises ValueError naming the field."""
    if not isinstance(record, dict):
        raise ValueError(f"found {in_words(record)}, expected an object with id, image, texts and labels")
    id, image = record.get("id"), record.get("image")
    if not re.fullmatch(r"[0-9]{1,12}", str(id)) or isinstance(id, bool):
        raise ValueError(f"id: found {in_words(id)}, expected a COCO id: a whole number")
    if not _is_text(image) or not is_inside(image):
        raise ValueError(f"image: found {in_words(image)}, expected the path of a picture inside the folder")
    values: dict[str, Sequence[str]] = {}
    for name in ("texts", "labels"):
        listed = record.get(name)
        if not isinstance(listed, list) or not all(_is_text(value) for value in listed):
            raise ValueError(f"{name}: found {in_words(listed)}, expected a list of texts")
        values[name] = [value.strip() for value in listed if value.strip()]
    if unknown := [label for label in values["labels"] if label not in SUPERCATEGORIES]:
        raise ValueError(f"labels: found {unknown[0][:60]!r}, expected names of COCO's 80 categories")
    labels = tuple(sorted(set(values["labels"]), key=LABELS.index))
    return int(str(id)), image, _Pair(None, tuple(values["texts"][:CAPTIONS]), labels), record.get("split")


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and is_text(value)


def _usable(splits: Mapping[int, Split], pairs: Mapping[int, _Pair]) -> tuple[list[int], dict[str, list[int]]]:
    """The ids that can be used, ascending, and by reason those that cannot."""
    usable: list[int] = []
    left_out: defaultdict[str, list[int]] = defaultdict(list)
    for id in sorted(splits):
        pair = pairs.get(id)
        if pair is None:
            left_out["not described here"].append(id)
        elif pair.file is None:
            left_out["without picture"].append(id)
        elif not pair.texts:
            left_out["without caption"].append(id)
        elif not pair.labels:
            left_out["without label"].append(id)
        else:
            usable.append(id)
    return usable, dict(left_out)


def _left_out(why: str, ids: Sequence[int], listed: int) -> str:
    more = f" and {len(ids) - _NAMED:,} more" if len(ids) > _NAMED else ""
    return f"{len(ids):,} of the manifest's {listed:,} {why}, left out: {', '.join(map(str, ids[:_NAMED]))}{more}"


def _part(ids: Sequence[int], splits: Mapping[int, Split]) -> list[int]:
    """The part that scale smoke takes: of each split the first ids by the sha256 of ``smoke/id``."""
    ranked = sorted(ids, key=lambda id: hashlib.sha256(f"smoke/{id}".encode()).digest())
    return sorted(
        id for split, size in SMOKE_SIZES.items() for id in [id for id in ranked if splits[id] == split][:size]
    )
