"""The run store: an Experiment becomes a Run, found on disk or made there."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import platform
import time
from dataclasses import dataclass
from functools import cached_property, lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from filelock import FileLock
from safetensors.torch import load_file

from semshare import bert, evaluation, methods, training
from semshare.data import catalogue
from semshare.errors import UserError
from semshare.evaluation import Evaluation, Reading, Retrieval, Thresholds
from semshare.experiment import Experiment
from semshare.runs import cards, protocols
from semshare.utils import processes
from semshare.utils.checkout import commit
from semshare.utils.devices import describe_device, find_device, threads
from semshare.utils.files import write_json
from semshare.utils.home import cache_folder, code_digest
from semshare.utils.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from semshare.data.dataset import PairedDataset
    from semshare.data.source import Split

_RECORD = "run.json"
_READINGS = ("reading-*", "*.evaluation", "*.retrieval")  # what was read with the kept weights
_SOURCES = (
    "data",
    "attention.py",
    "bert.py",
    "model.py",
    "losses.py",
    "methods.py",
    "metrics.py",
    "evaluation.py",
    "distributed.py",
    "training.py",
)
_FETCHING = ("download.py", "unpack.py", "official.py")  # how files got here; the data's checksum says what they are
# Rankings train nothing: what ranked is not in the key but in the names of the files that keep what was read. A run
# that is found by its folder may be older than all of the code that reads it.
_EVALUATION = f".{code_digest('ranking.py')}.evaluation"
_RETRIEVAL = f".{code_digest('ranking.py', 'metrics.py', 'evaluation.py', 'runs/protocols.py')}.retrieval"
_LIBRARIES = ("torch", "transformers", "gensim")


@dataclass(frozen=True)
class Run:
    """A finished run: its experiment, what training said, and its readings of any split."""

    experiment: Experiment
    folder: Path
    record: dict[str, Any]

    @property
    def key(self) -> str:
        """The 12 digits that the run is found by."""
        return self.record["key"]

    @property
    def title(self) -> str:
        """The method's name as the paper prints it."""
        return methods.get(self.experiment.method).title

    @property
    def history(self) -> list[dict[str, float]]:
        """One row an epoch with the loss terms, the dev measures, the dev-tuned thresholds and the seconds it took."""
        return self.record["history"]

    @property
    def thresholds(self) -> Thresholds:
        """Tuned on dev for the kept weights."""
        return Thresholds(**self.record["thresholds"])

    @property
    def half_means_something(self) -> bool:
        """Whether 0.5 is a threshold for the scores, because training draws them towards 0 and 1."""
        return self.experiment.method == "dscmr" or self.experiment.label_loss == "bce"

    @property
    def dataset(self) -> PairedDataset:
        """The data the run was trained on (with the test split of the dataset that was asked for)."""
        return _dataset(self.experiment)

    @property
    def card(self) -> Path:
        """The model card (:mod:`semshare.runs.cards`), written now if it is missing; the data card lies beside it."""
        path = self.folder / cards.MODEL
        if not path.exists():
            with FileLock(self.folder / ".lock"):
                self._write_cards()
        return path

    @cached_property
    def test(self) -> Evaluation:
        """The test split's evaluation at the kept weights, cached beside them; from now on the cards tell it."""
        return self._evaluated("test", lambda: self.reading("test"), self.thresholds)

    @cached_property
    def epochs(self) -> list[Evaluation]:
        """Every epoch's evaluation on test at that epoch's own dev-tuned thresholds; it selects nothing.

        Needs an experiment with ``keep = "every-epoch"``.
        """
        if self.experiment.keep != "every-epoch":
            raise UserError(f"keep: found {self.experiment.keep!r}, expected 'every-epoch'")
        evaluations = []
        for row in self.history:
            weights = training.epoch_checkpoint(self.folder, int(row["epoch"]))
            thresholds = Thresholds(row["image_threshold"], row["text_threshold"])
            read = partial(self._read, self.dataset, "test", weights)
            evaluations.append(self._evaluated(weights.stem, read, thresholds))
        return evaluations

    def retrieval(self, names: Sequence[str]) -> dict[str, Retrieval]:
        """What the protocols ``names`` say of the test split at the kept weights, each cached beside them.

        Raises:
            UserError: an unknown protocol, or one that does not fit the dataset.
        """
        chosen = protocols.choose(names, self.experiment.dataset, catalogue.entry(self.experiment.dataset))
        paths = {name: self.folder / f"{name}-{self.experiment.dataset}{_RETRIEVAL}" for name in names}
        if missing := [name for name, path in paths.items() if not path.exists()]:
            part, kind = self.dataset.parts["test"], self.dataset.text_kind
            wanted = [chosen[name] for name in missing]
            made = protocols.read(wanted, self.reading("test"), part, kind, self.experiment)
            for name, retrieval in zip(missing, made, strict=True):
                retrieval.save(paths[name])
        return {name: Retrieval.load(path) for name, path in paths.items()}

    def reading(self, split: Split) -> Reading:
        """Embeddings and scores of ``split`` by the kept weights, cached beside them."""
        trained = _dataset(_trained(self.experiment))
        path = self.folder / f"reading-{split}.safetensors"
        if path.exists():
            whole = Reading.load(path)
        else:
            whole = self._read(trained, split, self.folder / training.BEST)
            whole.save(path)
        part, count = trained.parts[split], len(self.dataset.parts[split].image_ids)
        return whole if count == len(part.image_ids) else whole.between(part, 0, count)

    def network(self, weights: Path | None = None) -> torch.nn.Module:
        """The network with the kept ``weights`` (the best by default), on the CPU, in evaluation mode."""
        trained = _dataset(_trained(self.experiment))
        # The kept weights replace what a BERT checkpoint began with, which may be gone by now.
        network = methods.get(self.experiment.method).network(self.experiment.change(bert=None), trained)
        network.load_state_dict(load_file(weights or self.folder / training.BEST))
        return network.eval()

    def _read(self, dataset: PairedDataset, split: Split, weights: Path) -> Reading:
        try:
            device = find_device(self.record["device"].split(" ")[0])
        except UserError:  # trained on a device that this machine lacks
            device = find_device()
        network = self.network(weights).to(device)
        with threads(thread_count(self.experiment)):
            return evaluation.read_split(network, dataset, split, device, self.experiment)

    def _evaluated(self, name: str, read: Callable[[], Reading], thresholds: Thresholds) -> Evaluation:
        """The evaluation called ``name`` of this dataset's test split, from its file or made now."""
        path = self.folder / f"{name}-{self.experiment.dataset}{_EVALUATION}"
        if not path.exists():
            part, kind = self.dataset.parts["test"], self.dataset.text_kind
            made = evaluation.evaluate(read(), part, kind, thresholds, self.experiment)
            with FileLock(self.folder / ".lock"):  # COCO1K and COCO5K share a folder, and its cards tell both
                if name == "test":
                    self._write_cards({self.experiment.dataset: made.numbers()})
                made.save(path)
        return Evaluation.load(path)

    def _write_cards(self, made: Mapping[str, Mapping[str, float]] | None = None) -> None:
        """Write the cards with the test measures found here, and those just ``made``, by dataset."""
        tested = {
            path.name.removeprefix("test-").removesuffix(_EVALUATION): Evaluation.load(path).numbers()
            for path in sorted(self.folder.glob(f"test-*{_EVALUATION}"))
        }
        dataset, tested = _dataset(_trained(self.experiment)), tested | dict(made or {})
        cards.write(self.folder, self.record, dataset, tested, self.half_means_something)


