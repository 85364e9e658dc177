"""Measures against scikit-learn, against slow loops, and on rankings placed by hand."""

from __future__ import annotations

import doctest
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.metrics import average_precision_score, f1_score, ndcg_score
from torch import Tensor

from semshare import metrics
from semshare.metrics import (
    average_cumulative_gain,
    best_threshold,
    f1_counts,
    f1_of_counts,
    mean_average_precision,
    micro_f1,
    ndcg,
    over_blocks,
    random_ndcg,
    rank,
    recall_at_k,
    retrieval_ndcg,
)


def _problem(
    seed: int, queries: int = 9, gallery: int = 23, labels: int = 5, coarse: bool = False
) -> tuple[Tensor, Tensor, Tensor]:
    """Similarity, query labels, gallery labels; ``coarse`` similarities are full of ties."""
    generator = torch.Generator().manual_seed(seed)
    if coarse:
        similarity = torch.randint(-2, 3, (queries, gallery), generator=generator).float() / 2
    else:
        # A permutation a query: no two similarities of a row are equal.
        rows = [torch.randperm(gallery, generator=generator) for _ in range(queries)]
        similarity = torch.stack(rows).float() / gallery - 0.5
    query_labels = (torch.rand(queries, labels, generator=generator) < 0.4).float()
    return similarity, query_labels, (torch.rand(gallery, labels, generator=generator) < 0.4).float()


def _order(row: list[float]) -> list[int]:
    """Falling similarity; Python's sort is stable, so ties keep gallery order."""
    return sorted(range(len(row)), key=lambda index: -row[index])


def _slow_ndcg(
    similarity: Tensor,
    query_labels: Tensor,
    gallery_labels: Tensor,
    k: int | None,
    gain: str,
    caption_index: Tensor | None = None,
) -> list[float]:
    values = []
    for q, row in enumerate(similarity.tolist()):
        relevance = [
            sum(a * b for a, b in zip(query_labels[q].tolist(), other, strict=True))
            for other in gallery_labels.tolist()
        ]
        gains = [r if gain == "linear" else 2**r - 1 for r in relevance]
        depth = len(row) if k is None else min(k, len(row))

        def discounted(ranked: list[float], q: int = q, depth: int = depth) -> float:
            total = 0.0
            for place, value in enumerate(ranked[:depth], start=1):
                if caption_index is None:
                    total += value / math.log2(place + 1)
                else:
                    total += value / math.log2(5 * (place - 1) + int(caption_index[q]) + 2)
            return total

        ideal = discounted(sorted(gains, reverse=True))
        values.append(discounted([gains[i] for i in _order(row)]) / ideal if ideal > 0 else 0.0)
    return values


# Micro-F1


@pytest.mark.parametrize("threshold", [0.0, 0.25, 0.5, 0.9])
@pytest.mark.parametrize("seed", range(3))
def test_micro_f1_equals_sklearn(seed: int, threshold: float) -> None:
    generator = torch.Generator().manual_seed(seed)
    scores = torch.rand(40, 6, generator=generator)
    labels = (torch.rand(40, 6, generator=generator) < 0.3).long()
    expected = f1_score(labels.numpy(), (scores >= threshold).numpy(), average="micro")
    assert micro_f1(scores, labels, threshold) == pytest.approx(expected, abs=1e-12)


def test_micro_f1_accepts_a_score_at_the_threshold() -> None:
    assert micro_f1(torch.tensor([[0.5, 0.4]]), torch.tensor([[1, 0]]), 0.5) == 1.0


def test_micro_f1_of_nothing_true_and_nothing_predicted_is_zero() -> None:
    assert micro_f1(torch.zeros(3, 2), torch.zeros(3, 2), 0.5) == 0.0


def test_f1_counts_by_hand() -> None:
    scores = torch.tensor([[0.9, 0.8, 0.1], [0.2, 0.7, 0.6]])
    labels = torch.tensor([[1, 0, 1], [0, 1, 1]])
    counts = f1_counts(scores, labels, 0.5)
    assert counts.tolist() == [[1, 1, 1], [2, 0, 0]]
    assert f1_of_counts(counts.sum(0)) == pytest.approx(6 / 8)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("coarse", [False, True], ids=["distinct scores", "tied scores"])
