"""Preparing data: from a server or a folder of archives to a dataset with regions, and every way that can fail."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from commands import run
from data.readers import test_manifest
from PIL import Image
from webserver import Server, serve

from semshare import runs
from semshare.data import catalogue, prepare
from semshare.data.fetch import official
from semshare.data.fetch.download import Remote
from semshare.data.fetch.official import PLANS, Piece, Plan
from semshare.data.readers.coco import CocoSource
from semshare.data.regions import kept
from semshare.errors import UserError

COUNT = 10
QUICK = {"timeout": (1, 0.3), "waits": (0,), "quiet": True}


class ReachedError(Exception):
    """Raised by :func:`stop`: preparing got this far."""


def stop(*given: object) -> None:
    """Stands in for a later step; its arguments come with the exception."""
    raise ReachedError(*given)


def zipped(files: dict[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return packed.getvalue()


def coco_files() -> tuple[dict[str, bytes], dict[str, bytes]]:
    """The annotations and the pictures of a COCO folder of ten."""
    ids = range(1, COUNT + 1)
    images = [{"id": id, "file_name": f"{id}.jpg"} for id in ids]
    animals = [
        {"id": 1, "name": "cat", "supercategory": "animal"},
        {"id": 5, "name": "dog", "supercategory": "animal"},
    ]
    labels = [{"image_id": id, "category_id": 1 if id <= 4 else 5} for id in ids]
    captions = [{"image_id": id, "caption": f"An animal in the grass, number {id}."} for id in ids]
    annotations = {
        "instances_tiny.json": {"images": images, "annotations": labels, "categories": animals},
        "captions_tiny.json": {"images": images, "annotations": captions},
    }
    pictures = {}
    for id in ids:
        packed = io.BytesIO()
        pixels = np.random.default_rng(id).integers(0, 255, (40, 60, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(packed, "JPEG")
        pictures[f"tiny/{id}.jpg"] = packed.getvalue()
    return {f"annotations/{name}": json.dumps(one).encode() for name, one in annotations.items()}, pictures


@pytest.fixture
def archives() -> dict[str, bytes]:
    annotations, pictures = coco_files()
    return {"annotations.zip": zipped(annotations), "tiny.zip": zipped(pictures)}


@pytest.fixture
def server(archives: dict[str, bytes], monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A server of the tiny dataset's archives, and its plan and catalogue entry in place."""
    with serve() as one:
        one.files |= {f"/{name}": content for name, content in archives.items()}
        sums = {name: f"sha256:{hashlib.sha256(content).hexdigest()}" for name, content in archives.items()}
        plan = Plan(
            "tiny",
            "http://127.0.0.1/official",
            (
                Piece(
                    ("annotations",),
                    {"instances_*.json": 1, "captions_*.json": 1},
                    Remote(f"{one.url}/annotations.zip", "annotations.zip"),
                ),
                Piece(
                    ("tiny",),
                    {"*.jpg": COUNT},
                    Remote(f"{one.url}/tiny.zip", "tiny.zip", len(archives["tiny.zip"]), sums["tiny.zip"]),
                    pictures=True,
                ),
            ),
        )
        monkeypatch.setitem(prepare.PLANS, "tiny", plan)
        monkeypatch.setitem(
            catalogue.CATALOGUE, "tiny", catalogue._on_disk("tiny", CocoSource, "captions", "", ("tiny",))
        )
        yield one


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_from_nothing_to_regions_and_again_without_a_request(
    server: Server, tmp_path: Path, own_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = prepare.prepare("tiny", **QUICK)
    root = own_home / "data" / "tiny"
    assert made["root"] == str(root)
    assert made["splits"] == {name: {"images": n, "texts": n} for name, n in (("train", 6), ("dev", 2), ("test", 2))}
    assert made["labels"] == {"cat": 4, "dog": 6}
    assert made["regions"] == {"extractor": "grid", "pictures": COUNT, "regions_a_picture": 36, "features": 1280}
    assert set(made["archives"]) == {"annotations.zip", "tiny.zip"}
    assert "[1/2]" in capsys.readouterr().out
    dataset = catalogue.load("tiny", "full", root=root)
    assert dataset.images("test").features.shape == (2, 36, 1280)

    asked = len(server.asked)
    for path in (root / "archives").glob("*.zip"):
        path.unlink()
    again = prepare.prepare("tiny", **QUICK)
    assert again == made
    assert len(server.asked) == asked == 2

    (root / "tiny" / "3.jpg").unlink()
    prepare.prepare("tiny", **QUICK)
    assert [path for path, _, _ in server.asked[asked:]] == ["/tiny.zip"]
    assert (root / "tiny" / "3.jpg").exists()


def test_archives_at_hand_are_used_where_they_lie(
    server: Server, archives: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prepare, "_load", lambda *_: pytest.fail("loaded"))
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "tiny.zip").write_bytes(archives["tiny.zip"][:-1] + b"x")
    with pytest.raises(UserError, match=r"mine/tiny.zip: expected sha256:.*found sha256:.*left as it is"):
        prepare.prepare("tiny", tmp_path / "root", from_dir=mine, **QUICK)
    assert (mine / "tiny.zip").exists() and not (tmp_path / "root" / "tiny").exists()

    monkeypatch.setattr(prepare, "_load", stop)
    (mine / "tiny.zip").write_bytes(archives["tiny.zip"])
    with pytest.raises(ReachedError):
        prepare.prepare("tiny", tmp_path / "root", from_dir=mine, **QUICK)
    assert [path for path, _, _ in server.asked] == ["/annotations.zip"]
    assert files(mine) == {"tiny.zip"}
    assert {"tiny/1.jpg", "archives/tiny.zip.checksum.json"} <= files(tmp_path / "root")
    assert "archives/tiny.zip" not in files(tmp_path / "root")


