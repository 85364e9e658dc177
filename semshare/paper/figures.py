"""One function per figure of the paper, and a few that show the data: runs in, a Figure out.

Captions and alt texts stand in the notebooks' cells, beside the call.
"""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from semshare.data.pictures import open_picture
from semshare.data.regions.base import ELIGIBLE, Regions
from semshare.paper import reference
from semshare.paper.drawing import (
    COLOURS,
    QUANTITIES,
    bare,
    curve,
    interval_row,
    label_names,
    picture_of,
    sentence,
    state_means,
    subplots,
    write_under,
)
from semshare.utils.extras import extra

with extra("book"):
    import pandas as pd
    import seaborn as sns
    from matplotlib.lines import Line2D
    from matplotlib.patches import Rectangle
    from matplotlib.ticker import MaxNLocator

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from PIL import Image
    from torch import Tensor

    from semshare.data.dataset import PairedDataset
    from semshare.data.source import Split
    from semshare.paper.verdicts import Verdict
    from semshare.runs.store import Run
    from semshare.search.retriever import Found


def pictures(*datasets: PairedDataset, split: Split = "train", count: int = 4) -> Figure:
    """The first items of a split, one row a dataset: picture, labels, first text."""
    figure, axes = _grid_of_pictures(datasets, count, 3.7)
    for dataset, row in zip(datasets, axes, strict=True):
        part = dataset.parts[split]
        for item, (axis, id) in enumerate(zip(row, part.image_ids, strict=False)):
            axis.imshow(picture_of(dataset, id))
            text = part.texts[int((part.owner == item).nonzero()[0])]
            write_under(axis, f"{label_names(part.labels[item], dataset)}\n“{text}”", width=32)
    return figure


def label_counts(*datasets: PairedDataset) -> Figure:
    """How many training pairs carry each label, and how many labels and words an item has; one row a dataset."""
    figure, axes = subplots(
        len(datasets), 3, figsize=(9, 3.4 * len(datasets)), width_ratios=(2, 1, 1), squeeze=False, layout="constrained"
    )
    for dataset, (frequencies, *histograms) in zip(datasets, axes, strict=True):
        part = dataset.parts["train"]
        counts = pd.Series(part.labels.sum(0).numpy(), index=dataset.label_names).sort_values(ascending=False)
        frequencies.bar(range(len(counts)), counts.to_numpy(), color=COLOURS[0])
        ticks = range(len(counts)) if len(counts) <= 30 else []
        frequencies.set_xticks(ticks, [counts.index[tick] for tick in ticks], rotation=90, parse_math=False)
        frequencies.set(xlabel="label, by frequency", ylabel="training pairs", title=dataset.name)
        words = [len(ids) - 2 for ids in part.words]
        for axis, values, name in zip(
            histograms, (part.labels.sum(1).int().tolist(), words), ("labels a pair", "words a text"), strict=True
        ):
            sns.histplot(values, discrete=True, ax=axis, color=COLOURS[0])
            axis.set(xlabel=name, ylabel="")
    return figure


def region_rule(*datasets: PairedDataset, split: Split = "test", count: int = 4) -> Figure:
    """The regions of the first pictures, one row a dataset; those the rule calls eligible are drawn in full."""
    figure, axes = _grid_of_pictures(datasets, count, 2.9)
    for dataset, row in zip(datasets, axes, strict=True):
        ids = dataset.parts[split].image_ids[:count]
        segments = dataset.images(split, range(len(ids)))
        scores = Regions.of_rows(dataset.store.tensor(ids)).scores
        for axis, id, boxes, mask, score in zip(row, ids, segments.positions, segments.mask, scores, strict=False):
            _draw_regions(axis, picture_of(dataset, id), boxes[mask], score[mask] > ELIGIBLE)
    return figure


