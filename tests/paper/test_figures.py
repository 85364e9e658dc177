"""Figures show what they are given, where it belongs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from semshare.paper import figures
from semshare.paper.verdicts import Verdict
from semshare.runs.intervals import Interval


def _verdict(value: float, low: float, high: float, **fields: object) -> Verdict:
    own = {"claim": 1, "statement": "s", "dataset": "<d>", "measure": "$m", "bound": 0.0, "side": "above"}
    rest = {"paper": None, "seeds": (0,), "runs": ("r",)}
    return Verdict(interval=Interval(value, low, high), **(own | rest | fields))


@pytest.mark.parametrize(
    ("verdict", "drawn"),
    [
        (_verdict(0.03, 0.01, 0.05), [1, 3, 5]),
        (_verdict(0.03, 0.01, 0.05, bound=-0.005), [1.5, 3.5, 5.5]),
        (_verdict(0.02, 0.01, 0.05, bound=0.025, side="below", claim=4), [-2.5, 0.5, 1.5]),
    ],
)
def test_a_verdict_lies_right_of_zero_where_its_claim_holds(verdict: Verdict, drawn: list[float]) -> None:
    figure = figures.verdicts([verdict])
    zero, interval, value = figure.axes[0].lines
    assert list(zero.get_xdata()) == [0, 0]
    low, high = interval.get_xdata()
    assert np.allclose([low, value.get_xdata()[0], high], drawn)
    assert figure.axes[0].get_title(loc="left") == f"Claim {verdict.claim}"


def test_every_verdict_has_its_row_under_its_claim() -> None:
    claims = [_verdict(0.1, 0, 0.2, claim=claim, measure=f"m{n}") for claim in (3, 5) for n in range(3)]
    axes = figures.verdicts(claims).axes
    assert [[label.get_text() for label in axis.get_yticklabels()] for axis in axes] == [
        ["<d>  m2", "<d>  m1", "<d>  m0"]
    ] * 2


def test_a_verdict_of_images_alone_is_hollow_and_a_bar_says_what_the_design_finds() -> None:
    known = Interval(0.03, 0.01, 0.05, 0.009, 10)
    figure = figures.verdicts([replace(_verdict(0, 0, 0, bound=0.01), interval=known)])
    _, _, value, bar = figure.axes[0].lines
    assert value.get_markerfacecolor() == value.get_color()
    assert bar.get_xdata()[0] == pytest.approx(100 * known.reach())
    alone = replace(known, training=False)
    _, _, value = figures.verdicts([replace(_verdict(0, 0, 0), interval=alone)]).axes[0].lines
    assert value.get_markerfacecolor() == "white" and value.get_marker() == "s"


@pytest.mark.parametrize("count", [1, 2, 3])
def test_classification_has_a_panel_a_dataset_and_the_papers_values_beside_ours(count: int) -> None:
    index = pd.MultiIndex.from_product([[f"data{n}" for n in range(count)], ["A", "B"]])
    columns = pd.MultiIndex.from_product([["image", "text"], ["here", "±", "at 0.5", "paper"]])
    table = pd.DataFrame(np.arange(len(index) * 8).reshape(-1, 8) / 100.0, index=index, columns=columns)
    axes = [axis for axis in figures.classification(table).axes if axis.axison]
    assert [axis.get_title() for axis in axes] == [f"data{n}" for n in range(count)]
    marks = {
        tuple(np.round(np.asarray(line.get_xdata(), float), 2)) for line in axes[0].lines if len(line.get_xdata()) == 2
    }
    for modality in ("image", "text"):
        for column in ("here", "paper"):
            assert tuple(table.loc["data0"][modality][column].iloc[::-1].round(2)) in marks
