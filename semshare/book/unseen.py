"""What studies compared on photographs, compared again on photographs that no training split of COCO holds.

A detector trained on COCO has seen ``coco16k``'s test pictures with their labels. What its regions bring is therefore
measured once more where it cannot remember: the same runs, on the photographs of val2017 that are at hand.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from semshare import runs
from semshare.data.files import digest
from semshare.data.regions.registry import EXTRACTORS
from semshare.errors import UserError
from semshare.paper.ablations import STUDIES
from semshare.paper.comparisons import distinct, rows
from semshare.runs import store
from semshare.search import transfer
from semshare.search.pretrained import PretrainedModel
from semshare.utils.checkout import find_root
from semshare.utils.counts import counted
from semshare.utils.devices import default_precision, find_device
from semshare.utils.files import write_json

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from torch import Tensor

    from semshare.data.source import Item, Source
    from semshare.experiment import Experiment
    from semshare.paper.comparisons import Comparison
    from semshare.paper.recordings import RecordedRun, Recording
    from semshare.runs.intervals import Scored

NAME = "unseen"
REPEATED = ("strength", "photographs")  # the studies whose runs are read again


@dataclass(frozen=True)
class Read:
    """One run on the photographs: what :func:`semshare.paper.comparisons.rows` asks of a run."""

    experiment: Experiment
    key: str
    seeded: bool
    scored: Scored


def record(root: Path | None, device: str = "auto", folder: Path | None = None) -> Path:
    """Read the runs of ``REPEATED`` on the photographs of ``root/val2017`` and write what is compared over them.

    What is given and returned is as for :func:`semshare.search.transfer.record`.

    Raises:
        UserError: no ``root``, a folder without these photographs, or a study whose runs are not in this home.
    """
    source, items = transfer.photographs(root)
    precision = default_precision(find_device(device))
    compared = {name: _readable(STUDIES[name].comparisons(precision, None)) for name in REPEATED}
    for name, comparisons in compared.items():
        if missing := store.missing(distinct(comparisons)):
            raise UserError(
                f"{NAME}: not here: {counted(len(missing), 'run')} of study {name} in {precision}; first "
                f"semshare data prepare coco16k --root DIR, then semshare record {name}"
            )
    path = (folder or find_root() / "book" / "recorded") / f"{NAME}.json"
    write_json(path, of_comparisons(compared, source, items, device), indent=1)
    return path


def of_comparisons(
    compared: Mapping[str, Sequence[Comparison]], source: Source, items: Sequence[Item], device: str = "auto"
) -> dict[str, Any]:
    """What the finished runs of ``compared``, by study, reach on ``items`` of ``source``, ready for JSON.

    ``comparisons`` has the rows that the study itself would have, here over ``items``, each with the keys of its
    ``runs``.

    Raises:
        UserError: a label that a run was not taught, an item that it was trained on, or a picture that cannot be read.
    """
    regions: dict[str, Tensor] = {}
    read: dict[str, list[Read]] = {}
    for name, comparisons in compared.items():
        for experiment in distinct(comparisons):
            run = runs.get(experiment, device, quiet=True)
            if seen := set(run.dataset.parts["train"].image_ids) & {item.id for item in items}:
                raise UserError(f"{min(seen)}: run {run.key} was trained on this picture, expected ones it never saw")
            model = PretrainedModel.of_run(run, device)
            if experiment.regions not in regions:
                regions[experiment.regions] = transfer.read_regions(model.extractor, source, items)
            scored = transfer.scored(model, items, regions[experiment.regions], source.text_kind)
            read.setdefault(name, []).append(Read(experiment, run.key, run.seeded, scored))
    return {
        "images": len(items),
        "texts": sum(len(item.texts) for item in items),
        "photographs": digest("\n".join(item.id for item in items)),
        "comparisons": [
            {"study": name, **row, "runs": _keys(comparison, read[name])}
            for name, comparisons in compared.items()
            for comparison in comparisons
            for row in rows(comparison, read[name])
        ],
    }


def _keys(comparison: Comparison, read: Sequence[Read]) -> list[str]:
    sides = {*comparison.changed, *comparison.base}
    return [run.key for run in read if run.experiment in sides]


def load_recorded(folder: Path | None = None) -> dict[str, Any]:
    """What :func:`record` wrote; raises :class:`UserError` where it is missing or damaged."""
    return transfer.read_recorded(NAME, folder)


def behind(recorded: Mapping[str, Any], study: Recording) -> list[RecordedRun]:
    """The runs of ``study`` that the rows of ``recorded`` are made of."""
    keys = {key for row in recorded["comparisons"] if row["study"] == study.name for key in row["runs"]}
    return [run for run in study.runs if run.key in keys]


def _readable(comparisons: Sequence[Comparison]) -> list[Comparison]:
    """Those of networks that read whole pictures and texts, and learnt from all training pairs."""
    return [
        comparison
        for comparison in comparisons
        if all(
            experiment.regions in EXTRACTORS
            and not (experiment.missing_words or experiment.missing_regions or experiment.train_items)
            for experiment in (*comparison.changed, *comparison.base)
        )
    ]
