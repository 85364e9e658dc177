"""Which side is strong? The consistency loss on photographs whose images, or texts, are made the stronger side.

The paper's thesis is that the loss drags the strong side down and does not help the weak one. Which side is strong
depends on what is read of a picture, and on what is withheld: so the thesis can be tried both ways.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from semshare import runs
from semshare.paper import plans
from semshare.paper.comparisons import Comparison, cell, study

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from semshare.paper.recordings import RecordedRun
    from semshare.runs.store import Run

DATASET = "coco16k"
SEEDS = range(2)
CONSISTENCY, LINEAR = "the consistency loss", "Traditional for Linear"  # what is changed
ALL = "the mean over all settings"
LEAD = 2.0  # points of F1 by which a side must be ahead to be called the stronger one
# From strong images to strong texts, roughly: what is read of a picture, and what is withheld.
SETTINGS: dict[str, dict[str, Any]] = {
    "detector regions, 80 % of words withheld": {"regions": "yolox-nano", "missing_words": 0.8},
    "grid regions, 80 % of words withheld": {"missing_words": 0.8},
    "grid regions, 40 % of words withheld": {"missing_words": 0.4},
    "detector regions": {"regions": "yolox-nano"},
    "grid regions": {},
    "grid regions, 94 % of regions withheld": {"missing_regions": 0.94},
}


@dataclass(frozen=True)
class Arms:
    """The runs of one setting: *Traditional* without the loss and with it, and Linear."""

    without: list[Run | RecordedRun]
    with_: list[Run | RecordedRun]
    linear: list[Run | RecordedRun]


def comparisons(precision: str, root: Path | None) -> list[Comparison]:
    """In every setting Fig. 1's pair, and what *Traditional* without the loss is ahead of Linear on the same data.

    The last is the mean effect of the loss over all settings, which share their test photographs.
    """
    made: list[Comparison] = []
    for setting, fields in SETTINGS.items():
        data = {"root": root, "regions": "grid"} | fields
        without = [
            runs.plan(
                DATASET, "traditional", "laptop", seed=seed, eta=0.0, keep="every-epoch", precision=precision, **data
            )
            for seed in SEEDS
        ]
        with_ = [experiment.change(eta=plans.ETAS[1]) for experiment in without]
        linear = [runs.plan(DATASET, "linear", "laptop", **data)]
        made += [
            Comparison({"setting": setting, "change": CONSISTENCY}, with_, without),
            Comparison({"setting": setting, "change": LINEAR}, without, linear),
        ]
    with_ = [experiment for pair in made[::2] for experiment in pair.changed]
    without = [experiment for pair in made[::2] for experiment in pair.base]
    return [*made, Comparison({"setting": ALL, "change": CONSISTENCY}, with_, without)]


STUDY = study(
    "strength",
    "What the consistency loss does to 16,000 photographs and their captions where images, or texts, are made the "
    "stronger side.",
    comparisons,
)


def arms(done: Sequence[Run | RecordedRun]) -> dict[str, Arms]:
    """The finished runs in their places in the plan, by setting; a setting whose runs are not all there is left out."""
    finished = {cell(run.experiment): run for run in done}
    by_setting = {}
    pairs = comparisons("float32", None)[:-1]
    for loss, floor in zip(pairs[::2], pairs[1::2], strict=True):
        sides = [[cell(experiment) for experiment in side] for side in (loss.base, loss.changed, floor.base)]
        if all(name in finished for side in sides for name in side):
            by_setting[loss.what["setting"]] = Arms(*([finished[name] for name in side] for side in sides))
    return by_setting