def test_a_dead_address_names_the_way_out_and_leaves_nothing_behind(server: Server, tmp_path: Path) -> None:
    del server.files["/annotations.zip"]
    with pytest.raises(UserError, match=r"404.*--from-dir \(official page: http://127.0.0.1/official\)") as caught:
        prepare.prepare("tiny", tmp_path / "root", **QUICK)
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_a_hostile_archive_is_refused(server: Server, tmp_path: Path) -> None:
    server.files["/annotations.zip"] = zipped({"annotations/instances_tiny.json": b"{}", "../../out": b""})
    with pytest.raises(UserError, match=r"leads out of its folder"):
        prepare.prepare("tiny", tmp_path / "root", **QUICK)
    assert files(tmp_path) == {"root/archives/annotations.zip", "root/archives/annotations.zip.checksum.json"}


def test_an_archive_with_other_content_is_named(server: Server, tmp_path: Path) -> None:
    server.files["/annotations.zip"] = zipped({"annotations/other.json": b"{}"})
    with pytest.raises(UserError, match=r"found 0 of instances_\*.json, expected 1 or more"):
        prepare.prepare("tiny", tmp_path / "root", **QUICK)


def test_a_full_disk_is_noticed_before_the_first_request(
    server: Server, archives: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prepare, "check_space", stop)
    with pytest.raises(ReachedError) as reached:
        prepare.prepare("tiny", tmp_path, **QUICK)
    assert reached.value.args[:2] == (tmp_path, 2 * len(archives["tiny.zip"]))
    assert not server.asked


def test_pictures_are_left_out_where_regions_are_simulated(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prepare, "_load", stop)
    with pytest.raises(ReachedError) as reached:
        prepare.prepare("tiny", tmp_path, regions="simulated", **QUICK)
    assert [path for path, _, _ in server.asked] == ["/annotations.zip"]
    assert reached.value.args[:3] == ("tiny", tmp_path, "simulated")


def test_a_folder_filled_by_hand_is_used_as_it_is(
    server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    annotations, pictures = coco_files()
    for name, content in (annotations | dict(list(pictures.items())[:-1])).items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content)
    before, said = files(tmp_path), []
    # A picture that is missing is left out and counted; once it is there, it alone is extracted.
    made = prepare.prepare("tiny", tmp_path, say=said.append, **QUICK)
    assert f"{tmp_path}: 1 picture is not here (or several of that name), left out: '10.jpg'" in made["notes"]
    assert sum(part["images"] for part in made["splits"].values()) == sum(made["labels"].values()) == COUNT - 1
    capsys.readouterr()
    catalogue.forget_loaded()
    (tmp_path / "tiny" / "10.jpg").write_bytes(pictures["tiny/10.jpg"])
    assert prepare.prepare("tiny", tmp_path, say=said.append, **QUICK)["status"] == "subset"
    assert "1 picture is read again" in capsys.readouterr().err
    assert server.asked == [] and files(tmp_path) == before | {"tiny/10.jpg"}
    assert "used as it is" in said[0]


