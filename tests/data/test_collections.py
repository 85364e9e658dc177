"""Collections by name: what a folder holds is recognised, prepared, trained on, listed and forgotten."""

from __future__ import annotations

import errno
import json
import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from coco_exports import TOOLS, label_studio
from commands import run
from feature_files import array_rows, caption_arrays, instances, tag_arrays
from hugging_face import saved
from PIL import Image

from semshare import runs
from semshare.data import catalogue, collections, prepare
from semshare.data.collections import kept, recognised
from semshare.data.regions.base import Regions
from semshare.errors import UserError
from semshare.runs import parallel

pytestmark = pytest.mark.usefixtures("own_home")


def _scan(root: Path) -> Path:
    caption_arrays(root, count=20, times=5, labels=0)
    instances(root, count=20)
    return root


def _authors_coco(root: Path) -> Path:
    caption_arrays(root, count=20, label_times=5)
    np.save(root / "train_label.npy", np.load(root / "train_label.npy")[::5])  # a row a picture for train alone
    np.save(root / "train_cls.npy", np.random.default_rng(0).random((20, 4, 9), np.float32))
    return root


def _rows(root: Path) -> Path:
    return array_rows(root, count=30)


def _pictures(root: Path) -> Path:
    (root / "pictures").mkdir(parents=True)
    rows = []
    for number in range(12):
        Image.new("RGB", (40, 30), (20 * number, 90, 40)).save(root / "pictures" / f"{number}.png")
        row = {"image": f"pictures/{number}.png", "texts": [f"dog sea{number}"], "labels": ["dog", "sea"][number % 2 :]}
        rows.append(json.dumps(row))
    (root / "items.jsonl").write_text("\n".join(rows), encoding="utf-8")
    return root


def _classes(root: Path) -> Path:
    for number in range(12):
        picture = root / ("cat", "dog")[number % 2] / f"{number}.png"
        picture.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (40, 30), (20 * number, 90, 40)).save(picture)
        picture.with_suffix(".txt").write_text("An animal on a field.\n", encoding="utf-8")
    return root


MADE: dict[str, tuple[Callable[[Path], Path], str, str]] = {
    "authors-flickr25k": (tag_arrays, "tag-arrays", "tags"),
    "authors-coco": (_authors_coco, "caption-arrays", "captions"),
    "scan": (_scan, "caption-arrays", "captions"),
    "array-rows": (_rows, "array-rows", "captions"),
    "pictures": (_pictures, "rows", "tags"),
    "classes": (_classes, "image-folder", "captions"),
    "huggingface": (saved, "huggingface", "captions"),
}
MADE |= {tool: (make, "coco", "captions") for tool, (make, _) in TOOLS.items()}
FIELDS = {tool: [f"--field={role}={name}" for role, name in fields.items()] for tool, (_, fields) in TOOLS.items()}
FEATURE_FILES = ("authors-flickr25k", "authors-coco", "scan", "array-rows")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_table_of_pictures_beside_their_folder_is_rows_and_another_table_is_not(
    encoding: str, tmp_path: Path
) -> None:
    (tmp_path / "pictures").mkdir()
    for number in range(3):
        Image.new("RGB", (8, 6), (number, 0, 0)).save(tmp_path / "pictures" / f"{number}.png")
    table = tmp_path / "mine.csv"
    for header in ("image,captions,labels", '"Image";"caption";"labels"', "labels\ttexts\timage"):
        table.write_text(f"{header}\n", encoding=encoding)
        assert collections.recognised(tmp_path).name == "rows", header
    table.write_text("name,price\n", encoding=encoding)
    assert collections.recognised(tmp_path).name == "image-folder"


@pytest.mark.parametrize("made", MADE)
def test_a_layout_is_recognised(made: str, tmp_path: Path) -> None:
    make, layout, _ = MADE[made]
    assert recognised(make(tmp_path / "own")).name == layout


