"""COCO's official layout: a tiny one made here, and 307 real photographs where they are at hand."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from pathlib import Path

import pytest
from PIL import Image

from semshare.data import catalogue
from semshare.data.dataset import check_items
from semshare.data.readers import coco
from semshare.data.readers.coco import CocoSource, KarpathySource
from semshare.data.readers.instances import InstancesById, official_files
from semshare.errors import UserError

# Ids with gaps and out of order, as COCO's own have gaps.
CATEGORIES = [
    {"id": 90, "name": "toothbrush", "supercategory": "indoor"},
    {"id": 1, "name": "person", "supercategory": "person"},
    {"id": 18, "name": "dog", "supercategory": "animal"},
]
IMAGES = range(100, 120)
NO_LABEL, NO_CAPTION = 118, 119


def _layout(root: Path) -> Path:
    """Twenty pictures in two splits; image n has category 1 or 18 or both, and six captions."""
    (root / "annotations").mkdir(parents=True)
    for split, ids in (("val2017", IMAGES[:12]), ("train2017", IMAGES[12:])):
        (root / split).mkdir()
        for id in ids:
            Image.new("RGB", (8, 6), (id, 0, 0)).save(root / split / f"{id:012d}.png")
        images = [{"id": id, "file_name": f"{id:012d}.png"} for id in ids]
        labels = [{"image_id": id, "category_id": 1} for id in ids if id % 2 and id != NO_LABEL]
        labels += [{"image_id": id, "category_id": 18} for id in ids if id % 3 != 1 and id != NO_LABEL]
        labels += [{"image_id": id, "category_id": 90} for id in ids if id != NO_LABEL] * 2
        captions = [{"image_id": id, "caption": f"Caption {n} of {id}."} for n in range(6) for id in ids]
        captions = [one for one in captions if one["image_id"] != NO_CAPTION]
        instances = {"images": images, "annotations": labels, "categories": CATEGORIES}
        (root / "annotations" / f"instances_{split}.json").write_text(json.dumps(instances), encoding="utf-8")
        written = {"images": images, "annotations": captions}
        (root / "annotations" / f"captions_{split}.json").write_text(json.dumps(written), encoding="utf-8")
    return root


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return _layout(tmp_path / "coco")


def _edit(path: Path, section: str, edit) -> None:
    content = json.loads(path.read_text(encoding="utf-8"))
    edit(content[section])
    path.write_text(json.dumps(content), encoding="utf-8")


def test_labels_are_names_in_ascending_id(root: Path) -> None:
    source = CocoSource(root)
    assert source.label_names == ("person", "dog", "toothbrush")
    assert source.supercategories == {"person": "person", "dog": "animal", "toothbrush": "indoor"}
    items = {item.id: item for item in source.items()}
    assert items["101"].labels == ("person", "dog", "toothbrush")
    assert items["100"].labels == ("toothbrush",)


def test_both_splits_are_read_and_what_lacks_a_label_or_caption_is_left_out(root: Path) -> None:
    ids = {int(item.id) for item in CocoSource(root).items()}
    assert ids == set(IMAGES) - {NO_LABEL, NO_CAPTION}
    assert CocoSource(root).pool_ids() == [item.id for item in CocoSource(root).items()]


def test_five_captions_are_kept_in_order(root: Path) -> None:
    for item in CocoSource(root).items():
        assert item.texts == tuple(f"Caption {n} of {item.id}." for n in range(5))


def test_the_split_is_60_20_20_disjoint_and_seeded(root: Path) -> None:
    def split(seed: int) -> dict[str, str]:
        return {item.id: item.split for item in CocoSource(root, seed).items()}

    names = list(split(0).values())
    assert (names.count("train"), names.count("dev"), names.count("test")) == (10, 4, 4)
    assert split(0) == split(0) and split(0) != split(1)
    check_items("coco", CocoSource(root).items(), CocoSource(root).label_names)


def test_pictures_are_opened_from_their_own_split(root: Path) -> None:
    source = CocoSource(root)
    for id in ("100", "115"):
        picture = source.picture(id)
        assert picture.mode == "RGB" and picture.size == (8, 6) and picture.getpixel((0, 0)) == (int(id), 0, 0)


def test_the_pool_is_named_by_the_folder_and_not_by_the_split(root: Path, tmp_path: Path) -> None:
    assert CocoSource(root).pool == CocoSource(root, 3).pool
    assert CocoSource(_layout(tmp_path / "other")).pool != CocoSource(root).pool


def test_a_part_of_coco_is_a_subset_and_says_what_is_missing(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = CocoSource(root)
    assert source.status == "subset"
    folder = root / "annotations"
    left_out = f"{folder}: 2 pictures without a caption or a label, left out: 118, 119"
    assert source.notes == (
        f"{folder}: 8 pictures of train2017, expected 118,287",
        f"{folder}: 12 pictures of val2017, expected 5,000",
        left_out,
    )
    monkeypatch.setattr(coco, "OFFICIAL_SIZES", {"train2017": 8, "val2017": 12})
    assert CocoSource(root).notes == (left_out,)


@pytest.mark.parametrize("where", ["nowhere", "empty"])
def test_a_missing_folder_is_named(tmp_path: Path, where: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=rf"{where}/annotations: no instances_\*.json here, expected COCO's"):
        CocoSource(tmp_path / where)


def test_a_missing_file_is_named(root: Path) -> None:
    (root / "annotations" / "captions_val2017.json").unlink()
    with pytest.raises(UserError, match=r"captions_val2017.json: missing"):
        CocoSource(root)


@pytest.mark.parametrize("name", ["captions_val2017.json", "instances_train2017.json"])
@pytest.mark.parametrize("content", [b"", b'{"images": [', b"\xff\xfe\x00"])
def test_invalid_json_is_named(root: Path, name: str, content: bytes) -> None:
    (root / "annotations" / name).write_bytes(content)
    with pytest.raises(
        UserError, match=f"{name}(: not valid JSON|, line 1: byte 0x00 at offset 2 is no UTF-16-LE text)"
    ):
        CocoSource(root)


@pytest.mark.parametrize("content", ["[]", "{}", '{"images": 3, "annotations": [], "categories": []}'])
def test_another_json_is_named(root: Path, content: str) -> None:
    (root / "annotations" / "instances_val2017.json").write_text(content, encoding="utf-8")
    with pytest.raises(UserError, match=r"instances_val2017.json: no list 'images', expected COCO's official layout"):
        CocoSource(root)


@pytest.mark.parametrize(
    ("file", "section", "field"),
    [
        ("instances_val2017.json", "images", "file_name"),
        ("instances_val2017.json", "annotations", "category_id"),
        ("captions_val2017.json", "annotations", "caption"),
        ("instances_val2017.json", "categories", "name"),
    ],
)
def test_a_missing_field_is_named_with_its_file(root: Path, file: str, section: str, field: str) -> None:
    for split in ("val2017", "train2017"):
        path = root / "annotations" / file.replace("val2017", split)
        _edit(path, section, lambda records: records[0].pop(field))
    with pytest.raises(UserError, match=rf"_(val|train)2017.json: {section}\[0\] has no field '{field}'"):
        CocoSource(root)


def test_an_unknown_category_is_named(root: Path) -> None:
    path = root / "annotations" / "instances_val2017.json"
    _edit(path, "annotations", lambda records: records[0].update(category_id=77))
    with pytest.raises(UserError, match="77"):
        CocoSource(root)


def test_a_missing_picture_is_left_out_and_named(root: Path) -> None:
    (root / "val2017" / "000000000100.png").unlink()
    source = CocoSource(root)
    splits = Counter(item.split for item in source.items())
    assert "100" not in [item.id for item in source.items()] and splits == {"train": 10, "dev": 3, "test": 4}
    note = f"{root}: 1 picture is not here (or several of that name), left out: '000000000100.png'"
    assert note in source.notes


def test_without_any_picture_all_items_stay_for_simulated_regions(root: Path) -> None:
    expected = CocoSource(root).items()
    for split in ("val2017", "train2017"):
        shutil.rmtree(root / split)
    source = CocoSource(root)
    assert source.items() == expected
    looked_for = "000000000100.png, 000000000101.png, 000000000102.png ... and 17 more"
    assert f"{root}: none of the pictures is here, looked for {looked_for}" in source.notes
    with pytest.raises(UserError, match=r"val2017/000000000100.png: cannot read this picture: there is no such file"):
        source.picture("100")


def test_a_damaged_picture_is_named(root: Path) -> None:
    (root / "val2017" / "000000000100.png").write_bytes(b"not a picture")
    with pytest.raises(UserError, match=r"000000000100.png: cannot read this picture"):
        CocoSource(root).picture("100")


@pytest.mark.parametrize(
    ("section", "change", "expected"),
    [
        ("images", {"id": [1]}, r"images\[0\].id is \[1\], a list, expected a whole number"),
        ("images", {"file_name": 3}, r"images\[0\].file_name is 3, a whole number, expected a text"),
        (
            "images",
            {"file_name": "a\0.png"},
            r"images\[0\].file_name is 'a.x00.png', half a character or an empty byte",
        ),
        ("images", {"id": "100"}, r"images\[0\].id is '100', a text, expected a whole number"),
        ("images", {"id": 100.0}, r"images\[0\].id is 100.0, a decimal number, expected a whole number"),
        ("images", {"id": True}, r"images\[0\].id is true, true or false, expected a whole number"),
        ("images", {"id": {"a": 1}}, r'images\[0\].id is {"a": 1}, an object, expected a whole number'),
        ("annotations", {"image_id": "100"}, r"annotations\[0\].image_id is '100', a text, expected a whole number"),
        ("annotations", {"category_id": "1"}, r"annotations\[0\].category_id is '1', a text, expected a whole number"),
        ("annotations", {"category_id": 77}, r"annotations\[0\].category_id is 77, which no file lists"),
        ("categories", {"id": 1.5}, r"categories\[0\].id is 1.5, a decimal number, expected a whole number"),
        ("categories", {"name": None}, r"categories\[0\].name is null, expected a text"),
    ],
)
def test_a_field_of_another_kind_is_named(root: Path, section: str, change: dict, expected: str) -> None:
    _edit(root / "annotations" / "instances_val2017.json", section, lambda records: records[0].update(change))
    for path in (root / "annotations").glob("*train2017.json"):
        path.unlink()
    with pytest.raises(UserError, match=rf"instances_val2017.json: {expected}"):
        CocoSource(root)


# Karpathy's split: 22 pictures, of which 105 has no label; 118 and 119 are in val2014, as is all of val and test.
KARPATHY = {"train": range(100, 110), "restval": (118, 119), "val": (113, 112, 111), "test": (117, 114, 116, 115)}


def _karpathy(root: Path) -> Path:
    (root / "annotations").mkdir(parents=True)
    records = []
    for split, ids in KARPATHY.items():
        for id in ids:
            folder = "train2014" if split == "train" else "val2014"
            name = f"COCO_{folder}_{id:012d}.png"
            (root / folder).mkdir(exist_ok=True)
            Image.new("RGB", (8, 6), (id, 0, 0)).save(root / folder / name)
            sentences = [{"raw": f"Caption {n} of {id}.", "tokens": [], "imgid": 0, "sentid": n} for n in range(6)]
            records.append({"filepath": folder, "filename": name, "cocoid": id, "split": split})
            records[-1] |= {"imgid": len(records), "sentids": [], "sentences": sentences}
    (root / "dataset_coco.json").write_text(json.dumps({"dataset": "coco", "images": records}), encoding="utf-8")
    for folder in ("train2014", "val2014"):
        images = [{"id": r["cocoid"], "file_name": r["filename"]} for r in records if r["filepath"] == folder]
        labels = [{"image_id": one["id"], "category_id": 18, "segmentation": [[1, 2]]} for one in images]
        labels = [one for one in labels if one["image_id"] != 105]
        content = {"images": images, "annotations": labels, "categories": CATEGORIES}
        (root / "annotations" / f"instances_{folder}.json").write_text(json.dumps(content), encoding="utf-8")
    return root


@pytest.fixture
def karpathy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A tiny COCO 2014 that is whole: its counts are the expected ones, and dev keeps two of three."""
    monkeypatch.setattr(coco, "DEV", 2)
    monkeypatch.setattr(coco, "KARPATHY_SIZES", {"train": 12, "dev": 2, "test": 4})
    return _karpathy(tmp_path / "coco")


