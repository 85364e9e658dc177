"""Arrays of regions: rows by position are those of NumPy, and what is no array says so."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
from damage import every_damage, spoil

from semshare.data.regions.arrays import ArrayFile, ArrayStore, RegionArrays, check_floats
from semshare.data.regions.base import Regions
from semshare.errors import UserError


def _saved(path: Path, array: np.ndarray) -> ArrayFile:
    np.save(path, array)
    return ArrayFile(path)


@pytest.mark.parametrize("dtype", ["<f2", "<f4", "<f8", ">f4", "<i8"])
@pytest.mark.parametrize("shape", [(7, 3, 4), (7, 5), (7,)])
def test_rows_are_those_of_numpy(shape: tuple[int, ...], dtype: str, tmp_path: Path) -> None:
    array = (np.random.default_rng(0).normal(size=shape) * 100).astype(dtype)
    file = _saved(tmp_path / "a.npy", array)
    assert len(file) == 7 and file.shape == shape and file.dtype == array.dtype
    order = [6, 0, 3, 3, 1]
    np.testing.assert_array_equal(file.read(order), array[order])
    np.testing.assert_array_equal(np.concatenate([block for _, block in file.blocks()]), array)


def test_blocks_are_in_order_and_hold_what_fits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("semshare.data.regions.arrays._BLOCK", 3 * 4 * 8)
    array = np.arange(40.0).reshape(10, 4)
    blocks = list(_saved(tmp_path / "a.npy", array).blocks())
    assert [start for start, _ in blocks] == [0, 3, 6, 9] and len(blocks[-1][1]) == 1
    np.testing.assert_array_equal(np.concatenate([block for _, block in blocks]), array)


def _mistake(path: Path) -> str:
    with pytest.raises(UserError) as caught:
        ArrayFile(path)
    return str(caught.value)


def test_a_pickle_is_never_loaded_and_the_message_says_what_to_do(tmp_path: Path) -> None:
    path, ran = tmp_path / "features.npy", tmp_path / "ran"

    class Harm:
        def __reduce__(self) -> tuple:
            return (Path.touch, (ran,))

    np.save(path, np.array([Harm(), None], dtype=object), allow_pickle=True)
    assert "features.npy: holds Python objects (a pickle)" in _mistake(path) and "np.save(NEW" in _mistake(path)
    path.write_bytes(pickle.dumps(Harm()))
    assert "pickle" in _mistake(path)
    assert not ran.exists()


@every_damage
def test_a_damaged_file_is_named(damage: str, tmp_path: Path) -> None:
    path = tmp_path / "features.npy"
    np.save(path, np.zeros((20, 4)))
    spoil(path, damage)
    assert str(path) in _mistake(path) and "not a whole .npy array" in _mistake(path)


def test_what_holds_no_rows_is_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.float32(3))
    assert "no array with rows" in _mistake(tmp_path / "a.npy")
    np.savez(tmp_path / "b.npz", a=np.zeros(3))
    assert "no array with rows" in _mistake(tmp_path / "b.npz")
    np.save(tmp_path / "c.npy", np.asfortranarray(np.zeros((3, 4))))
    assert "np.ascontiguousarray" in _mistake(tmp_path / "c.npy")
    assert "missing" in _mistake(tmp_path / "d.npy")


@pytest.mark.parametrize("array", [np.zeros((3, 4), int), np.zeros((3, 4, 5, 6)), np.zeros(3), np.zeros((3, 0), "f4")])
def test_features_of_another_kind_or_shape_are_refused(array: np.ndarray, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"a\.npy: (values are|shape|not a whole)"):
        check_floats(_saved(tmp_path / "a.npy", array), (2, 3), "[N, R, D]")


def test_a_file_that_was_cut_after_it_was_opened_is_named(tmp_path: Path) -> None:
    file = _saved(tmp_path / "a.npy", np.zeros((10, 100)))
    with open(file.path, "r+b") as content:
        content.truncate(500)
    with pytest.raises(UserError, match="ends early"):
        file.read([9])


def test_regions_have_their_boxes_relative_their_area_classes_and_scores(tmp_path: Path) -> None:
    features = np.arange(12.0).reshape(2, 2, 3)
    boxes = np.array([[[0, 0, 50, 20], [25, 10, 100, 40]], [[0, 0, 10, 10], [0, 0, 20, 5]]], "f4")
    arrays = RegionArrays(
        _saved(tmp_path / "f.npy", features),
        _saved(tmp_path / "c.npy", np.array([[3, -1], [1, 2]])),
        _saved(tmp_path / "b.npy", boxes),
        np.array([[100, 40], [20, 10]]),
        _saved(tmp_path / "s.npy", np.array([[0.5, 1], [1, 0]])),
    )
    store = ArrayStore([(arrays, {"a": 0, "b": 1})], 4, ["x"])
    assert store.shape == (2, 10) and store.meta == {"extractor": "precomputed", "features": 3, "classes": 4}
    assert "a" in store and "c" not in store and len(store) == 2
    segments = Regions.of_rows(store.tensor(["b", "a"])).segments()
    np.testing.assert_array_equal(segments.features.numpy(), features[[1, 0]])
    np.testing.assert_allclose(segments.positions[1, 1], [0.25, 0.25, 1, 1, 0.5625])
    np.testing.assert_allclose(segments.positions[0, 0], [0, 0, 0.5, 1, 0.5])
    assert segments.mask.tolist() == [[True, False], [True, True]]
    assert segments.targets.tolist() == [[1, 2], [3, -1]]
    with pytest.raises(UserError, match="no features for item 'c'"):
        store.read(["c"])


def test_one_vector_is_one_region_and_without_files_it_is_the_whole_picture(tmp_path: Path) -> None:
    features = np.arange(6.0, dtype="f4").reshape(2, 3)
    store = ArrayStore([(RegionArrays(_saved(tmp_path / "f.npy", features)), {"a": 0, "b": 1})], 1, [])
    segments = Regions.of_rows(store.tensor(["a", "b"])).segments()
    np.testing.assert_array_equal(segments.features[:, 0].numpy(), features)
    assert segments.positions.tolist() == [[[0, 0, 1, 1, 1]]] * 2
    assert segments.mask.all() and (segments.targets == -1).all()


def test_items_of_several_files_come_in_the_order_asked_for(tmp_path: Path) -> None:
    first, other = np.zeros((2, 1, 3)), np.ones((3, 1, 3)) * np.arange(1, 4)[:, None, None]
    parts = [
        (RegionArrays(_saved(tmp_path / "a.npy", first)), {"a": 1}),
        (RegionArrays(_saved(tmp_path / "b.npy", other)), {"b": 0, "c": 2}),
    ]
    assert ArrayStore(parts, 1, []).read(["c", "a", "b"])[:, 0, 0].tolist() == [3, 0, 1]


def test_the_checksum_follows_contents_and_classes(tmp_path: Path) -> None:
    arrays = RegionArrays(_saved(tmp_path / "a.npy", np.zeros((2, 1, 3))))
    made = {
        ArrayStore([(arrays, {"a": 0})], count, said).checksum for count, said in ((1, ["x"]), (2, ["x"]), (1, ["y"]))
    }
    assert len(made) == 3
