"""The queue: what the pages ask for is trained before, a run that fails does not hold up the others."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from semshare import runs
from semshare.book import execute, queue
from semshare.book.execute import Page
from semshare.errors import UserError
from semshare.experiment import Experiment
from semshare.paper import plans

NOTEBOOKS = sorted((Path(execute.__file__).parents[2] / "notebooks").glob("[0-9]*.ipynb"))
HANDED = {"scale": "smoke", "device": "cpu"}


class _Asked:
    """Takes the place of the run store: notes what is asked for, in its ``experiments``, and trains nothing."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.experiments: set[Experiment] = set()
        monkeypatch.setattr(runs, "get_all", self.get_all, raising=False)
        monkeypatch.setattr(runs, "get", self.get, raising=False)

    def get_all(self, experiments: Sequence[Experiment], *_: Any, **__: Any) -> list[None]:
        self.experiments |= set(experiments)
        return [None] * len(experiments)

    def get(self, experiment: Experiment, *_: Any, **__: Any) -> None:
        self.experiments.add(experiment)


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_the_queue_holds_what_the_pages_cells_ask_for(notebook: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked, cells = _Asked(monkeypatch), json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    given: dict[str, Any] = {}
    for cell in cells:  # the first cell that asks for runs fails once it has them: they are none
        if cell["cell_type"] == "code":
            try:
                exec("".join(cell["source"]), given)
            except Exception:
                if asked.experiments:
                    break
            if "parameters" in cell["metadata"].get("tags", []):
                given |= HANDED
    assert set(queue.asked(notebook, HANDED)) == asked.experiments


def test_a_notebook_that_names_no_plan_trains_itself_and_a_wrong_name_is_told(tmp_path: Path) -> None:
    cell = {
        "cell_type": "code",
        "id": "a",
        "metadata": {"tags": ["parameters"]},
        "source": "datasets = ['scenes-nuswide']",
    }
    cell |= {"execution_count": None, "outputs": []}
    notebook = tmp_path / "own.ipynb"

    def write(metadata: dict[str, Any]) -> None:
        kernel = {"kernelspec": {"name": "python3", "display_name": "", "language": "python"}}
        content = {"cells": [cell], "metadata": kernel | metadata, "nbformat": 4, "nbformat_minor": 5}
        notebook.write_text(json.dumps(content), encoding="utf-8")

    write({})
    assert queue.asked(notebook, HANDED) == []
    write({"trains": ["consistency"]})
    assert queue.asked(notebook, HANDED) == plans.flat(plans.consistency("scenes-nuswide", **HANDED))
    write({"trains": ["everythin"]})
    with pytest.raises(UserError, match=r"own\.ipynb: metadata trains: found 'everythin', expected one of texts, "):
        queue.asked(notebook, HANDED)


def _page(number: str, **handed: Any) -> Page:
    [notebook] = [path for path in NOTEBOOKS if path.name.startswith(number)]
    return Page(notebook, Path(), HANDED | handed, "", number, Path())


def test_what_fails_is_told_and_the_others_go_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    trained = []

    def train_each(experiments: list[Experiment], device: str) -> Iterator[tuple[Experiment, Exception | None]]:
        assert device == "cpu" and len(set(experiments)) == len(experiments)
        for place, experiment in enumerate(experiments):
            trained.append(experiment)
            yield experiment, MemoryError("too large") if not place else None

    monkeypatch.setattr(queue, "train_each", train_each)
    queue.train_for([_page("04", datasets=["no-such"]), _page("01"), _page("01"), _page("08")], "cpu")
    assert trained == plans.flat(plans.consistency("scenes-flickr25k", **HANDED))
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("training for 04_failure_cases: left to the page: dataset: ")
    assert second.endswith("failed, its page will try again: too large")


def test_pages_that_train_by_themselves_come_first() -> None:
    pages = [_page(number) for number in ("00", "03", "12", "13")]
    recorded = Page(_page("07").notebook, Path(), {"device": "cpu"}, "", "07", Path())
    ordered = queue.training_first([*pages[:2], recorded, *pages[2:]])
    assert [page.title for page in ordered] == ["12", "13", "00", "03", "07"]
