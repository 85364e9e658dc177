"""Parts of COCO by a manifest: both kinds of folder, what is missing, and a dataset of one's own ids."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from commands import run
from PIL import Image

from semshare.data import catalogue, prepare
from semshare.data.dataset import items_checksum
from semshare.data.readers import coco_labels, manifest
from semshare.data.readers.manifest import COCO16K, ManifestSource, read_manifest
from semshare.data.scenes.things import SUPERCATEGORIES as DRAWN
from semshare.errors import UserError
from semshare.utils.text_files import read_lines

IDS = {"train": [9, 25, 30, 34, 36, 42], "dev": [49, 61], "test": [64, 71]}
ALL = sorted(id for ids in IDS.values() for id in ids)
# Category ids with gaps, as COCO's own have; "person" is in every picture, "dog" in those of even id.
CATEGORIES = [
    {"id": 18, "name": "dog", "supercategory": "animal"},
    {"id": 1, "name": "person", "supercategory": "person"},
]


def _labels(id: int) -> list[str]:
    return ["person"] if id % 2 else ["person", "dog"]


def _picture(path: Path, id: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (12, 10), (id, 0, 255 - id)).save(path)


def _copies(root: Path, ids: list[int] = ALL, change: Callable[[list[dict]], None] = lambda rows: None) -> Path:
    """A folder of small copies with ``pairs.jsonl``: one caption a picture."""
    rows = []
    for id in ids:
        _picture(root / "train2014" / f"{id}.png", id)
        split = next((split for split, listed in IDS.items() if id in listed), "train")
        image, texts = f"train2014/{id}.png", [f"a picture number {id}"]
        rows.append({"image": image, "texts": texts, "labels": _labels(id), "split": split, "id": str(id)})
    change(rows)
    (root / manifest.PAIRS).write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return root


def _official(root: Path, ids: list[int] = ALL) -> Path:
    """COCO 2014's official layout, a half of the ids in either split, six captions a picture."""
    for split, part in (("train2014", ids[::2]), ("val2014", ids[1::2])):
        for id in part:
            _picture(root / split / f"COCO_{split}_{id:012d}.png", id)
        images = [{"id": id, "file_name": f"COCO_{split}_{id:012d}.png"} for id in part]
        labels = [{"image_id": id, "category_id": 18 if name == "dog" else 1} for id in part for name in _labels(id)]
        captions = [{"image_id": id, "caption": f"caption {n} of {id}"} for n in range(6) for id in part]
        contents = {
            "instances": {"images": images, "annotations": labels, "categories": CATEGORIES},
            "captions": {"images": images, "annotations": captions},
        }
        (root / "annotations").mkdir(parents=True, exist_ok=True)
        for kind, content in contents.items():
            (root / "annotations" / f"{kind}_{split}.json").write_text(json.dumps(content), encoding="utf-8")
    return root


@pytest.fixture
def listed(tmp_path: Path) -> Path:
    """The manifest of a dataset called ``mine``."""
    path = tmp_path / "mine.json"
    path.write_text(json.dumps({"dataset": "mine", "rule": "by hand", **IDS}), encoding="utf-8")
    return path


def test_the_labels_are_cocos_80_in_order_and_the_drawn_scenes_agree() -> None:
    assert len(coco_labels.LABELS) == 80 and len(set(coco_labels.SUPERCATEGORIES.values())) == 12
    assert [name for name in coco_labels.LABELS if name in DRAWN] == list(DRAWN)
    assert all(coco_labels.SUPERCATEGORIES[name] == group for name, group in DRAWN.items())


def test_the_labels_are_those_of_the_official_files(realdata: Path) -> None:
    (path, *_) = sorted((realdata / "coco" / "annotations").glob("instances_*.json"))
    categories = sorted(json.loads(path.read_text(encoding="utf-8"))["categories"], key=lambda record: record["id"])
    assert [(record["name"], record["supercategory"]) for record in categories] == list(
        coco_labels.SUPERCATEGORIES.items()
    )


