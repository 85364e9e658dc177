"""The checkout that the code runs from, for the record."""

from __future__ import annotations

import subprocess
from pathlib import Path

from semshare.errors import UserError


def commit() -> str:
    """The checkout's commit, with a note when files differ from it; ``unknown`` outside a checkout."""
    here = Path(__file__).parent

    def git(*arguments: str) -> str:
        return subprocess.run(
            ["git", "-C", here, *arguments], capture_output=True, encoding="utf-8", errors="replace", check=True
        ).stdout.strip()

    try:
        # A recording writes its own results into the checkout as it goes; they change nothing that is trained.
        ours = ("--", ":/", ":(top,exclude)book/recorded")
        changed = git("status", "--porcelain", "--untracked-files=no", *ours)
        return git("rev-parse", "--short=12", "HEAD") + (" with local changes" if changed else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def find_root() -> Path:
    """The checkout that holds ``_config.yml`` and ``notebooks``: around the working folder, or this package's.

    Raises:
        UserError: there is none.
    """
    for folder in (Path.cwd(), *Path.cwd().parents, Path(__file__).resolve().parents[2]):
        if (folder / "_config.yml").is_file() and (folder / "notebooks").is_dir():
            return folder
    raise UserError(f"book: no _config.yml and notebooks/ in {Path.cwd()} or above; run it in a semshare checkout")
