"""The drawn scenes: labels, texts and pictures, the same everywhere, and no split sees another."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

import pytest

from semshare.data.scenes.layout import LABELS, View
from semshare.data.scenes.source import SCENE_SIZES, TAG_TEST_SIZES, ScenesSource
from semshare.errors import UserError
from semshare.utils.home import cache_folder

VIEWS: tuple[View, ...] = ("flickr25k", "nuswide", "coco")
SMALL = {"train": 6, "dev": 2, "test": 3}


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> ScenesSource:
    return ScenesSource("coco", SMALL, tmp_path_factory.mktemp("small"))


def _smoke(view: View) -> ScenesSource:
    """The smoke pool of the session's home, which the tests of runs use as well."""
    return ScenesSource.at(view, "smoke", cache_folder("scenes"))


def test_supercategories_are_cocos(realdata: Path) -> None:
    real = json.loads((realdata / "coco" / "annotations" / "instances_val2017.json").read_text(encoding="utf-8"))[
        "categories"
    ]
    expected = {one["name"]: one["supercategory"] for one in real}
    ours = ScenesSource("coco", SMALL, Path("unused")).supercategories
    assert set(ours) == set(LABELS["coco"])
    assert all(expected[name] == group for name, group in ours.items())
    # COCO's own order as well.
    assert [one["name"] for one in real if one["name"] in ours] == list(LABELS["coco"])


@pytest.mark.parametrize("view", VIEWS)
def test_neither_ids_nor_texts_give_labels_away(many: dict, view: View) -> None:
    words = {word for label in LABELS[view] for word in re.split(r"[ _]", label)}
    for item in many[view].items():
        # An id is its split and its number: nothing else, so no label can hide in it.
        assert re.fullmatch(r"(train|dev|test)-\d{6}", item.id)
        assert not words & (set(item.id.split("-")) - {"train"})  # "train" is a COCO category as well
        assert not any(item.id in text or item.id.split("-")[1] in text for text in item.texts)


def test_a_train_is_no_likelier_in_the_train_split(tmp_path: Path) -> None:
    # The one label that is also the name of a split.
    source = ScenesSource("coco", {"train": 800, "dev": 1, "test": 800}, tmp_path)
    share = {
        split: sum("train" in item.labels for item in source.items() if item.split == split) / 800
        for split in ("train", "test")
    }
    assert share["train"] == pytest.approx(share["test"], abs=0.03)


# The same everywhere


@pytest.mark.parametrize("view", VIEWS)
def test_items_are_the_same_from_any_source_of_the_seed(tmp_path: Path, view: View) -> None:
    first, same = (ScenesSource(view, SMALL, tmp_path / name).items() for name in "ab")
    assert first == same
    assert [item.texts for item in ScenesSource(view, SMALL, tmp_path, seed=1).items()] != [x.texts for x in first]


def test_two_pools_in_different_folders_are_byte_equal(small: ScenesSource, tmp_path: Path) -> None:
    small.picture("train-000000")
    other = ScenesSource("coco", SMALL, tmp_path)
    other.picture("train-000000")

    def content(folder: Path) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in folder.iterdir()}

    first, second = content(small._folder), content(other._folder)
    assert first == second and any(name.endswith(".jpegs") for name in first)


def test_a_small_pool_begins_a_larger_one(small: ScenesSource) -> None:
    big = _smoke("coco")
    for id in ("train-000005", "dev-000001", "test-000002"):
        assert small.picture(id).tobytes() == big.picture(id).tobytes()
    chosen = {item.id: item for item in big.items()}
    assert all(chosen[item.id] == item for item in small.items())


def test_another_seed_draws_other_pictures(small: ScenesSource, tmp_path: Path) -> None:
    other = ScenesSource("coco", SMALL, tmp_path, seed=1)
    assert other.pool != small.pool
    assert other.picture("train-000000").tobytes() != small.picture("train-000000").tobytes()


def test_pictures_are_rgb_of_192_pixels(small: ScenesSource) -> None:
    picture = small.picture("dev-000001")
    assert picture.mode == "RGB" and picture.size == (192, 192)
    assert len(picture.getcolors(192 * 192)) > 500, "more than one flat colour"


# Splits and views


@pytest.mark.parametrize("view", VIEWS)
def test_splits_have_their_sizes_and_share_no_id(view: View) -> None:
    source = _smoke(view)
    ids = [item.id for item in source.items()]
    assert len(set(ids)) == len(ids)
    sizes = dict(SCENE_SIZES["smoke"]) | ({} if view == "coco" else {"test": TAG_TEST_SIZES["smoke"]})
    for split, size in sizes.items():
        assert sum(item.split == split for item in source.items()) == size
        assert all(item.id.startswith(f"{split}-") for item in source.items() if item.split == split)


def test_no_two_pictures_of_the_pool_are_equal() -> None:
    # So no picture stands in two splits.
    source = _smoke("coco")
    prints = {hashlib.sha256(source.picture(id).tobytes()).hexdigest() for id in source.pool_ids()}
    assert len(prints) == len(source.pool_ids()) == sum(SCENE_SIZES["smoke"].values())


def test_views_share_one_pool_of_pictures(tmp_path: Path) -> None:
    sources = [ScenesSource(view, SMALL, tmp_path) for view in VIEWS]
    pictures = {source.picture("test-000000").tobytes() for source in sources}
    assert len(pictures) == 1 and len({source.pool for source in sources}) == 1
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == [sources[0].pool]
    assert len({tuple(source.pool_ids()) for source in sources}) == 1


def test_a_view_may_list_fewer_test_items_but_not_more(tmp_path: Path) -> None:
    source = ScenesSource("flickr25k", SMALL, tmp_path, test=2)
    assert [item.id for item in source.items() if item.split == "test"] == ["test-000000", "test-000001"]
    assert len(source.pool_ids()) == sum(SMALL.values())
    with pytest.raises(UserError, match="4 test items asked of a pool of scenes that has 3"):
        ScenesSource("flickr25k", SMALL, tmp_path, test=4)


def test_an_unknown_view_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="unknown view of the scenes 'imagenet': choose one of flickr25k"):
        ScenesSource("imagenet", SMALL, tmp_path)  # type: ignore[arg-type]


def test_an_unknown_picture_is_refused(small: ScenesSource) -> None:
    with pytest.raises(UserError, match="no picture 'train-000006' in this pool"):
        small.picture("train-000006")
