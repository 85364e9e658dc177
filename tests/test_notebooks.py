"""The notebooks as they are stored: nothing that a run left in them, one parameters cell, no programs."""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
import pytest

NOTEBOOKS = sorted((Path(__file__).resolve().parent.parent / "notebooks").glob("*.ipynb"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_hold_no_outputs_and_one_parameters_cell(path: Path) -> None:
    notebook = nbformat.read(path, 4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert not any(cell.outputs or cell.execution_count for cell in code), f"clear the outputs of {path.name}"
    assert not notebook.metadata.keys() & {"papermill", "widgets", "semshare"}
    assert sum("parameters" in cell.metadata.get("tags", []) for cell in code) == 1
    starts = ("class ", "def ", "for ", "while ")
    assert not any(line.startswith(starts) for cell in code for line in cell.source.splitlines())


def test_there_are_notebooks() -> None:
    assert len(NOTEBOOKS) >= 11


def test_the_start_page_leads_to_every_notebook_and_nowhere_else() -> None:
    folder = NOTEBOOKS[0].parent
    links = re.findall(r"\]\(([^)]+)\)", (folder / "start.md").read_text(encoding="utf-8"))
    assert sorted(link for link in links if link.endswith(".ipynb")) == [path.name for path in NOTEBOOKS]
    assert all((folder / link).is_file() for link in links)
