"""What the readers of files share: safe paths, pictures found by their names, counts beside the expected ones."""

from __future__ import annotations

import errno
import hashlib
import os
import unicodedata
from collections import Counter, defaultdict
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from semshare.errors import UserError
from semshare.utils.counts import counted
from semshare.utils.texts import composed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

FEW = 3  # things named in a sentence; the rest are counted
SHOWN = 20  # mistakes listed one by one; the rest are counted


def is_inside(name: str) -> bool:
    """Whether the relative path ``name`` stays inside the folder it is joined to."""
    path = PurePosixPath(name)
    return bool(path.parts) and not path.is_absolute() and ".." not in path.parts and "\0" not in name


def last_part(name: str) -> str:
    """The file's own name in a path of any system, or in an address: what follows the last slash or backslash."""
    return composed(_path_in(name).name)


def _path_in(name: str) -> PurePosixPath:
    """The path that a name is, or that an address has behind its host."""
    if "://" in name:
        with suppress(ValueError):  # an address that only looks like one
            name = unquote(urlsplit(name).path)
    return PurePosixPath(name.replace("\\", "/"))


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
    for path in files_below(folder):
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
            names = [entry.name for entry in entries if _is_file(entry)]
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG):
            return []
        raise UserError(f"{folder}: cannot be listed: {error.strerror}") from None
    decomposed = [(composed(name), folder / name) for name in names if not name.isascii()]
    return [*decomposed, *((name, folder / name) for name in names)]


def _is_file(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_file()
    except OSError:  # a link that leads round in a circle
        return False


def files_below(folder: Path) -> Iterator[Path]:
    """The files in ``folder`` and below, each folder once though links lead to it again; hidden ones left out.

    A link that leads nowhere, or round to itself, is no file.

    Raises:
        UserError: a folder that cannot be listed.
    """

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
        paths = (Path(where, name) for name in sorted(names) if not name.startswith("."))
        yield from (path for path in paths if not path.is_symlink() or path.exists())


def names_below(folder: Path) -> Mapping[str, int]:
    """How many files in or below ``folder`` have each name, hidden ones left out."""
    return Counter(composed(path.name) for path in files_below(folder))


def name_few(names: Sequence[object]) -> str:
    """The first three of ``names``, and how many more there are."""
    more = f" ... and {len(names) - FEW:,} more" if len(names) > FEW else ""
    return ", ".join(str(name)[:200] for name in names[:FEW]) + more


def missing_notes(where: object, names: Sequence[str]) -> list[str]:
    """One line on the pictures that are not here, by the names they were looked for; none where there are none."""
    if not names:
        return []
    looked_for = name_few([repr(name) for name in names])
    count = counted(len(names), "picture is", "pictures are")
    return [f"{where}: {count} not here (or several of that name), left out: {looked_for}"]


def moved_notes(root: Path, pictures: Iterable[tuple[str, Path | None]]) -> list[str]:
    """One line on the pictures that another folder holds than their names say; none where there are none.

    Names that are addresses, or paths of another machine, are found by their last part: so they are named here.
    """
    moved = [
        f"{name!r} is {path.relative_to(root) if path.is_relative_to(root) else path}"
        for name, path in pictures
        if path is not None and not _says(name, path)
    ]
    count = counted(len(moved), "picture was", "pictures were")
    return [f"{root}: {count} found by the last part of the name alone: {name_few(moved)}"] if moved else []


def _says(name: str, path: Path) -> bool:
    """Whether the folder that ``name`` gives, if any, is the one that ``path`` lies in."""
    said = composed(_path_in(name).parent.name.rpartition("=")[2])  # Label Studio: /data/local-files/?d=images/1.jpg
    return said in ("", composed(path.parent.name))


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
