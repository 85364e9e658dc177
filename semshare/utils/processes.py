"""The processes that ``accelerate launch`` started together: how many there are and which one this is."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch
from accelerate import PartialState
from filelock import FileLock

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def state() -> PartialState | None:
    """Which process this is among those that were launched together; None where it is alone."""
    if int(os.environ.get("WORLD_SIZE", "1")) < 2:
        return None
    cpu = os.environ.get("ACCELERATE_USE_CPU", "false").lower() == "true" or not torch.cuda.is_available()
    return PartialState(cpu=cpu)


def is_first() -> bool:
    """Whether this process is the one that writes files and prints; a process alone is."""
    return (here := state()) is None or here.is_main_process


def rank() -> int:
    """0 in the first process and in one alone, then 1, 2, ..."""
    return 0 if (here := state()) is None else here.process_index


def count() -> int:
    """How many processes train together."""
    return 1 if (here := state()) is None else here.num_processes


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """The lock at ``path``, held by the first process for all; all of them enter, and leave, at once."""
    if (here := state()) is None:
        with FileLock(path):
            yield
    elif here.is_main_process:
        with FileLock(path):
            here.wait_for_everyone()
            yield
            here.wait_for_everyone()
    else:
        here.wait_for_everyone()
        yield
        here.wait_for_everyone()
