"""How verdicts show themselves: in lines of text, and in a notebook as a table of claims and outcomes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from semshare.utils import html

if TYPE_CHECKING:
    from semshare.paper.verdicts import Verdict


class Verdicts(list["Verdict"]):
    """Verdicts, one after the other."""

    def __repr__(self) -> str:
        return "\n".join(map(repr, self))

    def _repr_html_(self) -> str:
        rows = [verdict.in_words() for verdict in self]
        if not rows:
            return html.shown("No verdict")
        head = [name for name in rows[0] if name != "runs"]
        return html.shown("", html.table(head, ([row[name] for name in head] for row in rows)))


def verdict_text(verdict: Verdict) -> str:
    """A verdict in a line."""
    value = f"{verdict.measure} {verdict.interval}"
    return f"<Verdict {verdict.claim}. {verdict.statement}, {verdict.dataset}: {verdict.verdict}; {value}>"
