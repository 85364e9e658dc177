"""What the readers of files share: lines of text, safe paths, counts beside the expected ones."""

from __future__ import annotations

import codecs
import errno
import hashlib
import os
import re
import unicodedata
from collections import defaultdict
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from semshare.errors import UserError
from semshare.utils.texts import composed

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

# Of two marks that begin alike the longer one comes first.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_LINE_END = re.compile(r"\r*\n|\r")

FEW = 3  # things named in a sentence; the rest are counted
SHOWN = 20  # mistakes listed one by one; the rest are counted


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
        UserError: no such file, one that cannot be read, or one in another encoding: the line, the byte, and how to
            convert it.
    """
    content = read_bytes(path)
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
            plain = b"\0" not in start and not start.startswith(tuple(mark for mark, _ in _MARKS))
            if plain and (b"\n" in start or b"\r" not in start):
                file.seek(0)
                yield from file
                return
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None
    yield from (line.encode() for line in read_lines(path))


def _without_mark(content: bytes) -> str:
    """The encoding of a file that names none: UTF-16 by its zero bytes, else UTF-8."""
    start = content[:4096]
    even, odd = start[::2].count(0), start[1::2].count(0)
    if len(content) % 2 == 0 and max(even, odd) >= max(2, len(start) // 100) and min(even, odd) == 0:
        return "utf-16-be" if even else "utf-16-le"
    return "utf-8"


def is_inside(name: str) -> bool:
    """Whether the relative path ``name`` stays inside the folder it is joined to."""
    path = PurePosixPath(name)
    return bool(path.parts) and not path.is_absolute() and ".." not in path.parts and "\0" not in name


def last_part(name: str) -> str:
    """The file's own name in a path of any system, or in an address: what follows the last slash or backslash."""
    if "://" in name:
        with suppress(ValueError):  # an address that only looks like one
            name = unquote(urlsplit(name).path)
    return composed(PurePosixPath(name.replace("\\", "/")).name)


def find_pictures(folder: Path, names: Sequence[str]) -> list[Path | None]:
    """Where in ``folder`` the picture of each name lies; None where it is not here, or where several could be meant.

    A name is first taken as it is written, with slashes or backslashes. Where there is no such file, the name may be
    an address or a path of another machine: the one file in or below ``folder`` with the same last part is meant, if
    there is only one and no other of ``names`` can mean it. Hidden files do not count. Accents may be a part of their
    letter (NFC) or follow it (NFD). No path outside ``folder`` is ever given.

    Raises:
        UserError: a folder that cannot be listed.
    """
    listed: dict[str, dict[str, Path]] = {}
    paths = [_as_written(folder, name, listed) for name in names]
    lost = {name for name, path in zip(names, paths, strict=True) if path is None}
    if not lost:
        return paths
    asked, files, taken = defaultdict(list), defaultdict(list), set(paths)
    for name in lost:
        asked[last_part(name)].append(name)
    for path in _below(folder):
        files[composed(path.name)].append(path)
    meant: dict[str, Path] = {}
    for last, same in asked.items():
        if len(same) == 1 and len(files[last]) == 1 and files[last][0] not in taken:
            meant[same[0]] = files[last][0]
    return [path or meant.get(name) for name, path in zip(names, paths, strict=True)]


def _as_written(folder: Path, name: str, listed: dict[str, dict[str, Path]]) -> Path | None:
    """The file of ``name`` in ``folder``; ``listed`` keeps the folders that were listed for it."""
    for written in (name, name.replace("\\", "/")) if "\\" in name else (name,):
        parent, slash, last = written.rpartition("/")
        if slash and not is_inside(parent):
            continue
        if parent not in listed:
            forms = (unicodedata.normalize("NFC", parent), unicodedata.normalize("NFD", parent), parent)
            listed[parent] = {last: path for form in dict.fromkeys(forms) for last, path in _files_of(folder / form)}
        if path := listed[parent].get(last) or listed[parent].get(composed(last)):
            return path
    return None


def _files_of(folder: Path) -> list[tuple[str, Path]]:
    """The files of a folder by their names composed, then by these as they are; none where there is no such folder."""
    try:
        with os.scandir(folder) as entries:
            names = [entry.name for entry in entries if entry.is_file()]
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG):
            return []
        raise UserError(f"{folder}: cannot be listed: {error.strerror}") from None
    decomposed = [(composed(name), folder / name) for name in names if not name.isascii()]
    return [*decomposed, *((name, folder / name) for name in names)]


def _below(folder: Path) -> Iterator[Path]:
    """The files in ``folder`` and below, each folder once though links lead to it again; hidden ones left out."""

    def refuse(error: OSError) -> None:
        if error.errno != errno.ENOENT:
            raise UserError(f"{error.filename}: cannot be listed: {error.strerror}") from None

    seen = set()
    for where, folders, names in os.walk(folder, onerror=refuse, followlinks=True):
        real = os.path.realpath(where)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (Path(where, name) for name in sorted(names) if not name.startswith("."))


def name_few(names: Sequence[object]) -> str:
    """The first three of ``names``, and how many more there are."""
    more = f" ... and {len(names) - FEW:,} more" if len(names) > FEW else ""
    return ", ".join(str(name)[:200] for name in names[:FEW]) + more


def missing_notes(where: object, names: Sequence[str]) -> list[str]:
    """One line on the pictures that are not here, by the names they were looked for; none where there are none."""
    if not names:
        return []
    looked_for = name_few([repr(name) for name in names])
    return [f"{where}: {len(names):,} pictures are not here (or several of their name), left out: {looked_for}"]


def count_notes(where: object, counts: Sequence[tuple[str, int, int]]) -> list[str]:
    """One line for each (what, found, expected) that differs."""
    return [
        f"{where}: {found:,} {what}, expected {expected:,}" for what, found, expected in counts if found != expected
    ]


def shorten(notes: Sequence[str], what: str) -> list[str]:
    """The first 20 of ``notes`` and how many ``what`` there are beyond."""
    more = len(notes) - SHOWN
    return [*notes[:SHOWN], *([f"... and {more:,} more {what}"] if more > 0 else [])]


def digest(text: str) -> str:
    """Twelve hex digits of the sha256 of ``text``, for the names of pools."""
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:12]


def pool_digest(files: Mapping[str, Path]) -> str:
    """Names the pictures ``files`` (by id) by where they lie, whatever their contents are."""
    return digest("\n".join(f"{id} {os.path.realpath(path)}" for id, path in files.items()))