def get(experiment: Experiment, device: str = "auto", quiet: bool = False) -> Run:
    """The run of ``experiment``: instant where it exists, trained (or resumed) where it does not.

    Two processes that ask for the same run train it once: the second waits for the first.

    Raises:
        UserError: an unknown dataset or method, or a device that is not there, before any work.
    """
    place = find_device(device)
    method = methods.get(experiment.method)
    trained = _trained(experiment)
    if experiment.bert is not None:
        bert.check(experiment)  # what is wrong with a checkpoint is told before any work
        bert.digest(experiment.bert)
    dataset = _dataset(trained, device)
    key = run_key(trained, dataset)
    folder = _folder(trained, key)
    if processes.count() > 1 or not (folder / _RECORD).exists():
        folder.mkdir(exist_ok=True)
        with processes.locked(folder / ".lock"):
            if not (folder / _RECORD).exists():
                _make(trained, method, dataset, folder, key, place, quiet)
    return Run(experiment, folder, json.loads((folder / _RECORD).read_text()))


def find(name: str, root: Path | None = None) -> Run:
    """The finished run called ``name``: its key, the beginning of its key, or its folder.

    Args:
        name: what to look for; the folder's own name, without where it lies, will do.
        root: where the run's dataset lies now, if it has moved.

    Raises:
        UserError: no such run, several of them, or its dataset is not there or not the one it was trained on.
    """
    folder = Path(name)
    if not is_run(folder):
        records = sorted(cache_folder("runs").glob(f"*/{_RECORD}"), key=lambda path: path.stat().st_mtime)
        finished = [path.parent for path in reversed(records)]
        found = [one for one in finished if one.name == name or one.name.rpartition("-")[2].startswith(name)]
        if len(found) != 1:
            what = f"{len(found)} keys begin with it" if found else f"no such folder or key in {cache_folder('runs')}"
            raise UserError(f"run: {name!r}: {what}; {_listed([one.name for one in found or finished])}")
        folder = found[0]
    try:
        record = json.loads((folder / _RECORD).read_text())
        experiment = Experiment.from_json(json.dumps(record["experiment"]))
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{folder / _RECORD}: damaged record: {error}") from None
    run = Run(experiment.change(root=root or experiment.root), folder, record)
    if run.dataset.checksum != record["data"]:
        again = "; prepare that data again to use it" if "root" in catalogue.entry(experiment.dataset).reads else ""
        raise UserError(f"run: {folder.name} was trained on other data than {experiment.dataset!r} holds now{again}")
    return run