def test_karpathys_split_is_kept_in_its_order(karpathy: Path) -> None:
    source = KarpathySource(karpathy)
    of = {split: [int(i.id) for i in source.items() if i.split == split] for split in ("train", "dev", "test")}
    assert of == {"train": [*range(100, 110), 118, 119], "dev": [113, 112], "test": [117, 114, 116, 115]}
    assert source.status == "real" and source.notes == ()
    assert source.label_names == ("person", "dog", "toothbrush")
    assert source.pool_ids() == [item.id for item in source.items()]
    check_items("coco5k", source.items(), source.label_names)


def test_five_sentences_are_kept_and_a_picture_without_a_label_stays(karpathy: Path) -> None:
    items = {int(item.id): item for item in KarpathySource(karpathy).items()}
    assert items[105].labels == () and items[104].labels == ("dog",)
    assert items[117].texts == tuple(f"Caption {n} of 117." for n in range(5))


def test_pictures_of_both_folders_are_opened(karpathy: Path) -> None:
    source = KarpathySource(karpathy)
    assert [source.picture(id).getpixel((0, 0))[0] for id in ("100", "118", "117")] == [100, 118, 117]


def test_what_is_not_here_is_left_out_and_counted(karpathy: Path) -> None:
    lost = karpathy / "val2014" / "COCO_val2014_000000000114.png"
    lost.unlink()
    names = [f"train2014/COCO_train2014_{id:012d}.png" for id in range(100, 103)]
    (karpathy / "annotations" / "instances_train2014.json").unlink()
    source = KarpathySource(karpathy)
    path = karpathy / "dataset_coco.json"
    assert source.status == "subset"
    assert source.notes == (
        f"{path}: 2 train pictures, expected 12",
        f"{path}: 3 test pictures, expected 4",
        f"{path}: 10 pictures in no instances_*2014.json, left out: {names[0]}, {names[1]}, {names[2]} ... and 7 more",
        f"{karpathy}: 1 picture is not here (or several of that name), left out: 'val2014/{lost.name}'",
    )


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"split": "dev"}, r"images\[2\].split of image 102 is 'dev', expected one of train, restval, val, test"),
        ({"split": None}, r"images\[2\].split is null, expected a text"),
        ({"cocoid": "102"}, r"images\[2\].cocoid is '102', a text, expected a whole number"),
        ({"cocoid": 100}, r"images\[2\].cocoid is 100: this image is listed twice"),
        ({"sentences": []}, r"images\[2\].sentences of image 102 is empty, expected 5"),
        ({"sentences": [{"tokens": ["a"]}]}, r"images\[2\].sentences\[0\] has no field 'raw'"),
        ({"sentences": "Caption."}, r"images\[2\].sentences is 'Caption.', a text, expected a list"),
    ],
)
def test_a_wrong_record_of_the_split_is_named(karpathy: Path, change: dict, expected: str) -> None:
    _edit(karpathy / "dataset_coco.json", "images", lambda records: records[2].update(change))
    with pytest.raises(UserError, match=f"dataset_coco.json: {expected}"):
        KarpathySource(karpathy)


