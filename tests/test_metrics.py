"""Measures against scikit-learn, against slow loops, and on rankings placed by hand."""

from __future__ import annotations

import doctest
import math
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from ranking_problems import embeddings, order, problem
from sklearn.metrics import average_precision_score, f1_score, ndcg_score
from torch import Tensor

from semshare import metrics
from semshare.metrics import (
    ACG,
    NDCG,
    AveragePrecision,
    Measure,
    Recall,
    above,
    best_threshold,
    f1_counts,
    f1_of_counts,
    micro_f1,
    retrieve,
)
from semshare.ranking import Ranked

if TYPE_CHECKING:
    from collections.abc import Callable


def ndcg(
    similarity: Tensor,
    query_labels: Tensor,
    gallery_labels: Tensor,
    k: int | None = 500,
    gain: metrics.Gain = "linear",
    discount: metrics.Discount = "rank",
    caption_index: Tensor | None = None,
) -> Tensor:
    """NDCG [Q] on a similarity, ranked no deeper than needed."""
    ranked = Ranked.of(similarity, query_labels, gallery_labels, k, caption_index)
    return NDCG(k, gain, discount)(ranked).values


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
        values.append(discounted([gains[i] for i in order(row)]) / ideal if ideal > 0 else 0.0)
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


def test_a_tuned_midpoint_parts_two_scores_one_step_apart() -> None:
    """Their midpoint is no float32: rounded to one, it is the lower score's or the higher's."""
    lower = torch.rand(500, generator=torch.Generator().manual_seed(0))
    higher = torch.nextafter(lower, torch.tensor(2.0))
    rounded_apart = []
    for low, high in zip(lower, higher, strict=True):
        scores, labels = torch.stack([high, low]).unsqueeze(0), torch.tensor([[1, 0]])
        threshold = best_threshold(scores, labels)
        assert float(low) < threshold < float(high)
        assert above(scores, threshold).tolist() == [[True, False]]
        assert micro_f1(scores, labels, threshold) == 1.0
        rounded_apart.append((scores >= threshold).tolist() == [[True, False]])
    assert not all(rounded_apart)  # what a comparison in float32 says of the same


def test_every_score_meets_its_threshold_in_metrics() -> None:
    """No other module compares a score with a threshold by itself: all call ``above``."""
    package = Path(metrics.__file__).parent
    compared = re.compile(r"[<>]=?[^=>\n]*threshold|threshold[^,:\n]*[<>]=?\s")
    lines = [
        f"{path.relative_to(package)}: {line.strip()}"
        for path in sorted(package.rglob("*.py"))
        for line in path.read_text(encoding="utf-8").splitlines()
        if compared.search(line) and "->" not in line and ">>>" not in line
    ]
    assert lines == ["metrics.py: return scores.double() >= threshold"]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_best_threshold_is_finite_and_right_at_the_ends_of_the_numbers(dtype: torch.dtype) -> None:
    largest, tiny = torch.finfo(dtype).max, torch.finfo(dtype).smallest_normal * torch.finfo(dtype).eps
    one_more = float(torch.nextafter(torch.tensor(1.0, dtype=dtype), torch.tensor(2.0, dtype=dtype)))
    for high, low in ((largest, largest / 2), (largest, -largest), (tiny, 0.0), (0.0, -tiny), (one_more, 1.0)):
        scores = torch.tensor([[high, low]], dtype=dtype)
        for labels in (torch.tensor([[1, 0]]), torch.tensor([[1, 1]]), torch.tensor([[0, 0]])):
            threshold = best_threshold(scores, labels)
            assert math.isfinite(threshold)
            assert above(scores, threshold).tolist() == [[True, bool(labels.all())]]


# NDCG


@pytest.mark.parametrize("gain", ["linear", "exponential"])
@pytest.mark.parametrize("k", [1, 5, 23, None])
@pytest.mark.parametrize(("queries", "gallery", "labels"), [(1, 23, 3), (9, 23, 5), (20, 61, 24)])
def test_ndcg_equals_sklearn_without_ties(
    queries: int, gallery: int, labels: int, k: int | None, gain: metrics.Gain
) -> None:
    similarity, query_labels, gallery_labels = problem(queries, queries, gallery, labels)
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
def test_ndcg_with_ties_keeps_galleryorder(seed: int, k: int | None, gain: metrics.Gain) -> None:
    given = problem(seed, coarse=True)
    assert given[0].unique().numel() == 5
    np.testing.assert_allclose(ndcg(*given, k, gain).numpy(), _slow_ndcg(*given, k, gain), atol=1e-12)


