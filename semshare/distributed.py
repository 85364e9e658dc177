"""What processes that train one run exchange; in a process alone, nothing happens.

Every process draws the same batch, reads its own rows of it, and computes the loss of the whole from what all of them
read. Gradients reach its own rows alone, so their sum over the processes is the gradient of the whole batch's loss: the
consistency loss, which compares every two items of a batch, is what it is in one process.
"""

from __future__ import annotations

from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from semshare.data.dataset import Batch
from semshare.utils import processes

if TYPE_CHECKING:
    from collections.abc import Mapping


def own(batch: Batch, hidden: Mapping[str, Tensor]) -> tuple[Batch, dict[str, Tensor]]:
    """This process's rows of a batch and of what is hidden in it; all of them where there are too few to share."""
    rows = _rows(len(batch.labels))
    image, text = (
        replace(segments, **{field.name: getattr(segments, field.name)[rows] for field in fields(segments)})
        for segments in (batch.image, batch.text)
    )
    return Batch(image, text, batch.labels[rows]), {name: tensor[rows] for name, tensor in hidden.items()}


def gather(outputs: Mapping[str, Any], size: int) -> dict[str, Any]:
    """Every process's outputs of the rows that :func:`own` gave it, as those of the whole batch of ``size`` items.

    Args:
        outputs: one :class:`semshare.model.Output` a modality, of this process's rows.
        size: B of the whole batch.
    """
    if processes.count() == 1 or size < processes.count():
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
    if processes.count() == 1:
        return
    trained = [parameter for parameter in network.parameters() if parameter.requires_grad]
    for parameter in trained:
        if parameter.grad is None:
            parameter.grad = torch.zeros_like(parameter)
    flat = torch.cat([parameter.grad.flatten() for parameter in trained])
    torch.distributed.all_reduce(flat)
    if size < processes.count():
        flat /= processes.count()
    for parameter, summed in zip(trained, flat.split([parameter.numel() for parameter in trained]), strict=True):
        parameter.grad.copy_(summed.view_as(parameter))


def _rows(size: int) -> slice:
    """Which of ``size`` rows are this process's."""
    if (count := processes.count()) == 1 or size < count:
        return slice(None)
    return slice(processes.rank() * size // count, (processes.rank() + 1) * size // count)


def _gathered(mine: Tensor) -> Tensor:
    """The rows of every process, one after another; this one's keep their gradient."""
    sizes = [torch.zeros((), dtype=torch.long, device=mine.device) for _ in range(processes.count())]
    torch.distributed.all_gather(sizes, torch.tensor(len(mine), device=mine.device))
    longest = int(max(sizes))
    filled = mine.new_zeros(longest, *mine.shape[1:])
    filled[: len(mine)] = mine.detach()
    every = [torch.empty_like(filled) for _ in sizes]
    torch.distributed.all_gather(every, filled)
    rows = [piece[: int(size)] for piece, size in zip(every, sizes, strict=True)]
    rows[processes.rank()] = mine
    return torch.cat(rows)
