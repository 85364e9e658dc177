"""What `data prepare` leaves in the cache is forgotten again, and nothing else is."""

from __future__ import annotations

from pathlib import Path

import pytest
from feature_files import tag_arrays
from PIL import Image

from semshare.cli.datasets import data_list
from semshare.data import catalogue, collections, prepare
from semshare.data.links import forget
from semshare.errors import UserError


def test_link_notes_and_name_go_and_the_data_stays(tmp_path: Path, own_home: Path) -> None:
    root = tag_arrays(tmp_path / "own")
    prepare.prepare(f"mine={root}", regions="simulated", tokens="space", say=lambda line: None)
    left = {path.name for path in (own_home / "data").iterdir()}
    assert left == {"mine", "mine.collection.json", "mine.regions", "mine.tokens"}
    assert forget("mine") == [
        f"mine: {root} is left as it is, and not found by that name any more",
        "mine: forgotten: what kind of collection it is",
        "mine: forgotten: which regions it takes",
        "mine: forgotten: how its texts are cut",
    ]
    assert list((own_home / "data").iterdir()) == [] and (root / "train_preim.npy").exists()
    prepare.prepare(f"mine={root}", say=lambda line: None)
    assert catalogue.regions_of("mine") == "precomputed"  # no note of before speaks for the next of that name


def test_a_link_whose_target_is_gone_can_be_forgotten(tmp_path: Path, own_home: Path) -> None:
    root = tag_arrays(tmp_path / "own")
    prepare.prepare(f"mine={root}", say=lambda line: None)
    root.rename(tmp_path / "moved")
    forget("mine")
    assert list((own_home / "data").iterdir()) == []


def test_what_cannot_be_forgotten_says_why(own_home: Path) -> None:
    with pytest.raises(UserError, match="dataset: unknown 'mine'"):
        forget("mine")
    with pytest.raises(UserError, match="generated, nothing is remembered"):
        forget("scenes-coco5k")
    (own_home / "data" / "coco").mkdir(parents=True)
    with pytest.raises(UserError, match="the data of 'coco' itself lies here"):
        forget("coco")
    assert forget("nuswide") == ["nuswide: nothing was remembered"]
    (own_home / "data" / "nuswide.regions").write_text("grid\n", encoding="utf-8")
    assert forget("nuswide") == ["nuswide: forgotten: which regions it takes"]


def test_datasets_that_lie_together_are_forgotten_together_and_named(tmp_path: Path, own_home: Path) -> None:
    (own_home / "data").mkdir(parents=True)
    (own_home / "data" / "coco").symlink_to(tmp_path)
    assert forget("coco1k")[0].startswith(f"coco, coco16k, coco1k, coco5k: {tmp_path} is left as it is")


def test_a_damaged_note_stops_neither_the_list_nor_forgetting(
    own_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    note = own_home / "data" / "mine.collection.json"
    note.parent.mkdir(parents=True)
    note.write_bytes(bytes(30))
    data_list()
    listed = capsys.readouterr().out
    assert "coco16k" in listed and f"{note}: damaged" in listed
    assert forget("mine") == ["mine: forgotten: what kind of collection it is"] and not note.exists()


def test_a_table_beside_pictures_by_class_is_not_taken_for_rows(tmp_path: Path) -> None:
    for number, label in enumerate(("cat", "dog") * 2):
        (tmp_path / label).mkdir(exist_ok=True)
        Image.new("RGB", (4, 4)).save(tmp_path / label / f"{number}.png")
    (tmp_path / "sizes.csv").write_text("name;bytes\n", encoding="utf-8")
    assert collections.recognised(tmp_path).name == "image-folder"
    (tmp_path / "rows.jsonl").write_text("{}\n", encoding="utf-8")
    assert collections.recognised(tmp_path).name == "rows"
