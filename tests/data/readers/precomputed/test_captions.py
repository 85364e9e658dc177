"""SCAN's precomp folders and the authors' COCO: five captions a picture, features once or five times."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from feature_files import caption_arrays, instances, regions

from semshare.data.readers.precomputed import captions
from semshare.data.readers.precomputed.captions import CaptionArraysSource
from semshare.errors import UserError

pytestmark = pytest.mark.usefixtures("own_home")


def _mistake(root: Path) -> str:
    with pytest.raises(UserError) as caught:
        CaptionArraysSource(root)
    return str(caught.value)


@pytest.mark.parametrize("times", [1, 5])
@pytest.mark.parametrize("label_times", [1, 5])
def test_each_picture_has_its_five_captions_its_labels_and_its_row(
    times: int, label_times: int, tmp_path: Path
) -> None:
    source = CaptionArraysSource(caption_arrays(tmp_path / "own", times=times, label_times=label_times))
    item = next(item for item in source.items() if item.id == "104")
    assert item.split == "dev" and item.texts == tuple(f"A picture of the thing 4 in view {n}." for n in range(5))
    assert item.labels == (source.label_names[4 % 3],)
    assert source.label_names[0] == "person" and source.supercategories["car"] == "vehicle"
    found = source.region_store().read(["104", "2"])[..., :8]
    np.testing.assert_array_equal(found, [regions(6, seed=1)[4], regions(6, seed=0)[2]])


def test_labels_are_those_of_cocos_instances_where_there_is_no_array(tmp_path: Path) -> None:
    root = caption_arrays(tmp_path / "own", labels=0)
    assert "labels are needed" in _mistake(root)
    instances(root)
    source = CaptionArraysSource(root)
    assert source.label_names == ("cat", "dog") and source.supercategories == {"cat": "animal", "dog": "animal"}
    assert {item.id: item.labels for item in source.items()}["103"] == ("dog",)
    text = (root / "dev_ids.txt").read_text(encoding="utf-8").replace("103", "COCO_val2014_000000000103.jpg")
    (root / "dev_ids.txt").write_text(text, encoding="utf-8")
    assert CaptionArraysSource(root).items()[9].labels == ("dog",)
    (root / "dev_ids.txt").write_text(text.replace("102", "999"), encoding="utf-8")
    assert "dev_ids.txt: '999' is no picture of annotations/instances_*.json" in _mistake(root)
    (root / "dev_ids.txt").unlink()
    assert "dev_ids.txt: missing, expected COCO's ids" in _mistake(root)


def test_dev_is_cut_to_its_first_pictures_and_the_large_test_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(captions, "DEV", 4)
    root = caption_arrays(tmp_path / "own")
    for name in ("ims.npy", "caps.txt", "ids.txt", "label.npy"):
        (root / f"testall_{name}").write_bytes((root / f"test_{name}").read_bytes())
    source = CaptionArraysSource(root)
    assert [item.id for item in source.items() if item.split == "dev"] == ["100", "101", "102", "103"]
    assert any("dev: the first 4 of 6 pictures" in note for note in source.notes)
    assert any("test_ims.npy is not read" in note for note in source.notes)


def test_without_ids_items_are_named_by_their_rows(tmp_path: Path) -> None:
    root = caption_arrays(tmp_path / "own", times=5)
    for path in root.glob("*_ids.txt"):
        path.unlink()
    assert [item.id for item in CaptionArraysSource(root).items()][5:7] == ["train/5", "dev/0"]


def test_lines_may_end_as_windows_ends_them(tmp_path: Path) -> None:
    root = caption_arrays(tmp_path / "own")
    before = CaptionArraysSource(root).items()
    for path in root.glob("*.txt"):
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert CaptionArraysSource(root).items() == before


def _change(name: str, old: str, new: str) -> Callable[[Path], object]:
    def change(root: Path) -> None:
        text = (root / name).read_text(encoding="utf-8")
        assert old in text
        (root / name).write_text(text.replace(old, new, 1), encoding="utf-8")

    return change


MISTAKES: dict[str, tuple[Callable[[Path], object], str]] = {
    "an empty caption": (
        _change("train_caps.txt", "A picture of the thing 1 in view 2.", "  "),
        "train_caps.txt, line 8: empty, expected a caption",
    ),
    "dev without five captions": (
        _change("dev_caps.txt", "A picture of the thing 1 in view 2.\n", ""),
        "dev_caps.txt: 29 lines, expected 30: five captions for each of the 6 rows of dev_ims.npy",
    ),
    "a caption a picture": (
        lambda root: (root / "dev_caps.txt").write_text("A picture.\n" * 6, encoding="utf-8"),
        "dev_caps.txt: 6 lines, expected 30",
    ),
    "a split is missing": (lambda root: (root / "test_ims.npy").unlink(), "test_ims.npy: missing, expected train, dev"),
    "captions are missing": (lambda root: (root / "dev_caps.txt").unlink(), "dev_caps.txt: missing"),
    "no ids of another count": (_change("dev_ids.txt", "103\n", ""), "dev_ids.txt: 5 lines, expected 6 or 30"),
    "an id twice": (_change("dev_ids.txt", "103", "102"), "dev_ids.txt, line 4: 102 is in line 3 already"),
    "an empty id": (_change("dev_ids.txt", "103", ""), "dev_ids.txt, line 4: empty"),
    "an id in two splits": (_change("dev_ids.txt", "103", "3"), "dev_ids.txt: 3 is in train too"),
    "labels of another count": (
        lambda root: np.save(root / "dev_label.npy", np.zeros((7, 80))),
        "dev_label.npy: 7 rows, expected 6 as in dev_ims.npy",
    ),
    "labels of another width": (
        lambda root: np.save(root / "dev_label.npy", np.zeros((6, 79))),
        "dev_label.npy: 79 columns, expected 80 as in train_label.npy",
    ),
    "labels that differ": (
        lambda root: np.save(root / "dev_label.npy", np.eye(80)[np.arange(30) % 80]),
        "dev_label.npy, row 0: the five rows of a picture differ",
    ),
    "boxes that are words": (
        lambda root: np.save(root / "train_box.npy", np.full((6, 4, 4), "a")),
        "train_box.npy: values are <U1, expected boxes: floats",
    ),
    "a name too few": (
        lambda root: (root / "label_names.txt").write_text("dog\n" * 79, encoding="utf-8"),
        "label_names.txt: 79 names, expected 80",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_named_by_file_and_line(mistake: str, tmp_path: Path) -> None:
    root = caption_arrays(tmp_path / "own")
    make, expected = MISTAKES[mistake]
    make(root)
    assert expected in _mistake(root)


def test_a_line_a_row_is_no_five_times_unless_the_rows_are_equal(tmp_path: Path) -> None:
    root = caption_arrays(tmp_path / "own", times=5)
    features = np.load(root / "dev_ims.npy")
    features[7, 0, 0] += 1
    np.save(root / "dev_ims.npy", features)
    assert "dev_ims.npy, row 5: dev_caps.txt has a line for each row, but the five rows from here on" in _mistake(root)
