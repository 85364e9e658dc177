"""The run store: an Experiment becomes a Run, found on disk or made there."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, TypeVar

import torch

from semshare import bert, evaluation, methods, training
from semshare.data import catalogue
from semshare.errors import UserError
from semshare.evaluation import Evaluation, Reading, Retrieval, Stored, Thresholds
from semshare.experiment import READING, Experiment
from semshare.runs import cards, display, keys, protocols, trainer
from semshare.runs.record import RECORD, damage, is_run, record_of
from semshare.runs.trainer import load_data
from semshare.utils import processes
from semshare.utils.devices import find_device
from semshare.utils.files import DamagedError, ReadOnlyError, file_lock, write_json
from semshare.utils.home import cache_folder
from semshare.utils.memory import memory_kept
from semshare.utils.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from semshare.data.dataset import PairedDataset
    from semshare.data.source import Split
    from semshare.runs.intervals import Scored

_Kind = TypeVar("_Kind", bound=Stored)
# What was read with the kept weights, and the cards that told it.
_READINGS = ("reading-*", "*.evaluation", "*.retrieval", f"*/{cards.MODEL}", f"*/{cards.DATA}")


@dataclass(frozen=True)
class Run:
    """A finished run: its experiment, what training said, and its readings of any split."""

    experiment: Experiment
    folder: Path
    record: dict[str, Any]

    def __repr__(self) -> str:
        return display.run_text(self)

    def _repr_html_(self) -> str:
        kept = self.__dict__.get("test") or _loaded(Evaluation, self._evaluation_path("test"))
        return display.run_html(self, kept)

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
    def seeded(self) -> bool:
        """Whether training drew anything by its seed; else it has no other run to vary against."""
        return "seed" not in methods.get(self.experiment.method).unread

    @property
    def dataset(self) -> PairedDataset:
        """The data the run was trained on (with the test split of the dataset that was asked for)."""
        return load_data(self.experiment)

    @property
    def card(self) -> Path:
        """The model card (:mod:`semshare.runs.cards`), written now if it is missing; the data card lies beside it.

        Both lie in the run's folder; those of another preset or ranking than the first that was asked for, in one of
        its own there.
        """
        path = self._cards / cards.MODEL
        if not path.exists():
            with file_lock(self.folder / ".lock"):
                self._write_cards()
        return path

    def card_texts(self) -> dict[str, str]:
        """The texts of the model card and the data card by their names, also for who may not write them."""
        with suppress(ReadOnlyError):
            return {name: self.card.with_name(name).read_text(encoding="utf-8") for name in (cards.MODEL, cards.DATA)}
        return self._made_cards()

    @property
    def described(self) -> dict[str, Any]:
        """The record with the preset and the ranking that were asked for, in place of those it was trained under."""
        return self.record | {"experiment": self.record["experiment"] | self.experiment.reading()}

    @property
    def _cards(self) -> Path:
        first = self.record["experiment"]
        if all(first.get(name, value) == value for name, value in self.experiment.reading().items()):
            return self.folder
        return self.folder / f"{self.experiment.preset}{keys.reading_digest(self.experiment)}"

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
        evaluations, dataset = [], self.dataset
        for row in self.history:
            weights = training.epoch_checkpoint(self.folder, int(row["epoch"]))
            thresholds = Thresholds(row["image_threshold"], row["text_threshold"])
            read = partial(self._read, dataset, "test", weights)
            evaluations.append(self._evaluated(weights.stem, read, thresholds))
        return evaluations

    @cached_property
    def scored(self) -> Scored:
        """What an interval is made of, by image, on the test split at the kept weights."""
        return self._by_image([self.test])[0]

    @cached_property
    def scored_epochs(self) -> list[Scored]:
        """Likewise after each epoch; the last of them is what Fig. 1's claims read. Needs what :attr:`epochs` does."""
        return self._by_image(self.epochs)

    def _by_image(self, evaluations: Sequence[Evaluation]) -> list[Scored]:
        from semshare.runs.intervals import Scored, training_name  # brings scipy, which only intervals need

        owner, name = self.dataset.parts["test"].owner, keys.reading_key(self.key, self.experiment)
        trained = training_name(self.key, self.history)
        return [Scored.of(evaluation, owner, name, self.seeded, trained) for evaluation in evaluations]

    def retrieval(self, names: Sequence[str]) -> dict[str, Retrieval]:
        """What the protocols ``names`` say of the test split at the kept weights, each cached beside them.

        Raises:
            UserError: an unknown protocol, or one that does not fit the dataset.
        """
        chosen = protocols.choose(names, self.experiment.dataset, catalogue.entry(self.experiment.dataset))
        part, kind = self.dataset.parts["test"], self.dataset.text_kind
        paths = {
            name: self.folder / f"{name}-{self.experiment.dataset}{keys.retrieval_suffix(self.experiment)}"
            for name in names
        }
        of_evaluation = {name: self._of_evaluation() for name in names if name in protocols.of_evaluation(kind)}
        paths = {name: path for name, path in paths.items() if name not in of_evaluation}
        by_name = {name: kept for name, path in paths.items() if (kept := _loaded(Retrieval, path)) is not None}
        if missing := [name for name in paths if name not in by_name]:
            wanted = [chosen[name] for name in missing]
            made = protocols.read(wanted, self.reading("test"), part, kind, self.experiment)
            for name, retrieval in zip(missing, made, strict=True):
                by_name[name] = _kept(retrieval, paths[name])
        return {name: of_evaluation.get(name) or by_name[name] for name in names}

    def _of_evaluation(self) -> Retrieval:
        """What the evaluation of the test split holds already: NDCG@500 with the ordinary discount."""
        part, texts = self.dataset.parts["test"], len(self.dataset.parts["test"].words)
        if self.dataset.text_kind == "tags":
            texts = len(part.distinct_texts(with_labels=self.experiment.gallery == "texts-and-labels")[0])
        sizes = torch.tensor([[texts, len(part.labels)]])
        return self.test.retrieval(False, sizes)

    def reading(self, split: Split) -> Reading:
        """Embeddings and scores of ``split`` by the kept weights, cached beside them."""
        trained = load_data(_trained(self.experiment))
        path = self.folder / f"reading-{split}.safetensors"
        whole = _loaded(Reading, path)
        if whole is None:
            whole = _kept(self._read(trained, split, self.folder / training.BEST), path)
        part, count = trained.parts[split], len(self.dataset.parts[split].image_ids)
        return whole if count == len(part.image_ids) else whole.between(part, 0, count)

    def network(self, weights: Path | None = None) -> torch.nn.Module:
        """The network with the kept ``weights`` (the best by default), on the CPU, in evaluation mode."""
        trained, method = load_data(_trained(self.experiment)), methods.get(self.experiment.method)
        return trainer.network(self.experiment, method, trained, weights or self.folder / training.BEST)

    @memory_kept()
    def _read(self, dataset: PairedDataset, split: Split, weights: Path) -> Reading:
        try:
            device = find_device(self.record["device"].split(" ")[0])
        except UserError:  # trained on a device that this machine lacks
            device = find_device()
        return trainer.read(self.experiment, methods.get(self.experiment.method), dataset, split, weights, device)

    def _evaluation_path(self, name: str) -> Path:
        return self.folder / f"{name}-{self.experiment.dataset}{keys.evaluation_suffix(self.experiment)}"

    def _evaluated(self, name: str, read: Callable[[], Reading], thresholds: Thresholds) -> Evaluation:
        """The evaluation called ``name`` of this dataset's test split, from its file or made now."""
        path = self._evaluation_path(name)
        if (kept := _loaded(Evaluation, path)) is not None:
            return kept
        part, kind = self.dataset.parts["test"], self.dataset.text_kind
        made = evaluation.evaluate(read(), part, kind, thresholds, self.experiment)
        with suppress(ReadOnlyError), file_lock(self.folder / ".lock"):
            if name == "test":  # COCO1K and COCO5K share a folder, and its cards tell both
                self._write_cards({self.experiment.dataset: made.numbers()})
            return _kept(made, path)
        return made

    def _write_cards(self, made: Mapping[str, Mapping[str, float]] | None = None) -> None:
        """Write the cards with the test measures found here, and those just ``made``, by dataset."""
        contents = self._made_cards(made)
        with suppress(PermissionError):  # writing says so
            self._cards.mkdir(exist_ok=True)
        cards.write(self._cards, contents)

    def _made_cards(self, made: Mapping[str, Mapping[str, float]] | None = None) -> dict[str, str]:
        """What :meth:`_write_cards` writes, by file."""
        suffix = keys.evaluation_suffix(self.experiment)
        tested = {
            path.name.removeprefix("test-").removesuffix(suffix): kept.numbers()
            for path in sorted(self.folder.glob(f"test-*{suffix}"))
            if (kept := _loaded(Evaluation, path)) is not None
        }
        dataset, tested = load_data(_trained(self.experiment)), tested | dict(made or {})
        weights = self.folder / training.BEST
        return cards.contents(self.described, dataset, tested, self.half_means_something, weights)


