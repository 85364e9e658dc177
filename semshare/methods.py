"""The methods compared, one row each: which network, which loss terms, which settings."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor, nn

from semshare import linear, losses
from semshare.data.segments import draw_hidden
from semshare.errors import UserError
from semshare.model import MODALITIES, DSCMRNetwork, Modality, Output, SemanticNetwork
from semshare.utils.plugins import use_entry_points

if TYPE_CHECKING:
    from collections.abc import Callable

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
_TRAINING = frozenset(
    {"epochs", "least_steps", "most_steps", "schedule", "epoch_pairs", "batch", "learning_rate"}
    | {"text_clip", "checkpoint", "keep"}
)


def _no_settings(text_kind: str, scale: str) -> dict[str, Any]:
    """No field of the experiment is the method's own."""
    return {}


def _nothing_hidden(batch: Batch, experiment: Experiment, generator: torch.Generator) -> Hidden:
    """No segment of a training batch is hidden."""
    return {}


@dataclass(frozen=True)
class Method:
    """A network and the loss it is trained with: a row of the table ``METHODS``.

    Attributes:
        name: what the command line calls it.
        title: what the paper prints.
        about: a sentence for readers of its cards.
        network: (experiment, dataset) -> a fresh network, its weights drawn from torch's current random state.
        terms: (outputs, labels [B, C], experiment) -> the weighted loss terms by name; their sum is minimised.
        settings: (kind of text, scale) -> the experiment's fields that the method sets itself.
        hide: (batch, experiment, generator) -> the segments to hide and to predict, [B, L] bool a modality.
        selection: dev picks the epoch by the mean of both modalities' F1, or for each modality by its own.
        betas: Adam's.
        unread: the experiment's fields that mean nothing to the method, so that nobody sets them in vain.
        fixed: the fields that are its own and that no preset changes.
        fit: (experiment, dataset) -> a trained network, of a method that is not trained by gradient steps; such a run
            has an empty history.
    """

    name: str
    title: str
    about: str
    network: Callable[[Experiment, PairedDataset], nn.Module]
    terms: Callable[[Outputs, Tensor, Experiment], dict[str, Tensor]]
    settings: Callable[[str, str], dict[str, Any]] = _no_settings
    hide: Callable[[Batch, Experiment, torch.Generator], Hidden] = _nothing_hidden
    selection: Literal["mean", "each"] = "mean"
    betas: tuple[float, float] = (0.9, 0.999)
    unread: frozenset[str] = frozenset()
    fixed: frozenset[str] = frozenset()
    fit: Callable[[Experiment, PairedDataset], nn.Module] | None = None

    def read(self, network: nn.Module, batch: Batch, hidden: Hidden) -> Outputs:
        """What the network says of a training batch, one :class:`Output` a modality."""
        return network.read({"image": batch.image, "text": batch.text}, hidden)


def two_networks(experiment: Experiment, dataset: PairedDataset) -> nn.Module:
    """One network a modality; they share no weight."""
    return _semantic_network(experiment, dataset, shared=False, context=False)


def shared_network(experiment: Experiment, dataset: PairedDataset) -> nn.Module:
    """One encoder and one classifier for both modalities, with context prediction."""
    return _semantic_network(experiment, dataset, shared=True, context=True)


def _semantic_network(experiment: Experiment, dataset: PairedDataset, shared: bool, context: bool) -> nn.Module:
    return SemanticNetwork(
        experiment,
        feature_size=dataset.feature_size,
        region_classes=dataset.region_classes,
        vectors=dataset.vectors,
        labels=len(dataset.label_names),
        shared=shared,
        context=context,
    )


def dscmr_network(experiment: Experiment, dataset: PairedDataset) -> nn.Module:
    """DSCMR's two layers for each modality and the layers they share."""
    return DSCMRNetwork(
        feature_size=dataset.feature_size,
        vectors=dataset.vectors,
        labels=len(dataset.label_names),
        hidden=experiment.feed_forward,
        width=experiment.width,
    )