def test_best_threshold_equals_brute_force(seed: int, coarse: bool) -> None:
    generator = torch.Generator().manual_seed(seed)
    scores = torch.rand(15, 4, generator=generator)
    scores = (scores * 5).round() / 5 if coarse else scores
    labels = (torch.rand(15, 4, generator=generator) < 0.4).float()
    # Every possible decision is made by thresholding at one of the scores.
    best = max(micro_f1(scores, labels, float(one)) for one in scores.double().unique())
    threshold = best_threshold(scores, labels)
    assert micro_f1(scores, labels, threshold) == pytest.approx(best, abs=1e-12)


def test_best_threshold_is_the_midpoint() -> None:
    scores, labels = torch.tensor([[0.75, 0.25, 0.125]]), torch.tensor([[1, 0, 0]])
    assert best_threshold(scores, labels) == 0.5


def test_best_threshold_takes_the_highest_among_equals() -> None:
    # Accepting 1 item: 2/(1+2) = 2/3. Accepting all 4: 4/(4+2) = 2/3 as well. In between it is lower.
    scores, labels = torch.tensor([[0.9, 0.7, 0.5, 0.1]]), torch.tensor([[1, 0, 0, 1]])
    assert best_threshold(scores, labels) == pytest.approx(0.8)


def test_best_threshold_accepts_everything_where_that_is_best() -> None:
    scores, labels = torch.tensor([[0.9, 0.2]]), torch.tensor([[1, 1]])
    assert micro_f1(scores, labels, best_threshold(scores, labels)) == 1.0


# NDCG


@pytest.mark.parametrize("gain", ["linear", "exponential"])
@pytest.mark.parametrize("k", [1, 5, 23, None])
@pytest.mark.parametrize(("queries", "gallery", "labels"), [(1, 23, 3), (9, 23, 5), (20, 61, 24)])
def test_ndcg_equals_sklearn_without_ties(
    queries: int, gallery: int, labels: int, k: int | None, gain: metrics.Gain
) -> None:
    similarity, query_labels, gallery_labels = _problem(queries, queries, gallery, labels)
    relevance = (query_labels @ gallery_labels.T).numpy()
    gains = relevance if gain == "linear" else 2**relevance - 1
    found = ndcg(similarity, query_labels, gallery_labels, k, gain)
    expected = [
        ndcg_score(gains[q : q + 1], similarity[q : q + 1].numpy(), k=k) if gains[q].any() else 0.0
        for q in range(queries)
    ]
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-9)
    assert 0 < found.mean() < 1


@pytest.mark.parametrize("gain", ["linear", "exponential"])
@pytest.mark.parametrize("k", [1, 4, 22, 23, 500, None])
@pytest.mark.parametrize("seed", range(2))
def test_ndcg_with_ties_keeps_gallery_order(seed: int, k: int | None, gain: metrics.Gain) -> None:
    problem = _problem(seed, coarse=True)
    assert problem[0].unique().numel() == 5
    np.testing.assert_allclose(ndcg(*problem, k, gain).numpy(), _slow_ndcg(*problem, k, gain), atol=1e-12)


@pytest.mark.parametrize("coarse", [False, True])
@pytest.mark.parametrize("k", [3, 500, None])
def test_ndcg_with_the_released_caption_discount_equals_the_loop(k: int | None, coarse: bool) -> None:
    problem = _problem(4, queries=10, coarse=coarse)
    captions = torch.arange(10) % 5
    found = ndcg(*problem, k, discount="coco-released", caption_index=captions)
    np.testing.assert_allclose(found.numpy(), _slow_ndcg(*problem, k, "linear", captions), atol=1e-12)
    assert not torch.allclose(found, ndcg(*problem, k))


def test_released_caption_discount_by_hand() -> None:
    # The third caption (c = 2): discounts log2(4) = 2 and log2(9). The relevant item stands second:
    # (1 / log2 9) / (1 / 2) = 2 / 3.169925 = 0.630930.
    found = ndcg(
        torch.tensor([[0.1, 0.9]]),
        torch.tensor([[1]]),
        torch.tensor([[1], [0]]),
        discount="coco-released",
        caption_index=torch.tensor([2]),
    )
    assert found.item() == pytest.approx(0.630930, abs=1e-6)


