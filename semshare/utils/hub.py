"""A model hub and its cache on this machine: whether it answers, what the cache lacks, and how to fetch that again."""

from __future__ import annotations

import time
from functools import lru_cache
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_PATIENCE = 3  # seconds that the hub has to answer, and as many again to find its address


def again(name: str, cache: str | Path | None = None, revision: str | None = None) -> str:
    """The command that fetches the model ``name`` anew, whatever the cache holds of it."""
    options = "".join(f" {flag} {value}" for flag, value in (("--revision", revision), ("--cache-dir", cache)) if value)
    return f"fetch it again with: hf download {name} --force-download{options}"


def lacks(
    name: str, needed: Sequence[Sequence[str]], cache: str | Path | None = None, revision: str | None = None
) -> str:
    """What the cache lacks of a model that it holds in part, and how to fetch it; empty where it lacks nothing.

    Args:
        name: the hub's ``user/name``. One that the cache holds nothing of lacks nothing: it was never fetched.
        needed: of each group of file names one must be there.
        cache: the cache's folder, by default the hub library's.
        revision: a branch, tag or commit; by default ``main``.
    """
    folder = _folder(name, cache)
    if not folder.is_dir():
        return ""
    command, ref = again(name, cache, revision), folder / "refs" / (revision or "main")
    snapshot = folder / "snapshots" / (revision or "main")
    if ref.is_file():
        snapshot = folder / "snapshots" / ref.read_text(encoding="utf-8").strip()
    elif not snapshot.is_dir():
        return f"{ref} is missing; {command}"
    for group in needed:
        paths = [snapshot / file for file in group]
        if not any(path.is_file() for path in paths):
            broken = next((path for path in paths if path.is_symlink()), None)
            return f"{broken} is a link to nothing; {command}" if broken else f"{paths[0]} is missing; {command}"
    return ""


def unreachable() -> str:
    """Why the hub cannot be reached; empty where it answers, whatever it answers. It is asked once a minute.

    Its own library tries for half a minute before it says so, also for what the cache holds.
    """
    return _asked(int(time.monotonic() // 60))


def where_to_look() -> dict[str, bool]:
    """What keeps the hub's library to its cache where the hub cannot be reached, as an argument of its functions."""
    return {"local_files_only": True} if unreachable() else {}


def absent(name: str, cache: str | Path | None = None) -> str:
    """Why the model ``name`` is not to be had, and what to do; empty where the cache or the hub may have it."""
    folder = _folder(name, cache)
    if folder.is_dir() or not (reason := unreachable()):
        return ""
    return (
        f"nothing of it in {folder.parent}, and the hub cannot be reached: {reason}; where it can, "
        f"run hf download {name} --local-dir FOLDER, then give that folder in the place of the name"
    )


def _folder(name: str, cache: str | Path | None) -> Path:
    """Where the cache keeps, or would keep, the model ``name``."""
    from huggingface_hub import constants
    from huggingface_hub.file_download import repo_folder_name

    return Path(cache or constants.HF_HUB_CACHE) / repo_folder_name(repo_id=name, repo_type="model")


@lru_cache(maxsize=1)
def _asked(minute: int) -> str:
    """:func:`unreachable` in a minute of the clock."""
    from huggingface_hub import constants, get_session

    missing: list[str] = []

    def ask() -> None:
        try:
            get_session().head(constants.ENDPOINT, timeout=_PATIENCE)
        except Exception as error:  # those of two generations of libraries, and of the hub's being told to be offline
            missing.append(next(iter(str(error).strip().splitlines()), "").rstrip(".") or type(error).__name__)
        else:
            missing.append("")

    thread = Thread(target=ask, daemon=True)  # no time limit holds for the look-up of an address
    thread.start()
    thread.join(2 * _PATIENCE)
    return missing[0] if missing else f"{constants.ENDPOINT} gave no answer within {2 * _PATIENCE} seconds"
