"""The methods compared: which network, which loss terms, nothing else."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor, nn

from semshare import losses
from semshare.data.segments import draw_hidden
from semshare.errors import UserError
from semshare.model import MODALITIES, DSCMRNetwork, Modality, Output, SemanticNetwork

if TYPE_CHECKING:
    from semshare.data.dataset import Batch, PairedDataset
    from semshare.experiment import Experiment

Outputs = dict[Modality, Output]
Hidden = dict[Modality, Tensor]

_CONTEXT = frozenset(
    {"lam", "mask_share", "context_scores", "masked_word", "masked_region", "context_items", "context_words"}
)
_ENCODER = frozenset({"layers", "heads", "dropout", "block", "padding", "box_weight", "place_weight", "bert"})
_ENCODER |= {"segment_sum", "layer_norm", "word_places", "boxes", "initial_words", "initial_layers"}
_ENCODER |= {"evaluation_batches", "caption_mean"}  # DSCMR's texts have no padding that could be read


class Method(ABC):
    """A network and the loss it is trained with.

    ``selection`` says how dev picks the epoch: by the mean of both modalities' F1, or each modality's own.
    ``unread`` names the experiment fields that mean nothing to the method, so that nobody sets them in vain;
    ``fixed`` those that are its own and that no preset changes.
    """

    name: str
    title: str
    selection: Literal["mean", "each"] = "mean"
    betas: tuple[float, float] = (0.9, 0.999)
    unread: frozenset[str] = frozenset()
    fixed: frozenset[str] = frozenset()

    def settings(self, text_kind: str, scale: str) -> dict[str, Any]:
        """The experiment fields this method sets itself (weights of its terms, its own batch size)."""
        return {}

    @abstractmethod
    def network(self, experiment: Experiment, dataset: PairedDataset) -> nn.Module:
        """A fresh network, its weights drawn from torch's current random state."""

    def hide(self, batch: Batch, experiment: Experiment, generator: torch.Generator) -> Hidden:
        """The segments of a training batch to hide and to predict, [B, L] bool a modality; none by default."""
        return {}

    def read(self, network: nn.Module, batch: Batch, hidden: Hidden) -> Outputs:
        """What the network says of a training batch, one :class:`Output` a modality."""
        return network.read({"image": batch.image, "text": batch.text}, hidden)

    @abstractmethod
    def terms(self, outputs: Outputs, labels: Tensor, experiment: Experiment) -> dict[str, Tensor]:
        """The weighted loss terms, named; their sum is what is minimised."""


class Independent(Method):
    """One network a modality, each trained alone by label prediction.

    Both are trained in one loop: they share no weight, so the summed loss gives each its own gradient.
    """

    name, title = "independent", "Independent"
    selection = "each"
    unread = _CONTEXT | {"eta", "similarity"}
    shared, context = False, False

    def network(self, experiment: Experiment, dataset: PairedDataset) -> nn.Module:
        return SemanticNetwork(
            experiment,
            feature_size=dataset.feature_size,
            region_classes=dataset.region_classes,
            vectors=dataset.vectors,
            labels=len(dataset.label_names),
            shared=self.shared,
            context=self.context,
        )

    def terms(self, outputs: Outputs, labels: Tensor, experiment: Experiment) -> dict[str, Tensor]:
        kind = experiment.label_loss
        total = {}
        for modality in MODALITIES:
            output = outputs[modality]
            prediction = output.embedding if kind == "softplus_dot" else output.probabilities
            total[f"label_{modality}"] = losses.label_prediction(prediction, labels, kind)["label"] / 2
        return total


class Traditional(Independent):
    """One network a modality, trained jointly with the consistency loss at ``eta`` ("Eq. 2", Fig. 1)."""

    name, title = "traditional", "Traditional"
    selection = "mean"
    unread = _CONTEXT

    def settings(self, text_kind: str, scale: str) -> dict[str, Any]:
        return {"eta": 0.1}

    def terms(self, outputs: Outputs, labels: Tensor, experiment: Experiment) -> dict[str, Tensor]:
        total = super().terms(outputs, labels, experiment)
        if experiment.eta:
            image, text = outputs["image"].common, outputs["text"].common
            consistency = losses.consistency(image, text, labels, experiment.similarity)
            total |= {name: experiment.eta * term for name, term in consistency.items()}
        return total


