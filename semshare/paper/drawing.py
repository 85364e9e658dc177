"""How every figure is drawn: one palette, the axes, a mark with its interval, text under a picture.

Colours are seaborn's colour-blind palette everywhere; strangers' texts are drawn by matplotlib with its own
markup switched off.
"""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any

from PIL import Image, ImageDraw

from semshare.data.pictures import as_rgb
from semshare.runs.quantities import HEADLINE, title
from semshare.utils.extras import extra

with extra("book"):
    import matplotlib.pyplot as plt
    import seaborn as sns

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from torch import Tensor

    from semshare.data.dataset import PairedDataset

COLOURS = sns.color_palette("colorblind")
QUANTITIES = {name: (title(name), COLOURS[colour]) for name, colour in zip(HEADLINE, (4, 0, 2, 1), strict=True)}


def interval_row(
    axis: Axes, row: int, value: float, low: float, high: float, colour: Any, mark: str, filled: bool = True
) -> None:
    """One row of a forest plot: a mark and its interval beside the line at 0."""
    axis.axvline(0, color="black", linewidth=0.6)
    axis.plot([low, high], [row, row], color=colour, linewidth=1.5)
    axis.plot(value, row, mark, color=colour, markersize=5, markerfacecolor=colour if filled else "white")
    axis.grid(alpha=0.3, axis="x")


def subplots(*arguments: Any, **options: Any) -> tuple[Figure, Any]:
    """``plt.subplots`` out of pyplot's own list, so that a notebook shows the figure once: as the cell's value."""
    figure, axes = plt.subplots(*arguments, dpi=130, **options)
    plt.close(figure)
    return figure, axes


def state_means(figure: Figure, made_of: Mapping[str, Sequence[str]]) -> Figure:
    """``figure`` with the keys of the runs that each mean in it is of, by the mean's name, for the drawer under it."""
    figure.means = {name: list(keys) for name, keys in made_of.items()}  # type: ignore[attr-defined]
    return figure


def sentence(text: str) -> Figure:
    """``text`` where there is nothing to draw."""
    figure, axis = subplots(figsize=(6, 0.6))
    axis.text(0.5, 0.5, text, ha="center", va="center")
    axis.axis("off")
    return figure


def label_names(row: Tensor, dataset: PairedDataset) -> str:
    """The names of the labels that ``row`` [C] of 0 and 1 has."""
    return ", ".join(dataset.label_names[index] for index in row.nonzero().flatten().tolist()) or "none"


def curve(
    axis: Axes, x: np.ndarray, values: np.ndarray, style: str, colour: tuple, label: str, marker: str | None = None
) -> None:
    """The mean of ``values`` [seeds, x]; with several seeds the band from the lowest to the highest."""
    axis.plot(x, values.mean(0), style, color=colour, label=label, marker=marker, linewidth=2)
    if len(values) > 1:
        axis.fill_between(x, values.min(0), values.max(0), color=colour, alpha=0.15)


def write_under(axis: Axes, text: str, width: int = 40) -> None:
    """Write ``text`` under ``axis``, broken into lines of ``width`` letters."""
    lines = [wrapped for line in text.split("\n") for wrapped in textwrap.wrap(line, width) or [""]]
    axis.set_xlabel("\n".join(lines), fontsize=9, parse_math=False)


def bare(axis: Axes, colour: tuple | None = None) -> None:
    """No ticks; a frame in ``colour`` where given."""
    axis.set_xticks([])
    axis.set_yticks([])
    for spine in axis.spines.values():
        spine.set_visible(colour is not None)
        if colour is not None:
            spine.set(color=colour, linewidth=4)


def picture_of(dataset: PairedDataset, id: str) -> Image.Image:
    """The picture of an item; where the dataset has none, a grey one that says so."""
    if dataset.source.without_pictures:
        blank = Image.new("RGB", (192, 192), "lightgrey")
        ImageDraw.Draw(blank).text((96, 96), "no picture", fill="dimgrey", anchor="mm", font_size=20)
        return blank
    return as_rgb(dataset.source.picture(id))