def _grid_of_pictures(datasets: Sequence[PairedDataset], count: int, height: float) -> tuple[Figure, np.ndarray]:
    """Bare axes [datasets, count], the name of each dataset above its first."""
    size = (2.5 * count, height * len(datasets))
    figure, axes = subplots(len(datasets), count, figsize=size, squeeze=False, layout="constrained")
    for dataset, row in zip(datasets, axes, strict=True):
        row[0].set_title(dataset.name, loc="left", fontsize=9, parse_math=False)
        for axis in row:
            bare(axis)
    return figure, axes


def _draw_regions(axis: Axes, picture: Image.Image, boxes: Tensor, eligible: Tensor) -> None:
    """``picture`` with the frames of ``boxes`` [R, 5] (relative), in full where ``eligible`` [R]."""
    axis.imshow(picture, alpha=0.8)
    for box, full in zip(boxes.tolist(), eligible.tolist(), strict=True):
        left, top, right, bottom = (
            share * side - 0.5 for share, side in zip(box, (picture.width, picture.height) * 2, strict=False)
        )
        axis.add_patch(
            Rectangle(
                (left + 1, top + 1), right - left - 2, bottom - top - 2, fill=False,
                linewidth=2 if full else 0.7, linestyle="-" if full else ":",
                edgecolor=COLOURS[1] if full else "black",
            )
        )  # fmt: skip
    write_under(axis, f"{int(eligible.sum())} of {len(eligible)} above {ELIGIBLE}")


def consistency_curves(without: Sequence[Run], with_: Sequence[Run]) -> Figure:
    """Fig. 1: the four quantities on test, epoch by epoch, with (solid) and without (dotted) consistency."""
    figure, axes = subplots(1, 2, figsize=(9, 4), layout="constrained")
    for runs, style, name in ((with_, "-", "consistency+"), (without, ":", "consistency−")):
        if not runs:  # a recording that has only begun
            continue
        for quantity, (title, colour) in QUANTITIES.items():
            values = np.array([[epoch.numbers()[quantity] for epoch in run.epochs] for run in runs])
            axis = axes[0 if quantity.endswith("f1") else 1]
            curve(axis, np.arange(1, values.shape[1] + 1), values, style, colour, f"{title}, {name}")
    axes[0].set(xlabel="epoch", ylabel="Micro-F1 on test", title="Classification")
    axes[1].set(xlabel="epoch", ylabel="NDCG@500 on test", title="Retrieval")
    for axis in axes:
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
        if axis.lines:
            axis.legend(fontsize=9)
        axis.grid(alpha=0.3)
    return state_means(figure, {"consistency+": _keys(with_), "consistency−": _keys(without)})


