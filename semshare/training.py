"""fit(): the training loop. One summed loss a step, dev after each epoch, resumable at every epoch."""

from __future__ import annotations

import math
import pickle
import time
from collections import defaultdict
from contextlib import contextmanager
from itertools import count, islice
from typing import TYPE_CHECKING, Literal

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from semshare import distributed
from semshare.data import prefetch
from semshare.errors import UserError
from semshare.evaluation import Thresholds, evaluate, read_split
from semshare.model import MODALITIES
from semshare.utils import processes
from semshare.utils.files import DamagedError, atomic_write, check_tensors, read_tensors

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from semshare.data.dataset import Batch, PairedDataset
    from semshare.experiment import Experiment
    from semshare.methods import Method
    from semshare.utils.progress import Progress

BEST = "best.safetensors"
_STATE = "training.pt"
_APART = 2**40  # between the seeds of two processes that train together: more than any (seed, epoch) makes
_ORDER = 2**39  # from the seed of an epoch to that of the order in a pass
WARM_UP = 0.1  # the share of a run's steps in which the schedule "cosine" raises the learning rate


def epoch_checkpoint(folder: Path, epoch: int) -> Path:
    """Where the weights after ``epoch`` (1-based) are kept when every epoch's are."""
    return folder / f"epoch-{epoch:03d}.safetensors"


def kept_weights(folder: Path, history: Sequence[Mapping[str, float]], keep: str) -> list[Path]:
    """The files of weights that a training with this ``history`` leaves: the best, and each epoch's if all are kept."""
    epochs = [epoch_checkpoint(folder, int(row["epoch"])) for row in history] if keep == "every-epoch" else []
    return [folder / BEST, *epochs]


def fit(
    experiment: Experiment,
    method: Method,
    dataset: PairedDataset,
    folder: Path,
    device: torch.device,
    progress: Progress,
) -> list[dict[str, float]]:
    """Train ``experiment`` in ``folder``, going on after the last whole epoch where one was interrupted.

    Each epoch draws its random numbers from (seed, epoch), and each pass over the pairs its order from (seed, pass), so
    an interrupted run ends where an uninterrupted one does. Leaves ``best.safetensors`` (the best
    epoch by dev), the history, and with ``keep = "every-epoch"`` every epoch's weights.

    Returns:
        The history: per epoch the mean of each loss term, the dev measures and thresholds, and seconds. It is empty for
        a method with a ``fit`` of its own, which is called instead.
    """
    if method.fit is not None:
        with _random_state(experiment.seed):
            network = method.fit(experiment, dataset)
        if processes.is_first():
            _save_weights(network.state_dict(), folder / BEST)
        return []
    with _random_state(experiment.seed):
        network = method.network(experiment, dataset).to(device)
    optimiser = torch.optim.Adam(
        [p for p in network.parameters() if p.requires_grad],
        lr=experiment.learning_rate,
        betas=method.betas,
        fused=True,
    )
    history = _resume(folder, network, optimiser, device, experiment.keep)
    dataset, plain = prefetch.hold(dataset, device), experiment.plainly_read()
    with progress.epochs(experiment.epochs, done=len(history)) as advance:
        for epoch in range(len(history) + 1, experiment.epochs + 1):
            start = time.perf_counter()
            lowest = LowestLosses(method.selection) if experiment.checkpoint == "lowest-loss" else None
            losses = _train_epoch(experiment, method, dataset, network, optimiser, device, epoch, lowest)
            dev = read_split(network, dataset, "dev", device, experiment)
            thresholds = Thresholds.tune(dev, dataset.parts["dev"])
            measured = evaluate(dev, dataset.parts["dev"], dataset.text_kind, thresholds, plain).numbers()
            history.append(
                {"epoch": epoch}
                | losses
                | measured
                | {"image_threshold": thresholds.image, "text_threshold": thresholds.text}
                | ({} if lowest is None else lowest.row())
                | {"seconds": time.perf_counter() - start}
            )
            if processes.is_first():
                _keep_best(folder, network, method.selection, history, lowest)
                if experiment.keep == "every-epoch":
                    _save_weights(network.state_dict(), epoch_checkpoint(folder, epoch))
                _save_state(folder, network, optimiser, history)
            advance(history[-1])
    return history


def forget_state(folder: Path) -> None:
    """Remove what resuming needs: to be called when the run is on record."""
    (folder / _STATE).unlink(missing_ok=True)


