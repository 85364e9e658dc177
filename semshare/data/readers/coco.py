"""COCO: ``annotations/{captions,instances}_*.json`` beside the folders of pictures, and what tools export like it.

The layouts of labelling tools, and how their texts are named, are described in :mod:`semshare.data.readers.exports`.
"""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from semshare.data.files import count_notes, find_pictures, last_part, missing_notes, moved_notes, name_few, pool_digest
from semshare.data.readers import splits
from semshare.data.readers.coco_labels import LABELS
from semshare.data.readers.exports import annotation_files, caption_files, named_texts, no_texts, picture_folder
from semshare.data.readers.instances import LAYOUT, Instances, InstancesById, official_files, read_captions
from semshare.data.readers.records import Records, read_sections
from semshare.data.readers.shapes import shape_notes
from semshare.data.source import SPLITS, FileSource, Item, Split
from semshare.errors import UserError
from semshare.utils.counts import counted

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from semshare.data.about import Status
    from semshare.data.readers.instances import Key

CAPTIONS = 5  # kept an image, as the paper does
DEV = 1000  # of the Karpathy split's 5,000 for validation
KARPATHY_SIZES: dict[Split, int] = {"train": 113_287, "dev": DEV, "test": 5000}
OFFICIAL_SIZES = {"train2014": 82_783, "val2014": 40_504, "train2017": 118_287, "val2017": 5000}
_KARPATHY: dict[str, Split] = {"train": "train", "restval": "train", "val": "dev", "test": "test"}

OWN = "Your own collection: its pictures and texts keep the licence they have."
LVIS = "LVIS annotations: CC BY 4.0. The photographs are COCO's and keep the licences of their Flickr authors."
ATTRIBUTION = "COCO annotations: COCO Consortium, CC BY 4.0. The photographs keep the licences of their Flickr authors."


