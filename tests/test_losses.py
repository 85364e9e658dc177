"""Losses on points placed by hand, and against slow double loops."""

from __future__ import annotations

import doctest
import math
from typing import TYPE_CHECKING

import pytest
import torch
from torch import Tensor

from semshare import losses
from semshare.losses import consistency, context_prediction, dscmr, label_prediction

if TYPE_CHECKING:
    from collections.abc import Callable


def _random_batch(seed: int, size: int = 7, width: int = 5, labels: int = 4) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    image = torch.randn(size, width, generator=generator)
    text = torch.randn(size, width, generator=generator)
    return image, text, (torch.rand(size, labels, generator=generator) < 0.5).float()


def _cosine(a: list[float], b: list[float]) -> float:
    dot = sum(x * y for x, y in zip(a, b, strict=True))
    return dot / math.sqrt(sum(x * x for x in a)) / math.sqrt(sum(y * y for y in b))


def _slow_consistency_term(left: Tensor, right: Tensor, labels: Tensor, similarity: str) -> float:
    total, size = 0.0, len(left)
    for i in range(size):
        for j in range(size):
            theta = _cosine(left[i].tolist(), right[j].tolist()) / 2
            shared = sum(a * b for a, b in zip(labels[i].tolist(), labels[j].tolist(), strict=True))
            if similarity == "binary":
                shared = 1.0 if shared else 0.0
            total += math.log(1 + math.exp(theta)) - shared * theta
    return total / size**2


def test_label_prediction_softplus_dot_by_hand() -> None:
    # Inner products 0.6 + 0.8 = 1.4 and 0: log(1 + e^-1.4) = 0.220417, log 2 = 0.693147; mean 0.456782.
    prediction = torch.tensor([[0.6, 0.8, 0.0], [1.0, 0.0, 0.0]])
    labels = torch.tensor([[1, 1, 0], [0, 0, 1]])
    assert label_prediction(prediction, labels)["label"].item() == pytest.approx(0.456782, abs=1e-6)


def test_label_prediction_softplus_dot_has_no_negative_term() -> None:
    # A high score on an absent label costs nothing in this form.
    labels = torch.tensor([[1, 0]])
    low, high = torch.tensor([[0.5, 0.0]]), torch.tensor([[0.5, 0.9]])
    assert label_prediction(low, labels)["label"] == label_prediction(high, labels)["label"]


def test_label_prediction_bce_by_hand() -> None:
    # -(ln 0.8 + ln 0.9 + ln 0.5 + ln 0.75) / 4 = (0.223144 + 0.105361 + 0.693147 + 0.287682) / 4 = 0.327333.
    prediction = torch.tensor([[0.8, 0.1], [0.5, 0.75]])
    labels = torch.tensor([[1, 0], [0, 1]])
    assert label_prediction(prediction, labels, "bce")["label"].item() == pytest.approx(0.327333, abs=1e-6)


@pytest.mark.parametrize("seed", range(3))
def test_label_prediction_equals_a_loop(seed: int) -> None:
    prediction, _, labels = _random_batch(seed, width=4)
    rows = zip(prediction.tolist(), labels.tolist(), strict=True)
    slow = [math.log(1 + math.exp(-sum(p * y for p, y in zip(*row, strict=True)))) for row in rows]
    assert label_prediction(prediction, labels)["label"].item() == pytest.approx(sum(slow) / len(slow), abs=1e-6)


def test_label_prediction_refuses_other_shapes_and_kinds() -> None:
    with pytest.raises(ValueError, match=r"prediction: found shape \(2, 3\), expected \(2, 4\)"):
        label_prediction(torch.zeros(2, 3), torch.zeros(2, 4))
    with pytest.raises(ValueError, match="kind: found 'hinge', expected 'softplus_dot' or 'bce'"):
        label_prediction(torch.zeros(2, 3), torch.zeros(2, 3), "hinge")  # type: ignore[arg-type]


def test_consistency_by_hand() -> None:
    # Cosines are 1 on the diagonal and 0 off it, so Theta is 0.5 and 0: log(1 + e^0.5) = 0.974077 and log 2.
    # No label shared off the diagonal (where Theta is 0 anyway):
    #   (2 (0.974077 - 0.5) + 2 * 0.693147) / 4 = 0.583612 in each of the three terms.
    image, text = torch.tensor([[1.0, 0.0], [0.0, 1.0]]), torch.tensor([[2.0, 0.0], [0.0, 3.0]])
    for term in consistency(image, text, torch.eye(2)).values():
        assert term.item() == pytest.approx(0.583612, abs=1e-6)