def test_a_file_of_rows_and_cocos_annotations_are_recognised(tmp_path: Path) -> None:
    assert recognised(_pictures(tmp_path / "a") / "items.jsonl").name == "rows"
    assert recognised(_rows(tmp_path / "b") / "items.jsonl").name == "array-rows"
    (tmp_path / "c").mkdir()
    instances(tmp_path / "c")
    assert recognised(tmp_path / "c").name == "coco"
    (tmp_path / "c" / "dataset_coco.json").write_text("{}", encoding="utf-8")
    assert recognised(tmp_path / "c").name == "coco-karpathy"


def test_what_is_no_collection_says_what_would_be(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="missing, expected the folder of a collection"):
        recognised(tmp_path / "nowhere")
    (tmp_path / "notes.md").write_text("nothing", encoding="utf-8")
    for path in (tmp_path, tmp_path / "notes.md"):
        with pytest.raises(UserError, match=r"none of the layouts that are read here, expected one of: .*rows beside"):
            recognised(path)


def test_what_cannot_be_read_is_told_as_that(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for path in (Path(os.devnull), tmp_path / "pipe.csv"):
        if not path.exists():
            os.mkfifo(path)
        with pytest.raises(UserError, match="found neither a file nor a folder, expected the folder of a collection"):
            recognised(path)
    with pytest.raises(UserError, match="x: File name too long, expected the folder of a collection"):
        recognised(tmp_path / ("x" * 300))
    root = label_studio(tmp_path / "own")
    prepare.prepare(f"mine={root}", fields={"texts": "caption"}, regions="simulated", say=lambda line: None)
    catalogue.forget_loaded()
    scandir = os.scandir

    def refuse(path: Any) -> Any:
        if Path(path).resolve() == root:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))  # root may list every folder
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(UserError, match=r"own: cannot be listed: Permission denied$"):
        recognised(root)
    with pytest.raises(UserError, match=r"cannot be listed: Permission denied$"):
        prepare.describe("mine")


