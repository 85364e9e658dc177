"""The figures of recorded studies: what a recording's comparisons say, drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from semshare.paper.drawing import QUANTITIES, interval_row, sentence, state_means, subplots
from semshare.paper.recorded_tables import comparison_table, strength_table
from semshare.paper.recordings import decided
from semshare.paper.strength import CONSISTENCY
from semshare.runs.quantities import HEADLINE
from semshare.utils.extras import extra

with extra("book"):
    import seaborn as sns
    from matplotlib.transforms import offset_copy

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from semshare.paper.recordings import Recording


_FAR = 2  # times the median width of a panel's intervals, beyond which one is cut on either side
_ASIDE = 3  # typographic points by which a setting's two measures stand left and right of their place


def phase(recording: Recording) -> Figure:
    """The effect of the consistency loss, in points, where words (across) and regions (up) are withheld.

    Red lowers, blue raises; a value in bold has an interval that knows of seeds and does not hold 0.
    """
    frame = recording.frame()
    if frame.empty:
        return sentence("not recorded yet")
    figure, axes = subplots(2, 2, figsize=(9, 7.6), layout="constrained")
    limit = 100 * frame["value"].abs().max()
    for axis, (measure, (title, _)) in zip(axes.flat, QUANTITIES.items(), strict=True):
        of_measure = frame[frame["measure"] == measure]
        grid = 100 * of_measure.pivot(index="missing_regions", columns="missing_words", values="value").sort_index(
            ascending=False
        )
        sns.heatmap(grid, vmin=-limit, vmax=limit, cmap="RdBu", annot=True, fmt="+.1f", ax=axis, square=True,
                    cbar_kws={"label": "points"})  # fmt: skip
        flags = of_measure.pivot(index="missing_regions", columns="missing_words", values="decided").reindex(grid.index)
        for text, flag in zip(axis.texts, flags.to_numpy().flat, strict=True):
            text.set_fontweight("bold" if flag else "normal")
        axis.set(title=title, xlabel="share of words withheld", ylabel="share of regions withheld")
    _mark_before(figure, recording)
    return state_means(figure, comparison_table(recording, "missing_words", "missing_regions").attrs["keys"])


def strength(recording: Recording) -> Figure:
    """The effect of the consistency loss, in points, against how much better images are classified than texts.

    A mark is a setting, numbered as in :func:`semshare.paper.recorded_tables.strength_table`; left are F1, right NDCG.
    The two measures of a setting stand a little left and right of its place, so that neither hides the other.
    """
    table = strength_table(recording)
    if table.empty:
        return sentence("not recorded yet")
    figure, axes = subplots(1, 2, figsize=(9, 4.2), sharex=True, layout="constrained")
    for axis, measures in zip(axes, (HEADLINE[:2], HEADLINE[2:]), strict=True):
        axis.axhline(0, color="black", linewidth=0.6)
        axis.axvline(0, color="black", linewidth=0.6, linestyle=":")
        for aside, measure in zip((-_ASIDE, _ASIDE), measures, strict=True):
            title, colour = QUANTITIES[measure]
            moved = offset_copy(axis.transData, figure, aside, 0, units="points")
            rows = [
                row
                for row in recording.comparisons
                if row["change"] == CONSISTENCY and row["measure"] == measure and row["setting"] in table.index
            ]
            for row in rows:
                number, lead = table.loc[row["setting"], ["number", "lead"]]
                value, low, high = (100 * row[name] for name in ("value", "low", "high"))
                axis.update_datalim([(lead, low), (lead, high)])  # what is moved aside does not widen the axes itself
                axis.plot([lead, lead], [low, high], color=colour, linewidth=1.5, transform=moved)
                filled = colour if decided(row) else "white"
                label = title if row is rows[0] else None
                axis.plot(
                    lead, value, "o", color=colour, markerfacecolor=filled, markersize=6, label=label, transform=moved
                )
                axis.annotate(
                    f"{number:g}", (lead, value), (3 * aside, 3), textcoords="offset points", ha="center", fontsize=9
                )
        axis.set(xlabel="image F1 minus text F1 without the loss, points", ylabel="effect of the loss, points")
        axis.autoscale_view()
        axis.grid(alpha=0.3)
        axis.legend()
    return state_means(figure, table.attrs["keys"])


def costs(recording: Recording) -> Figure:
    """The presets' differences in points: a panel a measure, a row a field, filled where the interval decides.

    An interval far wider than the others would press them together: it ends in an arrow at the panel's side.
    """
    frame = recording.frame()
    if frame.empty:
        return sentence("not recorded yet")
    fields = list(dict.fromkeys(frame["field"]))[::-1]
    figure, axes = subplots(1, 4, figsize=(9, 0.6 + 0.26 * len(fields)), sharey=True, layout="constrained")
    for axis, (measure, (title, colour)) in zip(axes, QUANTITIES.items(), strict=True):
        of_measure = frame[frame["measure"] == measure].set_index("field").loc[fields]
        points = 100 * of_measure[["value", "low", "high"]].to_numpy()
        most = _FAR * float(np.median(points[:, 2] - points[:, 1]))
        for row, (value, low, high) in enumerate(points):
            ends = max(low, value - most), min(high, value + most)
            interval_row(axis, row, value, *ends, colour, "o", filled=of_measure["decided"].iloc[row])
            for end, whole, arrow in zip(ends, (low, high), "<>", strict=True):
                if end != whole:
                    axis.plot(end, row, arrow, color=colour, markersize=5)
        axis.set_yticks(range(len(fields)), fields)
        axis.set(title=title, xlabel="points")
    _mark_before(figure, recording)
    return state_means(figure, comparison_table(recording, "field").attrs["keys"])


def _mark_before(figure: Figure, recording: Recording) -> None:
    """Say over ``figure`` that its intervals are those of before, where they are."""
    if recording.before:
        figure.suptitle("intervals of before: a bootstrap over images and seeds", x=0.01, ha="left", fontsize=9)
