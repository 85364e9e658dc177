"""Scripts that put no spaces between words, which this library's own rule of words looks for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import regex

from semshare.data.tokens import WORDS
from semshare.utils.counts import word_for

if TYPE_CHECKING:
    from collections.abc import Sequence

    from semshare.data.source import Item
    from semshare.data.tokens import Tokenizer

# Scripts whose texts put no spaces between words; a single letter of theirs is a word at most.
_UNSPACED = ("Han", "Hiragana", "Katakana", "Thai", "Lao", "Khmer", "Myanmar")
_RUN = regex.compile("[" + "".join(rf"\p{{Script={script}}}" for script in _UNSPACED) + "]{2}")


def unspaced_notes(items: Sequence[Item], tokenizer: Tokenizer) -> list[str]:
    """A line where texts hold scripts without spaces and are cut by this library's rule, which looks for spaces."""
    texts = [text for item in items for text in item.texts]
    unspaced = [text for text in texts if _RUN.search(text)] if tokenizer.name == WORDS else []
    if not unspaced:
        return []
    scripts = [
        script for script in _UNSPACED if any(regex.search(rf"\p{{Script={script}}}", text) for text in unspaced)
    ]
    hold = f"{len(unspaced):,} of {len(texts):,} texts {word_for(len(unspaced), 'holds', 'hold')}"
    return [
        f"{hold} scripts that put no spaces between words ({', '.join(scripts)}): what stands between two spaces is "
        "read as one word; cut the words apart by spaces "
        "and prepare with --tokens space, or name a tokenizer with --tokens FOLDER_OR_NAME"
    ]
