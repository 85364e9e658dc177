"""What ``semshare data prepare`` leaves in the data cache, and how it is forgotten: links to data, and notes."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Literal

from semshare.data import catalogue, collections
from semshare.data.readers.manifest import remembered
from semshare.errors import UserError
from semshare.utils.files import write_text
from semshare.utils.home import cache_folder, home

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def forget(name: str) -> list[str]:
    """Forget where dataset ``name`` lies, and what it was prepared with; a collection's name is then free.

    Data, regions, word vectors and runs stay.

    Returns:
        What was forgotten, a line each.

    Raises:
        UserError: an unknown name, a generated dataset, or one whose files lie in the data cache itself.
    """
    note = collections.file_of(name)  # where it is damaged, it can be forgotten all the same
    folders = (name,) if note.is_file() else catalogue.entry(name).folders
    link = home() / "data" / folders[0] if folders else None
    if link is None:
        raise UserError(f"name: {name!r} is generated, nothing is remembered of it")
    if link.exists() and not link.is_symlink():
        raise UserError(f"{link}: the data of {name!r} itself lies here; delete the folder by hand if you want it gone")
    told = {
        note: "what kind of collection it is",
        home() / "data" / f"{folders[0]}.regions": "which regions it takes",
        home() / "data" / f"{folders[0]}.tokens": "how its texts are cut",
        remembered(name): "its manifest",
    }
    lines = []
    if link.is_symlink():
        others = set(catalogue.CATALOGUE) - set(collections.kept_names())
        lie_there = {other for other in others if folders[0] in catalogue.entry(other).folders}
        names = ", ".join(sorted({name} | lie_there))
        lines.append(f"{names}: {link.readlink()} is left as it is, and not found by that name any more")
        link.unlink()
    for path, what in told.items():
        if path is not None and path.is_file():
            lines.append(f"{name}: forgotten: {what}")
            path.unlink()
    catalogue.forget_loaded()
    return lines or [f"{name}: nothing was remembered"]


def check_reads_root(name: str) -> None:
    """Raise :class:`UserError` where dataset ``name`` is generated, so that no folder of it can be named."""
    if "root" not in catalogue.entry(name).reads:
        raise UserError(f"root: dataset {name!r} is generated and reads none")


def remember(name: str, kind: Literal["regions", "tokens"], value: str, say: Callable[[str], None]) -> None:
    """Let ``value`` be what dataset ``name`` takes from now on; a generated one remembers nothing."""
    file = catalogue.note_file(name, kind)
    if file is None or (file.is_file() and file.read_text(encoding="utf-8", errors="replace").strip() == value):
        return
    cache_folder("data")
    write_text(file, f"{value}\n")
    say(f"{name}: {kind} {value!r} are taken from now on where none are named")


def place_of_link(name: str, root: Path) -> Path | None:
    """Where the data cache links to ``root``; None where the dataset's place in the cache is ``root`` itself.

    Raises:
        UserError: a dataset that reads no root, or data that stands there already.
    """
    check_reads_root(name)
    link = cache_folder("data") / catalogue.entry(name).folders[0]
    if link.is_symlink() or not link.exists():
        return link
    if link.resolve() == root.resolve():
        return None
    raise UserError(
        f"{link}: data stands here already and is what {name!r} means without --root; move or remove it, "
        f"or leave --root away (found while {root} was to be made known in its place)"
    )


def make_link(link: Path, root: Path, say: Callable[[str], None]) -> None:
    """Let ``place`` in the data cache lead to ``root``, in place of an older link."""
    before = link.readlink() if link.is_symlink() else None
    _replace(link, lambda part: part.symlink_to(root))
    if before != root:
        say(f"{root}: remembered for {link.name!r}" + (f", in place of {before}" if before else ""))


def _replace(path: Path, make: Callable[[Path], object]) -> None:
    """Let what ``make`` makes under another name take the place of ``path``, in one move."""
    part = cache_folder("data") / f"{path.name}.{os.getpid()}.part"
    part.unlink(missing_ok=True)
    make(part)
    part.replace(path)
