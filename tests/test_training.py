"""The training loop: deterministic, resumable to the bit, and the epoch chosen on dev."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor
from torch.optim.optimizer import register_optimizer_step_pre_hook

from semshare import methods, runs, training
from semshare.data import catalogue
from semshare.data.dataset import PairedDataset
from semshare.errors import UserError
from semshare.experiment import Experiment
from semshare.model import SemanticNetwork
from semshare.utils.progress import Progress

CPU = torch.device("cpu")
EPOCHS = 2


@pytest.fixture(scope="module")
def dataset(semshare_home: Path) -> PairedDataset:
    return catalogue.load("scenes-flickr25k", "smoke")


def _plan(method: str, **fields: object) -> Experiment:
    fixed = {"epochs": EPOCHS, "precision": "float32", "keep": "every-epoch"}
    fixed |= {"least_steps": 10, "schedule": "cosine"}  # five steps an epoch, where a pass has two or three
    return runs.plan("scenes-flickr25k", method, "smoke", "cpu", **{**fixed, **fields})


def _fit(experiment: Experiment, dataset: PairedDataset, folder: Path, progress: Progress | None = None) -> list[dict]:
    folder.mkdir(exist_ok=True)
    quiet = progress or Progress("a test", quiet=True)
    return training.fit(experiment, methods.get(experiment.method), dataset, folder, CPU, quiet)


def _timeless(history: list[dict]) -> list[dict]:
    return [{name: value for name, value in row.items() if name != "seconds"} for row in history]


def _same_weights(first: Path, second: Path) -> bool:
    one, other = load_file(first), load_file(second)
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


Trained = tuple[list[dict], Path]


@pytest.fixture(scope="module")
def trained(dataset: PairedDataset, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Trained]:
    """An uninterrupted training of a method, done once."""
    done: dict[str, Trained] = {}

    def get(method: str) -> Trained:
        if method not in done:
            folder = tmp_path_factory.mktemp(method)
            done[method] = _fit(_plan(method), dataset, folder), folder
        return done[method]

    return get


@pytest.mark.parametrize("method", ["ours", "independent"])
def test_history_has_a_row_an_epoch_with_losses_measures_and_thresholds(method: str, trained) -> None:
    history, _ = trained(method)
    assert [row["epoch"] for row in history] == [1, 2]
    terms = {"label_image", "label_text"} | ({"context_image", "context_text"} if method == "ours" else set())
    wanted = terms | {
        "loss",
        "image_f1",
        "text_f1",
        "i2t",
        "t2i",
        "image_threshold",
        "text_threshold",
        "seconds",
    }
    for row in history:
        assert wanted <= set(row) and np.isfinite(list(row.values())).all()
        assert row["loss"] == pytest.approx(sum(row[name] for name in terms), rel=1e-5)
        assert all(0 <= row[name] <= 1 for name in ("image_f1", "text_f1", "i2t", "t2i"))


def test_training_lowers_the_loss_and_learns_something(trained) -> None:
    history, _ = trained("ours")
    assert history[-1]["loss"] < history[0]["loss"]
    # Accepting every label of every item scores about 2 * 3.8 / (24 + 3.8) = 0.27.
    assert max(row["text_f1"] for row in history) > 0.32


def test_training_is_deterministic(dataset: PairedDataset, trained, tmp_path: Path) -> None:
    history, folder = trained("ours")
    torch.rand(17)  # what the caller drew before must not matter
    again = _fit(_plan("ours"), dataset, tmp_path / "again")
    assert _timeless(again) == _timeless(history)
    assert _same_weights(tmp_path / "again" / training.BEST, folder / training.BEST)


def test_another_seed_trains_another_network(dataset: PairedDataset, trained, tmp_path: Path) -> None:
    other = _fit(_plan("independent", seed=1, epochs=1), dataset, tmp_path)
    assert other[0]["loss"] != trained("independent")[0][0]["loss"]


def test_training_leaves_the_callers_random_state_alone(dataset: PairedDataset, tmp_path: Path) -> None:
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    _fit(_plan("dscmr", epochs=1), dataset, tmp_path)
    assert torch.equal(torch.random.get_rng_state(), before)


# What a step is made of


def _first_gradients(experiment: Experiment, dataset: PairedDataset, folder: Path) -> dict[str, Tensor]:
    """The gradients by name that the optimiser's first step is given."""
    networks: list[torch.nn.Module] = []

    method = methods.get(experiment.method)

    def network(experiment: Experiment, dataset: PairedDataset) -> torch.nn.Module:
        networks.append(method.network(experiment, dataset))
        return networks[-1]

    watched = replace(method, network=network)
    found: dict[str, Tensor] = {}

    def stop(*_: object) -> None:
        found.update({n: p.grad.clone() for n, p in networks[0].named_parameters() if p.grad is not None})
        raise InterruptedByTest

    folder.mkdir()
    hook = register_optimizer_step_pre_hook(stop)
    try:
        with pytest.raises(InterruptedByTest):
            training.fit(experiment, watched, dataset, folder, CPU, Progress("a step", quiet=True))
    finally:
        hook.remove()
    return found


