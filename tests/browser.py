"""A headless Chromium that reaches nothing but files, for tests of what a reader sees."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, sync_playwright

_QUIET = ("no-sandbox", "disable-gpu", "disable-quic", "no-first-run", "disable-background-networking")
_QUIET += ("disable-component-update", "disable-sync")


def chromium() -> str:
    """Where Chromium is; without it a test skips, saying how to get it, or fails where ``SEMSHARE_BROWSER`` is set."""
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found:
        return found
    message = "no chromium found: apt-get install chromium (Debian), or have a chrome on the PATH"
    if os.environ.get("SEMSHARE_BROWSER"):
        pytest.fail(f"SEMSHARE_BROWSER is set and {message}")
    pytest.skip(message)


@contextmanager
def offline_context(**options: object) -> Iterator[BrowserContext]:
    """A browser context without a network, with an empty profile; ``options`` are those of Playwright's contexts."""
    path = chromium()
    with tempfile.TemporaryDirectory() as profile, sync_playwright() as playwright:
        context = playwright.chromium.launch_persistent_context(
            Path(profile),
            executable_path=path,
            headless=True,
            args=[f"--{flag}" for flag in _QUIET],
            offline=True,
            **options,
        )
        try:
            yield context
        finally:
            context.close()
