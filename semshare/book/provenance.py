"""What a page shows: its banner, figures and tables with the drawer that says where they come from, and findings.

All of it is displayed by the notebook's cells, so that Jupyter, papermill's output and the book say the same.
"""

from __future__ import annotations

import html
import json
import platform
import string
from numbers import Number
from typing import TYPE_CHECKING, Any

import pandas as pd
from IPython.display import HTML, display
from matplotlib.figure import Figure
from pandas.io.formats.style import Styler

from semshare.data.about import STATUS
from semshare.data.dataset import PairedDataset
from semshare.data.regions import registry
from semshare.data.regions.base import UNTRAINED
from semshare.errors import UserError
from semshare.experiment import SCALES, Experiment
from semshare.paper import recordings, reference
from semshare.paper.recordings import RecordedRun, Recording
from semshare.runs.keys import library_versions
from semshare.runs.store import Run
from semshare.utils.checkout import commit
from semshare.utils.devices import describe_device, find_device
from semshare.utils.markdown import distinct, text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

DATA = "semshare-data"  # the banner's own record of its datasets, in the notebook's output
FIGURE = "semshare-figure"  # a figure's name, caption and alt text, in the output of its caption
DRAWER = "semshare-drawer"  # what stands behind a figure or table, in the output of its drawer
WALL_TIME = "<!-- wall time -->"  # semshare book writes the notebook's wall time in here
LINKS = "<span class='raw-data'></span>"  # and the links to a drawer's data and to the notebook in here

_TRIAL = "At scale smoke everything runs and nothing is a result: no number and no verdict here means anything."
_PLACED = ("dataset", "method", "seed", "scale", "preset", "root")  # fields with a line of their own, or of no interest


def banner(datasets: Sequence[PairedDataset], scale: str, runs: Sequence[Run] = ()) -> HTML:
    """What a page was made from: datasets and their status, scale, presets, seeds, devices, commits, wall time.

    Presets, seeds, devices and the commits that trained are read off the ``runs`` behind the page; a page without
    runs names this machine.
    """
    facts = {
        "Scale": scale,
        "Preset": distinct((run.experiment.preset for run in runs), "none: nothing was trained"),
        "Seeds": distinct((run.experiment.seed for run in runs), "none: nothing was trained"),
        "Device": distinct((run.record["device"] for run in runs), describe_device(find_device())),
        "Trained at commit": distinct((run.record["commit"] for run in runs), "nothing was trained"),
        "Page at commit": commit(),
    }
    box = _box(
        "Made from",
        _TRIAL if scale == "smoke" else "",
        [(dataset.name, dataset.status, dataset.regions) for dataset in datasets],
        facts,
        WALL_TIME,
    )
    # For the book's status page, which reads it off the executed notebook.
    names = ("name", "status", "regions", "checksum")
    return HTML(box.data, metadata={DATA: [{name: getattr(dataset, name) for name in names} for dataset in datasets]})


def recorded_banner(recording: Recording) -> HTML:
    """The banner of results that were recorded before: what was trained, on what data, where and at which commit."""
    made_of = [(run.experiment.dataset, run.record["status"], run.experiment.regions) for run in recording.runs]
    return _box("Recorded", recording.about, made_of, recording.facts())


def _box(
    title: str, about: str, made_of: Sequence[tuple[str, str, str]], facts: Mapping[str, str], last: str = ""
) -> HTML:
    """A banner: datasets by name, status and regions, each once, then facts; ``last`` is markup of our own."""
    listed = "".join(
        f"<li><code>{html.escape(name)}</code>: {html.escape(STATUS[status])}; regions "
        f"<code>{html.escape(regions)}</code>: {html.escape(registry.about(regions))}."
        f"{html.escape(' ' + registry.seen(regions) if registry.seen(regions) else '')}</li>"
        for name, status, regions in dict.fromkeys(made_of)
    )
    rows = "".join(f"<dt>{html.escape(name)}</dt><dd>{html.escape(value)}</dd>" for name, value in facts.items())
    about = f"<p>{html.escape(about)}</p>" if about else ""
    return HTML(f"<div class='banner'><strong>{title}</strong>{about}<ul>{listed}</ul><dl>{rows}{last}</dl></div>")