@pytest.mark.slow
@pytest.mark.parametrize("made", MADE)
def test_every_layout_is_prepared_and_trained_as_any_dataset(
    made: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    make, _, text_kind = MADE[made]
    root = make(tmp_path / "own")
    assert run(monkeypatch, "data", "prepare", f"mine={root}", *FIELDS.get(made, [])) == 0
    out = capsys.readouterr().out
    assert f"mine: {root}: {recognised(root).about}" in out and f"mine: texts are {text_kind}, " in out
    assert f"texts are {text_kind}: lambda {0.01 if text_kind == 'captions' else 0.1}; an image ranks " in out
    assert run(monkeypatch, "train", "--dataset", "mine", "--scale", "smoke", "--json") == 0
    result = json.loads(capsys.readouterr().out)
    assert all(math.isfinite(value) for value in result["test"].values())
    regions = "precomputed" if made in FEATURE_FILES else "grid"
    assert result["experiment"]["regions"] == regions and result["experiment"]["dataset"] == "mine"
    dataset = catalogue.load("mine", "smoke")
    assert dataset.text_kind == text_kind and dataset.name == dataset.source.name == "mine"
    assert run(monkeypatch, "data", "show", "mine") == 0
    assert str(root) in capsys.readouterr().out


@pytest.mark.slow
def test_every_method_has_the_same_result_on_feature_files_alone_and_in_workers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    numbers = []
    for home, cores in (("alone", 1), ("workers", 2)):
        monkeypatch.setenv("SEMSHARE_HOME", str(tmp_path / home))
        monkeypatch.setattr(parallel, "cores", lambda cores=cores: cores)
        root = tag_arrays(tmp_path / f"{home}-data", classes=0)  # visual words are fitted in each home
        prepare.prepare(f"mine={root}", say=lambda line: None)
        plans = [runs.plan("mine", method, "smoke", "cpu") for method in ("linear", "dscmr", "independent", "ours")]
        numbers.append([run.test.numbers() for run in runs.get_all(plans, "cpu", quiet=True)])
    assert numbers[0] == numbers[1]


@pytest.mark.slow
@pytest.mark.parametrize("method", ["linear", "dscmr", "ours"])
def test_one_text_for_all_a_label_in_test_alone_and_a_last_batch_of_one_give_finite_numbers(
    method: str, tmp_path: Path
) -> None:
    (tmp_path / "own").mkdir()
    splits = [*("train",) * 9, *("dev",) * 4, *("test",) * 4]
    np.save(tmp_path / "own" / "features.npy", np.random.default_rng(0).random((len(splits), 2, 8), np.float32))
    rows = [
        {"row": row, "texts": ["dog"], "labels": ["unseen" if row == 14 else "dog", "sea"][row % 2 :], "split": split}
        for row, split in enumerate(splits)
    ]
    (tmp_path / "own" / "items.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    made = prepare.prepare(f"mine={tmp_path / 'own'}", say=lambda line: None)
    assert any("no picture to train on" in note for note in made["notes"])
    assert any("all 17 items have the same text" in line for line in made["odd"])
    fields = {} if method == "linear" else {"batch": 4}
    done = runs.get(runs.plan("mine", method, "smoke", "cpu", **fields), quiet=True)
    assert all(math.isfinite(value) for value in done.test.numbers().values())


@pytest.mark.slow
def test_the_authors_sizes_with_twenty_rows_train_and_evaluate(tmp_path: Path) -> None:
    root = tag_arrays(tmp_path / "own", shape=(36, 2048), classes=1000, tags=1386)
    prepare.prepare(f"flickr={root}", say=lambda line: None)
    done = runs.get(runs.plan("flickr", "ours", "smoke", "cpu"), quiet=True)
    assert done.dataset.images("train", [0]).features.shape == (1, 36, 2048)
    assert done.dataset.region_classes == 1000 and len(done.dataset.label_names) == 24
    assert all(math.isfinite(value) for value in done.test.numbers().values())
    card = done.card.read_text(encoding="utf-8")
    assert "precomputed" in card + done.card.with_name("DATA_CARD.md").read_text(encoding="utf-8")


def test_features_reach_batches_unchanged_in_single_precision(tmp_path: Path) -> None:
    root = tag_arrays(tmp_path / "own")
    prepare.prepare(f"mine={root}", say=lambda line: None)
    dataset = catalogue.load("mine", "smoke")
    np.testing.assert_array_equal(dataset.images("dev", [3, 1]).features, np.load(root / "dev_preim.npy")[[3, 1]])


def test_the_text_kind_is_guessed_said_and_said_again(tmp_path: Path) -> None:
    lines: list[str] = []
    root = _rows(tmp_path / "own")
    prepare.prepare(f"mine={root}", say=lines.append)
    assert catalogue.entry("mine").text_kind == "captions" == catalogue.load("mine", "smoke").text_kind
    assert any("guessed" in line and line.endswith("say --text tags") for line in lines)
    prepare.prepare("mine", say=lines.append, text="tags")
    assert catalogue.entry("mine").text_kind == "tags" == catalogue.load("mine", "smoke").text_kind
    assert prepare.describe("mine")["regions"] == {"extractor": "precomputed"}


def test_what_a_header_says_is_printed_kept_and_not_contradicted(tmp_path: Path) -> None:
    root = _pictures(tmp_path / "own")
    path, lines = root / "items.jsonl", list[str]()
    rows = path.read_text(encoding="utf-8")
    path.write_text('{"text": "captions"}\n' + rows, encoding="utf-8")
    prepare.prepare(f"mine={root}", regions="simulated", say=lines.append)
    assert f"mine: texts are captions, as {path}, line 1 says" in lines
    assert catalogue.entry("mine").text_kind == "captions" == catalogue.load("mine", "smoke").text_kind
    with pytest.raises(UserError, match=r"text: found 'tags', expected captions, as .*items.jsonl, line 1 says$"):
        prepare.prepare("mine", text="tags", say=lambda line: None)
    path.write_text('{"text": "tags"}\n' + rows, encoding="utf-8")
    catalogue.forget_loaded()
    with pytest.raises(
        UserError, match=r"'mine' was prepared with captions, now they are tags, as .*; prepare it again"
    ):
        catalogue.load("mine", "smoke")
    prepare.prepare(f"mine={root}", regions="simulated", say=lambda line: None)
    assert catalogue.entry("mine").text_kind == "tags"


def test_named_fields_are_kept_and_taken_again(tmp_path: Path) -> None:
    root = label_studio(tmp_path / "own")
    prepare.prepare(f"mine={root}", fields={"texts": "caption"}, regions="simulated", say=lambda line: None)
    prepare.prepare("mine", text="tags", say=lambda line: None)  # names no field: that of before
    found = kept("mine")
    assert found is not None and found.fields == {"texts": "caption"} and found.text_kind == "tags"
    assert prepare.describe("mine")["splits"]["train"]["texts"] == 7
    for fields in ("[]", '{"texts": 1}'):
        content = f'{{"layout": "coco", "text_kind": "tags", "fields": {fields}}}'
        collections.file_of("mine").write_text(content, encoding="utf-8")
        with pytest.raises(UserError, match="prepare the collection again"):
            catalogue.entry("mine")


def test_several_collections_stand_side_by_side_are_listed_and_forgotten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    roots = {"one": tag_arrays(tmp_path / "a"), "two": _rows(tmp_path / "b")}
    for name, root in roots.items():
        assert run(monkeypatch, "data", "prepare", f"{name}={root}") == 0
    assert {"one", "two"} <= set(catalogue.names()) and catalogue.names()[0] == "scenes-flickr25k"
    capsys.readouterr()
    assert run(monkeypatch, "data", "list", "--json") == 0
    listed = {row["dataset"]: row for row in json.loads(capsys.readouterr().out)}
    assert listed["one"] == {"dataset": "one", "texts": "tags", "root": str(roots["one"])}
    assert listed["two"]["texts"] == "captions"
    assert run(monkeypatch, "data", "forget", "one") == 0
    assert str(roots["one"]) in capsys.readouterr().out and (roots["one"] / "train_preim.npy").exists()
    assert "one" not in catalogue.names() and "two" in catalogue.names()
    assert run(monkeypatch, "train", "--dataset", "one", "--scale", "smoke") == 2
    assert "dataset: unknown 'one'" in capsys.readouterr().err
    assert run(monkeypatch, "data", "forget", "one") == 2
    with pytest.raises(KeyError):
        catalogue.CATALOGUE["one"]


def test_a_tilde_that_the_shell_left_is_the_users_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = _rows(tmp_path / "own")
    monkeypatch.setenv("HOME", str(tmp_path))
    prepare.prepare("mine=~/own", regions="simulated", say=lambda line: None)
    assert catalogue.load("mine", "smoke").source.root == root
    with pytest.raises(UserError, match="~nobody-here/own: missing"):
        prepare.prepare("mine=~nobody-here/own", say=lambda line: None)


def test_another_folder_takes_the_place_of_the_first(tmp_path: Path) -> None:
    prepare.prepare(f"mine={tag_arrays(tmp_path / 'a')}", say=lambda line: None)
    other = _rows(tmp_path / "b")
    prepare.prepare(f"mine={other}", say=lambda line: None)
    assert catalogue.load("mine", "smoke").source.root == other
    assert catalogue.entry("mine").text_kind == "captions"


def test_what_cannot_be_prepared_leaves_what_was_there(tmp_path: Path, own_home: Path) -> None:
    bad = tag_arrays(tmp_path / "bad")
    features = np.load(bad / "train_preim.npy")
    features[3, 0, 0] = np.nan
    np.save(bad / "train_preim.npy", features)
    with pytest.raises(UserError, match="row 3: found nan"):
        prepare.prepare(f"mine={bad}", say=lambda line: None)
    assert kept("mine") is None and not (own_home / "data" / "mine").exists()
    good = _rows(tmp_path / "good")
    prepare.prepare(f"mine={good}", say=lambda line: None)
    with pytest.raises(UserError, match="row 3: found nan"):
        prepare.prepare(f"mine={bad}", say=lambda line: None)
    assert catalogue.load("mine", "smoke").source.root == good
    found = kept("mine")
    assert found is not None and found.layout.name == "array-rows"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("Mine={}",), "name: found 'Mine', expected up to 40 letters a-z"),
        (("../mine={}",), "name: found '../mine'"),
        (("={}",), "name: found ''"),
        (("coco={}",), "name: 'coco' is another dataset's"),
        (("mine=",), "name: found no folder after mine="),
        (("mine={}", "--root", "elsewhere"), "leave root, from-dir and manifest away"),
        (("mine={}", "--text", "words"), "text: found 'words'"),
        (("mine={}", "--text", "captions"), "text: found 'captions', expected tags"),
        (("mine={}", "--field", "texts=caption"), "field: found 'texts', expected none: feature files as the authors"),
        (("mine={}", "--field", "caption"), "field: found 'caption', expected ROLE=NAME as in texts=caption"),
        (("mine={}", "--field", "texts=a", "--field", "texts=b"), "field: 'texts' is there twice, expected ROLE=NAME"),
        (("mine={}", "--regions", "grid"), "there are features here and no pictures"),
        (("mine={}/nowhere",), "missing, expected the folder of a collection"),
        (("mine", "--text", "tags"), "no collection 'mine' here yet, expected mine=FOLDER"),
    ],
)
def test_a_mistake_on_the_command_line_is_named(
    arguments: tuple[str, ...],
    expected: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    root = tag_arrays(tmp_path / "own")
    assert run(monkeypatch, "data", "prepare", *(one.format(root) for one in arguments)) == 2
    assert expected in " ".join(capsys.readouterr().err.split()) and collections.kept_names() == []


def test_pictures_are_no_feature_files(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="regions: mine has no feature files"):
        prepare.prepare(f"mine={_pictures(tmp_path / 'own')}", regions="precomputed", say=lambda line: None)


def test_what_is_kept_of_a_collection_may_be_damaged(tmp_path: Path) -> None:
    prepare.prepare(f"mine={_rows(tmp_path / 'own')}", say=lambda line: None)
    for content in ("", "[]", '{"layout": "array-rows", "text_kind": "words"}', '{"layout": "x", "text_kind": "tags"}'):
        collections.file_of("mine").write_text(content, encoding="utf-8")
        with pytest.raises(UserError, match="prepare the collection again with semshare data prepare mine=FOLDER"):
            catalogue.entry("mine")
    prepare.prepare(f"mine={tmp_path / 'own'}", say=lambda line: None)  # as the message says
    assert catalogue.entry("mine").text_kind == "captions"


def test_a_collection_does_not_take_the_name_of_a_manifest(tmp_path: Path, own_home: Path) -> None:
    (own_home / "data").mkdir(parents=True, exist_ok=True)
    content = {"dataset": "mine", "train": [1], "dev": [2], "test": [3]}
    (own_home / "data" / "mine.manifest.json").write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(UserError, match="name: 'mine' is another dataset's"):
        prepare.prepare(f"mine={_rows(tmp_path / 'own')}", say=lambda line: None)
    assert catalogue.entry("mine").folders == ("mine", "coco")


def test_super_categories_beside_the_rows_are_the_datasets(tmp_path: Path) -> None:
    root = _rows(tmp_path / "own")
    (root / "supercategories.yaml").write_text("animal: [dog]\nplace: [sea]\n", encoding="utf-8")
    prepare.prepare(f"mine={root}", say=lambda line: None)
    assert catalogue.load("mine", "smoke").supercategories == {"dog": "animal", "sea": "place"}


def test_a_changed_file_is_seen_and_is_another_checksum(tmp_path: Path) -> None:
    root = tag_arrays(tmp_path / "own")
    prepare.prepare(f"mine={root}", say=lambda line: None)
    before = catalogue.load("mine", "smoke")
    features = np.load(root / "dev_preim.npy")
    features[3] += 1
    np.save(root / "dev_preim.npy", features)
    catalogue.forget_loaded()
    after = catalogue.load("mine", "smoke")
    assert after.checksum != before.checksum
    np.testing.assert_array_equal(Regions.of_rows(after.store.tensor(["dev/3"])).features[0], features[3])
