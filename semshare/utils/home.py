"""Where semshare keeps what it makes: ``$SEMSHARE_HOME``, or ``~/.cache/semshare``."""

from __future__ import annotations

import hashlib
import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from semshare.errors import UserError
from semshare.utils.files import file_lock, not_written

if TYPE_CHECKING:
    from collections.abc import Iterator


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
    """The folder ``name`` of :func:`home`, made where missing.

    Raises:
        UserError: it cannot be made; a :class:`~semshare.utils.files.ReadOnlyError` where the user may not.
    """
    folder = home() / name
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        kind = type(not_written(folder, error))
        raise kind(f"{folder}: cannot be made ({error.strerror}); set SEMSHARE_HOME to a writable folder") from None
    return folder


@contextmanager
def lock(path: Path, timeout: float = -1) -> Iterator[None]:
    """Hold a lock on ``path`` among this home's processes; its file lies in the cache, none beside the data.

    Raises:
        ReadOnlyError: the user may not write there.
        filelock.Timeout: another process holds it for longer than ``timeout`` seconds; by default it is waited for.
    """
    name = str(path.resolve()).encode("utf-8", "surrogateescape")  # a folder's name need not be UTF-8
    digest = hashlib.sha256(name).hexdigest()[:16]
    with file_lock(cache_folder("locks") / f"{digest}.lock", timeout):
        yield
