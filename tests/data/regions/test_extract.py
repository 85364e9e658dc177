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
from semshare.data.regions.simulated import RegionSimulator, simulate_to_store
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


def test_simulated_regions_follow_labels_seed_and_id(tmp_path: Path) -> None:
    simulator = RegionSimulator(3, noise=0)
    rows = simulator.simulate(["a", "b"], [[0, 2], [1]])
    assert rows.shape == (2, 36, 71) and set(rows[0, :, -2].astype(int)) == {0, 1, 3}
    np.testing.assert_array_equal(RegionSimulator(3, noise=0).simulate(["b"], [[1]])[0], rows[1])
    assert not np.array_equal(RegionSimulator(3, seed=1, noise=0).simulate(["b"], [[1]])[0], rows[1])
    assert not np.array_equal(simulator.simulate(["c"], [[1]])[0], rows[1])
    one = rows[1].astype(np.float32)
    shown = one[:, -2] == 2
    assert 5 < shown.sum() < 31, "half of the regions are background"
    assert np.linalg.norm(one[shown, :64].mean(0)) > 3 * np.linalg.norm(one[~shown, :64].mean(0))
    store = simulate_to_store(simulator, ["a", "b"], [[0, 2], [1]], tmp_path, lambda w, n: w)
    np.testing.assert_array_equal(store.read(["a", "b"]), rows)
    assert store.meta == {"extractor": "simulated", "features": 64, "classes": 4}
    with pytest.raises(UserError, match=r"label columns \[3\], expected 0 to 2"):
        simulator.simulate(["a"], [[3]])


def test_what_an_items_regions_show_is_drawn_once_an_item() -> None:
    """The noise is in the labels that are seen: all of an item's regions agree on them, so averaging removes none."""
    count, noise, ids = 5, 0.4, [str(number) for number in range(3000)]
    rows = RegionSimulator(count, noise=noise).simulate(ids, [[2]] * len(ids))
    seen = [set(classes[classes > 0].astype(int)) for classes in rows[:, :, -2]]
    assert {len(one) for one in seen} == {1}
    shares = np.bincount([one.pop() - 1 for one in seen], minlength=count) / len(ids)
    # Seen rightly with probability 1 - noise, else as any other label: 0.03 is over three standard deviations.
    np.testing.assert_allclose(shares, np.where(np.arange(count) == 2, 1 - noise, noise / 4), atol=0.03)
    # A region seen wrongly is, feature and class, what a region of that label is.
    right = RegionSimulator(count, noise=0).simulate(ids[:300], [[0]] * 300).astype(np.float32)
    wrong = rows[:300].astype(np.float32)
    means = [part[part[..., -2] == 1][:, :64].mean(0) for part in (right, wrong)]
    np.testing.assert_allclose(*means, atol=0.2)
    assert np.linalg.norm(means[0]) > 7


def test_a_label_seen_wrongly_is_seen_as_another_one() -> None:
    rows = RegionSimulator(3, noise=1).simulate([str(number) for number in range(200)], [[0]] * 200)
    assert not (rows[:, :, -2] == 1).any() and {2, 3} <= set(rows[:, :, -2].flatten().astype(int))


def test_one_label_cannot_be_taken_for_another() -> None:
    with pytest.raises(UserError, match="at least 2 labels, to take one for another; found 1"):
        RegionSimulator(1)
