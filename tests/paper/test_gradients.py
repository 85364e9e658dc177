"""The gradients of the two losses where they meet."""

from __future__ import annotations

import pandas as pd
import pytest
import torch

from semshare import losses, runs, training
from semshare.paper import gradients
from semshare.runs.store import Run


@pytest.fixture(scope="module")
def run(semshare_home) -> Run:
    fields = {"epochs": 2, "precision": "float32", "keep": "every-epoch", "eta": 0.0}
    return runs.get(runs.plan("scenes-flickr25k", "traditional", "smoke", "cpu", **fields), "cpu", quiet=True)


@pytest.fixture(scope="module")
def frame(run: Run) -> pd.DataFrame:
    return gradients.gradient_conflict(run, 0.1)


def test_a_row_for_each_epoch_and_modality(frame: pd.DataFrame) -> None:
    assert frame[["epoch", "modality"]].to_numpy().tolist() == [[1, "image"], [1, "text"], [2, "image"], [2, "text"]]
    assert frame["cosine"].between(-1, 1).all() and (frame[["label", "consistency"]] > 0).all(axis=None)
    assert frame["ratio"].to_numpy() == pytest.approx((frame["consistency"] / frame["label"]).to_numpy())


def test_the_weight_of_consistency_scales_its_gradient_alone(run: Run, frame: pd.DataFrame) -> None:
    twice = gradients.gradient_conflict(run, 0.2)
    assert (twice["ratio"] / frame["ratio"]).to_numpy() == pytest.approx([2] * 4, rel=1e-4)
    assert twice["cosine"].to_numpy() == pytest.approx(frame["cosine"].to_numpy(), abs=1e-5)
    assert twice["label"].to_numpy() == pytest.approx(frame["label"].to_numpy())


def test_the_image_row_equals_gradients_taken_by_hand(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gradients, "_BATCHES", 1)
    found = gradients.gradient_conflict(run, 0.1).iloc[2]
    network = run.network(training.epoch_checkpoint(run.folder, 2))
    batch = next(run.dataset.batches("train", run.experiment.batch, torch.Generator().manual_seed(0)))
    image, text = network("image", batch.image), network("text", batch.text)
    label = losses.label_prediction(image.embedding, batch.labels)["label"] / 2
    together = 0.1 * sum(losses.consistency(image.common, text.common, batch.labels).values())
    weights = [network.segments["image"].feature.weight, network.segments["image"].feature.bias]
    weights += list(network.segments["image"].box.parameters())
    flat = [
        torch.cat([one.flatten() for one in torch.autograd.grad(loss, weights, retain_graph=True)])
        for loss in (label, together)
    ]
    assert found["label"] == pytest.approx(float(flat[0].norm()), rel=1e-4)
    assert found["consistency"] == pytest.approx(float(flat[1].norm()), rel=1e-4)
    cosine = float(torch.nn.functional.cosine_similarity(*flat, dim=0))
    assert found["cosine"] == pytest.approx(cosine, abs=1e-4)
