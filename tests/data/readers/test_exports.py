"""Exports of Label Studio, CVAT, Roboflow and LVIS, read by COCO's reader, with texts from a field that is named."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from coco_exports import CAPTIONS, COUNT, LABELS, TOOLS, cvat, label_studio, lvis, roboflow

from semshare.data.collections import read, recognised
from semshare.data.readers.coco import CocoSource
from semshare.data.readers.exports import annotation_files, picture_folder
from semshare.errors import UserError


def _edit(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    content = json.loads(path.read_text(encoding="utf-8"))
    change(content)
    path.write_text(json.dumps(content), encoding="utf-8")


@pytest.mark.parametrize("tool", TOOLS)
def test_each_tools_export_is_recognised_and_every_picture_has_its_text_and_label(tool: str, tmp_path: Path) -> None:
    make, fields = TOOLS[tool]
    root = make(tmp_path / "own")
    layout = recognised(root)
    assert layout.name == "coco"
    source = read(layout, root, 0, fields)
    items = source.items()
    assert len(items) == COUNT and source.label_names == LABELS
    numbers = []
    for item in items:
        assert item.texts == (CAPTIONS[LABELS.index(item.labels[0])],) and len(item.labels) == 1
        assert source.picture(item.id).size == (8, 6)
        numbers.append(source.files[item.id])
    assert len(set(numbers)) == COUNT
    assert source.status == ("own" if fields else "subset") and {item.split for item in items} == {
        "train",
        "dev",
        "test",
    }
    assert source.kind_known == ("" if fields else "as this layout has")


def test_roboflows_folders_are_the_splits_and_its_root_category_is_no_label(tmp_path: Path) -> None:
    source = CocoSource(roboflow(tmp_path), 0, {"texts": "extra.caption"})
    splits = {split: [item.id for item in source.items() if item.split == split] for split in ("train", "dev", "test")}
    assert {split: len(ids) for split, ids in splits.items()} == {"train": 8, "dev": 2, "test": 2}
    assert splits["dev"] == ["valid/0", "valid/1"]
    assert source.supercategories == dict.fromkeys(LABELS, "animals")
    assert any("category 0 'animals' is no label" in note for note in source.notes)


def test_folders_that_are_not_all_three_splits_are_split_anew_and_it_is_said(tmp_path: Path) -> None:
    root = roboflow(tmp_path)
    (root / "test" / "_annotations.coco.json").unlink()
    source = CocoSource(root, 0, {"texts": "extra.caption"})
    assert {item.split for item in source.items()} == {"train", "dev", "test"} and len(source.items()) == 10
    assert "train and valid are not train, val and test: splits are drawn anew" in source.notes
    assert [note for note in CocoSource(lvis(tmp_path / "lvis")).notes if "drawn anew" in note] == []


def test_lvis_has_cocos_captions_by_id_and_its_pictures_by_their_addresses(tmp_path: Path) -> None:
    source = CocoSource(lvis(tmp_path))
    assert source.files["109"] == tmp_path / "train2017" / "000000000109.png"  # of LVIS's val, of COCO's train
    assert source.supercategories == {} and "LVIS" in source.attribution
    assert any(note.endswith("1 caption of pictures that no 'images' lists, left out") for note in source.notes)


def test_one_file_of_any_name_is_an_export_too(tmp_path: Path) -> None:
    path = cvat(tmp_path) / "annotations" / "instances_default.json"
    assert annotation_files(path) == {"default": path} and picture_folder(path) == tmp_path
    assert len(CocoSource(path, 0, {"texts": "attributes.caption"}).items()) == COUNT
    other = (label_studio(tmp_path / "b") / "result.json").rename(tmp_path / "b" / "animals.json")
    assert recognised(other).name == "coco" and len(CocoSource(other, 0, {"texts": "caption"}).items()) == COUNT


def test_cvats_empty_attributes_are_no_texts_and_a_text_of_two_boxes_is_one(tmp_path: Path) -> None:
    root = cvat(tmp_path)
    _edit(root / "annotations" / "instances_default.json", lambda content: content["annotations"][0].pop("attributes"))
    source = CocoSource(root, 0, {"texts": "attributes.caption"})
    assert len(source.items()) == COUNT - 1 and all(len(item.texts) == 1 for item in source.items())
    assert any("1 picture without a caption or a label, left out: 1" in note for note in source.notes)


def test_a_list_gives_several_texts_of_which_five_are_kept(tmp_path: Path) -> None:
    root = label_studio(tmp_path)
    texts = [f"Text {n}." for n in range(7)]
    _edit(root / "result.json", lambda content: content["images"][0].update(caption=[*texts, None, " "]))
    assert CocoSource(root, 0, {"texts": "images.caption"}).items()[0].texts == tuple(texts[:5])


def test_a_file_beside_may_give_super_categories_and_some_of_the_files_own_are_none(tmp_path: Path) -> None:
    root = cvat(tmp_path)
    path = root / "annotations" / "instances_default.json"
    _edit(path, lambda content: content["categories"][0].update(supercategory="pet"))
    fields = {"texts": "attributes.caption"}
    source = read(recognised(root), root, 0, fields)
    assert source.supercategories == {}
    assert any("2 of 3 categories have no supercategory, so that none is used: cat, bird" in n for n in source.notes)
    (root / "supercategories.yaml").write_text("pet: [dog, cat]\nwild: [bird]\n", encoding="utf-8")
    assert read(recognised(root), root, 0, fields).supercategories == {"dog": "pet", "cat": "pet", "bird": "wild"}


MISTAKES: dict[str, tuple[Callable[[Path], Path], dict[str, str], str]] = {
    "no field named": (
        cvat,
        {},
        "captions_*.json: missing, expected COCO's official layout, or a field that holds the texts, named with "
        "--field texts=FIELD; texts are in annotations.attributes.caption",
    ),
    "no such field": (
        label_studio,
        {"texts": "captoin"},
        "field: texts: no record has 'captoin', expected a field that holds texts; texts are in images.caption",
    ),
    "in the other records": (label_studio, {"texts": "annotations.caption"}, "no record has 'annotations.caption'"),
    "no text": (
        label_studio,
        {"texts": "height"},
        "result.json: images[0].height is 6, a whole number, expected a text or a list of texts",
    ),
    "in both": (
        label_studio,
        {"texts": "id"},
        "field: texts: images and annotations have 'id', expected images.id or annotations.id",
    ),
    "another role": (
        label_studio,
        {"labels": "caption"},
        "field: found 'labels', expected texts: annotations in COCO's",
    ),
}


def _dotted(image: dict[str, Any]) -> None:
    text = image.pop("caption")
    image |= {"a.b": text, "a": {"b": None, "c.d": {"e": text}}}


@pytest.mark.parametrize("name", ["a.b", "images.a.b", "a.c.d.e"])
def test_a_key_may_have_dots_in_it(name: str, tmp_path: Path) -> None:
    root = label_studio(tmp_path)
    _edit(root / "result.json", lambda content: [_dotted(image) for image in content["images"]])
    texts = [item.texts for item in CocoSource(root, 0, {"texts": name}).items()]
    assert texts == [(CAPTIONS[n % 3],) for n in range(COUNT)]
    with pytest.raises(UserError, match=r"no record has 'a.d', .*; texts are in images.a.b, images.a.c.d.e$"):
        CocoSource(root, 0, {"texts": "a.d"})


def test_fields_are_listed_however_deep_a_record_is_nested(tmp_path: Path) -> None:
    root = label_studio(tmp_path)
    path = root / "result.json"
    deep = '{"a": ' * 600 + '{"note": "x"}' + "}" * 600
    path.write_text(path.read_text(encoding="utf-8").replace('"caption":', f'"extra": {deep}, "caption":', 1), "utf-8")
    with pytest.raises(UserError, match=r"texts are in images.extra.a.a.a.a.*, images.caption$"):
        read(recognised(root), root)


def test_a_folder_of_annotations_that_cannot_be_listed_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = cvat(tmp_path)
    scandir = os.scandir

    def refuse(path: Any) -> Any:
        if Path(path).name == "annotations":
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))  # root may list every folder
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(UserError, match=r"annotations: cannot be listed: Permission denied$"):
        recognised(root)


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_says_which_fields_hold_texts(mistake: str, tmp_path: Path) -> None:
    make, fields, expected = MISTAKES[mistake]
    root = make(tmp_path)
    with pytest.raises(UserError) as caught:
        read(recognised(root), root, 0, fields)
    assert expected in str(caught.value) and "\n" not in str(caught.value)


def test_a_list_of_tasks_is_no_export_in_cocos_format(tmp_path: Path) -> None:
    """Label Studio calls its own JSON export result.json as well."""
    (tmp_path / "result.json").write_text('[{"id": 1}]', encoding="utf-8")
    with pytest.raises(UserError, match=r"result.json: no list 'images', expected COCO's official layout"):
        read(recognised(tmp_path), tmp_path)
