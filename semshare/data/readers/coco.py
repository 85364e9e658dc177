"""COCO in its official layout: ``annotations/{captions,instances}_*.json`` beside the folders of pictures."""

from __future__ import annotations

import json
import os
import random
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any, Literal

from semshare.data.files import count_notes, is_inside, pool_digest, read_text
from semshare.data.source import SPLITS, FileSource, Item, Split
from semshare.errors import UserError

_CAPTIONS = 5  # kept an image, as the paper does
DEV = 1000  # of the Karpathy split's 5,000 for validation
KARPATHY_SIZES: dict[Split, int] = {"train": 113_287, "dev": DEV, "test": 5000}
OFFICIAL_SIZES = {"train2014": 82_783, "val2014": 40_504, "train2017": 118_287, "val2017": 5000}
_KARPATHY: dict[str, Split] = {"train": "train", "restval": "train", "val": "dev", "test": "test"}

_ATTRIBUTION = (
    "COCO annotations: COCO Consortium, CC BY 4.0. The photographs keep the licences of their Flickr authors."
)


class CocoSource(FileSource):
    """Every captioned and labelled picture of a COCO folder, split 60/20/20 by a seed.

    Items come in ascending id. Category ids are not contiguous: labels are the category names in ascending id.
    Pictures without a caption or without a label are left out, as are captions past an image's fifth.

    Attributes:
        status: ``real`` with more than 100,000 pictures, else ``subset``.
        notes: counts that differ from the official ones and how many pictures were left out, one line each.
    """

    name = "coco"
    text_kind: Literal["captions"] = "captions"
    attribution = _ATTRIBUTION

    def __init__(self, root: Path, split_seed: int = 0) -> None:
        """Read the annotations of ``root``; raises :class:`UserError` naming a file or field that is off."""
        self.root = Path(root)
        instances = _Instances(self.root, "instances_*.json")
        self.label_names, self.supercategories = instances.label_names, instances.supercategories
        self._files = {str(id): file for id, file in sorted(instances.files.items())}
        captions = defaultdict(list)
        for split in instances.pictures:
            path = self.root / "annotations" / f"captions_{split}.json"
            for one in _read(path, ("images", "annotations"))["annotations"]:
                captions[_field(path, one, "image_id", int)].append(_field(path, one, "caption", str))
        self.pool = f"coco-{pool_digest(self._files)}"
        ids = [id for id in sorted(instances.files) if captions[id] and instances.labels[id]]
        splits = _split(ids, split_seed)
        self._items = [
            Item(str(id), tuple(captions[id][:_CAPTIONS]), instances.names_of(id), split=splits[id]) for id in ids
        ]
        self.status: Literal["real", "subset"] = "real" if len(ids) > 100_000 else "subset"
        folder, pictures = self.root / "annotations", instances.pictures
        counts = [(f"pictures of {one}", pictures[one], OFFICIAL_SIZES.get(one, pictures[one])) for one in pictures]
        left_out = len(self._files) - len(ids)
        more = [f"{folder}: {left_out:,} pictures without a caption or a label, left out"] if left_out else []
        self.notes = (*count_notes(folder, counts), *more)


class KarpathySource(FileSource):
    """COCO 2014 as Karpathy split it: 113,287 to train on (his train and restval), 1,000 dev, 5,000 test.

    Reads ``dataset_coco.json`` and the official ``annotations/instances_{train,val}2014.json``; pictures lie in
    ``train2014/`` and ``val2014/``. Items keep the order of ``dataset_coco.json``: dev is the first 1,000 of its
    validation pictures, and the first 1,000 of test are COCO1K. A picture without a label stays, so that the
    split's counts hold; one whose file or annotations are not here is left out and counted in ``notes``.

    Attributes:
        status: ``real`` when all three counts are as expected, else ``subset``.
        notes: counts that differ and what was left out, one line each.
    """

    name = "coco5k"
    text_kind: Literal["captions"] = "captions"
    attribution = _ATTRIBUTION + " Split: A. Karpathy and L. Fei-Fei, CVPR 2015."

    def __init__(self, root: Path) -> None:
        """Read the split and the labels of ``root``; raises :class:`UserError` naming a file or field that is off."""
        self.root = Path(root)
        path = self.root / "dataset_coco.json"
        records = _read(path, ("images",))["images"]
        instances = _Instances(self.root, "instances_*2014.json")
        self.label_names, self.supercategories = instances.label_names, instances.supercategories
        here = {split: _listed(self.root / split) for split in instances.pictures}
        self._files: dict[str, Path] = {}
        self._items: list[Item] = []
        left_out: Counter[str] = Counter()
        dev_seen = 0
        for record in records:
            id = _field(path, record, "cocoid", int)
            split = _known_split(path, record, id)
            dev_seen += split == "dev"
            if split == "dev" and dev_seen > DEV:
                continue
            folder, file = _field(path, record, "filepath", str), _field(path, record, "filename", str)
            texts = [_field(path, one, "raw", str) for one in _field(path, record, "sentences", list)]
            if not texts:
                raise UserError(f"{path}: image {id} has no sentences, expected {_CAPTIONS}")
            if str(id) in self._files:
                raise UserError(f"{path}: image {id} is listed twice")
            if id not in instances.files:
                left_out["in no instances_*2014.json"] += 1
            elif file not in here.get(folder, ()):
                left_out["without their file"] += 1
            else:
                self._files[str(id)] = self.root / folder / file
                self._items.append(Item(str(id), tuple(texts[:_CAPTIONS]), instances.names_of(id), split))
        if not self._items:
            raise UserError(f"{self.root}: no picture of dataset_coco.json here, expected train2014/ and val2014/")
        found = Counter(item.split for item in self._items)
        differing = count_notes(path, [(f"{name} pictures", found[name], KARPATHY_SIZES[name]) for name in SPLITS])
        self.notes = (*differing, *(f"{path}: {n:,} pictures {why}, left out" for why, n in left_out.items()))
        self.status: Literal["real", "subset"] = "subset" if differing else "real"
        self.pool = f"coco-karpathy-{pool_digest(self._files)}"