def test_ndcg_of_a_query_with_nothing_relevant_is_zero_and_counted() -> None:
    similarity = torch.tensor([[0.9, 0.1], [0.9, 0.1]])
    found = ndcg(similarity, torch.tensor([[0, 1], [1, 0]]), torch.tensor([[1, 0], [1, 0]]))
    assert found.tolist() == [0.0, 1.0]
    no_label = ndcg(similarity[:1], torch.tensor([[0, 0]]), torch.tensor([[1, 0], [1, 0]]))
    assert no_label.tolist() == [0.0]


def test_ndcg_ideal_is_over_the_whole_gallery() -> None:
    # k = 1 and the best item outside the first place: 1 found, 2 were possible.
    found = ndcg(torch.tensor([[0.9, 0.1]]), torch.tensor([[1, 1]]), torch.tensor([[1, 0], [1, 1]]), k=1)
    assert found.item() == 0.5


def test_ndcg_beyond_the_gallery_equals_the_full_ranking() -> None:
    problem = _problem(1)
    assert torch.equal(ndcg(*problem, k=10_000), ndcg(*problem, k=None))


def test_ndcg_accepts_integer_and_boolean_labels() -> None:
    similarity, query_labels, gallery_labels = _problem(1)
    expected = ndcg(similarity, query_labels, gallery_labels)
    for kind in (torch.bool, torch.int64):
        assert torch.equal(ndcg(similarity, query_labels.to(kind), gallery_labels.to(kind)), expected)


@pytest.mark.parametrize("k", [2, None])
def test_rank_orders_signs_zeros_and_infinities(k: int | None) -> None:
    # -0.0 equals 0.0, so the earlier one comes first.
    similarity = torch.tensor([[-0.0, 0.0, 1e-30, -1e-30, float("inf"), -float("inf"), -1.0, 1.0]])
    assert rank(similarity, k).tolist() == [[4, 7, 2, 0, 1, 3, 6, 5][: k or 8]]


def test_rank_of_double_similarity_does_not_depend_on_k() -> None:
    # Closer than float32 can tell apart.
    similarity = torch.tensor([[0.5, 0.5 + 1e-12, 0.1]], dtype=torch.float64)
    assert rank(similarity, 2).tolist() == rank(similarity)[:, :2].tolist() == [[1, 0]]


@pytest.mark.parametrize("k", [1, 5, 22])
def test_rank_by_topk_equals_a_stable_sort(k: int) -> None:
    similarity = _problem(3, coarse=True)[0]
    expected = [_order(row)[:k] for row in similarity.tolist()]
    assert rank(similarity, k).tolist() == expected


@pytest.mark.parametrize("gain", ["linear", "exponential"])
@pytest.mark.parametrize("k", [5, None])
def test_random_ndcg_is_the_mean_over_permutations(k: int | None, gain: metrics.Gain) -> None:
    _, query_labels, gallery_labels = _problem(5, queries=3, gallery=23)
    generator = torch.Generator().manual_seed(0)
    draws = 4000
    values = torch.stack(
        [ndcg(torch.rand(3, 23, generator=generator), query_labels, gallery_labels, k, gain) for _ in range(draws)]
    )
    # Four standard errors, about 0.01: the other gain or another k is further away than that.
    bound = 4 * values.std(0) / math.sqrt(draws)
    expected = random_ndcg(query_labels, gallery_labels, k, gain)
    assert ((values.mean(0) - expected).abs() < bound).all()
    other = random_ndcg(query_labels, gallery_labels, 3 if k else 5, gain)
    assert not ((values.mean(0) - other).abs() < bound).all()


def test_random_ndcg_of_nothing_relevant_is_zero() -> None:
    assert random_ndcg(torch.tensor([[0, 1]]), torch.tensor([[1, 0], [1, 0]])).tolist() == [0.0]


def test_random_ndcg_on_real_flickr25k_labels(realdata: Path) -> None:
    # Measured elsewhere: 38.3 on 2,000 queries and 2,000 texts.
    labels = np.loadtxt(realdata / "flickr25k" / "all_labels.txt", dtype=np.float32)
    assert labels.shape == (20_015, 24)
    assert labels.sum(1).mean() == pytest.approx(3.78, abs=0.005)
    rows = torch.from_numpy(labels[np.random.default_rng(0).choice(len(labels), 2000, replace=False)])
    expected = float(random_ndcg(rows, rows, 500).mean())
    assert 37 < 100 * expected < 39.5
    # And a ranking drawn at random scores just that.
    drawn = torch.rand(300, 2000, generator=torch.Generator().manual_seed(0))
    closed = random_ndcg(rows[:300], rows, 500).mean()
    assert float(ndcg(drawn, rows[:300], rows, 500).mean()) == pytest.approx(float(closed), abs=0.005)


