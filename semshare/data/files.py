"""What the readers of files share: lines of text, safe paths, counts beside the expected ones."""

from __future__ import annotations

import hashlib
import os
import unicodedata
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from semshare.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SHOWN = 20  # mistakes listed one by one; the rest are counted


def read_bytes(path: Path) -> bytes:
    """The content of a file; raises :class:`UserError` where there is none or it cannot be read."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise UserError(f"{path}: missing") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None


def read_lines(path: Path) -> list[str]:
    """The lines of a UTF-8 text file without their ends; a last empty line does not count.

    Raises:
        UserError: no such file, one that cannot be read, or one that is not UTF-8 (with the line).
    """
    content = read_bytes(path)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise UserError(f"{path}, line {line}: not UTF-8 text") from None
    lines = [line.rstrip("\r") for line in text.split("\n")]
    return lines[:-1] if lines[-1] == "" else lines


def is_inside(name: str) -> bool:
    """Whether the relative path ``name`` stays inside the folder it is joined to."""
    path = PurePosixPath(name)
    return bool(path.parts) and not path.is_absolute() and ".." not in path.parts and "\0" not in name


def find_file(folder: Path, name: str) -> Path:
    """The file ``name`` in ``folder``, also where the two spell its letters differently.

    An accent may be a part of its letter (NFC) or follow it (NFD); macOS's files are often named in the second way.
    """
    paths = [folder / unicodedata.normalize(form, name) for form in ("NFC", "NFD")] if not name.isascii() else []
    return next((path for path in (folder / name, *paths) if path.exists()), folder / name)


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
