"""Rankings against Python's stable sort, by blocks against the whole, and the mistakes that are refused."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch
from ranking_problems import embeddings, order, problem
from torch import Tensor

from semshare import ranking
from semshare.ranking import Ranked, over_blocks, rank

WRONG = r"similarity: found (NaN|infinity), expected finite numbers"
LARGEST = torch.finfo(torch.float32).max
SIZES = [(1, 1), (3, 7), (9, 23), (40, 500)]


@pytest.fixture(params=["numpy", "torch"])
def sorter(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both ways to sort, whatever this machine's devices."""
    monkeypatch.setattr(ranking, "_by_numpy", lambda _: request.param == "numpy")


@pytest.mark.parametrize("coarse", [False, True], ids=["distinct", "ties"])
@pytest.mark.parametrize("k", [1, 2, 5, 22, 23, 100, 499, 500, 10_000, None])
@pytest.mark.parametrize(("queries", "gallery"), SIZES)
def test_rank_equals_a_stable_sort(queries: int, gallery: int, k: int | None, coarse: bool, sorter: None) -> None:
    similarity = problem(3, queries, gallery, coarse=coarse)[0]
    assert rank(similarity, k).tolist() == [order(row)[:k] for row in similarity.tolist()]


@pytest.mark.parametrize("k", [3, 10, None])
def test_rank_of_equal_similarities_is_gallery_order(k: int | None, sorter: None) -> None:
    expected = list(range(300))[:k]
    assert rank(torch.full((4, 300), -0.5), k).tolist() == [expected] * 4


@pytest.mark.parametrize("k", [1, 4, 40])
def test_rank_finds_the_few_best_wherever_they_stand(k: int, sorter: None) -> None:
    # Two levels only: the high ones side by side, first, last or scattered.
    similarity = torch.zeros(4, 1000)
    places = torch.stack([torch.arange(40), torch.arange(40) + 960, torch.arange(40) * 25, torch.arange(40) + 500])
    similarity.scatter_(1, places, 1.0)
    assert torch.equal(rank(similarity, k), places[:, :k])


def test_rank_of_rows_that_differ_in_ties(sorter: None) -> None:
    # One row of ties only, one without any: each is cut at its own place.
    similarity = torch.stack([torch.zeros(600), torch.arange(600.0), torch.arange(600.0).neg()])
    assert rank(similarity, 3).tolist() == [[0, 1, 2], [599, 598, 597], [0, 1, 2]]


@pytest.mark.parametrize("k", [2, None])
@pytest.mark.parametrize("padding", [0, 60])
def test_rank_orders_signs_zeros_and_extremes(padding: int, k: int | None, sorter: None) -> None:
    # -0.0 equals 0.0, so the earlier one comes first.
    row = [-0.0, 0.0, 1e-30, -1e-30, LARGEST, -LARGEST, -1.0, 1.0] + [-2.0] * padding
    expected = [4, 7, 2, 0, 1, 3, 6, *range(8, 8 + padding), 5]
    assert rank(torch.tensor([row]), k).tolist() == [expected[:k]]


def test_rank_of_a_transposed_similarity() -> None:
    similarity = problem(3, 50, 300)[0]
    assert torch.equal(rank(similarity.T.contiguous().T, 7), rank(similarity, 7))


def test_rank_of_double_similarity_does_not_depend_on_k() -> None:
    # Closer than float32 can tell apart.
    similarity = torch.tensor([[0.5, 0.5 + 1e-12, 0.1]], dtype=torch.float64)
    assert rank(similarity, 2).tolist() == rank(similarity)[:, :2].tolist() == [[1, 0]]


