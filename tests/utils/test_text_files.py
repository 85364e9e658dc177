"""One opening of text files: encodings, line ends, and what a file in another encoding is told."""

from __future__ import annotations

import codecs
import gzip
import io
import lzma
import zipfile
from pathlib import Path

import pytest

from semshare.errors import UserError
from semshare.utils.text_files import read_lines, read_text, stream_lines

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


def _zipped(content: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a.json", content)
    return file.getvalue()


PACKED = {
    "gzip": (gzip.compress, "compressed by gzip, expected a text; unpack it: gzip -dc"),
    "gzip without a time": (lambda content: gzip.compress(content, mtime=0), "compressed by gzip"),
    "xz": (lzma.compress, "compressed by xz, expected a text; unpack it: xz -dc"),
    "zip": (_zipped, "a zip archive, as Excel's files are (save a table as CSV), expected a text; unpack it: unzip -p"),
    "zstd": (lambda content: b"\x28\xb5\x2f\xfd\x24\x11\x89\x01" + content, "compressed by zstd, expected a text"),
}


@pytest.mark.parametrize("content", [b"", b'{"a": 1}', bytes(range(256)) * 999], ids=["empty", "short", "long"])
@pytest.mark.parametrize("packed", PACKED)
def test_what_is_compressed_is_told_with_what_unpacks_it(packed: str, content: bytes, tmp_path: Path) -> None:
    pack, expected = PACKED[packed]
    path = tmp_path / "list.txt"
    path.write_bytes(pack(content))
    for read in (read_text, read_lines, lambda path: list(stream_lines(path))):
        with pytest.raises(UserError) as caught:
            read(path)
        assert str(caught.value).startswith(f"{path}: {expected}")
        assert str(caught.value).endswith(" list.txt > new-list.txt")