class CocoSource(FileSource):
    """Every captioned and labelled picture of a COCO folder, split 60/20/20 by a seed.

    Files that are called train, val (or valid, dev...) and test are the splits themselves.
    Items come in ascending id. Category ids are not contiguous: labels are the category names in ascending id.
    Pictures without a caption or without a label are left out, as are captions past an image's fifth and pictures
    whose files are not here (where none is, all stay: simulated regions need none). Where ids begin anew in each
    file, an item's id is SPLIT/ID.

    Attributes:
        status: ``own``, unless the files are called as COCO's and LVIS's are, with COCO's labels: then ``subset`` up to
            100,000 pictures, ``real`` above.
        notes: counts that differ from the official ones and what was left out, one line each.
    """

    name = "coco"
    text_kind: Literal["tags", "captions"] = "captions"
    kind_known = "as this layout has"

    def __init__(self, root: Path, split_seed: int = 0, fields: Mapping[str, str] | None = None) -> None:
        """Read the annotations of ``root``.

        Args:
            root: the folder, or one file of annotations.
            split_seed: the seed of the split, where the files give none.
            fields: ``texts``: the field that holds the texts (:mod:`semshare.data.readers.exports`); by default
                they are in files of captions.

        Raises:
            UserError: a file or field that is off; the message names it.
        """
        self.root = Path(root)
        files = annotation_files(self.root) or official_files(self.root)
        instances = Instances(picture_folder(self.root), files)
        self.label_names, self.supercategories = instances.label_names, instances.supercategories
        keys = sorted(instances.names)
        anew = len({id for id, _ in keys}) < len(keys)
        named = {key: f"{key[1]}/{key[0]}" if anew else str(key[0]) for key in keys}
        texts_field = (fields or {}).get("texts")
        self.kind_known = "" if texts_field else self.kind_known
        captions, unlisted = _captions(instances, _texts(instances, files, texts_field))
        folder = instances.folder
        absent = [instances.names[key] for key in keys if key not in instances.paths]
        here = instances.paths or instances.names  # simulated regions need no picture
        self._files = {
            named[key]: instances.paths.get(key, self.root / key[1] / last_part(instances.names[key])) for key in keys
        }
        self.pool = f"coco-{pool_digest(self._files)}"
        described = [key for key in keys if captions[key] and instances.labels[key]]
        self._pool_ids = [named[key] for key in described]  # one that is not here yet may be, next time
        kept = [key for key in described if key in here]
        split_of, given = _splits(kept, files, split_seed)
        self._items = [
            Item(named[key], tuple(captions[key][:CAPTIONS]), instances.names_of(key), split=split_of[key])
            for key in kept
        ]
        lvis = all(path.name.startswith("lvis_") for path in files.values())
        named_as_cocos = not texts_field and all(path.name.startswith("instances_") for path in files.values())
        cocos = lvis or (named_as_cocos and set(self.label_names) <= set(LABELS))
        self.status: Status = ("subset" if len(kept) <= 100_000 else "real") if cocos else "own"
        self.attribution = LVIS if lvis else ATTRIBUTION if cocos else OWN
        pictures = instances.pictures
        counts = [
            (f"pictures of {split}", pictures[split], OFFICIAL_SIZES.get(split, pictures[split])) for split in pictures
        ]
        strays = counted(unlisted, "caption")
        more = [f"{folder}: {strays} of pictures that no 'images' lists, left out"] if unlisted else []
        official = cocos and (lvis or files.keys() <= OFFICIAL_SIZES.keys())
        if not given and not official and len(files) > 1:
            more.append(f"{' and '.join(files)} are not train, val and test: splits are drawn anew")
        if anew:
            more.append(f"{folder}: ids begin anew in each file, pictures are told apart as in {named[keys[0]]!r}")
        if bare := [named[key] for key in keys if not (captions[key] and instances.labels[key])]:
            more.append(
                f"{folder}: {counted(len(bare), 'picture')} without a caption or a label, left out: {name_few(bare)}"
            )
        if instances.paths:
            more += missing_notes(self.root, absent)
            sized = (key for key in kept if key in instances.sizes)
            more += shape_notes(self.root, ((named[key], instances.paths[key], instances.sizes[key]) for key in sized))
        else:
            more.append(f"{self.root}: none of the pictures is here, looked for {name_few(absent)}")
        self.notes = (*count_notes(folder, counts), *instances.notes, *more)

    def pool_ids(self) -> list[str]:
        return self._pool_ids


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
    kind_known = "as this layout has"
    attribution = ATTRIBUTION + " Split: A. Karpathy and L. Fei-Fei, CVPR 2015."

    def __init__(self, root: Path) -> None:
        """Read the split and the labels of ``root``; raises :class:`UserError` naming a file or field that is off."""
        self.root = Path(root)
        path = self.root / "dataset_coco.json"
        (records,) = read_sections(path, ("images",), LAYOUT)
        instances = InstancesById(self.root, official_files(self.root, "instances_*2014.json"))
        self.label_names, self.supercategories = instances.label_names, instances.supercategories
        items = _karpathy_items(records)
        paths = find_pictures(self.root, [name for name, _ in items.values()])
        self._files: dict[str, Path] = {}
        self._items: list[Item] = []
        unknown, absent = [], []
        owner: dict[Path, str] = {}
        for (id, (name, item)), file in zip(items.items(), paths, strict=True):
            if id not in instances.names:
                unknown.append(name)
            elif file is None:
                absent.append(name)
            elif (first := owner.setdefault(file, item.id)) != item.id:
                raise UserError(f"{path}: images {first} and {id} are both {name!r}, expected one id for each picture")
            else:
                self._files[item.id] = file
                self._items.append(replace(item, labels=instances.names_of(id)))
        if not self._items:
            raise UserError(f"{self.root}: no picture of dataset_coco.json here, expected train2014/ and val2014/")
        sizes = Counter(item.split for item in self._items)
        differing = count_notes(path, [(f"{name} pictures", sizes[name], KARPATHY_SIZES[name]) for name in SPLITS])
        lost = [f"{path}: {counted(len(unknown), 'picture')} in no instances_*2014.json, left out: {name_few(unknown)}"]
        shaped = (
            (id, file, instances.sizes[int(id)]) for id, file in self._files.items() if int(id) in instances.sizes
        )
        shapes = shape_notes(self.root, shaped)
        self.notes = (
            *differing,
            *instances.notes,
            *(lost if unknown else ()),
            *missing_notes(self.root, absent),
            *moved_notes(self.root, ((name, file) for (name, _), file in zip(items.values(), paths, strict=True))),
            *shapes,
        )
        self.status: Literal["real", "subset"] = "subset" if differing else "real"
        self.pool = f"coco-karpathy-{pool_digest(self._files)}"


