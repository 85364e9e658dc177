"""A run whose retrieval failures can be told by hand: four images, four texts, three labels."""

from __future__ import annotations

from types import SimpleNamespace

import torch

from semshare.evaluation import Reading, Thresholds

LABELS = ("cat", "dog", "car")
SUPER = {"cat": "animal", "dog": "animal", "car": "vehicle"}


def run() -> SimpleNamespace:
    """Four images, four texts: what is asked and what is found differs by one label each."""
    labels = torch.tensor([[1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 0, 1]]).float()
    embedding = torch.eye(4)
    image_scores = torch.tensor([[0.9, 0, 0], [0.1, 0.9, 0], [0, 0, 0.9], [0, 0, 0.9]])
    # The classifier also takes text 2 for a cat; text 3 looks like nothing in particular.
    text_scores = torch.tensor([[0.9, 0, 0], [0, 0.9, 0], [0.6, 0, 0.9], [0, 0, 0.2]])
    part = SimpleNamespace(labels=labels, text_labels=labels, owner=torch.arange(4))
    dataset = SimpleNamespace(parts={"test": part}, label_names=LABELS, supercategories=SUPER)
    reading = Reading(embedding, embedding, image_scores, text_scores)
    experiment = SimpleNamespace(ranking="cosine")
    return SimpleNamespace(
        experiment=experiment, dataset=dataset, thresholds=Thresholds(0.5, 0.5), reading=lambda split: reading
    )