# The other measures


@pytest.mark.parametrize("seed", range(3))
def test_mean_average_precision_equals_sklearn(seed: int) -> None:
    similarity, query_labels, gallery_labels = _problem(seed, labels=3)
    query_labels[0] = 0
    relevant = (query_labels @ gallery_labels.T > 0).numpy()
    found = mean_average_precision(similarity, query_labels, gallery_labels)
    assert math.isnan(found[0])
    for q in range(1, len(relevant)):
        if relevant[q].any():
            expected = average_precision_score(relevant[q], similarity[q].numpy())
            assert found[q].item() == pytest.approx(expected, abs=1e-9)
        else:
            assert math.isnan(found[q])


def test_mean_average_precision_by_hand() -> None:
    # Relevant at places 1 and 3: (1/1 + 2/3) / 2.
    similarity = torch.tensor([[0.9, 0.8, 0.7]])
    found = mean_average_precision(similarity, torch.tensor([[1]]), torch.tensor([[1], [0], [1]]))
    assert found.item() == pytest.approx(5 / 6)


def test_average_cumulative_gain_by_hand() -> None:
    # Shared labels in rank order: 2, 0, 1.
    similarity = torch.tensor([[0.1, 0.9, 0.5]])
    labels = torch.tensor([[1, 0], [1, 1], [0, 0]])
    query = torch.tensor([[1, 1]])
    assert average_cumulative_gain(similarity, query, labels, k=1).item() == 2.0
    assert average_cumulative_gain(similarity, query, labels, k=2).item() == 1.0
    assert average_cumulative_gain(similarity, query, labels, k=3).item() == 1.0


def test_recall_at_k_by_hand() -> None:
    # Query 0 finds its pair second, query 1 first, query 2 not at all.
    similarity = torch.tensor([[0.9, 0.8, 0.1], [0.1, 0.9, 0.5], [0.3, 0.2, 0.1]])
    query_pair, gallery_pair = torch.tensor([7, 7, 9]), torch.tensor([5, 7, 6])
    assert recall_at_k(similarity, query_pair, gallery_pair, k=1).tolist() == [0, 1, 0]
    assert recall_at_k(similarity, query_pair, gallery_pair, k=2).tolist() == [1, 1, 0]
    assert recall_at_k(similarity, query_pair, gallery_pair, k=99).tolist() == [1, 1, 0]


# Blocks


def _embeddings(seed: int = 0, queries: int = 40, gallery: int = 50) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    _, query_labels, gallery_labels = _problem(seed, queries, gallery)
    query = torch.randn(queries, 6, generator=generator)
    return query, torch.randn(gallery, 6, generator=generator), query_labels, gallery_labels


def _cosines(query: Tensor, gallery: Tensor) -> Tensor:
    return torch.nn.functional.cosine_similarity(query.unsqueeze(1), gallery.unsqueeze(0), dim=-1)


@pytest.mark.parametrize("chunk", [1, 7, 1000])
@pytest.mark.parametrize("discount", ["rank", "coco-released"])
def test_retrieval_ndcg_in_chunks_equals_the_full_matrix(chunk: int, discount: metrics.Discount) -> None:
    query, gallery, query_labels, gallery_labels = _embeddings()
    captions = torch.arange(40) % 5 if discount == "coco-released" else None
    full = ndcg(_cosines(query, gallery), query_labels, gallery_labels, 20, "linear", discount, captions)
    found = retrieval_ndcg(query, gallery, query_labels, gallery_labels, 20, "linear", discount, captions, chunk=chunk)
    torch.testing.assert_close(found, full, rtol=0, atol=1e-9)


@pytest.mark.parametrize("chunk", [1, 7, 1000])
@pytest.mark.parametrize(("measure", "options"), [(mean_average_precision, {}), (average_cumulative_gain, {"k": 10})])
def test_over_blocks_equals_the_full_matrix(measure, options: dict, chunk: int) -> None:
    query, gallery, query_labels, gallery_labels = _embeddings()
    full = measure(_cosines(query, gallery), query_labels, gallery_labels, **options)
    found = over_blocks(measure, query, gallery, query_labels, gallery_labels, chunk, **options)
    torch.testing.assert_close(found, full, rtol=0, atol=1e-9, equal_nan=True)


