"""COCO in its official layout: ``annotations/{captions,instances}_*.json`` beside the folders of pictures."""

from __future__ import annotations

import hashlib
import json
import random
from collections import defaultdict
from pathlib import Path
from typing import Any

from PIL import Image

from semshare.data.source import Item, Split
from semshare.errors import UserError

_CAPTIONS = 5  # kept an image, as the paper does


class CocoSource:
    """Every captioned and labelled picture of a COCO folder, split 60/20/20 by a seed.

    Category ids are not contiguous: labels are the category names in ascending id. Pictures without a
    caption or without a label are left out, as are captions past an image's fifth.
    """

    name = "coco"
    text_kind = "captions"
    attribution = (
        "COCO annotations: COCO Consortium, CC BY 4.0. The photographs keep the licences of their Flickr authors."
    )

    def __init__(self, root: Path, split_seed: int = 0) -> None:
        """Read the annotations of ``root``; raises :class:`UserError` naming a file or field that is off."""
        self.root = Path(root)
        captions, labels, self._files = defaultdict(list), defaultdict(set), {}
        categories: dict[int, dict[str, Any]] = {}
        found = sorted((self.root / "annotations").glob("instances_*.json"))
        if not found:
            raise UserError(f"{self.root / 'annotations'}: no instances_*.json here, expected COCO's official layout")
        for path in found:
            split = path.stem.removeprefix("instances_")
            instances = _read(path, ("images", "annotations", "categories"))
            written = _read(path.with_name(f"captions_{split}.json"), ("images", "annotations"))
            categories |= {_field(path, c, "id"): c for c in instances["categories"]}
            for image in instances["images"]:
                self._files[_field(path, image, "id")] = self.root / split / _field(path, image, "file_name")
            for one in instances["annotations"]:
                labels[_field(path, one, "image_id")].add(_field(path, one, "category_id"))
            for one in written["annotations"]:
                captions[_field(path, one, "image_id")].append(_field(path, one, "caption"))
        self.label_names = tuple(_field(path, categories[id], "name") for id in sorted(categories))
        self.supercategories = {c["name"]: _field(path, c, "supercategory") for c in categories.values()}
        for id, used in labels.items():
            if unknown := used - categories.keys():
                raise UserError(
                    f"{self.root}: image {id} has category_id {min(unknown)}, which no instances file lists"
                )
        names = "\n".join(f"{id} {path.resolve()}" for id, path in sorted(self._files.items()))
        self.pool = f"coco-{hashlib.sha256(names.encode()).hexdigest()[:12]}"
        ids = [id for id in sorted(self._files) if captions[id] and labels[id]]
        splits = _split(ids, split_seed)
        self._items = [
            Item(
                id=str(id),
                texts=tuple(captions[id][:_CAPTIONS]),
                labels=tuple(categories[one]["name"] for one in sorted(labels[id])),
                split=splits[id],
            )
            for id in ids
        ]
        self.status = "real" if len(ids) > 100_000 else "subset"

    def items(self) -> list[Item]:
        return self._items

    def pool_ids(self) -> list[str]:
        return [item.id for item in self._items]

    def picture(self, id: str) -> Image.Image:
        path = self._files[int(id)]
        try:
            with Image.open(path) as image:
                return image.convert("RGB")
        except OSError as error:
            raise UserError(f"{path}: cannot read this picture: {error}") from None


def _split(ids: list[int], seed: int) -> dict[int, Split]:
    """60 % train, 20 % dev, 20 % test of the shuffled ids."""
    shuffled = random.Random(seed).sample(ids, len(ids))
    first, second = len(ids) * 3 // 5, len(ids) * 4 // 5
    names: list[Split] = ["train"] * first + ["dev"] * (second - first) + ["test"] * (len(ids) - second)
    return dict(zip(shuffled, names, strict=True))


def _read(path: Path, sections: tuple[str, ...]) -> dict[str, list[dict[str, Any]]]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{path}: missing, expected COCO's official layout") from None
    except ValueError as error:
        raise UserError(f"{path}: not valid JSON: {error}") from None
    for section in sections:
        if not isinstance(content, dict) or not isinstance(content.get(section), list):
            raise UserError(f"{path}: no list {section!r}, expected COCO's official layout")
    return content


def _field(path: Path, record: dict[str, Any], name: str) -> Any:
    try:
        return record[name]
    except (KeyError, TypeError):
        raise UserError(f"{path}: a record has no field {name!r}: {str(record)[:80]}") from None
