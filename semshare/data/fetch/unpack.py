"""Unpacking archives from elsewhere: nothing lands outside the folder, no links, nothing larger than the disk."""

from __future__ import annotations

import lzma
import re
import shutil
import stat
import tarfile
import zipfile
import zlib
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING

from semshare.errors import UserError
from semshare.utils.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

_PIECE = 1 << 20
_DAMAGE = (zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, NotImplementedError)


@dataclass(frozen=True)
class _Entry:
    """A file or folder in an archive; ``special`` says what else it is (a link, a device)."""

    name: str
    size: int
    is_folder: bool
    special: str
    open: Callable[[], IO[bytes] | None]


def unpack(archive: Path, folder: Path, only: Collection[str] | None = None, quiet: bool = False) -> int:
    """Unpack a zip or tar (plain, .gz, .bz2, .xz) archive so that its content lies in ``folder``.

    Everything is unpacked beside its place first and moved there when complete. Where all of the archive
    lies in one folder called like ``folder``, that one becomes ``folder``. Files already in ``folder``
    stay, unless the archive has one of the same name.

    Args:
        archive: the archive; it stays as it is.
        folder: where its content belongs; made where missing.
        only: take just the files of these names, straight into ``folder``.
        quiet: show no progress.

    Returns:
        The number of files unpacked.

    Raises:
        UserError: a damaged or encrypted archive; a path that leads out of the folder; a link or device; more than
            the disk has room for; none of the files in ``only``. Nothing is left behind then.
    """
    existing = folder if folder.is_dir() else folder.parent
    work = existing / f".unpacking-{archive.name}"
    try:
        existing.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(work, ignore_errors=True)
        try:
            with _entries(archive) as entries:
                files = _checked(archive, entries, existing, only)
                content = work / folder.name
                for target, entry in Progress(f"unpacking {archive.name}", quiet).track(files, len(files)):
                    _write(entry, content / target)
            inner = [path for path in content.iterdir() if path.name != "__MACOSX"]
            wrapped = len(inner) == 1 and inner[0].is_dir() and inner[0].name == folder.name and only is None
            _move(inner[0] if wrapped else content, folder)
        finally:
            shutil.rmtree(work, ignore_errors=True)
    except _DAMAGE as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise UserError(f"{archive}: damaged, expected a zip or tar archive: {reason}; nothing was unpacked") from None
    except FileExistsError as error:
        raise UserError(f"{archive}: two files in the place of {error.filename}; nothing was unpacked") from None
    except OSError as error:
        where = error.filename or archive
        raise UserError(f"{where}: {error.strerror or error}; {archive.name} was not unpacked") from None
    return len(files)


@contextmanager
def _entries(archive: Path) -> Iterator[Iterator[_Entry]]:
    """The entries of an archive, to be opened in their order."""
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as opened:
            yield (_zip_entry(opened, info) for info in opened.infolist())
    else:
        with tarfile.open(archive) as packed:
            yield (_tar_entry(packed, info) for info in packed)


def _zip_entry(opened: zipfile.ZipFile, info: zipfile.ZipInfo) -> _Entry:
    kind = stat.S_IFMT(info.external_attr >> 16)
    special = "a link or device" if kind not in (0, stat.S_IFREG, stat.S_IFDIR) else ""
    if info.flag_bits & 1:
        special = "encrypted"
    # The name as it stands in the archive: zipfile's own cuts it at a zero byte.
    return _Entry(info.orig_filename, info.file_size, info.is_dir(), special, lambda: opened.open(info))


def _tar_entry(packed: tarfile.TarFile, info: tarfile.TarInfo) -> _Entry:
    special = "" if info.isreg() or info.isdir() else "a link or device"
    return _Entry(info.name, info.size, info.isdir(), special, lambda: packed.extractfile(info))


def _checked(
    archive: Path, entries: Iterator[_Entry], folder: Path, only: Collection[str] | None
) -> list[tuple[PurePosixPath, _Entry]]:
    """The files to write with their relative paths, once every entry is harmless and all of them fit the disk."""
    free, size, files = shutil.disk_usage(folder).free, 0, []
    for entry in entries:
        path, shown = PurePosixPath(entry.name), entry.name[:80]
        if path.is_absolute() or ".." in path.parts or re.search(r"[\\\0]|^[A-Za-z]:", entry.name):
            raise UserError(f"{archive}: holds {shown!r}, a path that leads out of its folder; nothing was unpacked")
        if entry.special:
            raise UserError(f"{archive}: {shown!r} is {entry.special}, expected plain files; nothing was unpacked")
        if entry.is_folder or (only is not None and path.name not in only):
            continue
        size += entry.size
        if size > free:
            raise UserError(
                f"{archive}: unpacks to {size:,} bytes or more, {free:,} are free on the disk; nothing was unpacked"
            )
        files.append((path if only is None else PurePosixPath(path.name), entry))
    if not files:
        raise UserError(f"{archive}: holds no file{'' if only is None else ' called ' + ' or '.join(only)}")
    return files


def _write(entry: _Entry, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    source = entry.open()
    if source is None:
        raise EOFError(f"no content of {entry.name!r}")
    with source, target.open("xb") as file:
        shutil.copyfileobj(source, file, _PIECE)
    if (found := target.stat().st_size) != entry.size:
        raise EOFError(f"{entry.name!r} has {found:,} bytes, expected {entry.size:,}")


def _move(content: Path, folder: Path) -> None:
    """Put complete ``content`` in its place: one step where there is nothing yet, else file by file."""
    if not folder.exists():
        content.rename(folder)
        return
    for path in sorted(content.rglob("*")):
        if path.is_file():
            target = folder / path.relative_to(content)
            target.parent.mkdir(parents=True, exist_ok=True)
            path.replace(target)
