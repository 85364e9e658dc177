"""Evaluation at COCO5K's size: 5,000 images and 25,000 captions, 80 labels, NDCG@500 in both directions.

    python benchmarks/retrieval.py [rounds]

Prints the median seconds of ours and of its peers, run in turn, for each direction, and what each takes beside ours;
among them the bare matrix product and top-k. Then the values' means, and the memory that ours takes above its inputs
in a process of its own. scikit-learn is timed on the first queries and extrapolated. The labels are drawn with COCO's
three a picture, a few of them frequent; captions have their image's.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import torch
from rows import Row
from sklearn.metrics import ndcg_score
from torch import Tensor
from torch.nn.functional import normalize

from semshare.metrics import ACG, NDCG, Recall, retrieve

IMAGES, CAPTIONS, LABELS, K = 5000, 5, 80, 500
SUBSET = {"I2T": 100, "T2I": 500}  # queries that scikit-learn ranks
BARE, SKLEARN = "bare matrix product and top-k", "scikit-learn, extrapolated"
SEVERAL = (
    NDCG(K), NDCG(K, discount="coco-released"), NDCG(K, gain="exponential"), NDCG(10), NDCG(100), ACG(100), ACG(K),
    Recall(1), Recall(5), Recall(10),
)  # fmt: skip
Case = tuple[Tensor, Tensor, Tensor, Tensor]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("rounds", type=int, nargs="?", default=5)
    measure(parser.parse_args().rounds)


def measure(rounds: int) -> list[Row]:
    """Print everything, and give each peer's row, both directions together, and the memory's."""
    cases = draw()
    print(f"{IMAGES} images, {IMAGES * CAPTIONS} captions, {LABELS} labels, k {K}, {torch.get_num_threads()} threads")
    ways: dict[str, Callable[[str], Tensor]] = {
        "semshare": lambda direction: retrieve([NDCG(K)], *cases[direction])[0].values,
        "semshare, 10 measures at once": lambda direction: several(cases[direction]),
        "plain chunked torch": lambda direction: plain(*cases[direction]),
        BARE: lambda direction: bare(*cases[direction]),
        SKLEARN: lambda direction: sklearn(*cases[direction], SUBSET[direction]),
    }
    seconds: dict[tuple[str, str], list[float]] = {}
    values: dict[tuple[str, str], Tensor] = {}
    for _ in range(rounds):
        for direction, case in cases.items():
            for name, way in ways.items():
                start = time.perf_counter()
                values[name, direction] = way(direction)
                taken = time.perf_counter() - start
                if name == SKLEARN:
                    taken *= len(case[0]) / SUBSET[direction]
                seconds.setdefault((name, direction), []).append(taken)
    print(f"{'':32s} {'I2T':>16s} {'T2I':>16s} {'both':>16s}   seconds, and times ours")
    medians = {key: statistics.median(taken) for key, taken in seconds.items()}
    both = {name: [*(medians[name, way] for way in cases), sum(medians[name, way] for way in cases)] for name in ways}
    for name, row in both.items():
        cells = [f"{one:8.3f} {one / ours:6.2f}x" for one, ours in zip(row, both["semshare"], strict=True)]
        print(f"{name:32s} {' '.join(cells)}")
    memory = {}
    for direction in cases:
        scores = {name: float(values[name, direction].mean()) for name in ways if name not in (BARE, SKLEARN)}
        print(f"{direction}: mean NDCG {', '.join(f'{one:.6f} ({name})' for name, one in scores.items())}")
        with ProcessPoolExecutor(1, get_context("spawn")) as fresh:
            memory[direction] = fresh.submit(peak_above, direction).result()
        print(f"{direction}: {memory[direction]:.0f} MB above the inputs")
    limit = both[BARE][-1]
    rows = [
        Row("NDCG@500, 5,000 x 25,000, both ways", "s", both["semshare"][-1], name, both[name][-1], limit)
        for name in (BARE, "plain chunked torch", SKLEARN)
    ]
    return [*rows, Row("its memory above the inputs", "MB", max(memory.values()), "the 200 MB allowed", 200)]


def draw() -> dict[str, Case]:
    """Embeddings and labels of queries and gallery in both directions."""
    generator = torch.Generator().manual_seed(0)
    chances = 0.6 / torch.arange(1, LABELS + 1)
    image_labels = (torch.rand(IMAGES, LABELS, generator=generator) < chances).float()
    text_labels = image_labels.repeat_interleave(CAPTIONS, 0)
    images, texts = (
        torch.rand(len(labels), LABELS, generator=generator) / 2 + labels for labels in (image_labels, text_labels)
    )
    return {"I2T": (images, texts, image_labels, text_labels), "T2I": (texts, images, text_labels, image_labels)}


def several(case: Case) -> Tensor:
    """Ten measures of one ranking; the captions' places and the own items are made up."""
    queries = len(case[0])
    own = torch.arange(queries).remainder(len(case[1])).unsqueeze(1)
    found = retrieve(SEVERAL, *case, caption_index=torch.arange(queries) % CAPTIONS, own=own)
    return found[0].values


def plain(query: Tensor, gallery: Tensor, query_labels: Tensor, gallery_labels: Tensor) -> Tensor:
    """NDCG the straightforward way, by blocks: top-k of the similarity, top-k of the relevance for the ideal."""
    weights = 1 / torch.log2(torch.arange(2, K + 2))
    query, gallery = normalize(query, dim=1), normalize(gallery, dim=1).T
    values = []
    for some, labels in zip(query.split(256), query_labels.split(256), strict=True):
        relevance = labels @ gallery_labels.T
        found = relevance.gather(1, (some @ gallery).topk(K, dim=1).indices)
        values.append((found * weights).sum(1) / (relevance.topk(K, dim=1).values * weights).sum(1).clamp(min=1e-9))
    return torch.cat(values)


def bare(query: Tensor, gallery: Tensor, *_: Tensor) -> Tensor:
    """What any exact ranking needs: the product and the first k, here without regard to ties."""
    query, gallery = normalize(query, dim=1), normalize(gallery, dim=1).T
    return torch.cat([(some @ gallery).topk(K, dim=1).indices for some in query.split(256)])


def sklearn(query: Tensor, gallery: Tensor, query_labels: Tensor, gallery_labels: Tensor, count: int) -> Tensor:
    """scikit-learn's NDCG of the first ``count`` queries, each by itself, ties ignored."""
    similarity = normalize(query[:count], dim=1) @ normalize(gallery, dim=1).T
    relevance = query_labels[:count] @ gallery_labels.T
    pairs = zip(relevance.numpy(), similarity.numpy(), strict=True)
    return torch.tensor([ndcg_score(one[None], other[None], k=K, ignore_ties=True) for one, other in pairs])


def peak_above(direction: str) -> float:
    """The most MB that this process holds while it evaluates, beyond what it held with the inputs; nan if unknown."""
    case, fresh = draw()[direction], Path("/proc/self/clear_refs")
    if not fresh.exists():
        return float("nan")
    before = _status("VmRSS")
    fresh.write_text("5", encoding="utf-8")  # the peak starts anew
    retrieve([NDCG(K)], *case)
    return (_status("VmHWM") - before) / 1000


def _status(name: str) -> int:
    """A line of the process's memory status, in kB."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return int(next(line for line in lines if line.startswith(name)).split()[1])


if __name__ == "__main__":
    main()
