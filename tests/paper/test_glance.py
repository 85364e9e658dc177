"""The table of all claims says what each test found, where there are few, and how many where there are many."""

from __future__ import annotations

from dataclasses import replace

from bs4 import BeautifulSoup

from semshare.paper import glance, reference
from semshare.paper.verdicts import Verdict
from semshare.runs.intervals import Interval


def _verdict(claim: int, low: float, high: float, measure: str = "m<1", paper: float | None = None) -> Verdict:
    interval = Interval((low + high) / 2, low, high, 0.01, 9)
    return Verdict(claim, "s", "d", measure, interval, 0.0, "above", paper, (0, 1), ("r",))


def _cells(evidence: dict[str, list[Verdict]]) -> list[list[str]]:
    shown = BeautifulSoup(glance.table(evidence).to_html(), "html.parser")
    return [[cell.get_text("|") for cell in row.select("td")] for row in shown.select("tbody tr")]


def test_few_tests_are_listed_with_their_marks_and_the_papers_numbers() -> None:
    photographs = [_verdict(1, 0.01, 0.03), _verdict(1, -0.03, -0.01), _verdict(1, -0.01, 0.01)]
    cells = _cells({"photographs": photographs, "tags": [_verdict(1, 0.01, 0.03, paper=0.015)]})
    assert len(cells) == len(reference.TESTED)
    claim, paper, first, second = cells[0]
    assert claim.startswith("1. ") and paper == "m<1 +0.015"
    assert [line[0] for line in first.split("|")] == ["✓", "✗", "?"]
    assert second.replace("\xa0", " ") == "✓ m<1 +0.020 [+0.010, +0.030]"
    assert cells[1][1:] == ["–", "not tested", "not tested"]


def test_intervals_of_before_are_marked_and_names_are_no_markup() -> None:
    before = replace(_verdict(1, 0.01, 0.03), interval=Interval(0.02, 0.01, 0.03))
    shown = BeautifulSoup(glance.table({"<b>tags</b>": [before]}).to_html(), "html.parser")
    assert [cell.get_text() for cell in shown.select("th.col_heading")][-1] == "<b>tags</b>" and not shown.select("b")
    assert _cells({"tags": [before]})[0][2].split("|")[-1] == "(intervals of before)"


def test_of_many_tests_it_says_how_many_came_out_how() -> None:
    many = [_verdict(3, 0.01, 0.03, paper=0.1)] * 5 + [_verdict(3, -0.03, -0.01)] * 3
    assert _cells({"drawings": many})[2][1:] == ["–", "of 8 tests, 5 reproduced, 3 not reproduced, 0 inconclusive"]
