"""What a benchmark claims: ours beside a peer and, where there is one, beside what the machine can do at all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd


@dataclass(frozen=True)
class Row:
    """One claim, measured in one run.

    Attributes:
        claim: what is done.
        unit: of the values; what ends in "/s" is better the larger, all else the smaller.
        ours: our median.
        peer: what ours is compared with.
        theirs: its median, in the same unit.
        limit: the bare operation that bounds both, in the same unit; None where nothing simple does.
    """

    claim: str
    unit: str
    ours: float
    peer: str
    theirs: float
    limit: float | None = None

    @property
    def ratio(self) -> float:
        """How many times better ours is than the peer."""
        return self._better(self.ours, self.theirs)

    @property
    def fraction(self) -> float | None:
        """Which share of the limit ours reaches."""
        return None if self.limit is None else self._better(self.ours, self.limit)

    def _better(self, first: float, second: float) -> float:
        return first / second if self.unit.endswith("/s") else second / first


def table(rows: Sequence[Row]) -> str:
    """The rows as text, one line each."""
    lines = [
        {
            "claim": row.claim,
            "unit": row.unit,
            "ours": f"{row.ours:.4g}",
            "peer": row.peer,
            "theirs": f"{row.theirs:.4g}",
            "ratio": f"{row.ratio:.2f}x",
            "limit": "" if row.limit is None else f"{row.limit:.4g}",
            "of limit": "" if row.fraction is None else f"{row.fraction:.0%}",
        }
        for row in rows
    ]
    return pd.DataFrame(lines).to_string(index=False, justify="left")
