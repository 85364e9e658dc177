"""FLICKR25K's real tags: how well texts are classified by the text branch, by a logistic regression, by the paper's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from semshare import methods, runs
from semshare.model import MODALITIES
from semshare.paper import reference
from semshare.utils.extras import extra

with extra("book"):
    import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Sequence

    from semshare.experiment import Experiment
    from semshare.runs.store import Run

REAL_TAGS = ("flickr25k", "flickr25k-simulated")  # the catalogue's names for FLICKR25K's own tags and labels


def plans(datasets: Sequence[str], scale: str = "laptop", device: str = "auto") -> list[Experiment]:
    """*Independent* and *Linear* on those of ``datasets`` that hold FLICKR25K's real tags, each modality on its own.

    *Independent* is trained by binary cross-entropy, whose scores are probabilities as *Linear*'s are, so that F1 can
    be read at 0.5 as well.
    """
    return [
        experiment
        for name in datasets
        if name in REAL_TAGS
        for experiment in (
            runs.plan(name, "independent", scale, device, label_loss="bce"),
            runs.plan(name, "linear", scale, device),
        )
    ]


def f1_frame(done: Sequence[Run]) -> pd.DataFrame:
    """Text Micro-F1 of ``done`` (the runs of :func:`plans`) on FLICKR25K's real tags, and of the paper."""
    tuned, half, unknown = "tuned on dev", "0.5", "unknown"
    rows: dict[tuple[str, str], dict[str, float]] = {}
    for run in done:
        name, numbers = run.experiment.dataset, run.test.numbers()
        told = "logistic regression" if run.experiment.method == "linear" else f"text branch of {run.title}"
        rows[name, told] = {tuned: numbers["text_f1"], half: numbers["text_f1_at_half"]}
    for name in dict.fromkeys(run.experiment.dataset for run in done):
        for method in ("independent", "ours"):
            paper = reference.TABLE_1[method][list(reference.DATASETS).index("FLICKR25K")]
            rows[name, f"the paper, {methods.get(method).title}"] = {unknown: paper[MODALITIES.index("text")]}
    frame = pd.DataFrame.from_dict(rows, orient="index", columns=[tuned, half, unknown])
    return frame.rename_axis(columns="threshold")
