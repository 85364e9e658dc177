"""Which runs each section of the supplementary rests on: the one place that notebooks and command line ask.

A plan holds experiments in the shape in which figures, tables and verdicts take runs: mappings that end in lists, one
entry a seed. :func:`train` asks for all of a plan's runs at once, so that those that are missing train side by side.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from semshare import runs
from semshare.data import catalogue
from semshare.data.collections import kept_names
from semshare.errors import UserError
from semshare.experiment import Experiment, known_scale, preset_fields
from semshare.methods import chosen_lambda as _papers_lambda
from semshare.methods import get as _method
from semshare.paper import reference

SEEDS = {"smoke": 1, "laptop": 3, "full": 5}  # how many seeds a table or a curve has
SWEEP_SEEDS = {"smoke": 1, "laptop": 1, "full": 5}  # how many every lambda of section 5 has
PAPERS = ("independent", "dscmr", "ours+con", "ours")  # the rows of the paper's Table 1
METHODS = ("linear", *PAPERS)  # the rows of ours
ETAS = (0.0, 0.1)  # Fig. 1: without the consistency loss, and with it


def consistency(
    dataset: str, scale: str = "laptop", preset: str = "paper", seeds: int | None = None, device: str = "auto"
) -> dict[float, list[Experiment]]:
    """Section 1 (Fig. 1): by the weight of the consistency loss, without it first; every epoch is kept.

    ``seeds`` is how many, here and below; by default ``SEEDS`` of the scale.

    Raises:
        UserError: whatever :func:`semshare.runs.planning.plan` refuses, or a number of seeds below 1.
    """
    return {
        eta: [
            runs.plan(dataset, "traditional", scale, device, preset=preset, seed=seed, eta=eta, keep="every-epoch")
            for seed in _seeds(scale, seeds, SEEDS)
        ]
        for eta in ETAS
    }


def classification(
    datasets: Sequence[str],
    scale: str = "laptop",
    preset: str = "paper",
    seeds: int | None = None,
    device: str = "auto",
    methods: Sequence[str] = METHODS,
) -> dict[tuple[str, str], list[Experiment]]:
    """Section 3 (Table 1), and the table of retrieval: by (method, dataset). A method without a seed has one run."""
    return {
        (method, dataset): [
            runs.plan(dataset, method, scale, device, preset=preset, **seed)
            for seed in _seeds_of(method, _seeds(scale, seeds, SEEDS))
        ]
        for dataset in datasets
        for method in methods
    }


def failure_cases(
    dataset: str, scale: str = "laptop", preset: str = "paper", seeds: int | None = None, device: str = "auto"
) -> dict[str, list[Experiment]]:
    """Section 4 (Fig. 2): by method the very runs of section 3. *Ours* is judged; all tell how seeds vary."""
    return by_method(classification([dataset], scale, preset, seeds, device, PAPERS), dataset)


def sensitivity(
    datasets: Sequence[str],
    scale: str = "laptop",
    preset: str = "paper",
    seeds: int | None = None,
    device: str = "auto",
) -> dict[str, dict[float, list[Experiment]]]:
    """Section 5 (Fig. 3): by dataset, then by lambda in rising order.

    The lambdas are the supplementary's, and the preset's own where that is none of them. Every lambda has the same
    seeds, so that differences are paired: by default ``SWEEP_SEEDS``, fewer than the tables have. The runs at the
    preset's own lambda are those of section 3.
    """
    return {
        dataset: {
            lam: [
                runs.plan(dataset, "ours", scale, device, preset=preset, seed=seed, lam=lam)
                for seed in _seeds(scale, seeds, SWEEP_SEEDS)
            ]
            for lam in sorted({*reference.LAMBDAS, chosen_lambda(dataset, preset)})
        }
        for dataset in datasets
    }


def implementation(
    dataset: str, scale: str = "laptop", preset: str = "paper", seed: int = 0, device: str = "auto"
) -> list[Experiment]:
    """Section 2: the one run of *Ours* whose settings and speed are shown, a run of section 3 too."""
    return [runs.plan(dataset, "ours", scale, device, preset=preset, seed=seed)]


def diagnosis(
    dataset: str, scale: str = "laptop", preset: str = "paper", device: str = "auto"
) -> dict[float, list[Experiment]]:
    """The diagnosis: section 1's first run without the consistency loss, whose gradients are looked at."""
    return {0.0: consistency(dataset, scale, preset, 1, device)[0.0]}


