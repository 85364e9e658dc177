"""What each difference between the presets costs: which runs are compared with which, one field at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from semshare import runs
from semshare.experiment import DIFFERENCES, SCALES, Difference, Experiment

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TAGS, CAPTIONS = "scenes-flickr25k", "scenes-coco5k"
FLICKR = "flickr25k-simulated"
SEEDS = range(2)
SMOKE_SEEDS = range(3)
_WHOLE = {"pairing": {"pairing": "same-labels"}, "preset": {"preset": "released"}}  # measured on tags in Ours


@dataclass(frozen=True)
class Arms:
    """Two lists of experiments, an entry a seed, that differ in one thing; ``what`` names it for a recording's row."""

    what: dict[str, str]
    changed: list[Experiment]
    base: list[Experiment]


@dataclass(frozen=True)
class Variant:
    """How one difference between the presets is measured: the same runs with the released value and without it.

    Attributes:
        difference: what is measured.
        dataset: on which.
        method: in which, one that reads the field.
        changed: the fields of the runs with the released value.
        base: those of the runs without it.
    """

    difference: Difference
    dataset: str
    method: str
    changed: dict[str, Any]
    base: dict[str, Any]

    @property
    def value(self) -> Any:
        """The value that is measured: the released one, or for the learning rate what a small scale makes of it."""
        return self.changed.get(self.difference.field, self.difference.released)


def variants(precision: str = "float32") -> Iterator[Variant]:
    """What is measured of the presets, one field at a time: all but what is refused and the sizes that a scale sets.

    A field is given its released value in ``paper``; one that does nothing alone is given the paper's in ``released``.
    At scale ``laptop`` the learning rate is changed in the paper's proportion; the encoder's width and the epochs,
    which are the scale's own, are not. ``precision`` is the device's own.
    """
    for row in DIFFERENCES:
        method = {"label_loss": "independent", "similarity": "ours+con"}.get(row.field, "ours")
        dataset = CAPTIONS if "captions" in row.only else TAGS
        released, paper = row.released, row.paper
        if row.field == "learning_rate":
            released = SCALES["laptop"][row.field] * released / paper
        elif row.refused or "full" in row.only:
            continue
        elif row.field == "precision":
            paper = precision
        if row.within == "paper":
            yield Variant(row, dataset, method, {row.field: released}, {})
        else:
            whole = {"preset": "released"}
            yield Variant(row, dataset, method, whole, whole | {row.field: paper})


def at_laptop(precision: str) -> list[Arms]:
    """Every variant on stand-ins, then ``pairing`` and the whole preset; ``precision`` is that of the paper's runs."""

    def arms(field: str, value: Any, dataset: str, method: str, *sides: dict[str, Any]) -> Arms:
        planned = []
        for fields in sides:
            own = {} if "preset" in fields else {"precision": precision}  # `released` names its own
            planned.append([runs.plan(dataset, method, "laptop", seed=seed, **(own | fields)) for seed in SEEDS])
        return Arms(_what(field, value, dataset, method), *planned)

    several = [
        arms(one.difference.field, one.value, one.dataset, one.method, one.changed, one.base)
        for one in variants(precision)
    ]
    return several + [arms(name, fields[name], TAGS, "ours", fields, {}) for name, fields in _WHOLE.items()]


def at_smoke(precision: str, root: Path | None = None) -> list[Arms]:
    """The variants of ``released`` alone, on FLICKR25K's real tags (its folder is ``root``) and on drawn captions."""

    def planned(one: Variant, dataset: str, fields: dict[str, Any]) -> list[Experiment]:
        where = {"root": root} if dataset == FLICKR else {}
        return [runs.plan(dataset, one.method, "smoke", seed=seed, **where, **fields) for seed in SMOKE_SEEDS]

    several = []
    for one in variants(precision):
        if one.difference.within == "released":
            dataset = FLICKR if one.dataset == TAGS else one.dataset
            what = _what(one.difference.field, one.value, dataset, one.method)
            several.append(Arms(what, planned(one, dataset, one.changed), planned(one, dataset, one.base)))
    return several


def distinct(several: list[Arms]) -> list[Experiment]:
    """The experiments of ``several``, each once, seed by seed, what others are compared with first."""
    experiments = [experiment for side in ("base", "changed") for arms in several for experiment in getattr(arms, side)]
    once = {experiment.to_json(): experiment for experiment in experiments}
    return sorted(once.values(), key=lambda experiment: experiment.seed)


def _what(field: str, value: Any, dataset: str, method: str) -> dict[str, str]:
    return {"field": field, "value_there": str(value), "dataset": dataset, "method": method}
