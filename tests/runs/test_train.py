"""Training in one call is planning and getting."""

from __future__ import annotations

import pytest

import semshare
from semshare import runs
from semshare.errors import UserError
from semshare.runs import train as module


def test_a_name_and_fields_are_planned_and_got(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module.store, "get", lambda *given: given)
    planned, device, quiet = semshare.train("scenes-coco5k", "dscmr", "smoke", "cpu", quiet=True, seed=3)
    assert planned == runs.plan("scenes-coco5k", "dscmr", "smoke", "cpu", seed=3)
    assert (device, quiet) == ("cpu", True)


def test_what_cannot_be_planned_is_named() -> None:
    with pytest.raises(UserError, match="dataset: unknown 'none'"):
        semshare.train("none")