def test_consistency_binary_and_count_by_hand() -> None:
    # Item 0 has both labels: counting, S_00 = 2 and its entry is 0.974077 - 1, so
    #   (-0.025923 + 0.474077 + 2 * 0.693147) / 4 = 0.458612; binary stays at 0.583612.
    points, labels = torch.eye(2), torch.tensor([[1, 1], [0, 1]])
    assert consistency(points, points, labels, "count")["inter"].item() == pytest.approx(0.458612, abs=1e-6)
    assert consistency(points, points, labels, "binary")["inter"].item() == pytest.approx(0.583612, abs=1e-6)


@pytest.mark.parametrize("similarity", ["binary", "count"])
@pytest.mark.parametrize("seed", range(3))
def test_consistency_equals_a_double_loop(seed: int, similarity: losses.Similarity) -> None:
    image, text, labels = _random_batch(seed)
    found = consistency(image, text, labels, similarity)
    pairs = {"inter": (image, text), "intra_image": (image, image), "intra_text": (text, text)}
    assert list(found) == list(pairs)
    for name, (left, right) in pairs.items():
        slow = _slow_consistency_term(left, right, labels, similarity)
        assert found[name].item() == pytest.approx(slow, abs=1e-6), name


def test_consistency_does_not_depend_on_length() -> None:
    image, text, labels = _random_batch(0)
    short, long = consistency(image, text, labels), consistency(image * 7, text * 0.3, labels)
    assert all(torch.isclose(short[name], long[name]) for name in short)


@pytest.mark.parametrize(
    ("image", "text", "labels"),
    [((2, 3), (2, 4), (2, 5)), ((2, 3), (3, 3), (2, 5)), ((2, 3), (2, 3), (3, 5))],
)
def test_consistency_refuses_other_shapes(image: tuple, text: tuple, labels: tuple) -> None:
    with pytest.raises(ValueError, match="text: found shape"):
        consistency(torch.ones(image), torch.ones(text), torch.ones(labels))


def test_consistency_refuses_an_unknown_similarity() -> None:
    with pytest.raises(ValueError, match="similarity: found 'cosine', expected 'binary' or 'count'"):
        consistency(*_random_batch(0), "cosine")  # type: ignore[arg-type]


def test_context_prediction_by_hand() -> None:
    # Regions: logits (0, 0), two classes: ln 2. Words: softmax of (ln 3, 0) is (0.75, 0.25);
    # targets 0 and 1 give (-ln 0.75 - ln 0.25) / 2 = (0.287682 + 1.386294) / 2 = 0.836988.
    words = torch.tensor([[math.log(3), 0.0], [math.log(3), 0.0]])
    found = context_prediction(torch.zeros(1, 2), torch.tensor([1]), words, torch.tensor([0, 1]))
    assert found["context_image"].item() == pytest.approx(0.693147, abs=1e-6)
    assert found["context_text"].item() == pytest.approx(0.836988, abs=1e-6)


@pytest.mark.parametrize("scores", ["raw", "sigmoid"])
def test_context_prediction_with_nothing_hidden_is_zero_and_can_go_backward(scores: losses.ContextScores) -> None:
    empty = torch.zeros(0, 5, requires_grad=True)
    none = torch.zeros(0, dtype=torch.long)
    found = context_prediction(empty, none, torch.zeros(1, 2), torch.tensor([0]), scores)
    assert found["context_image"].item() == 0
    assert found["context_text"].item() == pytest.approx(math.log(2))
    found["context_image"].backward()
    assert empty.grad is not None


def test_context_prediction_over_sigmoids_by_hand() -> None:
    # Sigmoids of (ln 3, 0) are (0.75, 0.5): -log softmax is log(1 + e^-0.25) = 0.575939 for the first, 0.25 more for
    # the second, mean 0.700939. Regions: 0.5 for both classes, ln 2.
    words = torch.tensor([[math.log(3), 0.0], [math.log(3), 0.0]])
    found = context_prediction(torch.zeros(1, 2), torch.tensor([1]), words, torch.tensor([0, 1]), "sigmoid")
    assert found["context_image"].item() == pytest.approx(0.693147, abs=1e-6)
    assert found["context_text"].item() == pytest.approx(0.700939, abs=1e-6)