@pytest.fixture
def collection(tmp_path: Path) -> Path:
    """A collection of one's own: five pictures and the file that describes them."""
    folder = tmp_path / "mine"
    folder.mkdir()
    rows = []
    for number, (name, content) in enumerate(list(coco_files()[1].items())[:5]):
        (folder / Path(name).name).write_bytes(content)
        rows.append({"image": Path(name).name, "texts": [f"picture {number}"], "labels": [("sky", "sea")[number % 2]]})
    (folder / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return folder


@pytest.mark.parametrize("given", ["folder", "file"])
def test_a_root_that_was_prepared_is_found_without_it(
    given: str, collection: Path, own_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UserError, match=r"run semshare data prepare custom, with --root .*nothing at .*data/custom"):
        prepare.describe("custom")
    root = collection if given == "folder" else collection / "rows.jsonl"
    monkeypatch.chdir(collection.parent)
    said: list[str] = []
    made = prepare.prepare("custom", Path(os.path.relpath(root)), say=said.append)
    link = own_home / "data" / "custom"
    assert link.is_symlink() and link.readlink() == root.resolve()
    assert said[-1] == f"{root}: remembered for 'custom'"
    assert prepare.describe("custom")["items_checksum"] == made["items_checksum"]
    assert prepare.describe("custom")["root"] == str(root)
    # Found in place, nothing is extracted twice, and preparing again reads the same.
    stores = list((own_home / "regions").glob("*/index.json"))
    with_root, without = (catalogue.load("custom", "smoke", one) for one in (root, None))
    assert with_root.checksum == without.checksum and with_root.store.folder == without.store.folder
    assert prepare.prepare("custom", say=said.append)["root"] == str(root)
    assert list((own_home / "regions").glob("*/index.json")) == stores


def test_the_regions_a_dataset_was_prepared_with_are_taken_where_none_are_named(
    collection: Path, own_home: Path
) -> None:
    said: list[str] = []
    prepare.prepare("custom", collection, regions="simulated", say=said.append)
    assert said[-1] == "custom: regions 'simulated' are taken from now on where none are named"
    assert catalogue.regions_of("custom") == runs.plan("custom", "ours").regions == "simulated"
    assert catalogue.load("custom", "smoke").regions == "simulated"
    assert prepare.describe("custom")["regions"] == {"extractor": "simulated"}
    assert runs.plan("custom", "ours", regions="grid").regions == "grid"
    again = prepare.prepare("custom", say=said.append)
    assert again["regions"]["extractor"] == again["status"] == "simulated"
    prepare.prepare("custom", regions="grid", say=said.append)
    assert catalogue.regions_of("custom") == "grid"
    (own_home / "data" / "custom.regions").write_text("gird\n", encoding="utf-8")
    with pytest.raises(UserError, match=r"custom.regions: regions: unknown 'gird', expected one of grid"):
        prepare.describe("custom")


def test_the_stand_ins_regions_do_not_follow_what_was_prepared(own_home: Path) -> None:
    assert catalogue.note_file("scenes-coco1k", "regions") is None and catalogue.regions_of("scenes-coco1k") == "grid"


def test_another_root_takes_the_links_place_and_a_missing_one_is_named(
    collection: Path, own_home: Path, tmp_path: Path
) -> None:
    said: list[str] = []
    prepare.prepare("custom", collection, say=said.append)
    other = tmp_path / "other"
    shutil.copytree(collection, other)
    prepare.prepare("custom", other, say=said.append)
    assert (own_home / "data" / "custom").readlink() == other
    assert said[-1] == f"{other}: remembered for 'custom', in place of {collection}"
    # A root that cannot be used does not become known.
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="0 files"):
        prepare.prepare("custom", tmp_path / "empty")
    assert (own_home / "data" / "custom").readlink() == other
    shutil.rmtree(other)
    for read in (prepare.describe, prepare.prepare):
        with pytest.raises(UserError, match=rf"custom: leads to {other}, which is gone; .*--root, or remove the link"):
            read("custom")
    prepare.prepare("custom", collection)
    assert prepare.describe("custom")["root"] == str(collection)


