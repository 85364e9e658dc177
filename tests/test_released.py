"""Preset ``released`` against a slow network written here from the description of the released code, in float64.

The weights are laid out as the description has them: one matrix each for queries, keys and values and for the gates of
a GRU, a vocabulary without ``<mask>``. Nothing here calls the library to compute what it is compared with.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from torch import Tensor

from semshare import evaluation, methods, training
from semshare.data.dataset import Batch, PairedDataset, build_parts
from semshare.data.regions.store import write_store
from semshare.data.source import Item
from semshare.data.words import Vocabulary
from semshare.experiment import SCALES, Experiment, preset_fields
from semshare.metrics import NDCG, Recall

if TYPE_CHECKING:
    from pathlib import Path

    from semshare.data.segments import Segments
    from semshare.model import SemanticNetwork

LABELS = ("bird", "cat", "dog", "eel")
FEATURES, REGIONS, CLASSES, WIDTH, HEADS, LAYERS, INNER = 5, 3, 6, 8, 2, 2, 12
UNK, MASK = 3, 4
WORDS = tuple(f"w{number}" for number in range(9))
VOCABULARY = Vocabulary(("<pad>", "<start>", "<end>", "<unk>", "<mask>", *WORDS))
TRAIN, TEST = 7, 70


class InDouble(PairedDataset):
    """A dataset whose features and boxes are float64."""

    def images(self, split: str, rows: list[int] | None = None) -> Segments:
        segments = super().images(split, rows)
        return replace(segments, features=segments.features.double(), positions=segments.positions.double())


def _dataset(folder: Path, kind: str) -> InDouble:
    """Seven images to train on and 70 to test on, with one tag set or three captions each, some of them equal."""
    random = np.random.default_rng(5)
    items = []
    for number in range(TRAIN + 1 + TEST):
        split = "train" if number < TRAIN else "dev" if number == TRAIN else "test"
        labels = tuple(name for name in LABELS if random.random() < 0.4)
        texts = []
        for _ in range(1 if kind == "tags" else 3):
            count = random.integers(0, 4 if number % 3 else 9)
            words = random.choice([*WORDS, "unheard", "unseen", "unread"], size=count)
            texts.append(" ".join(words))
        items.append(Item(f"i{number}", tuple(texts), labels, split))
    rows = random.normal(size=(len(items), REGIONS, FEATURES + 7))
    rows[..., -2] = random.integers(0, CLASSES, size=rows.shape[:2])
    rows[..., -1] = 1
    meta = {"features": FEATURES, "classes": CLASSES}
    return InDouble(
        name="tiny",
        status="simulated",
        text_kind=kind,
        label_names=LABELS,
        supercategories={},
        attribution="none",
        parts=build_parts(items, LABELS, VOCABULARY),
        vocabulary=VOCABULARY,
        vectors=np.zeros((len(VOCABULARY), 4), dtype=np.float32),
        store=write_store(folder, [([item.id for item in items], rows.astype(np.float16))], meta),
        source=None,  # type: ignore[arg-type] - nothing here opens a picture
        checksum="",
        first_boxes=True,
        unknown_words=True,
    )


def _experiment(kind: str, **fields: object) -> Experiment:
    sizes = {"width": WIDTH, "layers": LAYERS, "heads": HEADS, "feed_forward": INNER, "dropout": 0.0}
    released = preset_fields("released", "ours", "smoke", kind)
    return Experiment.make(
        dataset="tiny", method="ours", preset="released", **{**SCALES["smoke"], **released, **sizes, **fields}
    )


# The slow network


def _weights(seed: int = 0) -> dict[str, Tensor]:
    """Random float64 weights by the names of the description; ``trained`` says which are optimised."""
    generator = torch.Generator().manual_seed(seed)

    def drawn(*shape: int, spread: float = 0.5) -> Tensor:
        return torch.randn(*shape, dtype=torch.float64, generator=generator) * spread

    weights = {"image.W": drawn(WIDTH, FEATURES), "image.b": drawn(WIDTH)}
    weights |= {"box.W": drawn(WIDTH, 5), "box.b": drawn(WIDTH), "place": drawn(WIDTH, spread=0.06)}
    weights["words"] = drawn(len(VOCABULARY) - 1, 4)
    for way in ("forward", "backward"):
        for gate in "rzn":
            weights |= {f"{way}.{gate}.W": drawn(WIDTH, 4), f"{way}.{gate}.b": drawn(WIDTH)}
            weights |= {f"{way}.{gate}.U": drawn(WIDTH, WIDTH), f"{way}.{gate}.c": drawn(WIDTH)}
    for layer in range(LAYERS):
        for name in ("query", "key", "value", "out"):
            weights |= {f"{layer}.{name}.W": drawn(WIDTH, WIDTH), f"{layer}.{name}.b": drawn(WIDTH)}
        weights |= {f"{layer}.inner.W": drawn(INNER, WIDTH), f"{layer}.inner.b": drawn(INNER)}
        weights |= {f"{layer}.outer.W": drawn(WIDTH, INNER), f"{layer}.outer.b": drawn(WIDTH)}
        for norm in ("first", "second"):
            weights |= {f"{layer}.{norm}.a": 1 + drawn(WIDTH), f"{layer}.{norm}.b": drawn(WIDTH)}
    weights |= {"last.a": 1 + drawn(WIDTH), "last.b": drawn(WIDTH)}
    weights |= {"labels.W": drawn(len(LABELS), WIDTH), "labels.b": drawn(len(LABELS))}
    weights |= {"classes.W": drawn(CLASSES, WIDTH), "classes.b": drawn(CLASSES)}
    weights |= {"answers.W": drawn(len(VOCABULARY) - 1, WIDTH), "answers.b": drawn(len(VOCABULARY) - 1)}
    return {name: tensor.requires_grad_(not name.startswith(("box", "place"))) for name, tensor in weights.items()}


def _affine(weights: dict[str, Tensor], name: str, vector: Tensor) -> Tensor:
    return weights[f"{name}.W"] @ vector + weights[f"{name}.b"]


def _norm(vector: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    mean = vector.sum() / len(vector)
    deviation = (((vector - mean) ** 2).sum() / (len(vector) - 1)).sqrt()
    return scale * (vector - mean) / (deviation + 1e-6) + shift


def _image_segments(weights: dict[str, Tensor], features: Tensor, box: Tensor) -> list[Tensor]:
    return [
        (_affine(weights, "image", feature) + 1e-4 * _affine(weights, "box", where)) / 2
        for feature, where in zip(features, box, strict=True)
    ]


def _gru(weights: dict[str, Tensor], way: str, vectors: list[Tensor]) -> list[Tensor]:
    state, states = torch.zeros(WIDTH, dtype=torch.float64), []
    for vector in vectors:
        gates = {gate: _affine(weights, f"{way}.{gate}", vector) for gate in "rzn"}
        past = {gate: weights[f"{way}.{gate}.U"] @ state + weights[f"{way}.{gate}.c"] for gate in "rzn"}
        reset, update = (torch.sigmoid(gates[gate] + past[gate]) for gate in "rz")
        new = torch.tanh(gates["n"] + reset * past["n"])
        state = (1 - update) * new + update * state
        states.append(state)
    return states


def _text_segments(weights: dict[str, Tensor], ids: list[int], longest: int) -> list[Tensor]:
    """Of ids in our numbering; what is behind the text is 0 but for its place, which is 0 like every word's."""
    vectors = [weights["words"][_theirs(id)] for id in ids]
    forward, backward = _gru(weights, "forward", vectors), _gru(weights, "backward", vectors[::-1])[::-1]
    words = [(left + right) / 2 for left, right in zip(forward, backward, strict=True)]
    words += [torch.zeros(WIDTH, dtype=torch.float64)] * (longest - len(ids))
    return [(word + 1e-5 * weights["place"]) / 2 for word in words]


