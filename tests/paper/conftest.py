"""Every figure that a test of these draws must be readable at the width at which the book shows it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text

from semshare.paper import drawing

COLUMN = 720  # pixels, the width of a page's column on a desktop
SMALLEST = 9.0  # pixels: the text of a page has 16


def smallest_text(figure: Figure) -> float:
    """How high, in pixels of the page, the letters of the figure's smallest text are set."""
    width = figure.get_figwidth() * figure.dpi
    sizes = [text.get_fontsize() for text in figure.findobj(Text) if text.get_visible() and text.get_text().strip()]
    return min(sizes, default=SMALLEST) / 72 * figure.dpi * min(1, COLUMN / width)


@pytest.fixture(autouse=True)
def _readable_figures(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    drawn: list[Figure] = []
    plain = drawing.plt.subplots

    def subplots(*arguments: Any, **options: Any) -> Any:
        figure, axes = plain(*arguments, **options)
        drawn.append(figure)
        return figure, axes

    monkeypatch.setattr(drawing.plt, "subplots", subplots)
    yield
    for figure in drawn:
        assert smallest_text(figure) >= SMALLEST, f"{smallest_text(figure):.1f} pixels, of {figure.get_size_inches()}"
