"""`semshare check`: a line for each thing, and the reason where one fails."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from types import SimpleNamespace

import pytest
from commands import run

from semshare.cli import check


def test_check_passes_here_one_line_each(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(monkeypatch, "check") == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 10 and all(line.startswith("[ok] ") for line in lines)


def test_check_names_a_library_that_is_missing_or_does_not_fit_wherever_it_is_needed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    needs = {
        "semshare": ["torch>=2.11,<3", "transformers>=5.0,<6", "faiss-cpu>=1; extra == 'search'"],
        "torch": ["sympy>=1.13"],
        "sympy": ["torch"],  # in a circle
        "transformers": ["tokenizers[fast]>=0.22,<0.23"],
        "tokenizers": ["hub>=1; extra == 'fast'", "nothing; python_version < '3'"],
    }
    versions = {"semshare": "0.1", "torch": "3.1", "sympy": "1.14rc1", "transformers": "5.1", "tokenizers": "0.22.1"}

    def installed(name: str) -> str:
        if name not in versions:
            raise PackageNotFoundError(name)
        return versions[name]

    monkeypatch.setattr(check, "version", installed)
    monkeypatch.setattr(check, "distribution", lambda name: SimpleNamespace(requires=needs.get(name)))
    assert list(check._unfit("semshare", (), {})) == [
        "semshare needs torch<3,>=2.11, found 3.1", "tokenizers needs hub>=1, found none"
    ]  # fmt: skip


def test_check_takes_no_time_to_import_transformers() -> None:
    script = "import sys\nfrom semshare.cli.check import findings\n"
    script += "print([f.ok for f in findings()].count(False), 'transformers' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, encoding="utf-8", check=True)
    assert done.stdout.split()[-2:] == ["0", "False"]


def test_check_fails_with_the_reason_and_goes_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("not a folder", encoding="utf-8")
    monkeypatch.setenv("SEMSHARE_HOME", str(blocked / "home"))
    monkeypatch.setattr(check, "_NEEDED_GB", 10**9)
    assert run(monkeypatch, "check") == 1
    lines = capsys.readouterr().out.splitlines()
    failed = [line for line in lines if line.startswith("[fail] ")]
    assert len(lines) == 10 and len(failed) == 2
    assert "SEMSHARE_HOME" in failed[0] and "write access" in failed[1]
