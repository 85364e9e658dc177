"""The parts of the book's first page that the executed sections decide: what data it is about, and the verdicts."""

from __future__ import annotations

from string import Template
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


def data_box(executed: Sequence[Path], texts: Path) -> str:
    """What the sections' results are about, as MyST: drawings, or the datasets by name with what each is.

    ``texts`` is the folder of the words: of each case one file, its title in the first line, and the box around them.
    """
    datasets = {
        dataset["name"]: dataset["status"] for path in executed for dataset in postprocess.record(path).get("data", [])
    }
    statuses = set(datasets.values())
    case = "nothing" if not datasets else "drawings" if statuses == {"stand-in"} else "datasets"
    title, about = (texts / f"{case}.txt").read_text(encoding="utf-8").strip().split("\n", 1)
    listed = "; ".join(f"`{name}`, {STATUS[status]}" for name, status in sorted(datasets.items()))
    limits = " ".join(limit for status, limit in LIMITS.items() if status in statuses)
    about = Template(about).substitute(datasets=listed, limits=limits)
    return Template((texts / "box.txt").read_text(encoding="utf-8")).substitute(title=title, about=about)


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
    return "".join(_FRAME.format(verdict) for verdict in shown) or _NO_VERDICTS
