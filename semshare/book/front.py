"""The parts of the book's first page that the executed sections decide: what data it is about, and the verdicts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import nbformat

from semshare.book import postprocess
from semshare.data.about import LIMITS, STATUS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

TAG = "front-page"  # of a cell whose output stands on the first page too
_FRAME = (
    '<div class="cell docutils container"><div class="cell_output docutils container">'
    '<div class="output text_html">{}</div></div></div>\n'
)
_NO_VERDICTS = "<p>The verdicts have not been computed yet: <code>semshare book</code> does it.</p>\n"

_BOX = """:::{{admonition}} {title}
:class: important

{about} A box on every page says what the page was made from, and the {{doc}}`status page <sections/status>` gathers when, on what device and from which commit each was made.
:::
"""  # noqa: E501 - a paragraph of MyST is one line
_DRAWINGS = (
    "The datasets of the paper have to be downloaded and this book is built without a network, so its results come "
    "from {term}`stand-ins <stand-in>`: scenes drawn from OpenMoji glyphs {cite:p}`openmoji`, with labels and texts "
    "that a program wrote. They imitate the shape of FLICKR25K {cite:p}`huiskes2008mir`, NUS-WIDE "
    "{cite:p}`chua2009nuswide` and COCO {cite:p}`lin2014coco`, not their difficulty. Where the paper prints a number "
    "it stands beside ours; compare the order and the direction of effects, never the heights."
)


def data_box(executed: Sequence[Path]) -> str:
    """What the sections' results are about, as MyST: drawings, or the datasets by name with what each is."""
    datasets = {one["name"]: one["status"] for path in executed for one in postprocess.record(path).get("data", [])}
    statuses = set(datasets.values())
    if statuses == {"stand-in"}:
        return _BOX.format(title="These are numbers about drawings", about=_DRAWINGS)
    if not datasets:
        return _BOX.format(title="Nothing has been computed yet", about="No section has been executed.")
    listed = "; ".join(f"`{name}`, {STATUS[status]}" for name, status in sorted(datasets.items()))
    limits = " ".join(limit for status, limit in LIMITS.items() if status in statuses)
    return _BOX.format(title="What these numbers are about", about=f"The sections were made from {listed}. {limits}")


def verdicts(executed: Sequence[Path]) -> str:
    """What the cells of the executed notebooks that are tagged for it show, as HTML, or that there are none."""
    shown = [
        postprocess.on_front(output.data["text/html"])
        for path in executed
        for cell in nbformat.read(path, as_version=4).cells
        if TAG in cell.metadata.get("tags", [])
        for output in cell.outputs
        if "text/html" in output.get("data", {})
    ]
    # The classes of a notebook's output, whose styles the tables have on their own page.
    return "".join(_FRAME.format(one) for one in shown) or _NO_VERDICTS