def _train_epoch(
    experiment: Experiment,
    method: Method,
    dataset: PairedDataset,
    network: nn.Module,
    optimiser: torch.optim.Optimizer,
    device: torch.device,
    epoch: int,
    lowest: LowestLosses | None = None,
) -> dict[str, float]:
    """The steps of one epoch, which ``lowest`` watches; the mean of every loss term and of their sum."""
    network.train()
    generator = torch.Generator().manual_seed(_epoch_seed(experiment.seed, epoch))
    sums: dict[str, Tensor | float] = defaultdict(float)
    steps = experiment.steps_in_epoch(dataset.pairs_in_epoch("train", experiment.epoch_pairs))
    begun = (epoch - 1) * steps
    # Each process drops out other elements: they read other rows.
    with _random_state(_epoch_seed(experiment.seed, epoch) + processes.rank() * _APART):
        batches = islice(_stream(experiment, dataset, begun), steps)
        for number, batch in enumerate(prefetch.ahead(batches, device)):
            for group in optimiser.param_groups:
                group["lr"] = learning_rate(experiment, begun + number, experiment.epochs * steps)
            terms = step(experiment, method, network, optimiser, batch, generator)
            if lowest is not None and number % 10 == 0:
                lowest.watch(terms, network)
            for name, term in terms.items():
                sums[name] += term
    means = {name: float(total) / steps for name, total in sums.items()}
    if not all(abs(value) < float("inf") for value in means.values()):
        measured = ", ".join(f"{name} {value:g}" for name, value in means.items())
        raise UserError(f"epoch {epoch}: a loss is not finite ({measured}); try a smaller learning rate")
    return means


