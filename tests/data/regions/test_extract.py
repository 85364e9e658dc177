"""Extraction: what is written after an interruption, without a picture, and from labels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from damage import every_damage, spoil
from PIL import Image

from semshare.data.regions.base import RegionExtractor, Regions
from semshare.data.regions.extract import extract_to_store
from semshare.data.regions.store import FeatureStore
from semshare.errors import UserError


class Grey(RegionExtractor):
    """A region is the picture's mean grey; remembers how many pictures it saw and stops after ``limit``."""

    name, feature_size, class_count = "grey", 1, 1

    def __init__(self, limit: int = 1000) -> None:
        self.seen, self._limit = 0, limit

    def extract(self, pictures) -> Regions:
        if self.seen >= self._limit:
            raise KeyboardInterrupt
        self.seen += len(pictures)
        grey = torch.tensor([float(np.asarray(one).mean()) for one in pictures])
        features = grey.view(-1, 1, 1).expand(-1, 36, 1)
        return Regions(features, torch.zeros(len(grey), 36, 5), torch.zeros(len(grey), 36), torch.ones(len(grey), 36))


IDS = [str(number) for number in range(20)]


def _picture(id: str) -> Image.Image:
    return Image.new("RGB", (4, 4), (int(id),) * 3)


def _extract(extractor: Grey, folder: Path, picture=_picture, ids=IDS) -> tuple[FeatureStore, list[str]]:
    lines: list[str] = []
    store = extract_to_store(extractor, ids, picture, folder, lambda w, n: w, 2, 2, 4, lines.append)
    return store, lines


def test_every_item_has_its_own_picture(tmp_path: Path) -> None:
    store, lines = _extract(Grey(), tmp_path)
    np.testing.assert_array_equal(store.read(IDS)[:, 0, 0], np.arange(20))
    assert store.skipped == {} and lines[-1].startswith("20 pictures in ") and lines[-1].endswith("; 0 skipped")


@pytest.mark.parametrize(("limit", "whole"), [(2, 0), (4, 4), (10, 8), (18, 16)])
def test_an_interrupted_extraction_goes_on_after_the_last_whole_shard(tmp_path: Path, limit: int, whole: int) -> None:
    with pytest.raises(KeyboardInterrupt):
        _extract(Grey(limit), tmp_path / "a")
    with pytest.raises(UserError, match="no feature store here"):
        FeatureStore(tmp_path / "a")
    again = Grey()
    store, _ = _extract(again, tmp_path / "a")
    assert again.seen == 20 - whole
    store.verify()
    assert store.checksum == _extract(Grey(), tmp_path / "b")[0].checksum
    assert not (tmp_path / "a" / "partial.json").exists()


@pytest.mark.parametrize("spoiled", ["shard", "partial", "items"])
def test_what_does_not_fit_is_extracted_anew(tmp_path: Path, spoiled: str) -> None:
    with pytest.raises(KeyboardInterrupt):
        _extract(Grey(10), tmp_path)
    if spoiled == "shard":
        path = tmp_path / "shard-00000.f16"
        path.write_bytes(b"x" + path.read_bytes()[1:])
    elif spoiled == "partial":
        (tmp_path / "partial.json").write_text("{", encoding="utf-8")
    ids = IDS[::-1] if spoiled == "items" else IDS
    again = Grey()
    store, _ = _extract(again, tmp_path, ids=ids)
    assert again.seen == 20
    np.testing.assert_array_equal(store.read(IDS)[:, 0, 0], np.arange(20))


@every_damage
def test_a_damaged_list_of_whole_shards_is_no_list(damage: str, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        _extract(Grey(10), tmp_path)
    spoil(tmp_path / "partial.json", damage)
    again = Grey()
    _extract(again, tmp_path)
    assert again.seen == 20


def test_unreadable_pictures_are_listed_skipped_and_counted(tmp_path: Path) -> None:
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"\xff\xd8\xff no picture")

    def picture(id: str) -> Image.Image:
        return Image.open(broken) if id in ("3", "6", "7") else _picture(id)

    store, lines = _extract(Grey(), tmp_path / "s", picture)
    assert list(store.skipped) == ["3", "6", "7"] and "broken.jpg" in store.skipped["3"]
    assert len(store) == 17 and "3" not in store and lines[-1].endswith("; 3 skipped")
    good = [id for id in IDS if id in store]
    np.testing.assert_array_equal(store.read(good)[:, 0, 0], [int(id) for id in good])
    assert FeatureStore(tmp_path / "s").skipped == store.skipped


class Tall(Grey):
    """Computes nothing where a picture is less than two pixels high, as a detector does."""

    def extract(self, pictures) -> Regions:
        if any(picture.height < 2 for picture in pictures):
            raise RuntimeError("Given input size: (256x0x13). Output size is too small\nand a long trace")
        return super().extract(pictures)


def test_a_picture_that_nothing_can_be_computed_of_leaves_alone(tmp_path: Path) -> None:
    """Its batch goes on, and so does a batch of such pictures only."""

    def picture(id: str) -> Image.Image:
        return Image.new("RGB", (9, 1)) if id in ("3", "6", "7") else _picture(id)

    store, lines = _extract(Tall(), tmp_path, picture)
    assert list(store.skipped) == ["3", "6", "7"] and len(store) == 17
    assert store.skipped["3"] == (
        "nothing can be computed of this picture: RuntimeError: Given input size: (256x0x13). Output size is too small"
    )
    assert f"skipped 3: {store.skipped['3']}" in lines
    good = [id for id in IDS if id in store]
    np.testing.assert_array_equal(store.read(good)[:, 0, 0], [int(id) for id in good])


def test_what_is_of_no_single_picture_stops_the_extraction(tmp_path: Path) -> None:
    class Broken(Grey):
        def extract(self, pictures) -> Regions:
            raise UserError("the weights are gone")

    with pytest.raises(UserError, match="the weights are gone"):
        _extract(Broken(), tmp_path)


def test_no_readable_picture_at_all_is_a_user_error(tmp_path: Path) -> None:
    def missing(id: str) -> Image.Image:
        raise UserError(f"{id}.jpg: cannot read this picture")

    with pytest.raises(UserError, match=r"every item was skipped: 0.jpg: cannot read"):
        _extract(Grey(), tmp_path / "store", missing)
    assert not list(tmp_path.iterdir())
