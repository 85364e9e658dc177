"""How well does an image model do on simulated regions? The calibration of ``semshare.data.regions.simulated.NOISE``.

    python benchmarks/probe_simulated.py --root FLICKR25K_FOLDER [--noise 0.4 0.415 0.43] [--epochs 7]

Trains *Independent* at scale laptop on FLICKR25K's real labels, once a noise level, and prints the image branch's
Micro-F1 on dev, epoch by epoch, each at the threshold tuned on dev. Test is not read.
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import replace
from pathlib import Path

from semshare import methods, runs, training
from semshare.data import catalogue
from semshare.data.dataset import PairedDataset
from semshare.data.regions.simulated import NOISE, RegionSimulator, simulate_to_store
from semshare.paper.reference import TABLE_1
from semshare.utils.devices import find_device
from semshare.utils.progress import Progress

DATASET, METHOD = "flickr25k-simulated", "independent"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", type=Path, required=True, help="folder with all_imgs.txt and all_labels.txt")
    parser.add_argument("--noise", type=float, nargs="*", default=[NOISE])
    parser.add_argument("--epochs", type=int, default=7)
    given = parser.parse_args()
    experiment = runs.plan(DATASET, METHOD, "laptop", root=given.root, epochs=given.epochs)
    dataset = catalogue.load(DATASET, "laptop", given.root)
    print(f"the paper's image Micro-F1: {TABLE_1[METHOD][0][0]}")
    print("noise   best   each epoch (dev, threshold tuned on dev)")
    for noise in given.noise:
        with tempfile.TemporaryDirectory() as folder:
            noisy = replace(dataset, store=store(dataset, noise, Path(folder) / "regions"))
            history = training.fit(
                experiment, methods.get(METHOD), noisy, Path(folder), find_device(), Progress(f"noise {noise}")
            )
        scores = [row["image_f1"] for row in history]
        print(f"{noise:5.3f}   {max(scores):.3f}  {' '.join(f'{score:.3f}' for score in scores)}", flush=True)


def store(dataset: PairedDataset, noise: float, folder: Path):
    """The regions of the dataset's pictures at another noise level."""
    items = dataset.source.items()
    column = {label: index for index, label in enumerate(dataset.label_names)}
    labels = [[column[label] for label in item.labels] for item in items]
    simulator = RegionSimulator(len(column), noise=noise)
    return simulate_to_store(simulator, [item.id for item in items], labels, folder, lambda work, total: work)


if __name__ == "__main__":
    main()