def test_data_in_the_cache_is_never_replaced_by_a_link(collection: Path, own_home: Path) -> None:
    place = own_home / "data" / "custom"
    shutil.copytree(collection, place)
    with pytest.raises(UserError, match=r"data/custom: data stands here already and is what 'custom' means"):
        prepare.prepare("custom", collection)
    assert not place.is_symlink() and files(place) == files(collection)
    assert not (own_home / "regions").exists()
    assert prepare.prepare("custom", place)["root"] == str(place)


def test_nothing_is_fetched_into_a_linked_folder(server: Server, tmp_path: Path, own_home: Path) -> None:
    annotations, pictures = coco_files()
    for name, content in (annotations | pictures).items():
        (tmp_path / "mine" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "mine" / name).write_bytes(content)
    prepare.prepare("tiny", tmp_path / "mine", **QUICK)
    (tmp_path / "mine" / "tiny" / "3.jpg").unlink()
    assert prepare.prepare("tiny", **QUICK)["root"] == str(tmp_path / "mine")
    assert server.asked == [] and not (tmp_path / "mine" / "archives").exists()


@pytest.mark.parametrize("read", [prepare.prepare, prepare.describe])
def test_a_generated_dataset_reads_no_root(read: Callable, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"root: dataset 'scenes-coco1k' is generated and reads none"):
        read("scenes-coco1k", tmp_path)


