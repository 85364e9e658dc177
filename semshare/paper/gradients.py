"""What the consistency loss asks of each segment encoder: its gradient beside that of label prediction."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from semshare import methods, training
from semshare.model import MODALITIES
from semshare.utils.extras import extra

with extra("book"):
    import pandas as pd

if TYPE_CHECKING:
    from semshare.runs.store import Run

_BATCHES = 6


def gradient_conflict(run: Run, eta: float) -> pd.DataFrame:
    """How the gradients of label prediction and of consistency meet in each segment encoder, epoch by epoch.

    Consistency compares what leaves the segment encoders ("Eq. 2"), so their weights are where the two losses meet.
    After each epoch both gradients are taken there over the same training batches, without dropout, and
    averaged. A run trained without consistency is asked what the loss *would* ask of it.

    Args:
        run: of *Traditional*, with every epoch's weights kept.
        eta: the weight that consistency is read at.

    Returns:
        A row for each epoch and modality: ``epoch``, ``modality``, the norms ``label`` and ``consistency`` (weighted by
        ``eta``), their ``ratio``, and ``cosine``: below 0 a step along one undoes the other.
    """
    method = methods.get(run.experiment.method)
    asked = run.experiment.change(eta=eta)
    generator = torch.Generator().manual_seed(run.experiment.seed)
    batches = list(islice(run.dataset.batches("train", run.experiment.batch, generator), _BATCHES))
    rows = []
    for epoch in range(1, len(run.history) + 1):
        network = run.network(training.epoch_checkpoint(run.folder, epoch))
        sums: dict[tuple[str, str], Tensor] = {}
        for batch in batches:
            hidden = method.hide(batch, asked, generator)
            terms = method.terms(method.read(network, batch, hidden), batch.labels, asked)
            consistency = torch.stack([term for name, term in terms.items() if name.startswith(("inter", "intra"))])
            for modality in MODALITIES:
                weights = [
                    parameter for parameter in network.segments[modality].parameters() if parameter.requires_grad
                ]
                for name, loss in (("label", terms[f"label_{modality}"]), ("consistency", consistency.sum())):
                    gradient = torch.autograd.grad(loss, weights, retain_graph=True, allow_unused=True)
                    flat = torch.cat([part.flatten() for part in gradient if part is not None]).double()
                    sums[modality, name] = sums.get((modality, name), 0) + flat / len(batches)
        for modality in MODALITIES:
            label, consistency = sums[modality, "label"], sums[modality, "consistency"]
            norms = {"label": float(label.norm()), "consistency": float(consistency.norm())}
            cosine = float(torch.nn.functional.cosine_similarity(label, consistency, dim=0).clamp(-1, 1))
            ratio = norms["consistency"] / norms["label"]
            rows.append({"epoch": epoch, "modality": modality} | norms | {"ratio": ratio, "cosine": cosine})
    return pd.DataFrame(rows)
