"""Which learning-rate schedule converges in how many steps: dev alone, every method with the same number of trials.

    python benchmarks/schedule.py scenes-flickr25k scenes-coco1k
    python benchmarks/schedule.py coco16k --root DIR

Each method is trained once with the constant rate it had before, and under the cosine at one, two, four and eight times
that rate; then, at the peak that did best, with half and with twice the steps. A row says the best mean of both F1 on
dev, each F1 and NDCG there, and what the last fifth of the steps brought. Runs are kept in the store: asked again, the
table is printed without training. Test is not read.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from semshare import methods, runs, training
from semshare.experiment import SCALES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from semshare.runs.store import Run

METHODS = ("independent", "traditional", "dscmr", "ours")
PEAKS = (1, 2, 4, 8)  # times the rate that was constant before
CONSTANT = {"dscmr": 1e-4}  # the rates before the schedule; the others' is
USUAL = 5e-4  # where the cosine now peaks at eight times as much


def trials(dataset: str, method: str, root: Path | None, seed: int) -> Iterator[tuple[str, Run]]:
    """The runs of a method, each with what was tried."""
    rate = CONSTANT.get(method, USUAL)
    laptop = SCALES["laptop"] | methods.get(method).settings("tags", "laptop")
    budget = {name: laptop[name] for name in ("least_steps", "most_steps")}

    def run(**fields: Any) -> Run:
        fields = {"learning_rate": rate, "schedule": "cosine", **budget, **fields}
        return runs.get(runs.plan(dataset, method, "laptop", root=root, seed=seed, **fields))

    yield f"constant {rate:g}", run(schedule="constant")
    peaks = {}
    for times in PEAKS:
        peaks[times] = run(learning_rate=times * rate)
        yield f"cosine {times * rate:g}", peaks[times]
    best = max(peaks, key=lambda times: score(peaks[times]))
    used = steps(peaks[best])
    for changed, words in ((used // 2, "half the steps"), (2 * used, "twice the steps")):
        fields = {"learning_rate": best * rate, "least_steps": changed, "most_steps": changed}
        yield f"cosine {best * rate:g}, {words}", run(**fields)


def steps(run: Run) -> int:
    """How many steps a run took."""
    pairs = run.dataset.pairs_in_epoch("train", run.experiment.epoch_pairs)
    return run.experiment.steps_in_epoch(pairs) * run.experiment.epochs


def score(run: Run) -> float:
    """The best dev score of a run."""
    return training.dev_score(training.best_epoch(run.history))


def main() -> None:
    """Train what is missing and print a row a trial."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("datasets", nargs="+")
    parser.add_argument("--root", type=Path)
    parser.add_argument("--methods", nargs="+", default=METHODS)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    for dataset in asked.datasets:
        print(f"\n| {dataset} | trial | steps | dev F1 | image | text | I2T | T2I | last fifth | s |\n{'|---' * 10}|")
        for method in asked.methods:
            for words, run in trials(dataset, method, asked.root, asked.seed):
                row = training.best_epoch(run.history)
                measures = " | ".join(f"{row[name]:.3f}" for name in ("image_f1", "text_f1", "i2t", "t2i"))
                tail = f"{training.late_gain(run.history):+.3f} | {run.record['seconds']:.0f}"
                print(f"| {method} | {words} | {steps(run)} | {score(run):.3f} | {measures} | {tail} |", flush=True)


if __name__ == "__main__":
    main()