def test_a_path_that_leaves_the_folder_is_never_opened(karpathy: Path) -> None:
    change = {"filepath": "..", "filename": "secret.png"}
    Image.new("RGB", (8, 6)).save(karpathy.parent / "secret.png")
    _edit(karpathy / "dataset_coco.json", "images", lambda records: records[2].update(change))
    assert "102" not in KarpathySource(karpathy).pool_ids()


def test_missing_parts_of_coco_2014_are_named(karpathy: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"nowhere/dataset_coco.json: missing, expected COCO's official layout"):
        KarpathySource(tmp_path / "nowhere")
    for folder in ("train2014", "val2014"):
        shutil.rmtree(karpathy / folder)
    with pytest.raises(UserError, match=r"no picture of dataset_coco.json here, expected train2014/ and val2014/"):
        KarpathySource(karpathy)
    for path in (karpathy / "annotations").iterdir():
        path.unlink()
    with pytest.raises(UserError, match=r"annotations: no instances_\*2014.json here"):
        KarpathySource(karpathy)


@pytest.mark.parametrize("name", ["coco", "coco5k", "coco1k"])
def test_cocos_entries_share_one_prepared_folder(own_home: Path, name: str) -> None:
    open_it = catalogue.entry(name).open
    expected = rf"root: missing; dataset '{name}' needs the folder that holds .*: run semshare data prepare {name},"
    with pytest.raises(UserError, match=expected):
        open_it("smoke", None, 0)
    prepared = _karpathy(own_home / "data" / "coco")
    if name == "coco":
        for split in ("train2014", "val2014"):
            content = json.loads((prepared / "annotations" / f"instances_{split}.json").read_text(encoding="utf-8"))
            captions = [{"image_id": one["id"], "caption": "One."} for one in content["images"]]
            written = {"images": content["images"], "annotations": captions}
            (prepared / "annotations" / f"captions_{split}.json").write_text(json.dumps(written), encoding="utf-8")
    assert open_it("smoke", None, 0).name == ("coco" if name == "coco" else "coco5k")


