"""The networks against slow loops written here; what must and must not change an embedding."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from semshare.attention import Packing
from semshare.data.dataset import pad_words
from semshare.data.segments import Segments, draw_hidden
from semshare.experiment import Experiment
from semshare.model import BertBlocks, DSCMRNetwork, PreNormBlocks, SemanticNetwork

FEATURES, CLASSES, WORDS, LABELS, WIDTH = 10, 11, 30, 6, 16
SIZES = {"width": WIDTH, "layers": 2, "heads": 4, "feed_forward": 24, "epochs": 1, "learning_rate": 1e-3}


def _experiment(**fields: object) -> Experiment:
    return Experiment.make(dataset="none", method="ours", **{**SIZES, **fields})


def _network(shared: bool = True, **fields: object) -> SemanticNetwork:
    """A network whose weights are large enough for every part to matter, in evaluation mode."""
    torch.manual_seed(0)
    vectors = np.random.default_rng(0).normal(size=(WORDS, 9)).astype(np.float32)
    network = SemanticNetwork(_experiment(**fields), FEATURES, CLASSES, vectors, LABELS, shared, context=True)
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.requires_grad:
                parameter.add_(torch.randn_like(parameter) * 0.2)
    return network.eval()


def _regions(lengths: list[int], longest: int, seed: int = 0) -> Segments:
    """Items of ``lengths`` regions padded to ``longest`` with rubbish, which must not matter."""
    generator = torch.Generator().manual_seed(seed)
    mask = torch.arange(longest) < torch.tensor(lengths).unsqueeze(1)
    return Segments(
        features=torch.randn(len(lengths), longest, FEATURES, generator=generator),
        positions=torch.rand(len(lengths), longest, 5, generator=generator),
        mask=mask,
        targets=torch.randint(0, CLASSES, mask.shape, generator=generator).masked_fill(~mask, -1),
    )


def _cut(segments: Segments, row: int, length: int) -> Segments:
    """Item ``row`` alone, without its padding."""
    parts = (segments.features, segments.positions, segments.mask, segments.targets)
    return Segments(*(part[row : row + 1, :length] for part in parts))


# The shared encoder


def _layer_norm(vector: list[float], norm: torch.nn.LayerNorm) -> list[float]:
    mean = sum(vector) / len(vector)
    variance = sum((x - mean) ** 2 for x in vector) / len(vector)
    scale, shift = norm.weight.tolist(), norm.bias.tolist()
    return [(x - mean) / math.sqrt(variance + norm.eps) * a + b for x, a, b in zip(vector, scale, shift, strict=True)]


def _linear(vector: list[float], layer: torch.nn.Linear) -> list[float]:
    return (layer.weight.double() @ torch.tensor(vector, dtype=torch.float64) + layer.bias.double()).tolist()


def _gelu(x: float) -> float:
    return x * (1 + math.erf(x / math.sqrt(2))) / 2


Rows = list[list[float]]


def _attended(queries: Rows, keys: Rows, values: Rows, heads: int) -> Rows:
    """Attention a head, a query and a key at a time; the heads side by side."""
    size, attended = len(queries[0]) // heads, []
    for query in queries:
        mixed: list[float] = []
        for head in range(heads):
            part = slice(head * size, (head + 1) * size)
            logits = [sum(q * k for q, k in zip(query[part], key[part], strict=True)) / math.sqrt(size) for key in keys]
            weights = [math.exp(logit) for logit in logits]
            total = sum(weights)
            for at in range(part.start, part.stop):
                mixed.append(sum(w * value[at] for w, value in zip(weights, values, strict=True)) / total)
        attended.append(mixed)
    return attended


def _added(left: list[float], right: list[float], weight: float = 1.0) -> list[float]:
    return [a + weight * b for a, b in zip(left, right, strict=True)]


def _slow_encoder(encoder: BertBlocks, vectors: Tensor, places: list[int], heads: int, place_weight: float) -> Rows:
    """One item without padding: post-LN BERT, a head, a query and a key at a time."""
    bert = encoder.bert
    table = bert.embeddings.position_embeddings.weight.tolist()
    states = [
        _layer_norm(_added(vector, table[place], place_weight), bert.embeddings.LayerNorm)
        for vector, place in zip(vectors.tolist(), places, strict=True)
    ]
    for layer in bert.encoder.layer:
        attention = layer.attention
        queries, keys, values = (
            [_linear(state, getattr(attention.self, name)) for state in states] for name in ("query", "key", "value")
        )
        attended = _attended(queries, keys, values, heads)
        for row, mixed in enumerate(attended):
            update = _linear(mixed, attention.output.dense)
            middle = _layer_norm(_added(update, states[row]), attention.output.LayerNorm)
            inner = [_gelu(x) for x in _linear(middle, layer.intermediate.dense)]
            outer = _linear(inner, layer.output.dense)
            states[row] = _layer_norm(_added(outer, middle), layer.output.LayerNorm)
    return states


def _slow_pre_norm(encoder: PreNormBlocks, vectors: Tensor, heads: int) -> Rows:
    """One item without padding: norm first, a ReLU inside each block, at the end a norm and a ReLU."""
    states: Rows = vectors.tolist()
    for block in encoder.blocks.layers:
        attention = block.self_attn
        normed = [_layer_norm(state, block.norm1) for state in states]
        width = len(normed[0])
        queries, keys, values = (
            [
                (
                    attention.in_proj_weight[at : at + width].double() @ torch.tensor(state, dtype=torch.float64)
                    + attention.in_proj_bias[at : at + width].double()
                ).tolist()
                for state in normed
            ]
            for at in (0, width, 2 * width)
        )
        for row, mixed in enumerate(_attended(queries, keys, values, heads)):
            middle = _added(states[row], _linear(mixed, attention.out_proj))
            inner = [max(x, 0.0) for x in _linear(_layer_norm(middle, block.norm2), block.linear1)]
            states[row] = _added(middle, _linear(inner, block.linear2))
    return [[max(x, 0.0) for x in _layer_norm(state, encoder.blocks.norm)] for state in states]


def _moved(encoder: torch.nn.Module) -> torch.nn.Module:
    """``encoder`` with every weight away from where it began, so that each matters."""
    with torch.no_grad():
        for parameter in encoder.parameters():
            if parameter.requires_grad:
                parameter.add_(torch.randn_like(parameter) * 0.3)
    return encoder


def _embedded(kind: str, lengths: list[int], longest: int) -> Segments:
    """Random segments as the encoder gets them: padding holds rubbish."""
    mask = torch.arange(longest) < torch.tensor(lengths).unsqueeze(1)
    shape = (len(lengths), longest)
    places = torch.rand(*shape, 5) if kind == "regions" else torch.arange(longest).expand(shape)
    return Segments(torch.randn(*shape, WIDTH), places, mask, torch.full(shape, -1))


def _states(encoder: torch.nn.Module, segments: Segments) -> Tensor:
    """The hidden states [B, L, d] of one batch, 0 on padding."""
    packing = Packing([segments.mask])
    return packing.unpack(encoder([segments], packing))[0]


@pytest.mark.parametrize(("layers", "place_weight"), [(1, 1.0), (2, 1.0), (1, 0.25)])
@pytest.mark.parametrize("kind", ["regions", "words"])
def test_shared_encoder_equals_a_slow_loop(kind: str, layers: int, place_weight: float) -> None:
    torch.manual_seed(1)
    encoder = _moved(BertBlocks(_experiment(layers=layers, place_weight=place_weight)).eval())
    lengths = [3, 5]
    segments = _embedded(kind, lengths, 5)
    with torch.inference_mode():
        found = _states(encoder, segments)
        for row, length in enumerate(lengths):
            # Regions all stand at place 0.
            where = [0] * length if kind == "regions" else list(range(length))
            slow = _slow_encoder(encoder, segments.features[row, :length], where, 4, place_weight)
            torch.testing.assert_close(found[row, :length], torch.tensor(slow), rtol=0, atol=2e-5)


@pytest.mark.parametrize("mode", ["training", "evaluation"])  # torch has another path for each
@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("kind", ["regions", "words"])
def test_pre_norm_blocks_equal_a_slow_loop(kind: str, layers: int, mode: str) -> None:
    torch.manual_seed(1)
    fields = {"block": "pre-ln", "layers": layers, "dropout": 0.0}
    encoder = _moved(PreNormBlocks(_experiment(**fields))).train(mode == "training")
    lengths = [3, 5]
    segments = _embedded(kind, lengths, 5)
    with torch.inference_mode(mode == "evaluation"):
        found = _states(encoder, segments).detach()
    for row, length in enumerate(lengths):
        slow = _slow_pre_norm(encoder, segments.features[row, :length], heads=4)
        torch.testing.assert_close(found[row, :length], torch.tensor(slow), rtol=0, atol=2e-5)
    assert (found >= 0).all() and (found[segments.mask] == 0).any(), "a ReLU stands at the end"


def test_pre_norm_blocks_equal_torchs_own() -> None:
    """``nn.TransformerEncoder`` with the same weights, on padded batches and without packing."""
    torch.manual_seed(2)
    fields = {"block": "pre-ln", "layers": 2, "dropout": 0.0, "width": WIDTH, "feed_forward": 48}
    encoder, segments = _moved(PreNormBlocks(_experiment(**fields))), _embedded("regions", [3, 5, 1], 5)
    block = torch.nn.TransformerEncoderLayer(WIDTH, 4, 48, 0.0, batch_first=True, norm_first=True)
    plain = torch.nn.TransformerEncoder(block, 2, norm=torch.nn.LayerNorm(WIDTH), enable_nested_tensor=False)
    plain.load_state_dict(encoder.blocks.state_dict())
    expected = torch.relu(plain(segments.features, src_key_padding_mask=~segments.mask))
    found = _states(encoder, segments)
    torch.testing.assert_close(found[segments.mask], expected[segments.mask], rtol=0, atol=2e-5)


@pytest.mark.parametrize("block", ["post-ln", "pre-ln"])
@pytest.mark.parametrize("shared", [True, False], ids=["shared", "one a modality"])
def test_reading_both_modalities_in_one_call_equals_reading_each(shared: bool, block: str) -> None:
    network = _network(shared, block=block)
    segments = {"image": _regions([4, 9, 1], 9), "text": pad_words([[1, 7, 8, 2], [1, 9, 10, 11, 12, 2], [1, 2]])}
    hidden = {"image": segments["image"].mask & (torch.arange(9) % 2 == 0), "text": segments["text"].targets == 10}
    together = network.read(segments, hidden)
    gradients = []
    for outputs in (together, {name: network(name, segments[name], hidden[name]) for name in segments}):
        for name in ("embedding", "scores", "probabilities", "common", "context"):
            for modality in segments:
                found, expected = getattr(outputs[modality], name), getattr(together[modality], name)
                torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)
        assert all(torch.equal(outputs[one].targets, together[one].targets) for one in segments)
        network.zero_grad()
        sum(one.embedding.square().sum() + one.context.square().sum() for one in outputs.values()).backward()
        gradients.append({name: one.grad.clone() for name, one in network.named_parameters() if one.grad is not None})
    assert gradients[0].keys() == gradients[1].keys()
    for name, gradient in gradients[0].items():
        torch.testing.assert_close(gradient, gradients[1][name], rtol=1e-4, atol=1e-4, msg=name)


def test_pre_norm_blocks_begin_with_glorots_uniform_weights() -> None:
    encoder = PreNormBlocks(_experiment(block="pre-ln", width=64, feed_forward=96))
    matrices = [parameter for parameter in encoder.parameters() if parameter.dim() == 2]
    assert len(matrices) == 4 * 2
    for matrix in matrices:
        bound = math.sqrt(6 / sum(matrix.shape))
        assert 0.95 * bound < matrix.abs().max().item() <= bound
        assert matrix.std().item() == pytest.approx(bound / math.sqrt(3), rel=0.05)


def test_the_block_is_chosen_by_the_experiment() -> None:
    assert isinstance(_network(block="pre-ln").encoders["both"], PreNormBlocks)
    assert isinstance(_network().encoders["both"], BertBlocks)


def test_token_type_vectors_are_zero_and_stay_out_of_training() -> None:
    embeddings = BertBlocks(_experiment()).bert.embeddings
    assert not embeddings.token_type_embeddings.weight.any()
    assert not embeddings.token_type_embeddings.weight.requires_grad
    assert embeddings.position_embeddings.weight.requires_grad


# What must not change an embedding


@pytest.mark.parametrize("block", ["post-ln", "pre-ln"])
@pytest.mark.parametrize("shared", [True, False], ids=["shared", "one a modality"])
def test_padding_never_changes_an_image(shared: bool, block: str) -> None:
    network = _network(shared, block=block)
    lengths = [4, 9, 1]
    batch = _regions(lengths, longest=9)
    with torch.inference_mode():
        whole = network("image", batch)
        for row, length in enumerate(lengths):
            alone = network("image", _cut(batch, row, length))
            for name in ("embedding", "scores", "probabilities", "common"):
                torch.testing.assert_close(getattr(whole, name)[row], getattr(alone, name)[0], rtol=0, atol=1e-5)


@pytest.mark.parametrize("block", ["post-ln", "pre-ln"])
@pytest.mark.parametrize("shared", [True, False], ids=["shared", "one a modality"])
def test_padding_never_changes_a_text(shared: bool, block: str) -> None:
    network = _network(shared, block=block)
    texts = [[1, 7, 8, 2], [1, 9, 10, 11, 12, 13, 14, 2], [1, 2]]
    with torch.inference_mode():
        whole = network("text", pad_words(texts))
        for row, text in enumerate(texts):
            alone = network("text", pad_words([text]))
            for name in ("embedding", "scores", "probabilities", "common"):
                torch.testing.assert_close(getattr(whole, name)[row], getattr(alone, name)[0], rtol=0, atol=1e-5)


@pytest.mark.parametrize("block", ["post-ln", "pre-ln"])
def test_padding_that_is_read_makes_a_text_depend_on_its_batch(block: str) -> None:
    network = _network(block=block, padding="read")
    texts = [[1, 7, 8, 2], [1, 9, 10, 11, 12, 13, 14, 2]]
    with torch.inference_mode():
        whole, alone = network("text", pad_words(texts)), network("text", pad_words(texts[:1]))
        for name in ("embedding", "scores", "probabilities", "common"):
            assert (getattr(whole, name)[0] - getattr(alone, name)[0]).abs().max() > 1e-3, name
        # The longest text has no padding to read, and the order of the batch is nothing.
        longest = network("text", pad_words(texts[1:])).embedding[0]
        torch.testing.assert_close(whole.embedding[1], longest, rtol=0, atol=1e-5)
        swapped = network("text", pad_words(texts[::-1])).embedding[1]
        torch.testing.assert_close(whole.embedding[0], swapped, rtol=0, atol=1e-5)


def test_padding_that_is_read_counts_like_a_segment() -> None:
    network = _network(padding="read")
    words = pad_words([[1, 7, 8, 2], [1, 9, 10, 11, 12, 13, 14, 2]])
    regions = _regions([4, 9], 9)
    full = replace(regions, mask=torch.ones_like(regions.mask))
    with torch.inference_mode():
        output = network("text", words)
        embedded = network.segments["text"](words)
        assert not embedded.features[0, 4:].any(), "the GRU stops at a text's end"
        states = _states(network.encoders["both"], replace(embedded, mask=torch.ones_like(embedded.mask)))
        tokens = torch.sigmoid(network.classifiers["both"](states))
        torch.testing.assert_close(output.probabilities, tokens.mean(1))
        torch.testing.assert_close(output.embedding, torch.nn.functional.normalize(tokens, dim=-1).mean(1))
        torch.testing.assert_close(output.common, embedded.features.mean(1))
        assert torch.equal(network("image", regions).embedding, network("image", full).embedding)


def _permuted(segments: Segments, order: Tensor, with_boxes: bool = True) -> Segments:
    return Segments(
        segments.features[:, order],
        segments.positions[:, order] if with_boxes else segments.positions,
        segments.mask[:, order],
        segments.targets[:, order],
    )


def test_the_order_of_regions_does_not_matter_but_their_boxes_do() -> None:
    network, batch = _network(), _regions([8, 8], 8)
    order = torch.tensor([3, 0, 7, 5, 1, 6, 2, 4])
    with torch.inference_mode():
        embedding = network("image", batch).embedding
        torch.testing.assert_close(network("image", _permuted(batch, order)).embedding, embedding, rtol=0, atol=1e-5)
        moved = network("image", _permuted(batch, order, with_boxes=False)).embedding
    assert (moved - embedding).abs().max() > 1e-3


def test_the_order_of_words_matters() -> None:
    network = _network()
    with torch.inference_mode():
        embedding = network("text", pad_words([[1, 7, 8, 9, 2], [1, 9, 8, 7, 2]])).embedding
    assert (embedding[0] - embedding[1]).abs().max() > 1e-3


def test_evaluation_does_not_depend_on_chance_and_training_does() -> None:
    network, batch = _network(), _regions([8], 8)
    with torch.inference_mode():
        assert torch.equal(network("image", batch).embedding, network("image", batch).embedding)
        network.train()
        assert not torch.equal(network("image", batch).embedding, network("image", batch).embedding)


# What the outputs are


def test_scores_are_the_mean_of_unit_vectors_over_classes() -> None:
    network, batch = _network(), _regions([5, 2], 5)
    with torch.inference_mode():
        output = network("image", batch)
        states = _states(network.encoders["both"], network.segments["image"](batch))
        for row, length in enumerate([5, 2]):
            tokens = torch.sigmoid(network.classifiers["both"](states[row, :length]))
            unit = tokens / tokens.norm(dim=1, keepdim=True)
            torch.testing.assert_close(output.scores[row], unit.mean(0))
            torch.testing.assert_close(output.probabilities[row], tokens.mean(0))
    assert torch.equal(output.embedding, output.scores)
    assert output.common.shape == (2, WIDTH)
    assert output.context is None and output.targets is None


def test_a_shared_network_has_one_encoder_and_one_classifier() -> None:
    shared, apart = _network(True), _network(False)
    assert list(shared.encoders) == list(shared.classifiers) == ["both"]
    assert sorted(apart.encoders) == sorted(apart.classifiers) == ["image", "text"]


def test_modality_of_names_the_owner_of_every_weight() -> None:
    apart = _network(False)
    assert all(apart.modality_of(name) in ("image", "text") for name in apart.state_dict())
    shared = _network(True)
    for name in shared.state_dict():
        expected = None if name.startswith(("encoders", "classifiers")) else name.split(".")[1]
        assert shared.modality_of(name) == expected


# Hidden segments


def test_a_hidden_regions_own_feature_has_no_effect() -> None:
    network, batch = _network(), _regions([6, 6], 6)
    hidden = torch.zeros(2, 6, dtype=torch.bool)
    hidden[0, 2] = hidden[1, 5] = True
    changed = batch.features.clone()
    changed[hidden] += 10
    other = batch.with_features(changed)
    with torch.inference_mode():
        for name in ("embedding", "context", "common"):
            first, second = (getattr(network("image", one, hidden), name) for one in (batch, other))
            assert torch.equal(first, second), name
        # Not hidden, the same change shows.
        assert not torch.allclose(network("image", batch).embedding, network("image", other).embedding, atol=1e-3)


def test_a_hidden_words_own_id_has_no_effect() -> None:
    network = _network()
    first, second = pad_words([[1, 7, 8, 9, 2]]), pad_words([[1, 7, 20, 9, 2]])
    hidden = torch.tensor([[False, False, True, False, False]])
    with torch.inference_mode():
        assert torch.equal(network("text", first, hidden).embedding, network("text", second, hidden).embedding)
        assert not torch.allclose(network("text", first).embedding, network("text", second).embedding, atol=1e-3)


@pytest.mark.parametrize(("masked_word", "id"), [("unk", 3), ("mask", 4)])
def test_a_hidden_word_shows_the_symbol_that_the_experiment_names(masked_word: str, id: int) -> None:
    network = _network(masked_word=masked_word)
    hidden = torch.tensor([[False, False, True, False, False]])
    with torch.inference_mode():
        found = network("text", pad_words([[1, 7, 20, 9, 2]]), hidden)
        shown = network("text", pad_words([[1, 7, id, 9, 2]]))
    assert torch.equal(found.embedding, shown.embedding) and found.targets.tolist() == [20]


def test_a_hidden_region_shows_the_learnt_vector_and_its_own_box() -> None:
    network, batch = _network(), _regions([6], 6)
    hidden = torch.tensor([[False, False, True, False, False, False]])
    shown = batch.features.clone()
    shown[hidden] = network.segments["image"].mask.detach()
    moved = replace(batch, positions=batch.positions + 0.3 * hidden.unsqueeze(-1))
    with torch.inference_mode():
        found = network("image", batch, hidden)
        expected = network("image", batch.with_features(shown)).embedding
        torch.testing.assert_close(found.embedding, expected, rtol=0, atol=1e-5)
        assert not torch.allclose(found.embedding, network("image", moved, hidden).embedding, atol=1e-3)


def test_a_hidden_region_that_is_kept_shows_itself_and_is_predicted_all_the_same() -> None:
    network, batch = _network(masked_region="kept"), _regions([6, 4], 6)
    hidden = torch.zeros(2, 6, dtype=torch.bool)
    hidden[0, 2] = hidden[1, 3] = True
    with torch.inference_mode():
        found = network("image", batch, hidden)
        assert torch.equal(found.embedding, network("image", batch).embedding)
    assert torch.equal(found.targets, batch.targets[hidden]) and found.context.shape == (2, CLASSES)
    assert "segments.image.mask" not in network.state_dict(), "no vector is learnt for what is never shown"


@pytest.mark.parametrize("weight", [0.0, 1e-4, 0.5])
def test_the_box_weighs_what_the_experiment_says(weight: float) -> None:
    batch = _regions([6], 6)
    network, whole = _network(box_weight=weight), _network()
    with torch.inference_mode():
        found, encoder = network.segments["image"](batch).features, whole.segments["image"]
        torch.testing.assert_close(found, encoder.feature(batch.features) + weight * encoder.box(batch.positions))
        elsewhere = replace(batch, positions=batch.positions.flip(1))
        assert torch.equal(network("image", batch).embedding, network("image", elsewhere).embedding) == (weight == 0)


def test_without_weight_a_words_place_is_nothing_to_the_blocks() -> None:
    encoder = _network(place_weight=0.0).encoders["both"]
    segments = _embedded("words", [5], 5)
    order = torch.tensor([3, 0, 4, 1, 2])
    with torch.inference_mode():
        states = _states(encoder, segments)
        moved = _states(encoder, segments.with_features(segments.features[:, order]))
    torch.testing.assert_close(moved, states[:, order], rtol=0, atol=1e-5)


@pytest.mark.parametrize("weight", [0.0, 1e-5, 0.25, 1.0])
def test_before_pre_norm_blocks_a_words_place_is_added_to_its_segment(weight: float) -> None:
    texts = pad_words([[1, 7, 8, 2], [1, 9, 2]])
    words, placed = (_network(block="pre-ln", place_weight=one).segments["text"] for one in (0.0, weight))
    with torch.inference_mode():
        bare, found = words(texts).features, placed(texts).features
    for row in range(2):
        for place in range(4):  # on padding too, which only those see who read it
            expected = bare[row, place] + weight * placed.places.weight[place]
            torch.testing.assert_close(found[row, place], expected, rtol=0, atol=1e-6)


# What the released code does in the segment encoders


@pytest.mark.parametrize("share", ["sum", "mean"])
def test_a_segment_is_the_sum_of_what_and_where_it_is_or_half_of_that(share: str) -> None:
    divisor = {"sum": 1, "mean": 2}[share]
    network = _network(segment_sum=share, block="pre-ln", box_weight=1e-4, place_weight=1e-5)
    image, text = network.segments["image"], network.segments["text"]
    with torch.no_grad():
        for parameter in (*image.parameters(), *text.parameters()):
            parameter.zero_()
        image.feature.bias.fill_(3), image.box.bias.fill_(2), text.places.weight.fill_(4)
        text.gru.bias_ih_l0[2 * WIDTH :] = 100  # the new state is 1, and half of the way there is gone at each word
        text.gru.bias_ih_l0_reverse[2 * WIDTH :] = 100
        regions, words = image(_regions([2], 2)).features, text(pad_words([[7, 8], [9]])).features
    torch.testing.assert_close(regions, torch.full_like(regions, (3 + 2e-4) / divisor))
    # Forwards 1/2, 3/4 and backwards 3/4, 1/2; one word alone 1/2; behind it nothing but the place.
    for (row, at), word in {(0, 0): 0.625, (0, 1): 0.625, (1, 0): 0.5, (1, 1): 0.0}.items():
        expected = torch.full((WIDTH,), (word + 4e-5) / divisor)
        torch.testing.assert_close(words[row, at], expected, rtol=0, atol=1e-7)


@pytest.mark.parametrize("block", ["post-ln", "pre-ln"])
def test_all_words_take_the_first_place_which_is_not_trained(block: str) -> None:
    network = _network(block=block, word_places="first")
    text = pad_words([[1, 7, 8, 2]])
    elsewhere = replace(text, positions=text.positions.flip(1) + 3)
    outputs = [network("text", segments).embedding for segments in (text, elsewhere)]
    assert torch.equal(*outputs)
    outputs[0].sum().backward()
    places = {
        name for name, _ in network.named_parameters() if name.endswith(("places.weight", "position_embeddings.weight"))
    }
    assert places and {name for name, one in network.named_parameters() if one.grad is not None}.isdisjoint(places)
    in_order = _network(block=block)
    assert not torch.equal(*(in_order("text", segments).embedding for segments in (text, elsewhere)))


def test_the_layer_of_first_boxes_is_not_trained() -> None:
    trained = {name for name, one in _network(boxes="first").named_parameters() if one.requires_grad}
    own = {name for name, one in _network().named_parameters() if one.requires_grad}
    assert own - trained == {"segments.image.box.weight", "segments.image.box.bias"}


def _fresh(**fields: object) -> SemanticNetwork:
    torch.manual_seed(0)
    vectors = np.ones((400, 30), dtype=np.float32)
    sizes = {"width": 64, "heads": 4, "feed_forward": 96}
    return SemanticNetwork(_experiment(**{**sizes, **fields}), 200, CLASSES, vectors, LABELS, True, context=True)


def _uniform_within(weights: Tensor, bound: float) -> bool:
    return 0.95 * bound < weights.abs().max().item() <= bound and weights.std().item() == pytest.approx(
        bound / math.sqrt(3), rel=0.05
    )


@pytest.mark.parametrize("block", ["post-ln", "pre-ln"])
def test_words_begin_uniform_and_are_trained(block: str) -> None:
    words = _fresh(block=block, initial_words="uniform").segments["text"].vectors.weight
    assert _uniform_within(words[1:], 0.1) and not words[0].any() and words.requires_grad
    assert (_fresh(block=block).segments["text"].vectors.weight[1:] == 1).all()


@pytest.mark.parametrize("block", ["post-ln", "pre-ln"])
@pytest.mark.parametrize("initial", ["own", "xavier"])
def test_the_image_layer_and_queries_keys_and_values_begin_by_xavier_each(block: str, initial: str) -> None:
    network = _fresh(block=block, initial_layers=initial)
    image = network.segments["image"].feature
    assert _uniform_within(image.weight, math.sqrt(6 / (64 + 200))) == (initial == "xavier")
    assert image.bias.any().item() == (initial == "own")
    for layer in range(2):
        if block == "pre-ln":
            matrices = network.encoders["both"].blocks.layers[layer].self_attn.in_proj_weight.chunk(3)
        else:
            own = network.encoders["both"].bert.encoder.layer[layer].attention.self
            matrices = [part.weight for part in (own.query, own.key, own.value)]
        for matrix in matrices:
            assert _uniform_within(matrix, math.sqrt(6 / (64 + 64))) == (initial == "xavier")
            if (block, initial) == ("pre-ln", "own"):  # .707 of it
                assert _uniform_within(matrix, math.sqrt(6 / (64 + 3 * 64)))


def test_without_a_class_for_mask_the_answers_above_it_move_down() -> None:
    network = _network(context_words="all")
    assert network.context["text"].out_features == WORDS - 1
    text = pad_words([[1, 3, 8, 29, 2]])
    text = replace(text, targets=torch.tensor([[-1, 3, 8, 29, -1]]))
    found = network("text", text, text.targets >= 0)
    assert found.targets.tolist() == [3, 7, 28] and found.context.shape == (3, WORDS - 1)


def test_what_is_hidden_and_not_asked_for_is_hidden_all_the_same() -> None:
    network, text = _network(), pad_words([[1, 7, 8, 2], [1, 9, 10, 2]])
    hidden = text.targets >= 0
    asked = replace(text, targets=text.targets.index_fill(0, torch.tensor([1]), -1))
    with torch.inference_mode():
        whole, found = network("text", text, hidden), network("text", asked, hidden)
    assert torch.equal(whole.embedding, found.embedding) and found.targets.tolist() == [7, 8]
    torch.testing.assert_close(found.context, whole.context[:2])


def test_hiding_changes_the_embedding() -> None:
    network, batch = _network(), _regions([6], 6)
    hidden = torch.tensor([[True, False, True, False, False, False]])
    with torch.inference_mode():
        assert not torch.allclose(network("image", batch, hidden).embedding, network("image", batch).embedding)


@pytest.mark.parametrize("share", [0.15, 0.6])
def test_there_are_as_many_context_logits_as_hidden_segments(share: float) -> None:
    network = _network()
    images = _regions([9, 4, 7, 9], 9)
    texts = pad_words([[1, *range(5, 5 + length), 2] for length in (3, 9, 6, 2)])
    with torch.inference_mode():
        for modality, segments, size in (("image", images, CLASSES), ("text", texts, WORDS)):
            hidden = draw_hidden(segments, share, torch.Generator().manual_seed(2))
            output = network(modality, segments, hidden)
            assert hidden.any()
            assert output.context.shape == (int(hidden.sum()), size)
            assert torch.equal(output.targets, segments.targets[hidden])
            assert int(output.targets.min()) >= 0


def test_a_batch_with_nothing_hidden_gives_no_logits() -> None:
    network, batch = _network(), _regions([3], 3)
    output = network("image", batch, torch.zeros(1, 3, dtype=torch.bool))
    assert output.context.shape == (0, CLASSES) and output.targets.shape == (0,)


def test_every_trained_weight_gets_a_gradient() -> None:
    network = _network().train()
    images, texts = _regions([9, 4], 9), pad_words([[1, *range(5, 14), 2], [1, 8, 2]])
    loss = torch.zeros(())
    for modality, segments in (("image", images), ("text", texts)):
        hidden = draw_hidden(segments, 0.5, torch.Generator().manual_seed(2))
        output = network(modality, segments, hidden)
        loss = loss + output.embedding.square().sum() + output.context.square().sum()
    loss.backward()
    trained = {name: p for name, p in network.named_parameters() if p.requires_grad}
    assert len(trained) > 40
    assert [name for name, p in trained.items() if p.grad is None or not torch.isfinite(p.grad).all()] == []


@pytest.mark.parametrize("kind", ["semantic", "dscmr"])
def test_networks_own_their_word_vectors(kind: str) -> None:
    # Neither training one network nor loading weights into it may change the vectors that the next begins with.
    vectors = np.ones((WORDS, 9), dtype=np.float32)
    if kind == "semantic":
        network = SemanticNetwork(_experiment(), FEATURES, CLASSES, vectors, LABELS, shared=True, context=False)
    else:
        network = DSCMRNetwork(FEATURES, vectors, LABELS, hidden=20, width=12)
    network.load_state_dict({name: weight + 1 for name, weight in network.state_dict().items()})
    assert (vectors == 1).all()


# DSCMR


def _dscmr() -> DSCMRNetwork:
    torch.manual_seed(0)
    vectors = np.random.default_rng(0).normal(size=(WORDS, 9)).astype(np.float32)
    return DSCMRNetwork(FEATURES, vectors, LABELS, hidden=20, width=12).eval()


def test_dscmr_shapes() -> None:
    network = _dscmr()
    for modality, segments in (("image", _regions([4, 2], 4)), ("text", pad_words([[1, 7, 2], [1, 2]]))):
        output = network(modality, segments)
        assert output.embedding.shape == output.common.shape == (2, 12)
        assert output.scores.shape == output.probabilities.shape == (2, LABELS)
        assert torch.isfinite(output.embedding).all()


def test_dscmr_reads_the_mean_of_regions_and_of_real_words() -> None:
    network, batch = _dscmr(), _regions([4, 2], 4)
    with torch.inference_mode():
        means = torch.stack([batch.features[0].mean(0), batch.features[1, :2].mean(0)])
        expected = network.common(torch.relu(network.branches["image"](means)))
        torch.testing.assert_close(network("image", batch).embedding, expected)
        words = network.vectors.weight[[7, 8]].mean(0, keepdim=True)
        expected = network.common(torch.relu(network.branches["text"](words)))
        # <start>, <end> and <unk> carry no vector of their own.
        found = network("text", pad_words([[1, 7, 3, 8, 2]])).embedding
        torch.testing.assert_close(found, expected)


def test_dscmr_shares_all_but_the_first_layer() -> None:
    network, batch = _dscmr(), _regions([3], 3)
    replaced = replace(batch, features=batch.features * 2)
    loss = network("image", replaced).scores.sum()
    loss.backward()
    assert network.common.weight.grad is not None and network.branches["image"].weight.grad is not None
    assert network.branches["text"].weight.grad is None
    assert not network.vectors.weight.requires_grad