def test_the_shipped_manifest_has_its_sizes_and_nothing_but_ids() -> None:
    found = read_manifest(COCO16K)
    assert found.name == "coco16k" and "seed 2021" in found.rule
    assert Counter(found.splits.values()) == {"train": 12_000, "dev": 2000, "test": 2000}
    assert set(json.loads(COCO16K.read_text(encoding="utf-8"))) == {"dataset", "rule", "train", "dev", "test"}


def test_the_shipped_manifest_is_the_real_datas(realdata: Path) -> None:
    splits = read_manifest(COCO16K).splits
    rows = [json.loads(line) for line in read_lines(realdata / "coco16k" / manifest.PAIRS)[:200]]
    assert [splits[int(row["id"])] for row in rows] == [row["split"] for row in rows]


def test_small_copies_are_read(tmp_path: Path, listed: Path) -> None:
    source = ManifestSource(_copies(tmp_path / "copies"), listed)
    items = source.items()
    assert [int(item.id) for item in items] == ALL
    assert {split: [int(item.id) for item in items if item.split == split] for split in IDS} == IDS
    assert all(item.texts == (f"a picture number {item.id}",) for item in items)
    assert all(item.labels == tuple(_labels(int(item.id))) for item in items)
    assert source.label_names == coco_labels.LABELS and source.supercategories["dog"] == "animal"
    assert source.status == "subset" and source.name == "mine"
    assert source.notes == (
        "read from pairs.jsonl and the copies it names: one caption a picture",
        "how it was drawn: by hand",
    )
    assert source.picture("42").getpixel((0, 0)) == (42, 0, 213)


def test_official_files_give_five_captions_and_another_checksum(tmp_path: Path, listed: Path) -> None:
    copies = ManifestSource(_copies(tmp_path / "copies"), listed)
    source = ManifestSource(_official(tmp_path / "official", [*ALL, 99, 100]), listed)
    items = source.items()
    assert [item.id for item in items] == [item.id for item in copies.items()]
    assert [item.labels for item in items] == [item.labels for item in copies.items()]
    assert [item.split for item in items] == [item.split for item in copies.items()]
    assert items[0].texts == tuple(f"caption {n} of 9" for n in range(5))
    assert source.notes[0] == "read from COCO's official annotations and pictures: 5 captions a picture"
    assert source.notes[0] in source.attribution and copies.notes[0] in copies.attribution  # what pages and cards show
    assert items_checksum(items, source.label_names) != items_checksum(copies.items(), copies.label_names)
    assert source.picture("25").getpixel((0, 0)) == (25, 0, 230) and source.pool != copies.pool


def test_official_annotations_win_where_both_are_there(tmp_path: Path, listed: Path) -> None:
    assert "official" in ManifestSource(_copies(_official(tmp_path / "both")), listed).notes[0]


def test_what_is_missing_is_counted_and_the_first_few_are_named(tmp_path: Path, listed: Path) -> None:
    def change(rows: list[dict]) -> None:
        rows[0]["texts"] = [" "]  # 9
        rows[1]["labels"] = []  # 25
        rows[2]["split"] = "test"  # 30: the manifest says train
        del rows[3]  # 34

    root = _copies(tmp_path / "copies", [*ALL, 500], change)
    (root / "train2014" / "36.png").unlink()
    source = ManifestSource(root, listed)
    assert [int(item.id) for item in source.items()] == [30, 42, 49, 61, 64, 71]
    assert {item.id: item.split for item in source.items()}["30"] == "train"
    assert set(source.notes[2:]) == {
        "1 of the manifest's 10 without caption, left out: 9",
        "1 of the manifest's 10 without label, left out: 25",
        "1 of the manifest's 10 not described here, left out: 34",
        "1 of the manifest's 10 without picture, left out: 36",
        f"{root}/pairs.jsonl: 1 row whose id is not in the manifest, not used",
        f"{root}/pairs.jsonl: 1 row names another split than the manifest, whose split was taken",
    }
    few = ManifestSource(_official(tmp_path / "few", [9, 49, 64]), listed)
    assert few.notes[2] == "7 of the manifest's 10 not described here, left out: 25, 30, 34 and 4 more"


