"""A finished run found by its name: its key, the beginning of its key, or its folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from semshare import methods
from semshare.data import catalogue
from semshare.errors import UserError
from semshare.experiment import READING, Experiment, preset_fields
from semshare.runs.record import RECORD, is_run, record_of
from semshare.runs.store import Run
from semshare.utils.home import cache_folder

if TYPE_CHECKING:
    from collections.abc import Sequence


def find(name: str, root: Path | None = None, preset: str | None = None) -> Run:
    """The finished run called ``name``: its key, the beginning of its key, or its folder.

    Args:
        name: what to look for; the folder's own name, without where it lies, will do.
        root: where the run's dataset lies now, if it has moved.
        preset: read it under this preset, not under the one that it was first asked for with.

    Raises:
        UserError: no such run, several of them, its dataset is not there or not the one it was trained on, or it is
            not what ``preset`` trains.
    """
    folder = Path(name)
    if not is_run(folder):
        records = sorted(cache_folder("runs").glob(f"*/{RECORD}"), key=lambda path: path.stat().st_mtime)
        finished = [path.parent for path in reversed(records)]
        matching = [path for path in finished if path.name == name or path.name.rpartition("-")[2].startswith(name)]
        if len(matching) != 1:
            what = (
                f"{len(matching)} keys begin with it"
                if matching
                else f"no such folder or key in {cache_folder('runs')}"
            )
            raise UserError(f"run: {name!r}: {what}; {_listed([path.name for path in matching or finished])}")
        folder = matching[0]
    try:
        record = record_of(folder)
        experiment = Experiment.from_json(json.dumps(record["experiment"]))
    except (ValueError, TypeError) as error:
        raise UserError(f"{folder / RECORD}: damaged record: {error}") from None
    if preset is not None:
        experiment = _read_under(preset, experiment, folder.name)
    run = Run(experiment.change(root=root or experiment.root), folder, record)
    if run.dataset.checksum != record["data"]:
        again = "; prepare that data again to use it" if "root" in catalogue.entry(experiment.dataset).reads else ""
        raise UserError(f"run: {folder.name} was trained on other data than {experiment.dataset!r} holds now{again}")
    return run


def _read_under(preset: str, experiment: Experiment, name: str) -> Experiment:
    """``experiment`` as ``preset`` reads it."""
    if preset == experiment.preset:
        return experiment
    entry, method = catalogue.entry(experiment.dataset), methods.get(experiment.method)
    taken = (experiment.method, experiment.scale, entry.text_kind, method.unread | method.fixed)
    theirs, own = preset_fields(preset, *taken), preset_fields(experiment.preset, *taken)
    for field in sorted((theirs.keys() | own.keys()) - READING):
        value = getattr(experiment, field)
        if (field in theirs and value != theirs[field]) or (field not in theirs and value == own[field]):
            wanted = repr(theirs[field]) if field in theirs else f"the value of preset {preset!r}"
            raise UserError(f"preset: run {name} was trained with {field} {value!r}, {preset!r} trains with {wanted}")
    fields = experiment.plainly_read().reading() | {field: theirs[field] for field in theirs.keys() & READING}
    return experiment.change(**fields | {"preset": preset})


def _listed(names: Sequence[str], most: int = 8) -> str:
    """The first of ``names``, the latest runs', for an error message."""
    if not names:
        return "there are no finished runs"
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return f"choose from {', '.join(names[:most])}{more}"
