"""Counts read right for one thing and for many."""

import pytest

from semshare.utils.counts import counted, word_for


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 queries"), (1, "1 query"), (2, "2 queries"), (1234567, "1,234,567 queries")]
)
def test_count_has_the_words_that_fit_it(count: int, text: str) -> None:
    assert counted(count, "query", "queries") == text


def test_many_is_one_with_an_s_unless_it_is_given() -> None:
    assert [counted(count, "run") for count in (1, 2)] == ["1 run", "2 runs"]
    assert [word_for(count, "has", "have") for count in (0, 1, 2)] == ["have", "has", "have"]
