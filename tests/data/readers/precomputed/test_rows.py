"""Rows beside an array: JSONL and CSV with ``row`` in the place of ``image``, and every kind of mistake in them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from feature_files import array_rows, regions

from semshare.data.readers.precomputed.rows import ArrayRowsSource
from semshare.data.regions.base import Regions
from semshare.errors import UserError

pytestmark = pytest.mark.usefixtures("own_home")


def _mistake(root: Path) -> str:
    with pytest.raises(UserError) as caught:
        ArrayRowsSource(root)
    return str(caught.value)


def test_jsonl_is_read_and_each_item_has_its_row(tmp_path: Path) -> None:
    source = ArrayRowsSource(array_rows(tmp_path / "own"))
    items = source.items()
    assert [item.id for item in items] == [str(11 - n) for n in range(12)]
    assert items[1].texts == ("A dog on the beach 1.", "It is wet.") and items[1].labels == ("sea", "dog")
    assert source.label_names == ("dog", "sea")
    assert {item.split for item in items} == {"train", "dev", "test"}
    np.testing.assert_array_equal(source.region_store().read(["4"])[0, :, :8], regions(12)[4])


def test_another_split_seed_is_another_split(tmp_path: Path) -> None:
    root = array_rows(tmp_path / "own")
    assert ArrayRowsSource(root, 0).items() != ArrayRowsSource(root, 1).items()


def test_csv_and_one_vector_an_item_are_read(tmp_path: Path) -> None:
    root = array_rows(tmp_path / "own", shape=(8,))
    (root / "items.jsonl").unlink()
    lines = ["row,texts,labels,id", *(f"{n},A dog {n},dog;sea,item {n}" for n in range(0, 12, 2))]
    (root / "items.csv").write_bytes("\r\n".join(lines).encode())
    source = ArrayRowsSource(root)
    assert [item.id for item in source.items()] == [f"item {n}" for n in range(0, 12, 2)]
    store = source.region_store()
    assert store.shape == (1, 15)
    np.testing.assert_array_equal(store.read(["item 4"])[0, 0, :8], regions(12, (8,))[4])


def test_boxes_scores_and_classes_beside_are_read(tmp_path: Path) -> None:
    root = array_rows(tmp_path / "own")
    boxes = np.tile(np.array([0, 0.25, 0.5, 1], "f4"), (12, 4, 1))
    scores = np.ones((12, 4), "f4")
    scores[5, 3] = 0
    np.save(root / "boxes.npy", boxes)
    np.save(root / "scores.npy", scores)
    np.save(root / "classes.npy", np.arange(48).reshape(12, 4) % 7)
    source = ArrayRowsSource(root)
    assert source.notes == ()
    segments = Regions.of_rows(source.region_store().tensor(["5"])).segments()
    assert segments.mask.tolist() == [[True, True, True, False]]
    assert segments.positions[0, 0].tolist() == [0, 0.25, 0.5, 1, 0.375]
    assert segments.targets.tolist() == [[n % 7 for n in range(20, 24)]]


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"row": 12}, "items.jsonl, line 1: row: found 12, a whole number, expected a row of features.npy: 0 to 11"),
        ({"row": -1}, "line 1: row: found -1"),
        ({"row": 1.5}, "line 1: row: found 1.5, a decimal number"),
        ({"row": True}, "line 1: row: found true"),
        ({"row": None}, "line 1: row: missing"),
        ({"row": 10}, "line 2: row: '10' is the row of line 1 already"),
        ({"image": "a.jpg"}, "line 1: unknown field 'image', expected row, texts, labels, split, id"),
        ({"texts": [""]}, "line 1: texts: empty in it"),
        ({"labels": []}, "line 1: labels: empty"),
        ({"split": "vale"}, "line 1: split: found 'vale', expected train, dev (or val, validation) or test"),
    ],
)
def test_a_mistake_in_a_row_is_named_by_line(changed: dict[str, Any], expected: str, tmp_path: Path) -> None:
    assert expected in _mistake(array_rows(tmp_path / "own", **changed))


@pytest.mark.parametrize(
    ("name", "array", "expected"),
    [
        ("features.npy", np.zeros((12, 4, 8), int), "features.npy: values are int64"),
        ("boxes.npy", np.zeros((12, 4), "f4"), "boxes.npy: boxes of shape [12, 4], expected [12, 4, 4]"),
        ("boxes.npy", np.zeros((12, 4, 4), int), "boxes.npy: values are int64, expected boxes: floats"),
        ("scores.npy", np.zeros((12, 4), "U3"), "scores.npy: values are <U3, expected scores: floats"),
        ("scores.npy", np.zeros((12, 5), "f4"), "scores.npy: scores of shape [12, 5], expected [12, 4]"),
        ("classes.npy", np.zeros((11, 4), int), "classes.npy: classes of shape [11, 4], expected [12, 4]"),
        ("classes.npy", np.zeros((12, 4), "U3"), "classes.npy: "),
    ],
)
def test_arrays_that_do_not_fit_are_refused(name: str, array: np.ndarray, expected: str, tmp_path: Path) -> None:
    root = array_rows(tmp_path / "own")
    np.save(root / name, array)
    assert expected in _mistake(root)


def test_a_row_in_csv_of_more_digits_than_python_reads_is_named(tmp_path: Path) -> None:
    root = array_rows(tmp_path / "own")
    (root / "items.jsonl").unlink()
    (root / "items.csv").write_text(f"row,texts,labels\n{'9' * 5000},A dog,dog\n", encoding="utf-8")
    assert "items.csv, line 2: row: found '999" in _mistake(root)


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    root = array_rows(tmp_path / "own")
    (root / "features.npy").unlink()
    assert "features.npy: missing" in _mistake(root)
    (root / "items.jsonl").unlink()
    assert "0 files .jsonl or .csv here" in _mistake(root)
