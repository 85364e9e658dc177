"""Where the book asks why a claim was not reproduced, as links to its sections."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

from docutils.nodes import make_id
from IPython.display import HTML

if TYPE_CHECKING:
    from collections.abc import Sequence

    from semshare.paper.verdicts import Verdict

# Where it is asked why, by the number of the claim: pages and their headings.
_MEET = ("08_diagnosis", "Where the two losses meet")
_STRENGTH = ("08_diagnosis", "When consistency hurts, and when it helps")
_PAIRS = ("08_diagnosis", "Fewer training pairs")
_APART = ("08_diagnosis", "The shared network, taken apart")
_FIELDS = ("07_presets", "What each difference costs")
EVIDENCE = {
    1: (_MEET, _STRENGTH, _PAIRS),
    2: (_STRENGTH, _MEET),
    3: (_APART, _FIELDS),
    4: (_APART, _FIELDS),
    5: (),
    6: (),
}


def asked_why(verdicts: Sequence[Verdict]) -> HTML:
    """Of each claim with a test that was not reproduced: how many were not, and the sections that ask why."""
    lines = []
    for claim, places in EVIDENCE.items():
        own = [one for one in verdicts if one.claim == claim]
        failed = sum(one.verdict == "not reproduced" for one in own)
        if failed:
            links = [f"<a href='{page}.html#{make_id(heading)}'>{html.escape(heading)}</a>" for page, heading in places]
            text = f"Claim {claim}: {failed} of {len(own)} tests not reproduced. "
            lines.append(f"<li>{text}{'; '.join(links) or 'No study of this book asks why.'}</li>")
    return HTML(f"<ul>{''.join(lines)}</ul>" if lines else "<p>No test came out as not reproduced.</p>")
