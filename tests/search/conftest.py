"""What the tests of search share: one short run, and its model as a folder."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from semshare import runs
from semshare.runs.store import Run
from semshare.search.pretrained import PretrainedModel

_FIELDS = {"epochs": 1, "precision": "float32", "seed": 31}  # a seed of these tests' own


@pytest.fixture(scope="session")
def short_run(semshare_home: Path) -> Callable[..., Run]:
    """A run of one epoch, by method and fields."""

    def train(method: str = "ours", **fields: Any) -> Run:
        planned = runs.plan("scenes-flickr25k", method, "smoke", "cpu", **(_FIELDS | fields))
        return runs.get(planned, "cpu", quiet=True)

    return train


@pytest.fixture(scope="session")
def run(short_run: Callable[..., Run]) -> Run:
    return short_run()


@pytest.fixture(scope="session")
def saved(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run's model as a folder; tests that change it take :func:`copied`."""
    folder = tmp_path_factory.mktemp("models") / "saved"
    PretrainedModel.of_run(run, "cpu").save_pretrained(folder)
    return folder


@pytest.fixture
def copied(saved: Path, tmp_path: Path) -> Path:
    return shutil.copytree(saved, tmp_path / "copied")
