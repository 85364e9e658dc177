"""FLICKR25K's real tags: how well texts are classified by the text branch, by a logistic regression, by the paper's."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy.sparse import csr_matrix
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier
from torch import Tensor

from semshare import methods, runs
from semshare.metrics import best_threshold, micro_f1
from semshare.model import MODALITIES
from semshare.paper import reference
from semshare.utils.extras import extra

with extra("book"):
    import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Sequence

    from semshare.data.dataset import PairedDataset, Part
    from semshare.experiment import Experiment
    from semshare.runs.store import Run

REAL_TAGS = ("flickr25k", "flickr25k-simulated")  # the catalogue's names for FLICKR25K's own tags and labels


def plans(datasets: Sequence[str], scale: str = "laptop", device: str = "auto") -> list[Experiment]:
    """*Independent* on those of ``datasets`` that hold FLICKR25K's real tags, each modality on its own.

    Trained by binary cross-entropy, whose scores are probabilities, so that F1 can be read at 0.5 as well.
    """
    real = [name for name in datasets if name in REAL_TAGS]
    return [runs.plan(name, "independent", scale, device, label_loss="bce") for name in real]


def logistic_regression(dataset: PairedDataset) -> dict[str, float]:
    """One logistic regression a label on bags of words: text Micro-F1 on test, as the text branch's is read.

    Returns:
        ``text_f1`` at the threshold tuned on dev, ``text_f1_at_half``, and the ``threshold``.
    """
    train, dev, test = (dataset.parts[split] for split in ("train", "dev", "test"))
    model = OneVsRestClassifier(LogisticRegression(max_iter=1000))
    model.fit(_bags(train, len(dataset.vocabulary)), train.text_labels.numpy())

    def scores(part: Part) -> Tensor:
        return torch.from_numpy(model.predict_proba(_bags(part, len(dataset.vocabulary))))

    threshold = best_threshold(scores(dev), dev.text_labels)
    on_test = scores(test)
    return {
        "text_f1": micro_f1(on_test, test.text_labels, threshold),
        "text_f1_at_half": micro_f1(on_test, test.text_labels, 0.5),
        "threshold": threshold,
    }


def f1_frame(done: Sequence[Run]) -> pd.DataFrame:
    """Text Micro-F1 of ``done`` on FLICKR25K's real tags, of a logistic regression on the same, and of the paper."""
    tuned, half, unknown = "tuned on dev", "0.5", "unknown"
    rows: dict[tuple[str, str], dict[str, float]] = {}
    for run in done:
        name, numbers, plain = run.experiment.dataset, run.test.numbers(), logistic_regression(run.dataset)
        rows[name, f"text branch of {run.title}"] = {tuned: numbers["text_f1"], half: numbers["text_f1_at_half"]}
        rows[name, "logistic regression"] = {tuned: plain["text_f1"], half: plain["text_f1_at_half"]}
        for method in ("independent", "ours"):
            paper = reference.TABLE_1[method][list(reference.DATASETS).index("FLICKR25K")]
            rows[name, f"the paper, {methods.get(method).title}"] = {unknown: paper[MODALITIES.index("text")]}
    frame = pd.DataFrame.from_dict(rows, orient="index", columns=[tuned, half, unknown])
    return frame.rename_axis(columns="threshold")


def _bags(part: Part, words: int) -> csr_matrix:
    """[M, words] of 0 and 1: which words of the vocabulary a text holds."""
    pairs = np.array([(row, word) for row, text in enumerate(part.words) for word in set(text)])
    return csr_matrix((np.ones(len(pairs)), pairs.T), shape=(len(part.words), words))
