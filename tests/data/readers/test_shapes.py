"""Pictures of another shape than their annotations say are listed by every reader of COCO's files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from semshare.data.readers.coco import CocoSource, KarpathySource
from semshare.data.readers.manifest import ManifestSource
from semshare.data.readers.shapes import shape_notes
from semshare.data.source import FileSource

IDS = range(100, 110)
LISTED = (40, 30)  # what the annotations say of every picture
ODD = 103


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """COCO 2014's layout with Karpathy's split: every picture is a small copy, but ``ODD``, which is a square."""
    root = tmp_path / "coco"
    (root / "annotations").mkdir(parents=True)
    (root / "train2014").mkdir()
    for id in IDS:
        Image.new("RGB", (15, 15) if id == ODD else (20, 15)).save(root / "train2014" / f"{id}.png")
    images = [{"id": id, "file_name": f"{id}.png", "width": LISTED[0], "height": LISTED[1]} for id in IDS]
    categories = [{"id": 1, "name": "dog", "supercategory": "animal"}]
    labels = [{"image_id": id, "category_id": 1} for id in IDS]
    captions = [{"image_id": id, "caption": f"a dog {id}"} for id in IDS]
    instances = {"images": images, "annotations": labels, "categories": categories}
    _write(root / "annotations" / "instances_train2014.json", instances)
    _write(root / "annotations" / "captions_train2014.json", {"images": images, "annotations": captions})
    splits = dict.fromkeys(IDS, "train") | {108: "val", 109: "test"}
    records = [
        {"cocoid": id, "split": splits[id], "filepath": "train2014", "filename": f"{id}.png"}
        | {"sentences": [{"raw": f"a dog {id}"}]}
        for id in IDS
    ]
    _write(root / "dataset_coco.json", {"images": records})
    _write(root / "some.json", {"dataset": "some", "train": [101, 103, 105], "dev": [106], "test": [107]})
    return root


def _write(path: Path, content: dict) -> None:
    path.write_text(json.dumps(content), encoding="utf-8")


def _source(reader: str, root: Path) -> FileSource:
    if reader == "manifest":
        return ManifestSource(root, root / "some.json")
    return CocoSource(root) if reader == "coco" else KarpathySource(root)


@pytest.mark.parametrize("reader", ["coco", "karpathy", "manifest"])
def test_a_picture_of_another_shape_is_listed_and_used(root: Path, reader: str) -> None:
    source = _source(reader, root)
    (note,) = [note for note in source.notes if "shape" in note]
    assert note.startswith(f"{root}: 1 picture has another shape than the annotations say") and note.endswith(": 103")
    assert source.picture("103").size == (15, 15) and "103" in {item.id for item in source.items()}


@pytest.mark.parametrize("reader", ["coco", "karpathy", "manifest"])
def test_small_copies_turned_ones_and_files_without_sizes_have_no_note(root: Path, reader: str) -> None:
    Image.new("RGB", (23, 31)).save(root / "train2014" / f"{ODD}.png")  # turned, and rounded
    assert not [note for note in _source(reader, root).notes if "shape" in note]
    Image.new("RGB", (9, 99)).save(root / "train2014" / f"{ODD}.png")
    path = root / "annotations" / "instances_train2014.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    for image, sides in zip(
        content["images"], [(None, 30), (0, 0), ("40", "30"), (True, 30), (10**400, 3)] * 2, strict=True
    ):
        image["width"], image["height"] = sides
    _write(path, content)
    assert not [note for note in _source(reader, root).notes if "shape" in note]


def test_a_picture_that_cannot_be_opened_is_told_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "cut.png").write_bytes(b"\x89PNG\r\n\x1a\n cut")
    assert shape_notes(tmp_path, [("cut", tmp_path / "cut.png", LISTED), ("none", tmp_path / "none.png", LISTED)]) == []


def test_the_real_photographs_have_their_shapes(realdata: Path) -> None:
    assert not [note for note in CocoSource(realdata / "coco").notes if "shape" in note]
