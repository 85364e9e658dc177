"""The command line run in this process, for every test that types a command."""

from __future__ import annotations

import sys

import pytest

from semshare.cli import app


def run(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    """``semshare ARGUMENTS``; its exit code."""
    monkeypatch.setattr(sys, "argv", ["semshare", *map(str, arguments)])
    try:
        app.main()
    except SystemExit as stop:
        return int(stop.code or 0)
    return 0