def _loaded(kind: type[_Kind], path: Path) -> _Kind | None:
    """What ``path`` holds; None where that is nothing, or damaged: it is made again."""
    with suppress(DamagedError):
        return kind.load(path)
    return None


def _kept(made: _Kind, path: Path) -> _Kind:
    """``made`` as ``path`` keeps it, from now on; who may only read has it all the same."""
    with suppress(ReadOnlyError):
        made.save(path)
        return type(made).load(path)
    return made


def get(experiment: Experiment, device: str = "auto", quiet: bool = False) -> Run:
    """The run of ``experiment``: instant where it exists, trained (or resumed) where it does not.

    Two processes that ask for the same run train it once: the second waits for the first.

    Raises:
        UserError: an unknown dataset or method, or a device that is not there, before any work.
    """
    where = find_device(device)
    methods.get(experiment.method)  # an unknown one is told before any work
    trained = _trained(experiment)
    if experiment.bert is not None:
        bert.check(experiment)  # what is wrong with a checkpoint is told before any work
        bert.digest(experiment.bert)
    dataset = load_data(trained, device)
    parts = keys.parts(trained, dataset.checksum)
    folder = _folder(trained, keys.key_of(parts))
    if processes.count() > 1 or not _holds(folder, trained):
        if is_run(folder) and (reason := damage(folder)):
            Progress(folder.name, quiet).say(f"{reason}; trained again", stays=True)
        cache_folder(f"runs/{folder.name}")
        with processes.locked(folder / ".lock"):
            if not _holds(folder, trained):
                _make(trained, dataset, folder, parts, where, quiet)
    return Run(experiment, folder, record_of(folder))