def test_what_only_a_person_can_get_is_explained(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = prepare.PLANS["tiny"]
    signed = Piece(("images", "Flickr"), {"*": 1}, pictures=True, by_hand="sign the form")
    monkeypatch.setitem(prepare.PLANS, "tiny", replace(plan, pieces=(signed, *plan.pieces)))
    with pytest.raises(
        UserError, match=r"images: found 0 of \*, .*sign the form; then run this again \(http"
    ) as caught:
        prepare.prepare("tiny", tmp_path, **QUICK)
    assert "\n" not in str(caught.value)
    assert (tmp_path / "tiny" / "10.jpg").exists(), "what could be fetched was not"
    (tmp_path / "Flickr").mkdir()
    (tmp_path / "Flickr" / "one.jpg").write_bytes(b"")
    assert signed.lacks(tmp_path) == ""


@pytest.mark.parametrize("name", ["flickr25k", "nuswide", "coco", "coco16k"])
def test_official_archives_unpack_to_the_layout_that_readers_want(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Archives with the folders of the official ones, in small."""
    inside = {
        "mirflickr25k.zip": [
            *(f"mirflickr/{one}" for one in ("im1.jpg", "meta/tags/tags1.txt", "doc/common_tags.txt")),
        ],
        "mirflickr25k_annotations_v080.zip": ["README.txt", "animals.txt", "baby_r1.txt"],
        "ImageList.zip": ["ImageList/Imagelist.txt"],
        "ConceptsList.zip": ["ConceptsList/Concepts81.txt"],
        "Groundtruth.zip": ["AllLabels/Labels_sky.txt", "TrainTestLabels/Labels_sky_Train.txt"],
        "NUS_WID_Tags.zip": ["AllTags1k.txt", "TagList1k.txt"],
        "annotations_trainval2014.zip": [
            f"annotations/{kind}_{split}2014.json" for kind in ("captions", "instances") for split in ("train", "val")
        ],
        "caption_datasets.zip": ["dataset_coco.json", "dataset_flickr8k.json"],
        "val2014.zip": ["val2014/COCO_val2014_000000000042.jpg"],
        "train2014.zip": ["train2014/COCO_train2014_000000000009.jpg"],
    }
    wanted = {
        "flickr25k": [*inside["mirflickr25k.zip"], "annotations/animals.txt"],
        "nuswide": [
            "ImageList/Imagelist.txt",
            "ConceptsList/Concepts81.txt",
            "Groundtruth/AllLabels/Labels_sky.txt",
            "NUS_WID_Tags/AllTags1k.txt",
        ],
        "coco": [
            *inside["annotations_trainval2014.zip"],
            "dataset_coco.json",
            *inside["val2014.zip"],
            *inside["train2014.zip"],
        ],
        "coco16k": [*inside["annotations_trainval2014.zip"], *inside["train2014.zip"]],
    }[name]
    mine, root = tmp_path / "mine", tmp_path / "root"
    mine.mkdir()
    for archive, names in inside.items():
        (mine / archive).write_bytes(zipped(dict.fromkeys(names, b"1")))
    pieces = tuple(
        replace(
            piece,
            holds=dict.fromkeys(piece.holds, 1),
            remote=piece.remote and Remote(piece.remote.url, piece.remote.name),
        )
        for piece in PLANS[name].pieces
    )
    monkeypatch.setitem(prepare.PLANS, name, replace(PLANS[name], pieces=pieces))
    (root / "images").mkdir(parents=True)
    (root / "images" / "1.jpg").write_bytes(b"")
    monkeypatch.setattr(prepare, "_load", stop)
    with pytest.raises(ReachedError) as reached:
        prepare.prepare(name, root, from_dir=mine, **QUICK)
    assert set(wanted) <= files(root)
    assert "dataset_flickr8k.json" not in files(root)
    assert name != "coco16k" or not {"dataset_coco.json", *inside["val2014.zip"]} & files(root)
    assert reached.value.args[0] == ("coco5k" if name == "coco" else name)


def test_plans_name_each_file_as_its_address_does() -> None:
    remotes = {piece.remote for plan in PLANS.values() for piece in plan.pieces if piece.remote}
    assert len(remotes) == 10
    for remote in remotes:
        assert remote.url.rpartition("/")[2] == remote.name
        assert (remote.size is None) == (remote.checksum is None) == (remote.url.startswith(official._NUS))


def test_prepare_and_show_on_the_command_line(
    server: Server,
    archives: dict[str, bytes],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(monkeypatch, "data", "prepare", "tiny", "--root", tmp_path, "--device", "cpu") == 0
    shown = capsys.readouterr().out
    checksum = f"sha256:{hashlib.sha256(archives['tiny.zip']).hexdigest()}"
    for expected in ("train          6 images", "dog 6, cat 4", "regions grid: 10 pictures", checksum, "CC BY 4.0"):
        assert expected in shown, shown
    assert run(monkeypatch, "data", "show", "tiny", "--root", tmp_path, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["splits"]["test"] == {"images": 2, "texts": 2}
    assert found["archives"]["tiny.zip"]["checksum"] == checksum


def test_coco1k_is_shown_with_its_own_test_split() -> None:
    whole, part = (prepare.describe(f"scenes-coco{n}k", scale="smoke")["splits"] for n in (5, 1))
    assert part["train"] == whole["train"]
    assert part["test"]["images"] == min(1000, whole["test"]["images"])


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("prepare", "flickr"), ["unknown 'flickr'", "scenes-flickr25k"]),
        (("show", "flickr"), ["unknown 'flickr'", "scenes-flickr25k"]),
        (("prepare", "tiny", "--regions", "faster"), ["regions", "'faster'", "grid"]),
        (("prepare", "tiny", "--device", "gpu"), ["device", "'gpu'"]),
        (("prepare", "tiny", "--from-dir", "nowhere"), ["from-dir", "nowhere"]),
        (("show", "coco"), ["root"]),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(
    arguments: tuple[str, ...],
    named: list[str],
    server: Server,
    own_home: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(monkeypatch, "data", *arguments) == 2
    shown = capsys.readouterr()
    assert shown.out == "" and shown.err.startswith("error: ") and len(shown.err.splitlines()) == 1
    assert all(word in shown.err for word in named), shown.err
    assert server.asked == []


def test_a_replaced_picture_of_the_same_size_and_time_is_extracted_again(
    collection: Path, own_home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for path in collection.glob("*.jpg"):
        path.write_bytes(path.read_bytes().ljust(20_000, b"\0"))  # all of one size
    before = prepare.prepare("custom", collection)
    rows = catalogue.load("custom", "full").store.read(["1.jpg", "2.jpg"])
    path, times = collection / "1.jpg", (collection / "1.jpg").stat()
    shutil.copy(collection / "2.jpg", collection / "new")
    os.utime(collection / "new", ns=(times.st_atime_ns, times.st_mtime_ns))
    (collection / "new").replace(path)
    assert (path.stat().st_size, path.stat().st_mtime_ns) == (times.st_size, times.st_mtime_ns)
    catalogue.forget_loaded()
    capsys.readouterr()
    again = prepare.prepare("custom", collection)
    assert again | {"odd": None} == before | {"odd": None}
    assert not any("1.jpg = 2.jpg" in line for line in before["odd"])
    assert "1.jpg = 2.jpg" in again["odd"][-1]  # two files of one content now
    assert "1 picture is read again" in capsys.readouterr().err
    after = catalogue.load("custom", "full").store.read(["1.jpg", "2.jpg"])
    np.testing.assert_allclose(after[0].astype(float), rows[1].astype(float), atol=0.02)
    assert not np.allclose(rows[0].astype(float), rows[1].astype(float), atol=0.02)
    np.testing.assert_array_equal(after[1], rows[1])
    seen = []
    monkeypatch.setattr(kept, "doubted", lambda store, files, verify: seen.append(verify) or {})
    prepare.prepare("custom", collection, verify=True)
    catalogue.forget_loaded()
    prepare.prepare("custom", collection)
    assert seen == [True, False]


def test_pictures_left_out_are_told_and_do_not_count(server: Server, tmp_path: Path, own_home: Path) -> None:
    annotations, pictures = coco_files()
    for name, content in (annotations | pictures).items():
        (tmp_path / "coco" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "coco" / name).write_bytes(content[:200] if name == "tiny/3.jpg" else content)
    root = tmp_path / "coco"
    assert prepare.describe("tiny", root)["labels"] == {"cat": 4, "dog": 6}
    made = prepare.prepare("tiny", root)
    (note,) = [note for note in made["notes"] if "left out" in note]
    assert note.startswith("1 picture cannot be used, left out: 3: ") and "3.jpg: cannot read this picture" in note
    shown = prepare.describe("tiny", root)
    assert note in shown["notes"] and f"  note: {note}" in prepare.as_text(shown)
    for found in (made, shown):
        assert found["labels"] == {"cat": 3, "dog": 6}
        assert sum(split["images"] for split in found["splits"].values()) == COUNT - 1
    assert note in catalogue.load("tiny", "full", root=root).source.notes  # what pages, cards and train's output read


@pytest.mark.parametrize("name", ["coco16k", "mine"])
def test_a_part_of_coco_is_fetched_from_the_official_archives(
    name: str, tmp_path: Path, own_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Archives of the official names and folders, in small: fetched, unpacked, and opened by the manifest."""
    listed = json.loads(test_manifest.COCO16K.read_text(encoding="utf-8"))
    ids = [id for split in ("train", "dev", "test") for id in listed[split][:4]]
    made = test_manifest._official(tmp_path / "made", ids)
    given = tmp_path / "mine.json"
    few = {split: listed[split][:4] for split in ("train", "dev", "test")}
    given.write_text(json.dumps({"dataset": "mine"} | few), encoding="utf-8")
    folders = {"annotations_trainval2014.zip": "annotations", "train2014.zip": "train2014", "val2014.zip": "val2014"}
    with serve() as server:
        for archive, folder in folders.items():
            paths = sorted((made / folder).iterdir())
            server.files[f"/{archive}"] = zipped({f"{folder}/{path.name}": path.read_bytes() for path in paths})

        def local(plan: Plan) -> Plan:
            """The plan with this server's addresses and the small archives' counts."""
            return replace(
                plan,
                pieces=tuple(
                    replace(
                        piece,
                        holds={pattern.replace(".jpg", ".png"): 1 for pattern in piece.holds},
                        remote=piece.remote and Remote(f"{server.url}/{piece.remote.name}", piece.remote.name),
                    )
                    for piece in plan.pieces
                ),
            )

        monkeypatch.setitem(prepare.PLANS, "coco16k", local(PLANS["coco16k"]))
        monkeypatch.setattr(prepare, "COCO_2014", local(prepare.COCO_2014))
        found = prepare.prepare(name, regions="grid", manifest=given if name == "mine" else None, **QUICK)
        asked = [path for path, _, _ in server.asked]
    # Half of the small pictures lie in val2014, which coco16k does not need.
    pictures = ["/train2014.zip"] if name == "coco16k" else ["/val2014.zip", "/train2014.zip"]
    assert asked == ["/annotations_trainval2014.zip", *pictures]
    assert found["root"] == str(own_home / "data" / "coco")
    counts = {split: part["images"] for split, part in found["splits"].items()}
    assert counts == dict.fromkeys(("train", "dev", "test"), 2 if name == "coco16k" else 4)
    assert prepare.describe(name)["items_checksum"] == found["items_checksum"]
