"""Recorded results: studies too long for a book's build, trained once and kept as small JSON in ``book/recorded/``.

A JSON file holds every finished run of its study with all that says where it came from, and what was compared over
them. A small ``.npz`` file beside it holds what an interval is made of, sums by test image, so that
``study.compare(load(name).runs)`` compares anew without training (all but claim 5, which is about the items). Both are
written anew after every run, so a study that was interrupted is a shorter study, and goes on where it stopped.
Recordings made before sums were kept have no such file, and their intervals are those of a bootstrap over images and
seeds.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from semshare import bert, methods, runs
from semshare.errors import UserError
from semshare.experiment import Experiment
from semshare.paper.display import Verdicts
from semshare.paper.recorded_sums import queries_of, read_arrays, readings_of, save_sums
from semshare.paper.verdicts import Verdict
from semshare.runs import parallel, store
from semshare.runs.intervals import Scored, training_name
from semshare.runs.keys import reading_key
from semshare.utils.checkout import find_root
from semshare.utils.extras import extra
from semshare.utils.files import write_json
from semshare.utils.markdown import distinct

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    import pandas as pd

    from semshare.paper import retrieval
    from semshare.runs.store import Run


# What of a run's record a recording keeps.
_KEPT = ("key", "initial_weights", "thresholds", "seconds", "device", "commit", "threads", "versions", "data", "made")


@dataclass(frozen=True)
class Study:
    """A named set of runs and what is compared over them.

    Attributes:
        name: of the study, and of its file.
        about: one sentence for readers.
        plan: from the dataset's folder (None for the default) and a device to the experiments, the most telling first.
        compare: from finished runs to comparisons, each a dict with what was compared, ``value``, ``low`` and ``high``
            (where the paper's claims are tested, a :class:`Verdict`'s); one whose runs are not all there is left out.
        failures: from finished runs to what is kept of retrieval failures; None where nothing is.
        retrieval: from finished runs to those of which ``semshare.paper.retrieval.RECORDED`` is kept.
        comparisons: what a plan that is a list of :class:`semshare.paper.comparisons.Comparison` is the runs of, from
            a precision and the dataset's folder.
    """

    name: str
    about: str
    plan: Callable[[Path | None, str], list[Experiment]]
    compare: Callable[[Sequence[Run]], list[dict[str, Any]]]
    failures: Callable[[Sequence[Run]], dict[str, Any] | None] = lambda done: None
    retrieval: Callable[[Sequence[Run]], Sequence[Run]] = lambda done: ()
    comparisons: Callable[[str, Path | None], Sequence[Any]] = lambda precision, root: ()


@dataclass(frozen=True)
class Numbers:
    """A recorded evaluation: the headline numbers of an :class:`semshare.evaluation.Evaluation`, without its items."""

    values: dict[str, float]

    def numbers(self) -> dict[str, float]:
        """As :meth:`semshare.evaluation.Evaluation.numbers`."""
        return self.values


@dataclass(frozen=True)
class RecordedRun:
    """A run as it was recorded; figures and tables that read headline numbers take it like a :class:`Run`.

    Attributes:
        record: its row of the file.
        scored: the test split by image; None where the recording kept no sums.
        scored_epochs: likewise after every epoch; empty where only the best weights were kept.
        queries: retrieval by protocol and direction, as far as it was kept.
    """

    record: dict[str, Any]
    scored: Scored | None = None
    scored_epochs: list[Scored] = field(default_factory=list)
    queries: retrieval.Columns = field(default_factory=dict)

    @property
    def key(self) -> str:
        """The 12 digits that the run was found by."""
        return self.record["key"]

    @cached_property
    def experiment(self) -> Experiment:
        """What was run."""
        return Experiment.from_json(json.dumps(self.record["experiment"]))

    @property
    def title(self) -> str:
        """The method's name as the paper prints it."""
        return methods.get(self.experiment.method).title

    @property
    def history(self) -> list[dict[str, Any]]:
        """The run's dev measures by epoch; empty where they were not recorded."""
        return self.record.get("history", [])

    @property
    def seeded(self) -> bool:
        """Whether its training drew anything by its seed."""
        return "seed" not in methods.get(self.record["experiment"]["method"]).unread

    @property
    def test(self) -> Numbers:
        """The test split's numbers at the kept weights."""
        return Numbers(self.record["test"])

    @property
    def epochs(self) -> list[Numbers]:
        """Every epoch's numbers on test; empty where only the best weights were kept."""
        return [Numbers(values) for values in self.record["epochs"]]


