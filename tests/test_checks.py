"""What is handed to a measure or a loss: each check passes what is right and names what is not."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from semshare import checks


def test_what_is_right_passes() -> None:
    for value in (1, 500, np.int64(3)):
        checks.whole_number("k", value)
    checks.whole_number("first", 0, least=0)
    checks.matrix("scores", torch.zeros(2, 3), rows=2)
    checks.matrix("scores", torch.zeros(0, 3))
    checks.not_empty("scores", torch.zeros(1, 1))
    checks.finite("scores", torch.tensor([[-3e38, 3e38]]))
    checks.finite("scores", torch.empty(0, 3))
    checks.zeros_and_ones("labels", torch.tensor([[0.0, 1.0]]))


@pytest.mark.parametrize("value", [0, -1, 2.0, True, None, "5"])
def test_what_is_no_whole_number_from_1_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match=r"^k: found .*, expected a whole number from 1$"):
        checks.whole_number("k", value)


@pytest.mark.parametrize(
    ("shape", "rows", "expected"), [((3,), None, "any, 4"), ((2, 3), None, "any, 4"), ((2, 4), 5, "5, 4")]
)
def test_another_shape_is_refused(shape: tuple[int, ...], rows: int | None, expected: str) -> None:
    with pytest.raises(ValueError, match=rf"^scores: found shape \({shape[0]},.*\), expected \({expected}\)$"):
        checks.matrix("scores", torch.zeros(shape), rows, columns=4)


def test_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^gallery: found shape \(0, 3\), nothing in it"):
        checks.not_empty("gallery", torch.empty(0, 3))


@pytest.mark.parametrize(("value", "named"), [("nan", "NaN"), ("inf", "infinity"), ("-inf", "infinity")])
def test_what_is_not_finite_is_refused(value: str, named: str) -> None:
    with pytest.raises(ValueError, match=f"^scores: found {named}, expected finite numbers$"):
        checks.finite("scores", torch.tensor([[1.0, 2.0], [float(value), 0.0]]))


@pytest.mark.parametrize("value", [2.0, -1.0, 0.5])
def test_labels_other_than_0_and_1_are_refused(value: float) -> None:
    with pytest.raises(ValueError, match=r"^labels: found other values than 0 and 1$"):
        checks.zeros_and_ones("labels", torch.tensor([[0.0, value]]))
