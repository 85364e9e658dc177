"""Where a page's numbers come from: the banner every notebook shows, and numbers handed to its prose."""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from IPython.display import HTML
from myst_nb import glue

from semshare.cards import STATUS
from semshare.checkout import commit
from semshare.data.dataset import PairedDataset
from semshare.runs import Run, describe_device, find_device

WALL_TIME = "<span class='wall-time'></span>"  # semshare book writes the notebook's wall time in here


def banner(datasets: Sequence[PairedDataset], scale: str, runs: Sequence[Run] = ()) -> HTML:
    """What a page was made from: datasets and their status, scale, seeds, devices, commits, wall time.

    Seeds, devices and the commits that trained are read off the ``runs`` behind the page; a page without
    runs names this machine.
    """
    listed = "".join(
        f"<li><code>{html.escape(one.name)}</code>: {html.escape(STATUS[one.status][0])}</li>" for one in datasets
    )
    facts = {
        "Scale": scale,
        "Seeds": _distinct(run.experiment.seed for run in runs) or "none: nothing was trained",
        "Device": _distinct(run.record["device"] for run in runs) or describe_device(find_device()),
        "Trained at commit": _distinct(run.record["commit"] for run in runs) or "nothing was trained",
        "Page at commit": commit(),
    }
    rows = "".join(f"<dt>{name}</dt><dd>{html.escape(value)}</dd>" for name, value in facts.items())
    return HTML(
        f"<div class='banner'><strong>Made from</strong><ul>{listed}</ul>"
        f"<dl>{rows}<dt>Wall time</dt><dd>{WALL_TIME}</dd></dl></div>"
    )


def _distinct(values: Iterable[object]) -> str:
    return ", ".join(sorted({str(value) for value in values}))


def show_in_prose(values: Mapping[str, object]) -> None:
    """Glue every value under its name, for ``{glue:text}`` in the page's prose."""
    for name, value in values.items():
        # A numpy number prints as np.float64(...), which no format in prose can read.
        glue(name, value.item() if isinstance(value, np.generic) else value, display=False)
