"""`semshare check`: a line for each thing, and the reason where one fails."""

from __future__ import annotations

from pathlib import Path

import pytest
from commands import run

from semshare.cli import check


def test_check_passes_here_one_line_each(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(monkeypatch, "check") == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 10 and all(line.startswith("[ok] ") for line in lines)


def test_check_fails_with_the_reason_and_goes_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    monkeypatch.setenv("SEMSHARE_HOME", str(blocked / "home"))
    monkeypatch.setattr(check, "_NEEDED_GB", 10**9)
    assert run(monkeypatch, "check") == 1
    lines = capsys.readouterr().out.splitlines()
    failed = [line for line in lines if line.startswith("[fail] ")]
    assert len(lines) == 10 and len(failed) == 2
    assert "SEMSHARE_HOME" in failed[0] and "write access" in failed[1]