def _stream(experiment: Experiment, dataset: PairedDataset, begun: int) -> Iterator[Batch]:
    """The batches after the first ``begun`` steps of a run: pass after pass, each in an order of its own."""
    in_pass = math.ceil(dataset.pairs_in_epoch("train", experiment.epoch_pairs) / experiment.batch)
    first = begun % in_pass
    for number in count(begun // in_pass + 1):
        generator = torch.Generator().manual_seed(_epoch_seed(experiment.seed, number) + _ORDER)
        pairs = experiment.pairing, experiment.epoch_pairs
        yield from dataset.batches("train", experiment.batch, generator, *pairs, first=first)
        first = 0


def learning_rate(experiment: Experiment, step: int, steps: int) -> float:
    """The learning rate of ``step`` (from 0) of a run of ``steps``, as the experiment's ``schedule`` has it.

    ``cosine`` rises in equal parts over the first tenth, whose last step has the experiment's own rate, and then falls
    along half a cosine; the step after the last would have 0 (Loshchilov and Hutter, SGDR, 2017, eq. 5, one period).
    """
    if experiment.schedule == "constant":
        return experiment.learning_rate
    warm = max(1, round(WARM_UP * steps))
    if step < warm:
        return experiment.learning_rate * (step + 1) / warm
    return experiment.learning_rate * (1 + math.cos(math.pi * (step - warm + 1) / (steps - warm + 1))) / 2


def step(
    experiment: Experiment,
    method: Method,
    network: nn.Module,
    optimiser: torch.optim.Optimizer,
    batch: Batch,
    generator: torch.Generator,
) -> dict[str, Tensor]:
    """One step on ``batch``, which is where ``network`` is; every loss term and their sum, ``loss``, as they were.

    Processes that train together each read their own rows of ``batch``, and take the same step.
    """
    hidden = method.hide(batch, experiment, generator)
    if experiment.context_items == "longest":
        batch = batch.asking_longest()  # what is hidden in the others stays hidden, and nothing asks for it
    own, hidden = distributed.own(batch, hidden)
    with torch.autocast(batch.labels.device.type, torch.bfloat16, enabled=experiment.precision == "bfloat16"):
        outputs = method.read(network, own, hidden)
    terms = method.terms(distributed.gather(outputs, len(batch.labels)), batch.labels, experiment)
    loss = torch.stack(list(terms.values())).sum()
    optimiser.zero_grad()
    loss.backward()
    distributed.add_gradients(network, len(batch.labels))
    if experiment.text_clip is not None:
        nn.utils.clip_grad_norm_(network.segments["text"].parameters(), experiment.text_clip)
    optimiser.step()
    return {name: term.detach() for name, term in (terms | {"loss": loss}).items()}


def dev_score(row: dict[str, float], modality: str | None = None) -> float:
    """What selects an epoch on dev: the mean of both F1, or one modality's."""
    if modality is not None:
        return row[f"{modality}_f1"]
    return (row["image_f1"] + row["text_f1"]) / 2


CONVERGED = 0.005  # a run whose last fifth brings less on dev has converged


def late_gain(history: Sequence[dict[str, float]]) -> float:
    """How far the best dev score of the last fifth of the epochs lies above the best before it; inf after one epoch."""
    scores = [dev_score(row) for row in history]
    late = max(1, round(len(scores) / 5))
    return max(scores[-late:]) - max(scores[:-late], default=-math.inf)


def best_epoch(history: list[dict[str, float]], modality: str | None = None) -> dict[str, float]:
    """The row of the first epoch that is best on dev, or with the lowest loss where that selects."""
    if (lowest := _lowest_name(modality)) in history[0]:
        return min(history, key=lambda row: (row[lowest], row["epoch"]))
    return max(history, key=lambda row: (dev_score(row, modality), -row["epoch"]))


def _lowest_name(modality: str | None) -> str:
    """What a history calls the lowest loss of an epoch's every tenth batch."""
    return "lowest_loss" if modality is None else f"lowest_loss_{modality}"


class LowestLosses:
    """The released code's checkpoint: the weights after the batch with the lowest loss among every tenth of an epoch.

    The first batch of an epoch counts, then the eleventh. Networks that are trained alone have each their own.
    """

    def __init__(self, selection: Literal["mean", "each"]) -> None:
        """Of the sum of all terms, or with ``each`` of each modality's own term."""
        self._modalities = (None,) if selection == "mean" else MODALITIES
        self._losses = dict.fromkeys(self._modalities, math.inf)
        self._weights: dict[str | None, dict[str, Tensor]] = {}

    def watch(self, terms: Mapping[str, Tensor], network: nn.Module) -> None:
        """Keep the weights of ``network`` where one of ``terms`` is lower than before."""
        for modality in self._modalities:
            loss = float(terms["loss" if modality is None else f"label_{modality}"])
            if loss < self._losses[modality]:
                self._losses[modality] = loss
                self._weights[modality] = {name: tensor.clone() for name, tensor in network.state_dict().items()}

    def row(self) -> dict[str, float]:
        """The lowest losses, as a history keeps them."""
        return {_lowest_name(modality): loss for modality, loss in self._losses.items()}

    def weights(self, modality: str | None) -> dict[str, Tensor]:
        """The network's state after the batch with the lowest loss."""
        return self._weights[modality]


def _keep_best(
    folder: Path,
    network: nn.Module,
    selection: str,
    history: list[dict[str, float]],
    lowest: LowestLosses | None = None,
) -> None:
    """Write the newest weights, or the epoch's of the lowest loss, over the best ones where they are best so far."""
    newest, path = history[-1]["epoch"], folder / BEST
    if selection == "mean":
        if best_epoch(history)["epoch"] == newest:
            _save_weights(network.state_dict() if lowest is None else lowest.weights(None), path)
        return
    kept = read_tensors(path) if path.exists() else {}
    fresh = {}
    for modality in MODALITIES:
        if best_epoch(history, modality)["epoch"] == newest:
            state = network.state_dict() if lowest is None else lowest.weights(modality)
            fresh |= {name: tensor for name, tensor in state.items() if network.modality_of(name) == modality}
    if fresh:
        _save_weights(kept | fresh, path)


def _save_weights(state: dict[str, Tensor], path: Path) -> None:
    with atomic_write(path) as part:
        save_file({name: tensor.detach().cpu().contiguous() for name, tensor in state.items()}, part)


def _save_state(
    folder: Path, network: nn.Module, optimiser: torch.optim.Optimizer, history: list[dict[str, float]]
) -> None:
    with atomic_write(folder / _STATE) as part:
        torch.save({"network": network.state_dict(), "optimiser": optimiser.state_dict(), "history": history}, part)


def _resume(
    folder: Path, network: nn.Module, optimiser: torch.optim.Optimizer, device: torch.device, keep: str
) -> list[dict[str, float]]:
    """Load the state an interruption left and return its history; an empty one where there is none, or no whole one."""
    path = folder / _STATE
    if not path.exists():
        return []
    try:
        state = torch.load(path, map_location=device, weights_only=True)
        for weights in kept_weights(folder, state["history"], keep):
            check_tensors(weights)
    except (RuntimeError, EOFError, pickle.UnpicklingError, DamagedError):
        return []  # cut short by a crash: begin again
    network.load_state_dict(state["network"])
    optimiser.load_state_dict(state["optimiser"])
    return state["history"]


def _epoch_seed(seed: int, epoch: int) -> int:
    return seed * 100_003 + epoch


@contextmanager
def _random_state(seed: int) -> Iterator[None]:
    """torch seeded inside (weights, dropout), the caller's state untouched outside."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        yield
