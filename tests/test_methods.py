"""The methods: which network, which terms, with which weights."""

from __future__ import annotations

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


def test_the_five_methods_of_the_paper_are_there() -> None:
    assert set(methods.METHODS) == {"independent", "traditional", "dscmr", "ours+con", "ours"}
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
        method.read(network, batch, experiment, torch.Generator().manual_seed(seed)) for seed in (0, 0, 1)
    )
    assert 0 < len(first["image"].targets) < 40 and len(first["text"].context) == len(first["text"].targets) > 0
    assert torch.equal(first["image"].embedding, same["image"].embedding)
    assert not torch.equal(first["image"].embedding, other["image"].embedding)


@pytest.mark.parametrize("method", methods.METHODS)
def test_a_step_of_each_method_lowers_its_loss(method: str) -> None:
    torch.manual_seed(0)
    experiment, chosen, batch = _experiment(method, dropout=0.0), methods.get(method), _batch()
    network = chosen.network(experiment, _dataset()).train()
    optimiser = torch.optim.Adam([p for p in network.parameters() if p.requires_grad], 2e-3)
    values = []
    for _ in range(8):
        outputs = chosen.read(network, batch, experiment, torch.Generator().manual_seed(0))
        loss = torch.stack(list(chosen.terms(outputs, batch.labels, experiment).values())).sum()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        values.append(loss.item())
    assert values[-1] < values[0]
