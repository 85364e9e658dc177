"""Every notebook as people run it: in a kernel whose working folder is elsewhere, and a second time in that kernel."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from feature_files import array_rows
from nbclient import NotebookClient
from papermill.iorw import load_notebook_node
from papermill.parameterize import parameterize_notebook

from semshare.book.execute import OwnKernel

# Of each kind one: data, runs, recorded results, search; and the two that people change. All take eight minutes.
KINDS = ("00_data", "03_classification", "06_retrieval", "09_flickr25k", "12_your_collection", "13_the_library")
MADE = ["features.npy", "items.jsonl"]  # by array_rows
FOLDER = Path(__file__).resolve().parent.parent / "notebooks"


@pytest.mark.parametrize("name", KINDS)
def test_a_notebook_runs_from_any_folder_and_twice_in_one_kernel(name: str, built: Path, tmp_path: Path) -> None:
    """The book at scale smoke has trained what the notebook asks for."""
    notebook = load_notebook_node(str(FOLDER / f"{name}.ipynb"))
    (parameters,) = [cell.source for cell in notebook.cells if "parameters" in cell.metadata.get("tags", [])]
    if "scale =" in parameters:
        notebook = parameterize_notebook(notebook, {"scale": "smoke"})
    resources = {"metadata": {"path": str(tmp_path)}}
    client = NotebookClient(notebook, timeout=600, resources=resources, kernel_manager_class=OwnKernel)
    with client.setup_kernel():
        for turn in (1, 2):
            for number, cell in enumerate(notebook.cells):
                client.execute_cell(cell, number)
            code = [cell for cell in notebook.cells if cell.cell_type == "code"]
            assert all(cell.execution_count for cell in code) and any(cell.outputs for cell in code), turn
    assert list(tmp_path.iterdir()) == [], "a notebook leaves nothing in the folder it is run from"


@pytest.mark.slow
def test_the_page_on_your_own_collection_takes_feature_files(own_home: Path, tmp_path: Path) -> None:
    """Which have no pictures to show, to search or to ask with: texts take their place."""
    rows = array_rows(tmp_path / "features", count=40)
    notebook = load_notebook_node(str(FOLDER / "12_your_collection.ipynb"))
    notebook = parameterize_notebook(notebook, {"scale": "smoke", "root": str(rows)})
    client = NotebookClient(notebook, timeout=600, kernel_manager_class=OwnKernel)
    client.execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    text = "\n".join(output.get("data", {}).get("text/plain", "") for output in outputs)
    said = "\n".join(output.get("data", {}).get("text/markdown", "") for output in outputs)
    assert "so none can ask" in said and "No query" not in text and "Wall time" not in str(outputs)
    assert "<PairedDataset notebook-12: a collection of its own" in text and "regions precomputed" in text
    assert re.search(r"1  1\.0000  A dog on the beach", text), "a sentence finds sentences"
    assert "the same embedding as before" in text and sorted(path.name for path in rows.iterdir()) == MADE
