"""What is kept beside runs: drawn scenes, regions, word vectors, search indexes, and whether today's code would use it.

Names hold the digest of the code that made a thing, so what other code made is known without opening it.
"""

from __future__ import annotations

import shutil
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from filelock import Timeout

from semshare.data import words
from semshare.data.regions import registry
from semshare.data.regions.kept import region_code
from semshare.data.scenes import pool
from semshare.errors import UserError
from semshare.runs import keys
from semshare.utils.files import file_lock, not_written, read_json
from semshare.utils.home import cache_folder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@dataclass(frozen=True)
class Kept:
    """One thing in the cache.

    Attributes:
        kind: ``scenes``, ``regions``, ``words``, ``indexes`` or ``samples``: the folder of the cache.
        path: where it lies.
        state: ``current`` where today's code would use it, ``stale`` where it would make it anew.
        bytes: its size.
        made: seconds since the epoch at which it was last written.
    """

    kind: str
    path: Path
    state: str
    bytes: int
    made: float

    def as_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return asdict(self) | {"path": str(self.path)}


def kept() -> list[Kept]:
    """Everything in the cache but runs and downloads, a kind at a time, the latest first."""
    return [entry for kind in _STATES for entry in sorted(_entries(kind), key=lambda entry: -entry.made)]


def remove(entry: Kept) -> bool:
    """Delete what is kept; False, and nothing is deleted, where a process is at work on it."""
    lock = entry.path.with_name(f"{entry.path.name}.lock")
    try:
        with file_lock(lock, timeout=0):
            if entry.path.is_dir():
                shutil.rmtree(entry.path, ignore_errors=True)
            else:
                entry.path.unlink(missing_ok=True)
        lock.unlink(missing_ok=True)
    except Timeout:
        return False
    except OSError as error:
        raise not_written(entry.path, error, "deleted") from None
    return True


def _entries(kind: str) -> Iterator[Kept]:
    for path in cache_folder(kind).iterdir():
        if path.suffix in (".lock", ".part"):
            continue
        files = [file.stat() for file in ([path] if path.is_file() else path.rglob("*")) if file.is_file()]
        made = max((file.st_mtime for file in files), default=path.stat().st_mtime)
        state = "current" if _STATES[kind](path) else "stale"
        yield Kept(kind, path, state, sum(file.st_size for file in files), made)


def _scenes_are_current(path: Path) -> bool:
    return path.name.endswith(f"-{pool.recipe()}")


def _regions_are_current(path: Path) -> bool:
    return any(path.name.endswith(f"-{name}-{region_code(name)}") for name in registry.names())


def _words_are_current(path: Path) -> bool:
    return path.stem.endswith(f"-{words.words_code()}")


def _index_is_current(path: Path) -> bool:
    try:
        method, _, code = read_json(path / "index.json")["owner"]["code"].partition(":")
        return keys.encoding_code(method) == code
    except (OSError, ValueError, KeyError, TypeError, AttributeError, UserError):
        return False  # of an older format, or damaged: it would be built anew


_STATES = {
    "scenes": _scenes_are_current,
    "regions": _regions_are_current,
    "words": _words_are_current,
    "indexes": _index_is_current,
    "whole": lambda path: True,  # which pictures were read to their end
    "samples": lambda path: True,  # pictures copied from a dataset: no code made them
}
