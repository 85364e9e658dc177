"""Text as Unicode has it."""

from __future__ import annotations

import unicodedata

import pytest

from semshare.utils.texts import composed


@pytest.mark.parametrize("text", ["plage d'été", "한국어", "Ångström", "İstanbul"])
def test_two_spellings_of_one_text_are_one(text: str) -> None:
    apart = unicodedata.normalize("NFD", text)
    assert apart != text
    assert composed(apart) == composed(text) == text