@pytest.mark.parametrize("classes", [2, 1000])
def test_context_prediction_over_sigmoids_is_bounded_however_sure_the_network(classes: int) -> None:
    sure = torch.full((1, classes), -100.0)
    sure[0, 0] = 100.0
    both = {
        kind: context_prediction(sure, torch.tensor([0]), sure, torch.tensor([0]), kind) for kind in ("raw", "sigmoid")
    }
    assert both["raw"]["context_text"].item() == pytest.approx(0, abs=1e-6)
    assert both["sigmoid"]["context_text"].item() == pytest.approx(math.log(1 + (classes - 1) / math.e), rel=1e-6)


def test_context_prediction_refuses_unknown_scores() -> None:
    none = torch.zeros(0, dtype=torch.long)
    with pytest.raises(ValueError, match="scores: found 'logits', expected 'raw' or 'sigmoid'"):
        context_prediction(torch.zeros(0, 2), none, torch.zeros(0, 2), none, "logits")  # type: ignore[arg-type]


def test_dscmr_by_hand() -> None:
    # Labels: |(1,0) - (1,0)| = 0 and |(3,4) - (0,0)| = 5, mean 2.5, for the images; 0 for the texts.
    # Pairs: |(1,0) - (4,4)| = 5 and 0, mean 2.5.
    labels = torch.tensor([[1, 0], [0, 0]])
    image_prediction = torch.tensor([[1.0, 0.0], [3.0, 4.0]])
    image, text = torch.tensor([[1.0, 0.0], [0.0, 1.0]]), torch.tensor([[4.0, 4.0], [0.0, 1.0]])
    found = dscmr(image_prediction, labels.float(), image, text, labels)
    assert found["label"].item() == pytest.approx(2.5)
    assert found["pair"].item() == pytest.approx(2.5)


@pytest.mark.parametrize("seed", range(3))
def test_dscmr_equals_a_loop(seed: int) -> None:
    image, text, labels = _random_batch(seed)
    first, second, _ = _random_batch(seed + 100, width=4)
    found = dscmr(first, second, image, text, labels)
    rows = range(len(labels))
    label = sum(math.dist(first[i].tolist(), labels[i].tolist()) for i in rows) / len(rows)
    label += sum(math.dist(second[i].tolist(), labels[i].tolist()) for i in rows) / len(rows)
    pair = sum(math.dist(image[i].tolist(), text[i].tolist()) for i in rows) / len(rows)
    sides = ((image, text), (image, image), (text, text))
    slow = sum(_slow_consistency_term(left, right, labels, "count") for left, right in sides)
    assert found["label"].item() == pytest.approx(label, abs=1e-5)
    assert found["pair"].item() == pytest.approx(pair, abs=1e-5)
    assert found["consistency"].item() == pytest.approx(slow, abs=1e-5)


@pytest.mark.parametrize("where", ["random", "image equals text", "zero vectors"])
def test_gradients_are_finite(where: str) -> None:
    # A norm has no gradient at 0 and a cosine none at the zero vector: neither may give NaN.
    image, text, labels = _random_batch(0)
    if where == "image equals text":
        text = image.clone()
    elif where == "zero vectors":
        image, text = torch.zeros_like(image), torch.zeros_like(text)
    image, text = image.requires_grad_(), text.requires_grad_()
    predictions = image[:, :4], text[:, :4]
    terms = [
        *label_prediction(image[:, :4], labels).values(),
        *label_prediction(text[:, :4].sigmoid(), labels, "bce").values(),
        *consistency(image, text, labels).values(),
        *dscmr(*predictions, image, text, labels).values(),
    ]
    torch.stack(terms).sum().backward()
    for leaf in (image, text):
        assert leaf.grad is not None and torch.isfinite(leaf.grad).all()
    assert image.grad.abs().sum() > 0


def test_bce_stays_finite_at_wrong_certainty() -> None:
    found = label_prediction(torch.tensor([[0.0, 1.0]]), torch.tensor([[1.0, 0.0]]), "bce")["label"]
    assert math.isfinite(found.item()) and found.item() > 10


def test_doctests_of_losses() -> None:
    result = doctest.testmod(losses)
    assert result.attempted > 0 and result.failed == 0