def show(
    shown: object,
    made_of: Recording | Sequence[Run | PairedDataset] = (),
    *,
    name: str = "",
    caption: str = "",
    alt: str = "",
) -> None:
    """Display a figure with its caption, or a table, and under it a drawer that says where it comes from.

    In a book a figure can be linked to by its name, ``[the curves below](#fig-curves)``, and the drawer links to the
    notebook and to a JSON file: the runs with their experiments and measures, and the cells of a table.

    Args:
        shown: a figure, a table (plain or styled), or anything else that a notebook can display.
        made_of: the runs behind it, or what recorded them; or its datasets, where nothing was trained.
        name: of a figure, and of figures alone: what links in the book lead to, ``fig-`` and some words.
        caption: of a figure: what one sees, in Markdown; strangers' words in it go through
            :func:`semshare.utils.markdown.text`.
        alt: of a figure: what it shows, in plain words, for those who cannot see it.

    Raises:
        UserError: a figure without name, caption or alt text, or one of these for anything else.
    """
    described = {"name": name, "caption": caption, "alt": alt}
    if isinstance(shown, Figure):
        if missing := [key for key, words in described.items() if not words.strip()]:
            raise UserError(
                f'show: the figure has no {", no ".join(missing)}; give all of name="fig-...", caption="..." and '
                'alt="...": links lead to the name, and who cannot see the figure needs the alt text'
            )
        display(shown, metadata={"image/png": {"alt": alt}})
        _display_markdown(caption, {FIGURE: described})
    elif given := [key for key, words in described.items() if words]:
        raise UserError(f"show: {type(shown).__name__} is no figure, so it takes no {', no '.join(given)}")
    else:
        display(shown)
    parts = list(made_of.runs if isinstance(made_of, Recording) else made_of)
    rows = [
        recordings.row(part) if isinstance(part, Run) else part.record
        for part in parts
        if isinstance(part, (Run, RecordedRun))
    ]
    data: dict[str, dict[str, Any]] = {}
    made_from = [(row["experiment"]["dataset"], row["status"], row["data"]) for row in rows]
    made_from += [(part.name, part.status, part.checksum) for part in parts if isinstance(part, PairedDataset)]
    for dataset, status, checksum in dict.fromkeys(made_from):  # one dataset may have several kinds of regions
        data.setdefault(dataset, {"status": status, "checksums": []})["checksums"].append(checksum)
    behind = {
        "commit": commit(),
        "versions": {"python": platform.python_version()} | library_versions(),
        "data": data,
        "runs": rows,
    }
    if isinstance(shown, Figure):
        behind["means"] = getattr(shown, "means", {})
    frame = shown.data if isinstance(shown, Styler) else shown
    if isinstance(frame, pd.DataFrame):
        behind["table"] = json.loads(frame.to_json(orient="split"))
        behind["means"] = frame.attrs.get("keys", {})
    display(HTML(_drawer(behind), metadata={DRAWER: behind}))


def _drawer(behind: Mapping[str, Any]) -> str:
    """HTML that unfolds to the facts in ``behind``, each escaped."""
    rows, here = behind["runs"], ", ".join(f"{name} {version}" for name, version in behind["versions"].items())
    facts = {"Made at commit": behind["commit"], "Made with": here}
    if means := behind.get("means"):
        facts["Means are of"] = "; ".join(f"{name}: {', '.join(keys)}" for name, keys in means.items())
    if rows:
        facts |= {
            name.capitalize(): distinct(row["experiment"][name] for row in rows)
            for name in ("method", "dataset", "scale", "preset", "seed")
        }
        facts |= {
            "Other fields": "; ".join(_unusual([row["experiment"] for row in rows])) or "all as the scale has them"
        }
        versions = (", ".join(f"{name} {version}" for name, version in row["versions"].items()) for row in rows)
        facts |= {
            "Trained at commit": distinct(row["commit"] for row in rows),
            "Trained with": "; ".join(sorted(set(versions))),
            "Device": distinct(row["device"] for row in rows),
            "Training": f"{minutes(sum({row['key']: row['seconds'] for row in rows}.values()))} in all",
            "Runs": " ".join(dict.fromkeys(row["key"] for row in rows)),
        }
    else:
        facts |= {"Runs": "none: nothing was trained for this", "Device": describe_device(find_device())}
    for name, data in behind["data"].items():
        checksums = ", ".join(checksum[:12] for checksum in data["checksums"])
        facts[f"Data: {name}"] = f"{STATUS[data['status']]}; checksum {checksums}"
    lines = "".join(f"<dt>{html.escape(name)}</dt><dd>{html.escape(value)}</dd>" for name, value in facts.items())
    return f"<details class='provenance'><summary>Provenance</summary><dl>{lines}</dl>{LINKS}</details>"


