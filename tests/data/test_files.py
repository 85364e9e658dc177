"""Names of files as people write them: where a picture of a name lies, and what is named of many."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest

from semshare.data.files import find_pictures, last_part, moved_notes, name_few


@pytest.mark.parametrize(
    ("name", "last"),
    [
        ("a/b/c.jpg", "c.jpg"),
        ("C:\\a\\c d.jpg", "c d.jpg"),
        ("https://example.org/a/c%20d.jpg?w=3#top", "c d.jpg"),
        ("http://[c.jpg", "[c.jpg"),
        ("/data/local-files/?d=a/c.jpg", "c.jpg"),
        ("", ""),
        ("..", ".."),
        ("caf" + "e\u0301.jpg", "caf\u00e9.jpg"),
    ],
)
def test_the_last_part_of_a_name(name: str, last: str) -> None:
    assert last_part(name) == last


def test_a_file_as_it_is_written_goes_before_one_of_the_same_last_part(tmp_path: Path) -> None:
    for name in ("a/1.jpg", "b/1.jpg", "b/2.jpg", ".hidden/3.jpg", "c/._2.jpg", "c/3.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "c" / "round").symlink_to(tmp_path)  # a folder that leads to itself
    names = ["a/1.jpg", "x/1.jpg", "b\\2.jpg", "x/3.jpg", "4.jpg", "../a/1.jpg", "x/2.jpg", "", ".", "b"]
    found = find_pictures(tmp_path, names)
    assert [path and path.relative_to(tmp_path).as_posix() for path in found] == [
        *("a/1.jpg", None, "b/2.jpg", "c/3.jpg"),
        *[None] * 6,  # x/2.jpg too: its only file is another name's
    ]


@pytest.mark.parametrize("written", ["NFC", "NFD"])
@pytest.mark.parametrize("stored", ["NFC", "NFD"])
def test_an_accent_may_be_a_part_of_its_letter_or_follow_it(tmp_path: Path, stored: str, written: str) -> None:
    path = tmp_path / unicodedata.normalize(stored, "été") / unicodedata.normalize(stored, "café.jpg")
    path.parent.mkdir()
    path.write_bytes(b"")
    for name in ("été/café.jpg", "anciens/café.jpg"):
        assert find_pictures(tmp_path, [unicodedata.normalize(written, name)]) == [path]


def test_the_first_few_are_named_and_the_rest_counted() -> None:
    assert name_few("ab") == "a, b" and name_few("abcde") == "a, b, c ... and 2 more"


def test_a_link_that_leads_round_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "round.jpg").symlink_to(tmp_path / "round.jpg")
    (tmp_path / "1.jpg").write_bytes(b"")
    assert find_pictures(tmp_path, ["round.jpg", "1.jpg"]) == [None, tmp_path / "1.jpg"]


def test_pictures_in_another_folder_than_their_name_says_are_named(tmp_path: Path) -> None:
    names = ["a/1.jpg", "./2.jpg", "3.jpg", "https://example.org/b/4.jpg", "c\\5.jpg", "/data/6.jpg", "7.jpg"]
    paths = [tmp_path / name for name in ("a/1.jpg", "2.jpg", "deep/3.jpg", "b/4.jpg", "c/5.jpg", "b/6.jpg")]
    assert moved_notes(tmp_path, zip(names, [*paths, None], strict=True)) == [
        f"{tmp_path}: 1 picture was found by the last part of the name alone: '/data/6.jpg' is b/6.jpg"
    ]
    assert moved_notes(tmp_path, zip(names[:5], paths[:5], strict=True)) == []
    plain = {
        "https://example.org/my%20photos/4.jpg": "my photos/4.jpg",
        "https://example.org/b/4.jpg?sig=a/b": "b/4.jpg",
        "https://cdn.example.org/0.jpg": "deep/0.jpg",
        "/data/local-files/?d=images/0.jpg": "images/0.jpg",
    }
    assert moved_notes(tmp_path, [(name, tmp_path / path) for name, path in plain.items()]) == []
