"""What the run store holds: every run with its scores, size and age, and whether today's code would find it."""

from __future__ import annotations

import json
import shutil
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from filelock import Timeout

from semshare import training
from semshare.errors import UserError
from semshare.evaluation import Evaluation
from semshare.experiment import Experiment
from semshare.runs import keys
from semshare.runs.quantities import HEADLINE
from semshare.runs.record import RECORD, record_of
from semshare.utils.files import DamagedError, file_lock, not_written
from semshare.utils.home import cache_folder


@dataclass(frozen=True)
class Entry:
    """One folder of the run store.

    Attributes:
        folder: where it lies.
        state: ``current``, a finished run that today's code finds for the data it was trained on; ``stale``, one that
            other code, libraries or defaults trained; ``unknown``, one whose key cannot be worked out here, because
            its BERT checkpoint or its method is not here, or its record is damaged; ``unfinished``, one without one.
        bytes: size of everything in it.
        made: seconds since the epoch at which it was last written.
        experiment: the record's experiment; empty where there is no readable record.
        scores: Micro-F1 and NDCG@500 in [0, 1], on test where that was read, else on dev.
        scored_on: ``test``, ``dev``, or empty where there are no scores.
    """

    folder: Path
    state: str
    bytes: int
    made: float
    experiment: dict[str, Any]
    scores: dict[str, float]
    scored_on: str

    def as_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return asdict(self) | {"folder": str(self.folder)}


def entries() -> list[Entry]:
    """Every folder of the run store, the latest first."""
    folders = [folder for folder in cache_folder("runs").iterdir() if folder.is_dir()]
    return sorted((_entry(folder) for folder in folders), key=lambda entry: -entry.made)


def named(names: list[str]) -> list[Entry]:
    """The runs called ``names``: a folder, its name, or the beginning of a key.

    Raises:
        UserError: a name that no run has, or that several have.
    """
    all_entries, chosen = entries(), []
    for name in names:
        fit = [entry for entry in all_entries if _is_called(entry.folder, name)]
        if len(fit) != 1:
            what = f"{len(fit)} runs are called so" if fit else f"no such run in {cache_folder('runs')}"
            listed = ", ".join(entry.folder.name for entry in fit[:8])
            raise UserError(f"run: {name!r}: {what}; {listed or 'semshare runs lists them'}")
        chosen += fit
    return list({entry.folder: entry for entry in chosen}.values())


def remove(entry: Entry) -> bool:
    """Delete a run's folder; False, and nothing is deleted, where a process is at work in it."""
    try:
        with file_lock(entry.folder / ".lock", timeout=0):
            (entry.folder / RECORD).unlink(missing_ok=True)  # first: what is half deleted is no run
            shutil.rmtree(entry.folder, ignore_errors=True)
    except Timeout:
        return False
    except OSError as error:
        raise not_written(entry.folder, error, "deleted") from None
    return True


def _is_called(folder: Path, name: str) -> bool:
    key = folder.name.rpartition("-")[2]
    return name == folder.name or key.startswith(name) or Path(name).absolute() == folder


def _entry(folder: Path) -> Entry:
    files = [path.stat() for path in folder.rglob("*") if path.is_file()]
    size = sum(file.st_size for file in files)
    made = max((file.st_mtime for file in files), default=folder.stat().st_mtime)
    if not (folder / RECORD).exists():
        return Entry(folder, "unfinished", size, made, {}, {}, "")
    told: dict[str, Any] = {}
    try:
        record = record_of(folder)
        told = dict(record["experiment"])
        experiment = Experiment.from_json(json.dumps(told))
        scores, scored_on = _scores(folder, record, experiment)
        return Entry(folder, _state(record, experiment), size, made, told, scores, scored_on)
    except (UserError, KeyError, TypeError, ValueError, IndexError):
        return Entry(folder, "unknown", size, made, told, {}, "")


def _state(record: dict[str, Any], experiment: Experiment) -> str:
    """Whether the record's experiment has the record's key today, on the data that it was trained on."""
    try:
        key = keys.key_of(keys.parts(experiment, record["data"]))
    except (UserError, OSError):  # a BERT checkpoint or a method of another package that is not here
        return "unknown"
    return "current" if key == record["key"] else "stale"


def _scores(folder: Path, record: dict[str, Any], experiment: Experiment) -> tuple[dict[str, float], str]:
    with suppress(DamagedError):  # test is made again when it is asked for
        numbers = Evaluation.load(folder / f"test-{experiment.dataset}{keys.evaluation_suffix(experiment)}").numbers()
        return {name: numbers[name] for name in HEADLINE}, "test"
    if not record["history"]:
        return {}, ""
    best = training.best_epoch(record["history"])
    return {name: best[name] for name in HEADLINE}, "dev"


def age(made: float) -> str:
    """How long ago ``made`` (seconds since the epoch) was, in one unit."""
    seconds = max(0.0, time.time() - made)
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds // size:.0f} {unit}"
    return f"{seconds:.0f} s"


def size(count: int) -> str:
    """``count`` bytes in the largest unit that leaves a digit before the point."""
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= factor:
            return f"{count / factor:.1f} {unit}"
    return f"{count} B"
