"""The gradients of the two losses where they meet."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pandas as pd
import pytest
import torch

from semshare import losses, runs, training
from semshare.book import evidence
from semshare.paper import gradients, reference
from semshare.paper.verdicts import Verdict
from semshare.runs.intervals import Interval
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


NOTEBOOKS = Path(__file__).parents[2] / "notebooks"


def _verdict(claim: int, value: float) -> Verdict:
    interval = Interval(value, value - 0.001, value + 0.001)
    return Verdict(claim, "rises", "scenes-flickr25k", "F1", interval, 0.0, "above", None, (0,), ("0",))


def test_claims_that_are_not_reproduced_lead_to_the_sections_that_ask_why() -> None:
    shown = evidence.asked_why([_verdict(1, -0.1), _verdict(1, 0.1), _verdict(2, 0.2), _verdict(5, -0.2)]).data
    assert "Claim 1: 1 of 2 tests not reproduced." in shown and "Claim 2" not in shown
    assert "08_diagnosis.html#when-consistency-hurts-and-when-it-helps" in shown
    assert "Claim 5: 1 of 1 tests not reproduced. No study of this book asks why." in shown
    assert "<li>" not in evidence.asked_why([_verdict(3, 0.1)]).data


def test_every_claim_has_its_evidence_under_headings_that_exist() -> None:
    assert list(gradients.EVIDENCE) == list(reference.CLAIMS)
    for page, heading in {place for places in gradients.EVIDENCE.values() for place in places}:
        cells = nbformat.read(NOTEBOOKS / f"{page}.ipynb", as_version=4).cells
        headings = [line for cell in cells if cell.cell_type == "markdown" for line in cell.source.splitlines()]
        assert f"## {heading}" in headings, heading
