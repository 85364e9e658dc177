"""Small exports in COCO's format as each labelling tool writes them, with the texts where people put them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from PIL import Image

CAPTIONS = ("A dog runs on the beach.", "Two cats sleep on a sofa.", "A bird sits in a tree.")
LABELS = ("dog", "cat", "bird")
COUNT = 12


def label_studio(root: Path) -> Path:
    """``result.json`` with ids from 0, categories without super-category, backslashes and sizes that may be null.

    Label Studio leaves texts out of this export: a script put them into the images' records as ``caption``.
    """
    images = [
        {"width": None if n == 3 else 8, "height": 6, "id": n, "file_name": f"images\\{n:02}.png", "caption": _text(n)}
        for n in range(COUNT)
    ]
    annotations = [_box(n, n, n % 3) | {"ignore": 0} for n in range(COUNT)]
    info = {"year": 2026, "version": "1.0", "description": "", "contributor": "Label Studio", "url": ""}
    categories = [{"id": n, "name": name} for n, name in enumerate(LABELS)]
    _write(root / "result.json", images=images, categories=categories, annotations=annotations, info=info)
    return _pictures(root / "images")


def cvat(root: Path) -> Path:
    """``annotations/instances_default.json`` with empty licences and super-categories, and ``attributes`` of boxes."""
    images = [
        {"id": n + 1, "width": 8, "height": 6, "file_name": f"{n:02}.png", "license": 0, "flickr_url": ""}
        | {"coco_url": "", "date_captured": 0}
        for n in range(COUNT)
    ]
    annotations = []
    for n in range(COUNT):  # two boxes a picture: the caption is written into the first, or into both
        for box in range(2):
            attributes = {"occluded": False, "caption": _text(n) if box == 0 or n % 2 else ""}
            annotations.append(_box(len(annotations) + 1, n + 1, n % 3 + 1) | {"attributes": attributes})
    categories = [{"id": n + 1, "name": name, "supercategory": ""} for n, name in enumerate(LABELS)]
    content = {
        "licenses": [{"name": "", "id": 0, "url": ""}],
        "info": {"contributor": "", "date_created": "", "description": "", "url": "", "version": "", "year": ""},
    }
    path = root / "annotations" / "instances_default.json"
    _write(path, **content, categories=categories, images=images, annotations=annotations)
    _pictures(root / "images" / "default")
    return root


def roboflow(root: Path) -> Path:
    """``train/``, ``valid/`` and ``test/``, ids from 0 in each, a root category 0 that nothing has, and ``extra``."""
    parts = {"train": range(8), "valid": range(8, 10), "test": range(10, COUNT)}
    for split, numbers in parts.items():
        images = [
            {"id": id, "license": 1, "file_name": f"{n:02}_png.rf.a{n}.png", "height": 6, "width": 8}
            | {"date_captured": "2026-01-01T00:00:00+00:00", "extra": {"name": f"{n:02}.png", "caption": _text(n)}}
            for id, n in enumerate(numbers)
        ]
        annotations = [_box(id, id, n % 3 + 1) for id, n in enumerate(numbers)]
        categories = [{"id": 0, "name": "animals", "supercategory": "none"}]
        categories += [{"id": n + 1, "name": name, "supercategory": "animals"} for n, name in enumerate(LABELS)]
        _write(
            root / split / "_annotations.coco.json",
            info={"year": "2026", "version": "1", "description": "Exported from roboflow.com", "contributor": ""},
            licenses=[{"id": 1, "url": "", "name": "CC BY 4.0"}],
            categories=categories,
            images=images,
            annotations=annotations,
        )
        for image in images:
            Image.new("RGB", (8, 6), (image["id"], 9, 9)).save(root / split / str(image["file_name"]))
    (root / "README.dataset.txt").write_text("animals > 2026\n", encoding="utf-8")
    return root


def lvis(root: Path) -> Path:
    """``lvis_v1_{train,val}.json`` without names of files but with addresses; captions are COCO's, by id.

    A picture of LVIS's val may be one of COCO's train, and COCO's captions are of more pictures than LVIS lists.
    """
    categories = [
        {"id": n + 1, "name": name, "synset": f"{name}.n.01", "synonyms": [name], "def": "an animal"}
        | {"frequency": "f", "image_count": 4, "instance_count": 4}
        for n, name in enumerate(LABELS)
    ]
    for split, numbers in {"train": range(8), "val": range(8, COUNT)}.items():
        images = [
            {"id": 100 + n, "width": 8, "height": 6, "license": 4, "date_captured": "2013-11-14 16:28:13"}
            | {"coco_url": f"http://images.cocodataset.org/{_coco(n)}/{100 + n:012}.png", "flickr_url": ""}
            | {"neg_category_ids": [1], "not_exhaustive_category_ids": []}
            for n in numbers
        ]
        annotations = [_box(n, 100 + n, n % 3 + 1) for n in numbers]
        path = root / "annotations" / f"lvis_v1_{split}.json"
        _write(path, info={}, licenses=[], categories=categories, images=images, annotations=annotations)
    for split in ("train2017", "val2017"):
        captions = [{"id": n, "image_id": 100 + n, "caption": _text(n)} for n in range(COUNT + 1) if _coco(n) == split]
        _write(root / "annotations" / f"captions_{split}.json", images=[], annotations=captions)
    for n in range(COUNT):
        path = root / _coco(n) / f"{100 + n:012}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 6), (n, 9, 9)).save(path)
    return root


# What is prepared how, and the super-categories that are there.
TOOLS = {
    "label-studio": (label_studio, {"texts": "caption"}),
    "cvat": (cvat, {"texts": "attributes.caption"}),
    "roboflow": (roboflow, {"texts": "extra.caption"}),
    "lvis": (lvis, {}),
}


def _coco(n: int) -> str:
    return "train2017" if n < 10 else "val2017"


def _text(n: int) -> str:
    return CAPTIONS[n % 3]


def _box(id: int, image: int, category: int) -> dict[str, Any]:
    return {"id": id, "image_id": image, "category_id": category, "segmentation": [], "area": 4.0} | {
        "bbox": [1, 1, 2, 2],
        "iscrowd": 0,
    }


def _write(path: Path, **content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content), encoding="utf-8")


def _pictures(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for n in range(COUNT):
        Image.new("RGB", (8, 6), (n, 9, 9)).save(folder / f"{n:02}.png")
    return folder.parent
