"""What a power cut makes of a file: the kinds of damage that every loader is tried with."""

from __future__ import annotations

from pathlib import Path

import pytest

_KINDS = {
    "empty": lambda content: b"",
    "full of zeros": lambda content: bytes(len(content)),
    "cut": lambda content: content[: len(content) // 2],
}

every_damage = pytest.mark.parametrize("damage", _KINDS)


def spoil(path: Path, damage: str) -> bytes:
    """Damage the file at ``path``; what it held before."""
    content = path.read_bytes()
    path.unlink()  # what is mapped into memory stays as it was
    path.write_bytes(_KINDS[damage](content))
    return content
