"""Failures on a gallery small enough to sort by hand."""

from __future__ import annotations

import pytest
import torch
from failing_run import LABELS, run

from semshare.errors import UserError
from semshare.evaluation import Thresholds
from semshare.metrics import best_threshold, f1_counts
from semshare.paper import failures


def test_kinds_of_a_cat_query_by_hand() -> None:
    found = failures.find(run(), "i2t")
    # Image 0 is a cat. Its ranking: text 0 (right), then ties in gallery order: dog, car taken for a cat, car.
    assert found.retrieved[0].tolist() == [0, 1, 2, 3]
    assert found.wrong[0].tolist() == [False, True, True, True]
    assert found.kinds["superclass"][0].tolist() == [False, True, False, False]
    assert found.kinds["semantic"][0].tolist() == [False, False, True, False]
    assert found.kinds["other"][0].tolist() == [False, False, False, True]
    assert [float(found.chance[kind][0]) for kind in failures.KINDS] == pytest.approx([1 / 3, 1 / 3, 1 / 3])


def test_retrieved_everything_is_as_frequent_as_chance() -> None:
    # The gallery has four items and five are shown: what is retrieved is all there is.
    found = failures.find(run(), "i2t")
    for kind in failures.KINDS:
        assert found.share(kind) == pytest.approx(found.chance_share(kind))


def test_top_three_of_text_queries() -> None:
    assert failures.find(run(), "t2i").retrieved.shape == (4, 3)


def test_confusion_rows_sum_to_one_and_name_the_supercategory() -> None:
    one = run()
    names, shares = failures.confusion(one, failures.find(one, "i2t"))
    assert names == ["animal", "vehicle"]
    # A cat or dog query retrieves one wrong animal and two wrong vehicles; a car query two wrong animals.
    assert shares.tolist() == [pytest.approx([1 / 3, 2 / 3]), pytest.approx([1, 0])]


def test_examples_have_a_failure_and_something_right_and_appear_once() -> None:
    found = failures.find(run(), "i2t")
    chosen = failures.examples(found)
    assert len(chosen) == len(set(chosen)) == 3
    for kind, row in zip(failures.KINDS, chosen, strict=True):
        assert found.kinds[kind][row].any() and not found.wrong[row].all()


def test_label_sets_without_supercategories_are_refused() -> None:
    with pytest.raises(UserError, match="no super-categories"):
        failures.supercategory_members(LABELS, {})


def test_at_a_tuned_midpoint_a_failure_is_semantic_where_metrics_predict_the_label() -> None:
    """Two scores one float32 step apart: the higher reaches their midpoint, the lower does not, as in ``metrics``."""
    low = torch.tensor(0.6)
    for _ in range(8):  # a midpoint rounded to float32 falls to the lower score for half of all neighbours
        high = torch.nextafter(low, torch.tensor(1.0))
        scores, labels = torch.stack([high, low]).unsqueeze(1), torch.tensor([[1], [0]])
        threshold = best_threshold(scores, labels)
        one = run()
        reading = one.reading("test")
        reading.text_scores[:, 0] = torch.tensor([0.9, 0.0, high, low])
        one.thresholds = Thresholds(0.5, threshold)
        assert f1_counts(scores, labels, threshold).tolist() == [[1, 0, 0], [0, 0, 0]]
        assert failures.find(one, "i2t").kinds["semantic"][0].tolist() == [False, False, True, False]
        low = high
