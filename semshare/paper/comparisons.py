"""A recorded study as a list of comparisons: its plan is all of their runs, its table a row for each measure of each.

Every comparison is a difference on the same test images, the same runs with and without one thing, with an interval
that counts the chance in the images and in training.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from semshare import bert
from semshare.experiment import Experiment
from semshare.paper.recordings import Study
from semshare.runs.intervals import MEASURES, SeedVariance, difference
from semshare.utils.devices import default_precision, find_device

if TYPE_CHECKING:
    from collections.abc import Sequence

    from semshare.paper.recordings import RecordedRun
    from semshare.runs.store import Run

SCHEDULE = ("epochs", "least_steps", "most_steps", "learning_rate", "schedule")
# What has to be alike for seeds to matter about as much. Withheld segments are none of it: what is learnt from is as
# much, in as many steps.
_DATA_AND_SCHEDULE = ("dataset", "train_items", "scale", "batch", *SCHEDULE)


# A recording is of one folder, schedule and precision, which today's plans need not have: its runs keep their places.
_ALIKE = {"root", "precision", *SCHEDULE}


def cell(experiment: Experiment) -> str:
    """The place of a run in a plan, wherever its data lay, and in which precision and on which schedule it was made."""
    return experiment.model_dump_json(exclude=_ALIKE)


@dataclass(frozen=True)
class Comparison:
    """Two lists of experiments, an entry a seed, that differ in one thing; ``what`` names it for a recording's row."""

    what: dict[str, Any]
    changed: list[Experiment]
    base: list[Experiment]


# From the precision of runs of preset ``paper`` and the dataset's folder to the comparisons.
Comparisons = Callable[[str, Path | None], list[Comparison]]


def study(name: str, about: str, comparisons: Comparisons) -> Study:
    """The study that makes ``comparisons``: the plan is made of them, and so is the table."""

    def plan(root: Path | None, device: str) -> list[Experiment]:
        return distinct(comparisons(default_precision(find_device(device)), root))

    def compare(done: Sequence[Run]) -> list[dict[str, Any]]:
        root = next((run.experiment.root for run in done if run.experiment.root), None)
        return [row for comparison in comparisons(_papers_precision(done), root) for row in rows(comparison, done)]

    return Study(name, about, plan, compare, comparisons=comparisons)


def distinct(comparisons: Sequence[Comparison]) -> list[Experiment]:
    """The experiments of ``comparisons``, each once, seed by seed, what others are compared with first."""
    experiments = [experiment for comparison in comparisons for experiment in (*comparison.base, *comparison.changed)]
    once = {experiment.to_json(): experiment for experiment in experiments}
    return sorted(once.values(), key=lambda experiment: experiment.seed)


def rows(comparison: Comparison, done: Sequence[Run]) -> list[dict[str, Any]]:
    """``changed`` minus ``base``, a row for every measure; none while one of their runs is missing from ``done``.

    Seeds are pooled over all settings of the study with the data and schedule of ``base``, whatever they withhold, that
    are not outlying (:meth:`semshare.runs.intervals.SeedVariance.fitting`).
    """
    by_experiment = {_named(run.experiment).to_json(): run for run in done}
    sides = [
        [by_experiment.get(_named(experiment).to_json()) for experiment in side]
        for side in (comparison.changed, comparison.base)
    ]
    if None in sides[0] + sides[1]:
        return []
    changed, base = ([run.scored for run in side] for side in sides)
    drawn = [run.experiment for run in (*sides[1], *sides[0]) if run.seeded]  # a method that draws nothing has no seed
    variance = _pooled(done, drawn[0])
    table = []
    for measure in MEASURES:
        gap = difference(changed, base, measure, variance.fitting([*changed, *base], measure))
        interval = {name: value if isinstance(value, bool) else round(value, 5) for name, value in vars(gap).items()}
        seeds = {experiment.seed for experiment in drawn}
        table.append(comparison.what | {"seeds": len(seeds), "measure": measure} | interval)
    return table


def keys_of(study: Study, runs: Sequence[RecordedRun]) -> list[tuple[dict[str, Any], list[str]]]:
    """What ``study`` compares, each with the keys of the recorded ``runs`` behind it: changed ones, then the others.

    A comparison that lacks a run has no keys. A recording on another schedule than today's keeps its places: of a run's
    schedule counts in which fields it is not as usual for its method, in the recording as in the plan.
    """
    compared = study.comparisons(_papers_precision(runs), None)
    planned = [experiment for comparison in compared for experiment in (*comparison.changed, *comparison.base)]
    recorded = dict(zip(_places([run.experiment for run in runs]), runs, strict=True))
    place_of = dict(zip(map(Experiment.to_json, planned), _places(planned), strict=True))
    rows = []
    for comparison in compared:
        places = [place_of[experiment.to_json()] for experiment in (*comparison.changed, *comparison.base)]
        whole = recorded.keys() >= set(places)
        rows.append((comparison.what, [recorded[where].key for where in places] if whole else []))
    return rows


def _places(experiments: Sequence[Experiment]) -> list[tuple[str, frozenset]]:
    """What tells ``experiments`` apart but for where their data and checkpoint lie and the usual schedule."""
    schedules: dict[str, Counter] = {}
    for experiment in experiments:
        schedules.setdefault(experiment.method, Counter())[tuple(getattr(experiment, name) for name in SCHEDULE)] += 1
    places = []
    for experiment in experiments:
        ((usual, _),) = schedules[experiment.method].most_common(1)
        own = {name for name, value in zip(SCHEDULE, usual, strict=True) if getattr(experiment, name) != value}
        places.append((_named(experiment).model_dump_json(exclude={"root", *SCHEDULE}), frozenset(own)))
    return places


def _named(experiment: Experiment) -> Experiment:
    """``experiment`` with its checkpoint called as a recording calls it, wherever it lies."""
    return experiment.model_copy(update={"bert": experiment.bert and bert.name(experiment.bert)})


def _pooled(done: Sequence[Run], like: Experiment) -> SeedVariance:
    """The variance between seeds over the settings of ``done`` with the data and schedule of ``like``."""
    settings: dict[str, list[Run]] = {}
    for run in done:
        if all(getattr(run.experiment, name) == getattr(like, name) for name in _DATA_AND_SCHEDULE):
            settings.setdefault(run.experiment.change(seed=0).to_json(), []).append(run)
    return SeedVariance.pool([run.scored for run in runs] for runs in settings.values())


def _papers_precision(done: Sequence[Run | RecordedRun]) -> str:
    """What the runs of preset ``paper`` computed in; those of ``released`` name their own."""
    return next((run.experiment.precision for run in done if run.experiment.preset == "paper"), "float32")