def _norm(gradients: dict[str, Tensor]) -> float:
    return torch.cat([one.flatten() for one in gradients.values()]).norm().item()


@pytest.mark.parametrize("method", ["ours+con", "independent"])
def test_text_clip_clips_the_text_segment_encoder_alone(method: str, dataset: PairedDataset, tmp_path: Path) -> None:
    free = _first_gradients(_plan(method), dataset, tmp_path / "free")
    text = {name: gradient for name, gradient in free.items() if name.startswith("segments.text.")}
    assert {name.split(".")[2] for name in text} == {"vectors", "gru"}, "word vectors and BiGRU"
    norm = _norm(text)
    clipped = _first_gradients(_plan(method, text_clip=norm / 3), dataset, tmp_path / "clipped")
    for name, gradient in free.items():
        if name in text:
            torch.testing.assert_close(clipped[name], gradient / 3, rtol=1e-4, atol=1e-9)
        else:
            assert torch.equal(clipped[name], gradient), name
    assert _norm({name: clipped[name] for name in text}) == pytest.approx(norm / 3, rel=1e-4)
    # A gradient below the limit stays what it is.
    below = _first_gradients(_plan(method, text_clip=norm * 3), dataset, tmp_path / "below")
    assert all(torch.equal(below[name], gradient) for name, gradient in free.items())


@pytest.mark.parametrize("pairing", ["aligned", "same-labels"])
def test_training_pairs_as_the_experiment_says(
    pairing: str, dataset: PairedDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple] = []
    batches = PairedDataset.batches

    def watched(
        self: PairedDataset, split: str, size: int, generator: torch.Generator, *how: str, first: int
    ) -> Iterator:
        asked.append((split, *how))
        return batches(self, split, size, generator, *how, first=first)

    monkeypatch.setattr(PairedDataset, "batches", watched)
    _fit(_plan("dscmr", pairing=pairing, least_steps=0), dataset, tmp_path)
    assert asked == [("train", pairing, "images")] * EPOCHS


