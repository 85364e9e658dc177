"""The banner: what a page was made from, and no page passes random weights for trained ones."""

from __future__ import annotations

import json
from types import SimpleNamespace
from unittest.mock import Mock

import pandas as pd
import pytest
from bs4 import BeautifulSoup

from semshare.book import provenance
from semshare.data.dataset import PairedDataset
from semshare.experiment import Experiment
from semshare.paper.recordings import RecordedRun, Recording


def _dataset(**fields: str) -> SimpleNamespace:
    return SimpleNamespace(**{"name": "coco", "status": "subset", "regions": "grid", "checksum": "abc"} | fields)


def _run(**fields: object) -> SimpleNamespace:
    experiment = SimpleNamespace(scale="smoke", preset="paper", seed=0, **fields)
    return SimpleNamespace(experiment=experiment, record={"device": "cpu", "commit": "c"})


def test_the_banner_says_status_and_regions_and_records_them() -> None:
    shown = provenance.banner([_dataset()], "smoke")
    assert "<code>coco</code>: a subset of the real dataset; regions <code>grid</code>" in shown.data
    recorded = {"name": "coco", "status": "subset", "regions": "grid", "checksum": "abc"}
    assert shown.metadata == {provenance.DATA: [recorded]}


@pytest.mark.parametrize("name", ["fasterrcnn-untrained", "fasterrcnn-mobilenet-untrained"])
def test_untrained_regions_are_no_result_wherever_results_stand(name: str) -> None:
    dataset = _dataset(regions=name)
    for shown in (
        provenance.banner([dataset], "smoke").data,
        provenance.in_a_sentence([dataset], [_run()]),
    ):
        assert "a detector with random weights, to try the pipeline: nothing on this page is a result" in shown
    assert "random weights" not in provenance.banner([_dataset(regions="fasterrcnn")], "smoke").data


def _recorded(**changed: object) -> RecordedRun:
    experiment = Experiment.make(dataset="scenes-nuswide", method="ours", scale="smoke", lam=0.1).change(**changed)
    record = {
        "key": f"key-{experiment.seed}",
        "experiment": json.loads(experiment.to_json()),
        "status": "stand-in",
        "seconds": 90.0,
        "device": "cpu <one>",
        "commit": "abc with local changes",
        "versions": {"python": "3.11.1", "torch": "2.12.0"},
        "data": "0123456789abcdef",
        "test": {"i2t": 0.5},
    }
    return RecordedRun(record)


def _displayed(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> tuple[object, BeautifulSoup, dict]:
    """What was shown, its drawer, and what stands behind it."""
    displayed = []
    monkeypatch.setattr(provenance, "display", displayed.append)
    provenance.show(*arguments)
    shown, drawer = displayed
    return shown, BeautifulSoup(drawer.data, "html.parser"), drawer.metadata[provenance.DRAWER]


def test_a_drawer_says_where_its_table_comes_from(monkeypatch: pytest.MonkeyPatch) -> None:
    table = pd.DataFrame({"a": [1.5, None]}, index=["x", "y"])
    runs = [_recorded(), _recorded(seed=1, lam=1.0, dropout=0.3)]
    shown, drawer, behind = _displayed(monkeypatch, table.style, Recording("r", "", 2, runs, []))
    assert shown.data is table
    facts = dict(zip(*([one.get_text() for one in drawer.select(tag)] for tag in ("dt", "dd")), strict=True))
    assert facts["Other fields"] == "dropout 0.1, 0.3; lam 0.1, 1.0", "smoke's own sizes are nothing to tell"
    expected = {"Method": "ours", "Seed": "0, 1", "Scale": "smoke", "Preset": "paper", "Runs": "key-0 key-1"}
    expected |= {"Device": "cpu <one>", "Trained at commit": "abc with local changes", "Training": "3.0 min in all"}
    expected |= {"Data: scenes-nuswide": "a drawn stand-in, not the real dataset; checksum 0123456789ab"}
    assert expected.items() <= facts.items() and facts["Made at commit"]
    assert drawer.select_one("details > summary") and drawer.select_one(".raw-data") is not None
    assert behind["table"] == {"columns": ["a"], "index": ["x", "y"], "data": [[1.5], [None]]}
    assert behind["runs"] == [one.record for one in runs] and json.loads(json.dumps(behind)) == behind


def test_a_drawer_without_runs_says_so_and_names_the_data(monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = Mock(PairedDataset, status="subset", checksum="abcdef0123456789")
    dataset.name = "<b>mine</b>"
    _, drawer, behind = _displayed(monkeypatch, "a figure", [dataset])
    assert "nothing was trained for this" in drawer.get_text() and not drawer.select("b")
    assert "<b>mine</b>" in drawer.get_text() and "checksum abcdef012345" in drawer.get_text()
    assert behind["data"] == {"<b>mine</b>": {"status": "subset", "checksum": "abcdef0123456789"}}