def label_terms(outputs: Outputs, labels: Tensor, experiment: Experiment) -> dict[str, Tensor]:
    """Label prediction, l_cls. Networks that share no weight each get their own gradient from the sum."""
    kind = experiment.label_loss
    total = {}
    for modality in MODALITIES:
        output = outputs[modality]
        prediction = output.embedding if kind == "softplus_dot" else output.probabilities
        total[f"label_{modality}"] = losses.label_prediction(prediction, labels, kind)["label"] / 2
    return total


def consistency_terms(outputs: Outputs, labels: Tensor, experiment: Experiment) -> dict[str, Tensor]:
    """Label prediction and, at a weight ``eta`` other than 0, consistency ("Eq. 2")."""
    total = label_terms(outputs, labels, experiment)
    if experiment.eta:
        image, text = outputs["image"].common, outputs["text"].common
        consistency = losses.consistency(image, text, labels, experiment.similarity)
        total |= {name: experiment.eta * term for name, term in consistency.items()}
    return total


def context_terms(outputs: Outputs, labels: Tensor, experiment: Experiment) -> dict[str, Tensor]:
    """The terms before and context prediction at weight ``lam`` ("Eq. 6")."""
    image, text = outputs["image"], outputs["text"]
    context = losses.context_prediction(
        image.context, image.targets, text.context, text.targets, experiment.context_scores
    )
    weighted = {name: experiment.lam * term for name, term in context.items()}
    return consistency_terms(outputs, labels, experiment) | weighted


def dscmr_terms(outputs: Outputs, labels: Tensor, experiment: Experiment) -> dict[str, Tensor]:
    """DSCMR's label error, consistency and paired distance at its own weights."""
    image, text = outputs["image"], outputs["text"]
    terms = losses.dscmr(image.scores, text.scores, image.embedding, text.embedding, labels)
    weights = {"label": 1.0, "consistency": 1e-3, "pair": 1e-1}
    return {name: weights[name] * term for name, term in terms.items()}


def no_terms(outputs: Outputs, labels: Tensor, experiment: Experiment) -> dict[str, Tensor]:
    """No loss term: the method has a ``fit`` of its own."""
    return {}


def hide_some(batch: Batch, experiment: Experiment, generator: torch.Generator) -> Hidden:
    """A share of each modality's segments, drawn anew for every batch."""
    segments = {"image": batch.image, "text": batch.text}
    return {name: draw_hidden(bag, experiment.mask_share, generator) for name, bag in segments.items()}


def chosen_lambda(text_kind: str) -> float:
    """The lambda that section 5 settles on: 0.01 for COCO's captions, 0.1 for tags."""
    return 0.01 if text_kind == "captions" else 0.1


def _with_consistency(text_kind: str, scale: str) -> dict[str, Any]:
    return {"eta": 0.1}


def _with_context(text_kind: str, scale: str) -> dict[str, Any]:
    return {"lam": chosen_lambda(text_kind)}


def _with_both(text_kind: str, scale: str) -> dict[str, Any]:
    return _with_context(text_kind, scale) | _with_consistency(text_kind, scale)


def _dscmr_settings(text_kind: str, scale: str) -> dict[str, Any]:
    width = 64 if scale == "smoke" else 1024
    own = {"batch": 100, "learning_rate": 1e-4, "width": width, "feed_forward": 2 * width}
    # At the laptop's scale its peak was sought as the others' was (benchmarks/schedule.py); its steps are cheap.
    return own | ({"learning_rate": 8e-4, "least_steps": 600} if scale == "laptop" else {})


def _linear_settings(text_kind: str, scale: str) -> dict[str, Any]:
    return {"label_loss": "bce", "precision": "float32"}


