"""Linear: its logistic regressions beside scikit-learn's, what it reads by hand, and the choice made on dev."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from torch import Tensor

from semshare import linear, methods
from semshare.data.dataset import build_parts, pad_words
from semshare.data.segments import Segments
from semshare.data.source import Item
from semshare.data.words import SPECIAL, Vocabulary

FIRST = len(SPECIAL)  # the first word that is none of the special ones


def _drawn(items: int = 300, size: int = 12, labels: int = 4) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(items, size, generator=generator) * torch.linspace(0.2, 5, size) + 3
    truth = (features - 3) @ torch.randn(size, labels, generator=generator)
    noise = 4 * torch.randn(items, labels, generator=generator)
    return features, (truth + noise > 1).float()


@pytest.mark.parametrize("strength", [0.001, 0.1, 10.0])
@pytest.mark.parametrize("sparse", [False, True])
def test_the_weights_are_those_of_scikit_learn(strength: float, sparse: bool) -> None:
    features, labels = _drawn()
    features = (features > 3).float() if sparse else (features - features.mean(0)) / features.std(0)
    start = torch.zeros(features.shape[1], labels.shape[1]), torch.zeros(labels.shape[1])
    weight, bias = linear.logistic(features.to_sparse() if sparse else features, labels, strength, *start)
    for label in range(labels.shape[1]):
        other = LogisticRegression(C=strength, tol=1e-8, max_iter=10_000)
        other.fit(features.double().numpy(), labels[:, label].numpy())
        np.testing.assert_allclose(weight[:, label], other.coef_[0], atol=2e-3)
        assert float(bias[label]) == pytest.approx(other.intercept_[0], abs=2e-3)


def test_the_strength_is_the_one_that_is_best_on_dev_and_the_scaling_is_undone() -> None:
    features, labels = _drawn()
    train, dev = (features[:200], labels[:200]), (features[200:], labels[200:])
    weight, bias = linear.chosen(*train, *dev)
    centre, spread = train[0].mean(0).numpy(), train[0].std(0, correction=0).numpy()
    scaled = [(side.numpy() - centre) / spread for side in (train[0], dev[0])]
    f1, scores = [], []
    for strength in linear.GRID:
        fits = [LogisticRegression(C=strength, tol=1e-8, max_iter=10_000).fit(scaled[0], y) for y in train[1].T.numpy()]
        scores.append(torch.from_numpy(np.stack([fit.predict_proba(scaled[1])[:, 1] for fit in fits], 1)))
        f1.append(linear.micro_f1(scores[-1], dev[1], linear.best_threshold(scores[-1], dev[1])))
    falls = next((place for place in range(1, len(f1)) if f1[place] < f1[place - 1]), len(f1))
    best = int(np.argmax(f1[:falls]))
    assert len(set(f1)) > 1 and best > 0, "the strengths must differ for this to say anything"
    found = torch.sigmoid(dev[0] @ weight + bias)
    assert torch.allclose(found.double(), scores[best].double(), atol=3e-3)


def test_an_image_is_the_mean_and_the_maximum_of_the_regions_that_are_there() -> None:
    features = torch.tensor([[[1.0, -4.0], [3.0, -2.0], [9.0, 9.0]], [[5.0, -5.0], [7.0, 7.0], [8.0, 8.0]]])
    mask = torch.tensor([[True, True, False], [True, False, False]])
    segments = Segments(features, torch.zeros(2, 3, 5), mask, torch.zeros(2, 3, dtype=torch.long))
    assert linear.pooled(segments).tolist() == [[2.0, -3.0, 3.0, -2.0], [5.0, -5.0, 5.0, -5.0]]


def test_a_bag_holds_each_word_once_and_no_special_one() -> None:
    start, end = SPECIAL.index("<start>"), SPECIAL.index("<end>")
    texts = pad_words([(start, FIRST, FIRST + 2, FIRST, end), (start, SPECIAL.index("<unk>"), end)])
    dense = linear.bag(texts, FIRST + 3).to_dense()
    assert dense.nonzero().tolist() == [[0, FIRST], [0, FIRST + 2]] and dense.max() == 1


def _dataset(told: bool) -> SimpleNamespace:
    """Items whose label is told by their text's first word and their region, or by neither."""
    items = []
    for number in range(200):
        label = ("cat", "dog")[number % 2]
        word = label if told else "cat"
        split = ("train", "train", "train", "dev", "test")[number % 5]
        items.append(Item(str(number), (f"{word} {word} common", f"common {word}"), (label,), split))
    vocabulary = Vocabulary.build([item.texts[0].split() for item in items])
    parts = build_parts(items, ("cat", "dog"), vocabulary)

    def images(split: str, rows: list[int]) -> Segments:
        features = (parts[split].labels[rows] if told else torch.ones(len(rows), 2)).unsqueeze(1)
        return Segments(features, torch.zeros(len(rows), 1, 5), torch.ones(len(rows), 1, dtype=torch.bool), features)

    return SimpleNamespace(
        parts=parts,
        vectors=np.zeros((len(vocabulary), 3), np.float32),
        label_names=("cat", "dog"),
        feature_size=2,
        images=images,
        texts=lambda split: pad_words(parts[split].words),
    )


@pytest.mark.parametrize("told", [True, False])
def test_it_reads_what_pictures_and_texts_tell_and_no_more(told: bool) -> None:
    dataset = _dataset(told)
    network = methods.get("linear").fit(None, dataset)
    part = dataset.parts["test"]
    network.requires_grad_(False)
    sides = (
        (network("image", dataset.images("test", list(range(len(part.image_ids))))), part.labels),
        (network("text", dataset.texts("test")), part.text_labels),
    )
    for output, labels in sides:
        f1 = linear.micro_f1(output.scores, labels, linear.best_threshold(output.scores, labels))
        # Where nothing is told, the best is to give every item both labels: 1 of 2 right, all found.
        assert f1 == pytest.approx(1.0 if told else 2 / 3, abs=0.01)
        assert output.embedding is output.scores


def test_the_same_data_gives_the_same_classifiers_whatever_the_seed() -> None:
    states = []
    for seed in (0, 1):
        torch.manual_seed(seed)
        states.append(methods.get("linear").fit(None, _dataset(told=True)).state_dict())
    assert states[0].keys() == states[1].keys()
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