def test_dscmrs_distances_have_a_gradient_at_an_exact_hit() -> None:
    """Why ``released`` does not take the norm of the whole batch: that of zeros has none."""
    hit = torch.tensor([[1.0, 0.0]], requires_grad=True)
    terms = losses.dscmr(hit, hit, hit, hit.detach(), torch.tensor([[1.0, 0.0]]))
    (terms["label"] + terms["pair"]).backward()
    assert terms["label"] == terms["pair"] == 0 and hit.grad.isfinite().all()
    wide = torch.tensor([[1.0, 0.0]], requires_grad=True)
    (((wide - torch.tensor([[1.0, 0.0]])) ** 2).sum() ** 0.5).backward()
    assert wide.grad.isnan().any()


@pytest.mark.parametrize(
    ("given", "expected"), [("bfloat16", "float32"), ("float32", "float32"), ("float64", "float64")]
)
def test_losses_are_computed_in_float32_at_least(given: str, expected: str) -> None:
    values = torch.rand(3, 2).to(getattr(torch, given))
    labels = torch.tensor([[1, 0], [0, 1], [1, 1]])
    assert losses.widened(values).dtype == getattr(torch, expected)
    for terms in (losses.label_prediction(values, labels), losses.consistency(values, values, labels)):
        assert {term.dtype for term in terms.values()} == {getattr(torch, expected)}


def _every_loss(labels: Tensor) -> list[Callable[[], object]]:
    """Every loss of a batch with ``labels`` [B, C], right in all else."""
    size = tuple(labels.shape)
    scores, embeddings = torch.full(size, 0.5), torch.ones(size[0], 4)
    return [
        lambda: losses.label_prediction(scores, labels),
        lambda: losses.label_prediction(scores, labels, "bce"),
        lambda: losses.consistency(embeddings, embeddings, labels),
        lambda: losses.dscmr(scores, scores, embeddings, embeddings, labels),
    ]


@pytest.mark.parametrize("wrong", [2.0, -1.0, 0.5, float("nan"), float("inf")])
def test_labels_other_than_0_and_1_are_refused(wrong: float) -> None:
    for work in _every_loss(torch.tensor([[1.0, wrong], [0.0, 1.0]])):
        with pytest.raises(ValueError, match="labels: found other values than 0 and 1"):
            work()
    for work in _every_loss(torch.tensor([[1, 0], [0, 1]])):
        work()


@pytest.mark.parametrize("size", [(0, 3), (3, 0)])
def test_an_empty_batch_is_refused(size: tuple[int, int]) -> None:
    for work in _every_loss(torch.zeros(size)):
        with pytest.raises(ValueError, match=r"labels: found shape .*, nothing in it"):
            work()


def test_bce_refuses_what_is_no_probability() -> None:
    for wrong in (-0.1, 1.1, float("nan"), float("inf")):
        with pytest.raises(ValueError, match=r"prediction: found values outside \[0, 1\]"):
            losses.label_prediction(torch.tensor([[0.5, wrong]]), torch.tensor([[1, 0]]), "bce")


@pytest.mark.parametrize("side", ["image", "text"])
def test_context_prediction_refuses_targets_that_are_no_class(side: str) -> None:
    def loss(logits: Tensor, targets: Tensor) -> object:
        right = torch.zeros(2, 3), torch.tensor([0, 2])
        image, text = ((logits, targets), right) if side == "image" else (right, (logits, targets))
        return losses.context_prediction(*image, *text)

    for wrong in (-100, -1, 3):  # -100 is what cross-entropy leaves out without a word
        with pytest.raises(ValueError, match=rf"{side}_targets: found .*, expected classes from 0 to 2"):
            loss(torch.zeros(2, 3), torch.tensor([0, wrong]))
    for targets in (torch.tensor([0]), torch.tensor([[0], [1]]), torch.tensor([0.0, 1.0])):
        with pytest.raises(ValueError, match=rf"{side}_targets: found .*, expected 2 integers"):
            loss(torch.zeros(2, 3), targets)
    with pytest.raises(ValueError, match=f"{side}_logits: found shape"):
        loss(torch.zeros(3), torch.tensor([0]))


def test_dscmr_refuses_predictions_of_another_shape() -> None:
    labels, embeddings = torch.tensor([[1, 0], [0, 1]]), torch.ones(2, 4)
    right, wrong = torch.zeros(2, 2), torch.zeros(1, 2)  # one row would stand for all
    with pytest.raises(ValueError, match="image_prediction: found shape"):
        losses.dscmr(wrong, right, embeddings, embeddings, labels)
    with pytest.raises(ValueError, match="text_prediction: found shape"):
        losses.dscmr(right, wrong, embeddings, embeddings, labels)
