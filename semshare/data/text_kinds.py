"""Whether the texts of a collection are captions or tags: known from its files, said, or guessed from the texts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, cast, get_args

from semshare.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Sequence


TextKind = Literal["tags", "captions"]


def text_kind_of(
    texts: Sequence[Sequence[str]], said: str | None, known: TextKind | None = None, why: str = ""
) -> tuple[TextKind, str]:
    """What the texts of a collection are, and in a few words how that is known.

    Args:
        texts: of each item.
        said: ``tags`` or ``captions`` where somebody says so.
        known: what the collection's files have, whatever is said; None where they do not decide.
        why: how that is known, e.g. "as this layout has".

    Raises:
        UserError: something else was said, or other than the files have.
    """
    if said is not None and said not in get_args(TextKind):
        raise UserError(f"text: found {said!r}, expected {' or '.join(get_args(TextKind))}")
    if known is not None:
        if said not in (None, known):
            raise UserError(f"text: found {said!r}, expected {known}, {why}")
        return known, why
    if said is not None:
        return cast(TextKind, said), "as was said"
    if sum(len(own) > 1 for own in texts) * 2 > len(texts):
        return "captions", "guessed: most items have several texts"
    sentences = sum(_is_sentence(text) for own in texts for text in own)
    count = sum(map(len, texts))
    share = f"guessed: {sentences:,} of {count:,} texts read like sentences"
    return ("captions" if sentences * 2 > count else "tags"), share


_SMALL = frozenset("a an the of in on at with and is are to for by from un une le la les der die das ein eine".split())


def _is_sentence(text: str) -> bool:
    """Whether ``text`` reads like a sentence: four words, few commas, a small word or a stop at the end."""
    words = text.split()
    if len(words) < 4 or text.count(",") + text.count(";") > len(words) // 3:
        return False
    return text.rstrip()[-1] in ".!?。" or not _SMALL.isdisjoint(word.strip(".,;").lower() for word in words)
