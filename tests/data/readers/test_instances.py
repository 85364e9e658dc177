"""COCO-like files as people have them: ids, categories and picture names that other tools write."""

from __future__ import annotations

import json
import unicodedata
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from semshare.data import prepare
from semshare.data.readers.coco import CocoSource
from semshare.data.readers.instances import Instances, official_files
from semshare.errors import UserError

CATEGORIES = [
    {"id": 1, "name": "cat", "supercategory": "animals"},
    {"id": 2, "name": "dog", "supercategory": "animals"},
]
SPLITS = ("train", "valid")


def _write(
    root: Path,
    split: str,
    names: list[str],
    labels: list[int],
    ids: list[int] | None = None,
    categories: list[dict[str, Any]] = CATEGORIES,
) -> None:
    """The two files of a split: picture n is called names[n] and has the category labels[n]."""
    (root / "annotations").mkdir(parents=True, exist_ok=True)
    ids = ids or list(range(1, len(names) + 1))
    images = [{"id": id, "file_name": name} for id, name in zip(ids, names, strict=True)]
    annotations = [{"image_id": id, "category_id": label} for id, label in zip(ids, labels, strict=True)]
    captions = [{"image_id": id, "caption": f"Picture {id} of {split}."} for id in ids]
    for kind, content in (
        ("instances", {"images": images, "annotations": annotations, "categories": categories}),
        ("captions", {"images": images, "annotations": captions}),
    ):
        path = root / "annotations" / f"{kind}_{split}.json"
        path.write_text(json.dumps(content), encoding="utf-8")


def _paint(folder: Path, names: list[str], red: int = 0) -> None:
    for number, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 6), (red + number, 0, 0)).save(folder / name)


def _anew(root: Path) -> Path:
    """Five pictures in each of two splits, with ids that begin anew: cats to train on, dogs to validate."""
    for split, label, red in (("train", 1, 0), ("valid", 2, 100)):
        names = [f"{split}_{n}.png" for n in range(5)]
        _write(root, split, names, [label] * 5)
        _paint(root / split, names, red)
    return root


def test_ids_that_begin_anew_are_told_apart_by_file(tmp_path: Path) -> None:
    source = CocoSource(_anew(tmp_path))
    items = {item.id: item for item in source.items()}
    assert sorted(items) == [f"{split}/{id}" for split in SPLITS for id in range(1, 6)]
    assert items["train/1"].labels == ("cat",) and items["valid/1"].labels == ("dog",)
    assert items["valid/2"].texts == ("Picture 2 of valid.",)
    assert source.picture("train/3").getpixel((0, 0))[0] == 2 and source.picture("valid/3").getpixel((0, 0))[0] == 102
    assert any("ids begin anew in each file, pictures are told apart as in 'train/1'" in note for note in source.notes)


def test_a_picture_that_two_files_list_is_one_picture(tmp_path: Path) -> None:
    names = [f"{n}.png" for n in range(6)]
    _write(tmp_path, "all", names, [1] * 6)
    _write(tmp_path, "mini", names[4:], [2, 1], ids=[5, 6])
    _paint(tmp_path / "all", names)
    source = CocoSource(tmp_path)
    assert [item.id for item in source.items()] == ["1", "2", "3", "4", "5", "6"]
    assert source.items()[4].labels == ("cat", "dog") and source.picture("5").getpixel((0, 0))[0] == 4
    assert source.items()[5].texts == ("Picture 6 of all.", "Picture 6 of mini.")
    assert f"{tmp_path}/annotations: 2 pictures are in a file before too: 5 of mini, 6 of mini" in source.notes


def test_an_id_twice_in_one_file(tmp_path: Path) -> None:
    names = ["a.png", "b.png", "c.png", "d.png", "e.png", "f.png"]
    _paint(tmp_path / "train", names)
    _write(tmp_path, "train", names, [1, 2, 1, 2, 1, 2], ids=[1, 2, 3, 4, 5, 3])
    path = tmp_path / "annotations" / "instances_train.json"
    with pytest.raises(UserError) as caught:
        CocoSource(tmp_path)
    assert str(caught.value) == (
        f"{path}: images[5].id is 3 ('f.png'), as images[2] ('c.png'), expected another id for each picture"
    )
    _write(tmp_path, "train", [*names[:5], "c.png"], [1, 2, 1, 2, 1, 1], ids=[1, 2, 3, 4, 5, 3])
    source = CocoSource(tmp_path)
    assert len(source.items()) == 5 and f"{path}: 1 picture is listed again, counted once" in source.notes


