"""Where a page's numbers come from: the banner every notebook shows, and numbers handed to its prose."""

from __future__ import annotations

import html
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from IPython.display import HTML
from myst_nb import glue

from semshare.data.dataset import PairedDataset
from semshare.runs import describe_device, find_device

WALL_TIME = "<span class='wall-time'></span>"  # semshare book writes the notebook's wall time in here

_STATUS = {
    "real": "the real dataset",
    "subset": "a subset of the real dataset",
    "simulated": "simulated data",
    "stand-in": "a drawn stand-in, not the real dataset",
}


def banner(datasets: Sequence[PairedDataset], scale: str, seeds: Sequence[int] = (), device: str = "auto") -> HTML:
    """What a page was made from: datasets and their status, scale, seeds, device, commit, wall time."""
    listed = "".join(
        f"<li><code>{html.escape(one.name)}</code>: {html.escape(_STATUS[one.status])}</li>" for one in datasets
    )
    facts = {
        "Scale": scale,
        "Seeds": ", ".join(map(str, seeds)) or "none: nothing was trained",
        "Device": describe_device(find_device(device)),
        "Commit": commit(),
    }
    rows = "".join(f"<dt>{name}</dt><dd>{html.escape(value)}</dd>" for name, value in facts.items())
    return HTML(
        f"<div class='banner'><strong>Made from</strong><ul>{listed}</ul>"
        f"<dl>{rows}<dt>Wall time</dt><dd>{WALL_TIME}</dd></dl></div>"
    )


def commit() -> str:
    """The checkout's commit, with a note when files differ from it; ``unknown`` outside a checkout."""
    here = Path(__file__).parent

    def git(*arguments: str) -> str:
        return subprocess.run(
            ["git", "-C", here, *arguments], capture_output=True, text=True, check=True
        ).stdout.strip()

    try:
        changed = git("status", "--porcelain", "--untracked-files=no")
        return git("rev-parse", "--short=12", "HEAD") + (" with local changes" if changed else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def show_in_prose(values: Mapping[str, object]) -> None:
    """Glue every value under its name, for ``{glue:text}`` in the page's prose."""
    for name, value in values.items():
        # A numpy number prints as np.float64(...), which no format in prose can read.
        glue(name, value.item() if isinstance(value, np.generic) else value, display=False)
