"""The notebooks as they are stored: nothing that a run left in them, one parameters cell, no programs."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import nbformat
import pytest

NOTEBOOKS = sorted((Path(__file__).resolve().parent.parent / "notebooks").glob("*.ipynb"))

SHOWS_A_METHOD = "13_the_library"  # written on the page: it has to be a function


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_hold_no_outputs_and_one_parameters_cell(path: Path) -> None:
    notebook = nbformat.read(path, 4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert not any(cell.outputs or cell.execution_count for cell in code), f"clear the outputs of {path.name}"
    assert not notebook.metadata.keys() & {"papermill", "widgets", "semshare"}
    assert sum("parameters" in cell.metadata.get("tags", []) for cell in code) == 1
    starts = ("class ", "for ", "while ") if path.stem == SHOWS_A_METHOD else ("class ", "def ", "for ", "while ")
    assert not any(line.startswith(starts) for cell in code for line in cell.source.splitlines())


def test_there_are_notebooks() -> None:
    assert len(NOTEBOOKS) >= 13


def test_the_start_page_leads_to_every_notebook_and_nowhere_else() -> None:
    folder = NOTEBOOKS[0].parent
    links = re.findall(r"\]\(([^)]+)\)", (folder / "start.md").read_text(encoding="utf-8"))
    assert sorted(link for link in links if link.endswith(".ipynb")) == [path.name for path in NOTEBOOKS]
    assert all((folder / link).is_file() for link in links)


def test_make_lab_opens_the_start_page_as_people_read_it(tmp_path: Path) -> None:
    """With the program that it starts replaced by one that says what it was given."""
    root = NOTEBOOKS[0].parent.parent
    program = tmp_path / ".venv" / "bin" / "jupyter"
    program.parent.mkdir(parents=True)
    program.write_text('#!/bin/sh\necho "$JUPYTER_CONFIG_PATH" "$@"\n', encoding="utf-8")
    program.chmod(0o755)
    for name in ("Makefile", "requirements.lock", "pyproject.toml"):
        shutil.copy2(root / name, tmp_path / name)
    (tmp_path / ".venv" / ".stamp").touch()
    for path, told in ((None, ""), ("/mine", ":/mine")):
        # Without MAKELEVEL: under `make test` the inner make would print the folder that it enters.
        outer = ("JUPYTER_CONFIG_PATH", "MAKEFLAGS", "MAKELEVEL")
        environment = {name: value for name, value in os.environ.items() if name not in outer}
        environment |= {"JUPYTER_CONFIG_PATH": path} if path else {}
        done = subprocess.run(
            ["make", "lab", "LAB=--port=1"],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            encoding="utf-8",
            check=True,
        )
        config, *words = done.stdout.split()
        assert config == f"{tmp_path}/notebooks/.jupyter{told}"
        assert words == ["lab", "--LabApp.default_url=/lab/tree/notebooks/start.md", "--port=1"]
    settings = root / "notebooks" / ".jupyter" / "labconfig" / "default_setting_overrides.json"
    viewers = json.loads(settings.read_text(encoding="utf-8"))["@jupyterlab/docmanager-extension:plugin"]
    assert viewers == {"defaultViewers": {"markdown": "Markdown Preview"}}
