"""What the layouts of feature files share: the store of regions, label names, and arrays that must fit together."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from feature_files import array_rows, regions, tag_arrays

from semshare.data.readers.precomputed.base import flags, label_names
from semshare.data.readers.precomputed.rows import ArrayRowsSource
from semshare.data.readers.precomputed.tags import TagArraysSource
from semshare.data.regions.base import Regions
from semshare.errors import UserError

pytestmark = pytest.mark.usefixtures("own_home")


def test_the_store_gives_each_item_its_own_row_of_its_own_split(tmp_path: Path) -> None:
    source = TagArraysSource(tag_arrays(tmp_path / "own"))
    store = source.region_store()
    assert store.meta == {"extractor": "precomputed", "features": 8, "classes": 5} and store.shape == (4, 15)
    found = Regions.of_rows(store.tensor(["test/3", "train/7"]))
    np.testing.assert_array_equal(found.features[0], regions(20, seed=2)[3])
    np.testing.assert_array_equal(found.features[1], regions(20, seed=0)[7])
    scores = np.load(tmp_path / "own" / "train_cls.npy")
    assert found.classes[1].tolist() == scores[7].argmax(-1).tolist()
    assert found.classes[0].tolist() == [-1] * 4  # train alone has classes
    assert (found.boxes >= 0).all() and (found.boxes[..., :4] <= 1).all()
    with pytest.raises(UserError, match="no pictures"):
        source.picture("train/7")


def test_without_classes_there_are_visual_words_of_all_splits_and_a_note_says_so(tmp_path: Path) -> None:
    source = TagArraysSource(tag_arrays(tmp_path / "own", classes=0))
    assert any("10 visual words (MiniBatchKMeans" in note for note in source.notes)  # 20 x 4 regions, 8 a word
    store = source.region_store()
    assert store.meta["classes"] == 10
    classes = Regions.of_rows(store.tensor([item.id for item in source.items()])).classes
    assert classes.min() == 0 and classes.max() <= 9
    assert not any("visual words" in note for note in TagArraysSource(tag_arrays(tmp_path / "with")).notes)


def test_given_classes_are_taken_as_they_are(tmp_path: Path) -> None:
    root = array_rows(tmp_path / "own")
    classes = np.random.default_rng(0).integers(-1, 7, (12, 4))
    classes[0, 0] = 6
    np.save(root / "classes.npy", classes)
    source = ArrayRowsSource(root)
    store = source.region_store()
    assert store.meta["classes"] == 7
    assert Regions.of_rows(store.tensor(["3"])).classes[0].tolist() == classes[3].tolist()


def test_classes_of_which_none_is_known_are_refused(tmp_path: Path) -> None:
    root = array_rows(tmp_path / "own")
    np.save(root / "classes.npy", np.full((12, 4), -1))
    with pytest.raises(UserError, match=r"classes\.npy: every class is -1"):
        ArrayRowsSource(root).region_store()


@pytest.mark.parametrize(
    ("name", "place", "value", "expected"),
    [
        ("features.npy", (2, 1, 0), np.nan, "features.npy, row 2: found nan"),
        ("boxes.npy", (4, 1, 2), 1.5, "boxes.npy, row 4: box 1 is 0, 0, 1.5, 0.5"),
        ("scores.npy", (5, 0), -1, "scores.npy, row 5: found score -1"),
        ("classes.npy", (6, 3), 200_000, "classes.npy, row 6: class 200000"),
    ],
)
def test_a_bad_row_of_any_file_is_named_before_regions_are_read(
    name: str, place: tuple, value: float, expected: str, tmp_path: Path
) -> None:
    root = array_rows(tmp_path / "own")
    np.save(root / "boxes.npy", np.tile(np.array([0, 0, 0.5, 0.5], "f4"), (12, 4, 1)))
    np.save(root / "scores.npy", np.ones((12, 4), "f4"))
    np.save(root / "classes.npy", np.zeros((12, 4), int))
    ArrayRowsSource(root).region_store()
    array = np.load(root / name)
    array[place] = value
    np.save(root / name, array)
    with pytest.raises(UserError) as caught:
        ArrayRowsSource(root).region_store()
    assert expected in str(caught.value)


@pytest.mark.parametrize("name", ["features.npy", "boxes.npy", "scores.npy", "classes.npy", "order of rows"])
def test_the_checksum_covers_every_file_and_which_row_is_whose(name: str, tmp_path: Path) -> None:
    root = array_rows(tmp_path / "own")
    np.save(root / "boxes.npy", np.tile(np.array([0, 0, 0.5, 0.5], "f4"), (12, 4, 1)))
    np.save(root / "scores.npy", np.full((12, 4), 0.5, "f4"))
    np.save(root / "classes.npy", np.ones((12, 4), int))
    before = ArrayRowsSource(root).region_store().checksum
    assert ArrayRowsSource(root).region_store().checksum == before
    if name == "order of rows":
        text = (root / "items.jsonl").read_text(encoding="utf-8")
        text = text.replace('"row": 3,', '"row": 33, "id": "3",').replace('"row": 4,', '"row": 3, "id": "4",')
        (root / "items.jsonl").write_text(text.replace('"row": 33', '"row": 4'), encoding="utf-8")
    else:
        array = np.load(root / name)
        array[(3, *(0,) * (array.ndim - 1))] = 0.25 if array.dtype.kind == "f" else 0
        np.save(root / name, array)
    assert ArrayRowsSource(root).region_store().checksum != before


def test_pages_see_that_a_file_is_another(tmp_path: Path) -> None:
    root = tag_arrays(tmp_path / "own")
    before = TagArraysSource(root).pool
    assert TagArraysSource(root).pool == before
    np.save(root / "train_cls.npy", np.load(root / "train_cls.npy"))
    assert TagArraysSource(root).pool != before


def test_a_copy_elsewhere_has_the_same_checksum(tmp_path: Path) -> None:
    stores = [TagArraysSource(tag_arrays(tmp_path / name, classes=0)).region_store() for name in ("a", "b")]
    assert stores[0].checksum == stores[1].checksum


def test_splits_of_another_shape_are_refused(tmp_path: Path) -> None:
    root = tag_arrays(tmp_path / "own", classes=0)
    np.save(root / "test_preim.npy", regions(20, (4, 9)))
    with pytest.raises(UserError, match=r"test_preim.npy: \[4, 9\] an item, expected \[4, 8\] as in train_preim.npy"):
        TagArraysSource(root)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("a\nb\n", "2 names, expected 3: one for each column"),
        ("a\nb\na\n", "line 3: found 'a', which stands there already"),
        ("a\n\nb\n", "line 2: found nothing"),
    ],
)
def test_label_names_must_be_one_a_column(content: str, expected: str, tmp_path: Path) -> None:
    (tmp_path / "label_names.txt").write_text(content, encoding="utf-8")
    with pytest.raises(UserError) as caught:
        label_names(tmp_path, 3)
    assert f"{tmp_path / 'label_names.txt'}" in str(caught.value) and expected in str(caught.value)


def test_label_names_are_read_known_or_numbered(tmp_path: Path) -> None:
    assert label_names(tmp_path, 2)[0] == ("label 1", "label 2") and "numbered" in label_names(tmp_path, 2)[2][0]
    coco, above, notes = label_names(tmp_path, 80)
    assert coco[0] == "person" and above["dog"] == "animal" and "taken for COCO's" in notes[0]
    assert label_names(tmp_path, 24)[0][0] == "animals"
    (tmp_path / "label_names.txt").write_bytes(b"\xef\xbb\xbfdog\r\ncat\r\n")
    assert label_names(tmp_path, 2) == (("dog", "cat"), {}, [])


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (np.array([[0, 1], [2, 0]]), "l.mat, row 1: found 2, expected 0 or 1"),
        (np.array([[0, 1], [np.nan, 0]]), "l.mat, row 1: found nan"),
        (np.zeros((3, 2)), "l.mat: 3 rows, expected 2 as in train_preim.npy"),
        (np.zeros(2), "l.mat: float64 of shape"),
    ],
)
def test_flags_are_0_and_1(content: np.ndarray, expected: str) -> None:
    with pytest.raises(UserError) as caught:
        flags(Path("l.mat"), content, 2, "train_preim.npy")
    assert expected in str(caught.value)