def test_a_picture_under_two_ids_is_refused(tmp_path: Path) -> None:
    names = ["a.png", "b.png", "c.png", "d.png", "a.png"]
    _paint(tmp_path / "train", names)
    _write(tmp_path, "train", names, [1, 2, 1, 2, 1])
    with pytest.raises(UserError, match=r"annotations: 'a.png' is image 1 of train and image 5 of train, expected one"):
        CocoSource(tmp_path)


@pytest.mark.parametrize(
    ("field", "value"), [("name", "hound"), ("supercategory", "pets")], ids=["name", "supercategory"]
)
def test_a_category_id_with_two_names_is_refused(tmp_path: Path, field: str, value: str) -> None:
    _anew(tmp_path)
    names = [f"valid_{n}.png" for n in range(5)]
    _write(tmp_path, "valid", names, [2] * 5, categories=[CATEGORIES[0], CATEGORIES[1] | {field: value}])
    with pytest.raises(UserError) as caught:
        CocoSource(tmp_path)
    assert str(caught.value) == (
        f"{tmp_path}/annotations/instances_valid.json: categories[1].{field} is {value!r}, but "
        f"{CATEGORIES[1][field]!r} in instances_train.json: categories[1], expected one {field} for category id 2"
    )


def test_two_categories_of_one_name_are_refused(tmp_path: Path) -> None:
    """Also where they are spelt with an accent of its own and with one that belongs to its letter."""
    _anew(tmp_path)
    spelt = [unicodedata.normalize(form, "café") for form in ("NFC", "NFD")]
    assert spelt[0] != spelt[1]
    categories = [{"id": id, "name": name, "supercategory": "room"} for id, name in enumerate(spelt, 1)]
    for split, label in (("train", 1), ("valid", 2)):
        _write(tmp_path, split, [f"{split}_{n}.png" for n in range(5)], [label] * 5, categories=categories)
    with pytest.raises(UserError, match=r"categories\[1\].name is 'café', as that of category 1; .* 1 and 2 another"):
        CocoSource(tmp_path)


def test_a_label_in_two_unicode_forms_is_one_label(tmp_path: Path) -> None:
    _anew(tmp_path)
    for split, form in (("train", "NFC"), ("valid", "NFD")):
        categories = [{"id": 1, "name": unicodedata.normalize(form, "café"), "supercategory": "room"}]
        _write(tmp_path, split, [f"{split}_{n}.png" for n in range(5)], [1] * 5, categories=categories)
    source = CocoSource(tmp_path)
    assert source.label_names == ("caf\u00e9",) and {item.labels for item in source.items()} == {("caf\u00e9",)}


@pytest.mark.parametrize("root_name", ["animals", "cat"])
def test_a_root_category_is_no_label(tmp_path: Path, root_name: str) -> None:
    """Roboflow writes one first; it may be named as a label is."""
    _anew(tmp_path)
    top = {"id": 0, "name": root_name, "supercategory": "none"}
    below = [category | {"supercategory": root_name} for category in CATEGORIES]
    for split, label in (("train", 1), ("valid", 2)):
        _write(tmp_path, split, [f"{split}_{n}.png" for n in range(5)], [label] * 5, categories=[top, *below])
    source = CocoSource(tmp_path)
    assert source.label_names == ("cat", "dog")
    assert source.supercategories == {"cat": root_name, "dog": root_name}
    said = f"category 0 {root_name!r} is no label: no annotation uses it, and it is the supercategory of 2 others"
    assert f"{tmp_path}/annotations: {said}" in source.notes
    # One that is used is a label.
    _write(tmp_path, "train", [f"train_{n}.png" for n in range(5)], [1, 1, 1, 1, 0], categories=[top, *below])
    if root_name == "animals":
        assert CocoSource(tmp_path).label_names == ("animals", "cat", "dog")


def test_a_category_that_is_its_own_supercategory_stays(tmp_path: Path) -> None:
    _anew(tmp_path)
    person = {"id": 3, "name": "person", "supercategory": "person"}
    for split, label in (("train", 1), ("valid", 2)):
        names = [f"{split}_{n}.png" for n in range(5)]
        _write(tmp_path, split, names, [label] * 5, categories=[*CATEGORIES, person])
    assert CocoSource(tmp_path).label_names == ("cat", "dog", "person")


def test_annotations_of_unlisted_pictures_are_counted(tmp_path: Path) -> None:
    _anew(tmp_path)
    path = tmp_path / "annotations" / "instances_train.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    content["annotations"].append({"image_id": 99, "category_id": 1})
    path.write_text(json.dumps(content), encoding="utf-8")
    note = f"{tmp_path}/annotations: 1 annotations of pictures that no 'images' lists, left out"
    assert note in CocoSource(tmp_path).notes


