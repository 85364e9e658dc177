"""NDCG@500: our chunked function beside scikit-learn's and beside the same function on the whole similarity.

    python benchmarks/retrieval_ndcg.py

Prints the median of each over several rounds run in turn, the ratios, and how far the values differ.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import torch
from sklearn.metrics import ndcg_score

from semshare import metrics

QUERIES, GALLERY, LABELS, K, ROUNDS = 1000, 5000, 24, 500, 5


def main() -> None:
    generator = torch.Generator().manual_seed(0)
    embeddings = [torch.rand(size, LABELS, generator=generator) for size in (QUERIES, GALLERY)]
    labels = [(torch.rand(size, LABELS, generator=generator) < 0.15).float() for size in (QUERIES, GALLERY)]
    unit = [torch.nn.functional.normalize(one, dim=1) for one in embeddings]

    def chunked() -> float:
        return float(metrics.retrieval_ndcg(*embeddings, *labels, k=K).mean())

    def whole() -> float:
        return float(metrics.ndcg(unit[0] @ unit[1].T, *labels, k=K).mean())

    def sklearn() -> float:
        relevance, similarity = labels[0] @ labels[1].T, unit[0] @ unit[1].T
        return float(ndcg_score(relevance.numpy(), similarity.numpy(), k=K))

    ways: dict[str, Callable[[], float]] = {
        "semshare, chunked": chunked,
        "semshare, whole similarity": whole,
        "scikit-learn": sklearn,
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    values = {}
    for _ in range(ROUNDS):
        for name, way in ways.items():
            start = time.perf_counter()
            values[name] = way()
            seconds[name].append(time.perf_counter() - start)
    ours = statistics.median(seconds["semshare, chunked"])
    print(f"{QUERIES} queries, gallery {GALLERY}, {LABELS} labels, k {K}, {torch.get_num_threads()} threads")
    for name, taken in seconds.items():
        median = statistics.median(taken)
        print(f"  {name:28s} {median:7.3f} s   {median / ours:5.2f} x   NDCG {values[name]:.6f}")


if __name__ == "__main__":
    main()