def _theirs(id: int) -> int:
    """A word's number in a vocabulary without ``<mask>``."""
    assert id != MASK
    return id - (id > MASK)


def _encoded(weights: dict[str, Tensor], tokens: list[Tensor]) -> list[Tensor]:
    size = WIDTH // HEADS
    for layer in range(LAYERS):
        normed = [_norm(token, weights[f"{layer}.first.a"], weights[f"{layer}.first.b"]) for token in tokens]
        rows = {
            name: [_affine(weights, f"{layer}.{name}", token) for token in normed] for name in ("query", "key", "value")
        }
        attended = []
        for query in rows["query"]:
            mixed = []
            for head in range(HEADS):
                part = slice(head * size, (head + 1) * size)
                logits = torch.stack([query[part] @ key[part] / math.sqrt(size) for key in rows["key"]])
                shares = logits.exp() / logits.exp().sum()
                pairs = zip(shares, rows["value"], strict=True)
                mixed.append(sum(share * value[part] for share, value in pairs))
            attended.append(torch.cat(mixed))
        tokens = [
            token + _affine(weights, f"{layer}.out", mixed) for token, mixed in zip(tokens, attended, strict=True)
        ]
        inner = [
            _affine(weights, f"{layer}.inner", _norm(token, weights[f"{layer}.second.a"], weights[f"{layer}.second.b"]))
            for token in tokens
        ]
        tokens = [
            token + _affine(weights, f"{layer}.outer", hidden.clamp(min=0))
            for token, hidden in zip(tokens, inner, strict=True)
        ]
    return [_norm(token, weights["last.a"], weights["last.b"]).clamp(min=0) for token in tokens]


