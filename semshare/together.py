"""Several processes that train one run together, started by ``accelerate launch``; in a process alone, nothing happens.

Every process draws the same batch, reads its own rows of it, and computes the loss of the whole from what all of them
read. Gradients reach its own rows alone, so their sum over the processes is the gradient of the whole batch's loss: the
consistency loss, which compares every two items of a batch, is what it is in one process.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import torch
from accelerate import PartialState
from filelock import FileLock
from torch import Tensor, nn

from semshare.data.dataset import Batch


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


def own(batch: Batch, hidden: Mapping[str, Tensor]) -> tuple[Batch, dict[str, Tensor]]:
    """This process's rows of a batch and of what is hidden in it; all of them where there are too few to share."""
    rows = _rows(len(batch.labels))
    image, text = (
        replace(one, **{field.name: getattr(one, field.name)[rows] for field in fields(one)})
        for one in (batch.image, batch.text)
    )
    return Batch(image, text, batch.labels[rows]), {name: one[rows] for name, one in hidden.items()}


def gather(outputs: Mapping[str, Any], size: int) -> dict[str, Any]:
    """Every process's outputs of the rows that :func:`own` gave it, as those of the whole batch of ``size`` items.

    Args:
        outputs: one :class:`semshare.model.Output` a modality, of this process's rows.
        size: B of the whole batch.
    """
    if count() == 1 or size < count():
        return dict(outputs)
    return {
        modality: replace(
            output,
            **{
                field.name: _gathered(value)
                for field in fields(output)
                if (value := getattr(output, field.name)) is not None
            },
        )
        for modality, output in outputs.items()
    }


def add_gradients(network: nn.Module, size: int) -> None:
    """Give every process the sum of all gradients; of a batch too small to share, which each read whole, their mean."""
    if count() == 1:
        return
    trained = [one for one in network.parameters() if one.requires_grad]
    for parameter in trained:
        if parameter.grad is None:
            parameter.grad = torch.zeros_like(parameter)
    flat = torch.cat([one.grad.flatten() for one in trained])
    torch.distributed.all_reduce(flat)
    if size < count():
        flat /= count()
    for parameter, summed in zip(trained, flat.split([one.numel() for one in trained]), strict=True):
        parameter.grad.copy_(summed.view_as(parameter))


def _rows(size: int) -> slice:
    """Which of ``size`` rows are this process's."""
    if (processes := count()) == 1 or size < processes:
        return slice(None)
    return slice(rank() * size // processes, (rank() + 1) * size // processes)


def _gathered(mine: Tensor) -> Tensor:
    """The rows of every process, one after another; this one's keep their gradient."""
    sizes = [torch.zeros((), dtype=torch.long, device=mine.device) for _ in range(count())]
    torch.distributed.all_gather(sizes, torch.tensor(len(mine), device=mine.device))
    longest = int(max(sizes))
    filled = mine.new_zeros(longest, *mine.shape[1:])
    filled[: len(mine)] = mine.detach()
    every = [torch.empty_like(filled) for _ in sizes]
    torch.distributed.all_gather(every, filled)
    rows = [one[: int(size)] for one, size in zip(every, sizes, strict=True)]
    rows[rank()] = mine
    return torch.cat(rows)
