"""The methods: which network, which terms, with which weights."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import Tensor

from semshare import losses, methods
from semshare.data.dataset import Batch, pad_words
from semshare.data.segments import Segments
from semshare.errors import UserError
from semshare.experiment import Experiment
from semshare.model import DSCMRNetwork, Output, SemanticNetwork
from semshare.utils import plugins

LABELS = 4
CONSISTENCY = {"inter", "intra_image", "intra_text"}
LABEL = {"label_image", "label_text"}
CONTEXT = {"context_image", "context_text"}


def _experiment(method: str, **fields: object) -> Experiment:
    settings = methods.get(method).settings("tags", "smoke")
    return Experiment.make(**{"dataset": "tiny", "method": method, "scale": "smoke", **settings, **fields})


def _dataset() -> SimpleNamespace:
    """What a method reads of a dataset to size its network."""
    vectors = np.random.default_rng(0).normal(size=(20, 6)).astype(np.float32)
    return SimpleNamespace(feature_size=7, region_classes=9, vectors=vectors, label_names=("a", "b", "c", "d"))


def _batch(size: int = 8) -> Batch:
    torch.manual_seed(0)
    mask = torch.ones(size, 5, dtype=torch.bool)
    image = Segments(torch.randn(size, 5, 7), torch.rand(size, 5, 5), mask, torch.randint(0, 9, (size, 5)))
    text = pad_words([[1, *range(5, 8 + row), 2] for row in range(size)])
    return Batch(image, text, (torch.rand(size, LABELS) < 0.4).float())


def _outputs(size: int = 6) -> tuple[methods.Outputs, Tensor]:
    torch.manual_seed(1)

    def one(classes: int) -> Output:
        return Output(
            embedding=torch.rand(size, LABELS),
            scores=torch.rand(size, LABELS),
            probabilities=torch.rand(size, LABELS),
            common=torch.randn(size, 3),
            context=torch.randn(4, classes),
            targets=torch.randint(0, classes, (4,)),
        )

    return {"image": one(9), "text": one(20)}, (torch.rand(size, LABELS) < 0.5).float()


def _terms(method: str, **fields: object) -> dict[str, float]:
    outputs, labels = _outputs()
    found = methods.get(method).terms(outputs, labels, _experiment(method, **fields))
    return {name: term.item() for name, term in found.items()}


def test_the_five_methods_of_the_paper_and_the_floor_under_them_are_there() -> None:
    assert set(methods.METHODS) == {"linear", "independent", "traditional", "dscmr", "ours+con", "ours"}
    assert all(name == method.name and method.title for name, method in methods.METHODS.items())


def test_an_unknown_method_is_named_and_the_known_ones_listed() -> None:
    with pytest.raises(UserError, match=r"method: unknown 'our', expected one of .*ours"):
        methods.get("our")


@pytest.mark.parametrize(
    ("method", "text_kind", "expected"),
    [
        ("independent", "tags", {}),
        ("traditional", "tags", {"eta": 0.1}),
        ("ours", "tags", {"lam": 0.1}),
        ("ours", "captions", {"lam": 0.01}),
        ("ours+con", "captions", {"lam": 0.01, "eta": 0.1}),
    ],
)
def test_settings_are_the_papers(method: str, text_kind: str, expected: dict) -> None:
    assert methods.get(method).settings(text_kind, "full") == expected


def test_dscmr_keeps_its_own_optimiser_settings() -> None:
    method = methods.get("dscmr")
    settings = method.settings("tags", "full")
    assert method.betas == (0.5, 0.999)
    for scale in ("smoke", "laptop", "full"):
        rate = 8e-4 if scale == "laptop" else 1e-4  # where every method's peak was sought on dev
        assert method.settings("captions", scale).items() >= {"batch": 100, "learning_rate": rate}.items()
    assert settings == {"batch": 100, "learning_rate": 1e-4, "width": 1024, "feed_forward": 2048}


@pytest.mark.parametrize(
    ("method", "fields", "expected"),
    [
        ("independent", {}, LABEL),
        ("traditional", {}, LABEL | CONSISTENCY),
        ("traditional", {"eta": 0}, LABEL),
        ("ours", {}, LABEL | CONTEXT),
        ("ours", {"lam": 0}, LABEL | CONTEXT),
        ("ours+con", {}, LABEL | CONTEXT | CONSISTENCY),
        ("dscmr", {}, {"label", "consistency", "pair"}),
    ],
)
def test_terms_by_name(method: str, fields: dict, expected: set[str]) -> None:
    assert set(_terms(method, **fields)) == expected


def test_label_terms_are_half_of_each_modalitys() -> None:
    outputs, labels = _outputs()
    found = _terms("independent")
    for modality in ("image", "text"):
        whole = losses.label_prediction(outputs[modality].embedding, labels)["label"].item()
        assert found[f"label_{modality}"] == pytest.approx(whole / 2)


def test_bce_reads_the_unnormalised_probabilities() -> None:
    outputs, labels = _outputs()
    whole = losses.label_prediction(outputs["image"].probabilities, labels, "bce")["label"].item()
    assert _terms("independent", label_loss="bce")["label_image"] == pytest.approx(whole / 2)


def test_eta_weighs_the_consistency_of_the_segment_encoders_means() -> None:
    outputs, labels = _outputs()
    for similarity in ("binary", "count"):
        whole = losses.consistency(outputs["image"].common, outputs["text"].common, labels, similarity)
        found = _terms("ours+con", eta=0.3, similarity=similarity)
        for name, term in whole.items():
            assert found[name] == pytest.approx(0.3 * term.item())


@pytest.mark.parametrize("lam", [0.0, 0.01, 10.0])
def test_lambda_weighs_context_prediction(lam: float) -> None:
    outputs, _ = _outputs()
    image, text = outputs["image"], outputs["text"]
    whole = losses.context_prediction(image.context, image.targets, text.context, text.targets)
    found = _terms("ours", lam=lam)
    for name, term in whole.items():
        assert found[name] == pytest.approx(lam * term.item())


@pytest.mark.parametrize("method", ["ours", "ours+con"])
def test_context_prediction_reads_the_scores_that_the_experiment_names(method: str) -> None:
    outputs, _ = _outputs()
    image, text = outputs["image"], outputs["text"]
    whole = losses.context_prediction(image.context, image.targets, text.context, text.targets, "sigmoid")
    raw, found = _terms(method, lam=0.5), _terms(method, lam=0.5, context_scores="sigmoid")
    for name, term in whole.items():
        assert found[name] == pytest.approx(0.5 * term.item()) and found[name] != pytest.approx(raw[name])


def test_dscmr_weighs_its_terms() -> None:
    outputs, labels = _outputs()
    image, text = outputs["image"], outputs["text"]
    whole = losses.dscmr(image.scores, text.scores, image.embedding, text.embedding, labels)
    found = _terms("dscmr")
    for name, weight in {"label": 1, "consistency": 1e-3, "pair": 1e-1}.items():
        assert found[name] == pytest.approx(weight * whole[name].item())


# DSCMR against its published equations (Zhen et al., CVPR 2019, section 3), written out once more here


def _cosine(a: np.ndarray, b: np.ndarray) -> float:
    return sum(x * y for x, y in zip(a, b, strict=True)) / math.sqrt(sum(x * x for x in a) * sum(y * y for y in b))


def _published(U: np.ndarray, V: np.ndarray, PU: np.ndarray, PV: np.ndarray, Y: np.ndarray, frobenius: bool) -> float:
    """J = J1 + 1e-3 J2 + 1e-1 J3 a pair at a time; rows are items, ``PU`` and ``PV`` what the classifier says of them.

    The paper divides Frobenius norms of the whole batch by n; without ``frobenius`` the mean of the rows' norms stands
    there. S is how many labels two items share.
    """
    n = len(Y)

    def distance(left: np.ndarray, right: np.ndarray) -> float:
        squares = [sum((a - b) ** 2 for a, b in zip(*rows, strict=True)) for rows in zip(left, right, strict=True)]
        return math.sqrt(sum(squares)) / n if frobenius else sum(map(math.sqrt, squares)) / n

    def likelihood(left: np.ndarray, right: np.ndarray) -> float:
        total = 0.0
        for i in range(n):
            for j in range(n):
                theta = _cosine(left[i], right[j]) / 2
                total += math.log(1 + math.exp(theta)) - sum(Y[i] * Y[j]) * theta
        return total / n**2

    J1 = distance(PU, Y) + distance(PV, Y)
    J2 = likelihood(U, V) + likelihood(U, U) + likelihood(V, V)
    return J1 + 1e-3 * J2 + 1e-1 * distance(U, V)


def _slopes(value: Callable[[], float], arrays: list[np.ndarray], h: float = 1e-5) -> list[np.ndarray]:
    """The gradient of ``value`` in each number of ``arrays`` by central differences."""
    found = []
    for array in arrays:
        slope = np.zeros_like(array)
        for at in np.ndindex(array.shape):
            middle = array[at]
            ends = []
            for step in (h, -h):
                array[at] = middle + step
                ends.append(value())
            array[at] = middle
            slope[at] = (ends[0] - ends[1]) / (2 * h)
        found.append(slope)
    return found


def _total(outputs: methods.Outputs, labels: Tensor) -> Tensor:
    return torch.stack(list(methods.get("dscmr").terms(outputs, labels, _experiment("dscmr")).values())).sum()


@pytest.mark.parametrize("seed", range(2))
def test_dscmrs_loss_and_gradient_are_those_of_the_published_equations(seed: int) -> None:
    random = np.random.default_rng(seed)
    U, V, P = random.normal(size=(6, 3)), random.normal(size=(6, 3)), random.normal(size=(3, LABELS))
    Y = (random.random((6, LABELS)) < 0.5).astype(float)
    leaves = [torch.tensor(array, dtype=torch.float32, requires_grad=True) for array in (U, V, P)]
    image, text, classifier = leaves
    outputs = {
        name: Output(embedding=one, scores=one @ classifier, probabilities=one @ classifier, common=one)
        for name, one in (("image", image), ("text", text))
    }
    loss = _total(outputs, torch.tensor(Y))
    loss.backward()

    def published() -> float:
        return _published(U, V, U @ P, V @ P, Y, frobenius=False)

    assert loss.item() == pytest.approx(published(), rel=1e-6)
    for leaf, slope in zip(leaves, _slopes(published, [U, V, P]), strict=True):
        torch.testing.assert_close(leaf.grad, torch.tensor(slope, dtype=torch.float32), rtol=1e-4, atol=2e-7)


def test_dscmrs_loss_and_gradient_through_its_network_too() -> None:
    torch.manual_seed(0)
    batch = _batch(5)
    network = methods.get("dscmr").network(_experiment("dscmr", width=4, feed_forward=6), _dataset())
    outputs = methods.get("dscmr").read(network, batch, {})
    loss = _total(outputs, batch.labels)
    loss.backward()

    weights = {name: tensor.double().numpy().copy() for name, tensor in network.state_dict().items()}
    vectors, features = weights.pop("vectors.weight"), batch.image.features.double().numpy()
    # An item is the mean of its regions, or of its words' vectors: the ids from 5 on.
    means = {
        "image": np.stack([item.mean(0) for item in features]),
        "text": np.stack([vectors[[id for id in ids if id >= 5]].mean(0) for ids in batch.text.features.tolist()]),
    }

    def published() -> float:
        said = []
        for modality, mean in means.items():
            hidden = mean @ weights[f"branches.{modality}.weight"].T + weights[f"branches.{modality}.bias"]
            embedding = np.maximum(hidden, 0) @ weights["common.weight"].T + weights["common.bias"]
            said.append((embedding, embedding @ weights["classifier.weight"].T + weights["classifier.bias"]))
        (U, PU), (V, PV) = said
        return _published(U, V, PU, PV, batch.labels.numpy(), frobenius=False)

    assert loss.item() == pytest.approx(published(), rel=1e-5)
    slopes = dict(zip(weights, _slopes(published, list(weights.values())), strict=True))
    trained = {name: parameter for name, parameter in network.named_parameters() if parameter.requires_grad}
    assert trained.keys() == slopes.keys() and not network.vectors.weight.requires_grad
    for name, parameter in trained.items():
        torch.testing.assert_close(parameter.grad.double(), torch.tensor(slopes[name]), rtol=1e-3, atol=2e-6)


@pytest.mark.parametrize("n", [1, 4, 9])
def test_dscmrs_distances_are_means_of_row_norms_where_the_paper_prints_norms_of_the_batch_over_n(n: int) -> None:
    # n times the same item: a mean of row norms stays what it is, a Frobenius norm over n shrinks by the root of n.
    u, v, y = np.array([[1.0, 2.0]]), np.array([[-1.0, 0.5]]), np.array([[1.0, 0.0]])
    zeros = np.zeros((n, 2))
    U, V, Y = (np.repeat(one, n, 0) for one in (u, v, y))
    terms = losses.dscmr(*map(torch.tensor, (zeros, zeros, U, V, Y)))
    assert terms["label"].item() == pytest.approx(2.0)
    assert terms["pair"].item() == pytest.approx(2.5)
    found = terms["label"].item() + 1e-3 * terms["consistency"].item() + 1e-1 * terms["pair"].item()
    assert found == pytest.approx(_published(U, V, zeros, zeros, Y, frobenius=False), rel=1e-6)
    distances = 2.0 + 0.1 * 2.5
    shrunk = found - _published(U, V, zeros, zeros, Y, frobenius=True)
    assert shrunk == pytest.approx(distances * (1 - 1 / math.sqrt(n)), abs=1e-6)


@pytest.mark.parametrize("method", ["independent", "traditional"])
def test_networks_of_the_baselines_share_nothing(method: str) -> None:
    network = methods.get(method).network(_experiment(method), _dataset())
    assert isinstance(network, SemanticNetwork) and not network.shared and not hasattr(network, "context")
    assert all(network.modality_of(name) for name in network.state_dict())


@pytest.mark.parametrize("method", ["ours", "ours+con"])
def test_networks_of_ours_share_the_encoder(method: str) -> None:
    network = methods.get(method).network(_experiment(method), _dataset())
    assert isinstance(network, SemanticNetwork) and network.shared
    assert network.context["image"].out_features == 9 and network.context["text"].out_features == 20


def test_the_network_has_the_experiments_sizes() -> None:
    network = methods.get("ours").network(_experiment("ours", width=24, layers=2, heads=3), _dataset())
    config = network.encoders["both"].bert.config
    assert (config.hidden_size, config.num_hidden_layers, config.num_attention_heads) == (24, 2, 3)
    dscmr = methods.get("dscmr").network(_experiment("dscmr"), _dataset())
    assert isinstance(dscmr, DSCMRNetwork) and dscmr.common.weight.shape == (64, 128)


@pytest.mark.parametrize("lam", [0.0, 0.1])
def test_ours_reads_one_masked_pass_at_any_lambda(lam: float) -> None:
    experiment = _experiment("ours", lam=lam, mask_share=0.5)
    method = methods.get("ours")
    network = method.network(experiment, _dataset()).eval()
    batch = _batch()
    first, same, other = (
        method.read(network, batch, method.hide(batch, experiment, torch.Generator().manual_seed(seed)))
        for seed in (0, 0, 1)
    )
    assert 0 < len(first["image"].targets) < 40 and len(first["text"].context) == len(first["text"].targets) > 0
    assert torch.equal(first["image"].embedding, same["image"].embedding)
    assert not torch.equal(first["image"].embedding, other["image"].embedding)


@pytest.mark.parametrize("method", [name for name, method in methods.METHODS.items() if method.fit is None])
def test_a_step_of_each_method_lowers_its_loss(method: str) -> None:
    torch.manual_seed(0)
    experiment, chosen, batch = _experiment(method, dropout=0.0), methods.get(method), _batch()
    network = chosen.network(experiment, _dataset()).train()
    optimiser = torch.optim.Adam([p for p in network.parameters() if p.requires_grad], 2e-3)
    values = []
    for _ in range(8):
        hidden = chosen.hide(batch, experiment, torch.Generator().manual_seed(0))
        outputs = chosen.read(network, batch, hidden)
        loss = torch.stack(list(chosen.terms(outputs, batch.labels, experiment).values())).sum()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        values.append(loss.item())
    assert values[-1] < values[0]


# Methods from outside


@pytest.fixture
def outside() -> Iterator[methods.Method]:
    """A method that another package could bring: Ours without context prediction, registered and forgotten."""
    row = replace(methods.get("ours"), name="outside", title="Outside", terms=methods.label_terms)
    yield methods.register(row)
    methods.METHODS.pop("outside")
    methods._registered.pop("outside")


def test_a_registered_method_is_found_by_its_name(outside: methods.Method) -> None:
    assert methods.get("outside") is outside and methods.modules_to_import() == [__name__]
    assert methods.register(outside) is outside  # a module that is imported twice
    with pytest.raises(UserError, match="'outside' is there already"):
        methods.register(replace(outside, title="Another"))
    with pytest.raises(UserError, match="'ours' is there already"):
        methods.register(replace(outside, name="ours"))


def test_a_cell_that_is_run_again_registers_its_method_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(methods, "METHODS", dict(methods.METHODS))
    monkeypatch.setattr(methods, "_registered", {})
    cell = "register(replace(get(name), name='celled', title=title))"
    names = {"register": methods.register, "replace": replace, "get": methods.get, "name": "ours"}
    for title in ("First", "Second"):
        exec(cell, {"__name__": "__main__", "title": title, **names})
        assert methods.get("celled").title == title
    with pytest.raises(UserError, match="'celled' is there already"):
        exec(cell, {"__name__": "package", "title": "Third", **names})
    with pytest.raises(UserError, match="'ours' is there already"):
        exec(cell.replace("celled", "ours"), {"__name__": "__main__", "title": "Third", **names})


def test_another_package_names_its_methods_in_an_entry_point(monkeypatch: pytest.MonkeyPatch) -> None:
    row = replace(methods.get("ours"), name="packaged", title="Packaged")
    point = SimpleNamespace(value="package:method", load=lambda: row)
    monkeypatch.setattr(plugins, "entry_points", lambda group: [point] if group == "semshare.methods" else [])
    monkeypatch.setattr(methods, "METHODS", dict(methods.METHODS))
    methods._load_entry_points.cache_clear()
    assert methods.get("packaged") is row
    methods._load_entry_points.cache_clear()
    point.load = lambda: 3
    with pytest.raises(UserError, match=r"package:method of another package .*: found 3, expected a Method"):
        methods.get("unheard of")
    methods._load_entry_points.cache_clear()
