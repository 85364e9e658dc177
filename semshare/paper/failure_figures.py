"""Fig. 2: what was retrieved wrongly, drawn."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from semshare.paper.drawing import COLOURS, bare, label_names, picture_of, sentence, subplots, write_under
from semshare.utils.extras import extra

with extra("book"):
    import seaborn as sns

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.figure import Figure
    from torch import Tensor

    from semshare.paper.failures import Direction, Failures
    from semshare.runs.store import Run

_RIGHT, _WRONG = COLOURS[2], COLOURS[3]


def failure_cases(run: Run, failures: Failures, queries: Sequence[int]) -> Figure:
    """Fig. 2: each query with what was retrieved for it, labels, the truth, check marks and crosses."""
    if not queries:
        return sentence("no query has both a failure and something right beside it")
    draw = _sentences_for_images if failures.direction == "i2t" else _images_for_sentences
    return draw(run, failures, queries)


def _sentences_for_images(run: Run, failures: Failures, queries: Sequence[int]) -> Figure:
    """One row a query: its picture, and beside it the truth and the retrieved sentences."""
    dataset, part = run.dataset, run.dataset.parts["test"]
    figure, axes = subplots(
        len(queries), 2, figsize=(9, 2.9 * len(queries)), width_ratios=(1, 2.2), squeeze=False, layout="constrained"
    )
    for query, (picture, beside) in zip(queries, axes, strict=True):
        picture.imshow(picture_of(dataset, part.image_ids[query]))
        lines = [(f"Ground truth: {label_names(part.labels[query], dataset)}", "black")]
        for rank, (row, wrong) in enumerate(_retrieved(failures, query), start=1):
            colour = _WRONG if wrong else _RIGHT
            lines += [(line, colour) for line in textwrap.wrap(f"{rank} {_mark(wrong)} {part.texts[row]}", 76)]
            lines += [(f"      {label_names(part.text_labels[row], dataset)}", "dimgrey")]
        for height, (line, colour) in enumerate(lines):
            y = 0.98 - height / max(len(lines), 16)
            beside.text(0, y, line, color=colour, fontsize=9, va="top", parse_math=False)
        beside.axis("off")
        bare(picture)
    return figure


def _images_for_sentences(run: Run, failures: Failures, queries: Sequence[int]) -> Figure:
    """One row a query sentence: the retrieved pictures, best first, framed by whether they are right."""
    dataset, part = run.dataset, run.dataset.parts["test"]
    shown = failures.retrieved.shape[1]
    figure, grid = subplots(
        len(queries), shown, figsize=(3 * shown, 3.7 * len(queries)), squeeze=False, layout="constrained"
    )
    for query, axes in zip(queries, grid, strict=True):
        truth = label_names(part.text_labels[query], dataset)
        title = [*textwrap.wrap(f"“{part.texts[query]}”", 95), f"Ground truth: {truth}"]
        axes[0].set_title("\n".join(title), loc="left", fontsize=9, parse_math=False)
        for axis, (row, wrong) in zip(axes, _retrieved(failures, query), strict=True):
            axis.imshow(picture_of(dataset, part.image_ids[row]))
            write_under(axis, f"{_mark(wrong)} {label_names(part.labels[row], dataset)}")
            bare(axis, _WRONG if wrong else _RIGHT)
    return figure


def confusion_heatmap(names: Sequence[str], shares: Tensor, direction: Direction) -> Figure:
    """Super-category of the query against that of the wrong items retrieved for it; rows sum to 1."""
    figure, axis = subplots(figsize=(7, 5.6), layout="constrained")
    sns.heatmap(shares.numpy(), vmin=0, cmap="viridis", annot=True, fmt=".2f", annot_kws={"size": 7}, ax=axis,
                xticklabels=names, yticklabels=names, cbar_kws={"label": "share of the row"})  # fmt: skip
    query, item = ("image", "sentence") if direction == "i2t" else ("sentence", "image")
    axis.set(xlabel=f"super-category of the wrong {item}", ylabel=f"super-category of the query {query}")
    return figure


def _retrieved(failures: Failures, query: int) -> list[tuple[int, bool]]:
    return list(zip(failures.retrieved[query].tolist(), failures.wrong[query].tolist(), strict=True))


def _mark(wrong: bool) -> str:
    return "✗" if wrong else "✓"
