"""A count with the words that fit it."""

from __future__ import annotations


def counted(count: int, one: str, many: str | None = None) -> str:
    """``count`` and then ``one`` or ``many``, which is ``one`` with an s unless it is given: ``1 run``, ``20 runs``."""
    return f"{count:,} {word_for(count, one, many or f'{one}s')}"


def word_for(count: int, one: str, many: str) -> str:
    """The word for ``count`` things: ``word_for(1, "has", "have")`` is ``has``."""
    return one if count == 1 else many