def test_coco1k_is_the_head_of_coco5k() -> None:
    assert catalogue.trained_as("coco1k") == "coco5k" and catalogue.entry("coco1k").test_size == 1000


def test_the_real_photographs(realdata: Path) -> None:
    source = CocoSource(realdata / "coco")
    items = source.items()
    assert len(items) == 307 and source.status == "subset"
    assert len(source.label_names) == len(source.supercategories) == 80
    assert source.label_names[0] == "person" and source.label_names[-1] == "toothbrush"
    assert all(len(item.texts) == 5 and all(text.strip() for text in item.texts) for item in items)
    assert all(item.labels for item in items)
    names = [item.split for item in items]
    assert (names.count("train"), names.count("dev"), names.count("test")) == (184, 61, 62)
    check_items("coco", items, source.label_names)
    for item in items[::60]:
        picture = source.picture(item.id)
        assert picture.mode == "RGB" and min(picture.size) > 50


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-be"])
def test_json_is_read_in_every_encoding(root: Path, encoding: str) -> None:
    expected = CocoSource(root).items()
    for path in (root / "annotations").glob("*.json"):
        path.write_text(path.read_text(encoding="utf-8"), encoding=encoding)
    assert CocoSource(root).items() == expected


def test_pictures_by_their_id_alone(karpathy: Path) -> None:
    instances = InstancesById(karpathy, official_files(karpathy, "instances_*2014.json"))
    assert instances.names_of(104) == ("dog",) and instances.names_of(105) == () and instances.names_of(1) == ()
    assert instances.paths[104] == karpathy / "train2014" / "COCO_train2014_000000000104.png"
    instances.paths[104].unlink()
    again = InstancesById(karpathy, official_files(karpathy, "instances_*2014.json"))
    assert 104 not in again.paths and again.names[104] == instances.names[104]