_LINEAR = Method(
    "linear",
    "Linear",
    "A logistic regression a label on the mean and maximum of an image's regions, and one on a text's bag of words; "
    "retrieval by the cosine of the label probabilities. Regularisation chosen on dev.",
    linear.network,
    no_terms,
    _linear_settings,
    unread=_CONTEXT
    | _ENCODER
    | _TRAINING
    | {"eta", "similarity", "label_loss", "width", "feed_forward", "precision", "seed", "pairing"},
    fixed=frozenset({"ranking"}),
    fit=linear.fit,
)
_INDEPENDENT = Method(
    "independent",
    "Independent",
    "One network a modality, each trained alone by label prediction.",
    two_networks,
    label_terms,
    selection="each",
    unread=_CONTEXT | {"eta", "similarity"},
)
_TRADITIONAL = Method(
    "traditional",
    "Traditional",
    'One network a modality, trained jointly with the consistency loss at ``eta`` ("Eq. 2", Fig. 1).',
    two_networks,
    consistency_terms,
    _with_consistency,
    unread=_CONTEXT,
)
_DSCMR = Method(
    "dscmr",
    "DSCMR",
    "DSCMR (Zhen et al., CVPR 2019) with its own optimiser settings; data shuffled, selection on dev.",
    dscmr_network,
    dscmr_terms,
    _dscmr_settings,
    betas=(0.5, 0.999),
    unread=_CONTEXT | _ENCODER | {"eta", "similarity", "label_loss", "text_clip"},
    # What is the authors' way with their own networks is not DSCMR's: its embeddings are compared by cosine everywhere.
    fixed=frozenset(
        {"batch", "learning_rate", "width", "feed_forward", "epochs", "ranking", "checkpoint", "epoch_pairs"}
    ),
)
_OURS_WITH_CONSISTENCY = Method(
    "ours+con",
    "Ours+Con",
    "Ours with the consistency loss added at eta = 0.1.",
    shared_network,
    context_terms,
    _with_both,
    hide_some,
)
_OURS = Method(
    "ours",
    "Ours",
    'The shared encoder with label and context prediction: l_cls + lambda l_ctx ("Eq. 6"). One masked pass feeds both '
    "losses, at lambda = 0 too.",
    shared_network,
    context_terms,
    _with_context,
    hide_some,
)

METHODS: dict[str, Method] = {
    row.name: row for row in (_LINEAR, _INDEPENDENT, _TRADITIONAL, _DSCMR, _OURS_WITH_CONSISTENCY, _OURS)
}
ENTRY_POINTS = "semshare.methods"  # the group in which another package names its methods
_registered: dict[str, str] = {}  # methods from outside, by name the module that registers them


def register(method: Method) -> Method:
    """Add a method from outside; the command line, the run store and worker processes then know it.

    A worker process imports the module that calls this, so call it when that module is imported. Code in a notebook
    cannot be imported: its runs are trained in the notebook's own process, one after another. A cell that is edited
    and run again registers its method anew.

    Raises:
        UserError: another method has that name.
    """
    module = sys._getframe(1).f_globals["__name__"]
    again = module == "__main__" and is_of_main(method.name)
    if method.name in METHODS and METHODS[method.name] != method and not again:
        raise UserError(f"method: {method.name!r} is there already; give yours another name")
    METHODS[method.name] = method
    _registered[method.name] = module
    return method


def modules_to_import() -> list[str]:
    """The modules that a worker process must import to know the methods registered here."""
    return sorted(set(_registered.values()) - {"__main__"})


def is_of_main(name: str) -> bool:
    """Whether the method called ``name`` was registered by code that no other process can import: a notebook's."""
    return _registered.get(name) == "__main__"


def get(name: str) -> Method:
    """The method called ``name``; raises :class:`UserError` listing the known ones."""
    if name not in METHODS:
        _load_entry_points()
    try:
        return METHODS[name]
    except KeyError:
        raise UserError(f"method: unknown {name!r}, expected one of {', '.join(METHODS)}") from None


@cache
def _load_entry_points() -> None:
    def add(method: object) -> None:
        if not isinstance(method, Method):
            raise TypeError(f"found {method!r}, expected a Method")
        METHODS.setdefault(method.name, method)

    use_entry_points(ENTRY_POINTS, "method", add)
