"""Where a page's numbers come from: the banner every notebook shows, and numbers handed to its prose."""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from IPython.display import HTML
from myst_nb import glue

from semshare.cards import REGIONS, STATUS
from semshare.checkout import commit
from semshare.data.dataset import PairedDataset
from semshare.data.regions import UNTRAINED
from semshare.recorded import Recording
from semshare.runs import Run, describe_device, find_device

DATA = "semshare-data"  # the banner's own record of its datasets, in the notebook's output
WALL_TIME = "<span class='wall-time'></span>"  # semshare book writes the notebook's wall time in here


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
    box = _box("Made from", "", {one.name: (one.status, one.regions) for one in datasets}, facts, last)
    # For the book's status page, which reads it off the executed notebook.
    names = ("name", "status", "regions", "checksum")
    return HTML(box.data, metadata={DATA: [{name: getattr(one, name) for name in names} for one in datasets]})


def recorded_banner(recording: Recording) -> HTML:
    """The banner of results that were recorded before: what was trained, on what data, where and at which commit."""
    made_of = {run.experiment.dataset: (run.record["status"], run.experiment.regions) for run in recording.runs}
    return _box("Recorded", recording.about, made_of, recording.facts())


def _box(
    title: str, about: str, made_of: Mapping[str, tuple[str, str]], facts: Mapping[str, str], last: str = ""
) -> HTML:
    """A banner: datasets with their status and regions, then facts; ``last`` is markup of our own."""
    listed = "".join(
        f"<li><code>{html.escape(name)}</code>: {html.escape(STATUS[status])}; regions "
        f"<code>{html.escape(regions)}</code>: {html.escape(REGIONS[regions])}</li>"
        for name, (status, regions) in made_of.items()
    )
    rows = "".join(f"<dt>{html.escape(name)}</dt><dd>{html.escape(value)}</dd>" for name, value in facts.items())
    about = f"<p>{html.escape(about)}</p>" if about else ""
    return HTML(f"<div class='banner'><strong>{title}</strong>{about}<ul>{listed}</ul><dl>{rows}{last}</dl></div>")


def in_a_sentence(datasets: Sequence[PairedDataset], runs: Sequence[Run]) -> str:
    """HTML: the banner's gist for the book's front page, where the results of ``runs`` stand."""
    by_status: dict[str, list[str]] = {}
    for one in datasets:
        what = STATUS[one.status] + (f"; regions of {REGIONS[one.regions]}" if one.regions.endswith(UNTRAINED) else "")
        by_status.setdefault(html.escape(what), []).append(f"<code>{html.escape(one.name)}</code>")
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
