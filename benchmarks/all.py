"""Every benchmark that needs no data but what it draws, then one table of what they claim: `make bench`.

    python benchmarks/all.py

Takes some minutes on 2 cores. Nothing else should run meanwhile: the peers take turns with ours, but a machine that
others use is slow for both.
"""

from __future__ import annotations

import argparse

import feature_files
import feature_store
import regions
import retrieval
import search
import training
from rows import Row, table


def main() -> None:
    argparse.ArgumentParser(description=__doc__.splitlines()[0]).parse_args()
    rows: list[Row] = []
    for title, measure in (
        ("Training steps", lambda: training.measure(rounds=3)),
        ("Evaluation", lambda: retrieval.measure(rounds=3)),
        ("Search", lambda: search.measure(rounds=1)),
        ("Shuffled batches from a feature store", lambda: feature_store.measure(items=8000, rounds=3)),
        ("Shuffled batches from a feature file", lambda: feature_files.measure(items=2000, rounds=3)),
        ("Regions of pictures", lambda: regions.measure(names=("grid",))),
    ):
        print(f"\n## {title}\n", flush=True)
        rows += measure()
    print(f"\n## What is claimed\n\n{table(rows)}")


if __name__ == "__main__":
    main()
