"""Several runs at once on this machine: those that are missing train side by side, the longest first."""

from __future__ import annotations

import os
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from importlib import import_module
from multiprocessing import get_context
from threading import Thread
from typing import TYPE_CHECKING

import torch

from semshare import methods
from semshare.data import catalogue
from semshare.data.regions import registry
from semshare.runs.store import Run, get, missing
from semshare.runs.trainer import thread_count, title
from semshare.utils import processes
from semshare.utils.counts import counted
from semshare.utils.devices import cores, find_device
from semshare.utils.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from multiprocessing.queues import SimpleQueue

    from semshare.experiment import Experiment


def get_all(experiments: Sequence[Experiment], device: str = "auto", quiet: bool = False) -> list[Run]:
    """The run of each of ``experiments``, in order; those that are missing are trained by :func:`train_missing`."""
    for _ in train_missing(experiments, device, quiet):
        pass
    return [get(experiment, device, quiet) for experiment in experiments]


def train_missing(experiments: Sequence[Experiment], device: str = "auto", quiet: bool = False) -> Iterator[Experiment]:
    """Train those of ``experiments`` that are missing and yield each when its run is there.

    At once train as many as :func:`places` says. A run of scale ``smoke`` or ``laptop`` computes in one thread
    wherever it is trained, so its result is the same bit for bit, alone or among others. The first run that fails ends
    it: the others are not waited for.
    """
    for experiment, error in train_each(experiments, device, quiet):
        if error is not None:
            raise error
        yield experiment


def train_each(
    experiments: Sequence[Experiment], device: str = "auto", quiet: bool = False
) -> Iterator[tuple[Experiment, Exception | None]]:
    """Train those of ``experiments`` that are missing; yield each with why it failed, None where its run is there.

    A run that fails does not hold up the others.
    """
    waiting = sorted(missing(experiments), key=_work, reverse=True)
    cards = places(waiting, device)
    if len(cards) < 2 or any(is_of_main(experiment) for experiment in waiting):
        for experiment in waiting:
            error = None
            try:
                get(experiment, device, quiet)
            except Exception as failed:  # whatever a run can raise is a finding here
                error = failed
            yield experiment, error
        return
    context = get_context("spawn")
    free = context.SimpleQueue()
    for card in cards:
        free.put(card)
    progress = Progress(f"{counted(len(waiting), 'run')}, {len(cards)} at once", quiet)
    pool = ProcessPoolExecutor(len(cards), context, initializer=_begin, initargs=(outside_modules(), free))
    with progress.units(len(waiting), "run") as advance, pool:
        submitted = {pool.submit(train_and_read, experiment, device): experiment for experiment in waiting}
        try:
            for done in as_completed(submitted):
                experiment, error = submitted[done], done.exception()
                if error is not None and not isinstance(error, Exception):
                    raise error
                advance(title(experiment) + (f" failed: {error}" if error else ""))
                yield experiment, error
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def places(waiting: Sequence[Experiment], device: str, most: int | None = None) -> list[str]:
    """Where this machine trains a run at the same time: each GPU by its number, or a core, which has none.

    A GPU that was named, and runs that take all cores, have one place; else there are ``most`` where that is given, on
    GPUs at most one each.
    """
    where = find_device(device)
    if processes.count() > 1:
        free = [""]
    elif where.type == "cuda" and ":" not in device:
        free = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")
        free = free if free != [""] else [str(number) for number in range(torch.cuda.device_count())]
    elif where.type == "cuda" or not all(thread_count(experiment) for experiment in waiting):
        free = [""]
    else:
        free = [""] * (most or cores())
    return free[: min(len(waiting), most or len(waiting))]


def _work(experiment: Experiment) -> float:
    """How long a run takes beside others, roughly: its passes, and its encoder's size; longer texts take longer."""
    if "layers" in methods.get(experiment.method).unread:
        return 0.0
    long = 2 if catalogue.entry(experiment.dataset).text_kind == "captions" else 1
    return float(experiment.epochs * experiment.layers * experiment.width**2 * long)


def outside_modules() -> list[str]:
    """The modules that register methods, datasets and extractors from outside: a worker process imports them first."""
    return sorted({*methods.modules_to_import(), *catalogue.modules_to_import(), *registry.modules_to_import()})


def is_of_main(experiment: Experiment) -> bool:
    """Whether method, dataset or regions were registered by a notebook or script, which no worker can import."""
    registered = (methods.is_of_main(experiment.method), catalogue.is_of_main(experiment.dataset))
    return any(registered) or registry.is_of_main(experiment.regions)


def _begin(modules: Sequence[str], free: SimpleQueue[str]) -> None:
    """Set up a worker process, which takes one of the ``free`` places."""
    end_with_parent()
    if card := free.get():
        os.environ["CUDA_VISIBLE_DEVICES"] = card
    for module in modules:
        import_module(module)


def train_and_read(experiment: Experiment, device: str) -> None:
    """Train in a process of its own, and read test there too: both are found again by whoever asks next."""
    run = get(experiment, device, quiet=True)
    _ = run.test if experiment.keep == "best" else run.epochs


def end_with_parent() -> None:
    """Let this worker process end when its parent is killed: what it had trained is resumed by whoever asks next."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    Thread(target=watch, daemon=True).start()