def _embedding(weights: dict[str, Tensor], states: list[Tensor], over: int) -> Tensor:
    """The mean over ``over`` tokens of the unit vectors of label scores; 0 stands for tokens that are not there."""
    scores = [torch.sigmoid(_affine(weights, "labels", state)) for state in states]
    return sum(score / (score**2).sum().sqrt() for score in scores) / over


def _asked(lengths: list[int], tokens: int) -> list[int]:
    """The items that a loop over masked positions reaches: the batch longest text first, up to min(batch, tokens)."""
    order = sorted(range(len(lengths)), key=lambda row: -lengths[row])
    return [order[place] for place in range(min(len(lengths), tokens))]


def _cross_entropy(scores: list[Tensor], targets: list[int]) -> Tensor:
    read = [torch.sigmoid(score) for score in scores]
    return sum(torch.log(row.exp().sum()) - row[target] for row, target in zip(read, targets, strict=True)) / len(read)


def _loss(
    weights: dict[str, Tensor], dataset: PairedDataset, rows: list[int], hidden: dict[str, Tensor], lam: float
) -> tuple[Tensor, dict[str, list[Tensor]], dict[str, list[Tensor]]]:
    """The loss of training pairs ``rows`` of tags, and of both modalities the embeddings and the mean segments."""
    part = dataset.parts["train"]
    stored = torch.tensor(dataset.store.read(part.image_ids).astype(np.float64))
    first_box = stored[0, :, FEATURES : FEATURES + 5]
    texts = [list(part.words[row]) for row in rows]
    lengths = [len(text) for text in texts]
    longest = max(lengths)
    segments: dict[str, list[list[Tensor]]] = {"image": [], "text": []}
    for place, row in enumerate(rows):
        segments["image"].append(_image_segments(weights, stored[row, :, :FEATURES], first_box))
        shown = [UNK if hidden["text"][place, at] else id for at, id in enumerate(texts[place])]
        segments["text"].append(_text_segments(weights, shown, longest))
    states = {name: [_encoded(weights, item) for item in items] for name, items in segments.items()}
    embeddings = {name: [_embedding(weights, item, len(item)) for item in items] for name, items in states.items()}
    labels = part.labels[rows].double()
    label = sum(
        torch.log(1 + torch.exp(-(embedding * wanted).sum()))
        for items in embeddings.values()
        for embedding, wanted in zip(items, labels, strict=True)
    ) / (2 * len(rows))
    image_hits = [(i, at) for i in _asked(lengths, REGIONS) for at in range(REGIONS) if hidden["image"][i, at]]
    text_hits = [(i, at) for i in _asked(lengths, longest) for at in range(lengths[i]) if hidden["text"][i, at]]
    context = _cross_entropy(
        [_affine(weights, "classes", states["image"][i][at]) for i, at in image_hits],
        [int(stored[rows[i], at, -2]) for i, at in image_hits],
    ) + _cross_entropy(
        [_affine(weights, "answers", states["text"][i][at]) for i, at in text_hits],
        [_theirs(texts[i][at]) for i, at in text_hits],
    )
    means = {name: [sum(item) / len(item) for item in items] for name, items in segments.items()}
    return label + lam * context, embeddings, means