def is_run(folder: Path) -> bool:
    """Whether ``folder`` holds a finished run."""
    return (folder / _RECORD).is_file()


def _listed(names: Sequence[str], most: int = 8) -> str:
    """The first of ``names``, the latest runs', for an error message."""
    if not names:
        return "there are no finished runs"
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return f"choose from {', '.join(names[:most])}{more}"


def exists(experiment: Experiment) -> bool:
    """Whether the run of ``experiment`` is finished, so that :func:`get` is instant."""
    return (folder_of(experiment) / _RECORD).exists()


def missing(experiments: Sequence[Experiment]) -> list[Experiment]:
    """Those of ``experiments`` that :func:`get` would train, one a training: COCO1K and COCO5K share theirs."""
    return list({_trained(one).to_json(): one for one in experiments if not exists(one)}.values())


def folder_of(experiment: Experiment) -> Path:
    """The folder that the run of ``experiment`` is kept in, there already or not; its data is made ready for that."""
    trained = _trained(experiment)
    return _folder(trained, run_key(trained, _dataset(trained)))


def _trained(experiment: Experiment) -> Experiment:
    """The experiment whose training ``experiment`` shares: its own, for all but COCO1K."""
    return experiment.change(dataset=catalogue.trained_as(experiment.dataset))


def _folder(trained: Experiment, key: str) -> Path:
    return cache_folder("runs") / f"{trained.dataset}-{trained.method}-{key}"


def thread_count(experiment: Experiment) -> int | None:
    """How many threads a run computes with on a CPU: one where its matrices are small, else as many as there are."""
    return None if experiment.scale == "full" else 1


def run_key(experiment: Experiment, dataset: PairedDataset) -> str:
    """12 digits over the experiment, the data, the code that trains and the libraries' versions."""
    fields = experiment.model_dump(mode="json", exclude={"root", "bert"})  # where they lie; what they hold follows
    parts = [fields, dataset.checksum, _source_digest(), library_versions()]
    if experiment.bert is not None:
        parts.append(bert.digest(experiment.bert))
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:12]


def _make(
    experiment: Experiment,
    method: methods.Method,
    dataset: PairedDataset,
    folder: Path,
    key: str,
    device: torch.device,
    quiet: bool,
) -> None:
    """Train, tune the thresholds on dev, write the cards, and the record last: a folder without one is no run."""
    progress = Progress(title(experiment), quiet)
    weights = bert.describe(experiment)
    if experiment.bert is not None:
        progress.say(f"initial weights: {weights}")
    with threads(thread_count(experiment)):
        history = training.fit(experiment, method, dataset, folder, device, progress)
        ran_on, used = describe_device(device), torch.get_num_threads()
    if not processes.is_first():
        return
    record = {
        "key": key,
        "experiment": json.loads(experiment.to_json()),
        "initial_weights": weights,
        "history": history,
        "thresholds": {"image": 0.0, "text": 0.0},
        "seconds": sum(row["seconds"] for row in history),
        "device": ran_on,
        "commit": commit(),
        "threads": used,
        "processes": processes.count(),
        "versions": {"python": platform.python_version()} | library_versions(),
        "data": dataset.checksum,
        "made": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }
    for stale in (path for pattern in _READINGS for path in folder.glob(pattern)):
        stale.unlink()  # of other weights: a record was lost, and the run is made again
    run = Run(experiment, folder, record)
    dev = run._read(dataset, "dev", folder / training.BEST)
    record["thresholds"] = vars(Thresholds.tune(dev, dataset.parts["dev"]))
    run._write_cards()
    write_json(folder / _RECORD, record)
    training.forget_state(folder)


def title(experiment: Experiment) -> str:
    """The run's name on the terminal."""
    weights = f"lambda {experiment.lam:g}, eta {experiment.eta:g}"
    preset = "" if experiment.preset == "paper" else f"preset {experiment.preset}, "
    return f"{experiment.method} on {experiment.dataset} ({preset}{weights}, seed {experiment.seed})"


def _dataset(experiment: Experiment, device: str = "auto") -> PairedDataset:
    """The experiment's data; its regions are extracted on ``device`` where they are missing."""
    return catalogue.load(
        experiment.dataset,
        experiment.scale,
        experiment.root,
        experiment.regions,
        experiment.split_seed,
        experiment.seed,
        device,
        missing_regions=experiment.missing_regions,
        missing_words=experiment.missing_words,
        train_items=experiment.train_items,
        first_boxes=experiment.boxes == "first",
        unknown_words=experiment.context_words == "all",
    )


@lru_cache(maxsize=1)
def _source_digest() -> str:
    """sha256 of the modules that decide a result; prose, figures and command line are not among them."""
    here, digest = Path(__file__).parent.parent, hashlib.sha256()
    for name in _SOURCES:
        path = here / name
        for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            if file.name not in _FETCHING:
                digest.update(file.read_bytes())
    return digest.hexdigest()


def library_versions() -> dict[str, str]:
    """The versions of the libraries that decide a result."""
    return {name: importlib.metadata.version(name) for name in _LIBRARIES}