def sensitivity(runs: Mapping[str, Mapping[float, Sequence[Run]]]) -> Figure:
    """Fig. 3: NDCG@500 against lambda, solid T2I, dotted I2T; one panel a dataset, the paper's curve in grey."""
    columns = min(len(runs), 2)
    rows = -(-len(runs) // columns)
    figure, axes = subplots(rows, columns, figsize=(4.8 * columns, 3.6 * rows), squeeze=False, layout="constrained")
    for axis, (dataset, by_lambda) in zip(axes.flat, runs.items(), strict=False):
        places = np.arange(len(by_lambda))
        if not by_lambda:
            axis.text(0.5, 0.5, "not recorded yet", ha="center", va="center", transform=axis.transAxes)
            axis.set_axis_off()
            continue
        for quantity, style, colour in (("t2i", "-", COLOURS[1]), ("i2t", ":", COLOURS[2])):
            values = np.array(
                [[run.test.numbers()[quantity] for run in of_lambda] for of_lambda in by_lambda.values()]
            ).T
            curve(axis, places, 100 * values, style, colour, f"{quantity.upper()} here", marker="o")
            if paper := reference.figure_3(dataset, quantity):
                known = [position for position, lam in enumerate(by_lambda) if lam in paper]
                heights = [100 * paper[lam] for lam in by_lambda if lam in paper]
                name = f"{quantity.upper()} paper (real data)"
                axis.plot(known, heights, style, color="grey", alpha=0.7, linewidth=1, label=name)
        axis.set_xticks(places, [f"{lam:g}" for lam in by_lambda])
        axis.set(title=dataset, xlabel="lambda", ylabel="NDCG@500 x 100")
        axis.grid(alpha=0.3)
        axis.legend(fontsize=9)
    for axis in axes.flat[len(runs) :]:
        axis.remove()
    return state_means(
        figure,
        {f"{dataset}, lambda {lam:g}": _keys(side) for dataset, sides in runs.items() for lam, side in sides.items()},
    )


def classification_and_retrieval(runs: Mapping[tuple[str, str], Sequence[Run]]) -> Figure:
    """Mean Micro-F1 against mean NDCG@500 above a random ranking, one mark a (method, dataset)."""
    rows = []
    for (_, dataset), of_method in runs.items():
        numbers = pd.DataFrame([run.test.numbers() for run in of_method]).mean()
        gain = numbers["i2t"] - numbers["i2t_random"] + numbers["t2i_rank"] - numbers["t2i_random"]
        f1 = (numbers["image_f1"] + numbers["text_f1"]) / 2
        rows.append({"method": of_method[0].title, "dataset": dataset, "f1": f1, "gain": 50 * gain})
    figure, axis = subplots(figsize=(7, 4.6), layout="constrained")
    sns.scatterplot(pd.DataFrame(rows), x="f1", y="gain", hue="method", style="dataset", s=90,
                    palette="colorblind", ax=axis)  # fmt: skip
    axis.set(xlabel="mean Micro-F1 on test", ylabel="mean NDCG@500 above chance, points")
    axis.grid(alpha=0.3)
    axis.legend(fontsize=9, loc="center left", bbox_to_anchor=(1, 0.5))
    return state_means(figure, {f"{dataset}, {side[0].title}": _keys(side) for (_, dataset), side in runs.items()})


def found_pictures(answers: Sequence[Found], about: str) -> Figure:
    """One row a query of a search in a folder: its best pictures with their scores and predicted labels."""
    shown = max(len(answer.hits) for answer in answers)
    size = (2.5 * shown, 3.3 * len(answers) + 0.4)
    figure, grid = subplots(len(answers), shown, figsize=size, squeeze=False, layout="constrained")
    figure.suptitle(about, x=0.01, ha="left", fontsize=9, parse_math=False)
    for answer, axes in zip(answers, grid, strict=True):
        title = textwrap.shorten(answer.query, 110, placeholder="...")
        axes[0].set_title(f"“{title}”", loc="left", fontsize=9, parse_math=False)
        for axis, hit in zip(axes, answer.hits, strict=False):
            axis.imshow(open_picture(Path(hit.item)))
            write_under(axis, f"{hit.score:.3f}\n{', '.join(hit.labels) or 'no label'}", width=32)
        for axis in axes:
            bare(axis)
    return figure


def classification(table: pd.DataFrame) -> Figure:
    """Table 1 drawn: ``tables.classification_table`` with a panel a dataset, a row a method, the paper's in grey."""
    datasets = list(dict.fromkeys(table.index.get_level_values(0)))
    columns = min(len(datasets), 2)
    lines = -(-len(datasets) // columns)
    figure, axes = subplots(
        lines, columns, figsize=(1 + 4 * columns, 0.4 + 2.4 * lines), sharey=True, squeeze=False, layout="constrained"
    )
    for axis in axes.flat[len(datasets) :]:
        axis.set_axis_off()
    for axis, dataset in zip(axes.flat, datasets, strict=False):
        rows = table.loc[dataset].iloc[::-1]
        for shift, modality, mark in ((0.14, "image", "o"), (-0.14, "text", "s")):
            here, colour = rows[modality], QUANTITIES[f"{modality}_f1"][1]
            places = np.arange(len(rows)) + shift
            axis.errorbar(here["here"], places, xerr=here["±"], fmt=mark, color=colour, capsize=2, label=modality)
            axis.plot(here["paper"], places, mark, color="grey", markerfacecolor="none", label=f"{modality}, paper")
        axis.set_yticks(range(len(rows)), list(rows.index))
        axis.set(title=dataset, xlabel="Micro-F1 on test")
        axis.grid(alpha=0.3)
    figure.legend(*axes.flat[0].get_legend_handles_labels(), loc="outside lower center", ncols=4, fontsize=9)
    return state_means(figure, table.attrs.get("keys", {}))


def gradient_conflict(frame: pd.DataFrame) -> Figure:
    """``diagnosis.gradient_conflict`` drawn: cosine (left) and ratio of norms (right) by epoch and modality."""
    figure, axes = subplots(1, 2, figsize=(9, 3.6), layout="constrained")
    titles = {"cosine": "cosine of the two gradients", "ratio": "consistency's norm / label prediction's"}
    for axis, (column, title) in zip(axes, titles.items(), strict=True):
        for modality, style in (("image", "-"), ("text", "--")):
            of_modality = frame[frame["modality"] == modality]
            axis.plot(
                of_modality["epoch"], of_modality[column], style, color=QUANTITIES[f"{modality}_f1"][1], label=modality
            )
        axis.set(xlabel="epoch", ylabel=title)
        axis.grid(alpha=0.3)
        axis.legend(fontsize=9)
    axes[0].axhline(0, color="grey", linewidth=1)
    return figure


def verdicts(claims: Sequence[Verdict]) -> Figure:
    """Every test as its interval, in points above (on the claim's side of) its bound; one panel a claim.

    A hollow mark has an interval over test images alone, which decides nothing. A bar at the height of a mark says from
    where on the design finds an effect.
    """
    looks = {
        "reproduced": (COLOURS[0], "o"),
        "not reproduced": (COLOURS[1], "X"),
        "inconclusive": ("grey", "s"),
    }
    panels = {number: [claim for claim in claims if claim.claim == number] for number in reference.TESTED}
    panels = {number: of_number[::-1] for number, of_number in panels.items() if of_number}
    if not panels:
        return sentence("no claim has been tested yet")
    heights = [len(of_number) + 2 for of_number in panels.values()]
    figure, axes = subplots(
        len(panels), 1, figsize=(9, 0.215 * sum(heights) + 0.5), height_ratios=heights, squeeze=False,
        layout="constrained",
    )  # fmt: skip
    for axis, (number, of_number) in zip(axes.flat, panels.items(), strict=True):
        for row, claim in enumerate(of_number):
            sign = 100 if claim.side == "above" else -100
            ends = sorted(sign * (end - claim.bound) for end in (claim.interval.low, claim.interval.high))
            colour, mark = looks[claim.verdict]
            centre = sign * (claim.interval.value - claim.bound)
            interval_row(axis, row, centre, *ends, colour, mark, filled=claim.interval.training)
            if claim.finds is not None:
                axis.plot(sign * (claim.finds - claim.bound), row, "|", color="black", markersize=7)
        names = [f"{claim.dataset}  {claim.measure}" for claim in of_number]
        axis.set_yticks(range(len(of_number)), names, fontsize=8.5, parse_math=False)
        axis.set_ylim(-0.8, len(of_number) - 0.2)
        axis.set_title(f"Claim {number}", loc="left", fontsize=9)
    axes.flat[-1].set_xlabel("points above the bound (a correlation: hundredths)")
    handles = [Line2D([], [], color=colour, marker=mark, label=name) for name, (colour, mark) in looks.items()]
    handles += [Line2D([], [], color="black", marker="|", linestyle="", label="the design finds from here")]
    figure.legend(handles=handles, loc="outside upper center", ncols=4, fontsize=9)
    return figure


def _keys(runs: Sequence[Run]) -> list[str]:
    return [run.key for run in runs]