class Ours(Traditional):
    """The shared encoder with label and context prediction: l_cls + lambda l_ctx ("Eq. 6").

    One masked pass feeds both losses, at lambda = 0 too.
    """

    name, title = "ours", "Ours"
    unread = frozenset()
    shared, context = True, True

    def settings(self, text_kind: str, scale: str) -> dict[str, Any]:
        return {"lam": chosen_lambda(text_kind)}

    def hide(self, batch: Batch, experiment: Experiment, generator: torch.Generator) -> Hidden:
        segments = {"image": batch.image, "text": batch.text}
        return {name: draw_hidden(one, experiment.mask_share, generator) for name, one in segments.items()}

    def terms(self, outputs: Outputs, labels: Tensor, experiment: Experiment) -> dict[str, Tensor]:
        image, text = outputs["image"], outputs["text"]
        context = losses.context_prediction(
            image.context, image.targets, text.context, text.targets, experiment.context_scores
        )
        weighted = {name: experiment.lam * term for name, term in context.items()}
        return super().terms(outputs, labels, experiment) | weighted


class OursWithConsistency(Ours):
    """Ours with the consistency loss added at eta = 0.1."""

    name, title = "ours+con", "Ours+Con"

    def settings(self, text_kind: str, scale: str) -> dict[str, Any]:
        return super().settings(text_kind, scale) | {"eta": 0.1}


class DSCMR(Method):
    """DSCMR (Zhen et al., CVPR 2019) with its own optimiser settings; data shuffled, selection on dev."""

    name, title = "dscmr", "DSCMR"
    betas = (0.5, 0.999)
    unread = _CONTEXT | _ENCODER | {"eta", "similarity", "label_loss", "text_clip"}
    # What is the authors' way with their own networks is not DSCMR's: its embeddings are compared by cosine everywhere.
    fixed = frozenset(
        {"batch", "learning_rate", "width", "feed_forward", "epochs", "ranking", "checkpoint", "epoch_pairs"}
    )

    def settings(self, text_kind: str, scale: str) -> dict[str, Any]:
        width = 64 if scale == "smoke" else 1024
        fixed = {"batch": 100, "learning_rate": 1e-4, "width": width, "feed_forward": 2 * width}
        # Its own small learning rate needs more steps than a scale's epochs give; they are cheap.
        return fixed | ({"epochs": 40} if scale == "laptop" else {})

    def network(self, experiment: Experiment, dataset: PairedDataset) -> nn.Module:
        return DSCMRNetwork(
            feature_size=dataset.feature_size,
            vectors=dataset.vectors,
            labels=len(dataset.label_names),
            hidden=experiment.feed_forward,
            width=experiment.width,
        )

    def terms(self, outputs: Outputs, labels: Tensor, experiment: Experiment) -> dict[str, Tensor]:
        image, text = outputs["image"], outputs["text"]
        terms = losses.dscmr(image.scores, text.scores, image.embedding, text.embedding, labels)
        weights = {"label": 1.0, "consistency": 1e-3, "pair": 1e-1}
        return {name: weights[name] * term for name, term in terms.items()}


METHODS: dict[str, Method] = {
    method.name: method for method in (Independent(), Traditional(), DSCMR(), OursWithConsistency(), Ours())
}


def chosen_lambda(text_kind: str) -> float:
    """The lambda that section 5 settles on: 0.01 for COCO's captions, 0.1 for tags."""
    return 0.01 if text_kind == "captions" else 0.1


def get(name: str) -> Method:
    """The method called ``name``; raises :class:`UserError` listing the known ones."""
    try:
        return METHODS[name]
    except KeyError:
        raise UserError(f"method: unknown {name!r}, expected one of {', '.join(METHODS)}") from None
