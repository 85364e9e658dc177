"""One opening of text files: encodings, line ends, and what a file in another encoding is told."""

from __future__ import annotations

import codecs
import unicodedata
from pathlib import Path

import pytest

from semshare.data.files import find_pictures, last_part, name_few, read_lines, read_text, stream_lines
from semshare.errors import UserError

ENCODINGS = ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32")
TEXTS = (["a dog", "Café", "", "犬 と 猫"], ["кот, пёс", "мяч"], ["дом"], ["plain", "ASCII"])


@pytest.mark.parametrize("lines", TEXTS, ids=lambda lines: ascii(lines[0]))
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_encodings_and_line_ends(encoding: str, end: str, lines: list[str], tmp_path: Path) -> None:
    path = tmp_path / "lines.txt"
    path.write_bytes((end.join(lines) + end).encode(encoding))
    if lines == ["дом"] and end != "\r\n" and encoding in ("utf-16-le", "utf-16-be"):
        with pytest.raises(UserError):  # a single zero byte tells nothing: refused, not guessed
            read_lines(path)
        return
    assert read_lines(path) == lines
    assert [line.rstrip(b"\r\n").decode() for line in stream_lines(path)] == lines


def test_a_big_endian_mark_is_known(tmp_path: Path) -> None:
    path = tmp_path / "marked.txt"
    path.write_bytes(codecs.BOM_UTF16_BE + "犬\n".encode("utf-16-be"))
    assert read_lines(path) == ["犬"]


@pytest.mark.parametrize(
    ("content", "line", "byte", "offset"),
    [
        (b"dog\ncaf\xe9\n", 2, "0xe9", 7),
        (b"dog\rcat\rcaf\xe9\r", 3, "0xe9", 11),
        (codecs.BOM_UTF8 + b"dog\r\n\xff", 2, "0xff", 8),
        (b"dog\ncat\x00\x00\x00\x00", 2, "0x00", 7),  # what a power cut leaves
        ("犬".encode("shift_jis"), 1, "0x8c", 0),
    ],
)
def test_another_encoding_is_named_by_line_and_byte(
    content: bytes, line: int, byte: str, offset: int, tmp_path: Path
) -> None:
    path = tmp_path / "list.txt"
    path.write_bytes(content)
    with pytest.raises(UserError) as caught:
        read_text(path)
    assert str(caught.value).startswith(f"{path}, line {line}: byte {byte} at offset {offset} is no UTF-8 text")
    assert "iconv -f latin1 -t utf-8 list.txt" in str(caught.value)


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
