"""Scripts that put no spaces between words are known, and no others."""

from __future__ import annotations

import pytest

from semshare.data.scripts import unspaced_notes
from semshare.data.source import Item
from semshare.data.tokens import OWN, Tokenizer


@pytest.mark.parametrize("text", ["ภาษาไทย", "ພາສາລາວ", "ភាសាខ្មែរ", "မြန်မာ", "中文", "かな", "カナ"])
def test_each_script_without_spaces_is_known(text: str) -> None:
    assert unspaced_notes([Item("1", (text,), (), "train")], OWN)[0].startswith("1 of 1 texts holds")
    assert unspaced_notes([Item("1", (text,), (), "train")], Tokenizer("space")) == []


@pytest.mark.parametrize("text", ["a dog", "собака", "हिन्दी में", "한국어 문장", "עברית", "愛 tattoo", ""])
def test_scripts_with_spaces_and_single_signs_are_not_told(text: str) -> None:
    assert unspaced_notes([Item("1", (text,), (), "train")], OWN) == []