class _Instances:
    """What the instances files say: files and category ids of each picture, names of the categories."""

    def __init__(self, root: Path, pattern: str) -> None:
        self.files: dict[int, Path] = {}
        self.labels: defaultdict[int, set[int]] = defaultdict(set)
        self.pictures: dict[str, int] = {}  # of each split
        categories: dict[int, dict[str, Any]] = {}
        found = sorted((root / "annotations").glob(pattern))
        if not found:
            raise UserError(f"{root / 'annotations'}: no {pattern} here, expected COCO's official layout")
        for path in found:
            split = path.stem.removeprefix("instances_")
            content = _read(path, ("images", "annotations", "categories"))
            self.pictures[split] = len(content["images"])
            categories |= {_field(path, one, "id", int): one for one in content["categories"]}
            for image in content["images"]:
                name = _field(path, image, "file_name", str)
                if not is_inside(name):
                    raise UserError(f"{path}: file_name {name[:60]!r}, expected a file of {split}/")
                self.files[_field(path, image, "id", int)] = root / split / name
            for one in content["annotations"]:
                self.labels[_field(path, one, "image_id", int)].add(_field(path, one, "category_id", int))
        self._names = {id: _field(path, categories[id], "name", str) for id in sorted(categories)}
        self.label_names = tuple(self._names.values())
        self.supercategories = {c["name"]: _field(path, c, "supercategory", str) for c in categories.values()}
        for id, used in self.labels.items():
            if unknown := used - categories.keys():
                raise UserError(f"{root}: image {id} has category_id {min(unknown)}, which no instances file lists")

    def names_of(self, id: int) -> tuple[str, ...]:
        """The labels of a picture, in ascending category id."""
        return tuple(self._names[one] for one in sorted(self.labels.get(id, ())))


def _split(ids: list[int], seed: int) -> dict[int, Split]:
    """60 % train, 20 % dev, 20 % test of the shuffled ids."""
    shuffled = random.Random(seed).sample(ids, len(ids))
    first, second = len(ids) * 3 // 5, len(ids) * 4 // 5
    names: list[Split] = ["train"] * first + ["dev"] * (second - first) + ["test"] * (len(ids) - second)
    return dict(zip(shuffled, names, strict=True))


def _known_split(path: Path, record: dict[str, Any], id: int) -> Split:
    name = _field(path, record, "split", str)
    if name not in _KARPATHY:
        raise UserError(f"{path}: image {id} has split {name[:60]!r}, expected one of {', '.join(_KARPATHY)}")
    return _KARPATHY[name]


def _listed(folder: Path) -> set[str]:
    """The names of a folder's files; none where there is no such folder."""
    try:
        with os.scandir(folder) as files:
            return {file.name for file in files}
    except OSError:
        return set()


def _slim(record: dict[str, Any]) -> dict[str, Any]:
    """An annotation without its outline and box: nine tenths of an instances file, and of no use here."""
    record.pop("segmentation", None)
    record.pop("bbox", None)
    return record


def _read(path: Path, sections: tuple[str, ...]) -> dict[str, list[dict[str, Any]]]:
    if not path.exists():
        raise UserError(f"{path}: missing, expected COCO's official layout")
    try:
        content = json.loads(read_text(path), object_hook=_slim)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}: not valid JSON: {error}") from None
    for section in sections:
        if not isinstance(content, dict) or not isinstance(content.get(section), list):
            raise UserError(f"{path}: no list {section!r}, expected COCO's official layout")
    return content


def _field(path: Path, record: Any, name: str, kind: type) -> Any:
    try:
        value = record[name]
    except (KeyError, TypeError):
        raise UserError(f"{path}: a record has no field {name!r}: {str(record)[:80]}") from None
    if not isinstance(value, kind) or isinstance(value, bool):
        expected = {int: "a whole number", str: "a text", list: "a list"}[kind]
        raise UserError(f"{path}: field {name!r} is {str(value)[:60]!r}, expected {expected}")
    return value
