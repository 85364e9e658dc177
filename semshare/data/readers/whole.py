"""Pictures read to their end, once: a picture that only begins well is found before hours of work."""

from __future__ import annotations

import json
import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING

from semshare.data.files import digest
from semshare.data.pictures import check_picture, stamp
from semshare.errors import UserError
from semshare.utils.files import write_json
from semshare.utils.home import cache_folder, home
from semshare.utils.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_MANY = 1000  # pictures that take long enough to be told


class Whole:
    """The pictures of the collection described by one file, and which of them were read to their end before."""

    def __init__(self, described: Path) -> None:
        """Recall what was found of the collection that ``described`` describes."""
        self._name = f"{digest(os.path.realpath(described))}.json"
        self._title = f"pictures of {described}"
        self._known: dict[str, str] = {}
        with suppress(OSError, ValueError):
            kept = json.loads((home() / "whole" / self._name).read_text(encoding="utf-8"))
            self._known = kept if isinstance(kept, dict) else {}
        self._now: dict[str, str] = {}

    def faults(self, paths: Mapping[int, Path]) -> dict[int, str]:
        """Why pictures cannot be read, by their lines; what was read before and has not changed is not read again."""
        self._now = {str(path): stamp(path) for path in paths.values()}
        new = {line: path for line, path in paths.items() if self._known.get(str(path)) != self._now[str(path)]}
        if not new:
            return {}
        with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
            reasons = Progress(self._title, quiet=len(new) < _MANY).track(pool.map(_reason, new.values()), len(new))
            return {line: reason for line, reason in zip(new, reasons, strict=True) if reason}

    def remember(self) -> None:
        """Keep that all pictures of :meth:`faults` are whole, where the cache may be written."""
        if self._now != self._known:
            with suppress(OSError, UserError):
                write_json(cache_folder("whole") / self._name, self._now)


def _reason(path: Path) -> str:
    """Why the picture at ``path`` cannot be read, and what to do; empty where it can."""
    try:
        check_picture(path)
    except UserError as error:
        return f"{str(error).removeprefix(f'{path}: ')}; replace it, or take it out of the collection"
    return ""
