"""The losses: label prediction, context prediction, consistency, and DSCMR's three terms.

Pure functions of tensors. Each gives a dict of named scalar terms, unweighted; who calls them weighs them.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy, cross_entropy, normalize, softplus

from semshare import checks

LabelLoss = Literal["softplus_dot", "bce"]
Similarity = Literal["binary", "count"]
ContextScores = Literal["raw", "sigmoid"]


def widened(values: Tensor) -> Tensor:
    """``values`` in float32 at least: bfloat16 becomes float32, float64 stays."""
    return values.to(torch.promote_types(values.dtype, torch.float32))


def label_prediction(prediction: Tensor, labels: Tensor, kind: LabelLoss = "softplus_dot") -> dict[str, Tensor]:
    """One modality's label prediction loss; l_cls, as released, is the mean over both modalities.

    ``softplus_dot`` is the released form, mean_i log(1 + exp(-<yhat_i, y_i>)): it has no negative term, and
    absent labels are pushed down only by the unit norm of each token's scores. ``bce`` is the ordinary
    binary cross-entropy, averaged over items and classes.

    Args:
        prediction: [B, C]; the class-space embedding for ``softplus_dot``, the mean of the plain sigmoids
            for ``bce``.
        labels: [B, C] 0/1.
        kind: which form.

    Returns:
        ``{"label": scalar}``.

    Raises:
        ValueError: shapes that differ, an empty batch, labels other than 0 and 1, predictions outside [0, 1] under
            ``bce``, or an unknown ``kind``.

    >>> label_prediction(torch.tensor([[1.0, 0.0]]), torch.tensor([[1, 0]]))
    {'label': tensor(0.3133)}
    """
    _check_labels(labels)
    if prediction.shape != labels.shape:
        raise ValueError(f"prediction: found shape {tuple(prediction.shape)}, expected {tuple(labels.shape)} as labels")
    prediction = widened(prediction)
    labels = labels.to(prediction.dtype)
    if kind == "softplus_dot":
        return {"label": softplus(-(prediction * labels).sum(1)).mean()}
    if kind == "bce":
        if not ((prediction >= 0) & (prediction <= 1)).all():  # NaN neither
            raise ValueError("prediction: found values outside [0, 1], expected probabilities for kind 'bce'")
        return {"label": binary_cross_entropy(prediction, labels)}
    raise ValueError(f"kind: found {kind!r}, expected 'softplus_dot' or 'bce'")


def consistency(image: Tensor, text: Tensor, labels: Tensor, similarity: Similarity = "binary") -> dict[str, Tensor]:
    """The consistency loss l_con ("Eq. 2"; DSCMR's second term): a likelihood of "these two share a label".

    With Theta = cos / 2 of each two of the B items, a term is the mean over all B x B pairs of
    log(1 + e^Theta) - S Theta; one between the modalities and one within each.

    Args:
        image: [B, d].
        text: [B, d], row i belonging to image row i.
        labels: [B, C] 0/1 of the pairs.
        similarity: S is 1 where two items share a label (``binary``), or how many they share (``count``).

    Returns:
        ``{"inter": scalar, "intra_image": scalar, "intra_text": scalar}``; l_con is their sum.

    Raises:
        ValueError: shapes that do not fit, an empty batch, labels other than 0 and 1, or an unknown ``similarity``.
    """
    _check_labels(labels)
    checks.matrix("image", image)
    if image.shape != text.shape or len(image) != len(labels):
        raise ValueError(
            f"text: found shape {tuple(text.shape)} with {len(labels)} label rows, expected "
            f"{tuple(image.shape)} with {len(image)}"
        )
    shared = labels.float() @ labels.float().T
    if similarity == "binary":
        shared = (shared > 0).float()
    elif similarity != "count":
        raise ValueError(f"similarity: found {similarity!r}, expected 'binary' or 'count'")
    image, text = normalize(widened(image), dim=1), normalize(widened(text), dim=1)

    def term(left: Tensor, right: Tensor) -> Tensor:
        theta = left @ right.T / 2
        return (softplus(theta) - shared * theta).mean()

    return {"inter": term(image, text), "intra_image": term(image, image), "intra_text": term(text, text)}


def context_prediction(
    image_logits: Tensor,
    image_targets: Tensor,
    text_logits: Tensor,
    text_targets: Tensor,
    scores: ContextScores = "raw",
) -> dict[str, Tensor]:
    """Context prediction l_ctx ("Eq. 6"): cross-entropy of the hidden regions' classes and hidden words.

    Args:
        image_logits: [M, K] for the M hidden regions of the batch.
        image_targets: [M] integer, the detector's class of each.
        text_logits: [W, V] for the W hidden words.
        text_targets: [W] integer, the id of each.
        scores: the cross-entropy reads the ``raw`` logits, or their ``sigmoid`` as the released code has it: then
            no loss goes below log(1 + (K - 1) / e).

    Returns:
        ``{"context_image": scalar, "context_text": scalar}``; a modality with nothing hidden gives 0.

    Raises:
        ValueError: targets that are not as many as their logits or no class of theirs, or an unknown ``scores``.
    """
    if scores not in ("raw", "sigmoid"):
        raise ValueError(f"scores: found {scores!r}, expected 'raw' or 'sigmoid'")

    _check_targets("image", image_logits, image_targets)
    _check_targets("text", text_logits, text_targets)

    def term(logits: Tensor, targets: Tensor) -> Tensor:
        read = widened(logits) if scores == "raw" else torch.sigmoid(widened(logits))
        return cross_entropy(read, targets) if len(targets) else read.sum()

    return {
        "context_image": term(image_logits, image_targets),
        "context_text": term(text_logits, text_targets),
    }


def dscmr(
    image_prediction: Tensor, text_prediction: Tensor, image: Tensor, text: Tensor, labels: Tensor
) -> dict[str, Tensor]:
    """DSCMR's terms (Zhen et al., CVPR 2019, section 3): label space, common space, paired distance.

    The paper prints Frobenius norms of whole batches divided by n; its public code takes the mean of the
    rows' norms, which does not shrink with the batch. The latter stands here.

    Args:
        image_prediction: [B, C] P^T u of the images.
        text_prediction: [B, C] likewise of the texts.
        image: [B, d] embeddings u.
        text: [B, d].
        labels: [B, C] 0/1.

    Returns:
        ``{"label": scalar, "consistency": scalar, "pair": scalar}``; the total weighs them 1, 1e-3, 1e-1.

    Raises:
        ValueError: shapes that do not fit, an empty batch, or labels other than 0 and 1.
    """
    _check_labels(labels)
    checks.matrix("image_prediction", image_prediction, *labels.shape)
    checks.matrix("text_prediction", text_prediction, *labels.shape)
    labels = labels.float()

    def distance(left: Tensor, right: Tensor) -> Tensor:
        return torch.linalg.vector_norm(widened(left) - widened(right), dim=1).mean()

    return {
        "label": distance(image_prediction, labels) + distance(text_prediction, labels),
        "consistency": torch.stack(list(consistency(image, text, labels, "count").values())).sum(),
        "pair": distance(image, text),
    }


def _check_labels(labels: Tensor) -> None:
    checks.matrix("labels", labels)
    checks.not_empty("labels", labels)
    checks.zeros_and_ones("labels", labels)


def _check_targets(side: str, logits: Tensor, targets: Tensor) -> None:
    """Refuse what cross-entropy would read otherwise, skip (-100), or end a GPU's process for."""
    checks.matrix(f"{side}_logits", logits)
    if targets.shape != logits.shape[:1] or targets.is_floating_point():
        found = f"{targets.dtype} of shape {tuple(targets.shape)}"
        raise ValueError(f"{side}_targets: found {found}, expected {len(logits)} integers")
    if len(targets) and ((targets < 0) | (targets >= logits.shape[1])).any():
        raise ValueError(
            f"{side}_targets: found {int(targets.min())} to {int(targets.max())}, expected classes from 0 to "
            f"{logits.shape[1] - 1}"
        )
