"""Grids: many experiments from one description, trained by the workers of a dask cluster, kept in the run store.

A grid maps an experiment's fields to a value or a list of values; it stands for every combination of them.

:func:`semshare.runs.parallel.train_missing` trains a notebook's handful of runs in processes of its own. A grid hands
the same missing runs to ``dask.distributed``: workers on this machine or on a cluster, replaced when they die.
"""

from __future__ import annotations

import itertools
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal

import torch
import yaml

from semshare import methods, runs
from semshare.data import catalogue
from semshare.errors import UserError
from semshare.experiment import Experiment, no_such_field
from semshare.runs import cluster, parallel, store
from semshare.utils import files
from semshare.utils.counts import counted
from semshare.utils.devices import default_precision
from semshare.utils.extras import extra
from semshare.utils.progress import Progress

with extra("grid"):
    from distributed.scheduler import KilledWorker

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from distributed import Client

    from semshare.runs.store import Run

_RETRIES = 2  # how often a run is tried again that failed for a reason other than a mistake in the grid


@dataclass(frozen=True)
class Outcome:
    """What became of one experiment of a grid: its run was there, is missing, was trained now, or failed for a reason.

    ``name`` says how it differs from the others of its method and dataset.
    """

    experiment: Experiment
    name: str
    state: Literal["found", "missing", "trained", "failed"]
    run: Run | None = None
    reason: str = ""


_NAMES = {"dataset", "method"}  # what people name, be it like a number


def read(path: Path) -> list[dict[str, Any]]:
    """The grids of a YAML file: a mapping of an experiment's fields to a value or a list of values, or a list of such.

    Raises:
        UserError: no such file, no YAML, or something else than that in it.
    """
    content = files.read_yaml(path)
    grids = content if isinstance(content, list) else [content]
    for grid in grids:
        if not isinstance(grid, dict):
            raise UserError(f"{path}: found {grid!r}, expected fields with their values, e.g. lam: [0, 0.1]")
    return grids


def from_flags(flags: Sequence[str]) -> dict[str, Any]:
    """The grid of ``FIELD=VALUE,VALUE`` flags, each value as in the file.

    Raises:
        UserError: a flag that is not of that form.
    """
    grid = {}
    for flag in flags:
        name, sign, values = flag.partition("=")
        listed = [value.strip() for value in values.split(",")]
        if not (name and sign and all(listed)):
            raise UserError(f"set: found {flag!r}, expected FIELD=VALUE or FIELD=VALUE,VALUE")
        grid[name] = listed if name in _NAMES else [_value(value) for value in listed]
    return grid


def _value(text: str) -> Any:
    try:
        return files.parse_yaml(text)
    except (UserError, yaml.YAMLError, ValueError):  # what YAML reads otherwise than it looks is the text itself
        return text


def plan(
    grids: Sequence[Mapping[str, Any]], device: str = "auto", elsewhere: bool = False, source: str = ""
) -> list[Experiment]:
    """Plan the experiments of ``grids``, each once (:func:`semshare.runs.planning.plan`).

    ``method`` is *ours* unless given. A field that a method or a dataset does not read is left out of its experiments
    and does not multiply them.

    Args:
        grids: as :func:`read` gives them.
        device: what the runs will be trained on; it decides the precision where the grid does not.
        elsewhere: the device is that of other machines, and this one may lack it.
        source: the file they come from, which messages begin with.

    Raises:
        UserError: a field that does not exist or that nothing reads, an unknown name, a value of the wrong type or
            range.
    """
    begin = f"{source}: " if source else ""
    by_json: dict[str, Experiment] = {}
    for grid in grids:
        try:
            for experiment in _experiments(grid, device, elsewhere):
                by_json.setdefault(experiment.to_json(), experiment)
        except UserError as error:
            raise UserError("\n".join(begin + line for line in str(error).splitlines())) from None
    return list(by_json.values())


def _experiments(grid: Mapping[str, Any], device: str, elsewhere: bool) -> Iterator[Experiment]:
    axes = {"method": "ours"} | dict(grid)
    axes = {name: values if isinstance(values, list) else [values] for name, values in axes.items()}
    own: dict[str, str] = {}
    if elsewhere and device != "auto":
        own, device = {"precision": _precision(device)}, "auto"
    for name, values in axes.items():
        if name not in Experiment.model_fields:
            raise UserError(no_such_field(name))
        for value in values or [values]:
            if isinstance(value, bool | list | dict):
                raise UserError(f"{name}: found {value!r}, expected a number or a name, or a list of them")
    if "dataset" not in axes:
        raise UserError("dataset: missing, expected one or more of " + ", ".join(catalogue.names()))
    unread = set(axes)
    for values in itertools.product(*axes.values()):
        fields = dict(zip(axes, values, strict=True))
        without = methods.get(fields["method"]).unread
        without |= {"root", "split_seed"} - catalogue.entry(fields["dataset"]).reads
        fields = {name: value for name, value in fields.items() if name not in without}
        unread -= fields.keys()
        if fields.get("preset", "paper") == "paper":  # the released code's precision is its own
            fields = own | fields
        yield runs.plan(**fields, device=device)
    if unread:
        raise UserError(f"{min(unread)}: no method or dataset of the grid reads it")


def _precision(device: str) -> str:
    try:
        return default_precision(torch.device(device))
    except RuntimeError as error:
        raise UserError(f"device: {device!r} cannot be used: {str(error).splitlines()[0]}") from None


def look(experiments: Sequence[Experiment]) -> list[Outcome]:
    """Which of the runs are there (``found``), and which :func:`train` would train (``missing``)."""
    return [
        Outcome(experiment, name, "found", runs.get(experiment, quiet=True))
        if store.exists(experiment)
        else Outcome(experiment, name, "missing")
        for experiment, name in zip(experiments, names(experiments), strict=True)
    ]


