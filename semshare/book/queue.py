"""What the book trains before it executes a page, and the pages executed side by side."""

from __future__ import annotations

import json
import os
import warnings
from ast import literal_eval
from concurrent.futures import FIRST_EXCEPTION, ProcessPoolExecutor, wait
from inspect import signature
from multiprocessing import get_context
from typing import TYPE_CHECKING, Any

import papermill
import torch

from semshare.book.execute import Page, execute
from semshare.errors import UserError
from semshare.paper import baselines, plans
from semshare.runs.parallel import end_with_parent, train_each
from semshare.runs.trainer import title
from semshare.utils.devices import cores

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from semshare.experiment import Experiment

# By the name that a notebook's metadata gives it under ``trains``.
PLANS: dict[str, Callable[..., Any]] = {
    "texts": baselines.plans,
    "consistency": plans.consistency,
    "implementation": plans.implementation,
    "classification": plans.classification,
    "failure_cases": plans.failure_cases,
    "sensitivity": plans.sensitivity,
    "diagnosis": plans.diagnosis,
    "everything": plans.everything,
}


def asked(notebook: Path, handed: Mapping[str, Any]) -> list[Experiment]:
    """The experiments whose runs ``notebook`` asks for, each once: those of the plans that its metadata names.

    A plan takes those of the page's parameters that it has; a plan about one dataset is about the page's first. A
    notebook that names none trains what it needs itself.

    Args:
        notebook: the file.
        handed: the page's parameters; the others keep the notebook's own value.

    Raises:
        UserError: a plan that does not exist, and whatever the plans refuse.
    """
    names = _named(notebook)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # papermill's translator does not like a comment that holds a colon
        cell = papermill.inspect_notebook(str(notebook))
    given = {name: literal_eval(own["default"]) for name, own in cell.items()} | dict(handed)
    experiments: dict[Experiment, None] = {}
    for name in names:
        if name not in PLANS:
            raise UserError(f"{notebook.name}: metadata trains: found {name!r}, expected one of {', '.join(PLANS)}")
        takes = signature(PLANS[name]).parameters
        fields = given | {"dataset": given["datasets"][0]}
        planned = PLANS[name](**{field: value for field, value in fields.items() if field in takes})
        experiments |= dict.fromkeys(plans.flat(planned))
    return list(experiments)


def _named(notebook: Path) -> list[str]:
    """The plans that ``notebook`` names in its metadata."""
    return json.loads(notebook.read_text(encoding="utf-8"))["metadata"].get("trains", [])


def training_first(pages: Sequence[Page]) -> list[Page]:
    """``pages`` in their order, but first those that train in their own kernel: begun last, they end alone."""
    return sorted(pages, key=lambda page: "scale" not in page.handed or bool(_named(page.notebook)))


def train_for(pages: Sequence[Page], device: str) -> None:
    """Train, as one queue, what is missing of the runs that ``pages`` ask for.

    A run that fails is told and does not hold up the others; the page that needs it tries again, and says what is
    wrong as it does without a queue. So does a page whose runs cannot be planned, or whose data is not there.
    """
    experiments: dict[Experiment, None] = {}
    for page in pages:
        try:
            experiments |= dict.fromkeys(asked(page.notebook, page.handed))
        except UserError as error:
            print(f"training for {page.notebook.stem}: left to the page: {error}", flush=True)
    try:
        for experiment, error in train_each(list(experiments), device):
            if error is not None:
                print(f"training {title(experiment)}: failed, its page will try again: {error}", flush=True)
    except UserError as error:  # data that is not there
        print(f"training: left to the pages: {error}", flush=True)


def execute_all(pages: Sequence[Page]) -> None:
    """Execute ``pages`` side by side, one a core, those that train first; each has its share of the cores' threads.

    Raises:
        UserError: of the first page that failed; those under way are finished and kept, the others not begun.
    """
    count = min(len(pages), cores())
    if count < 2:
        for page in pages:
            execute(page)
        return
    pool = ProcessPoolExecutor(count, get_context("spawn"), initializer=_begin, initargs=(max(1, cores() // count),))
    with pool:
        futures = [pool.submit(execute, page) for page in training_first(pages)]
        wait(futures, return_when=FIRST_EXCEPTION)
        pool.shutdown(wait=True, cancel_futures=True)
    for future in futures:
        if not future.cancelled():
            future.result()


def _begin(threads: int) -> None:
    """Set up a process that executes pages: it, and the kernels that it starts, compute with ``threads``."""
    end_with_parent()
    os.environ["OMP_NUM_THREADS"] = str(threads)
    torch.set_num_threads(threads)
