"""Checks of what is handed to a measure or a loss: a mistake is a :class:`ValueError` that names the argument."""

from __future__ import annotations

from numbers import Integral

import torch
from torch import Tensor


def whole_number(name: str, value: object, least: int = 1) -> None:
    """Refuse a ``value`` that is no whole number from ``least`` up; True and False are none."""
    if not isinstance(value, Integral) or isinstance(value, bool) or value < least:
        raise ValueError(f"{name}: found {value!r}, expected a whole number from {least}")


def matrix(name: str, values: Tensor, rows: int | None = None, columns: int | None = None) -> None:
    """Refuse ``values`` that are not [rows, columns]; None is any number."""
    wanted = (rows, columns)
    fits = values.dim() == 2 and all(want in (None, size) for want, size in zip(wanted, values.shape, strict=True))
    if not fits:
        expected = ", ".join("any" if want is None else str(want) for want in wanted)
        raise ValueError(f"{name}: found shape {tuple(values.shape)}, expected ({expected})")


def not_empty(name: str, values: Tensor) -> None:
    """Refuse ``values`` without a number in them."""
    if not values.numel():
        raise ValueError(f"{name}: found shape {tuple(values.shape)}, nothing in it; expected one number at least")


def finite(name: str, values: Tensor) -> None:
    """Refuse NaN and infinities among ``values``."""
    # One pass without a copy: the extremes of what holds NaN are NaN.
    if values.numel() and not torch.isfinite(ends := torch.stack(values.aminmax())).all():
        what = "NaN" if torch.isnan(ends).any() else "infinity"
        raise ValueError(f"{name}: found {what}, expected finite numbers")


def zeros_and_ones(name: str, labels: Tensor) -> None:
    """Refuse ``labels`` that hold anything but 0 and 1."""
    if not torch.equal(labels, labels.bool().to(labels.dtype)):
        raise ValueError(f"{name}: found other values than 0 and 1")
