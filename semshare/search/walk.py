"""The files of a folder of pictures and of the folders below it, and in words what else it holds."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from semshare.data import pictures
from semshare.data.pictures import NoPictureError
from semshare.errors import UserError
from semshare.utils.counts import counted

if TYPE_CHECKING:
    from collections.abc import Iterable

NO_PICTURE = "no picture"  # why a file is left out that neither is a picture nor is called one


def walk(root: Path) -> tuple[dict[str, str], list[str]]:
    """Look at every file below ``root``, without opening any.

    Hidden files and folders and links to folders are left out, and so is a folder that cannot be read.

    Returns:
        The files by their paths relative to ``root``, a to z, each with its :func:`semshare.data.pictures.stamp`; and
        a line for each kind of thing that is left out.

    Raises:
        UserError: ``root`` is no folder that can be read.
    """
    if not root.is_dir():
        raise UserError(f"{root}: {'a file' if root.exists() else 'missing'}, expected a folder of pictures")
    stamps, links, closed, hidden = {}, [], [], 0
    for folder, below, names in os.walk(root, onerror=closed.append):
        links += [path for name in below if (path := Path(folder, name)).is_symlink()]
        seen = [name for name in names if not name.startswith(".")]
        open_folders = sorted(name for name in below if not name.startswith("."))
        hidden += len(names) - len(seen) + len(below) - len(open_folders)
        below[:] = open_folders
        for path in (Path(folder, name) for name in seen):
            stamps[path.relative_to(root).as_posix()] = pictures.stamp(path)
    if any(error.filename == str(root) for error in closed):
        raise UserError(f"{root}: cannot be read: {closed[0].strerror}")
    notes = [f"{error.filename}: cannot be read and is left out: {error.strerror}" for error in closed]
    if links := [link for link in links if not link.name.startswith(".")]:
        notes.append(f"{counted(len(links), 'link to a folder is', 'links to folders are')} not followed: {links[0]}")
    if hidden:
        notes.append(f"{counted(hidden, 'hidden file or folder is', 'hidden files and folders are')} left out")
    return dict(sorted(stamps.items())), notes


def check_is_picture(path: Path) -> None:
    """As :func:`semshare.data.pictures.check_is_picture`; of a file that is not called a picture, :data:`NO_PICTURE`.

    What is called a picture and is none is named by those who read it; everything else is counted.
    """
    try:
        pictures.check_is_picture(path)
    except NoPictureError:
        if path.suffix.lower() in pictures.endings():
            raise
        raise NoPictureError(f"{path}: {NO_PICTURE}") from None


def count_no_pictures(reasons: Iterable[str]) -> str:
    """How many files are no pictures, in words; empty where there are none."""
    count = sum(reason == NO_PICTURE for reason in reasons)
    return counted(count, "file is no picture", "files are no pictures") if count else ""
