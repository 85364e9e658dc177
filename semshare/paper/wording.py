"""An experiment's fields in words, so that a page says what the run behind it did."""

from __future__ import annotations

from typing import TYPE_CHECKING

from semshare import training
from semshare.utils.counts import counted, word_for

if TYPE_CHECKING:
    from collections.abc import Iterable

    from semshare.data.dataset import PairedDataset
    from semshare.experiment import Experiment
    from semshare.paper.recordings import RecordedRun
    from semshare.runs.store import Run


def sentences(experiment: Experiment) -> dict[str, str]:
    """What pages say of ``experiment``, each by the name that a page puts it into its prose by.

    ``similarity`` is a clause, the others are whole sentences.
    """
    return {
        "similarity": {
            "binary": "S is 1 where items i and j share a label and 0 where they share none",
            "count": "S is how many labels items i and j share",
        }[experiment.similarity],
        "segments": _segments(experiment),
        "padding": {
            "masked": "Padding does not count.",
            "read": "Padding is read and counts like a segment, so that an item's embedding depends on its batch.",
        }[experiment.padding],
        "hidden_shows": _hidden(experiment),
        "kept": {
            "dev": "The epoch with the highest mean of both modalities' Micro-F1 on dev is kept.",
            "lowest-loss": "The weights after the batch with the lowest training loss among every tenth are kept.",
        }[experiment.checkpoint],
        "initial_words": {
            "word2vec": "which begin with Word2Vec's and are trained further",
            "uniform": "which begin uniform in ±0.1 and are trained",
        }[experiment.initial_words],
    }


def made_on(datasets: Iterable[PairedDataset]) -> str:
    """What the results on ``datasets`` are about, in a word or two."""
    return "drawings" if {dataset.status for dataset in datasets} == {"stand-in"} else "this build's data"


def converged(runs: Iterable[Run | RecordedRun]) -> str:
    """How many of the distinct ``runs`` have converged by dev, and what follows for what is compared."""
    distinct = list({run.key: run for run in runs if run.history}.values())
    done = sum(training.late_gain(run.history) < training.CONVERGED for run in distinct)
    if not distinct:
        return "No run behind it has been recorded yet."
    have = f"{counted(len(distinct), 'run')} behind it {word_for(done, 'has', 'have')} converged"
    rule = f"the last fifth of their steps brought less than {training.CONVERGED:g} on dev, by the mean of both F1"
    if 10 * done >= 9 * len(distinct):
        return f"{done} of {have}: {rule}."
    return (
        f"Only {done} of {have} ({rule}). What is compared here is "
        "therefore what the methods reach at this scale, not where they would end."
    )


def _segments(experiment: Experiment) -> str:
    """How regions and words become segments."""
    half = "half of the sum of" if experiment.segment_sum == "mean" else "the sum of"
    box = "its box" if experiment.boxes == "own" else "a box, which is that of the split's first image"
    where = "its place" if experiment.word_places == "in-order" else "place 0, where all words stand"
    word = "its word's vector, read by a bidirectional GRU whose two directions are averaged"
    placed = f"{half} that and {_weight(experiment.place_weight)}a vector of {where}"
    if experiment.block == "post-ln":  # BERT's own, added as the first thing that its blocks do
        placed = f"that, to which BERT's blocks add {_weight(experiment.place_weight)}a vector of {where}"
    return (
        f"A region becomes {half} a linear map of its feature and {_weight(experiment.box_weight)}a linear map of "
        f"{box}. A word is {word}; its segment is {placed}."
    )


def _weight(weight: float) -> str:
    return "" if weight == 1 else f"{weight:g} times "


def _hidden(experiment: Experiment) -> str:
    """What stands where a segment is hidden."""
    region = {"replaced": "a learnt vector", "kept": "itself all the same"}[experiment.masked_region]
    word = {"mask": "a symbol of its own", "unk": "the symbol of unknown words"}[experiment.masked_word]
    asked = ""
    if experiment.context_items == "longest":
        asked = " Only in the items of a batch with the longest texts is it asked for."
    return f"A hidden region shows {region}, a hidden word {word}.{asked}"
