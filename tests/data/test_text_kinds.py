"""Captions or tags: said, given by a layout, or guessed from the texts."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from semshare.data.text_kinds import text_kind_of
from semshare.errors import UserError


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        ([["A dog runs on a beach."], ["Two cats sleep"], ["the man with a red hat"]], "captions"),
        ([["dog beach sand sea sun"], ["cat"], ["nikon d70 portrait bw"]], "tags"),
        ([["dog, beach, sand, a sea, sun"], ["a, b, c, d"]], "tags"),
        ([["dog; beach; the sea; sun."], ["cat; sofa"]], "tags"),
        ([["dog", "hund"], ["cat", "katze"], ["bird"]], "captions"),
        ([["Ein Hund läuft am Strand"], ["Zwei Katzen schlafen auf dem Sofa."]], "captions"),
    ],
)
def test_texts_are_guessed(texts: Sequence[Sequence[str]], expected: str) -> None:
    kind, how = text_kind_of(texts, None)
    assert kind == expected and how.startswith("guessed: ")


def test_the_guess_says_what_it_rests_on() -> None:
    assert text_kind_of([["A dog on a beach."], ["dog"], ["A cat on a sofa."]], None)[1] == (
        "guessed: 2 of 3 texts read like sentences"
    )


def test_what_is_said_goes_before_the_guess_and_the_layout_before_both() -> None:
    texts = [["A dog runs on a beach."]]
    assert text_kind_of(texts, "tags") == ("tags", "as was said")
    assert text_kind_of(texts, None, "tags", "as line 1 says") == ("tags", "as line 1 says")
    assert text_kind_of(texts, "tags", "tags")[0] == "tags"
    with pytest.raises(UserError, match="text: found 'captions', expected tags, as this layout has"):
        text_kind_of(texts, "captions", "tags", "as this layout has")
    with pytest.raises(UserError, match="text: found 'words', expected tags or captions"):
        text_kind_of(texts, "words")
