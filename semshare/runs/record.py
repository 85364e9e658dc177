"""The record that makes a folder a finished run, and whether what it tells of is still whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from semshare import training
from semshare.errors import UserError
from semshare.utils.files import DamagedError, check_tensors, read_json

if TYPE_CHECKING:
    from pathlib import Path

RECORD = "run.json"
_READ = {"key", "experiment", "history", "thresholds", "data"}  # what a record is read for


def is_run(folder: Path) -> bool:
    """Whether ``folder`` holds a finished run."""
    return (folder / RECORD).is_file()


def record_of(folder: Path) -> dict[str, Any]:
    """The record of the finished run in ``folder``; raises :class:`UserError` where there is none or it is damaged."""
    path = folder / RECORD
    if not path.exists():
        raise UserError(f"{path}: missing; the run is not finished")
    again = f"delete {folder.name} with semshare runs rm and train it again"
    try:
        record = read_json(path)
    except DamagedError as error:
        raise DamagedError(f"{error}; {again}") from None
    lacking = sorted(_READ - record.keys()) if isinstance(record, dict) else ["everything"]
    if lacking:
        raise DamagedError(f"{path}: damaged record: {lacking[0]!r} is missing; {again}")
    return record


def damage(folder: Path) -> str:
    """What of the finished run in ``folder`` is no longer whole, record or weights; empty where all is."""
    try:
        record = record_of(folder)
        for weights in training.kept_weights(folder, record["history"], record["experiment"].get("keep", "best")):
            check_tensors(weights)
    except UserError as error:
        return str(error).split(";")[0]
    return ""