@pytest.mark.parametrize(
    "written",
    [
        "{}",
        "train/{}",
        "train\\{}",
        "C:\\Users\\me\\photos\\{}",
        "/home/me/photos/{}",
        "../images/{}",
        "https://example.org/photos/{}?size=large",
        "file:///data/{}",
    ],
)
@pytest.mark.parametrize("folder", ["train", "images/train", "images", ".", "train/deep/er"])
def test_pictures_are_found_by_their_last_part(tmp_path: Path, written: str, folder: str) -> None:
    names = [f"a {n}.png" for n in range(5)]
    quoted = [name.replace(" ", "%20") if "://" in written else name for name in names]
    _write(tmp_path, "train", [written.format(name) for name in quoted], [1, 2, 1, 2, 1])
    _paint(tmp_path / folder, names)
    source = CocoSource(tmp_path)
    assert [source.picture(str(id)).getpixel((0, 0))[0] for id in range(1, 6)] == [0, 1, 2, 3, 4]
    assert {path.resolve() for path in source.files.values()} == {
        (tmp_path / folder / name).resolve() for name in names
    }


def test_what_could_be_several_is_left_out_and_the_line_shows_what_was_looked_for(tmp_path: Path) -> None:
    names = [f"{n}.png" for n in range(6)]
    _write(tmp_path, "train", ["old/0.png", "old\\1.png", "x/2.png", *names[3:]], [1, 2, 1, 2, 1, 2])
    _paint(tmp_path / "train", [*(f"one/{name}" for name in names[:2]), "two/0.png", *names[3:]])
    source = CocoSource(tmp_path)
    assert [item.id for item in source.items()] == ["2", "4", "5", "6"]
    note = f"{tmp_path}: 2 pictures are not here (or several of that name), left out: 'old/0.png', 'x/2.png'"
    assert note in source.notes


def test_show_counts_what_is_left_and_names_labels_that_nothing_teaches(tmp_path: Path, own_home: Path) -> None:
    names = [f"{n}.png" for n in range(12)]
    rare = {"id": 3, "name": "rare", "supercategory": "animals"}
    _write(tmp_path, "train", names, [1, 2] * 5 + [3, 1], categories=[*CATEGORIES, rare])
    _paint(tmp_path / "train", names)
    (tmp_path / "train" / "10.png").unlink()
    (tmp_path / "train" / "11.png").unlink()
    shown = prepare.describe("coco", tmp_path)
    assert [part["images"] for part in shown["splits"].values()] == [6, 2, 2]
    assert shown["labels"] == {"cat": 5, "dog": 5, "rare": 0}
    gone = f"{tmp_path}: 2 pictures are not here (or several of that name), left out: '10.png', '11.png'"
    unlearnt = "1 of 3 labels has no picture to train on, no method can learn them: rare"
    assert gone in shown["notes"] and unlearnt in shown["notes"]
    assert f"  note: {gone}" in prepare.as_text(shown)
    made = prepare.prepare("coco", tmp_path, regions="simulated")
    assert gone in made["notes"] and unlearnt in made["notes"] and made["labels"] == shown["labels"]


def test_karpathys_split_needs_one_picture_for_each_id(tmp_path: Path) -> None:
    root = _anew(tmp_path)
    instances = Instances(root, official_files(root))
    with pytest.raises(UserError) as caught:
        instances.by_id()
    assert str(caught.value) == (
        f"{tmp_path}/annotations: image id 1 is 'train_0.png' in instances_train.json and 'valid_0.png' in "
        "instances_valid.json, expected one picture for each id"
    )


@pytest.mark.parametrize("there", [("train", "val"), ("train",), ()])
def test_train_val_and_test_stay_apart_where_a_folder_is_missing(tmp_path: Path, there: tuple[str, ...]) -> None:
    """Ids and names begin anew in each: what has no file is left out, and no picture takes another's place."""
    names = [f"{n}.jpg" for n in range(3)]
    for number, split in enumerate(("train", "val", "test")):
        _write(tmp_path, split, names, [1 + number % 2] * 3)
        if split in there:
            _paint(tmp_path / split, names, red=100 * number)
    source = CocoSource(tmp_path)
    expected = there or ("train", "val", "test")
    assert sorted(item.id for item in source.items()) == sorted(f"{split}/{n}" for split in expected for n in (1, 2, 3))
    for item in source.items():
        split, number = item.id.split("/")
        assert item.texts == (f"Picture {number} of {split}.",) and item.labels == (
            ("dog" if split == "val" else "cat"),
        )
    missing = {2: "3 pictures are", 1: "6 pictures are", 0: "none of the pictures is"}[len(there)]
    assert any(f"{missing} " in note and "here" in note for note in source.notes)


