"""Where semshare keeps what it makes: ``$SEMSHARE_HOME``, or ``~/.cache/semshare``."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock
from safetensors import SafetensorError

from semshare.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterator

_PACKAGE = Path(__file__).parent
_NOTHING = 2**16  # bytes: a disk with no more left is full


def home() -> Path:
    """The folder of caches and runs."""
    return Path(os.environ.get("SEMSHARE_HOME") or "~/.cache/semshare").expanduser().absolute()


def settle() -> None:
    """Let processes that this one starts in other folders, such as a notebook's kernel, have the same home."""
    os.environ["SEMSHARE_HOME"] = str(home())


def code_digest(*modules: str) -> str:
    """Eight hex digits of the package's source files ``modules``, e.g. ``data/words.py``.

    Part of the name of whatever they make and keep.
    """
    digest = hashlib.sha256()
    for module in modules:
        digest.update((_PACKAGE / module).read_bytes())
    return digest.hexdigest()[:8]


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


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """A name beside ``path`` to write to: it takes the place of ``path`` when it is complete, else nothing is left.

    Raises:
        UserError: the disk is full, or ``path`` is not to be written to.
    """
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        part.touch()
        mode = part.stat().st_mode & 0o777
        yield part
        part.chmod(mode)  # safetensors puts a file of its own here, its owner's alone whatever the user's mask says
        part.replace(path)
    except (OSError, RuntimeError, SafetensorError) as error:  # torch and safetensors have errors of their own
        full = shutil.disk_usage(path.parent).free < _NOTHING or getattr(error, "errno", None) == errno.ENOSPC
        part.unlink(missing_ok=True)
        if full:
            raise UserError(f"{path}: cannot be written: the disk is full") from None
        if isinstance(error, OSError):
            raise UserError(f"{path}: cannot be written: {error.strerror}") from None
        raise
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def write_json(path: Path, content: Any, indent: int | None = None) -> None:
    """Write ``content`` to ``path`` in one move; raises :class:`UserError` as :func:`whole` does."""
    with whole(path) as part:
        part.write_text(json.dumps(content, indent=indent) + "\n")
