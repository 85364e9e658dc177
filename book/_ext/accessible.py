"""Sphinx extension: markup of Sphinx and docutils that screen readers stumble over, mended in the written page."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sphinx.application import Sphinx

# A signature of several lines is a definition list without a term: a plain list reads the same.
_SIGNATURE = re.compile(r"<dl>\n((?:<dd>.*</dd>\n)+)</dl>")
# Entries of the bibliography have a role of their own, and a "list" may hold nothing but items.
_BIBLIOGRAPHY = '<div role="list" class="citation-list">'


def mended(body: str) -> str:
    """The page's HTML with a plain list for each signature and a bibliography without the role of a list."""

    def as_list(found: re.Match[str]) -> str:
        items = found[1].replace("<dd>", "<li>").replace("</dd>\n", "</li>\n")
        return f'<ul class="signature">\n{items}</ul>'

    return _SIGNATURE.sub(as_list, body).replace(_BIBLIOGRAPHY, '<div class="citation-list">')


def mend(app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: object) -> None:
    if "body" in context:
        context["body"] = mended(context["body"])


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("html-page-context", mend)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
