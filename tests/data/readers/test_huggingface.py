"""Hugging Face datasets on disk: splits, columns, labels of every kind, and each mistake."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hugging_face import LABELS, rows, saved, saved_splits
from PIL import Image

from semshare.data import catalogue, prepare
from semshare.data.collections import read, recognised
from semshare.data.pictures import NoPictureError
from semshare.data.readers.huggingface import HuggingFaceSource, is_dataset
from semshare.errors import UserError
from semshare.utils.extras import MissingExtraError

datasets = pytest.importorskip("datasets")


@pytest.fixture(autouse=True)
def quiet() -> None:
    datasets.disable_progress_bars()


def _mistake(root: Path, fields: dict[str, str] | None = None) -> str:
    with pytest.raises(UserError) as caught:
        HuggingFaceSource(root, 0, fields)
    return str(caught.value)


def test_every_row_has_its_picture_its_text_and_the_name_of_its_label(tmp_path: Path) -> None:
    root = saved(tmp_path / "own")
    assert recognised(root).name == "huggingface"
    source = HuggingFaceSource(root)
    items = source.items()
    assert [item.id for item in items] == [str(n) for n in range(12)] and source.label_names == LABELS
    for n, item in enumerate(items):
        assert item.texts == (f"The {LABELS[n % 3]} number {n}.",) and item.labels == (LABELS[n % 3],)
        assert source.picture(item.id).getpixel((0, 0)) == (n, 9, 9)
    counts = {split: sum(item.split == split for item in items) for split in ("train", "dev", "test")}
    assert counts == {"train": 8, "dev": 2, "test": 2}
    assert HuggingFaceSource(root, 1).items() != items and HuggingFaceSource(root, 0).items() == items


def test_pictures_that_come_again_are_told_after_prepare(own_home: Path, tmp_path: Path) -> None:
    listed = rows()
    listed[7]["image"] = listed[2]["image"]
    made = prepare.prepare(f"mine={saved(tmp_path / 'own', listed)}", say=lambda line: None)
    (line,) = [line for line in made["odd"] if "more than once" in line]
    assert line.startswith("1 picture is there more than once by content") and line.endswith("2 = 7")


@pytest.mark.parametrize("dev", ["validation", "val", "dev"])
def test_three_splits_are_kept(dev: str, tmp_path: Path) -> None:
    source = HuggingFaceSource(saved_splits(tmp_path / "own", {"train": 8, dev: 3, "test": 4}))
    splits = [item.split for item in source.items()]
    assert splits == [*("train",) * 8, *("dev",) * 3, *("test",) * 4]
    assert source.items()[9].id == f"{dev}/1" and source.picture(f"{dev}/1").getpixel((0, 0)) == (9, 9, 9)


def test_a_single_split_is_split_by_the_seed(tmp_path: Path) -> None:
    source = HuggingFaceSource(saved_splits(tmp_path / "own", {"train": 10}))
    assert {item.split for item in source.items()} == {"train", "dev", "test"} and source.items()[3].id == "3"


def _lists(root: Path) -> Path:
    labels = [[0], [1, 0, 1], [], [2, -1]] * 3
    listed = [row | {"label": label} for row, label in zip(rows(), labels, strict=True)]
    return saved(root, listed, label=datasets.Sequence(datasets.ClassLabel(names=list(LABELS))))


def _texts(root: Path) -> Path:
    labels = ["dog", " cat ", None, ""] * 3
    listed = [row | {"label": label} for row, label in zip(rows(), labels, strict=True)]
    return saved(root, listed, label=datasets.Value("string"))


def _lists_of_texts(root: Path) -> Path:
    labels = [["dog"], ["cat", "dog"], [], [" bird"]] * 3
    listed = [row | {"label": label} for row, label in zip(rows(), labels, strict=True)]
    return saved(root, listed, label=datasets.Sequence(datasets.Value("string")))


def _no_label(root: Path) -> Path:
    """ClassLabel has -1 where there is no label."""
    listed = [row | {"label": label} for row, label in zip(rows(), [0, 1, -1, None] * 3, strict=True)]
    return saved(root, listed)


KINDS: dict[str, tuple[Callable[[Path], Path], list[tuple[str, ...]], tuple[str, ...]]] = {
    "lists of ClassLabel": (_lists, [("dog",), ("cat", "dog"), (), ("bird",)], LABELS),
    "texts": (_texts, [("dog",), ("cat",), (), ()], ("cat", "dog")),
    "lists of texts": (_lists_of_texts, [("dog",), ("cat", "dog"), (), ("bird",)], ("bird", "cat", "dog")),
    "no label": (_no_label, [("dog",), ("cat",), (), ()], LABELS),
}


@pytest.mark.parametrize("kind", KINDS)
def test_labels_of_every_kind(kind: str, tmp_path: Path) -> None:
    make, first, names = KINDS[kind]
    source = HuggingFaceSource(make(tmp_path / "own"))
    assert [item.labels for item in source.items()[:4]] == first and source.label_names == names


def test_columns_are_named_and_a_list_gives_several_texts(tmp_path: Path) -> None:
    listed = [{"img": row["image"], "sentences": [row["text"], " Two. "], "y": row["label"], "n": 1} for row in rows()]
    own = {
        "img": datasets.Image(),
        "sentences": datasets.Sequence(datasets.Value("string")),
        "n": datasets.Value("int8"),
    }
    columns = {"image": None, "text": None, "label": None, **own, "y": datasets.ClassLabel(names=list(LABELS))}
    root = saved(tmp_path / "own", listed, **columns)
    source = HuggingFaceSource(root, 0, {"image": "img", "texts": "sentences", "labels": "y"})
    assert source.items()[0].texts == ("The dog number 0.", "Two.") and source.items()[1].labels == ("cat",)
    found = _mistake(root)
    assert (
        "own: image: no column 'image', expected one that is named with --field image=COLUMN; there are img, " in found
    )
    assert set(found.rpartition("there are ")[2].split(", ")) == {"img", "sentences", "y", "n"}
    assert [line.split(": ")[1] for line in found.splitlines()] == ["image", "texts", "labels"]  # all at once
    assert "texts: no column 'caption', expected" in _mistake(root, {"image": "img", "texts": "caption"})
    assert "column 'n' is int8, expected pictures" in _mistake(
        root, {"image": "n", "texts": "sentences", "labels": "y"}
    )


def _unlike(root: Path) -> Path:
    from hugging_face import features

    parts = {name: datasets.Dataset.from_list(rows(3), features=features()) for name in ("train", "validation")}
    other = features(label=datasets.ClassLabel(names=["cat", "dog", "bird"]))
    parts["test"] = datasets.Dataset.from_list(rows(3), features=other)
    datasets.DatasetDict(parts).save_to_disk(root)
    return root


def _damaged(root: Path) -> Path:
    path = next(saved(root).glob("*.arrow"))
    path.write_bytes(path.read_bytes()[:100])
    return root


def _bad_texts(root: Path) -> Path:
    return saved(root, [row | {"text": None if n in (2, 5) else row["text"]} for n, row in enumerate(rows())])


MISTAKES: dict[str, tuple[Callable[[Path], Path], str]] = {
    "two splits": (
        lambda root: saved_splits(root, {"train": 9, "test": 3}),
        "found splits train, test, expected train, validation and test, or a single one",
    ),
    "a fourth split": (
        lambda root: saved_splits(root, {"train": 4, "val": 3, "test": 3, "extra": 3}),
        "found splits train, val, test, extra, expected",
    ),
    "numbers for labels": (
        lambda root: saved(root, label=datasets.Value("int64")),
        "column 'label' is int64, expected ClassLabel or texts, or lists of them; numbers become names with",
    ),
    "lists of numbers": (
        lambda root: saved(
            root, [row | {"label": [1]} for row in rows()], label=datasets.Sequence(datasets.Value("float32"))
        ),
        "column 'label' is a list of float32, expected ClassLabel",
    ),
    "paths": (
        lambda root: saved(root, [row | {"image": "a.jpg"} for row in rows()], image=datasets.Value("string")),
        "column 'image' is string, expected pictures; paths become such with dataset.cast_column('image', datasets",
    ),
    "two columns": (
        lambda root: saved(root, [row | {"caption": "A dog."} for row in rows()], caption=datasets.Value("string")),
        "texts: found columns text and caption, expected one that is named with --field texts=COLUMN",
    ),
    "no texts": (_bad_texts, "row 2: text: found null, expected a text or a list of texts, none of them empty\n"),
    "few rows": (lambda root: saved(root, rows(2)), "2 rows, expected at least 3"),
    "other names": (_unlike, "column 'label' is another one in test than in train, expected the same columns"),
    "damaged": (_damaged, "cannot be read as a Hugging Face dataset: "),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_says_what_was_found_and_expected(mistake: str, tmp_path: Path) -> None:
    make, expected = MISTAKES[mistake]
    assert expected in _mistake(make(tmp_path / "own"))


def test_pictures_may_be_of_other_formats_or_none_and_are_named_by_their_row(tmp_path: Path) -> None:
    Image.new("RGBA", (8, 6), (0, 0, 0, 0)).save(tmp_path / "clear.png")
    contents = [b"nothing", (tmp_path / "clear.png").read_bytes(), None, b""]
    listed = [row | {"image": {"bytes": content, "path": None}} for row, content in zip(rows(4), contents, strict=True)]
    listed[2]["image"] = None
    source = HuggingFaceSource(saved(tmp_path / "own", listed))
    with pytest.raises(NoPictureError, match="own, 0: cannot read this picture: its content is that of none"):
        source.picture("0")
    assert source.picture("1").getpixel((0, 0)) == (255, 255, 255)  # what is transparent is white, as everywhere
    for id in ("2", "3"):
        with pytest.raises(UserError, match=f"own, {id}: image: empty, expected a picture"):
            source.picture(id)


def test_a_dataset_that_is_saved_anew_is_another_pool(tmp_path: Path) -> None:
    before = HuggingFaceSource(saved(tmp_path / "own")).pool
    assert HuggingFaceSource(tmp_path / "own").pool == before
    listed = rows()
    listed[0]["image"] = Image.new("RGB", (8, 6), "red")
    assert HuggingFaceSource(saved(tmp_path / "own", listed)).pool != before


def test_super_categories_may_lie_beside(tmp_path: Path) -> None:
    root = saved(tmp_path / "own")
    (root / "supercategories.json").write_text('{"pet": ["dog", "cat"], "wild": ["bird"]}', encoding="utf-8")
    assert read(recognised(root), root).supercategories == {"dog": "pet", "cat": "pet", "bird": "wild"}


def test_without_the_package_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = saved(tmp_path / "own")
    monkeypatch.setitem(sys.modules, "datasets", None)
    assert is_dataset(root)  # is seen without it
    with pytest.raises(
        MissingExtraError, match=r"datasets is not installed, install it with: pip install 'semshare\[data"
    ):
        HuggingFaceSource(root)


def test_it_is_prepared_by_name_with_its_columns_and_broken_pictures_are_left_out(
    tmp_path: Path, own_home: Path
) -> None:
    listed: list[dict[str, Any]] = [{"img": row.pop("image"), **row} for row in rows(20)]
    listed[4]["img"] = {"bytes": b"nothing", "path": None}
    root = saved(tmp_path / "own", listed, image=None, img=datasets.Image())
    made = prepare.prepare(f"mine={root}", fields={"image": "img"}, say=lambda line: None)
    assert any("1 picture cannot be used, left out" in note for note in made["notes"])
    dataset = catalogue.load("mine", "smoke")
    assert dataset.text_kind == "captions" and sum(len(part.image_ids) for part in dataset.parts.values()) == 19
