"""The authors' layout of FLICKR25K and NUS-WIDE: what it says is read, and each mistake in it is named."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from feature_files import regions, tag_arrays
from scipy.io import loadmat, savemat

from semshare.data.readers.precomputed.tags import TagArraysSource
from semshare.data.regions.base import Regions
from semshare.errors import UserError

pytestmark = pytest.mark.usefixtures("own_home")


def _mistake(root: Path) -> str:
    with pytest.raises(UserError) as caught:
        TagArraysSource(root)
    return str(caught.value)


def test_items_are_what_the_files_say(tmp_path: Path) -> None:
    root = tag_arrays(tmp_path / "own")
    source = TagArraysSource(root)
    items = source.items()
    assert [sum(item.split == split for item in items) for split in ("train", "dev", "test")] == [20, 20, 20]
    tags, labels = loadmat(root / "dev_tag.mat")["feat"], loadmat(root / "dev_label.mat")["feat"]
    item = next(item for item in items if item.id == "dev/4")
    assert item.texts == (" ".join(f"tag{column}" for column in np.flatnonzero(tags[4])),)
    assert item.labels == tuple(source.label_names[column] for column in np.flatnonzero(labels[4]))
    assert source.status == "own" and source.text_kind == "tags" and source.without_pictures


def test_names_of_pictures_are_ids(tmp_path: Path) -> None:
    root = tag_arrays(tmp_path / "own")
    for split in ("train", "dev", "test"):
        (root / f"{split}_image_path.txt").write_bytes(
            b"".join(b"%s/im%d.jpg\r\n" % (split.encode(), n) for n in range(20))
        )
    assert TagArraysSource(root).items()[0].id == "train/im0.jpg"
    (root / "dev_image_path.txt").write_text("x.jpg\n" * 20, encoding="utf-8")
    assert "item 'x.jpg' is in dev, row 0 and in dev, row 1" in _mistake(root)
    (root / "dev_image_path.txt").write_text("x.jpg\n", encoding="utf-8")
    assert "dev_image_path.txt: 1 lines, expected 20 as in dev_preim.npy" in _mistake(root)
    (root / "dev_image_path.txt").write_text("x.jpg\n\n" + "y.jpg\n" * 18, encoding="utf-8")
    assert "dev_image_path.txt, line 2: empty" in _mistake(root)


def test_an_item_without_tag_or_label_is_left_out_and_counted(tmp_path: Path) -> None:
    root = tag_arrays(tmp_path / "own")
    for name, row in (("train_tag.mat", 3), ("train_label.mat", 5)):
        content = loadmat(root / name)["feat"]
        content[row] = 0
        savemat(root / name, {"feat": content})
    source = TagArraysSource(root)
    assert not {"train/3", "train/5"} & {item.id for item in source.items()}
    assert any("2 items without a tag or without a label, left out: train/3, train/5" in note for note in source.notes)


@pytest.mark.parametrize("first", ["height", "width"])
def test_the_order_of_the_sides_is_that_in_which_boxes_fit(first: str, tmp_path: Path) -> None:
    root = tag_arrays(tmp_path / "own")
    if first == "width":
        for split in ("train", "dev", "test"):
            np.save(root / f"{split}_hw.npy", np.load(root / f"{split}_hw.npy")[:, ::-1])
    source = TagArraysSource(root)
    assert any("read as width, height" in note for note in source.notes) == (first == "width")
    found = Regions.of_rows(source.region_store().tensor(["train/2"])).boxes[0, :, :4].numpy()
    np.testing.assert_allclose(found, np.load(root / "train_box.npy")[2] / [500, 375, 500, 375], rtol=1e-5)


def test_another_number_of_regions_another_size_and_half_precision_are_read(tmp_path: Path) -> None:
    source = TagArraysSource(tag_arrays(tmp_path / "own", shape=(10, 24), dtype="float16"))
    store = source.region_store()
    assert store.shape == (10, 31)
    found = Regions.of_rows(store.tensor(["dev/1"])).features[0]
    np.testing.assert_array_equal(found, regions(20, (10, 24), "float16", 1)[1].astype("f4"))


MISTAKES: dict[str, tuple[Callable[[Path], object], str]] = {
    "a split is missing": (
        lambda root: (root / "dev_preim.npy").unlink(),
        "dev_preim.npy: missing, expected train, dev and test",
    ),
    "boxes of another count": (
        lambda root: np.save(root / "train_box.npy", np.zeros((2000, 4, 4), "f4")),
        "train_box.npy: boxes of shape [2,000, 4, 4], expected [20, 4, 4] as in train_preim.npy [20, 4, 8]; keep",
    ),
    "fewer rows of tags": (
        lambda root: savemat(root / "train_tag.mat", {"feat": np.ones((7, 30))}),
        "train_tag.mat: 7 rows, expected 20 as in train_preim.npy",
    ),
    "fewer rows of labels": (
        lambda root: savemat(root / "dev_label.mat", {"feat": np.ones((7, 24))}),
        "dev_label.mat: 7 rows, expected 20 as in dev_preim.npy",
    ),
    "classes of another count": (
        lambda root: np.save(root / "train_cls.npy", np.ones((20, 3, 5), "f4")),
        "train_cls.npy: class scores of shape [20, 3, 5], expected [20, 4, K]",
    ),
    "more tags than columns": (
        lambda root: savemat(root / "test_tag.mat", {"feat": np.ones((20, 29))}),
        "test_tag.mat: 29 columns, expected 30: one for each line of the list of tags",
    ),
    "labels of another width": (
        lambda root: savemat(root / "test_label.mat", {"feat": np.ones((20, 23))}),
        "test_label.mat: 23 columns, expected 24 as in train_label.mat",
    ),
    "a tag that is counted": (
        lambda root: savemat(root / "train_tag.mat", {"feat": np.full((20, 30), 3)}),
        "train_tag.mat, row 0: found 3, expected 0 or 1",
    ),
    "another variable": (
        lambda root: savemat(root / "train_tag.mat", {"tags": np.ones((20, 30))}),
        "train_tag.mat: no variable 'feat'",
    ),
    "no MATLAB file": (
        lambda root: (root / "train_tag.mat").write_bytes(b"what is this"),
        "train_tag.mat: no MATLAB file that can be read",
    ),
    "MATLAB 7.3": (
        lambda root: (root / "train_tag.mat").write_bytes(
            b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM" + b"\x89HDF\r\n\x1a\n"
        ),
        "train_tag.mat: MATLAB's format 7.3 is not read here; save it as version 7",
    ),
    "no tags file": (
        lambda root: (root / "common_tags.txt").unlink(),
        "no list of tags here, expected common_tags.txt",
    ),
    "an empty tag": (
        lambda root: (root / "common_tags.txt").write_text("sky 3\n\nsea 2\n", encoding="utf-8"),
        "common_tags.txt, line 2: found ''",
    ),
    "no labels": (lambda root: (root / "train_label.mat").unlink(), "train_label.mat: missing"),
    "no sides": (lambda root: (root / "train_hw.npy").unlink(), "train_hw.npy: missing, expected [20, 2] sides"),
    "boxes that are words": (
        lambda root: np.save(root / "train_box.npy", np.full((20, 4, 4), "a")),
        "train_box.npy: values are <U1, expected boxes: numbers",
    ),
    "sides of another count": (
        lambda root: np.save(root / "train_hw.npy", np.ones((19, 2))),
        "train_hw.npy: shape [19, 2], expected [20, 2] as in train_box.npy",
    ),
    "a side of zero": (
        lambda root: np.save(root / "train_hw.npy", np.eye(20)[:, :2]),
        "train_hw.npy, row 0: found [1.0, 0.0], expected two sides above 0",
    ),
    "a pickle": (
        lambda root: np.save(root / "train_preim.npy", np.array([{}]), allow_pickle=True),
        "train_preim.npy: holds Python objects (a pickle)",
    ),
    "whole numbers": (
        lambda root: np.save(root / "train_preim.npy", np.ones((20, 4, 8), int)),
        "train_preim.npy: values are int64, expected float16, float32 or float64",
    ),
    "four dimensions": (
        lambda root: np.save(root / "train_preim.npy", np.ones((20, 4, 8, 1))),
        "train_preim.npy: shape [20, 4, 8, 1], expected [N, R, D]",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_named_by_file(mistake: str, tmp_path: Path) -> None:
    root = tag_arrays(tmp_path / "own")
    make, expected = MISTAKES[mistake]
    make(root)
    assert expected in _mistake(root)


def test_a_list_of_tags_may_be_without_counts_and_end_its_lines_as_windows_does(tmp_path: Path) -> None:
    root = tag_arrays(tmp_path / "own")
    (root / "common_tags.txt").unlink()
    (root / "TagList1k.txt").write_bytes(b"".join(b"word%d\r\n" % n for n in range(30)))
    texts = [text for item in TagArraysSource(root).items() for text in item.texts]
    assert all(word.removeprefix("word").isdigit() for text in texts for word in text.split())
