"""Feature files of others: shuffled batches from a .npy of regions, beside a plain memory map of the same file.

    python benchmarks/feature_files.py [--items 14000] [--rounds 1] [--folder FOLDER]

The file is generated, [items, 36, 2048] float32 as SCAN's and the authors' (295 KB an item, 4.1 GB for 14,000), and
removed again. Cold means that it was dropped from the page cache before each round; warm that it was read before.
Prints the one pass that checks every value and takes the checksum, items a second, the median over rounds run in turn,
and the peak memory of each step: it must not grow with the file.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from feature_store import _peak, _timed
from rows import Row

SHAPE, BATCH, BLOCK = (36, 2048), 64, 512


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--items", type=int, default=14_000)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--folder", type=Path, help="where the file is made and removed again")
    given = parser.parse_args()
    measure(given.items, given.rounds, given.folder)


def measure(items: int, rounds: int, place: Path | None = None) -> list[Row]:
    """Print everything, and give the rows of reading cold and warm; the file is made in ``place`` and removed."""
    from semshare.data.regions.array_checks import not_finite, read_through
    from semshare.data.regions.arrays import ArrayFile, ArrayStore, RegionArrays

    size = items * int(np.prod(SHAPE)) * 4
    if (free := shutil.disk_usage(place or tempfile.gettempdir()).free) < size * 1.1:
        sys.exit(f"found {free / 1e9:.1f} GB free, expected {size * 1.1 / 1e9:.1f} GB; choose another --folder")
    with tempfile.TemporaryDirectory(dir=place) as folder:
        os.environ["SEMSHARE_HOME"] = str(Path(folder) / "home")
        path = Path(folder) / "train_ims.npy"
        _generate(path, items)
        Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")  # forgets the peak of what ran before
        before = _peak()
        file = ArrayFile(path)
        store = ArrayStore([(RegionArrays(file), {str(row): row for row in range(items)})], 1, [])
        order = np.random.default_rng(0).permutation(items)
        cuts = [order[start : start + BATCH].tolist() for start in range(0, items, BATCH)]

        def positional() -> None:
            for rows in cuts:
                file.read(rows)

        def whole_regions() -> None:  # with box, class and score, as training reads them
            for rows in cuts:
                store.read([str(row) for row in rows])

        def mapped() -> None:
            features = np.load(path, mmap_mode="r")
            for rows in cuts:
                np.ascontiguousarray(features[rows])

        print(f"{items} items of {SHAPE} float32 ({size / 1e9:.1f} GB), shuffled batches of {BATCH}", flush=True)
        seconds = _timed(lambda: read_through(file, "finite", not_finite), [path], cold=True)
        checked = _peak()
        print(f"  checked and summed in {seconds:.1f} s, {size / 1e9 / seconds:.2f} GB/s, cold", flush=True)
        start = time.perf_counter()
        read_through(file, "finite", not_finite)
        print(f"  known again in {1000 * (time.perf_counter() - start):.1f} ms")
        whole_regions()
        # Before any map: mapped pages would count as this process's memory, though the system can take them back.
        print(f"  peak memory above the start: checking {checked - before:.2f} GB, reading {_peak() - before:.2f} GB")
        ways = {"ArrayFile.read": positional, "ArrayStore.read": whole_regions, "memory map": mapped}
        claims = []
        for state in ("cold", "warm"):
            rate: dict[str, list[float]] = {name: [] for name in ways}
            for _ in range(rounds):
                for name, way in ways.items():
                    rate[name].append(items / _timed(way, [path], cold=state == "cold"))
            ours, full, peer = (statistics.median(rate[name]) for name in ways)
            print(
                f"  {state}: read {ours:8.0f} items/s   as regions {full:8.0f} items/s   memory map {peer:8.0f} items/s"
                f"   ratio {ours / peer:.2f}",
                flush=True,
            )
            claims.append(Row(f"shuffled batches of a feature file, {state}", "items/s", ours, "memory map", peer))
    return claims


def _generate(path: Path, items: int) -> None:
    """Write the file a block at a time; numbers repeat from block to block, which no reader can see."""
    block = np.random.default_rng(0).random((BLOCK, *SHAPE), dtype=np.float32)
    with open(path, "wb") as file:
        header = {"descr": "<f4", "fortran_order": False, "shape": (items, *SHAPE)}
        np.lib.format.write_array_header_1_0(file, header)
        for start in range(0, items, BLOCK):
            file.write(block[: min(BLOCK, items - start)].data)
        os.fsync(file.fileno())


if __name__ == "__main__":
    main()
