"""A model hub's cache on this machine: which file of a model it lacks, and the command that fetches it again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


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
    from huggingface_hub import constants
    from huggingface_hub.file_download import repo_folder_name

    folder = Path(cache or constants.HF_HUB_CACHE) / repo_folder_name(repo_id=name, repo_type="model")
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
