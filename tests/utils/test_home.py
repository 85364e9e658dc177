"""The home: one folder, wherever a process stands."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from semshare.utils.files import atomic_write
from semshare.utils.home import home, settle

ASKS = [sys.executable, "-c", "from semshare.utils.home import home; print(home())"]


def test_a_relative_home_is_the_same_for_processes_in_other_folders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SEMSHARE_HOME", "cache")
    assert home() == tmp_path / "cache"
    settle()
    (tmp_path / "elsewhere").mkdir()
    found = subprocess.run(ASKS, cwd=tmp_path / "elsewhere", capture_output=True, text=True, check=True)
    assert found.stdout.strip() == str(tmp_path / "cache") == os.environ["SEMSHARE_HOME"]


@pytest.mark.parametrize("value", ["", None])
def test_the_usual_home_is_the_users_cache(monkeypatch: pytest.MonkeyPatch, value: str | None) -> None:
    monkeypatch.delenv("SEMSHARE_HOME") if value is None else monkeypatch.setenv("SEMSHARE_HOME", value)
    assert home() == Path.home() / ".cache" / "semshare"


def test_a_file_that_a_library_kept_to_its_owner_is_as_open_as_others(tmp_path: Path) -> None:
    with atomic_write(tmp_path / "weights") as part:
        part.touch(0o600)
    (tmp_path / "other").touch()
    assert (tmp_path / "weights").stat().st_mode == (tmp_path / "other").stat().st_mode
