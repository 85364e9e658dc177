"""Recorded failures say by ids and labels what the run's own say, and nothing of pictures and texts."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pandas as pd
import pytest
from failing_run import run as small_run

from semshare.paper import failures, recorded_failures, tables


@pytest.fixture
def run() -> SimpleNamespace:
    small = small_run()
    small.key = "0123456789ab"
    small.dataset.parts["test"].image_ids = ("11", "22", "33", "44")
    return small


def test_examples_are_by_id_label_and_kind(run: SimpleNamespace) -> None:
    kept = json.loads(json.dumps(recorded_failures.rows(run)))
    assert kept["run"] == run.key and set(kept) == {"run", "i2t", "t2i"}
    first = kept["i2t"]["examples"][0]  # image 11, a cat: text of 11, then a dog, a car taken for a cat, a car
    assert (first["id"], first["labels"]) == ("11", ["cat"])
    assert first["retrieved"] == [
        {"id": "11", "labels": ["cat"], "kinds": []},
        {"id": "22", "labels": ["dog"], "kinds": ["super-class"]},
        {"id": "33", "labels": ["car"], "kinds": ["semantic"]},
        {"id": "44", "labels": ["car"], "kinds": ["other"]},
    ]


def test_shares_are_the_runs_own(run: SimpleNamespace) -> None:
    live = tables.failure_shares([failures.find(run, direction) for direction in ("i2t", "t2i")])
    recorded = recorded_failures.shares_table(recorded_failures.rows(run))
    pd.testing.assert_frame_equal(recorded, live, check_names=False, atol=1e-5, check_dtype=False)


def test_the_table_links_to_the_official_page(run: SimpleNamespace) -> None:
    table = recorded_failures.examples_table(recorded_failures.rows(run), "i2t")
    assert table.loc[1].to_dict() == {
        "query": "https://cocodataset.org/#explore?id=11",
        "its labels": "cat",
        "rank": 2,
        "retrieved": "https://cocodataset.org/#explore?id=22",
        "labels": "dog",
        "kind": "super-class",
    }
    assert table.loc[0, "kind"] == "right"


def test_where_nothing_is_wrong_there_is_no_share(run: SimpleNamespace) -> None:
    part = run.dataset.parts["test"]
    part.labels = part.text_labels = part.labels * 0 + 1
    kept = recorded_failures.rows(run)
    assert kept["t2i"] == {"wrong": 0, "shares": {}, "examples": []}
    nothing = kept | {"i2t": kept["t2i"]}
    assert recorded_failures.shares_table(nothing).empty
    assert "<table" in recorded_failures.linked(recorded_failures.examples_table(nothing, "i2t")).to_html()


def test_links_say_the_id_and_nothing_is_markup(run: SimpleNamespace) -> None:
    kept = recorded_failures.rows(run)
    kept["i2t"]["examples"][0]["labels"] = ["<b>cat</b>"]
    shown = recorded_failures.linked(recorded_failures.examples_table(kept, "i2t")).to_html()
    assert '<a href="https://cocodataset.org/#explore?id=22">22</a>' in shown
    assert "<b>" not in shown and "&lt;b&gt;cat" in shown