@dataclass(frozen=True)
class Recording:
    """A study's file: its runs, its comparisons, retrieval failures, and whether every planned run is there."""

    name: str
    about: str
    planned: int
    runs: list[RecordedRun]
    comparisons: list[dict[str, Any]]
    failures: dict[str, Any] | None = None

    @property
    def before(self) -> bool:
        """Whether its intervals were made before standard errors were kept with them."""
        return any("error" not in comparison for comparison in self.comparisons)

    def verdicts(self, *claims: int) -> Verdicts:
        """The comparisons of a study that tests the paper's claims: those of ``claims``, or all."""
        verdicts = (Verdict.from_dict(comparison) for comparison in self.comparisons)
        return Verdicts(verdict for verdict in verdicts if not claims or verdict.claim in claims)

    def frame(self) -> pd.DataFrame:
        """The comparisons as a table, one row each; ``decided`` says whose interval knows of seeds and lacks 0."""
        with extra("book"):
            import pandas as pd
        return pd.DataFrame([comparison | {"decided": decided(comparison)} for comparison in self.comparisons])

    def facts(self) -> dict[str, str]:
        """What the banner says of the runs: preset, scale, seeds, devices, commits, hours of training."""
        experiments = [run.experiment for run in self.runs]
        return {
            "Recorded runs": f"{len(self.runs)} of {self.planned}",
            "Preset": distinct(experiment.preset for experiment in experiments),
            "Scale": distinct(experiment.scale for experiment in experiments),
            "Seeds": distinct(experiment.seed for experiment in experiments),
            "Learning rate": distinct(
                f"{experiment.learning_rate:g} {experiment.schedule}" for experiment in experiments
            ),
            "Device": distinct(run.record["device"] for run in self.runs),
            "Trained at commit": distinct(run.record["commit"] for run in self.runs),
            "torch": distinct(run.record["versions"]["torch"] for run in self.runs),
            "Training": f"{sum(run.record['seconds'] for run in self.runs) / 3600:.1f} h in all",
        }


def decided(comparison: Mapping[str, Any]) -> bool:
    """Whether a comparison's interval lies on one side of 0 and knows of the chance in training.

    Intervals of before are taken at their word: they do not say what they know.
    """
    beside = comparison["low"] > 0 or comparison["high"] < 0
    return beside and comparison.get("training", True)


def record(study: Study, root: Path | None = None, device: str = "auto", folder: Path | None = None) -> Path:
    """Train (or find) the runs of ``study`` and write its file, anew after every run.

    Args:
        study: what to run.
        root: the dataset's folder, where it needs one.
        device: where to train.
        folder: the folder of the files; the checkout's ``book/recorded`` by default.

    Returns:
        The file.

    Raises:
        UserError: a ``root`` that no dataset of the study reads.
    """
    path = _file(study.name, folder)
    planned = study.plan(root, device)
    if root is not None and not any(experiment.root for experiment in planned):
        raise UserError(f"root: study {study.name!r} reads no dataset's folder")
    finished: dict[Experiment, tuple[Run, dict[str, Any]]] = {}

    def write(experiments: Sequence[Experiment]) -> None:
        """Read those of ``experiments`` that are finished, once each, and write what there is of the study."""
        for experiment in experiments:
            if experiment not in finished and store.exists(experiment):
                run = runs.get(experiment, device)
                finished[experiment] = run, row(run)
        if not (there := [finished[experiment] for experiment in planned if experiment in finished]):
            return
        done = [run for run, _ in there]
        content = {"name": study.name, "about": study.about, "planned": len(planned)}
        content |= {"runs": [kept for _, kept in there], "comparisons": study.compare(done)}
        if (failures := study.failures(done)) is not None:
            content["failures"] = failures
        save_sums(path.with_suffix(".npz"), done, study.retrieval(done))
        write_json(path, content, indent=1)

    write(planned)
    for experiment in parallel.train_missing(planned, device):
        write([experiment])
    write(planned)  # with those that share a training, and what another process has trained meanwhile
    return path


def load(name: str, folder: Path | None = None) -> Recording:
    """The recording called ``name``.

    Raises:
        UserError: nothing was recorded under that name, or the file is damaged.
    """
    path = _file(name, folder)
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        rows, arrays = [], read_arrays(path.with_suffix(".npz"))
        readings = readings_of(arrays)
        for row in content["runs"]:
            run = RecordedRun(row)
            name = reading_key(run.key, run.experiment)
            if arrays and name not in readings:
                raise KeyError(f"{path.with_suffix('.npz').name} has no sums of run {name}")
            trained = {"seeded": run.seeded, "training": training_name(run.key, run.history)}
            test, *epochs = [replace(reading, **trained) for reading in readings.get(name, [])] or [None]
            rows.append(RecordedRun(row, test, epochs, queries_of(arrays, name, run.seeded)))
        whole = (content[name] for name in ("name", "about", "planned"))
        return Recording(*whole, rows, content["comparisons"], content.get("failures"))
    except FileNotFoundError:
        raise UserError(f"{path}: nothing recorded there; semshare record {name} makes it") from None
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path}: damaged recording: {error}") from None


def row(run: Run) -> dict[str, Any]:
    """A finished run as JSON keeps it: its record, dev history and measures, without its items."""
    epochs = run.epochs if run.experiment.keep == "every-epoch" else []
    # Where the data and the checkpoint lay is nobody's business.
    named = run.experiment.bert and bert.name(run.experiment.bert)
    experiment = json.loads(run.experiment.to_json()) | {"root": None, "bert": named}
    return {name: run.record[name] for name in _KEPT} | {
        "experiment": experiment,
        "status": run.dataset.status,
        "history": [_rounded(epoch) for epoch in run.history],
        "test": _rounded(run.test.numbers()),
        "epochs": [_rounded(evaluation.numbers()) for evaluation in epochs],
    }


def _rounded(numbers: Mapping[str, Any]) -> dict[str, Any]:
    return {name: round(value, 5) if isinstance(value, float) else value for name, value in numbers.items()}


def _file(name: str, folder: Path | None) -> Path:
    return (folder or find_root() / "book" / "recorded") / f"{name}.json"
