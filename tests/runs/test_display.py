"""How a finished run shows itself; nothing is read, let alone trained, to show it."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from bs4 import BeautifulSoup

from semshare import evaluation, runs
from semshare.data import catalogue
from semshare.errors import UserError
from semshare.runs.store import Run

pytestmark = pytest.mark.slow


@pytest.fixture
def run(semshare_home: Path) -> Run:
    return runs.get(runs.plan("scenes-flickr25k", "ours", "smoke", "cpu", seed=53), "cpu", quiet=True)


def table(shown: str) -> list[list[str]]:
    rows = BeautifulSoup(shown, "html.parser").table.find_all("tr")
    return [[cell.get_text() for cell in row.find_all(["th", "td"])] for row in rows]


def test_its_text_is_a_line(run: Run) -> None:
    assert repr(run) == f"<Run {run.key}: Ours on scenes-flickr25k, scale smoke, seed 53>"


def test_it_shows_scores_that_were_read_and_reads_none(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluation, "read_split", lambda *_: pytest.fail("a split was read"))
    before = run._repr_html_()
    assert [row[0] for row in table(before)] == ["split", "dev"] and "run.test reads it" in before
    best = max(run.history, key=lambda row: (row["image_f1"] + row["text_f1"] + row["i2t"] + row["t2i"], -row["epoch"]))
    names = ("image_f1", "text_f1", "i2t", "t2i", "t2i_rank")
    assert table(before)[1][1:] == [f"{best[name]:.3f}" for name in names]
    monkeypatch.undo()
    numbers = run.test.numbers()
    again = runs.find(run.key)._repr_html_()  # from the file, without the evaluation that was just made
    assert table(again)[2] == ["test", *(f"{numbers[name]:.3f}" for name in names)] and "run.test" not in again


def test_it_shows_its_curves_and_what_it_was_made_from(run: Run) -> None:
    shown = run._repr_html_()
    first, last = run.history[0]["loss"], run.history[-1]["loss"]
    assert f"{first:.3f} → {last:.3f}" in shown and shown.count("<svg") == 2
    for told in (run.key, run.record["data"][:12], run.record["device"], "drawn stand-in", "seed=53", "smoke"):
        assert told in shown


def test_a_run_without_steps_or_without_its_data_shows_itself(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    fitted = replace(run, record=run.record | {"history": []})
    assert "no curve" in fitted._repr_html_() and "<svg" not in fitted._repr_html_()

    def gone(*_: object, **__: object) -> None:
        raise UserError("gone")

    monkeypatch.setattr(catalogue, "load", gone)
    assert "drawn stand-in" not in run._repr_html_() and run.key in run._repr_html_()


WITHOUT_BOOK = """
import importlib.util, sys
HIDDEN = {"IPython", "ipykernel", "matplotlib", "pandas", "papermill", "seaborn"}
class Hide:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in HIDDEN:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Hide())
real = importlib.util.find_spec
importlib.util.find_spec = lambda name, package=None: None if name.partition(".")[0] in HIDDEN else real(name, package)
from semshare import runs
run = runs.find(sys.argv[1])
for thing in (run, run.experiment, run.dataset):
    assert thing._repr_html_().startswith('<div class="semshare-shown">')
"""


def test_a_core_without_the_books_extra_shows_everything_too(run: Run) -> None:
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_BOOK, run.key], capture_output=True, text=True, encoding="utf-8"
    )
    assert done.returncode == 0, done.stderr
