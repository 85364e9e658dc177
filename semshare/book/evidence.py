"""Where the book asks why a claim was not reproduced, as links to its sections."""

from __future__ import annotations

from typing import TYPE_CHECKING

from semshare.book import provenance
from semshare.utils.markdown import anchor, bullets

if TYPE_CHECKING:
    from collections.abc import Sequence

    from semshare.paper.verdicts import Verdict

# Where it is asked why, by the number of the claim: pages and their headings.
_STRONG = ("08_diagnosis", "On photographs: which side is strong?")
_BRINGS = ("08_diagnosis", "On photographs: what brings what")
_MEET = ("08_diagnosis", "Where the two losses meet")
_STRENGTH = ("08_diagnosis", "When consistency hurts, and when it helps")
_PAIRS = ("08_diagnosis", "Fewer training pairs")
_APART = ("08_diagnosis", "The shared network, taken apart")
_FIELDS = ("07_presets", "What each difference costs")
EVIDENCE = {
    1: (_STRONG, _MEET, _STRENGTH, _PAIRS),
    2: (_STRONG, _STRENGTH, _MEET),
    3: (_BRINGS, _APART, _FIELDS),
    4: (_APART, _FIELDS),
    5: (),
    6: (_BRINGS,),
}


def say_where_asked_why(verdicts: Sequence[Verdict]) -> None:
    """Display, for each claim with a test that was not reproduced, how many were not and the sections that ask why."""
    lines = []
    for claim, places in EVIDENCE.items():
        own = [verdict for verdict in verdicts if verdict.claim == claim]
        failed = sum(verdict.verdict == "not reproduced" for verdict in own)
        if failed:
            links = [f"[{heading}]({page}.ipynb#{anchor(heading)})" for page, heading in places]
            asked = "; ".join(links) or "No study of this book asks why."
            lines.append(f"Claim {claim}: {failed} of {len(own)} tests not reproduced. {asked}")
    provenance.say(bullets(lines) or "No test came out as not reproduced.")
