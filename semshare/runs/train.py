"""Train in one call: a dataset and a method give a finished run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from semshare.runs import planning, store

if TYPE_CHECKING:
    from semshare.data.dataset import PairedDataset
    from semshare.runs.store import Run


def train(
    dataset: str | PairedDataset,
    method: str = "ours",
    scale: str = "laptop",
    device: str = "auto",
    quiet: bool = False,
    **fields: Any,
) -> Run:
    """The run of ``method`` on ``dataset``, found where it was trained before, else trained now.

    Args:
        dataset: a name, or what :func:`semshare.data.memory.build` or the catalogue gave.
        method: a name, see ``semshare train --help``.
        scale: ``smoke``, ``laptop`` or ``full``.
        device: where it is trained.
        quiet: show no progress.
        fields: any of :class:`~semshare.experiment.Experiment`'s, e.g. ``seed=1, epochs=5``.

    Raises:
        UserError: whatever :func:`semshare.runs.planning.plan` refuses.
    """
    name = dataset if isinstance(dataset, str) else dataset.name
    return store.get(planning.plan(name, method, scale, device, **fields), device, quiet)
