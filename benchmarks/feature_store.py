"""Shuffled batches from a feature store: FeatureStore.read beside a memory map of the same shards.

    python benchmarks/feature_store.py [--items 40000] [--rounds 1] [--folder FOLDER]

Cold means that the shards were dropped from the page cache before each round; warm that they were read before.
Prints items a second, the median over rounds run in turn, their ratio, and the peak memory of writing and of reading.
The disk must hold the store: 74 KB an item, 3 GB for 40,000; memory does not grow with it but for the ids.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from rows import Row

from semshare.data.regions.store import FeatureStore, write_store

SHAPE, BATCH = (36, 1024), 64


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--items", type=int, default=40_000)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--folder", type=Path, help="where the store is made and removed again")
    given = parser.parse_args()
    measure(given.items, given.rounds, given.folder)


def measure(items: int, rounds: int, place: Path | None = None) -> list[Row]:
    """Print everything, and give the rows of reading cold and warm; the store is made in ``place`` and removed."""
    needed = items * int(np.prod(SHAPE)) * 2
    rng = np.random.default_rng(0)
    if (free := shutil.disk_usage(place or tempfile.gettempdir()).free) < needed * 1.2:
        sys.exit(f"found {free / 1e9:.1f} GB free, expected {needed * 1.2 / 1e9:.1f} GB; choose another --folder")
    ids = [str(number) for number in range(items)]

    def batches() -> Iterator[tuple[list[str], np.ndarray]]:
        for start in range(0, items, BATCH):
            some = ids[start : start + BATCH]
            yield some, rng.random((len(some), *SHAPE), dtype=np.float32)

    Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")  # forgets the peak of what ran before
    before = _peak()
    with tempfile.TemporaryDirectory(dir=place) as folder:
        store = write_store(folder, batches(), {})
        shards = [(Path(folder) / shard["file"], len(shard["ids"])) for shard in store.shards]
        starts = np.cumsum([0, *(count for _, count in shards)])
        paths = [path for path, _ in shards]
        written = _peak()
        order = rng.permutation(items)

        def positional() -> None:
            reader = FeatureStore(folder)
            for start in range(0, items, BATCH):
                reader.read([ids[row] for row in order[start : start + BATCH]])

        def mapped() -> None:
            maps = [np.memmap(path, dtype=np.float16, mode="r", shape=(count, *SHAPE)) for path, count in shards]
            for start in range(0, items, BATCH):
                batch = np.empty((BATCH, *SHAPE), dtype=np.float16)  # a batch of its own each time, as read gives
                for at, row in enumerate(order[start : start + BATCH]):
                    shard = int(np.searchsorted(starts, row, side="right")) - 1
                    batch[at] = maps[shard][row - starts[shard]]

        print(f"{items} items of {SHAPE} float16 ({needed / 1e9:.1f} GB), shuffled batches of {BATCH}", flush=True)
        positional()
        # Before any map: mapped pages would count as this process's memory, though the system can take them back.
        print(f"  peak memory above the start: writing {written - before:.2f} GB, reading {_peak() - before:.2f} GB")
        rows = []
        for state in ("cold", "warm"):
            rate = {name: [] for name in ("FeatureStore.read", "memory map")}
            for _ in range(rounds):
                for name, way in (("FeatureStore.read", positional), ("memory map", mapped)):
                    rate[name].append(items / _timed(way, paths, cold=state == "cold"))
            ours, peer = (statistics.median(rate[name]) for name in rate)
            print(
                f"  {state}: read {ours:8.0f} items/s   memory map {peer:8.0f} items/s   ratio {ours / peer:.2f}",
                flush=True,
            )
            rows.append(Row(f"shuffled batches of a store, {state}", "items/s", ours, "memory map", peer))
    return rows


def _peak() -> float:
    """The most memory this process has held since its peak was last forgotten, in GB."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text(encoding="utf-8"))
    assert found is not None
    return int(found[1]) * 1024 / 1e9


def _timed(way: Callable[[], None], paths: list[Path], cold: bool) -> float:
    for path in paths:
        with open(path, "rb") as file:
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