@pytest.mark.parametrize("coarse", [False, True])
@pytest.mark.parametrize("k", [3, 500, None])
def test_ndcg_with_the_released_caption_discount_equals_the_loop(k: int | None, coarse: bool) -> None:
    given = problem(4, queries=10, coarse=coarse)
    captions = torch.arange(10) % 5
    found = ndcg(*given, k, discount="coco-released", caption_index=captions)
    np.testing.assert_allclose(found.numpy(), _slow_ndcg(*given, k, "linear", captions), atol=1e-12)
    assert not torch.allclose(found, ndcg(*given, k))


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
    given = problem(1)
    assert torch.equal(ndcg(*given, k=10_000), ndcg(*given, k=None))


def test_ndcg_accepts_integer_and_boolean_labels() -> None:
    similarity, query_labels, gallery_labels = problem(1)
    expected = ndcg(similarity, query_labels, gallery_labels)
    for kind in (torch.bool, torch.int64):
        assert torch.equal(ndcg(similarity, query_labels.to(kind), gallery_labels.to(kind)), expected)


# The other measures


@pytest.mark.parametrize("seed", range(3))
def test_mean_average_precision_equals_sklearn(seed: int) -> None:
    similarity, query_labels, gallery_labels = problem(seed, labels=3)
    query_labels[0] = 0
    relevant = (query_labels @ gallery_labels.T > 0).numpy()
    found = AveragePrecision()(Ranked.of(similarity, query_labels, gallery_labels)).values
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
    found = AveragePrecision()(Ranked.of(similarity, torch.tensor([[1]]), torch.tensor([[1], [0], [1]])))
    assert found.values.item() == pytest.approx(5 / 6)


def test_average_cumulative_gain_by_hand() -> None:
    # Shared labels in rank order: 2, 0, 1.
    similarity = torch.tensor([[0.1, 0.9, 0.5]])
    labels = torch.tensor([[1, 0], [1, 1], [0, 0]])
    ranked = Ranked.of(similarity, torch.tensor([[1, 1]]), labels)
    assert [ACG(k)(ranked).values.item() for k in (1, 2, 3, 99)] == [2.0, 1.0, 1.0, 1.0]


def test_recall_at_k_by_hand() -> None:
    # Query 0 finds its item second, query 1 has two and finds the better one first, query 2 finds its own last.
    similarity = torch.tensor([[0.9, 0.8, 0.1], [0.1, 0.9, 0.5], [0.3, 0.2, 0.1]])
    labels = torch.ones(3, 1)
    ranked = Ranked.of(similarity, labels, labels, own=torch.tensor([[1, -1], [0, 1], [2, -1]]))
    assert Recall(1)(ranked).values.tolist() == [0, 1, 0]
    assert Recall(2)(ranked).values.tolist() == [1, 1, 0]
    assert Recall(99)(ranked).values.tolist() == [1, 1, 1]


# Random rankings


@pytest.mark.parametrize(
    ("measure", "another"),
    [
        (NDCG(5), NDCG(3)),
        (NDCG(5, gain="exponential"), NDCG(5)),
        (NDCG(None), NDCG(5)),
        (NDCG(5, discount="coco-released"), NDCG(5)),
        (AveragePrecision(), ACG(5)),
        (ACG(5), AveragePrecision()),
        (Recall(5), Recall(4)),
        (Recall(1), Recall(2)),
        (Recall(22), Recall(10)),
    ],
    ids=str,
)
def test_the_expectation_is_the_mean_over_random_rankings(measure: Measure, another: Measure) -> None:
    _, query_labels, gallery_labels = problem(5, queries=3, gallery=23)
    own, captions = torch.tensor([[4, -1, -1], [0, 22, -1], [7, 8, 9]]), torch.tensor([0, 2, 4])
    draws = 4000
    similarity = torch.rand(3 * draws, 23, generator=torch.Generator().manual_seed(0))
    given = query_labels.repeat(draws, 1), gallery_labels, None, captions.repeat(draws), own.repeat(draws, 1)
    ranked = Ranked.of(similarity, *given)
    values, expected, other = (one.view(draws, 3) for one in (*measure(ranked), another(ranked).random))
    assert (expected == expected[0]).all()
    # Four standard errors, about 0.01: the other measure's expectation is further away than that.
    bound = 4 * values.std(0) / math.sqrt(draws) + 1e-9
    assert ((values.mean(0) - expected[0]).abs() < bound).all()
    assert not ((values.mean(0) - other[0]).abs() < bound).all()


def test_the_expectation_of_nothing_relevant() -> None:
    ranked = Ranked.of(torch.rand(1, 2), torch.tensor([[0, 1]]), torch.tensor([[1, 0], [1, 0]]))
    assert NDCG()(ranked).random.tolist() == [0.0]
    assert math.isnan(AveragePrecision()(ranked).random)
    assert ACG()(ranked).random.tolist() == [0.0]