def test_official_pictures_that_are_not_here_are_counted(tmp_path: Path, listed: Path) -> None:
    root = _official(tmp_path / "official")
    (root / "train2014" / f"COCO_train2014_{9:012d}.png").unlink()
    assert ManifestSource(root, listed).notes[2] == "1 of the manifest's 10 without picture, left out: 9"


def test_a_folder_without_any_is_refused(tmp_path: Path, listed: Path) -> None:
    with pytest.raises(UserError, match=r"neither annotations/ nor pairs.jsonl here"):
        ManifestSource(tmp_path, listed)
    with pytest.raises(UserError, match=r"no picture of .*mine.json can be used\n10 of .* not described here"):
        ManifestSource(_copies(tmp_path / "other", [500]), listed)


def test_smoke_takes_a_seeded_part(tmp_path: Path, listed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(manifest, "SMOKE_SIZES", {"train": 3, "dev": 1, "test": 1})
    root = _copies(tmp_path / "copies")
    part, whole = (ManifestSource(root, listed, scale) for scale in ("smoke", "laptop"))
    assert Counter(item.split for item in part.items()) == {"train": 3, "dev": 1, "test": 1}
    assert len(whole.items()) == 10 and set(part.items()) < set(whole.items())
    assert ManifestSource(root, listed, "smoke").items() == part.items() and part.pool != whole.pool
    trained = [int(item.id) for item in part.items() if item.split == "train"]
    assert trained != IDS["train"][:3]  # by a hash, not the first


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"id": "x"}, r"line 2: id: found 'x', a text, expected a COCO id"),
        ({"id": True}, r"line 2: id: found true, true or false, expected"),
        ({"id": "9"}, r"line 2: id: 9 is the id of line 1 already"),
        ({"image": "../9.png"}, r"line 2: image: found '\.\./9.png', a text, expected the path of a picture inside"),
        ({"texts": "one"}, r"line 2: texts: found 'one', a text, expected a list of texts"),
        ({"labels": ["cow", "unicorn"]}, r"line 2: labels: found 'unicorn', expected names of COCO's 80"),
    ],
)
def test_a_wrong_row_is_told_by_line_and_field(change: dict, told: str, tmp_path: Path, listed: Path) -> None:
    root = _copies(tmp_path / "copies", change=lambda rows: rows[1].update(change))
    with pytest.raises(UserError, match=told):
        ManifestSource(root, listed)


def test_a_line_that_is_no_json_is_told(tmp_path: Path, listed: Path) -> None:
    root = _copies(tmp_path / "copies")
    with open(root / manifest.PAIRS, "a", encoding="utf-8") as file:
        file.write("\n{\n[1]")
    with pytest.raises(
        UserError, match=r"line 11: not valid JSON: .*\n.*line 12: found \[1\], a list, expected an object"
    ):
        ManifestSource(root, listed)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"dataset": "../up"}, r"dataset: found '../up', a text, expected a name"),
        ({"dataset": None}, r"dataset: found null, expected"),
        ({"rule": 3}, r"rule: found 3, a whole number, expected a text"),
        ({"train": []}, r"train: found \[\], a list, expected a list of COCO ids"),
        ({"dev": None}, r"dev: missing, expected a list"),
        ({"test": ["64"]}, r"test: found '64', a text, expected a COCO id: a whole number"),
        ({"test": [9]}, r"test: id 9 is in train already, expected each id once"),
        ({"split": 1}, r"unknown field 'split', expected dataset, rule, train, dev, test"),
    ],
)
def test_a_wrong_manifest_is_told_by_file_and_field(change: dict, told: str, tmp_path: Path) -> None:
    path = tmp_path / "wrong.json"
    path.write_text(json.dumps({"dataset": "mine", "rule": "by hand", **IDS} | change), encoding="utf-8")
    with pytest.raises(UserError, match=rf"^{path}: {told}"):
        read_manifest(path)


