"""Oracles: the true labels of one modality against a run's scores of the other, by hand."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from semshare.data.dataset import Part
from semshare.evaluation import Reading
from semshare.paper import oracles
from semshare.runs import planning

LABELS = torch.tensor([[1.0, 0, 0], [0, 1, 0], [0, 0, 1]])
RIGHT, WRONG = LABELS, LABELS.roll(1, 0)  # scores that name each item's label, and those of its neighbour


def _run(image_scores: torch.Tensor, text_scores: torch.Tensor) -> SimpleNamespace:
    rows = torch.arange(3)
    words = ((1, 5, 2), (1, 6, 2), (1, 7, 2))
    part = Part(("a", "b", "c"), LABELS, ("x", "y", "z"), words, rows, torch.zeros(3, dtype=torch.long))
    embedding = torch.ones(3, 2)  # the oracle does not read it
    return SimpleNamespace(
        dataset=SimpleNamespace(parts={"test": part}, text_kind="captions"),
        reading=lambda split: Reading(embedding, embedding, image_scores, text_scores),
        experiment=planning.plan("scenes-coco5k", "ours", "smoke", "cpu"),
    )


@pytest.mark.parametrize(("known", "other"), [("image", "text"), ("text", "image")])
def test_the_known_side_has_its_labels_and_the_other_the_runs_scores(known: str, other: str) -> None:
    """Where the other side is right everything is found first; where it is a neighbour's, nothing is."""
    scores = {f"{known}_scores": WRONG, f"{other}_scores": RIGHT}
    found = oracles.retrieval(_run(**scores), known, ["ndcg@500", "recall@1"])
    assert found["ndcg@500"].i2t.tolist() == found["ndcg@500"].t2i.tolist() == [1.0] * 3
    assert found["recall@1"].t2i.tolist() == [1.0] * 3
    assert found["ndcg@500"].i2t_random.tolist() == pytest.approx([(1 + 1 / 1.584963 + 1 / 2) / 3] * 3, rel=1e-5)
    blind = oracles.retrieval(_run(**{f"{known}_scores": RIGHT, f"{other}_scores": WRONG}), known, ["recall@1"])
    assert blind["recall@1"].i2t.tolist() == blind["recall@1"].t2i.tolist() == [0.0] * 3
