"""Your own collection: JSONL and CSV, every kind of mistake, and nothing written when a row is bad."""

from __future__ import annotations

import json
import os
import unicodedata
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from semshare.data import catalogue
from semshare.data.dataset import check_items
from semshare.data.readers import whole
from semshare.data.readers.custom import CustomSource
from semshare.errors import UserError

COUNT = 10

REMEDY = "; replace it, or take it out of the collection"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Ten pictures in ``own/pictures``."""
    pictures = tmp_path / "own" / "pictures"
    pictures.mkdir(parents=True)
    for number in range(COUNT):
        Image.new("RGB", (8, 6), (number, 0, 0)).save(pictures / f"{number}.png")
    return tmp_path / "own"


def _rows() -> list[dict[str, Any]]:
    labels = [["dog"], ["sea", "dog"], ["sky"]]
    return [
        {"image": f"pictures/{n}.png", "texts": [f"Text {n}.", "Another."], "labels": labels[n % 3]}
        for n in range(COUNT)
    ]


def _jsonl(folder: Path, rows: list[Any]) -> Path:
    path = folder / "items.jsonl"
    path.write_text(
        "".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows), encoding="utf-8"
    )
    return path


def _csv(folder: Path, lines: list[str]) -> Path:
    path = folder / "items.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def _mistakes(path: Path) -> list[str]:
    with pytest.raises(UserError) as caught:
        CustomSource(path)
    return str(caught.value).split("\n")


def test_jsonl_is_read(folder: Path) -> None:
    source = CustomSource(_jsonl(folder, _rows()))
    items = source.items()
    assert [item.id for item in items] == [f"pictures/{n}.png" for n in range(COUNT)] == source.pool_ids()
    assert items[1].texts == ("Text 1.", "Another.") and items[1].labels == ("sea", "dog")
    assert source.label_names == ("dog", "sea", "sky") and source.status == "own"
    assert source.picture("pictures/7.png").getpixel((0, 0)) == (7, 0, 0)
    check_items("custom", items, source.label_names)


def test_csv_is_read_and_a_folder_stands_for_its_one_file(folder: Path) -> None:
    lines = ["\ufefflabels,image,texts,id"]
    lines += [f'dog; sea,pictures/{n}.png,"Text {n}, with a ""comma"".",{n}' for n in range(COUNT - 1)]
    path = _csv(folder, [*lines, "", 'sky,pictures/9.png,"Two\nlines",nine'])
    source = CustomSource(folder)
    assert source.path == path and source.label_names == ("dog", "sea", "sky")
    assert source.items()[0].texts == ('Text 0, with a "comma".',) and source.items()[0].labels == ("dog", "sea")
    assert source.items()[-1].id == "nine" and source.items()[-1].texts == ("Two\nlines",)


def test_one_text_is_enough(folder: Path) -> None:
    source = CustomSource(_jsonl(folder, [row | {"texts": " One. "} for row in _rows()]))
    assert all(item.texts == ("One.",) for item in source.items())


def test_a_given_split_is_kept_and_another_is_drawn_by_the_seed(folder: Path) -> None:
    given = ["train", "dev", "test", "train", "train"] * 2
    path = _jsonl(folder, [row | {"split": split} for row, split in zip(_rows(), given, strict=True)])
    assert [item.split for item in CustomSource(path, 5).items()] == given
    path = _jsonl(folder, _rows())
    first, other = CustomSource(path, 0), CustomSource(path, 1)
    assert Counter(first.splits.values()) == {"train": 6, "dev": 2, "test": 2}
    assert first.splits == CustomSource(path, 0).splits != other.splits and first.pool == other.pool


def test_the_pool_is_where_the_pictures_lie(folder: Path) -> None:
    before = CustomSource(_jsonl(folder, _rows())).pool
    Image.new("RGB", (80, 60)).save(folder / "pictures" / "3.png")
    assert CustomSource(_jsonl(folder, _rows())).pool == before
    assert CustomSource(_jsonl(folder, _rows()[1:])).pool != before


def test_an_absolute_path_is_taken_and_one_that_leaves_the_folder_is_not(folder: Path, tmp_path: Path) -> None:
    Image.new("RGB", (8, 6), (77, 0, 0)).save(tmp_path / "elsewhere.png")
    rows = _rows()
    rows[0]["image"] = str(tmp_path / "elsewhere.png")
    source = CustomSource(_jsonl(folder, rows))
    assert source.picture(rows[0]["image"]).getpixel((0, 0)) == (77, 0, 0)
    rows[0]["image"] = "../elsewhere.png"
    (mistake,) = _mistakes(_jsonl(folder, rows))
    assert "items.jsonl, line 1: image: '../elsewhere.png' leaves the folder of the file" in mistake


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"image": None}, "image: missing, expected a path"),
        ({"image": ""}, "image: empty, expected a path"),
        ({"image": 3}, "image: found 3, a whole number, expected a path"),
        (
            {"image": "pictures/99.png"},
            "image: 'pictures/99.png' does not exist, and no file in or below {folder} is called '99.png'",
        ),
        (
            {"image": "pictures"},
            "image: 'pictures': cannot read this picture: found a folder; replace it, or take it out of the collection",
        ),
        ({"image": "pictures/\ud800.png"}, "image: found 'pictures/\\ud800.png', expected a path"),
        ({"image": "pictures/0.png"}, "image: '{folder}/pictures/0.png' is the image of line 1 already"),
        ({"image": "pictures/./0.png"}, "image: '{folder}/pictures/0.png' is the image of line 1 already"),
        ({"texts": None}, "texts: missing, expected a text or a list of texts, at least one"),
        ({"texts": []}, "texts: empty, expected a text or a list of texts, at least one"),
        ({"texts": ["a", " "]}, "texts: found ' ' in it, expected a text or a list of texts, none of them empty"),
        (
            {"texts": ["a", 3]},
            "texts: found 3, a whole number in it, expected a text or a list of texts, none of them empty",
        ),
        ({"texts": {"a": 1}}, 'texts: found {{"a": 1}}, an object, expected a text or a list of texts, at least one'),
        ({"labels": []}, "labels: empty, expected a list of labels, at least one"),
        ({"labels": "dog"}, "labels: found 'dog', a text, expected a list of labels, at least one"),
        ({"labels": ["dog", None]}, "labels: missing in it, expected a list of labels, none of them empty"),
        ({"id": "pictures/0.png"}, "id: 'pictures/0.png' is the id of line 1 already"),
        ({"id": [1]}, "id: found [1], a list, expected a text or a whole number"),
        ({"spilt": "dev"}, "unknown field 'spilt', expected image, texts, labels, split, id"),
    ],
)
def test_a_bad_field_is_named_with_its_line(folder: Path, change: dict[str, Any], expected: str) -> None:
    rows = _rows()
    rows[4] |= change
    path = _jsonl(folder, rows)
    assert _mistakes(path) == [f"{path}, line 5: " + expected.format(folder=folder)]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ('{"image": ', "not valid JSON"),
        ("[" * 100_000, "not valid JSON"),
        ("[1, 2]", "found '[1, 2]', expected an object {...}"),
    ],
)
def test_a_line_that_is_no_object_is_named(folder: Path, line: str, expected: str) -> None:
    path = _jsonl(folder, [_rows()[0], "", line, *_rows()[1:]])
    (mistake,) = _mistakes(path)
    assert mistake.startswith(f"{path}, line 3: {expected}")


def test_a_file_that_is_not_utf_8_is_named_with_the_line(folder: Path) -> None:
    path = _jsonl(folder, _rows())
    path.write_bytes(path.read_bytes() + b'{"image": "\xff"}\n')
    (mistake,) = _mistakes(path)
    assert mistake.startswith(
        f"{path}, line 11: byte 0xff at offset {path.stat().st_size - 4} is no UTF-8 text; convert"
    )


def test_a_damaged_picture_is_named(folder: Path) -> None:
    (folder / "pictures" / "2.png").write_bytes(b"not a picture")
    path = _jsonl(folder, _rows())
    reason = "cannot read this picture: its content is that of none" + REMEDY
    assert _mistakes(path) == [f"{path}, line 3: image: 'pictures/2.png': {reason}"]


def test_a_picture_that_only_begins_well_is_found_with_all_other_mistakes(folder: Path) -> None:
    whole = (folder / "pictures" / "7.png").read_bytes()
    (folder / "pictures" / "7.png").write_bytes(whole[: len(whole) // 2])
    rows = _rows()
    rows[8]["labels"] = []
    mistakes = _mistakes(_jsonl(folder, rows))
    assert len(mistakes) == 2 and ", line 9: labels: empty" in mistakes[1]
    assert ", line 8: image: 'pictures/7.png': cannot read this picture: " in mistakes[0]


def test_a_picture_is_read_whole_once(folder: Path, own_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    monkeypatch.setattr(whole, "check_picture", lambda path: read.append(path.name))
    path = _jsonl(folder, _rows())
    CustomSource(path)
    assert len(read) == COUNT
    CustomSource(path)
    assert len(read) == COUNT
    time = (folder / "pictures" / "3.png").stat().st_mtime_ns
    (folder / "pictures" / "3.png").write_bytes((folder / "pictures" / "3.png").read_bytes())
    os.utime(folder / "pictures" / "3.png", ns=(time, time))
    CustomSource(path)
    assert read[COUNT:] == ["3.png"]
    for damage in ("", "[1]", "{"):
        next((own_home / "whole").iterdir()).write_text(damage, encoding="utf-8")
        CustomSource(path)
    assert len(read) == 4 * COUNT + 1


@pytest.mark.parametrize(("written", "on_disk"), [("NFC", "NFD"), ("NFD", "NFC")])
def test_a_name_is_found_however_its_accents_are_spelt(folder: Path, written: str, on_disk: str) -> None:
    name = "pictures/caf\u00e9.png"
    (folder / "pictures" / "1.png").rename(folder / unicodedata.normalize(on_disk, name))
    rows = _rows()
    rows[1]["image"] = unicodedata.normalize(written, name)
    source = CustomSource(_jsonl(folder, rows))
    assert source.picture(rows[1]["image"]).getpixel((0, 0)) == (1, 0, 0)


def test_the_companions_of_macos_are_no_second_file(folder: Path) -> None:
    path = _jsonl(folder, _rows())
    (folder / "._items.jsonl").write_bytes(bytes.fromhex("0005160700020000"))
    assert CustomSource(folder).path == path


def test_a_split_must_be_known_and_in_every_row(folder: Path) -> None:
    rows = [row | {"split": "train"} for row in _rows()]
    rows[1]["split"], rows[2]["split"], rows[3]["split"] = "vale", None, "dev"
    path = _jsonl(folder, rows)
    assert _mistakes(path) == [
        f"{path}, line 2: split: found 'vale', expected train, dev (or val, validation) or test",
        f"{path}, line 3: split: missing, expected train, dev or test, as other rows have one",
    ]
    rows[1]["split"], rows[2]["split"] = "train", "train"
    path = _jsonl(folder, rows)
    assert _mistakes(path) == [
        f"{path}, line 1: split: no row is in 'test', expected rows in train, dev and test",
    ]


@pytest.mark.parametrize("count", [0, 2])
def test_too_few_rows_are_said(folder: Path, count: int) -> None:
    path = _jsonl(folder, _rows()[:count])
    (mistake,) = _mistakes(path)
    assert f"{count} rows, expected at least 3" in mistake


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([], "line 1: no column 'image' in the header, found nothing; expected image, texts or tags or captions"),
        (["image,text,labels"], "line 1: no column 'texts' in the header, found image, text, labels; expected"),
        (["image;caption;labels"], "line 1: no column 'texts' in the header, found image, caption, labels; expected"),
        (["image,texts,labels,image"], "line 1: a column twice in the header"),
        (["image,texts,labels", "pictures/0.png,a"], "line 2: 2 values, expected 3 as in the header"),
        (["image,texts,labels", 'pictures/0.png,"a\nb",dog', "x"], "line 4: 1 values, expected 3 as in the header"),
        (["image,texts,labels", "pictures/0.png,a, ; "], "line 2: labels: empty, expected a list of labels"),
        (["image,texts,labels,mood", "pictures/0.png,a,dog,3"], "line 1: unknown column 'mood' in the header"),
        (["image,texts,labels,", "pictures/0.png,a,dog,"], "line 1: unknown column '' in the header"),
        (["image,texts,labels", 'pictures/0.png,"a'], "line 2: not valid CSV"),
    ],
)
def test_a_bad_csv_is_named_with_its_line(folder: Path, lines: list[str], expected: str) -> None:
    assert expected in "\n".join(_mistakes(_csv(folder, lines)))


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (("a", "['dog', 'cat']"), """labels: found "['dog', 'cat']", expected labels separated by ;"""),
        (("a", " [1, 2] "), "labels: found '[1, 2]', expected labels separated by ;"),
        (("a", '["dog; cat"]'), """labels: found '["dog; cat"]', expected labels separated by ;"""),
        (('["a b", "c"]', "dog"), """texts: found '["a b", "c"]', expected one text (JSONL takes several)"""),
        (("['a', \"it's\"]", "dog"), "texts: found "),
        (("['a' 'b']", "dog"), "texts: found "),  # as numpy prints one
        (("[]", "dog"), "texts: found '[]', expected one text"),
    ],
)
def test_a_list_in_a_cell_of_csv_is_no_text_and_no_label(folder: Path, row: tuple[str, str], expected: str) -> None:
    rows = [("a", "dog"), row, ("b", "cat;[sea")]
    lines = [
        ",".join(f'"{cell}"' for cell in (f"pictures/{n}.png", *(cell.replace('"', '""') for cell in cells)))
        for n, cells in enumerate(rows)
    ]
    path = _csv(folder, ["image,texts,labels", *lines])
    (mistake,) = _mistakes(path)
    assert mistake.startswith(f"{path}, line 3: {expected}")
    mistakes = _mistakes(_csv(folder, ["image,captions,labels", *lines]))
    assert mistakes == [mistake.replace("texts: ", "captions: ")]


def test_a_text_of_csv_may_stand_in_brackets(folder: Path) -> None:
    rows = [f"pictures/{number}.png,[a word],dog" for number in range(3)]
    assert CustomSource(_csv(folder, ["image,texts,labels", *rows])).items()[0].texts == ("[a word]",)


def test_a_column_too_many_is_one_mistake_however_many_rows_have_it(folder: Path) -> None:
    rows = [f"pictures/{number}.png,a word,dog,3" for number in range(3)]
    (mistake,) = _mistakes(_csv(folder, ["image,texts,labels,mood", *rows]))
    assert mistake.endswith(
        "line 1: unknown column 'mood' in the header, expected image, texts, labels, split, id; take it out"
    )


def test_a_header_may_have_capitals_and_spaces(folder: Path) -> None:
    rows = [f"pictures/{number}.png,a word,dog" for number in range(3)]
    source = CustomSource(_csv(folder, ["Image, Captions ,LABELS", *rows]), 0)
    assert [item.labels for item in source.items()] == [("dog",)] * 3 and source.text_kind == "captions"


def test_all_mistakes_are_counted_and_the_first_twenty_shown(folder: Path) -> None:
    path = _jsonl(folder, [{"image": "pictures/0.png", "texts": "a", "labels": []}, *["{}"] * 30])
    mistakes = _mistakes(path)
    assert len(mistakes) == 21
    assert mistakes[0].startswith(f"{path}, line 1: labels: empty") and ", line 8: " in mistakes[19]
    assert mistakes[-1] == "... and 71 more mistakes"  # 1 and 30 rows of 3


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda folder: folder / "nowhere.jsonl", "nowhere.jsonl: missing, expected a JSONL or CSV file"),
        (lambda folder: folder, "own: 0 files .jsonl or .csv here, expected one"),
        (lambda folder: folder / "pictures" / "0.png", "0.png: found .png ending, expected .jsonl or .csv"),
    ],
)
def test_a_file_that_is_not_there_is_named(folder: Path, make, expected: str) -> None:
    assert expected in _mistakes(make(folder))[0]


def test_nothing_is_written_when_a_row_is_bad(folder: Path, own_home: Path) -> None:
    rows = _rows()
    rows[9]["labels"] = []
    before = sorted(folder.rglob("*"))
    path = _jsonl(folder, rows)
    with pytest.raises(UserError, match=r"items.jsonl, line 10: labels: empty"):
        catalogue.load("custom", "smoke", path)
    assert not own_home.exists() and sorted(folder.rglob("*")) == sorted([*before, path])


def test_without_a_root_the_message_says_what_to_give(own_home: Path) -> None:
    with pytest.raises(UserError, match=r"'custom' needs the JSONL .* of your collection: run semshare data prepare"):
        catalogue.load("custom", "smoke")


@pytest.mark.parametrize("mark", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be"])
def test_csv_as_spreadsheets_write_it(encoding: str, end: str, mark: str, folder: Path) -> None:
    rows = [["image", "texts", "labels"], *([f"pictures/{n}.png", f"Été {n}", '"dog;sea"'] for n in range(COUNT))]
    path = folder / "items.csv"
    path.write_bytes((end.join(mark.join(row) for row in rows) + end).encode(encoding))
    items = CustomSource(path).items()
    assert [item.texts for item in items] == [(f"Été {n}",) for n in range(COUNT)]
    assert {item.labels for item in items} == {("dog", "sea")}


def test_a_collection_without_a_word_is_told_before_regions_are_extracted(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalogue, "region_store", lambda *given: pytest.fail("regions were extracted"))
    path = _jsonl(folder, [row | {"texts": ["!?", "❤"]} for row in _rows()])
    with pytest.raises(UserError, match=r"^custom: no word in the 12 texts to train on, found '!\?', expected letters"):
        catalogue.load("custom", "smoke", root=path)


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_labels_in_two_unicode_forms_are_one(folder: Path, form: str) -> None:
    rows = [row | {"labels": ["dog", unicodedata.normalize(form, "café"), "caf\u00e9"]} for row in _rows()]
    rows[0]["labels"] = [unicodedata.normalize("NFD", "café")]
    source = CustomSource(_jsonl(folder, rows))
    assert source.label_names == ("caf\u00e9", "dog")
    assert source.items()[0].labels == ("caf\u00e9",) and source.items()[1].labels == ("dog", "caf\u00e9")


@pytest.mark.parametrize(
    "written", ["C:\\photos\\{}", "pictures\\{}", "/home/me/photos/{}", "../{}", "https://example.org/{}?w=3", "{}"]
)
def test_pictures_are_found_by_their_last_part(folder: Path, written: str) -> None:
    rows = [row | {"image": written.format(f"{n}.png"), "id": f"n{n}"} for n, row in enumerate(_rows())]
    source = CustomSource(_jsonl(folder, rows))
    assert [source.picture(f"n{n}").getpixel((0, 0))[0] for n in range(COUNT)] == list(range(COUNT))


def test_a_last_part_of_several_files_or_rows_is_refused(folder: Path) -> None:
    (folder / "more").mkdir()
    Image.new("RGB", (8, 6)).save(folder / "more" / "0.png")
    Image.new("RGB", (8, 6)).save(folder / "more" / "only.png")
    rows = _rows()
    rows[0]["image"], rows[1]["image"], rows[2]["image"] = "old/0.png", "old/only.png", "older/only.png"
    path = _jsonl(folder, rows)
    one = "the file called 'only.png' may be another row's: write its folder"
    assert _mistakes(path) == [
        f"{path}, line 1: image: 'old/0.png' does not exist, and 2 files are called '0.png': write the folder of the "
        "one that is meant",
        f"{path}, line 2: image: 'old/only.png' does not exist, and {one}",
        f"{path}, line 3: image: 'older/only.png' does not exist, and {one}",
    ]


def test_splits_may_have_the_names_that_people_give_them(folder: Path) -> None:
    names = ("train", "Training", "val", "validation", "VALID ", "dev", "test", "testing")
    rows = [row | {"split": names[n % 8]} for n, row in enumerate(_rows())]
    found = [item.split for item in CustomSource(_jsonl(folder, rows)).items()]
    meant = ("train", "train", "dev", "dev", "dev", "dev", "test", "test")
    assert found == [meant[n % 8] for n in range(COUNT)]


def test_one_picture_in_two_rows_is_refused_however_it_is_written(folder: Path) -> None:
    (folder / "link.png").symlink_to(folder / "pictures" / "0.png")
    for second in ("link.png", str(folder / "pictures" / "0.png"), "pictures\\0.png"):
        rows = _rows()
        rows[4]["image"] = second
        path = _jsonl(folder, rows)
        assert _mistakes(path) == [f"{path}, line 5: image: '{folder}/pictures/0.png' is the image of line 1 already"]


def test_a_picture_of_another_folder_is_told(folder: Path) -> None:
    """Its name alone says that it is the one; a name without a folder says nothing else."""
    rows = _rows()
    rows[0]["image"], rows[1]["image"] = "/home/ada/old/0.png", "1.png"
    told = "1 picture was found by the last part of the name alone: '/home/ada/old/0.png' is pictures/0.png"
    assert CustomSource(_jsonl(folder, rows)).notes == (f"{folder}: {told}",)
    assert CustomSource(_jsonl(folder, _rows())).notes == ()
