"""The book's status page: how long each section took, on what machine, with which versions, from which data."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from semshare.book.postprocess import record
from semshare.book.provenance import minutes
from semshare.data.about import STATUS
from semshare.data.regions.base import UNTRAINED
from semshare.runs.keys import library_versions
from semshare.utils.markdown import table, text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_SHOWN = ("torchvision", "numpy", "papermill", "jupyter-book", "semshare")  # beside those that decide a result


def machine() -> dict[str, str]:
    """This machine for readers: system, processor, cores that may be used, memory, GPUs."""
    gpus = [torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())]
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "processor": _processor(),
        "cores": str(len(os.sched_getaffinity(0))),
        "memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB",
        "GPU": ", ".join(gpus) or "none",
    }


def versions() -> dict[str, str]:
    """The versions of Python and of the libraries that decide a result or make the book."""
    shown = {name: importlib.metadata.version(name) for name in _SHOWN}
    return {"Python": platform.python_version()} | library_versions() | shown


def page(sections: Sequence[Path]) -> str:
    """The status page of the executed notebooks ``sections`` as Markdown; one that does not exist is listed as such."""
    made = {section: record(section) for section in sections}
    executed = {section: page for section, page in made.items() if page}
    rows = [
        (
            _link(section, section.stem),
            page["scale"],
            page["preset"],
            minutes(page["seconds"]),
            page["made"],
            f"`{page['commit']}`",
            text(page["device"]),
        )
        if page
        else (section.stem, "not executed", *[""] * 5)
        for section, page in made.items()
    ]
    total = minutes(sum(page["seconds"] for page in executed.values()))
    head = ("section", "scale", "preset", "wall time", "made", "commit", "device")
    blocks = [
        "# Status",
        "How each section of this book was executed. A wall time includes the training of every run that the section "
        "was the first to ask for; a run that was already in the run store costs nothing. The sections took "
        f"{total} in all.",
        table(head, rows),
        "## Hardware and versions",
        "What the sections were executed on and with. A run that was trained elsewhere or earlier says so in the "
        "drawer under the figure or table that shows it.",
        _facts_table({section: page.get("machine", {}) for section, page in executed.items()}),
        _facts_table({section: _in_a_line(page.get("versions", {})) for section, page in executed.items()}),
        "## The data",
        "What the sections were made from. The checksum covers ids, texts, labels, splits and regions: equal digits "
        "are equal data.",
        table(("dataset", "what it is", "regions", "checksum", "sections"), _data_rows(executed)),
    ]
    return "\n\n".join(blocks) + "\n"


def _facts_table(facts: dict[Path, dict[str, str]]) -> str:
    """Facts of each section, one row for those that share them all."""
    sharing: dict[tuple[tuple[str, str], ...], list[Path]] = {}
    for section, of_section in facts.items():  # none: executed before they were recorded
        sharing.setdefault(tuple(of_section.items()), []).append(section)
    head = [name for name, _ in max(sharing, key=len, default=())]
    rows = [
        (*(text(value) for _, value in facts_there or [("", "")] * len(head)), _links(those))
        for facts_there, those in sharing.items()
    ]
    return table((*head, "sections"), rows)


def _in_a_line(versions: dict[str, str]) -> dict[str, str]:
    """Versions as one fact: their names are too many for columns."""
    return {"versions": ", ".join(f"{name} {version}" for name, version in versions.items())} if versions else {}


def _data_rows(executed: dict[Path, dict]) -> Iterable[tuple[str, ...]]:
    """One row a dataset, with the sections that were made from it: data that differ in anything differ in a row."""
    made: dict[tuple[str, ...], list[Path]] = {}
    for section, record_of_it in executed.items():
        for dataset in record_of_it["data"]:
            no_result = ", with regions of random weights: no result" if dataset["regions"].endswith(UNTRAINED) else ""
            what = STATUS[dataset["status"]] + no_result
            row = (f"`{dataset['name']}`", what, f"`{dataset['regions']}`", f"`{dataset['checksum'][:12]}`")
            made.setdefault(row, []).append(section)
    return [(*row, _links(those)) for row, those in made.items()]


def _links(sections: Iterable[Path]) -> str:
    return ", ".join(_link(section, section.stem.split("_")[0]) for section in dict.fromkeys(sections))


def _link(section: Path, name: str) -> str:
    return f"[{name}]({section.name})"


def _processor() -> str:
    """The processor's name; where the system does not tell it, its architecture."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
