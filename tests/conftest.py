"""What every test shares: a home of its own for caches and runs, the real data where it is at hand."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

# Before anything imports transformers: no test may reach for a model on the network.
os.environ["HF_HUB_OFFLINE"] = "1"

import pytest
import torch
from playwright.sync_api import Browser, sync_playwright
from xdist.scheduler import LoadFileScheduling

from semshare.book import build, queue
from semshare.book.execute import Page
from semshare.data import catalogue
from semshare.runs import store
from semshare.utils.home import cache_folder

ROOT = Path(__file__).resolve().parent.parent
CHROMIUM = ("chromium", "chromium-browser", "google-chrome")

# Modules whose tests draw scenes, train, build or start processes; single tests elsewhere are marked themselves.
SLOW = {
    "book/test_build",
    "book/test_data_page",
    "book/test_execute",
    "book/test_explorer",
    "book/test_samples",
    "data/test_prefetch",
    "paper/test_gradients",
    "paper/test_plans",
    "paper/test_recordings",
    "paper/test_verdicts",
    "runs/test_cards",
    "runs/test_finding",
    "runs/test_damage",
    "runs/test_shared",
    "runs/test_grid",
    "runs/test_keys",
    "runs/test_store",
    "search/test_folder",
    "search/test_index",
    "search/test_pretrained",
    "search/test_pretrained_tokens",
    "search/test_retriever",
    "test_distributed",
    "test_hostile",
    "test_leaks",
    "test_training",
}


# Modules whose tests look at the built book: one of several workers takes them all, so that it is built once.
BOOK = {
    "book/test_build",
    "book/test_data_page",
    "book/test_explorer",
    "book/test_queue",
    "book/test_unrendered",
    "test_browser",
    "test_kernels",
}


class WholeModules(LoadFileScheduling):
    """Each of several workers takes whole modules, and one of them all of ``BOOK``."""

    def _split_scope(self, nodeid: str) -> str:
        module = super()._split_scope(nodeid).removeprefix("tests/").removesuffix(".py")
        return "book" if module in BOOK else module


def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> LoadFileScheduling:
    """How xdist shares the tests out."""
    return WholeModules(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of the modules in ``SLOW`` and of built pages: `make test-fast` leaves them out."""
    tests = Path(__file__).parent
    for item in items:
        module = item.path.relative_to(tests).with_suffix("").as_posix()
        if module in SLOW or {"built", "html", "browser"} & set(item.fixturenames):
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session", autouse=True)
def semshare_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """``SEMSHARE_HOME`` in the temporary folder of the session, or of its worker: none sees another's runs."""
    folder = tmp_path_factory.getbasetemp() / "semshare-home"
    folder.mkdir()
    torch.set_num_threads(1)  # the networks here are tiny: threads would spend their time waiting for each other
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SEMSHARE_HOME", str(folder))
        yield folder


@pytest.fixture(scope="session")
def realdata() -> Path:
    """The folder of real data; without ``SEMSHARE_DATA`` the test is skipped and says so."""
    found = os.environ.get("SEMSHARE_DATA")
    if not found:
        pytest.skip("SEMSHARE_DATA is not set: no real data at hand")
    return Path(found)


@pytest.fixture
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of this test's own, for what must start from nothing."""
    folder = tmp_path / "home"
    monkeypatch.setenv("SEMSHARE_HOME", str(folder))
    catalogue.forget_loaded()  # what other tests loaded came from another home
    return folder


@pytest.fixture(scope="session")
def checkout(tmp_path_factory: pytest.TempPathFactory, semshare_home: Path) -> Path:
    """A copy of what the book is made from, so that the checkout's own book stays as it is."""
    copy = tmp_path_factory.mktemp("checkout")
    for name in ("_config.yml", "_toc.yml"):
        shutil.copy(ROOT / name, copy / name)
    for name in ("book", "notebooks"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("sections", "_build"))
    return copy


@pytest.fixture(scope="session")
def built(checkout: Path) -> Path:
    """The HTML folder of the whole book at scale smoke: built once, for all tests that look at it.

    ``queued.json`` in the checkout names the runs that the pages ask for, those that were there before the first page
    was executed, and those that were there after the last.
    """
    execute_all = queue.execute_all

    def noted(pages: Sequence[Page]) -> None:
        asked = [store.folder_of(run).name for page in pages for run in queue.asked(page.notebook, page.handed)]
        before = _runs()
        execute_all(pages)
        found = {"asked": sorted(set(asked)), "before": before, "after": _runs()}
        (checkout / "queued.json").write_text(json.dumps(found), encoding="utf-8")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(queue, "execute_all", noted)
        return build.build("smoke", root=checkout).parent


def _runs() -> list[str]:
    """The runs that the home has."""
    return sorted(path.parent.name for path in cache_folder("runs").glob("*/run.json"))


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium without a window; where it is missing the test is skipped, or fails if SEMSHARE_BROWSER asks for it."""
    found = next(filter(None, map(shutil.which, CHROMIUM)), None)
    if found is None:
        (pytest.fail if os.environ.get("SEMSHARE_BROWSER") else pytest.skip)(
            "no Chromium found for the browser tests: apt-get install chromium (Debian, Ubuntu)"
        )
    quiet = ("quic", "gpu", "background-networking", "component-update", "sync")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=found, args=["--no-sandbox", "--no-first-run", *(f"--disable-{one}" for one in quiet)]
        )
        yield chromium
        chromium.close()