def test_pictures_that_another_folder_holds_are_named(tmp_path: Path) -> None:
    _write(tmp_path, "all", [f"/data/upload/{n}.png" for n in range(6)], [1] * 6)
    _paint(tmp_path / "images", [f"{n}.png" for n in range(6)])
    told = "6 pictures were found by the last part of the name alone: '/data/upload/0.png' is images/0.png, "
    assert any(told in note for note in CocoSource(tmp_path).notes)


def test_splits_that_are_drawn_anew_are_told(tmp_path: Path) -> None:
    for split in ("mine_train", "mine_test"):
        names = [f"{split}{n}.png" for n in range(5)]
        _write(tmp_path, split, names, [1] * 5)
        _paint(tmp_path / split, names)
    told = "mine_test and mine_train are not train, val and test: splits are drawn anew"
    assert told in CocoSource(tmp_path).notes


def test_ones_own_labels_under_cocos_file_names_are_not_cocos(tmp_path: Path) -> None:
    for label, status in (("dog", "subset"), ("zebra crossing", "own")):
        root = tmp_path / status
        names = [f"{n}.png" for n in range(5)]
        categories = [CATEGORIES[0], {"id": 2, "name": label, "supercategory": "things"}]
        _write(root, "train", names, [1, 2, 1, 2, 1], categories=categories)
        _paint(root / "train", names)
        assert CocoSource(root).status == status


def test_the_name_of_a_category_is_stripped_and_never_empty(tmp_path: Path) -> None:
    names = [f"{n}.png" for n in range(5)]
    _paint(tmp_path / "train", names)
    _write(tmp_path, "train", names, [1] * 5, categories=[{"id": 1, "name": " cat ", "supercategory": "animals"}])
    assert CocoSource(tmp_path).label_names == ("cat",)
    _write(tmp_path, "train", names, [1] * 5, categories=[{"id": 1, "name": " ", "supercategory": "animals"}])
    with pytest.raises(UserError, match=r"categories\[0\]\.name is ' ', expected the name of a label"):
        CocoSource(tmp_path)


def test_a_blank_caption_is_none(tmp_path: Path) -> None:
    names = [f"{n}.png" for n in range(5)]
    _paint(tmp_path / "train", names)
    _write(tmp_path, "train", names, [1] * 5)
    path = tmp_path / "annotations" / "captions_train.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    content["annotations"][0]["caption"] = "  "
    content["annotations"] += [{"image_id": 2, "caption": " "}]
    path.write_text(json.dumps(content), encoding="utf-8")
    source = CocoSource(tmp_path)
    assert {item.id: item.texts for item in source.items()}["2"] == ("Picture 2 of train.",)
    assert any("1 picture without a caption or a label, left out: 1" in note for note in source.notes)


def test_pictures_of_dev_that_lie_with_those_of_train_are_found(tmp_path: Path) -> None:
    """Dev was taken out of train, and its pictures stayed where they were."""
    for number, (split, folder) in enumerate((("train", "train"), ("val", "train"), ("test", "test"))):
        names = [f"{number}{n}.png" for n in range(4)]
        _write(tmp_path, split, names, [1 + number % 2] * 4, ids=[10 * number + n for n in range(1, 5)])
        _paint(tmp_path / folder, names)
    source = CocoSource(tmp_path)
    assert [item.split for item in source.items()] == ["train"] * 4 + ["dev"] * 4 + ["test"] * 4
    assert not any("not here" in note for note in source.notes)


def test_one_file_in_two_splits_is_one_picture_and_is_told(tmp_path: Path) -> None:
    names = [f"{n}.png" for n in range(4)]
    for split, part in (("train", names), ("val", names[3:]), ("test", ["9.png"])):
        _write(tmp_path, split, part, [1] * len(part), ids=[int(name[0]) + 1 for name in part])
    _paint(tmp_path / "images", [*names, "9.png"])
    source = CocoSource(tmp_path)
    assert sorted(item.id for item in source.items()) == ["1", "10", "2", "3", "4"]
    assert any("1 picture is in a file before too: 4 of val" in note for note in source.notes)


@pytest.mark.parametrize("name", ["default", "result"])
def test_one_file_is_split_without_a_word(tmp_path: Path, name: str) -> None:
    """As CVAT and Label Studio export."""
    names = [f"{n}.png" for n in range(5)]
    _write(tmp_path, name, names, [1] * 5)
    _paint(tmp_path / "images", names)
    assert not any("anew" in note for note in CocoSource(tmp_path).notes)
