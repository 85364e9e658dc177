"""The status page: every section, the machine and the versions, and the data behind them."""

from __future__ import annotations

import json
import platform
from pathlib import Path

import pytest

from semshare.book import status

MADE = {
    "scale": "smoke",
    "preset": "paper",
    "seconds": 150.0,
    "made": "2026-01-01 00:00 UTC",
    "commit": "abc",
    "device": "cpu",
    "machine": {"processor": "a|b<script>", "cores": "2"},
    "versions": {"Python": "3.11.1", "torch": "2.12.0"},
    "data": [{"name": "coco", "status": "subset", "regions": "grid", "checksum": "0123456789abcdef"}],
}


def _executed(folder: Path, name: str, **fields: object) -> Path:
    path = folder / f"{name}.ipynb"
    path.write_text(json.dumps({"metadata": {"semshare": MADE | fields}}), encoding="utf-8")
    return path


def test_the_page_lists_sections_machines_versions_and_data(tmp_path: Path) -> None:
    others = [
        _executed(tmp_path, "01_b"),
        _executed(tmp_path, "02_c", versions={"Python": "3.12.0", "torch": "2.12.0"}),
    ]
    page = status.page([_executed(tmp_path, "00_a"), *others, tmp_path / "03_d.ipynb"])
    assert "| [00_a](00_a.ipynb) | smoke | paper | 2.5 min | 2026-01-01 00:00 UTC | `abc` | cpu |" in page
    assert "| 03_d | not executed |" in page and "7.5 min in all" in page
    assert "| a\\|b&#60;script&#62; | 2 | [00](00_a.ipynb), [01](01_b.ipynb), [02](02_c.ipynb) |" in page
    assert "| Python 3.11.1, torch 2.12.0 | [00](00_a.ipynb), [01](01_b.ipynb) |" in page
    assert "| Python 3.12.0, torch 2.12.0 | [02](02_c.ipynb) |" in page
    assert "| `coco` | a subset of the real dataset | `grid` | `0123456789ab` |" in page


def test_a_section_from_before_machines_were_recorded_is_listed_all_the_same(tmp_path: Path) -> None:
    page = status.page([_executed(tmp_path, "00_a", machine={}, versions={}), _executed(tmp_path, "01_b")])
    assert "|  | [00](00_a.ipynb) |" in page


@pytest.mark.parametrize("name", ["processor", "cores", "memory"])
def test_this_machine_is_described(name: str) -> None:
    assert status.machine()[name].strip()


def test_the_versions_are_those_installed() -> None:
    assert status.versions()["Python"] == platform.python_version()
    assert {"torch", "transformers", "gensim"} <= status.versions().keys()
