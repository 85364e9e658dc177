"""Exact search: the 10 nearest of 1,000,000 normalised vectors of 80 numbers for each of 5,000 queries.

    python benchmarks/search.py [--items 1000000] [--queries 5000] [--rounds 3] [--batches]

Prints the median wall and processor seconds of faiss (as semshare asks it: all queries in one batch), of plain chunked
torch and of torch's matrix product without any selection, run in turn, and the processor time of each beside faiss's;
then whether torch and faiss agree. With ``--batches``: the processor time of a query in batches of other sizes, on the
first queries. Where cores are shared, read it with OMP_NUM_THREADS=1: threads that wait for one another waste it.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable

import faiss
import torch
from rows import Row
from torch import Tensor
from torch.nn.functional import normalize

SIZE, TOP, BLOCK = 80, 10, 65_536
BATCHES = (1, 10, 100, 500, 1000, 1600, 2500)  # 1600 x 80 is where faiss turns to matrix products


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    options.add_argument("--items", type=int, default=1_000_000)
    options.add_argument("--queries", type=int, default=5000)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--batches", action="store_true")
    given = options.parse_args()
    measure(given.rounds, given.items, given.queries, given.batches)


def measure(rounds: int, items: int = 1_000_000, asked: int = 5000, with_batches: bool = False) -> list[Row]:
    """Print everything, and give the row of faiss beside plain torch, in wall time."""
    generator = torch.Generator().manual_seed(0)
    gallery, queries = (normalize(torch.rand(count, SIZE, generator=generator), dim=1) for count in (items, asked))
    index = faiss.IndexFlatIP(SIZE)
    index.add(gallery.numpy())
    load, threads = os.getloadavg()[0], torch.get_num_threads()
    print(f"{items:,} x {SIZE}, {asked:,} queries, top {TOP}, {threads} threads, load {load:.1f}")
    ways: dict[str, Callable[[], Tensor]] = {
        "faiss, one batch": lambda: torch.from_numpy(index.search(queries.numpy(), TOP)[0]),
        "plain chunked torch": lambda: plain(queries, gallery),
        "bare matrix product": lambda: bare(queries, gallery),
    }
    seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    found: dict[str, Tensor] = {}
    for _ in range(rounds):
        for name, way in ways.items():
            wall, processor = time.perf_counter(), time.process_time()
            found[name] = way()
            seconds[name].append((time.perf_counter() - wall, time.process_time() - processor))
    medians = {name: [statistics.median(some) for some in zip(*taken, strict=True)] for name, taken in seconds.items()}
    for name, (wall, processor) in medians.items():
        ratio = processor / medians["faiss, one batch"][1]
        print(f"{name:22s} wall {wall:8.2f} s   processor {processor:8.2f} s   {ratio:6.2f}x")
    off = (found["faiss, one batch"] - found["plain chunked torch"]).abs().max()
    print(f"scores of faiss and torch differ by at most {off:.1e}")
    if with_batches:
        batches(index, queries, rounds)
    faiss_wall, torch_wall, bare_wall = (wall for wall, _ in medians.values())
    claim = f"the {TOP} nearest of {items:,} for {asked:,} queries"
    return [Row(claim, "s", faiss_wall, "plain chunked torch", torch_wall, bare_wall)]


def plain(queries: Tensor, gallery: Tensor) -> Tensor:
    """The first k block by block, each block's merged with the best so far; [Q, 10] scores."""
    best = torch.full((len(queries), TOP), -torch.inf)
    for block in gallery.split(BLOCK):
        for some, kept in zip(queries.split(1024), best.split(1024), strict=True):
            kept.copy_(torch.cat([kept, (some @ block.T).topk(TOP, dim=1).values], 1).topk(TOP, dim=1).values)
    return best


def bare(queries: Tensor, gallery: Tensor) -> Tensor:
    """The multiplications alone, which no exact search can do without; the last block's first column."""
    for block in gallery.split(BLOCK // 8):
        for some in queries.split(1024):
            product = some @ block.T
    return product[:, 0]


def batches(index: faiss.IndexFlatIP, queries: Tensor, rounds: int) -> None:
    """What a query costs, by how many are asked at once."""
    print("queries at once, processor milliseconds a query:")
    for size in (size for size in BATCHES if size <= len(queries)):
        taken = []
        for _ in range(rounds):
            start = time.process_time()
            for some in queries[: max(size, 20)].split(size):
                index.search(some.numpy(), TOP)
            taken.append((time.process_time() - start) / max(size, 20))
        print(f"{size:6d}  {1000 * statistics.median(taken):8.2f}")


if __name__ == "__main__":
    main()