@pytest.mark.parametrize("chunk", [1, 7, 1000])
def test_over_blocks_hands_pairs_to_recall(chunk: int) -> None:
    query, gallery, *_ = _embeddings()
    pairs = torch.arange(40)
    found = over_blocks(recall_at_k, query, gallery, pairs, torch.arange(50), chunk, k=10)
    assert torch.equal(found, recall_at_k(_cosines(query, gallery), pairs, torch.arange(50), 10))
    assert 0 < found.sum() < 40


def test_retrieval_ndcg_never_holds_the_whole_similarity(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[int, ...]] = []
    whole = metrics.ndcg

    def watched(similarity: Tensor, *args, **options) -> Tensor:
        seen.append(tuple(similarity.shape))
        return whole(similarity, *args, **options)

    monkeypatch.setattr(metrics, "ndcg", watched)
    query, gallery, query_labels, gallery_labels = _embeddings(queries=600)
    retrieval_ndcg(query, gallery, query_labels, gallery_labels, chunk=64)
    assert len(seen) == 10 and max(rows for rows, _ in seen) == 64 and sum(rows for rows, _ in seen) == 600
    seen.clear()
    retrieval_ndcg(query, gallery, query_labels, gallery_labels)
    assert max(rows for rows, _ in seen) == 256  # by default as well


# Mistakes


def _nan_similarity() -> tuple[Tensor, Tensor, Tensor]:
    similarity, query_labels, gallery_labels = _problem(0)
    similarity[2, 3] = float("nan")
    return similarity, query_labels, gallery_labels


@pytest.mark.parametrize("measure", [ndcg, mean_average_precision, average_cumulative_gain])
def test_nan_similarity_is_refused(measure) -> None:
    with pytest.raises(ValueError, match="similarity: found NaN"):
        measure(*_nan_similarity())


@pytest.mark.parametrize("k", [2, None])
def test_nan_is_refused_by_rank_whatever_k(k: int | None) -> None:
    with pytest.raises(ValueError, match="NaN"):
        rank(_nan_similarity()[0], k)


def test_nan_embeddings_are_refused() -> None:
    query, gallery, query_labels, gallery_labels = _embeddings()
    gallery[0, 0] = float("nan")
    with pytest.raises(ValueError, match="NaN"):
        retrieval_ndcg(query, gallery, query_labels, gallery_labels)


def test_nan_scores_are_refused() -> None:
    scores, labels = torch.tensor([[0.5, float("nan")]]), torch.tensor([[1, 0]])
    with pytest.raises(ValueError, match="scores: found NaN"):
        micro_f1(scores, labels, 0.5)
    with pytest.raises(ValueError, match="scores: found NaN"):
        best_threshold(scores, labels)


def test_shapes_that_do_not_fit_are_refused() -> None:
    similarity, query_labels, gallery_labels = _problem(0)
    with pytest.raises(ValueError, match=r"similarity: found shape \(9, 23\), expected \(9, 22\)"):
        ndcg(similarity, query_labels, gallery_labels[:22])
    with pytest.raises(ValueError, match="gallery_labels: found 4 labels, expected 5"):
        ndcg(similarity, query_labels, gallery_labels[:, :4])
    with pytest.raises(ValueError, match="scores: found shape"):
        micro_f1(torch.zeros(2, 3), torch.zeros(2, 4), 0.5)


def test_unknown_gains_and_discounts_are_refused() -> None:
    problem = _problem(0)
    with pytest.raises(ValueError, match="gain: found 'cubic', expected 'linear' or 'exponential'"):
        ndcg(*problem, gain="cubic")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="discount: found 'none', expected 'rank' or 'coco-released'"):
        ndcg(*problem, discount="none")  # type: ignore[arg-type]


@pytest.mark.parametrize(("discount", "captions"), [("coco-released", False), ("rank", True)])
def test_a_caption_index_goes_with_the_released_discount_alone(discount: metrics.Discount, captions: bool) -> None:
    problem = _problem(0)
    with pytest.raises(ValueError, match="caption_index: goes with discount='coco-released'"):
        ndcg(*problem, discount=discount, caption_index=torch.zeros(9) if captions else None)


def test_doctests_of_metrics() -> None:
    result = doctest.testmod(metrics)
    assert result.attempted > 0 and result.failed == 0
