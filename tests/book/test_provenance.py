"""The banner: what a page was made from, and no page passes random weights for trained ones."""

from __future__ import annotations

import json
from collections.abc import Callable
from types import SimpleNamespace
from unittest.mock import Mock

import numpy as np
import pandas as pd
import pytest
from bs4 import BeautifulSoup
from matplotlib.figure import Figure
from nbconvert.filters import markdown2html_mistune

from semshare.book import provenance
from semshare.data.dataset import PairedDataset
from semshare.errors import UserError
from semshare.experiment import Experiment
from semshare.paper import reference
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


def _all_displayed(monkeypatch: pytest.MonkeyPatch) -> list[tuple[object, dict]]:
    """What is displayed from here on: each thing with its metadata."""
    displayed: list[tuple[object, dict]] = []
    monkeypatch.setattr(
        provenance, "display", lambda shown, raw=False, metadata=None: displayed.append((shown, metadata or {}))
    )
    return displayed


def _displayed(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> tuple[object, BeautifulSoup, dict]:
    """What was shown, its drawer, and what stands behind it."""
    displayed = _all_displayed(monkeypatch)
    provenance.show(*arguments)
    (shown, _), (drawer, _) = displayed
    return shown, BeautifulSoup(drawer.data, "html.parser"), drawer.metadata[provenance.DRAWER]


def test_a_drawer_says_where_its_table_comes_from(monkeypatch: pytest.MonkeyPatch) -> None:
    table = pd.DataFrame({"a": [1.5, None]}, index=["x", "y"])
    runs = [_recorded(), _recorded(seed=1, lam=1.0, dropout=0.3)]
    shown, drawer, behind = _displayed(monkeypatch, table.style, Recording("r", "", 2, runs, []))
    assert shown.data is table
    facts = dict(zip(*([item.get_text() for item in drawer.select(tag)] for tag in ("dt", "dd")), strict=True))
    assert facts["Other fields"] == "dropout 0.1, 0.3; lam 0.1, 1.0", "smoke's own sizes are nothing to tell"
    expected = {"Method": "ours", "Seed": "0, 1", "Scale": "smoke", "Preset": "paper", "Runs": "key-0 key-1"}
    expected |= {"Device": "cpu <one>", "Trained at commit": "abc with local changes", "Training": "3.0 min in all"}
    expected |= {"Data: scenes-nuswide": "a drawn stand-in, not the real dataset; checksum 0123456789ab"}
    assert expected.items() <= facts.items() and facts["Made at commit"]
    assert drawer.select_one("details > summary") and drawer.select_one(".raw-data") is not None
    assert behind["table"] == {"columns": ["a"], "index": ["x", "y"], "data": [[1.5], [None]]}
    assert behind["runs"] == [run.record for run in runs] and json.loads(json.dumps(behind)) == behind


def test_two_kinds_of_regions_of_one_dataset_are_both_named(monkeypatch: pytest.MonkeyPatch) -> None:
    grid, detector = _recorded(regions="grid"), _recorded(regions="yolox-nano")
    detector.record["data"] = "fedcba9876543210"
    recording = Recording("r", "", 2, [grid, detector, grid], [])
    banner = BeautifulSoup(provenance.recorded_banner(recording).data, "html.parser")
    assert [item.select("code")[1].get_text() for item in banner.select("li")] == ["grid", "yolox-nano"]
    _, drawer, behind = _displayed(monkeypatch, "a figure", recording)
    assert "checksum 0123456789ab, fedcba987654" in drawer.get_text()
    assert behind["data"]["scenes-nuswide"]["checksums"] == ["0123456789abcdef", "fedcba9876543210"]


def test_a_drawer_without_runs_says_so_and_names_the_data(monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = Mock(PairedDataset, status="subset", checksum="abcdef0123456789")
    dataset.name = "<b>mine</b>"
    _, drawer, behind = _displayed(monkeypatch, "a figure", [dataset])
    assert "nothing was trained for this" in drawer.get_text() and not drawer.select("b")
    assert "<b>mine</b>" in drawer.get_text() and "checksum abcdef012345" in drawer.get_text()
    assert behind["data"] == {"<b>mine</b>": {"status": "subset", "checksums": ["abcdef0123456789"]}}


FIGURE = {"name": "fig-a", "caption": "A *caption*.", "alt": "What it shows."}


def test_a_figure_is_shown_with_its_caption_and_its_drawer(monkeypatch: pytest.MonkeyPatch) -> None:
    displayed, figure = _all_displayed(monkeypatch), Figure()
    provenance.show(figure, [_recorded()], **FIGURE)
    picture, caption, (drawer, _) = displayed
    assert picture == (figure, {"image/png": {"alt": "What it shows."}})
    assert caption[0] == {"text/markdown": "A *caption*.", "text/plain": "A *caption*."}
    assert caption[1] == {"text/markdown": {provenance.FIGURE: FIGURE}}
    assert "key-0" in drawer.data


@pytest.mark.parametrize("missing", list(FIGURE))
def test_a_figure_that_is_not_described_is_refused(monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    displayed = _all_displayed(monkeypatch)
    with pytest.raises(UserError, match=rf"show: the figure has no {missing}; give all of"):
        provenance.show(Figure(), **(FIGURE | {missing: " "}))
    assert not displayed


def test_a_table_takes_no_caption(monkeypatch: pytest.MonkeyPatch) -> None:
    displayed = _all_displayed(monkeypatch)
    with pytest.raises(UserError, match="show: DataFrame is no figure, so it takes no caption"):
        provenance.show(pd.DataFrame(), caption="A caption.")
    assert not displayed


def _said(monkeypatch: pytest.MonkeyPatch, sentence: str, **values: object) -> str:
    displayed = _all_displayed(monkeypatch)
    provenance.say(sentence, **values)
    [(shown, metadata)] = displayed
    assert not metadata
    return shown["text/markdown"]


def test_a_finding_holds_its_values(monkeypatch: pytest.MonkeyPatch) -> None:
    said = _said(
        monkeypatch, "*Ours*: **{f1:.2f}**, {n:,} of ${{n}}$, {kind}", f1=np.float64(0.125), n=np.int64(1500), kind="ok"
    )
    assert said == "*Ours*: **0.12**, 1,500 of ${n}$, ok"
    with pytest.raises(KeyError):
        provenance.say("{missing}")


@pytest.mark.parametrize(
    "strange",
    [
        "<script>alert(1)</script>",
        "[a](javascript:alert(1))",
        "**bold**",
        "{numref}`x`",
        "# heading",
        "a\n\n- b",
        "$x$",
    ],
)
@pytest.mark.parametrize("wrapped", [str, lambda word: [word]], ids=["text", "list"])
def test_strangers_words_in_a_finding_are_shown_and_not_read(
    monkeypatch: pytest.MonkeyPatch, strange: str, wrapped: Callable[[str], object]
) -> None:
    said = _said(monkeypatch, "Asked: {words}.", words=wrapped(strange))
    page = BeautifulSoup(markdown2html_mistune(said), "html.parser")
    assert [tag.name for tag in page.find_all(True)] == ["p"]
    assert page.get_text().strip() == f"Asked: {' '.join(str(wrapped(strange)).split())}."


@pytest.mark.parametrize("strange", ["http://localhost:1/x", __file__])
def test_a_finding_is_never_fetched_or_read_from_a_file(monkeypatch: pytest.MonkeyPatch, strange: str) -> None:
    assert "def test" not in _said(monkeypatch, "{words}", words=strange)


def test_claims_are_quoted_as_the_paper_has_them(monkeypatch: pytest.MonkeyPatch) -> None:
    displayed = _all_displayed(monkeypatch)
    provenance.quote_claims(1, 6)
    quote = BeautifulSoup(markdown2html_mistune(displayed[0][0]["text/markdown"]), "html.parser").blockquote
    lines = [paragraph.get_text() for paragraph in quote.select("p")]
    assert lines == [f"Claim {number}. {reference.TESTED[number]}" for number in (1, 6)]


def test_a_recording_in_a_sentence_says_data_scale_and_how_much_is_there() -> None:
    recording = provenance.recordings.load("flickr25k")
    said = provenance.recorded_in_a_sentence(recording)
    assert said.startswith("<p>Recorded on <code>flickr25k-simulated</code> (real text and labels, simulated regions)")
    assert "recorded runs 24 of 24" in said and "scale laptop" in said and "seeds 0, 1, 2" in said
