"""Does it hold? One table of all claims: what the paper found beside what was found on each kind of data."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

from semshare.paper import reference
from semshare.paper.verdicts import summary
from semshare.utils.extras import extra

with extra("book"):
    import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pandas.io.formats.style import Styler

    from semshare.paper.verdicts import Verdict

MARKS = {"reproduced": "✓", "not reproduced": "✗", "inconclusive": "?"}
_MOST = 6  # tests that a cell lists; of more it says how many came out how


def table(evidence: Mapping[str, Sequence[Verdict]]) -> Styler:
    """A row a claim: the paper's differences, and ours with intervals and marks on each kind of data.

    A cell says so where its intervals were recorded by the rule before this one.

    Args:
        evidence: the verdicts by what they were made on, in plain words, the strongest first.
    """
    rows = []
    for claim, text in reference.TESTED.items():
        own = {name: [verdict for verdict in verdicts if verdict.claim == claim] for name, verdicts in evidence.items()}
        rows.append(
            {"claim": f"{claim}. {html.escape(text)}", "paper": _papers(own.values())}
            | {html.escape(name): _cell(verdicts) for name, verdicts in own.items()}
        )
    shown = pd.DataFrame(rows).style.hide(axis="index").set_table_attributes("class='dense glance'")
    return shown.set_table_styles([{"selector": "th, td", "props": [("text-align", "left")]}])


def _papers(groups: Sequence[Sequence[Verdict]]) -> str:
    """The paper's differences, from the first of ``groups`` whose data the paper has and whose cell lists its tests."""
    for verdicts in groups:
        with_paper = [(verdict.measure, verdict.paper) for verdict in verdicts if verdict.paper is not None]
        lines = [f"{html.escape(measure)} {paper:+.3f}" for measure, paper in with_paper]
        if lines and len(verdicts) <= _MOST:
            return "<br>".join(lines)
    return "–"


def _cell(verdicts: Sequence[Verdict]) -> str:
    if not verdicts:
        return "not tested"
    if len(verdicts) > _MOST:
        return summary(verdicts)
    lines = []
    for verdict in verdicts:
        effect = str(verdict.interval).replace(" ", "\N{NO-BREAK SPACE}")  # an interval is not broken
        lines.append(f"{MARKS[verdict.verdict]} {html.escape(verdict.measure)} {effect}")
    if any(verdict.interval.error is None for verdict in verdicts):
        lines.append("(intervals of before)")
    return "<br>".join(lines)
