"""Where the book asks why a claim was not reproduced."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest

from semshare.book import evidence
from semshare.paper import reference
from semshare.paper.verdicts import Verdict
from semshare.runs.intervals import Interval

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"


def _verdict(claim: int, value: float) -> Verdict:
    interval = Interval(value, value - 0.001, value + 0.001)
    return Verdict(claim, "rises", "scenes-flickr25k", "F1", interval, 0.0, "above", None, (0,), ("0",))


def _said(monkeypatch: pytest.MonkeyPatch, *verdicts: Verdict) -> str:
    said: list[str] = []
    monkeypatch.setattr(evidence.provenance, "say", said.append)
    evidence.say_where_asked_why(verdicts)
    return said[0]


def test_claims_that_are_not_reproduced_lead_to_the_sections_that_ask_why(monkeypatch: pytest.MonkeyPatch) -> None:
    said = _said(monkeypatch, _verdict(1, -0.1), _verdict(1, 0.1), _verdict(2, 0.2), _verdict(5, -0.2))
    assert "- Claim 1: 1 of 2 tests not reproduced." in said and "Claim 2" not in said
    assert "[Where the two losses meet](08_diagnosis.ipynb#Where-the-two-losses-meet); [When" in said
    assert "reproduced. [On photographs: which side" in said, "the evidence on photographs comes first"
    assert "- Claim 5: 1 of 1 tests not reproduced. No study of this book asks why." in said
    assert _said(monkeypatch, _verdict(3, 0.1)) == "No test came out as not reproduced."


def test_every_claim_has_its_evidence_under_headings_that_exist() -> None:
    assert list(evidence.EVIDENCE) == list(reference.TESTED)
    for page, heading in {place for places in evidence.EVIDENCE.values() for place in places}:
        cells = nbformat.read(NOTEBOOKS / f"{page}.ipynb", as_version=4).cells
        headings = [line for cell in cells if cell.cell_type == "markdown" for line in cell.source.splitlines()]
        assert f"## {heading}" in headings, heading