# The same weights in the library's layout


def _state(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    unmasked = [row for row in range(len(VOCABULARY)) if row != MASK]
    words = torch.zeros(len(VOCABULARY), 4, dtype=torch.float64)
    words[unmasked] = weights["words"].detach()
    words[0] = 0  # never read
    places = torch.full((150, WIDTH), 7.0, dtype=torch.float64)  # never read but for the first
    places[0] = weights["place"].detach()
    state = {"segments.text.vectors.weight": words, "segments.text.places.weight": places}
    for ours, theirs in (
        ("segments.image.feature", "image"),
        ("segments.image.box", "box"),
        ("classifiers.both", "labels"),
        ("context.image", "classes"),
        ("context.text", "answers"),
    ):
        state |= {f"{ours}.weight": weights[f"{theirs}.W"], f"{ours}.bias": weights[f"{theirs}.b"]}
    for way, ending in (("forward", ""), ("backward", "_reverse")):
        for ours, theirs in (("weight_ih", "W"), ("weight_hh", "U"), ("bias_ih", "b"), ("bias_hh", "c")):
            gates = [weights[f"{way}.{gate}.{theirs}"] for gate in "rzn"]
            state[f"segments.text.gru.{ours}_l0{ending}"] = torch.cat(gates)
    for layer in range(LAYERS):
        ours = f"encoders.both.blocks.layers.{layer}"
        for kind, theirs in (("weight", "W"), ("bias", "b")):
            joint = [weights[f"{layer}.{name}.{theirs}"] for name in ("query", "key", "value")]
            state[f"{ours}.self_attn.in_proj_{kind}"] = torch.cat(joint)
            state[f"{ours}.self_attn.out_proj.{kind}"] = weights[f"{layer}.out.{theirs}"]
            state[f"{ours}.linear1.{kind}"] = weights[f"{layer}.inner.{theirs}"]
            state[f"{ours}.linear2.{kind}"] = weights[f"{layer}.outer.{theirs}"]
        for kind, theirs in (("weight", "a"), ("bias", "b")):
            state[f"{ours}.norm1.{kind}"] = weights[f"{layer}.first.{theirs}"]
            state[f"{ours}.norm2.{kind}"] = weights[f"{layer}.second.{theirs}"]
    state |= {
        f"encoders.both.blocks.norm.{kind}": weights[f"last.{ab}"] for kind, ab in (("weight", "a"), ("bias", "b"))
    }
    return {name: tensor.detach() for name, tensor in state.items()}


def _network(experiment: Experiment, dataset: PairedDataset, weights: dict[str, Tensor]) -> SemanticNetwork:
    network = methods.get("ours").network(experiment, dataset).double()
    network.load_state_dict(_state(weights))
    return network


# A step


@pytest.mark.parametrize("clip", [2.0, 0.005])  # the released code's, and one that clips this small gradient
def test_embeddings_loss_and_one_clipped_step_are_the_released_codes(tmp_path: Path, clip: float) -> None:
    dataset, weights = _dataset(tmp_path, "tags"), _weights()
    experiment = _experiment("tags", lam=0.5, mask_share=0.5, text_clip=clip)
    method = methods.get("ours")
    network = _network(experiment, dataset, weights)
    rows = [4, 0, 5, 2, 1, 6, 3]
    batch = Batch(dataset.images("train", rows), dataset.texts("train", rows), dataset.parts["train"].labels[rows])
    hidden = method.hide(batch, experiment, torch.Generator().manual_seed(3))
    assert hidden["text"][batch.text.features == UNK].any(), "unknown words are hidden too"
    loss, embeddings, means = _loss(weights, dataset, rows, hidden, experiment.lam)

    outputs = method.read(network, batch, hidden)
    for modality, items in embeddings.items():
        torch.testing.assert_close(outputs[modality].embedding, torch.stack(items), rtol=0, atol=1e-9)
        torch.testing.assert_close(outputs[modality].common, torch.stack(means[modality]), rtol=0, atol=1e-9)

    trained = [parameter for parameter in network.parameters() if parameter.requires_grad]
    optimiser = torch.optim.Adam(trained, lr=experiment.learning_rate, betas=method.betas, fused=True)
    terms = training.step(experiment, method, network, optimiser, batch, torch.Generator().manual_seed(3))
    assert terms["loss"].item() == pytest.approx(loss.item(), abs=1e-9)

    loss.backward()
    of_text = [name for name in weights if name.startswith(("words", "forward", "backward"))]
    norm = math.sqrt(sum(float((weights[name].grad ** 2).sum()) for name in of_text))
    assert (norm > clip) == (clip < 1), norm
    stepped = {}
    for name, tensor in weights.items():
        gradient = torch.zeros_like(tensor) if tensor.grad is None else tensor.grad
        if name in of_text:
            gradient = gradient * min(1.0, clip / (norm + 1e-6))
        # Adam's first step: both means are the gradient's own once their bias is mended.
        stepped[name] = tensor.detach() - experiment.learning_rate * gradient / (gradient.abs() + 1e-8)
    found = network.state_dict()
    for name, expected in _state(stepped).items():
        torch.testing.assert_close(found[name], expected, rtol=0, atol=1e-6, msg=name)


# Evaluation


def _slow_reading(weights: dict[str, Tensor], dataset: PairedDataset) -> tuple[Tensor, Tensor]:
    """The embeddings of the test split, texts 64 at a time in order."""
    part, captions = dataset.parts["test"], dataset.text_kind == "captions"
    stored = torch.tensor(dataset.store.read(part.image_ids).astype(np.float64))
    first_box = stored[0, :, FEATURES : FEATURES + 5]
    images = [
        _embedding(weights, _encoded(weights, _image_segments(weights, item[:, :FEATURES], first_box)), REGIONS)
        for item in stored
    ]
    of_split = max(len(words) for words in part.words)
    texts = []
    for start in range(0, len(part.words), 64):
        batch = part.words[start : start + 64]
        longest = max(len(words) for words in batch)
        for words in batch:
            states = _encoded(weights, _text_segments(weights, list(words), longest))
            texts.append(_embedding(weights, states, of_split if captions else longest))
    return torch.stack(images), torch.stack(texts)


def _slow_ndcg(query: Tensor, gallery: Tensor, relevance: list[float], dot: bool, discounts: list[float]) -> float:
    """NDCG over a gallery that is smaller than 500."""
    scores = []
    for item in gallery:
        product = float((query * item).sum())
        scores.append(product if dot else product / float((query**2).sum().sqrt() * (item**2).sum().sqrt()))
    order = sorted(range(len(scores)), key=lambda row: (-scores[row], row))
    found = sum(relevance[row] / discount for row, discount in zip(order, discounts, strict=True))
    ideal = sum(gain / discount for gain, discount in zip(sorted(relevance, reverse=True), discounts, strict=True))
    return found / ideal if ideal else 0.0


@pytest.mark.parametrize("kind", ["tags", "captions"])
def test_the_reading_and_the_ranking_of_a_split_are_the_released_codes(tmp_path: Path, kind: str) -> None:
    dataset, weights, experiment = _dataset(tmp_path, kind), _weights(1), _experiment(kind)
    network = _network(experiment, dataset, weights)
    part = dataset.parts["test"]
    with torch.no_grad():
        images, texts = _slow_reading(weights, dataset)
    reading = evaluation.read_split(network, dataset, "test", torch.device("cpu"), experiment)
    torch.testing.assert_close(reading.image.double(), images, rtol=0, atol=1e-6)
    torch.testing.assert_close(reading.text.double(), texts, rtol=0, atol=1e-6)

    first: dict[tuple[int, ...], int] = {}  # each distinct text by its first row
    for row, words in enumerate(part.words):
        first.setdefault(words, row)
    asking = list(first.values()) if kind == "tags" else list(range(len(part.words)))
    if kind == "tags":
        assert len(asking) < len(part.words), "some tag sets are equal"
    labels, dot = part.labels, kind == "captions"
    text_labels = torch.stack([labels[owner] for owner in part.owner.tolist()])
    (found,) = evaluation.retrieve([NDCG(500, discount="coco-released")], reading, part, kind, experiment)
    places = range(1, len(asking) + 1)
    for row in range(len(images)):
        gains = [float((labels[row] * text_labels[text]).sum()) for text in asking]
        ranks = [math.log2(place + 1) for place in places]
        expected = _slow_ndcg(images[row], texts[asking], gains, dot, ranks)
        assert found.i2t[row].item() == pytest.approx(expected, abs=1e-9)
    for text in range(len(texts)):
        if text not in asking:
            assert found.t2i[text].isnan()
            continue
        gains = [float((labels[row] * text_labels[text]).sum()) for row in range(len(images))]
        ranks = [math.log2(place + 1) for place in range(1, len(images) + 1)]
        if kind == "captions":
            index = int(part.caption_index[text])
            ranks = [math.log2(5 * (place - 1) + index + 2) for place in range(1, len(images) + 1)]
        expected = _slow_ndcg(texts[text], images, gains, dot, ranks)
        assert found.t2i[text].item() == pytest.approx(expected, abs=1e-9)


def test_recall_accepts_any_image_of_an_equal_text(tmp_path: Path) -> None:
    dataset, experiment = _dataset(tmp_path, "tags"), _experiment("tags")
    part = dataset.parts["test"]
    generator = torch.Generator().manual_seed(0)
    image, text = (torch.rand(TEST, len(LABELS), generator=generator) for _ in range(2))
    reading = evaluation.Reading(image, text, image, text)
    (found,) = evaluation.retrieve([Recall(20)], reading, part, "tags", experiment)
    (every,) = evaluation.retrieve([Recall(20)], reading, part, "tags", experiment.change(text_queries="all"))
    more = 0
    for row, words in enumerate(part.words):
        if words in part.words[:row]:
            assert found.t2i[row].isnan()
            continue
        cosines = torch.nn.functional.normalize(image) @ torch.nn.functional.normalize(text[row], dim=0)
        best = cosines.argsort(descending=True)[:20].tolist()
        owners = {place for place, other in enumerate(part.words) if other == words}
        assert found.t2i[row] == float(bool(owners & set(best)))
        assert every.t2i[row] == float(row in best)
        more += int(found.t2i[row] > every.t2i[row])
    assert more > 0
