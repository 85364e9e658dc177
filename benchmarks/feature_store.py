"""Shuffled batches from a feature store: FeatureStore.read beside a memory map of the same shards.

    python benchmarks/feature_store.py [--items 4000]

Cold means that the shards were dropped from the page cache before each round; warm that they were read before.
Prints items a second, the median over rounds run in turn, and the ratio.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from semshare.data.store import FeatureStore, write_store

SHAPE, BATCH, ROUNDS = (36, 1024), 64, 3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--items", type=int, default=4000)
    items = parser.parse_args().items
    rng = np.random.default_rng(0)
    ids = [str(number) for number in range(items)]

    def batches() -> Iterator[tuple[list[str], np.ndarray]]:
        for start in range(0, items, BATCH):
            some = ids[start : start + BATCH]
            yield some, rng.random((len(some), *SHAPE), dtype=np.float32)

    with tempfile.TemporaryDirectory() as folder:
        store = write_store(folder, batches(), {}, shard_rows=items)
        shard = Path(folder) / store.shards[0]["file"]
        order = rng.permutation(items)

        def positional() -> None:
            reader = FeatureStore(folder)
            for start in range(0, items, BATCH):
                reader.read([ids[row] for row in order[start : start + BATCH]])

        def mapped() -> None:
            rows = np.memmap(shard, dtype=np.float16, mode="r", shape=(items, *SHAPE))
            for start in range(0, items, BATCH):
                np.array(rows[order[start : start + BATCH]])

        print(f"{items} items of {SHAPE} float16, shuffled batches of {BATCH}")
        for state in ("cold", "warm"):
            rate = {name: [] for name in ("FeatureStore.read", "memory map")}
            for _ in range(ROUNDS):
                for name, way in (("FeatureStore.read", positional), ("memory map", mapped)):
                    rate[name].append(items / _timed(way, shard, cold=state == "cold"))
            ours, peer = (statistics.median(rate[name]) for name in rate)
            print(f"  {state}: read {ours:8.0f} items/s   memory map {peer:8.0f} items/s   ratio {ours / peer:.2f}")


def _timed(way: Callable[[], None], shard: Path, cold: bool) -> float:
    with open(shard, "rb") as file:
        if cold:
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        else:
            while file.read(1 << 24):
                pass
    start = time.perf_counter()
    way()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