def everything(
    datasets: Sequence[str],
    scale: str = "laptop",
    preset: str = "paper",
    seeds: int | None = None,
    device: str = "auto",
) -> dict[str, Any]:
    """What the verdicts on all claims rest on: every section's plan under its name.

    Section 1 has one dataset, the first; section 4 has those whose labels have super-categories.
    """
    asked = {"scale": scale, "preset": preset, "seeds": seeds, "device": device}
    grouped = [name for name in datasets if has_supercategories(name)]
    return {
        "consistency": consistency(datasets[0], **asked),
        "classification": classification(datasets, **asked),
        "failure_cases": {name: failure_cases(name, **asked) for name in grouped},
        "sensitivity": sensitivity(datasets, **asked),
    }


def has_supercategories(dataset: str) -> bool:
    """Whether the labels of ``dataset`` have super-categories, which section 4 counts by.

    Those of the catalogue have them where there are captions: their labels are COCO's. What others bring is opened.

    Raises:
        UserError: an unknown dataset, or another's that cannot be read.
    """
    entry = catalogue.entry(dataset)
    if dataset in kept_names() or catalogue.is_from_outside(dataset):
        return bool(entry.open("smoke", None, 0).supercategories)
    return entry.text_kind == "captions"


def by_method(table: Mapping[tuple[str, str], Sequence[Any]], dataset: str) -> dict[str, Any]:
    """The part of section 3's plan, or of its runs, that is about ``dataset``."""
    return {method: side for (method, other), side in table.items() if other == dataset}


def train(plans: Any, device: str = "auto") -> Any:
    """``plans`` with the run of each experiment in its place, found or trained now, in one call of the run store."""
    experiments = flat(plans)
    finished = dict(zip(experiments, runs.get_all(experiments, device), strict=True))
    return with_each(plans, lambda part: [finished[experiment] for experiment in part])


def with_each(plans: Any, change: Callable[[Sequence[Experiment]], list[Any]]) -> Any:
    """``plans`` with what ``change`` makes of each list at its ends in the list's place."""
    if isinstance(plans, Mapping):
        return {name: with_each(part, change) for name, part in plans.items()}
    return change(plans)


def flat(plans: Any) -> list[Any]:
    """The experiments, or runs, at the ends of ``plans``, in order."""
    if isinstance(plans, Mapping):
        return [run for part in plans.values() for run in flat(part)]
    return list(plans)


def chosen_lambda(dataset: str, preset: str = "paper") -> float:
    """The lambda that *Ours* takes on ``dataset`` in the tables: the supplementary's, or the released code's."""
    kind = catalogue.entry(dataset).text_kind
    return preset_fields(preset, "ours", "laptop", kind).get("lam", _papers_lambda(kind))


def _seeds_of(method: str, seeds: range) -> list[dict[str, int]]:
    """The field ``seed`` of each of a method's experiments; of one that reads no seed, a single one without it."""
    return [{}] if "seed" in _method(method).unread else [{"seed": seed} for seed in seeds]


def _seeds(scale: str, asked: int | None, own: Mapping[str, int]) -> range:
    known_scale(scale)
    if asked is None:
        return range(own[scale])
    if not isinstance(asked, int) or asked < 1:
        raise UserError(f"seeds: found {asked!r}, expected how many: a whole number from 1")
    return range(asked)
