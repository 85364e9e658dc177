"""How well could an image model do on simulated regions? The calibration of ``semshare.data.simulated.NOISE``.

    python benchmarks/probe_simulated.py --root FLICKR25K_FOLDER [--noise 1 2 3]

Logistic regression, one label against the rest, on each item's mean feature; fitted on 16,015 train items, the
threshold tuned and Micro-F1 read on 2,000 dev items. Real labels of FLICKR25K; the 2,000 test items are not touched.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score
from sklearn.multiclass import OneVsRestClassifier

from semshare.data.simulated import NOISE, RegionSimulator

THRESHOLDS = np.arange(0.1, 0.6, 0.025)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", type=Path, required=True, help="folder with all_imgs.txt and all_labels.txt")
    parser.add_argument("--noise", type=float, nargs="*", default=[NOISE])
    given = parser.parse_args()
    ids = (given.root / "all_imgs.txt").read_text().split()
    labels = np.loadtxt(given.root / "all_labels.txt", dtype=int)
    order = np.random.default_rng(0).permutation(len(ids))[2000:]  # the first 2,000 are a test split, left alone
    dev, train = order[:2000], order[2000:]
    columns = [np.flatnonzero(row).tolist() for row in labels]
    print("noise   dev Micro-F1 (threshold)   at 0.5")
    for noise in given.noise:
        simulator = RegionSimulator(labels.shape[1], noise=noise)
        mean = {
            name: np.stack([simulator.simulate([ids[i]], [columns[i]])[0, :, :-7].mean(0, np.float32) for i in rows])
            for name, rows in (("train", train), ("dev", dev))
        }
        model = OneVsRestClassifier(LogisticRegression(max_iter=300)).fit(mean["train"], labels[train])
        scores = model.predict_proba(mean["dev"])
        at = {level: f1_score(labels[dev], scores > level, average="micro") for level in (*THRESHOLDS, 0.5)}
        best = max(at, key=at.__getitem__)
        print(f"{noise:5.2f}   {at[best]:.3f} ({best:.3f})   {at[0.5]:.3f}", flush=True)


if __name__ == "__main__":
    main()
