"""Memory that the C library keeps while one batch after another asks for the same large blocks."""

from __future__ import annotations

import ctypes
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

# mallopt(3), malloc.h: the least free memory at the heap's top that is given back, and the least block that is mapped.
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
_NEVER = 2**31 - 1  # the largest value that mallopt takes
_ADAPTED = 2**25  # how far glibc raises the least mapped block by itself, and the most that some of its versions take
_users = 0


@contextmanager
def memory_kept() -> Iterator[None]:
    """Let this process keep the memory it frees inside, for its next block; at the end all of it is given back.

    glibc maps each large block anew and gives it back when it is freed, and the system clears every page of it: for a
    network whose layers' outputs take megabytes that is half of its time. Inside, the process stays as large as it
    ever was. Afterwards blocks are mapped from 32 MB on, which is where glibc's own adapting ends: once told anything,
    it no longer adapts. Where the C library is another one, nothing changes.
    """
    global _users
    library = _glibc()
    if library is None:
        yield
        return
    _users += 1
    _set(library, _NEVER)
    try:
        yield
    finally:
        _users -= 1
        if not _users:
            _set(library, _ADAPTED)
            library.malloc_trim(0)


def _set(library: ctypes.CDLL, mapped: int) -> None:
    """Blocks below ``mapped`` bytes come from the heap, which keeps twice as much at its top (as glibc does)."""
    if not library.mallopt(_MMAP_THRESHOLD, mapped):
        library.mallopt(_MMAP_THRESHOLD, _ADAPTED)
    library.mallopt(_TRIM_THRESHOLD, min(2 * mapped, _NEVER))


@cache
def _glibc() -> ctypes.CDLL | None:
    """The C library that this process has loaded, if it is glibc."""
    try:
        library = ctypes.CDLL(None)
    except (OSError, TypeError):  # Windows
        return None
    needed = ("gnu_get_libc_version", "mallopt", "malloc_trim")
    return library if all(hasattr(library, name) for name in needed) else None
