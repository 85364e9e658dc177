"""FLICKR25K's real tags: the text branch beside a logistic regression and beside the paper's Table 1.

    python benchmarks/flickr25k_text.py --root FLICKR25K_FOLDER [--scale laptop] [--device auto]

Trains *Independent* by binary cross-entropy on the 16,015 training pairs and fits *Linear*, the logistic regression (or
finds the finished runs); both thresholds are tuned on dev. Regions are simulated and say nothing about texts.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from semshare import runs
from semshare.paper import baselines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", type=Path, help="folder with all_tags.txt and the files beside it, or mirflickr/")
    parser.add_argument("--scale", default="laptop", help="smoke, laptop or full")
    parser.add_argument("--device", default="auto")
    given = parser.parse_args()
    planned = baselines.plans(["flickr25k-simulated"], given.scale, given.device)
    done = runs.get_all([experiment.change(root=given.root) for experiment in planned], given.device)
    for run in done:
        print(f"{run.experiment.dataset}, {run.title}, scale {given.scale}, {run.record['device']}, run {run.key}")
    print(baselines.f1_frame(done).to_string(float_format="{:.3f}".format))


if __name__ == "__main__":
    main()
