"""Linear: logistic regressions on an image's pooled regions and on a text's bag of words, what one gets for nothing.

Every label has a logistic regression of its own; those of a modality are fitted together, by L-BFGS, on all training
items at once. Nothing is drawn: the same data gives the same classifiers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from semshare.data.words import SPECIAL
from semshare.metrics import best_threshold, micro_f1
from semshare.model import MODALITIES, Modality, Output

if TYPE_CHECKING:
    from collections.abc import Mapping

    from semshare.data.dataset import PairedDataset
    from semshare.data.segments import Segments
    from semshare.data.source import Split
    from semshare.experiment import Experiment

# Among these dev chooses, for each modality by itself: scikit-learn's C, the inverse of the regularisation's strength.
GRID = (0.0001, 0.001, 0.01, 0.1, 1.0, 10.0)
_BATCH = 1024  # images whose regions are in memory at a time
_ITERATIONS = 500
_TOLERANCE = 1e-5  # of the loss's gradient, which is a mean over items


class LinearNetwork(nn.Module):
    """One linear classifier a modality; an item's embedding is its label probabilities."""

    def __init__(self, feature_size: int, words: int, labels: int) -> None:
        """``words`` is the size V of the vocabulary; its special words are never in a bag."""
        super().__init__()
        self.words = words
        self.classifiers = nn.ModuleDict(
            {"image": nn.Linear(2 * feature_size, labels), "text": nn.Linear(words, labels)}
        )

    def forward(self, modality: Modality, segments: Segments) -> Output:
        """Read B items."""
        items = pooled(segments) if modality == "image" else bag(segments, self.words).to_dense()
        probabilities = torch.sigmoid(self.classifiers[modality](items))
        return Output(probabilities, scores=probabilities, probabilities=probabilities, common=probabilities)

    def read(self, segments: Mapping[Modality, Segments], hidden: Mapping[Modality, Tensor]) -> dict[Modality, Output]:
        """:meth:`forward` for several modalities; nothing is ever ``hidden``."""
        return {name: self(name, batch) for name, batch in segments.items()}


def network(experiment: Experiment, dataset: PairedDataset) -> LinearNetwork:
    """Classifiers of the dataset's sizes, their weights drawn."""
    return LinearNetwork(dataset.feature_size, len(dataset.vectors), len(dataset.label_names))


def fit(experiment: Experiment, dataset: PairedDataset) -> LinearNetwork:
    """Both classifiers fitted on train, the strength of regularisation of each chosen on dev."""
    fitted = network(experiment, dataset)
    for modality in MODALITIES:
        (train, labels), dev = (_items(dataset, split, modality) for split in ("train", "dev"))
        weight, bias = chosen(train, labels, *dev)
        with torch.no_grad():
            fitted.classifiers[modality].weight.copy_(weight.T)
            fitted.classifiers[modality].bias.copy_(bias)
    return fitted.eval()


def pooled(segments: Segments) -> Tensor:
    """The mean and the maximum over each image's regions, [B, 2 D]; padding does not count."""
    highest = segments.features.masked_fill(~segments.mask.unsqueeze(-1), -torch.inf).amax(1)
    return torch.cat([segments.mean(), highest.nan_to_num(neginf=0.0)], 1)


def bag(segments: Segments, words: int) -> Tensor:
    """Which words each text holds, sparse [B, V] of 0 and 1; padding and the other special words are none."""
    rows, places = (segments.mask & (segments.features >= len(SPECIAL))).nonzero(as_tuple=True)
    cells = torch.stack([rows, segments.features[rows, places]]).unique(dim=1)
    ones = torch.ones(cells.shape[1], device=cells.device)
    return torch.sparse_coo_tensor(cells, ones, (len(segments), words), is_coalesced=True, check_invariants=True)


def _items(dataset: PairedDataset, split: Split, modality: Modality) -> tuple[Tensor, Tensor]:
    """What a modality's classifier reads of a split, [N, D], and the labels [N, C]; every caption is an item."""
    part = dataset.parts[split]
    if modality == "text":
        return bag(dataset.texts(split), len(dataset.vectors)), part.text_labels
    batches = torch.arange(len(part.image_ids)).split(_BATCH)
    return torch.cat([pooled(dataset.images(split, rows.tolist())) for rows in batches]), part.labels


def chosen(train: Tensor, labels: Tensor, dev: Tensor, dev_labels: Tensor) -> tuple[Tensor, Tensor]:
    """The logistic regressions of the strength in ``GRID`` with the highest Micro-F1 on dev, at its best threshold.

    The strongest regularisation is tried first, and none weaker than the first one that does worse than the one before.

    Args:
        train: [N, D], dense or sparse; dense columns are scaled to a mean of 0 and a deviation of 1 for the fit, and
            what is returned undoes it.
        labels: [N, C] 0/1.
        dev: [M, D].
        dev_labels: [M, C].

    Returns:
        [D, C] weights and [C] biases.
    """
    centre, spread = torch.zeros(train.shape[1]), torch.ones(train.shape[1])
    if not train.is_sparse:
        centre, spread = train.mean(0), train.std(0, correction=0)
        spread = torch.where(spread > 0, spread, 1.0)
        train, dev = (train - centre) / spread, (dev - centre) / spread
    weight, bias = torch.zeros(train.shape[1], labels.shape[1]), torch.zeros(labels.shape[1])
    best, best_f1 = (weight, bias), -1.0
    for strength in GRID:  # each fit begins where the one before ended
        weight, bias = logistic(train, labels, strength, weight, bias)
        scores = torch.sigmoid(dev @ weight + bias)
        f1 = micro_f1(scores, dev_labels, best_threshold(scores, dev_labels))
        if f1 < best_f1:
            break
        best, best_f1 = (weight, bias), f1
    weight = best[0] / spread.unsqueeze(1)
    return weight, best[1] - centre @ weight


def logistic(items: Tensor, labels: Tensor, strength: float, weight: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
    """Logistic regressions of ``labels`` [N, C] on ``items`` [N, D], one a label, from ``weight`` and ``bias`` on.

    Minimises the summed cross-entropy times ``strength`` plus half the sum of squared weights (biases are free), which
    is scikit-learn's objective with ``C=strength``.
    """
    weight, bias = weight.clone().requires_grad_(), bias.clone().requires_grad_()
    optimiser = torch.optim.LBFGS(
        [weight, bias],
        max_iter=_ITERATIONS,
        tolerance_grad=_TOLERANCE,
        tolerance_change=0.0,
        line_search_fn="strong_wolfe",
    )

    def loss() -> Tensor:
        optimiser.zero_grad()
        errors = binary_cross_entropy_with_logits(items @ weight + bias, labels, reduction="sum")
        total = (errors + (weight**2).sum() / (2 * strength)) / len(labels)
        total.backward()
        return total

    optimiser.step(loss)
    return weight.detach(), bias.detach()
