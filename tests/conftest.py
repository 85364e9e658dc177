"""What every test shares: a home of its own for caches and runs, the real data where it is at hand."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

# Before anything imports transformers: no test may reach for a model on the network.
os.environ["HF_HUB_OFFLINE"] = "1"

import pytest
from xdist.scheduler import LoadFileScheduling

# What takes seconds to import is imported where it is used: the process that shares tests out among workers runs none.
if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from semshare.book.execute import Page

ROOT = Path(__file__).resolve().parent.parent
CHROMIUM = ("chromium", "chromium-browser", "google-chrome")

# Modules whose tests draw scenes, train, build or start processes; single tests elsewhere are marked themselves.
SLOW = {
    "book/test_build",
    "book/test_data_page",
    "book/test_execute",
    "book/test_explorer",
    "book/test_parameters",
    "book/test_queue",
    "book/test_samples",
    "book/test_tools",
    "cli/test_check",
    "cli/test_housekeeping",
    "data/regions/test_yolox",
    "data/test_collections",
    "data/test_prefetch",
    "data/test_prepare",
    "data/test_words",
    "paper/test_gradients",
    "paper/test_plans",
    "paper/test_recordings",
    "paper/test_verdicts",
    "runs/test_cards",
    "runs/test_damage",
    "runs/test_display",
    "runs/test_finding",
    "runs/test_grid",
    "runs/test_interval_coverage",
    "runs/test_keys",
    "runs/test_outside",
    "runs/test_shared",
    "runs/test_store",
    "search/test_folder",
    "search/test_index",
    "search/test_pretrained",
    "search/test_pretrained_tokens",
    "search/test_retriever",
    "search/test_shipped",
    "search/test_transfer",
    "test_benchmarks",
    "test_delivery",
    "test_distributed",
    "test_encoding",
    "test_hostile",
    "test_leaks",
    "test_public_imports",
    "test_released",
    "test_training",
    "utils/test_extras",
    "utils/test_home",
    "utils/test_processes",
    "utils/test_progress_notebook",
}


# Modules whose tests need the built book's runs or change it: one of several workers takes them all, so that it is
# built once. What only reads its pages is handed a copy on whichever worker.
BOOK = {
    "book/test_build",
    "book/test_data_page",
    "book/test_explorer",
    "book/test_queue",
    "book/test_unrendered",
    "test_kernels",
}
READS_PAGES = "test_browser"
BEFORE_PAGES = 40  # modules that are shared out before it, so that nobody waits long for the build
LONGEST_BUILD = 1800  # seconds


class WholeModules(LoadFileScheduling):
    """Each of several workers takes whole modules, and the first of them all of ``BOOK``, which takes longest."""

    def _split_scope(self, nodeid: str) -> str:
        return "book" if (module := module_of(nodeid)) in BOOK else module

    def _assign_work_unit(self, node: object) -> None:
        if not any(self.assigned_work.values()):
            names = [name for name in self.workqueue if name not in ("book", READS_PAGES)]
            for name in ("book", *names[:BEFORE_PAGES], READS_PAGES, *names[BEFORE_PAGES:]):
                if name in self.workqueue:
                    self.workqueue.move_to_end(name)
        super()._assign_work_unit(node)


def module_of(nodeid: str) -> str:
    """The module of a test or of its file, as ``SLOW`` and ``BOOK`` have it."""
    return nodeid.split("::")[0].removeprefix("tests/").removesuffix(".py")


def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> LoadFileScheduling:
    """How xdist shares the tests out."""
    return WholeModules(config, log)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Whether a module need not be read at all: `make test-fast` leaves out all of its tests."""
    asked = {Path(argument.split("::")[0]).resolve() for argument in config.args}
    if config.option.markexpr != "not slow" or collection_path.suffix != ".py" or collection_path in asked:
        return None
    return module_of(collection_path.relative_to(ROOT).as_posix()) in SLOW or None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of the modules in ``SLOW`` and of built pages: `make test-fast` leaves them out."""
    for item in items:
        if module_of(item.nodeid) in SLOW or {"built", "html", "browser", "pages"} & set(item.fixturenames):
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session", autouse=True)
def semshare_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """``SEMSHARE_HOME`` in the temporary folder of the session, or of its worker: none sees another's runs."""
    import torch

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
    from semshare.data import catalogue

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
def built(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The HTML folder of the whole book at scale smoke: built once, for all tests that look at it.

    Where several workers share the tests, a copy of it lies where :func:`pages` looks for it.

    ``queued.json`` in the checkout names the runs that the pages ask for, those that were there before the first page
    was executed, and those that were there after the last.
    """
    from semshare.book import build, queue
    from semshare.runs import store

    execute_all = queue.execute_all

    def noted(pages: Sequence[Page]) -> None:
        asked = [store.folder_of(run).name for page in pages for run in queue.asked(page.notebook, page.handed)]
        before = _runs()
        execute_all(pages)
        found = {"asked": sorted(set(asked)), "before": before, "after": _runs()}
        (checkout / "queued.json").write_text(json.dumps(found), encoding="utf-8")

    copy = _copied_pages(tmp_path_factory)
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(queue, "execute_all", noted)
            html = build.build("smoke", root=checkout).parent
        if copy is not None:
            shutil.copytree(html, copy.with_name("part"))
            copy.with_name("part").rename(copy)
        return html
    finally:
        if copy is not None and not copy.exists():
            copy.touch()  # no folder: whoever waits for it is told


@pytest.fixture(scope="session")
def pages(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The HTML folder of :func:`built` for tests that only read it: where another worker builds it, a copy."""
    copy = _copied_pages(tmp_path_factory)
    if copy is None or not any(module_of(item.nodeid) in BOOK for item in request.session.items):
        return request.getfixturevalue("built")
    until = time.monotonic() + LONGEST_BUILD
    while not copy.exists() and time.monotonic() < until:
        time.sleep(1)
    assert copy.is_dir(), "the book was not built by the worker that has its tests"
    return copy


def _copied_pages(tmp_path_factory: pytest.TempPathFactory) -> Path | None:
    """Where several workers find the book's pages; None where there is one."""
    alone = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")) < 2
    return None if alone else tmp_path_factory.getbasetemp().parent / "pages"


def _runs() -> list[str]:
    """The runs that the home has."""
    from semshare.utils.home import cache_folder

    return sorted(path.parent.name for path in cache_folder("runs").glob("*/run.json"))


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium without a window; where it is missing the test is skipped, or fails if SEMSHARE_BROWSER asks for it."""
    from playwright.sync_api import sync_playwright

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
