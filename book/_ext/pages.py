"""Sphinx extension: a link to another notebook leads to its page, also where that notebook has not been executed.

MyST finds ``[section 3](03_classification.ipynb)`` only where there is such a file; a page that stands in for one that
was not executed is written in Markdown, and has no headings.
"""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING, Any

from sphinx.addnodes import pending_xref
from sphinx.transforms.post_transforms import SphinxPostTransform

if TYPE_CHECKING:
    from sphinx.application import Sphinx


class LinkedNotebooks(SphinxPostTransform):
    """Names the page that a link to a notebook means."""

    default_priority = 8  # MyST looks for the targets at 9

    def run(self, **options: Any) -> None:
        for node in self.document.findall(pending_xref):
            if node.get("reftype") != "myst":
                continue
            file, _, heading = node["reftarget"].partition("#")
            page = posixpath.join(posixpath.dirname(self.env.docname), file.removesuffix(".ipynb"))
            if not node.get("refdomain") and file.endswith(".ipynb") and page in self.env.all_docs:
                node["refdomain"], node["reftarget"], node["reftargetid"] = "doc", page, heading
            executed = self.env.doc2path(node["reftarget"]).endswith(".ipynb")
            if node.get("refdomain") == "doc" and node["reftarget"].startswith("book/sections/") and not executed:
                node["reftargetid"] = None


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_post_transform(LinkedNotebooks)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
