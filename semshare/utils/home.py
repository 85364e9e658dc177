"""Where semshare keeps what it makes: ``$SEMSHARE_HOME``, or ``~/.cache/semshare``."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from filelock import FileLock

from semshare.errors import UserError


def home() -> Path:
    """The folder of caches and runs; raises :class:`UserError` for a user without a home folder (some containers)."""
    try:
        return Path(os.environ.get("SEMSHARE_HOME") or "~/.cache/semshare").expanduser().absolute()
    except RuntimeError:
        raise UserError(
            "SEMSHARE_HOME: not set, and this user has no home folder; set it to a folder that can be written to"
        ) from None


def settle() -> None:
    """Let processes that this one starts in other folders, such as a notebook's kernel, have the same home."""
    os.environ["SEMSHARE_HOME"] = str(home())
    try:
        Path.home()
    except RuntimeError:
        os.environ["HOME"] = str(home())  # gensim and Jupyter ask for one when they are imported


def cache_folder(name: str) -> Path:
    """The folder ``name`` of :func:`home`, made where missing; raises :class:`UserError` if it cannot be."""
    folder = home() / name
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(
            f"{folder}: cannot be made ({error.strerror}); set SEMSHARE_HOME to a writable folder"
        ) from None
    return folder


def lock(path: Path) -> FileLock:
    """A lock on ``path`` among this home's processes; its file lies in the cache, none beside the data."""
    digest = hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:16]
    return FileLock(cache_folder("locks") / f"{digest}.lock")