@pytest.mark.parametrize("wrong", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("where", [0, 4, 299])
@pytest.mark.parametrize("k", [2, 200, None])
def test_what_is_not_finite_is_refused_whatever_k(k: int | None, where: int, wrong: float, sorter: None) -> None:
    similarity = torch.rand(3, 300)
    similarity[1, where] = wrong
    with pytest.raises(ValueError, match=WRONG):
        rank(similarity, k)
    with pytest.raises(ValueError, match=WRONG):
        rank(similarity.double(), k)
    with pytest.raises(ValueError, match=WRONG):
        Ranked.of(similarity, torch.ones(3, 1), torch.ones(300, 1), k)


@pytest.mark.parametrize("k", [0, -1, 2.0, True, "2"])
def test_a_k_that_is_no_whole_number_from_1_is_refused(k: object) -> None:
    similarity, *labels = problem(0)
    expected = f"k: found {k!r}, expected a whole number from 1"
    for work in (
        lambda: rank(similarity, k),  # type: ignore[arg-type]
        lambda: Ranked.of(similarity, *labels, k=k),  # type: ignore[arg-type]
        lambda: over_blocks(lambda one: one, *embeddings(), k=k),  # type: ignore[arg-type]
    ):
        with pytest.raises(ValueError, match=f"^{re.escape(expected)}"):
            work()
    with pytest.raises(ValueError, match=f"^{re.escape(expected.replace('k:', 'rows:'))}"):
        over_blocks(lambda one: one, *embeddings(), rows=k)  # type: ignore[arg-type]


def test_a_k_of_numpy_is_a_whole_number() -> None:
    similarity = problem(0)[0]
    assert torch.equal(rank(similarity, np.int64(3)), rank(similarity, 3))  # type: ignore[arg-type]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("k", [1, None])
def test_rank_in_an_empty_gallery_and_of_no_query(k: int | None, dtype: torch.dtype) -> None:
    assert rank(torch.empty(3, 0, dtype=dtype), k).shape == (3, 0)
    assert rank(torch.empty(0, 5, dtype=dtype), k).shape == (0, k or 5)
    assert rank(torch.empty(0, 0, dtype=dtype), k).shape == (0, 0)


def test_rank_of_no_matrix_is_refused() -> None:
    with pytest.raises(ValueError, match=r"similarity: found shape \(3,\), expected \(any, any\)"):
        rank(torch.zeros(3))


# What stands where


def test_ranked_by_hand() -> None:
    ranked = Ranked.of(
        torch.tensor([[0.1, 0.9, 0.5, 0.2]]), torch.tensor([[1, 1, 0]]), torch.tensor([[1, 0, 1], [1, 1, 0]] * 2), k=3
    )
    assert ranked.order.tolist() == [[1, 2, 3]]
    assert ranked.relevance.tolist() == [[2, 1, 2]]
    assert ranked.counts[0, :3].tolist() == [0, 2, 2] and ranked.counts.sum() == ranked.size == 4


@pytest.mark.parametrize("labels", [1, 5, 40, 80])
def test_ranked_equals_the_label_products(labels: int) -> None:
    # 40 and 80 labels: more than one integer holds.
    similarity, query_labels, gallery_labels = problem(7, 30, 90, labels)
    gallery_labels[40:] = gallery_labels[10]  # many items with the same labels
    gallery_labels[5] = query_labels[3] = 0
    ranked = Ranked.of(similarity, query_labels, gallery_labels, 20)
    shared = query_labels @ gallery_labels.T
    assert torch.equal(ranked.relevance, shared.gather(1, ranked.order))
    for row, counts in zip(shared.tolist(), ranked.counts.tolist(), strict=True):
        assert counts == [row.count(value) for value in range(len(counts))]
        assert sum(counts) == 90


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_a_gpu_ranks_as_the_cpu_does() -> None:
    given = problem(7, 30, 900, coarse=True)
    here, there = (Ranked.of(*(one.to(device) for one in given), k=20) for device in ("cpu", "cuda"))
    for name in ("order", "relevance", "counts"):
        assert torch.equal(getattr(here, name), getattr(there, name).cpu()), name


def test_a_ranking_that_is_not_deep_enough_is_refused() -> None:
    ranked = Ranked.of(*problem(0), k=4)
    assert ranked.depth(4) == 4
    with pytest.raises(ValueError, match="ranked: found the first 4 items, expected 5"):
        ranked.depth(5)
    assert Ranked.of(*problem(0), k=99).depth(77) == 23


# Blocks


def _in_blocks(rows: int | None, k: int | None = 20, **options) -> list[Tensor]:
    blocks = over_blocks(lambda one: (one.order, one.relevance), *embeddings(1), k=k, rows=rows, **options)
    return [torch.cat(parts) for parts in zip(*blocks, strict=True)]


@pytest.mark.parametrize("ranking", ["cosine", "dot"])
@pytest.mark.parametrize("rows", [1, 7, 39, 40, 1000, None])
def test_blocks_equal_the_whole(rows: int | None, ranking: str) -> None:
    query, gallery, query_labels, gallery_labels = embeddings(1)
    similarity = query.double() @ gallery.double().T
    if ranking == "cosine":
        similarity = torch.nn.functional.cosine_similarity(
            query.double().unsqueeze(1), gallery.double().unsqueeze(0), dim=-1
        )
    whole = Ranked.of(similarity, query_labels, gallery_labels, 20)
    order_, relevance = _in_blocks(rows, ranking=ranking)
    assert torch.equal(order_, whole.order) and torch.equal(relevance, whole.relevance)


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_rankings_do_not_depend_on_threads(threads: int) -> None:
    before = torch.get_num_threads()
    alone = _in_blocks(3)
    torch.set_num_threads(threads)
    try:
        assert all(torch.equal(one, other) for one, other in zip(_in_blocks(3), alone, strict=True))
        assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)


def test_blocks_are_as_large_as_asked_and_hand_over_captions_and_own_items() -> None:
    captions, own = torch.arange(40) % 5, torch.arange(80).view(40, 2) % 50
    blocks = over_blocks(lambda one: one, *embeddings(), k=3, caption_index=captions, own=own, rows=12)
    assert sum(len(one.order) for one in blocks) == 40 and max(len(one.order) for one in blocks) <= 12
    assert torch.equal(torch.cat([one.caption_index for one in blocks]), captions)
    assert torch.equal(torch.cat([one.own for one in blocks]), own)