def names(experiments: Sequence[Experiment]) -> list[str]:
    """Each experiment's method and dataset, and the fields in which those of the same method and dataset differ."""
    values: dict[tuple[str, str], dict[str, set[Any]]] = {}
    for experiment in experiments:
        seen = values.setdefault((experiment.method, experiment.dataset), {})
        for field, value in experiment:
            seen.setdefault(field, set()).add(value)
    titles = []
    for experiment in experiments:
        seen = values[experiment.method, experiment.dataset]
        differs = [f", {field} {value}" for field, value in experiment if len(seen[field]) > 1]
        titles.append(f"{experiment.method} on {experiment.dataset}{''.join(differs)}")
    return titles


def train(
    experiments: Sequence[Experiment],
    device: str = "auto",
    scheduler: str | None = None,
    workers: int | None = None,
    quiet: bool = False,
) -> list[Outcome]:
    """Find or train the run of every experiment, those that are missing side by side.

    A worker that dies loses nothing: its run goes on elsewhere after the last whole epoch. Interrupted, the next call
    goes on. A run that fails does not hold up the others.

    Args:
        experiments: as :func:`plan` makes them.
        device: ``auto`` and ``cuda`` give each GPU one run at a time, ``cuda:1`` that one alone; on a CPU each core
            has one, but for runs of scale ``full``, which take all cores in turn.
        scheduler: the address of a dask scheduler, e.g. ``tcp://host:8786``. Its workers need this semshare, its
            libraries and the folder ``SEMSHARE_HOME`` on a file system that all share.
        workers: how many at once on this machine, by default as many as ``device`` has room for.
        quiet: print no progress.

    Raises:
        UserError: data or a device that is not there, before any work; a scheduler that does not answer.
    """
    if of_main := [experiment for experiment in experiments if parallel.is_of_main(experiment)]:
        raise UserError(
            f"grid: {of_main[0].method} on {of_main[0].dataset}: registered in a script or notebook, which workers "
            "cannot import; register it in a module"
        )
    reasons: dict[Path, str] = {}
    with ExitStack() as stack:
        client = (
            stack.enter_context(cluster.remote(scheduler)) if scheduler else None
        )  # called before any data is drawn
        before = look(experiments)
        asked = {store.folder_of(outcome.experiment): outcome for outcome in before if outcome.state == "missing"}
        if asked:
            client = client or stack.enter_context(
                cluster.local([outcome.experiment for outcome in asked.values()], device, workers)
            )
            reasons = _train(client, asked, device, scheduler, quiet)
    outcomes = []
    for outcome in before:
        if outcome.state == "missing":
            if store.exists(outcome.experiment):
                outcome = replace(outcome, state="trained", run=runs.get(outcome.experiment, quiet=True))
            else:
                reason = reasons.get(store.folder_of(outcome.experiment)) or _NOT_SHARED
                outcome = replace(outcome, state="failed", reason=reason)
        outcomes.append(outcome)
    return outcomes


_NOT_SHARED = "trained, and not found here: SEMSHARE_HOME is not one folder that all machines share"


def _train(
    client: Client, asked: Mapping[Path, Outcome], device: str, scheduler: str | None, quiet: bool
) -> dict[Path, str]:
    """Train what is missing, by the folder of its run; the reasons of those that failed."""
    count = len(client.scheduler_info(n_workers=-1)["workers"])
    at_once = f", {counted(count, 'worker')}" if count else ""  # workers of a cluster come and go
    progress = Progress(f"grid of {counted(len(asked), 'run')}{at_once}", quiet)
    if not count:
        progress.say(f"waiting for a worker of {scheduler}")
    reasons: dict[Path, str] = {}
    modules = parallel.outside_modules()
    with progress.units(len(asked), "run") as advance:
        waiting = {
            client.submit(_task, outcome.experiment, device, str(folder), modules, pure=False, retries=_RETRIES): folder
            for folder, outcome in asked.items()
        }
        try:
            for done in cluster.as_completed(client, list(waiting), scheduler, progress.say):
                folder, reason = waiting[done], _reason(done)
                if reason:
                    reasons[folder] = reason
                advance(asked[folder].name + (f" failed: {reason}" if reason else ""))
        except BaseException:
            with suppress(Exception):  # a scheduler that is gone has nothing to cancel
                client.cancel(list(waiting))
            raise
    return reasons


def _task(experiment: Experiment, device: str, folder: str, modules: Sequence[str] = ()) -> str:
    """On a worker: train and read ``experiment``, whose run the client will look for in ``folder``; why not, if not.

    A user's mistake comes back as words: raised, it would be tried again.
    """
    try:
        for module in modules:
            import_module(module)
        if (own := str(store.folder_of(experiment))) != folder:
            raise UserError(
                f"a worker would keep it as {own}, expected {folder}: workers need the same SEMSHARE_HOME on a shared "
                "file system, the same data, semshare and libraries"
            )
        parallel.train_and_read(experiment, device)
    except UserError as error:
        return str(error)
    return ""


def _reason(done: Any) -> str:
    """Why the task failed, in a line; empty where it did not."""
    try:
        return done.result()
    except KilledWorker:
        return f"{cluster.DEATHS + 1} workers died of it, one after another: is there enough memory?"
    except ModuleNotFoundError as error:
        return f"a worker lacks {error.name}: workers, and the scheduler, need this environment"
    except Exception as error:  # whatever a run can raise is a finding here: the others go on
        return f"{type(error).__name__}: {' '.join(str(error).split())}"
