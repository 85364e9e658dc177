"""What retrieval would be if one modality were known: an upper bound beside what a model reaches."""

from __future__ import annotations

from typing import TYPE_CHECKING

from semshare.evaluation import Reading, Retrieval
from semshare.runs import protocols

if TYPE_CHECKING:
    from collections.abc import Sequence

    from semshare.model import Modality
    from semshare.runs.store import Run

# The rows of a table, each with the modality whose labels are known.
ROWS: dict[str, Modality] = {"Oracle, images known": "image", "Oracle, texts known": "text"}


def retrieval(run: Run, known: Modality, names: Sequence[str]) -> dict[str, Retrieval]:
    """What the protocols ``names`` say of ``run`` where the ``known`` modality's embeddings are its true labels.

    The other modality's are the run's label scores. Both are ranked as the run's experiment says.
    """
    part, reading = run.dataset.parts["test"], run.reading("test")
    image = part.labels if known == "image" else reading.image_scores
    text = part.text_labels if known == "text" else reading.text_scores
    oracle = Reading(image, text, image, text)
    chosen = [protocols.get(name) for name in names]
    made = protocols.read(chosen, oracle, part, run.dataset.text_kind, run.experiment)
    return dict(zip(names, made, strict=True))
