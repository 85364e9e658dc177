"""One vocabulary for what is measured."""

from __future__ import annotations

from dataclasses import fields

import torch

from semshare.evaluation import Evaluation
from semshare.runs import protocols
from semshare.runs.quantities import HEADLINE, QUANTITIES


def test_every_number_of_an_evaluation_has_a_name_and_a_title_of_its_own() -> None:
    made = {field.name: torch.ones(2, 3) if "counts" in field.name or "half" in field.name else torch.ones(2)
            for field in fields(Evaluation)}  # fmt: skip
    assert set(Evaluation(**made).numbers()) == set(QUANTITIES)
    assert len({quantity.title for quantity in QUANTITIES.values()}) == len(QUANTITIES)
    assert len({quantity.about for quantity in QUANTITIES.values()}) == len(QUANTITIES)
    assert set(HEADLINE) <= set(QUANTITIES)


def test_protocols_that_say_the_same_number_exist() -> None:
    named = {quantity.protocol[0] for quantity in QUANTITIES.values() if quantity.protocol}
    assert named == set(protocols.of_evaluation("tags")) <= set(protocols.PROTOCOLS)
