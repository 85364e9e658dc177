"""How what was found shows itself: in lines of text, and in a notebook as pictures and texts with scores and labels."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from semshare.data.pictures import open_picture
from semshare.errors import UserError
from semshare.utils import html

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from semshare.search.retriever import Found, Hit

_MOST = 12  # hits of a query that are shown; the rest are counted


def found_html(queries: Iterable[Found]) -> str:
    """What was found for each query."""
    parts = [part for answer in queries for part in _of_query(answer)]
    return html.shown("", *parts) if parts else html.shown("No query")


def hit_html(hit: Hit) -> str:
    """One item that was found."""
    return html.shown("", html.row([_of_hit(hit)]))


def _of_query(answer: Found) -> Iterator[str]:
    asked = html.text(answer.query)
    if answer.modality == "image" and Path(answer.query).is_file():
        asked = _thumbnail(answer.query, html.text(Path(answer.query).name))
    yield html.row([f"<strong>{asked}</strong>", html.paragraph(html.labels(answer.labels))])
    if answer.unknown:
        unknown = ", ".join(dict.fromkeys(answer.unknown))
        yield html.paragraph(html.text(f"not known to the model: {unknown}", html.NOTE))
    if not answer.hits:
        yield html.paragraph(html.text("nothing found", html.NOTE))
    yield html.row(map(_of_hit, answer.hits[:_MOST]))
    if len(answer.hits) > _MOST:
        yield html.paragraph(html.text(f"and {len(answer.hits) - _MOST} more", html.NOTE))


def _of_hit(hit: Hit) -> str:
    told = html.paragraph(html.text(f"{hit.score:.3f}", html.SCORE), html.labels(hit.labels))
    if hit.modality == "image":
        return _thumbnail(hit.item, told + html.paragraph(html.text(Path(hit.item).name, html.NOTE)))
    return f"<figure>{html.paragraph(html.text(hit.item))}{told}</figure>"


def _thumbnail(path: str, caption: str) -> str:
    """The picture at ``path``; where it cannot be read, why."""
    try:
        return html.picture(open_picture(Path(path)), Path(path).name, caption)
    except UserError as error:
        return html.picture(str(error), "", caption)
