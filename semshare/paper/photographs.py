"""What explains the claims on photographs: one thing at a time is changed, or taken away, on ``coco16k``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from semshare import methods, runs
from semshare.paper import plans
from semshare.paper.comparisons import Comparison, study

if TYPE_CHECKING:
    from pathlib import Path

    from semshare.experiment import Experiment

DATASET = "coco16k"
SEEDS = range(2)
_ALL_PAIRS = 12_000
TRAIN_ITEMS = (1500, 3000, 6000, None)  # None: all of them. Fewer pairs take the steps that a laptop run has for them
# The learning rate at which dev of these photographs is best for Independent (`benchmarks/README.md`, Schedule); that
# of scale laptop, chosen on drawings, is the best for Ours here too.
OWN_PEAK = 2e-3
PARTS: dict[str, dict[str, Any]] = {
    "one network for each modality (Independent)": {"method": "independent"},
    "one network for both": {"method": "ours", "mask_share": 0.0, "lam": 0.0},
    "the same, segments hidden": {"method": "ours", "lam": 0.0},
    "the same, hidden segments predicted (Ours)": {"method": "ours"},
}
# What is read of a picture, and whether hidden segments are predicted. The detector was taught COCO's labels: where a
# hidden region's target is one of them, context prediction teaches labels too.
REGIONS: dict[str, dict[str, Any]] = {
    "grid regions": {"regions": "grid"},
    "detector regions": {"regions": "yolox-nano"},
    "detector regions, nothing predicted": {"regions": "yolox-nano", "lam": 0.0},
    "detector regions, ImageNet's classes predicted": {"regions": "yolox-nano-imagenet"},
}


def comparisons(precision: str, root: Path | None) -> list[Comparison]:
    """Parts of *Ours*, Independent at its own peak, the label loss, what is read of a picture; consistency by pairs."""

    def planned(method: str = "ours", **fields: Any) -> list[Experiment]:
        data = {"root": root, "regions": "grid"} | fields
        if "seed" in methods.get(method).unread:
            return [runs.plan(DATASET, method, "laptop", **data)]
        return [runs.plan(DATASET, method, "laptop", seed=seed, precision=precision, **data) for seed in SEEDS]

    steps = [planned(**fields) for fields in PARTS.values()]
    made = [
        Comparison({"change": change}, changed, base)
        for change, changed, base in zip(list(PARTS)[1:], steps[1:], steps, strict=False)
    ]
    own = planned("independent", learning_rate=OWN_PEAK)
    made.append(Comparison({"change": f"Independent at its own best peak ({OWN_PEAK:g}) for Ours"}, own, planned()))
    made.append(Comparison({"change": "label loss bce for softplus_dot"}, planned(label_loss="bce"), planned()))
    for change, fields in REGIONS.items():
        floor = planned("linear", regions=fields["regions"])
        made.append(Comparison({"change": f"Ours for Linear, {change}"}, planned(**fields), floor))
    for items in TRAIN_ITEMS:
        without = planned("traditional", eta=0.0, keep="every-epoch", train_items=items)
        with_ = [experiment.change(eta=plans.ETAS[1]) for experiment in without]
        count = items or _ALL_PAIRS
        pairs = f"{count:,} pairs in {without[0].epochs * without[0].steps_in_epoch(count):,} steps"
        made.append(Comparison({"change": f"consistency loss, {pairs}"}, with_, without))
    return made


STUDY = study(
    "photographs",
    "What explains the claims on 16,000 photographs: each part of Ours, its label loss, what is read of a picture, and "
    "the number of training pairs.",
    comparisons,
)