def test_random_ndcg_on_real_flickr25k_labels(realdata: Path) -> None:
    # Measured elsewhere: 38.3 on 2,000 queries and 2,000 texts.
    labels = np.loadtxt(realdata / "flickr25k" / "all_labels.txt", dtype=np.float32)
    assert labels.shape == (20_015, 24)
    assert labels.sum(1).mean() == pytest.approx(3.78, abs=0.005)
    rows = torch.from_numpy(labels[np.random.default_rng(0).choice(len(labels), 2000, replace=False)])
    generator = torch.Generator().manual_seed(0)
    # A ranking drawn at random scores just what is expected of it.
    found = retrieve([NDCG()], torch.randn(2000, 99, generator=generator), torch.randn(2000, 99, generator=generator),
                     rows, rows)[0]  # fmt: skip
    assert 37 < 100 * found.random.mean() < 39.5
    assert float(found.values.mean()) == pytest.approx(float(found.random.mean()), abs=0.003)


# All of them in one pass

MEASURES = (
    NDCG(20), NDCG(7, gain="exponential"), NDCG(None), NDCG(20, discount="coco-released"), NDCG(10_000),
    AveragePrecision(), ACG(5), Recall(1), Recall(10),
)  # fmt: skip


def _slow(measure: Measure, given: tuple[Tensor, Tensor, Tensor], captions: Tensor, own: Tensor) -> list[float]:
    """A measure by its definition, one query and one item after the other."""
    if isinstance(measure, NDCG):
        captions_ = captions if measure.discount == "coco-released" else None
        return _slow_ndcg(*given, measure.k, measure.gain, captions_)
    values = []
    for q, row in enumerate(given[0].tolist()):
        shared = [int((given[1][q] * other).sum()) for other in given[2]]
        ranked = order(row)[: measure.k]
        if isinstance(measure, ACG):
            values.append(sum(shared[item] for item in ranked) / len(ranked))
        elif isinstance(measure, Recall):
            values.append(float(any(item in own[q].tolist() for item in ranked)))
        else:
            hits = [place for place, item in enumerate(ranked, 1) if shared[item]]
            precisions = [found / place for found, place in enumerate(hits, 1)]
            values.append(sum(precisions) / len(precisions) if precisions else math.nan)
    return values


@pytest.mark.parametrize("rows", [7, None])
@pytest.mark.parametrize("measures", [MEASURES, MEASURES[:2], MEASURES[-3:]], ids=["all", "ndcg", "recall"])
@pytest.mark.parametrize("coarse", [False, True], ids=["distinct", "ties"])
def test_measures_read_together_equal_their_definitions(
    coarse: bool, measures: tuple[Measure, ...], rows: int | None
) -> None:
    query, gallery, query_labels, gallery_labels = embeddings(3, queries=40, gallery=130, coarse=coarse)
    query_labels[4] = 0
    gallery_labels[60:] = gallery_labels[:70].clone()
    captions, own = torch.arange(40) % 5, torch.arange(80).view(40, 2)
    similarity = query.double() @ gallery.double().T
    assert (similarity.unique().numel() < 15) == coarse
    given = (similarity, query_labels, gallery_labels)
    found = retrieve(measures, query, gallery, *given[1:], ranking="dot", caption_index=captions, own=own, rows=rows)
    for measure, scores in zip(measures, found, strict=True):
        np.testing.assert_allclose(scores.values.numpy(), _slow(measure, given, captions, own), atol=1e-12)


def test_a_query_read_alone_scores_the_same() -> None:
    query, gallery, query_labels, gallery_labels = embeddings(coarse=True)
    together = retrieve([NDCG(9)], query, gallery, query_labels, gallery_labels, ranking="dot")[0]
    for row in (0, 17, 39):
        one = slice(row, row + 1)
        alone = retrieve([NDCG(9)], query[one], gallery, query_labels[one], gallery_labels, ranking="dot")[0]
        assert torch.equal(alone.values, together.values[one]) and torch.equal(alone.random, together.random[one])


# Mistakes


@pytest.mark.parametrize("measure", [AveragePrecision(), NDCG(5), ACG(5), Recall(5)], ids=str)
def test_a_ranking_that_is_not_deep_enough_is_refused(measure: Measure) -> None:
    ranked = Ranked.of(*problem(0), k=4, own=torch.zeros(9, 1).long())
    with pytest.raises(ValueError, match="ranked: found the first 4 items"):
        measure(ranked)


