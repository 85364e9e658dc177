"""What each difference between the presets costs: which runs are compared with which, one field at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from semshare import runs
from semshare.experiment import DIFFERENCES, SCALES, Preset
from semshare.paper.comparisons import Comparison

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

TAGS, CAPTIONS = "scenes-flickr25k", "scenes-coco5k"
FLICKR = "flickr25k-simulated"
SEEDS = range(2)
SMOKE_SEEDS = range(3)
SMOKE_ITEMS = 4000  # of FLICKR25K's 16,015 training pairs: seconds a run


@dataclass(frozen=True)
class Variant:
    """How one field is measured: the same runs with another value of it and without.

    Attributes:
        field: what is measured.
        value: the value that it is given.
        within: the preset in which.
        dataset: on which.
        method: in which, one that reads the field.
        changed: the fields of the runs with that value.
        base: those of the runs without it.
    """

    field: str
    value: Any
    within: Preset
    dataset: str
    method: str
    changed: dict[str, Any]
    base: dict[str, Any]


# What is no single difference: the earlier loaders' pairing, and the whole preset.
_WHOLE = (
    Variant("pairing", "same-labels", "paper", TAGS, "ours", {"pairing": "same-labels"}, {}),
    Variant("preset", "released", "paper", TAGS, "ours", {"preset": "released"}, {}),
)


def variants() -> Iterator[Variant]:
    """What is measured of the presets, one field at a time: all but what is refused and the sizes that a scale sets.

    A field is given its released value in ``paper``; one that does nothing alone is given the paper's in ``released``.
    At scale ``laptop`` the learning rate is changed in the paper's proportion; the encoder's width and the epochs,
    which are the scale's own, are not. The other precision is bfloat16 whatever the device's own is, so that every
    machine plans the same runs.
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
            paper = "bfloat16"
        if row.within == "paper":
            yield Variant(row.field, released, row.within, dataset, method, {row.field: released}, {})
        else:
            whole = {"preset": "released"}
            yield Variant(row.field, released, row.within, dataset, method, whole, whole | {row.field: paper})


def at_laptop(precision: str) -> list[Comparison]:
    """Every variant on stand-ins, then ``pairing`` and the whole preset; ``precision`` is that of the paper's runs."""
    return [_comparison(variant, variant.dataset, "laptop", SEEDS, precision) for variant in (*variants(), *_WHOLE)]


def at_smoke(precision: str, root: Path | None = None) -> list[Comparison]:
    """The variants of ``released``, then the whole: on FLICKR25K's real tags, or on drawn captions.

    Only so many training pairs are read of FLICKR25K, whose folder is ``root``.
    """
    several = []
    for variant in (*variants(), *_WHOLE):
        if variant.within == "released" or variant.field == "preset":
            real = (FLICKR, {"root": root, "train_items": SMOKE_ITEMS})
            dataset, where = real if variant.dataset == TAGS else (variant.dataset, {})
            several.append(_comparison(variant, dataset, "smoke", SMOKE_SEEDS, precision, **where))
    return several


def _comparison(
    variant: Variant, dataset: str, scale: str, seeds: Iterable[int], precision: str, **where: Any
) -> Comparison:
    """Both sides of a variant; the paper's runs compute in ``precision``, those of ``released`` name their own."""
    planned = []
    for fields in (variant.changed, variant.base):
        own = where | ({} if "preset" in fields else {"precision": precision})
        planned.append([runs.plan(dataset, variant.method, scale, seed=seed, **(own | fields)) for seed in seeds])
    what = {"field": variant.field, "value_there": str(variant.value), "dataset": dataset, "method": variant.method}
    return Comparison(what, *planned)