def test_a_block_holds_few_similarities_by_default() -> None:
    blocks = over_blocks(lambda one: len(one.order), *embeddings(queries=1200, gallery=6000), k=1)
    assert sum(blocks) == 1200 and 6000 * max(blocks) <= 2**22


def test_a_mistake_in_a_block_is_raised_with_threads_as_they_were() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        query, *rest = embeddings()
        with pytest.raises(ValueError, match="ranked: found the first 2 items"):
            over_blocks(lambda ranked: ranked.depth(), query, *rest, k=2, rows=4)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("wrong", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("side", [0, 1])
@pytest.mark.parametrize("ranking", ["cosine", "dot"])
def test_embeddings_that_are_not_finite_are_refused(ranking: ranking.Ranking, side: int, wrong: float) -> None:
    both = list(embeddings())
    both[side][5, 1] = wrong
    name = ("query", "gallery")[side]
    with pytest.raises(ValueError, match=f"{name}_embeddings: found (NaN|infinity), expected finite numbers"):
        over_blocks(lambda one: one, *both, ranking=ranking)


def test_embeddings_too_long_for_float32_are_refused() -> None:
    query, gallery, *labels = embeddings()
    for both in ((query * 1e30, gallery), (query, gallery * 1e30)):  # their length is infinite, a cosine would be 0
        with pytest.raises(ValueError, match="_embeddings: found numbers too large for a length in float32"):
            over_blocks(lambda one: one, *both, *labels)
    over_blocks(lambda one: one, query * 1e18, gallery * 1e18, *labels, ranking="dot")


def test_no_query_is_one_empty_block() -> None:
    query, gallery, query_labels, gallery_labels = embeddings()
    for k in (3, None):
        (ranked,) = over_blocks(lambda one: one, query[:0], gallery, query_labels[:0], gallery_labels, k=k)
        assert ranked.order.shape == ranked.relevance.shape == (0, k or 50) and ranked.counts.shape == (0, 6)


def test_an_empty_gallery_is_refused() -> None:
    query, gallery, query_labels, gallery_labels = embeddings()
    with pytest.raises(ValueError, match="gallery_labels: found an empty gallery"):
        over_blocks(lambda one: one, query, gallery[:0], query_labels, gallery_labels[:0])
    with pytest.raises(ValueError, match="gallery_labels: found an empty gallery"):
        Ranked.of(torch.empty(40, 0), query_labels, gallery_labels[:0])


def test_what_does_not_fit_is_refused() -> None:
    similarity, query_labels, gallery_labels = problem(0)
    with pytest.raises(ValueError, match=r"similarity: found shape \(9, 23\), expected \(9, 22\)"):
        Ranked.of(similarity, query_labels, gallery_labels[:22])
    with pytest.raises(ValueError, match="gallery_labels: found 4 labels, expected 5"):
        Ranked.of(similarity, query_labels, gallery_labels[:, :4])
    with pytest.raises(ValueError, match="gallery_labels: found other values than 0 and 1"):
        Ranked.of(similarity, query_labels, gallery_labels * 0.5)
    query, gallery, *labels = embeddings()
    with pytest.raises(ValueError, match="query_embeddings: found 39 rows, expected the labels' 40"):
        over_blocks(lambda one: one, query[1:], gallery, *labels)
    with pytest.raises(ValueError, match="gallery_embeddings: found 49 rows, expected the labels' 50"):
        over_blocks(lambda one: one, query, gallery[1:], *labels)
    with pytest.raises(ValueError, match="ranking: found 'euclidean', expected 'cosine' or 'dot'"):
        over_blocks(lambda one: one, query, gallery, *labels, ranking="euclidean")
    with pytest.raises(ValueError, match=r"gallery_embeddings: found shape \(50, 5\), expected \(any, 6\)"):
        over_blocks(lambda one: one, query, gallery[:, :5], *labels)
    with pytest.raises(ValueError, match=r"query_labels: found shape \(40,\), expected \(any, any\)"):
        over_blocks(lambda one: one, query, gallery, labels[0][:, 0], labels[1])
    with pytest.raises(ValueError, match="query_labels: found other values than 0 and 1"):
        over_blocks(lambda one: one, query, gallery, labels[0] / 0, labels[1])


def test_options_that_do_not_fit_are_refused() -> None:
    both = embeddings()
    for wrong in (torch.zeros(39), torch.zeros(40, 1), torch.tensor(0)):
        with pytest.raises(ValueError, match=r"caption_index: found shape .*, expected \(40,\)"):
            over_blocks(lambda one: one, *both, caption_index=wrong)
    with pytest.raises(ValueError, match="caption_index: found -2, expected places from 0"):
        over_blocks(lambda one: one, *both, caption_index=torch.full((40,), -2))
    with pytest.raises(ValueError, match=r"own: found shape \(1, 2\), expected \(40, any\)"):
        over_blocks(lambda one: one, *both, own=torch.zeros(1, 2).long())  # one row would stand for all
    for wrong in (-2, 50):
        with pytest.raises(ValueError, match=f"own: found rows {wrong} to {wrong}, expected rows of the gallery"):
            over_blocks(lambda one: one, *both, own=torch.full((40, 1), wrong))