def exists(experiment: Experiment) -> bool:
    """Whether the run of ``experiment`` is finished, so that :func:`get` is instant."""
    return _holds(folder_of(experiment), experiment)


def _holds(folder: Path, experiment: Experiment) -> bool:
    """Whether ``folder`` holds the finished run of ``experiment``.

    A key leaves out what is at its default: where a default was changed since, the record tells. Where data, a BERT
    checkpoint or a tokenizer lay decides nothing: what they hold is in the key.
    """
    if not is_run(folder) or damage(folder):
        return False
    trained = record_of(folder)["experiment"]
    asked = experiment.model_dump(mode="json", exclude={"root", "bert", "tokens", "dataset", *READING})
    return all(trained.get(name, value) == value for name, value in asked.items())


def missing(experiments: Sequence[Experiment]) -> list[Experiment]:
    """Those of ``experiments`` that :func:`get` would train, one a training.

    COCO1K and COCO5K share theirs, as do presets that differ in nothing that trains.
    """
    return list({folder_of(experiment): experiment for experiment in experiments if not exists(experiment)}.values())


def folder_of(experiment: Experiment) -> Path:
    """The folder that the run of ``experiment`` is kept in, there already or not; its data is made ready for that."""
    trained = _trained(experiment)
    return _folder(trained, keys.key_of(keys.parts(trained, load_data(trained).checksum)))


def _trained(experiment: Experiment) -> Experiment:
    """The experiment whose training ``experiment`` shares: its own, for all but COCO1K."""
    return experiment.change(dataset=catalogue.trained_as(experiment.dataset))


def _folder(trained: Experiment, key: str) -> Path:
    return cache_folder("runs") / f"{trained.dataset}-{trained.method}-{key}"


@memory_kept()
def _make(
    experiment: Experiment,
    dataset: PairedDataset,
    folder: Path,
    parts: dict[str, Any],
    device: torch.device,
    quiet: bool,
) -> None:
    """Train, write the cards, and the record last: a folder without one is no run."""
    record = trainer.train(experiment, methods.get(experiment.method), dataset, folder, device, quiet)
    if not processes.is_first():
        return
    for stale in (path for pattern in _READINGS for path in folder.glob(pattern)):
        stale.unlink()  # of other weights: a record was lost, and the run is made again
    record |= {"key": keys.key_of(parts), "key_parts": parts}
    record["versions"] = {"python": record.pop("python")} | parts["versions"]
    Run(experiment, folder, record)._write_cards()
    write_json(folder / RECORD, record)
    training.forget_state(folder)
