"""Text files of strangers, opened in one way: any line end, UTF-8 or UTF-16, and what is neither is named."""

from __future__ import annotations

import codecs
import re
from typing import TYPE_CHECKING

from semshare.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# Of two marks that begin alike the longer one comes first.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
# What compressed files begin with, and how to get the text out.
_PACKED = (
    (b"\x1f\x8b\x08", "compressed by gzip", "gzip -dc"),
    (b"\x28\xb5\x2f\xfd", "compressed by zstd", "zstd -dc"),
    (b"\xfd7zXZ\0", "compressed by xz", "xz -dc"),
    (b"PK\x03\x04", "a zip archive, as Excel's files are (save a table as CSV)", "unzip -p"),
)
_LINE_END = re.compile(r"\r*\n|\r")


def read_bytes(path: Path) -> bytes:
    """The content of a file; raises :class:`UserError` where there is none or it cannot be read."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise UserError(f"{path}: missing") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None


def read_text(path: Path) -> str:
    """The text of a file in UTF-8, or in UTF-16 or UTF-32 where it says so by its first bytes.

    UTF-16 without a mark is known by its zero bytes, which stand at even places only or at odd ones only.

    Raises:
        UserError: no such file, one that cannot be read or is compressed, or one in another encoding: the line, the
            byte, and how to convert it.
    """
    content = read_bytes(path)
    _check_unpacked(path, content)
    mark, encoding = next(((mark, name) for mark, name in _MARKS if content.startswith(mark)), (b"", ""))
    encoding = encoding or _without_mark(content)
    try:
        text = content[len(mark) :].decode(encoding)
        if "\0" not in text:
            return text
        before = text[: text.index("\0")]
        at, byte = len(mark) + len(before.encode(encoding)), 0
    except UnicodeDecodeError as error:
        at = len(mark) + error.start
        before, byte = content[len(mark) : at].decode(encoding, "replace"), content[at]
    line = len(_LINE_END.findall(before)) + 1
    raise UserError(
        f"{path}, line {line}: byte {byte:#04x} at offset {at:,} is no {encoding.upper()} text; convert the file, e.g. "
        f"iconv -f latin1 -t utf-8 {path.name} > new-{path.name}, with the encoding it was written in for latin1"
    ) from None


def read_lines(path: Path) -> list[str]:
    """The lines of a text file without their ends (LF, CR LF or CR); a last empty line does not count.

    Raises:
        UserError: as :func:`read_text` does.
    """
    text = read_text(path)
    lines = _LINE_END.split(text) if "\r" in text else text.split("\n")
    return lines[:-1] if lines[-1] == "" else lines


def stream_lines(path: Path) -> Iterator[bytes]:
    """The lines of a large text file as UTF-8 bytes, read one after another where the file is in UTF-8.

    Raises:
        UserError: as :func:`read_text` does; bytes that are no UTF-8 are left to the caller where lines are streamed.
    """
    try:
        with open(path, "rb") as file:
            start = file.read(1 << 16)
            _check_unpacked(path, start)
            plain = b"\0" not in start and not start.startswith(tuple(mark for mark, _ in _MARKS))
            if plain and (b"\n" in start or b"\r" not in start):
                file.seek(0)
                yield from file
                return
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None
    yield from (line.encode() for line in read_lines(path))


def _check_unpacked(path: Path, start: bytes) -> None:
    """Raise :class:`UserError` where the file at ``path``, which begins with ``start``, is compressed."""
    for mark, what, unpacks in _PACKED:
        if start.startswith(mark):
            raise UserError(f"{path}: {what}, expected a text; unpack it: {unpacks} {path.name} > new-{path.name}")


def _without_mark(content: bytes) -> str:
    """The encoding of a file that names none: UTF-16 by its zero bytes, else UTF-8."""
    start = content[:4096]
    even, odd = start[::2].count(0), start[1::2].count(0)
    if len(content) % 2 == 0 and max(even, odd) >= max(2, len(start) // 100) and min(even, odd) == 0:
        return "utf-16-be" if even else "utf-16-le"
    return "utf-8"
