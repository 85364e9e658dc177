"""Where a page's numbers come from: the banner every notebook shows, and numbers handed to its prose."""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from IPython.display import HTML
from myst_nb import glue

from semshare.checkout import commit
from semshare.data.dataset import PairedDataset
from semshare.recorded import Recording
from semshare.runs import Run, describe_device, find_device

WALL_TIME = "<span class='wall-time'></span>"  # semshare book writes the notebook's wall time in here

_STATUS = {
    "real": "the real dataset",
    "subset": "a subset of the real dataset",
    "simulated": "real text and labels, simulated regions",
    "stand-in": "a drawn stand-in, not the real dataset",
}


def banner(datasets: Sequence[PairedDataset], scale: str, runs: Sequence[Run] = ()) -> HTML:
    """What a page was made from: datasets and their status, scale, presets, seeds, devices, commits, wall time.

    Presets, seeds, devices and the commits that trained are read off the ``runs`` behind the page; a page without
    runs names this machine.
    """
    facts = {
        "Scale": scale,
        "Preset": _distinct(run.experiment.preset for run in runs) or "none: nothing was trained",
        "Seeds": _distinct(run.experiment.seed for run in runs) or "none: nothing was trained",
        "Device": _distinct(run.record["device"] for run in runs) or describe_device(find_device()),
        "Trained at commit": _distinct(run.record["commit"] for run in runs) or "nothing was trained",
        "Page at commit": commit(),
    }
    last = f"<dt>Wall time</dt><dd>{WALL_TIME}</dd>"
    return _box("Made from", "", {one.name: one.status for one in datasets}, facts, last)


def recorded_banner(recording: Recording) -> HTML:
    """The banner of results that were recorded before: what was trained, on what data, where and at which commit."""
    statuses = {run.experiment.dataset: run.record["status"] for run in recording.runs}
    return _box("Recorded", recording.about, statuses, recording.facts())


def _box(title: str, about: str, statuses: Mapping[str, str], facts: Mapping[str, str], last: str = "") -> HTML:
    """A banner: datasets with their status, then facts; ``last`` is markup of our own."""
    listed = "".join(
        f"<li><code>{html.escape(name)}</code>: {html.escape(_STATUS[status])}</li>"
        for name, status in statuses.items()
    )
    rows = "".join(f"<dt>{html.escape(name)}</dt><dd>{html.escape(value)}</dd>" for name, value in facts.items())
    about = f"<p>{html.escape(about)}</p>" if about else ""
    return HTML(f"<div class='banner'><strong>{title}</strong>{about}<ul>{listed}</ul><dl>{rows}{last}</dl></div>")


def in_a_sentence(datasets: Sequence[PairedDataset], runs: Sequence[Run]) -> str:
    """HTML: the banner's gist for the book's front page, where the results of ``runs`` stand."""
    by_status: dict[str, list[str]] = {}
    for one in datasets:
        by_status.setdefault(_STATUS[one.status], []).append(f"<code>{html.escape(one.name)}</code>")
    data = "; ".join(f"{', '.join(names)} ({status})" for status, names in by_status.items())
    facts = [
        ("scale", _distinct(run.experiment.scale for run in runs)),
        ("preset", _distinct(run.experiment.preset for run in runs)),
        ("seeds", _distinct(run.experiment.seed for run in runs)),
        ("device", _distinct(run.record["device"] for run in runs)),
    ]
    how = ", ".join(f"{name} {html.escape(value)}" for name, value in facts)
    return f"<p>Computed on {data}: {how}.</p>"


def _distinct(values: Iterable[object]) -> str:
    return ", ".join(sorted({str(value) for value in values}))


def show_in_prose(values: Mapping[str, object]) -> None:
    """Glue every value under its name, for ``{glue:text}`` in the page's prose."""
    for name, value in values.items():
        # A numpy number prints as np.float64(...), which no format in prose can read.
        glue(name, value.item() if isinstance(value, np.generic) else value, display=False)