@pytest.mark.parametrize(
    "work",
    [
        lambda scores: micro_f1(scores, torch.tensor([[1, 0]]), 0.5),
        lambda scores: f1_counts(scores, torch.tensor([[1, 0]]), 0.5),
        lambda scores: best_threshold(scores, torch.tensor([[1, 0]])),
        lambda scores: above(scores, 0.5),
    ],
)
@pytest.mark.parametrize(("wrong", "name"), [(math.nan, "NaN"), (math.inf, "infinity"), (-math.inf, "infinity")])
def test_scores_that_are_not_finite_are_refused(work: Callable[[Tensor], Any], wrong: float, name: str) -> None:
    for scores in (torch.tensor([[0.5, wrong]]), torch.tensor([[wrong, 0.5]], dtype=torch.float64)):
        with pytest.raises(ValueError, match=f"scores: found {name}, expected finite numbers"):
            work(scores)


@pytest.mark.parametrize("labels", [torch.tensor([[1, 2]]), torch.tensor([[1, -1]]), torch.tensor([[0.5, math.nan]])])
def test_labels_other_than_0_and_1_are_refused(labels: Tensor) -> None:
    scores = torch.tensor([[0.9, 0.1]])
    for work in (micro_f1, f1_counts):
        with pytest.raises(ValueError, match="labels: found other values than 0 and 1"):
            work(scores, labels, 0.5)
    with pytest.raises(ValueError, match="labels: found other values than 0 and 1"):
        best_threshold(scores, labels)


def test_scores_and_labels_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match=r"scores: found shape \(2, 3\), expected \(2, 4\)"):
        micro_f1(torch.zeros(2, 3), torch.zeros(2, 4), 0.5)
    with pytest.raises(ValueError, match=r"labels: found shape \(2,\), expected \(any, any\)"):
        f1_counts(torch.zeros(2), torch.zeros(2), 0.5)
    with pytest.raises(ValueError, match="threshold: found NaN"):
        micro_f1(torch.zeros(2, 3), torch.zeros(2, 3), math.nan)
    for counts in (torch.zeros(2, 3), torch.tensor([1, 2]), torch.tensor([1, -1, 0]), torch.tensor([math.nan, 1, 1])):
        with pytest.raises(ValueError, match=r"counts: found .*, expected three numbers from 0 up"):
            f1_of_counts(counts)


@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (0, 0)])
def test_f1_of_nothing_is_refused_and_its_counts_are_of_length_0(shape: tuple[int, int]) -> None:
    nothing = torch.zeros(shape)
    assert f1_counts(nothing, nothing, 0.5).shape == (shape[0], 3)
    with pytest.raises(ValueError, match=r"scores: found shape .*, nothing in it"):
        micro_f1(nothing, nothing, 0.5)
    with pytest.raises(ValueError, match=r"scores: found shape .*, nothing in it"):
        best_threshold(nothing, nothing)


@pytest.mark.parametrize("measure", [NDCG(5), NDCG(None), AveragePrecision(), ACG(5), Recall(5)], ids=str)
def test_no_query_gives_values_of_length_0(measure: Measure) -> None:
    query, gallery, query_labels, gallery_labels = embeddings()
    own = torch.zeros(0, 1).long()
    (scores,) = retrieve([measure], query[:0], gallery, query_labels[:0], gallery_labels, own=own)
    assert scores.values.shape == scores.random.shape == (0,) and scores.values.dtype == torch.float64
    assert retrieve([], query, gallery, query_labels, gallery_labels) == []
    with pytest.raises(ValueError, match="gallery_labels: found an empty gallery"):
        retrieve([measure], query, gallery[:0], query_labels, gallery_labels[:0])


@pytest.mark.parametrize("k", [0, -1, 5.0, True, "5"])
@pytest.mark.parametrize("kind", [NDCG, ACG, Recall])
def test_a_k_that_is_no_whole_number_from_1_is_refused(kind: type, k: object) -> None:
    with pytest.raises(ValueError, match=f"k: found {k!r}, expected a whole number from 1"):
        kind(k)


def test_average_precision_takes_no_k() -> None:
    with pytest.raises(ValueError, match="k: found 5, expected None"):
        AveragePrecision(5)  # type: ignore[arg-type]


def test_unknown_gains_and_discounts_are_refused() -> None:
    with pytest.raises(ValueError, match="gain: found 'cubic', expected 'linear' or 'exponential'"):
        NDCG(gain="cubic")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="discount: found 'none', expected 'rank' or 'coco-released'"):
        NDCG(discount="none")  # type: ignore[arg-type]


def test_measures_name_what_they_miss() -> None:
    with pytest.raises(ValueError, match="caption_index: missing"):
        ndcg(*problem(0), discount="coco-released")
    with pytest.raises(ValueError, match="own: missing"):
        Recall(1)(Ranked.of(*problem(0)))


def test_doctests_of_metrics() -> None:
    result = doctest.testmod(metrics)
    assert result.attempted > 0 and result.failed == 0
