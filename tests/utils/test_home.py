"""The home: one folder, wherever a process stands."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from semshare.utils.files import atomic_write
from semshare.utils.home import home, lock, settle

ASKS = [sys.executable, "-c", "from semshare.utils.home import home; print(home())"]


def test_a_relative_home_is_the_same_for_processes_in_other_folders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SEMSHARE_HOME", "cache")
    assert home() == tmp_path / "cache"
    settle()
    (tmp_path / "elsewhere").mkdir()
    found = subprocess.run(
        ASKS, cwd=tmp_path / "elsewhere", capture_output=True, text=True, check=True, encoding="utf-8"
    )
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


# A user without a passwd entry and without HOME: docker run --user 12345.
NOBODY = """
import os, pwd, sys
def none(uid): raise KeyError(uid)
pwd.getpwuid = none
os.environ.pop("HOME", None)
from semshare.cli.app import main
main()
"""


def _as_nobody(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if name not in ("HOME", "SEMSHARE_HOME")}
    command = [sys.executable, "-c", NOBODY, *arguments]
    return subprocess.run(command, env=kept | variables, capture_output=True, text=True, encoding="utf-8")


def test_without_a_home_folder_a_line_says_what_to_set() -> None:
    done = _as_nobody("data", "show", "scenes-flickr25k", "--scale", "smoke")
    assert done.returncode == 2 and done.stderr.startswith("error: SEMSHARE_HOME: not set, and this user has no home")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.slow
def test_without_a_home_folder_training_works_where_semshare_home_is_set(tmp_path: Path) -> None:
    command = ("train", "--dataset", "scenes-flickr25k", "--scale", "smoke", "--method", "dscmr")
    done = _as_nobody(*command, SEMSHARE_HOME=str(tmp_path / "home"))
    assert done.returncode == 0, done.stderr
    assert "Micro-F1" in done.stdout


def test_a_folder_whose_name_is_no_utf8_can_be_locked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEMSHARE_HOME", str(tmp_path / "home"))
    with lock(tmp_path / os.fsdecode(b"caf\xe9"), timeout=0):
        pass
    with lock(Path("/data/coco"), timeout=0):
        assert (tmp_path / "home" / "locks" / f"{hashlib.sha256(b'/data/coco').hexdigest()[:16]}.lock").exists()
