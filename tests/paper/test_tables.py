"""Tables from runs whose numbers are known: means, widths, what is in bold, what is escaped."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from bs4 import BeautifulSoup

from semshare.evaluation import Evaluation
from semshare.paper import tables
from semshare.paper.verdicts import Verdict
from semshare.runs.intervals import Interval, Scored


def fake_run(score: float, half: bool = False, key: str = "") -> SimpleNamespace:
    """A run all of whose F1 and NDCG are ``score``, half of it at threshold 0.5."""
    counts = torch.tensor([[round(100 * score), 100 - round(100 * score), 100 - round(100 * score)]]).repeat(20, 1)
    at_half = torch.tensor([[round(50 * score), 100 - round(50 * score), 100 - round(50 * score)]]).repeat(20, 1)
    ndcg = torch.full((20,), score, dtype=torch.float64)
    values = Evaluation(counts, counts, at_half, at_half, ndcg, ndcg, ndcg, ndcg / 2, ndcg / 2)
    scored = Scored.of(values, torch.arange(20), key or f"{score}")
    return SimpleNamespace(
        key=key or f"{score}",
        test=values,
        epochs=[values],
        scored=scored,
        scored_epochs=[scored],
        half_means_something=half,
        seeded=True,
        experiment=SimpleNamespace(dataset="scenes-flickr25k"),
    )


def test_table_1_has_means_over_seeds_with_widths_and_half_where_it_means_something() -> None:
    runs = {
        ("ours", "scenes-flickr25k"): [fake_run(0.5), fake_run(0.7)],
        ("dscmr", "scenes-flickr25k"): [fake_run(0.4, half=True, key=key) for key in ("a", "b")],
    }
    table = tables.classification_table(runs)
    expected = {"scenes-flickr25k, Ours": "ours", "scenes-flickr25k, DSCMR": "dscmr"}
    by_row = {row: [run.key for run in runs[method, "scenes-flickr25k"]] for row, method in expected.items()}
    assert table.attrs["keys"] == by_row
    ours, dscmr = table.loc["scenes-flickr25k", "Ours"], table.loc["scenes-flickr25k", "DSCMR"]
    assert ours["image", "here"] == pytest.approx(0.6) and ours["text", "paper"] == 0.556
    # Two seeds score .5 and .7, two others alike: .02 on two degrees of freedom, and half of the variance for a mean.
    assert ours["image", "±"] == dscmr["image", "±"] == pytest.approx(4.302653 * 0.005**0.5, rel=1e-6)
    assert np.isnan(ours["image", "at 0.5"]) and dscmr["image", "at 0.5"] == pytest.approx(0.2)
    elsewhere = tables.classification_table({("ours", "coco"): [fake_run(0.5)]})
    assert np.isnan(elsewhere.loc["coco", "Ours"]["image", "paper"])


def test_the_last_epochs_stand_beside_the_papers() -> None:
    table = tables.last_epoch_table([fake_run(0.5)], [fake_run(0.4)])
    row = table.loc["text Micro-F1"]
    assert row["here", "without"] == pytest.approx(0.5) and row["here", "with"] == pytest.approx(0.4)
    assert (row["paper", "without"], row["paper", "with"]) == (0.538, 0.536)


def test_the_gain_over_a_random_ranking_has_the_interval_of_every_methods_seeds() -> None:
    """Ours .5 and .7 above rankings half as good: .25 and .35, whose variance .005 is pooled with none of DSCMR's."""
    data = "scenes-flickr25k"
    runs = {("ours", data): [fake_run(0.5), fake_run(0.7)], ("dscmr", data): [fake_run(0.4, key=k) for k in "ab"]}
    table = tables.gain_table(runs)
    assert table.index.tolist() == [(data, "i2t"), (data, "t2i")]
    half = 100 * 4.302653 * (0.005 / 2 / 2) ** 0.5
    assert table.loc[data, "t2i"].tolist() == pytest.approx([30, 30 - half, 30 + half], rel=1e-6)


def test_the_best_is_in_bold_but_no_width_and_no_lone_column() -> None:
    columns = pd.MultiIndex.from_product([["image"], ["here", "±", "at 0.5", "seeds"]])
    table = pd.DataFrame([[0.2, 0.01, np.nan, 2], [0.3, 0.04, 0.1, 3]], columns=columns, index=["a", "b"])
    shown = BeautifulSoup(tables.best_in_bold(table, digits=2).to_html(), "html.parser")
    style = shown.select_one("style").get_text()
    bold = [cell.get_text() for cell in shown.select("td") if f"#{cell.get('id')}" in style]
    assert bold == ["0.30"]


def test_verdicts_are_escaped_and_fold_their_runs() -> None:
    interval = Interval(0.1, 0.05, 0.15, 0.022, 9)
    one = Verdict(5, "<b>kind</b>", "d<i>", "m & n", interval, 0.0, "above", None, (0, 1), ("aa", "bb"))
    shown = BeautifulSoup(tables.verdicts_by_claim({"dra<wings": [one]}), "html.parser")
    assert not shown.select("td b, td i")
    cells = [cell.get_text(" ") for cell in shown.select("tbody td")]
    assert cells[0].startswith("5. <b>kind</b>") and "m & n" in cells[0] and cells[1] == "d<i>"
    assert cells[2:] == ["–", "+0.100 [+0.050,\xa0+0.150]", "≥ +0.069", "–", "2", "reproduced", "2 aa bb"]
    assert [part.get_text() for part in shown.select(".claims > details > summary em")] == [
        *["dra<wings: not tested"] * 4,
        "dra<wings: of 1 tests, 1 reproduced, 0 not reproduced, 0 inconclusive",
        "dra<wings: not tested",
    ]