def minutes(seconds: float) -> str:
    """A duration for readers."""
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.1f} min"


def _unusual(experiments: Sequence[Mapping[str, Any]]) -> list[str]:
    """The fields in which ``experiments`` differ from what their scale and the defaults say, each with its values."""
    unusual: set[str] = set()
    for experiment in experiments:
        usual = {name: field.default for name, field in Experiment.model_fields.items()} | SCALES[experiment["scale"]]
        unusual |= {name for name in experiment.keys() - set(_PLACED) if experiment[name] != usual[name]}
    return [f"{name} {distinct(experiment[name] for experiment in experiments)}" for name in sorted(unusual)]


def in_a_sentence(datasets: Sequence[PairedDataset], runs: Sequence[Run]) -> str:
    """HTML: the banner's gist for the book's front page, where the results of ``runs`` stand."""
    by_status: dict[str, list[str]] = {}
    for dataset in datasets:
        untrained = dataset.regions.endswith(UNTRAINED)
        what = STATUS[dataset.status] + (f"; regions of {registry.about(dataset.regions)}" if untrained else "")
        by_status.setdefault(html.escape(what), []).append(f"<code>{html.escape(dataset.name)}</code>")
    data = "; ".join(f"{', '.join(names)} ({status})" for status, names in by_status.items())
    facts = [
        ("scale", distinct(run.experiment.scale for run in runs)),
        ("preset", distinct(run.experiment.preset for run in runs)),
        ("seeds", distinct(run.experiment.seed for run in runs)),
        ("device", distinct(run.record["device"] for run in runs)),
    ]
    how = ", ".join(f"{name} {html.escape(value)}" for name, value in facts)
    trial = f" <strong>{_TRIAL}</strong>" if any(run.experiment.scale == "smoke" for run in runs) else ""
    return f"<p>Computed on {data}: {how}.{trial}</p>"


def recorded_in_a_sentence(recording: Recording) -> str:
    """HTML: the gist of a recording's banner for the book's front page."""
    made_of = {run.experiment.dataset: run.record["status"] for run in recording.runs}
    data = "; ".join(
        f"<code>{html.escape(name)}</code> ({html.escape(STATUS[status])})" for name, status in made_of.items()
    )
    facts = {name: value for name, value in recording.facts().items() if name != "torch"}
    how = ", ".join(f"{html.escape(name.lower())} {html.escape(value)}" for name, value in facts.items())
    return f"<p>Recorded on {data}: {how}.</p>"


def _display_markdown(markdown: str, metadata: Mapping[str, Any] | None = None) -> None:
    """Display Markdown as it is; IPython's own class would open what looks like an address or a path."""
    told = {"text/markdown": metadata} if metadata else None
    display({"text/markdown": markdown, "text/plain": markdown}, raw=True, metadata=told)


class _Sentence(string.Formatter):
    """Puts values into Markdown; all but a number shows as just that text."""

    def format_field(self, value: object, format_spec: str) -> str:
        shown = format(value, format_spec)
        return shown if isinstance(value, Number) else text(shown)


def say(sentence: str, **values: object) -> None:
    """Display Markdown that holds values: a finding as prose, in Jupyter as in the book.

    Args:
        sentence: Markdown with fields as Python's ``format`` has them, ``"images score **{f1:.2f}**"``; a brace of
            LaTeX is doubled.
        values: what the fields name. Nothing in them is markup: a stranger's words show as they are.

    Raises:
        KeyError: a field that no value is given for.
    """
    _display_markdown(_Sentence().vformat(sentence, (), values))


def quote_claims(*numbers: int) -> None:
    """Display the tested claims with these numbers as the quotation that a page opens with."""
    lines = "\n>\n".join(f"> **Claim {number}.** {{claim_{number}}}" for number in numbers)
    say(lines, **{f"claim_{number}": reference.TESTED[number] for number in numbers})