def _texts(
    instances: Instances, files: Mapping[str, Path], field: str | None
) -> Iterable[tuple[str, list[tuple[Key, str]]]]:
    """The texts that the files of each split give, each with its picture, from ``field`` or files of captions."""
    if field:
        for split, texts in named_texts(files, field).items():
            yield split, list(dict.fromkeys((instances.key(id, split), text) for id, text in texts))
        return
    of_split, others = caption_files(files)
    for split, path in of_split.items():
        yield split, [(instances.key(id, split), text) for id, text in read_captions(path)]
    if not of_split and not others:
        raise no_texts(files)
    keys = instances.by_id() if others else {}
    for path in others:
        yield path.name, [(keys.get(id, (id, path.name)), text) for id, text in read_captions(path)]


def _captions(
    instances: Instances, texts: Iterable[tuple[str, list[tuple[Key, str]]]]
) -> tuple[dict[Key, list[str]], int]:
    """The captions of each picture, and how many are of pictures that are not listed."""
    captions: defaultdict[Key, list[str]] = defaultdict(list)
    unlisted = 0
    for split, listed in texts:
        for key, text in listed:
            unlisted += key not in instances.names
            if key[1] == split or text not in captions[key]:  # a picture of two files has its captions in both
                captions[key].append(text)
    return captions, unlisted


def _splits(keys: list[Key], files: Mapping[str, Path], seed: int) -> tuple[dict[Key, Split], bool]:
    """The split of each picture, and whether the files give it: one each for train, val and test; else it is drawn."""
    given = {name: split for name in files if (split := splits.meant(name))}
    if len(files) == len(given) == len(set(given.values())) == len(SPLITS):
        return {key: given[key[1]] for key in keys}, True
    return _split(keys, seed), False


def _split(keys: list[Key], seed: int) -> dict[Key, Split]:
    """60 % train, 20 % dev, 20 % test of the shuffled pictures."""
    shuffled = random.Random(seed).sample(keys, len(keys))
    first, second = len(keys) * 3 // 5, len(keys) * 4 // 5
    names: list[Split] = ["train"] * first + ["dev"] * (second - first) + ["test"] * (len(keys) - second)
    return dict(zip(shuffled, names, strict=True))


def _karpathy_items(records: Records) -> dict[int, tuple[str, Item]]:
    """The name of each picture and its item, yet without labels, by id; of validation the first 1,000."""
    columns = (
        records.column(name, kind)
        for name, kind in {"cocoid": int, "split": str, "filepath": str, "filename": str, "sentences": list}.items()
    )
    items: dict[int, tuple[str, Item]] = {}
    dev_seen = 0
    for row, (id, split, folder, file, sentences) in enumerate(zip(*columns, strict=True)):
        if split not in _KARPATHY:
            raise UserError(
                f"{records.at(row, 'split')} of image {id} is {split[:60]!r}, expected one of {', '.join(_KARPATHY)}"
            )
        if id in items:
            raise UserError(f"{records.at(row, 'cocoid')} is {id}: this image is listed twice")
        if not sentences:
            raise UserError(f"{records.at(row, 'sentences')} of image {id} is empty, expected {CAPTIONS}")
        raw = Records(records.path, f"{records.section}[{row}].sentences", sentences).column("raw", str)
        if not (texts := [text for text in raw if text.strip()]):
            raise UserError(f"{records.at(row, 'sentences')} of image {id}: all are blank, expected {CAPTIONS}")
        dev_seen += _KARPATHY[split] == "dev"
        if _KARPATHY[split] == "dev" and dev_seen > DEV:
            continue
        items[id] = (f"{folder}/{file}", Item(str(id), tuple(texts[:CAPTIONS]), (), _KARPATHY[split]))
    return items
