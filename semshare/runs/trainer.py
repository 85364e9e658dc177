"""An experiment trained in a folder. What this module imports is the code that a run's key covers."""

from __future__ import annotations

import json
import platform
import time
from typing import TYPE_CHECKING, Any

import torch

from semshare import bert, evaluation, training
from semshare.data import catalogue
from semshare.evaluation import Reading, Thresholds
from semshare.utils import processes
from semshare.utils.checkout import commit
from semshare.utils.devices import describe_device, threads
from semshare.utils.files import DamagedError, read_tensors
from semshare.utils.progress import Progress

if TYPE_CHECKING:
    from pathlib import Path

    from semshare.data.dataset import PairedDataset
    from semshare.data.source import Split
    from semshare.experiment import Experiment
    from semshare.methods import Method


def train(
    experiment: Experiment, method: Method, dataset: PairedDataset, folder: Path, device: torch.device, quiet: bool
) -> dict[str, Any]:
    """Train ``experiment`` in ``folder`` and tune its thresholds on dev.

    Returns:
        What ``run.json`` keeps of it, but for the key.
    """
    progress = Progress(title(experiment), quiet)
    weights = bert.describe(experiment)
    if experiment.bert is not None:
        progress.say(f"initial weights: {weights}")
    with threads(thread_count(experiment)):
        history = training.fit(experiment, method, dataset, folder, device, progress)
        ran_on, used = describe_device(device), torch.get_num_threads()
    record = {
        "experiment": json.loads(experiment.to_json()),
        "initial_weights": weights,
        "history": history,
        "seconds": sum(row["seconds"] for row in history),
        "device": ran_on,
        "commit": commit(),
        "threads": used,
        "processes": processes.count(),
        "python": platform.python_version(),
        "data": dataset.checksum,
        "made": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }
    if processes.is_first():
        dev = read(experiment, method, dataset, "dev", folder / training.BEST, device)
        record["thresholds"] = vars(Thresholds.tune(dev, dataset.parts["dev"]))
    return record


def network(experiment: Experiment, method: Method, dataset: PairedDataset, weights: Path) -> torch.nn.Module:
    """The network of ``experiment`` with the kept ``weights``, on the CPU, in evaluation mode.

    Raises:
        UserError: weights that are missing, damaged or another network's.
    """
    # The kept weights replace what a BERT checkpoint began with, which may be gone by now.
    made = method.network(experiment.change(bert=None), dataset)
    try:
        made.load_state_dict(read_tensors(weights))
    except (DamagedError, RuntimeError) as error:
        reason = str(error) if isinstance(error, DamagedError) else f"{weights}: of another network"
        raise DamagedError(f"{reason}; delete {weights.parent.name} with semshare runs rm and train it again") from None
    return made.eval()


def read(
    experiment: Experiment, method: Method, dataset: PairedDataset, split: Split, weights: Path, device: torch.device
) -> Reading:
    """Embeddings and scores of ``split`` by the kept ``weights``, computed on ``device``."""
    kept = network(experiment, method, dataset, weights).to(device)
    with threads(thread_count(experiment)):
        return evaluation.read_split(kept, dataset, split, device, experiment)


def load_data(experiment: Experiment, device: str = "auto") -> PairedDataset:
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
        tokens=experiment.tokens,
    )


def thread_count(experiment: Experiment) -> int | None:
    """How many threads a run computes with on a CPU: one where its matrices are small, else as many as there are."""
    return None if experiment.scale == "full" else 1


def title(experiment: Experiment) -> str:
    """The run's name on the terminal."""
    weights = f"lambda {experiment.lam:g}, eta {experiment.eta:g}"
    preset = "" if experiment.preset == "paper" else f"preset {experiment.preset}, "
    return f"{experiment.method} on {experiment.dataset} ({preset}{weights}, seed {experiment.seed})"
