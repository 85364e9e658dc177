"""What `data prepare` leaves in the cache is forgotten again, and nothing else is."""

from __future__ import annotations

from pathlib import Path

import pytest
from feature_files import tag_arrays

from semshare.data import catalogue, prepare
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
