"""How verdicts show themselves."""

from __future__ import annotations

from bs4 import BeautifulSoup

from semshare.paper import recordings
from semshare.paper.display import Verdicts


def test_a_list_of_verdicts_is_a_table_with_what_pages_say() -> None:
    verdicts = recordings.load("flickr25k").verdicts()
    rows = BeautifulSoup(verdicts._repr_html_(), "html.parser").find_all("tr")
    cells = [[cell.get_text() for cell in row.find_all(["th", "td"])] for row in rows]
    words = [verdict.in_words() for verdict in verdicts]
    assert len(words) > 10
    assert cells == [[*words[0]][:-1], *([*row.values()][:-1] for row in words)]  # all but the keys of the runs
    assert BeautifulSoup(verdicts[0]._repr_html_(), "html.parser").find_all("tr")[1] == rows[1]


def test_as_plain_text_each_is_a_line() -> None:
    verdicts = recordings.load("flickr25k").verdicts()
    lines = repr(verdicts).splitlines()
    assert len(lines) == len(verdicts) and lines[0] == repr(verdicts[0])
    assert verdicts[0].statement in lines[0] and f": {verdicts[0].verdict};" in lines[0]


def test_no_verdict_says_so() -> None:
    assert "No verdict" in Verdicts()._repr_html_() and repr(Verdicts()) == ""
