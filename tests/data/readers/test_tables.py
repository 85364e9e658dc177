"""Rows of JSONL and CSV files: which line each has, and where a file says what its texts are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from semshare.data import catalogue
from semshare.data.readers.custom import CustomSource
from semshare.data.readers.tables import csv_rows, jsonl_rows
from semshare.errors import UserError

FIELDS = ("image", "texts", "labels", "split", "id")


def _read(path: Path, content: str) -> tuple[list[tuple[int, dict[str, Any]]], list[str], list[str]]:
    """The rows of a file, its mistakes and what it says of its texts."""
    path.write_text(content, encoding="utf-8")
    faults: list[str] = []
    kinds: list[str] = []
    told = (lambda line, fault: faults.append(f"{line}: {fault}"), lambda line, kind: kinds.append(f"{line}: {kind}"))
    rows = jsonl_rows(path, *told) if path.suffix == ".jsonl" else csv_rows(path, FIELDS, *told)
    return list(rows), faults, kinds


def test_a_first_line_says_what_the_texts_are_and_is_no_row(tmp_path: Path) -> None:
    content = '\n{"text": "tags"}\n{"image": "a.jpg", "texts": "a"}\n'
    assert _read(tmp_path / "a.jsonl", content) == ([(3, {"image": "a.jpg", "texts": "a"})], [], ["2: tags"])


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ('{"text": "words"}', 1),
        ('{"text": ["tags"]}', 1),
        ('{"text": null}', 1),
        ('{"image": "a.jpg"}\n{"text": "tags"}', 2),
        ('{"text": "tags"}\n{"text": "tags"}', 2),
    ],
)
def test_another_line_that_says_it_or_says_something_else_is_a_mistake(content: str, line: int, tmp_path: Path) -> None:
    _, (fault,), _ = _read(tmp_path / "a.jsonl", content)
    assert fault.startswith(f'{line}: found \'{{"text": ')
    assert fault.endswith('expected {"text": "tags"} or {"text": "captions"} in the first line, or a row')


def test_a_row_that_has_more_than_that_field_is_a_row(tmp_path: Path) -> None:
    rows, faults, kinds = _read(tmp_path / "a.jsonl", '{"text": "tags", "labels": ["dog"]}')
    assert len(rows) == 1 and faults == kinds == []


@pytest.mark.parametrize("mark", [",", ";", "\t"])
def test_the_name_of_a_column_says_it_in_csv(mark: str, tmp_path: Path) -> None:
    content = "\n".join(mark.join(row) for row in (("image", "tags", "labels"), ("a.jpg", "sea", "dog")))
    row = {"image": "a.jpg", "tags": "sea", "labels": ["dog"]}
    assert _read(tmp_path / "a.csv", content) == ([(2, row)], [], ["1: tags"])
    assert _read(tmp_path / "a.csv", content.replace("tags", "texts"))[2] == []
    assert "no column" in _read(tmp_path / "a.csv", content.replace("tags", "words"))[1][0]


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """Four pictures."""
    for number in range(4):
        Image.new("RGB", (8, 6), (number, 0, 0)).save(tmp_path / f"{number}.png")
    return tmp_path


def _rows(field: str) -> list[str]:
    return [json.dumps({"image": f"{n}.png", field: ["A dog."], "labels": ["dog"]}) for n in range(4)]


@pytest.mark.parametrize(
    ("file", "lines", "kind", "line"),
    [
        ("a.jsonl", ['{"text": "captions"}', *_rows("texts")], "captions", 1),
        ("a.jsonl", ['{"text": "tags"}', *_rows("texts")], "tags", 1),
        ("a.jsonl", ['{"text": "captions"}', *_rows("captions")], "captions", 1),
        ("a.jsonl", _rows("captions"), "captions", 1),
        ("a.jsonl", [_rows("texts")[0], *_rows("tags")[1:]], "tags", 2),
        ("a.csv", ["image,captions,labels", *(f"{n}.png,A dog.,dog" for n in range(4))], "captions", 1),
        ("a.csv", ["image,texts,labels", *(f"{n}.png,A dog.,dog" for n in range(4))], "tags", 0),
        ("a.jsonl", _rows("texts"), "tags", 0),
    ],
)
def test_a_collection_knows_what_its_file_says(file: str, lines: list[str], kind: str, line: int, own: Path) -> None:
    (own / file).write_text("\n".join(lines), encoding="utf-8")
    source = CustomSource(own)
    assert source.text_kind == kind and len(source.items()) == 4 and source.items()[0].texts == ("A dog.",)
    assert source.kind_known == (f"as {own / file}, line {line} says" if line else "")


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (
            ['{"text": "captions"}', *_rows("tags")[:3]],
            "line 2: tags: line 1 says that the texts are captions, expected one kind in a file",
        ),
        (
            [*_rows("captions")[:2], *_rows("tags")[2:]],
            "line 3: tags: line 1 says that the texts are captions, expected one kind in a file",
        ),
        (
            [_rows("texts")[0].replace('"labels"', '"tags": ["sea"], "labels"'), *_rows("texts")[1:]],
            "line 1: tags: texts is there too, expected one of them",
        ),
        ([*_rows("captions")[:3], '{"image": "3.png", "captions": "", "labels": ["a"]}'], "line 4: captions: empty"),
    ],
)
def test_a_file_that_contradicts_itself_is_refused_by_its_line(lines: list[str], expected: str, own: Path) -> None:
    (own / "a.jsonl").write_text("\n".join(lines), encoding="utf-8")
    with pytest.raises(UserError) as caught:
        CustomSource(own)
    assert expected in str(caught.value)


def test_the_dataset_custom_has_tags_and_says_how_captions_are_prepared(own: Path) -> None:
    (own / "a.jsonl").write_text("\n".join(_rows("captions")), encoding="utf-8")
    with pytest.raises(UserError, match=r"text: 'custom' has tags, found captions, as .*; prepare it as NAME="):
        catalogue.entry("custom").open("smoke", own, 0)
