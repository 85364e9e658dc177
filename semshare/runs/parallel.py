"""Several runs at once on this machine: those that are missing train side by side."""

from __future__ import annotations

import os
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from importlib import import_module
from multiprocessing import get_context
from threading import Thread
from typing import TYPE_CHECKING

from semshare import methods
from semshare.data import catalogue
from semshare.runs.store import Run, get, missing
from semshare.runs.trainer import thread_count, title
from semshare.utils import processes
from semshare.utils.devices import cores, find_device
from semshare.utils.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from semshare.experiment import Experiment


def get_all(experiments: Sequence[Experiment], device: str = "auto", quiet: bool = False) -> list[Run]:
    """The run of each of ``experiments``, in order; those that are missing are trained by :func:`train_missing`."""
    for _ in train_missing(experiments, device, quiet):
        pass
    return [get(experiment, device, quiet) for experiment in experiments]


def train_missing(experiments: Sequence[Experiment], device: str = "auto", quiet: bool = False) -> Iterator[Experiment]:
    """Train those of ``experiments`` that are missing and yield each when its run is there.

    On a CPU as many are trained at once as it has cores. A run of scale ``smoke`` or ``laptop`` computes in one thread
    wherever it is trained, so its result is the same bit for bit, alone or among others.
    """
    waiting = missing(experiments)
    workers = 1 if processes.count() > 1 else min(len(waiting), cores())
    alone = find_device(device).type != "cpu" or workers < 2 or not all(thread_count(one) for one in waiting)
    if alone or any(is_of_main(one) for one in waiting):
        for one in waiting:
            get(one, device, quiet)
            yield one
        return
    progress = Progress(f"{len(waiting)} runs, {workers} at once", quiet)
    pool = ProcessPoolExecutor(workers, get_context("spawn"), initializer=_begin, initargs=(outside_modules(),))
    with progress.units(len(waiting), "run") as advance, pool:
        submitted = {pool.submit(train_and_read, one, device): one for one in waiting}
        try:
            for done in as_completed(submitted):
                done.result()
                advance(title(submitted[done]))
                yield submitted[done]
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def outside_modules() -> list[str]:
    """The modules that register methods and datasets from outside: a worker process imports them first."""
    return sorted({*methods.modules_to_import(), *catalogue.modules_to_import()})


def is_of_main(experiment: Experiment) -> bool:
    """Whether the method or the dataset was registered by a notebook or script, which no worker can import."""
    return methods.is_of_main(experiment.method) or catalogue.is_of_main(experiment.dataset)


def _begin(modules: Sequence[str]) -> None:
    """Set up a worker process."""
    _end_with_parent()
    for module in modules:
        import_module(module)


def train_and_read(experiment: Experiment, device: str) -> None:
    """Train in a process of its own, and read test there too: both are found again by whoever asks next."""
    run = get(experiment, device, quiet=True)
    _ = run.test if experiment.keep == "best" else run.epochs


def _end_with_parent() -> None:
    """Let this worker process end when its parent is killed: what it had trained is resumed by whoever asks next."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    Thread(target=watch, daemon=True).start()
