"""A dataset of what is in memory is a collection as any other, and mistakes in it are named."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import semshare
from semshare.data import build, catalogue
from semshare.data.pictures import open_picture
from semshare.data.source import Item, Source
from semshare.errors import UserError
from semshare.runs import parallel

LABELS = ("cat", "dog")


def _rows(count: int = 20) -> list[dict[str, Any]]:
    return [{"texts": [f"A {LABELS[n % 2]} sits here."], "labels": [LABELS[n % 2]]} for n in range(count)]


def _quiet(line: str) -> None:
    """Say nothing."""


@pytest.mark.slow
def test_arrays_in_memory_train_and_are_known_by_name(own_home: Path) -> None:
    rng = np.random.default_rng(0)
    features = rng.normal(size=(20, 4, 6)).astype(np.float32)
    features[::2, :, 0] += 3  # cats
    dataset = build("mine", _rows(), features=features, text="captions", say=_quiet)
    assert dataset.name == "mine" and dataset.label_names == LABELS and dataset.text_kind == "captions"
    part = dataset.parts["train"]
    np.testing.assert_allclose(
        dataset.store.read(part.image_ids)[..., :6], features[[int(id) for id in part.image_ids]], rtol=1e-6
    )
    run = semshare.train(dataset, "linear", "smoke", "cpu", quiet=True)
    assert run.test.numbers()["image_f1"] == 1.0
    assert semshare.train("mine", "linear", "smoke", "cpu", quiet=True).key == run.key
    catalogue.forget_loaded()
    assert catalogue.load("mine", "full").checksum == dataset.checksum, "found by its name alone"


@pytest.mark.slow
def test_pictures_in_memory_and_paths_are_read_alike(own_home: Path, tmp_path: Path) -> None:
    shades = [np.full((20, 30, 3), 10 * n, np.uint8) for n in range(10)]
    files = []
    for number, shade in enumerate(shades):
        files.append(tmp_path / f"{number}.png")
        Image.fromarray(shade).save(files[-1])
    kinds = {"array": shades, "pillow": [Image.fromarray(shade) for shade in shades], "path": files}
    read = {}
    for kind, images in kinds.items():
        rows = [row | {"image": image} for row, image in zip(_rows(10), images, strict=True)]
        dataset = build("mine", rows, say=_quiet)
        read[kind] = [dataset.source.picture(id).getpixel((0, 0)) for id in dataset.source.pool_ids()]
        assert "image" in rows[0] and rows[0]["image"] is images[0], "the caller's rows stay as they are"
    assert read["array"] == read["pillow"] == read["path"] and len(set(read["array"])) == 10


@pytest.mark.slow
def test_opened_pictures_are_read_as_their_files_are(own_home: Path, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # lies on its side
    clear = Image.new("RGBA", (20, 30), (0, 0, 0, 0))
    deep = Image.fromarray(np.full((30, 20), 40_000, np.uint16))
    Image.new("RGB", (20, 30), "red").save(tmp_path / "0.jpg", exif=exif)
    clear.save(tmp_path / "1.png")
    deep.save(tmp_path / "2.png")
    paths = [tmp_path / "0.jpg", tmp_path / "1.png", tmp_path / "2.png"] * 3
    rows = [row | {"image": Image.open(path)} for row, path in zip(_rows(9), paths, strict=True)]
    source = build("mine", rows, say=_quiet).source
    for id, path in zip(source.pool_ids(), paths, strict=True):
        assert source.picture(id).tobytes() == open_picture(path).tobytes()
    assert source.picture(source.pool_ids()[0]).size == (30, 20)
    Image.effect_noise((200, 200), 90).save(tmp_path / "cut.jpg")
    (tmp_path / "cut.jpg").write_bytes((tmp_path / "cut.jpg").read_bytes()[:9000])
    rows[4]["image"] = Image.open(tmp_path / "cut.jpg")
    with pytest.raises(UserError, match=r"rows\[4\].image: cannot be read: "):
        build("mine", rows, say=_quiet)


def test_the_same_content_is_written_once(own_home: Path) -> None:
    features = np.zeros((9, 2, 3))
    for _ in range(2):
        build("mine", _rows(9), features=features, say=_quiet)
    assert len(list((own_home / "built").iterdir())) == 1
    build("mine", _rows(9), features=features + 1, say=_quiet)
    assert len(list((own_home / "built").iterdir())) == 2


class Spots(Source):
    """Drawn on the spot, known to this process alone."""

    name, status, text_kind, pool, attribution = "spots", "real", "tags", "spots", "nobody's"
    label_names = LABELS

    def items(self) -> list[Item]:
        splits = ("train",) * 6 + ("dev", "dev", "test", "test")
        return [Item(str(n), (LABELS[n % 2],), (LABELS[n % 2],), split) for n, split in enumerate(splits)]

    def picture(self, id: str) -> Image.Image:
        return Image.new("RGB", (24, 24), (20 * int(id), 0, 0))


@pytest.mark.slow
def test_a_source_of_ones_own_is_known_to_this_process(own_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalogue, "_registered", {})
    dataset = build("spots", Spots())
    assert len(dataset.parts["train"].image_ids) == 6
    run = semshare.train(dataset, "linear", "smoke", "cpu", quiet=True)
    assert parallel.is_of_main(run.experiment)
    del catalogue.CATALOGUE["spots"]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"features": np.zeros((3, 2))}, r"features: 3 rows, expected 9: one for each of rows"),
        ({"boxes": np.zeros((9, 2, 4))}, r"boxes: given without features"),
        ({"features": np.full((9, 2, 3), np.nan)}, r"^features, row 0"),
        ({"features": np.array([object()] * 9)}, r"features: values are object, expected numbers"),
        (
            {"features": np.array(1.0)},
            r"^features: found one number, expected numbers, \[N, R, D\] or \[N, D\] with a row",
        ),
        (
            {"features": [[1.0, 2.0], [3.0]]},
            r"^features: found lists of different lengths, expected numbers, \[N, R, D\]",
        ),
        (
            {"features": torch.zeros(9, 2, requires_grad=True)},
            r"^features: Can't call numpy\(\) on Tensor that requires",
        ),
        (
            {"features": np.zeros((9, 2, 3)), "scores": np.array(1)},
            r"^scores: found one number, expected numbers, \[N, R\]",
        ),
        ({}, r"rows\[0\].image: found NoneType, expected a path, a Pillow picture or \[H, W, 3\] uint8"),
    ],
)
def test_what_does_not_fit_is_named(own_home: Path, given: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        build("mine", _rows(9), say=_quiet, **given)


ITSELF: list[Any] = []
ITSELF.append(ITSELF)
DEEP: list[Any] = []
for _ in range(5000):
    DEEP = [DEEP]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"texts": ["\ud800 a"]}, r"rows[3].texts: found half a character in "),
        ({"id": "\ud800"}, r"rows[3].id: found half a character in '\ud800', expected a text or a whole number"),
        ({"labels": ITSELF}, "rows[3].labels: found '[[[[[[[...]]]]]]]', of type list, expected a list of labels"),
        ({"labels": DEEP}, "rows[3].labels: found '[[[[[[[...]]]]]]]', of type list, expected a list of labels"),
        ({"labels": {"a"}}, """rows[3].labels: found "{'a'}", of type set, expected a list of labels"""),
        ({"id": 10**5000}, "rows[3].id: found 'int', of type int, expected a text or a whole number"),
        ({"image": np.zeros((8, 8, 3))}, "rows[3].image: found "),
        ({"row": 3}, "rows[3].row: found '3', expected none: features are in the order of rows"),
        ({5: 1}, "rows[3]: found the field '5', expected texts, tags, captions, labels, split, id, image"),
    ],
)
def test_what_no_row_can_hold_is_told_by_its_row_and_field(
    own_home: Path, change: dict[Any, Any], message: str
) -> None:
    rows = _rows(9)
    rows[3] |= change
    with pytest.raises(UserError) as caught:
        build("mine", rows, features=np.zeros((9, 2, 3)), say=_quiet)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([1, 2], "rows[0]: found '1', expected an object with texts and labels"),
        ("abc", "rows: found 'abc', expected a list with an object for each item"),
        (None, "rows: found 'None', expected a list with an object for each item"),
        ({"texts": ["a"]}, """rows: found "{'texts': ['a']}", expected a list with an object for each item"""),
        ([{"texts": "a", "labels": ["b"], "image": "a\0b.png"}], r"rows[0].image: found 'a\x00b.png', expected a path"),
        (
            [{"texts": "a", "labels": ["b"], "image": "\ud800.png"}],
            r"rows[0].image: found '\ud800.png', expected a path",
        ),
        ([{"texts": "a", "labels": ["b"], "image": "x" * 300}], f"rows[0].image: {'x' * 200}: File name too long"),
    ],
)
def test_what_are_no_rows_is_told(own_home: Path, rows: Any, message: str) -> None:
    with pytest.raises(UserError) as caught:
        build("mine", rows, say=_quiet)
    assert str(caught.value) == message


def test_an_ending_that_is_no_utf8_is_left_out(own_home: Path, tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"a.\xe9")
    Image.new("RGB", (8, 6)).save(path, "PNG")
    rows = [row | {"image": path} for row in _rows(9)]
    assert [item.id for item in build("mine", rows, say=_quiet).source.items()] == [str(n) for n in range(9)]


def test_a_mistake_in_a_row_is_told_by_its_place_in_the_list(own_home: Path) -> None:
    rows = [row | {"labels": [] if n in (3, 5) else row["labels"]} for n, row in enumerate(_rows(9))]
    with pytest.raises(UserError) as caught:
        build("mine", rows, features=np.zeros((9, 2, 3)), say=_quiet)
    lines = str(caught.value).splitlines()
    assert [line.split(":")[0] for line in lines] == ["rows[3]", "rows[5]"] and str(own_home) not in lines[0]


def test_an_earlier_row_is_told_by_its_place_too(own_home: Path) -> None:
    rows = [row | {"id": "same" if n in (3, 5) else str(n)} for n, row in enumerate(_rows(9))]
    with pytest.raises(UserError, match=r"^rows\[5\]: id: 'same' is the id of rows\[3\] already$"):
        build("mine", rows, features=np.zeros((9, 2, 3)), say=_quiet)


def test_a_path_that_leads_nowhere_and_a_name_that_is_taken(own_home: Path, tmp_path: Path) -> None:
    rows = [row | {"image": tmp_path / "no.png"} for row in _rows(9)]
    with pytest.raises(UserError, match=r"no\.png: No such file"):
        build("mine", rows)
    with pytest.raises(UserError, match="'coco16k' is another dataset's"):
        build("coco16k", _rows(9), features=np.zeros((9, 2, 3)), say=_quiet)
    with pytest.raises(UserError, match=r"^rows\[0\].texts: found '\{1\}', of type set, expected a text or a list of"):
        build("mine", [{"texts": {1}, "labels": []}], features=np.zeros((1, 2)))
