"""The processes that ``accelerate launch`` started together: how many there are and which one this is."""

from __future__ import annotations

import os
import warnings
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

import torch
from accelerate import PartialState

from semshare.errors import UserError
from semshare.utils.files import file_lock

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


PATIENCE = timedelta(seconds=60)  # how long the processes wait for each other to come
_LONG = timedelta(days=7)
_LAUNCHED = "ACCELERATE_MIXED_PRECISION"  # what accelerate launch sets, whatever it starts


def state() -> PartialState | None:
    """Which process this is among those that ``accelerate launch`` started together; None where it is alone.

    ``WORLD_SIZE`` by itself says nothing: clusters and shells leave it behind.

    Raises:
        UserError: another of the processes did not come within a minute.
    """
    if _LAUNCHED not in os.environ or int(os.environ.get("WORLD_SIZE") or 1) < 2:
        return None
    cpu = os.environ.get("ACCELERATE_USE_CPU", "false").lower() == "true" or not torch.cuda.is_available()
    if PartialState._shared_state:
        return PartialState(cpu=cpu)
    try:
        here = PartialState(cpu=cpu, timeout=PATIENCE)
    except RuntimeError as error:  # torch.distributed's errors are of this kind
        raise UserError(
            f"processes: WORLD_SIZE is {os.environ['WORLD_SIZE']}, and not all of them came within "
            f"{PATIENCE.seconds} s ({str(error).splitlines()[0]}); start them all with accelerate launch"
        ) from None
    # They are all there. From now on they wait for each other as long as it takes: an epoch is long.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch calls this experimental
        torch.distributed.distributed_c10d._set_pg_timeout(_LONG, torch.distributed.group.WORLD)
    return here


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
        with file_lock(path):
            yield
    elif here.is_main_process:
        with file_lock(path):
            here.wait_for_everyone()
            yield
            here.wait_for_everyone()
    else:
        here.wait_for_everyone()
        yield
        here.wait_for_everyone()