@pytest.mark.parametrize(
    ("method", "rate", "betas"), [("dscmr", 1e-4, (0.5, 0.999)), ("independent", 2e-3, (0.9, 0.999))]
)
def test_the_optimiser_has_the_methods_settings(
    method: str, rate: float, betas: tuple, dataset: PairedDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[torch.optim.Optimizer] = []

    class Seen(torch.optim.Adam):
        def __init__(self, *arguments: object, **options: object) -> None:
            super().__init__(*arguments, **options)
            made.append(self)

    monkeypatch.setattr(torch.optim, "Adam", Seen)
    _fit(_plan(method, epochs=1, schedule="constant"), dataset, tmp_path)
    (optimiser,) = made
    (group,) = optimiser.param_groups
    assert (group["lr"], group["betas"], group["weight_decay"], group["amsgrad"]) == (rate, betas, 0, False)


def test_dscmr_reads_shuffled_batches_of_100_and_selects_on_dev(
    dataset: PairedDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[tuple[str, list[int]]] = []
    images = PairedDataset.images

    def watched(self: PairedDataset, split: str, rows: list[int]) -> object:
        read.append((split, list(rows)))
        return images(self, split, rows)

    monkeypatch.setattr(PairedDataset, "images", watched)
    _fit(_plan("dscmr", epochs=3, least_steps=0), dataset, tmp_path)
    assert [(split, len(rows)) for split, rows in read] == [("train", 100), ("train", 60), ("dev", 48)] * 3
    epochs = [read[at][1] + read[at + 1][1] for at in (0, 3, 6)]
    in_order = list(range(160))
    assert all(sorted(rows) == in_order != rows for rows in epochs), "each pair once, in another order"
    assert len({tuple(rows) for rows in epochs}) == 3, "in each epoch another"


def test_an_epoch_that_is_part_of_a_budget_goes_on_in_the_pass(
    dataset: PairedDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[list[int]] = []
    images = PairedDataset.images

    def watched(self: PairedDataset, split: str, rows: list[int]) -> object:
        if split == "train":
            read.append(list(rows))
        return images(self, split, rows)

    monkeypatch.setattr(PairedDataset, "images", watched)
    _fit(_plan("dscmr", epochs=2, least_steps=6), dataset, tmp_path)
    assert [len(rows) for rows in read] == [100, 60] * 3, "two epochs of three steps, three passes of two"
    passes = [read[at] + read[at + 1] for at in (0, 2, 4)]
    assert all(sorted(rows) == list(range(160)) for rows in passes), "each pair once a pass"
    assert len({tuple(rows) for rows in passes}) == 3


@pytest.mark.parametrize(
    ("pairs", "fields", "steps"),
    [
        (1500, {}, 24),  # ten passes of 24 are as many as the floor asks
        (100, {}, 24),  # 20 steps in ten passes are too few
        (12_000, {}, 120),  # 1,880 are too many
        (12_000, {"most_steps": None}, 188),
        (1500, {"epochs": 7}, 35),  # 240 in seven parts, rounded up
        (3, {"least_steps": 0}, 1),
    ],
)
def test_a_budget_has_a_floor_and_a_ceiling(pairs: int, fields: dict, steps: int) -> None:
    budget = {"epochs": 10, "least_steps": 240, "most_steps": 1200, "batch": 64}
    assert _plan("ours", **(budget | fields)).steps_in_epoch(pairs) == steps


def test_a_ceiling_below_the_floor_is_refused() -> None:
    with pytest.raises(UserError, match="most_steps: 100 is below 240"):
        _plan("ours", least_steps=240, most_steps=100)


def test_the_cosine_rises_for_a_tenth_and_falls_to_nothing() -> None:
    experiment = _plan("ours", learning_rate=0.5)
    rates = [training.learning_rate(experiment, step, 40) for step in range(40)]
    assert rates[:4] == pytest.approx([0.125, 0.25, 0.375, 0.5])
    assert rates[4:] == pytest.approx([0.25 * (1 + math.cos(math.pi * step / 37)) for step in range(1, 37)])
    assert 0 < rates[-1] < 0.002 and rates[3:] == sorted(rates[3:], reverse=True)
    assert training.learning_rate(experiment, 0, 1) == 0.5
    constant = experiment.change(schedule="constant")
    assert {training.learning_rate(constant, step, 40) for step in range(40)} == {0.5}


def test_each_step_is_taken_at_the_schedules_rate(
    dataset: PairedDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    used: list[float] = []
    step = training.step

    def watched(experiment: Experiment, method: object, network: object, optimiser: object, *rest: object) -> object:
        used.append(optimiser.param_groups[0]["lr"])
        return step(experiment, method, network, optimiser, *rest)

    monkeypatch.setattr(training, "step", watched)
    experiment = _plan("dscmr")
    _fit(experiment, dataset, tmp_path)
    assert used == [training.learning_rate(experiment, number, 10) for number in range(10)]


def test_the_late_gain_is_of_the_last_fifth() -> None:
    scores = [0.1, 0.5, 0.4, 0.52, 0.51, 0.3, 0.2, 0.1, 0.525, 0.2]
    history = [{"image_f1": score, "text_f1": score} for score in scores]
    assert training.late_gain(history) == pytest.approx(0.005)
    assert training.late_gain(history[:8]) == pytest.approx(-0.32)
    assert training.late_gain(history[:1]) == math.inf


def test_other_dev_labels_select_another_epoch_of_the_same_weights(dataset: PairedDataset, trained, tmp_path) -> None:
    history, folder = trained("dscmr")
    dev = dataset.parts["dev"]
    wrong = replace(dataset, parts={**dataset.parts, "dev": replace(dev, labels=1 - dev.labels)})
    other = _fit(_plan("dscmr"), wrong, tmp_path)
    for epoch in range(1, EPOCHS + 1):
        name = training.epoch_checkpoint(Path(), epoch).name
        assert _same_weights(tmp_path / name, folder / name), "dev trains nothing"
    measures = ("image_f1", "text_f1", "i2t", "t2i", "image_threshold", "text_threshold")
    assert all(other[row][name] != history[row][name] for row in range(EPOCHS) for name in measures)
    best = training.epoch_checkpoint(tmp_path, int(training.best_epoch(other)["epoch"]))
    assert _same_weights(tmp_path / training.BEST, best)


# Resuming


class InterruptedByTest(Exception):  # noqa: N818 - no error: it stands for a kill
    """Stands for a killed process."""


class _StopAfter(Progress):
    """Raises when the first epoch's row comes."""

    @contextmanager
    def epochs(self, total: int, done: int) -> Iterator[Callable[[dict[str, float]], None]]:
        def advance(row: dict[str, float]) -> None:
            raise InterruptedByTest

        yield advance


def _raise_on_second_call(patch: pytest.MonkeyPatch, name: str) -> None:
    whole, calls = getattr(training, name), []

    def limited(*arguments: object, **options: object) -> object:
        calls.append(name)
        if len(calls) == 2:
            raise InterruptedByTest
        return whole(*arguments, **options)

    patch.setattr(training, name, limited)


@pytest.mark.parametrize(
    ("method", "where"),
    [
        ("independent", "after the first epoch"),
        ("ours", "_train_epoch"),
        ("independent", "_save_state"),  # the best weights are written by then, the state is not
    ],
)
def test_an_interrupted_training_ends_where_an_uninterrupted_one_does(
    method: str, where: str, dataset: PairedDataset, trained, tmp_path: Path
) -> None:
    history, folder = trained(method)
    with pytest.MonkeyPatch.context() as patch, pytest.raises(InterruptedByTest):
        progress = _StopAfter("stops") if where.startswith("after") else None
        if progress is None:
            _raise_on_second_call(patch, where)
        _fit(_plan(method), dataset, tmp_path, progress)
    epochs: list[int] = []

    class Watched(Progress):
        @contextmanager
        def epochs(self, total: int, done: int) -> Iterator[Callable[[dict[str, float]], None]]:
            yield lambda row: epochs.append(row["epoch"])

    resumed = _fit(_plan(method), dataset, tmp_path, Watched("resumed"))
    assert epochs == [2], "the first epoch is not trained again"
    assert _timeless(resumed) == _timeless(history)
    for name in (training.BEST, *(f"epoch-{epoch:03d}.safetensors" for epoch in (1, 2))):
        assert _same_weights(tmp_path / name, folder / name), name


# The epoch that is kept


def _row(epoch: int, image: float, text: float) -> dict[str, float]:
    return {"epoch": epoch, "image_f1": image, "text_f1": text}


def test_best_epoch_is_the_highest_mean_and_the_first_among_equals() -> None:
    history = [_row(1, 0.5, 0.25), _row(2, 0.25, 0.75), _row(3, 0.75, 0.25), _row(4, 0.25, 0.5)]
    assert training.best_epoch(history)["epoch"] == 2
    assert training.best_epoch(history, "image")["epoch"] == 3
    assert training.best_epoch(history, "text")["epoch"] == 2
    assert training.dev_score(history[0]) == 0.375 and training.dev_score(history[0], "text") == 0.25


def _filled(network: SemanticNetwork, value: int) -> SemanticNetwork:
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.fill_(value)
    return network


def _kept(selection: str, folder: Path) -> dict[str, Tensor]:
    """What is kept of three epochs with all weights 1, 2 or 3: image is best at 1, text at 2, the mean at 2."""
    sizes = {"width": 4, "layers": 1, "heads": 2, "feed_forward": 4, "epochs": 3, "learning_rate": 1.0}
    vectors = np.zeros((6, 3), dtype=np.float32)
    experiment = Experiment.make(dataset="none", method="independent", **sizes)
    network = SemanticNetwork(experiment, 3, 2, vectors, 2, shared=False, context=False)
    rows = [_row(1, 0.6, 0.1), _row(2, 0.4, 0.5), _row(3, 0.5, 0.3)]
    for epoch in (1, 2, 3):
        training._keep_best(folder, _filled(network, epoch), selection, rows[:epoch])
    weights = load_file(folder / training.BEST)
    assert weights.keys() == network.state_dict().keys()
    return {name: weight for name, weight in weights.items() if name in dict(network.named_parameters())}


def test_selection_by_mean_keeps_one_epoch(tmp_path: Path) -> None:
    assert all((weight == 2).all() for weight in _kept("mean", tmp_path).values())


def test_selection_by_each_keeps_each_modalitys_own_epoch(tmp_path: Path) -> None:
    kept = _kept("each", tmp_path)
    for name, weight in kept.items():
        assert (weight == (1 if name.split(".")[1] == "image" else 2)).all(), name


@pytest.mark.parametrize("method", ["ours", "independent", "dscmr"])
def test_the_kept_weights_are_the_best_epochs_on_dev(method: str, trained) -> None:
    history, folder = trained(method)
    kept = load_file(folder / training.BEST)
    own = methods.get(method).selection == "each"
    epochs = {
        modality: load_file(
            training.epoch_checkpoint(folder, int(training.best_epoch(history, modality if own else None)["epoch"]))
        )
        for modality in ("image", "text")
    }
    for name, weight in kept.items():
        modality = name.split(".")[1] if own else "image"
        assert torch.equal(weight, epochs[modality][name]), name


def test_only_the_best_weights_are_kept_by_default(dataset: PairedDataset, tmp_path: Path) -> None:
    _fit(_plan("dscmr", keep="best", epochs=2), dataset, tmp_path)
    assert (tmp_path / training.BEST).exists() and not list(tmp_path.glob("epoch-*"))
    assert not list(tmp_path.glob("*.part"))


# What goes wrong


def test_a_loss_that_is_not_finite_stops_the_training(dataset: PairedDataset, tmp_path: Path) -> None:
    def terms(outputs, labels, experiment):
        found = methods.dscmr_terms(outputs, labels, experiment)
        return {name: term * float("nan") for name, term in found.items()}

    diverging = replace(methods.get("dscmr"), terms=terms)
    experiment = _plan("dscmr", epochs=1)
    with pytest.raises(UserError, match="epoch 1: a loss is not finite"):
        training.fit(experiment, diverging, dataset, tmp_path, CPU, Progress("diverges", quiet=True))
    assert not (tmp_path / training.BEST).exists()


# The released code's checkpoint


@pytest.mark.parametrize("method", ["ours", "independent"])
def test_the_kept_weights_can_be_those_after_the_lowest_loss_of_every_tenth_batch(
    method: str, dataset: PairedDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # 24 batches an epoch: 0, 10 and 20 are looked at. Every step's losses and weights are noted here.
    noted: list[tuple[dict[str, float], dict[str, Tensor]]] = []
    step = training.step

    def note(*arguments: object) -> dict[str, Tensor]:
        terms = step(*arguments)
        state = {name: tensor.clone() for name, tensor in arguments[2].state_dict().items()}
        noted.append(({name: float(term) for name, term in terms.items()}, state))
        return terms

    monkeypatch.setattr(training, "step", note)
    count = len(dataset.parts["train"].image_ids)
    experiment = _plan(method, checkpoint="lowest-loss", batch=-(-count // 24), keep="best")
    history = _fit(experiment, dataset, tmp_path)
    steps = len(noted) // EPOCHS
    assert 20 < steps <= 24
    looked = [one for at, one in enumerate(noted) if at % steps % 10 == 0]
    assert len(looked) == 3 * EPOCHS
    kept = load_file(tmp_path / training.BEST)
    for modality in (None,) if method == "ours" else ("image", "text"):
        term, name = ("loss", "lowest_loss") if modality is None else (f"label_{modality}", f"lowest_loss_{modality}")
        losses, weights = min(looked, key=lambda one: one[0][term])
        assert min(row[name] for row in history) == losses[term]
        best = training.best_epoch(history, modality)
        assert best[name] == losses[term]
        for part, tensor in weights.items():
            if modality is None or f".{modality}." in part:
                assert torch.equal(kept[part], tensor), part
