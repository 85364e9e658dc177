"""What ``semshare data prepare`` left in the data cache: where a dataset lies, and how its texts are cut."""

from __future__ import annotations

from typing import TYPE_CHECKING

from semshare.data.tokens import OWN, Tokenizer, find
from semshare.errors import UserError
from semshare.utils.home import home

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


def stored(folders: Sequence[str]) -> Path | None:
    """The first of the data cache's ``folders`` that holds something, or is a link to where data lies.

    Raises:
        UserError: a link whose target is gone.
    """
    for link in (home() / "data" / folder for folder in folders):
        if link.is_symlink() and not link.exists():
            raise UserError(
                f"{link}: leads to {link.readlink()}, which is gone; say where the data lies now with semshare data "
                "prepare and --root, or remove the link"
            )
        if link.is_file() or (link.is_dir() and any(link.iterdir())):
            return link
    return None


def noted_tokens(path: Path | None) -> Tokenizer:
    """The tokenizer that the note at ``path`` names, the library's own rule where there is no note.

    Raises:
        UserError: a note of a tokenizer that is not there.
    """
    if path is None or not path.is_file():
        return OWN
    return find(path.read_text(encoding="utf-8", errors="replace").strip(), f"{path}: tokens")