@pytest.mark.parametrize(
    ("content", "told"), [("{", "not valid JSON"), ("[1]", r"found \[1\], a list, expected an object")]
)
def test_a_manifest_that_is_no_object_is_told(content: str, told: str, tmp_path: Path) -> None:
    path = tmp_path / "wrong.json"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(UserError, match=told):
        read_manifest(path)
    with pytest.raises(UserError, match="missing"):
        read_manifest(tmp_path / "none.json")


def test_ids_of_ones_own_become_a_dataset_that_is_found_by_its_name(
    tmp_path: Path, listed: Path, own_home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    root = _copies(tmp_path / "copies")
    (root / "train2014" / "25.png").write_bytes(b"no picture")
    assert run(monkeypatch, "data", "prepare", "mine", "--manifest", listed, "--root", root, "--device", "cpu") == 0
    assert "1 picture cannot be used, left out: 25: " in capsys.readouterr().out
    listed.unlink()  # the home has a copy
    assert run(monkeypatch, "data", "show", "mine", "--json") == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["root"] == str(root) and shown["status"] == "subset"
    assert shown["splits"]["train"] == {"images": 5, "texts": 5}
    assert run(monkeypatch, "data", "list", "--json") == 0
    rows = {row["dataset"]: row for row in json.loads(capsys.readouterr().out)}
    assert rows["mine"] == {"dataset": "mine", "texts": "captions", "root": str(root)}
    assert rows["coco16k"]["root"] == "not prepared" and rows["scenes-coco1k"]["root"] == "needs no files"
    with pytest.raises(UserError, match=r"unknown 'mime', expected one of .*custom, mine$"):
        catalogue.entry("mime")
    dataset = catalogue.load("mine", "laptop")
    assert dataset.images("train").features.shape == (5, 36, 1280) and dataset.supercategories["dog"] == "animal"


def test_a_manifest_that_cannot_be_used_is_not_remembered(tmp_path: Path, listed: Path, own_home: Path) -> None:
    with pytest.raises(UserError, match="neither annotations/ nor"):
        (tmp_path / "empty").mkdir()
        (tmp_path / "empty" / "file").touch()
        prepare.prepare("mine", tmp_path / "empty", manifest=listed)
    assert manifest.remembered_names() == []
    prepare.prepare("mine", _copies(tmp_path / "copies"), regions="simulated", manifest=listed)
    kept = manifest.remembered("mine")
    assert kept is not None and read_manifest(kept) == read_manifest(listed)
    listed.write_text(json.dumps({"dataset": "mine", "train": [1], "dev": [2], "test": [3]}), encoding="utf-8")
    with pytest.raises(UserError, match="can be used"):
        prepare.prepare("mine", manifest=listed)
    assert len(read_manifest(kept).splits) == 10  # what was kept before stands again


def test_another_list_under_the_same_name_takes_its_place(tmp_path: Path, listed: Path, own_home: Path) -> None:
    root = _copies(tmp_path / "copies")
    first = prepare.prepare("mine", root, regions="simulated", manifest=listed)
    listed.write_text(json.dumps({"dataset": "mine", **IDS, "train": IDS["train"][:4]}), encoding="utf-8")
    second = prepare.prepare("mine", manifest=listed)
    assert (first["splits"]["train"]["images"], second["splits"]["train"]["images"]) == (6, 4)
    assert prepare.describe("mine")["items_checksum"] == second["items_checksum"] != first["items_checksum"]


@pytest.mark.parametrize(
    ("name", "told"),
    [("yours", "dataset: found 'mine', expected 'yours' as in the command"), ("coco5k", "is a dataset of the catalog")],
)
def test_the_name_is_the_manifests_and_a_new_one(
    name: str, told: str, listed: Path, own_home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    if name == "coco5k":
        listed.write_text(listed.read_text(encoding="utf-8").replace("mine", name), encoding="utf-8")
    assert run(monkeypatch, "data", "prepare", name, "--manifest", listed) == 2
    shown = capsys.readouterr().err
    assert shown.startswith(f"error: {listed}: ") and told in shown and manifest.remembered_names() == []


def test_coco16k_is_found_where_coco_was_prepared(own_home: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"root: missing; dataset 'coco16k' needs .*data prepare coco16k"):
        prepare.describe("coco16k")
    ids = [
        ids for split in ("train", "dev", "test") for ids in json.loads(COCO16K.read_text(encoding="utf-8"))[split][:4]
    ]
    _official(own_home / "data" / "coco", ids)
    assert prepare.describe("coco16k")["splits"]["dev"] == {"images": 4, "texts": 20}


@pytest.mark.slow
def test_real_photographs_are_prepared(realdata: Path, tmp_path: Path, own_home: Path) -> None:
    """200 of the 16,000: regions, words, and a checksum that is the features' too."""
    root = tmp_path / "coco16k"
    root.mkdir()
    (root / "train2014").symlink_to(realdata / "coco16k" / "train2014")
    lines = read_lines(realdata / "coco16k" / manifest.PAIRS)[:200]
    (root / manifest.PAIRS).write_text("\n".join(lines), encoding="utf-8")
    made = prepare.prepare("coco16k", root)
    assert made["regions"] == {"extractor": "grid", "pictures": 200, "regions_a_picture": 36, "features": 1280}
    expected = Counter(json.loads(line)["split"] for line in lines)
    assert {split: counts["images"] for split, counts in made["splits"].items()} == expected
    assert any("15,800 of the manifest's 16,000 not described here" in note for note in made["notes"])
    dataset = catalogue.load("coco16k", "laptop")
    assert dataset.status == "subset" and len(dataset.parts["train"].image_ids) == expected["train"]


def test_two_rows_may_not_name_one_picture(tmp_path: Path, listed: Path) -> None:
    """It could stand in train and in test."""
    folder = _copies(tmp_path / "copies", change=lambda rows: rows[9].update(image=rows[0]["image"]))
    with pytest.raises(UserError, match=r"pairs\.jsonl, line 10: image: 'train2014/9.png' is that of line 1 already"):
        ManifestSource(folder, listed)


def test_a_picture_that_another_row_names_is_not_taken(tmp_path: Path, listed: Path) -> None:
    """Row 1's own picture is not here; one of its last part is, and belongs to a row that the manifest has not."""

    def change(rows: list[dict]) -> None:
        rows[0]["image"] = "b/1.png"
        rows.append(rows[1] | {"id": 999, "image": "a/1.png"})

    folder = _copies(tmp_path / "copies", change=change)
    _picture(folder / "a" / "1.png", 1)
    source = ManifestSource(folder, listed)
    assert "9" not in {item.id for item in source.items()}
    assert any("1 of the manifest's 10 without picture, left out: 9" in note for note in source.notes)


def test_a_picture_found_elsewhere_is_told(tmp_path: Path, listed: Path) -> None:
    folder = _copies(tmp_path / "copies", change=lambda rows: rows[0].update(image="old/9.png"))
    told = "1 picture was found by the last part of the name alone: 'old/9.png' is train2014/9.png"
    assert any(told in note for note in ManifestSource(folder, listed).notes)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('{"dataset": "mine", "train": [1], "train": [2], "dev": [3], "test": [4]}', "the key 'train' stands twice"),
        ("[" * 5000, "not valid JSON: nested too deeply"),
        (
            '{"dataset": "mine", "train": ["1"], "dev": [3], "test": [4]}',
            "train: found '1', a text, expected a",
        ),
        ('{"dataset": "mine", "train": [null], "dev": [3], "test": [4]}', "train: found null, expected a COCO id"),
    ],
)
def test_a_manifest_says_each_thing_once(text: str, told: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match=told):
        read_manifest(path)


@pytest.mark.parametrize("change", [{"image": "\ud800/0.png"}, {"texts": ["\ud800 a\0b"]}])
def test_text_that_is_none_is_refused(change: dict, tmp_path: Path, listed: Path) -> None:
    folder = _copies(tmp_path / "copies", change=lambda rows: rows[0].update(change))
    with pytest.raises(UserError, match=rf"pairs\.jsonl, line 1: {next(iter(change))}: found "):
        ManifestSource(folder, listed)
