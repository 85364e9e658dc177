"""The built book in a browser, opened from its folder without a network, and its links.

``SEMSHARE_BOOK`` names a book that is built already (``_build/html``); else the tests build one at scale smoke.
"""

from __future__ import annotations

import importlib.resources
import json
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import unquote, urldefrag, urlsplit

import pytest
from bs4 import BeautifulSoup
from playwright.sync_api import Browser, BrowserContext, Page, TimeoutError

ROOT = Path(__file__).resolve().parent.parent
SECTIONS = sorted(path.stem for path in (ROOT / "notebooks").glob("[0-9]*.ipynb"))
PAGES = [
    "index", "search", "genindex", "book/index", "book/api", "book/glossary", "book/references",
    "book/sections/status", *(f"book/sections/{name}" for name in SECTIONS),
]  # fmt: skip
THEMES = ("light", "dark")
AXE = (importlib.resources.files("axe_core_python") / "axe.min.js").read_text(encoding="utf-8")


@pytest.fixture(scope="session")
def html(request: pytest.FixtureRequest) -> Path:
    """The folder of the pages."""
    given = os.environ.get("SEMSHARE_BOOK")
    return Path(given).resolve() if given else request.getfixturevalue("pages")


class Watched:
    """A browser's tab without a network, and all that it complains of or asks for."""

    def __init__(self, context: BrowserContext, html: Path) -> None:
        self.html = html
        self.page: Page = context.new_page()
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self.page.on("console", lambda said: self.complaints.append(said.text) if said.type == "error" else None)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))

    def open(self, name: str) -> Page:
        self.page.goto((self.html / f"{name}.html").as_uri(), wait_until="load")
        self.page.wait_for_selector("main", state="attached")  # the index leads on to another page
        self.page.wait_for_load_state("load")
        # Pictures below the fold load when a reader comes near, and those that a script put in a little later.
        self.page.evaluate("[...document.images].forEach(one => { one.loading = 'eager' })")
        with suppress(TimeoutError):
            self.page.wait_for_function("() => [...document.images].every(one => one.naturalWidth)", timeout=10_000)
        self.page.wait_for_function("() => !window.MathJax || !MathJax.startup || MathJax.startup.promise")
        self.page.evaluate("async () => { if (window.MathJax?.startup) await MathJax.startup.promise }")
        return self.page

    def outside(self) -> list[str]:
        """The requests for anything but the book's own files."""
        return [url for url in self.requests if urlsplit(url).scheme not in ("file", "data", "blob")]


@pytest.fixture
def watched(browser: Browser, html: Path) -> Iterator[Watched]:
    context = browser.new_context(offline=True, viewport={"width": 1280, "height": 900})
    yield Watched(context, html)
    context.close()


def soup(path: Path) -> BeautifulSoup:
    return BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")


@pytest.mark.parametrize("name", PAGES)
def test_a_page_works_without_a_network(watched: Watched, html: Path, name: str) -> None:
    """No complaint on the console, no request, every picture and formula there, and nothing serious that axe finds."""
    formulas = len(soup(html / f"{name}.html").select(".math"))
    page = watched.open(name)
    found = [f"console: {one}" for one in watched.complaints] + [f"request: {one}" for one in watched.outside()]
    assert len(watched.requests) > 3, "styles and scripts were asked for, so the list above is not empty by mistake"
    found += page.evaluate(
        "[...document.images].filter(one => !one.naturalWidth).map(one => `broken picture: ${one.src}`)"
    )
    rendered, failed = page.locator("mjx-container").count(), page.locator("mjx-merror").count()
    found += [f"{rendered} of {formulas} formulas rendered, {failed} with an error"] * (rendered != formulas or failed)
    read = page.evaluate(
        "() => { const main = document.querySelector('main').cloneNode(true);"
        "main.querySelectorAll('pre, code, mjx-container, script').forEach(one => one.remove());"
        "return main.textContent }"
    )
    found += [f"raw mathematics: {one}" for one in ("$", "\\(", "\\[") if one in read]
    for theme in THEMES:
        if name == "book/api" and theme != THEMES[0]:  # axe takes a minute for it: in a second theme some entries do
            few = "document.querySelectorAll('main dl.py').forEach((one, at) => { if (at >= 20) one.remove() })"
            page.evaluate(few)
        found += [f"{theme}: {one}" for one in serious(page, theme)]
    assert not found, "\n".join(found)


def serious(page: Page, theme: str) -> list[str]:
    """What axe calls serious or critical on a page in ``theme``, with every fold open."""
    page.evaluate(
        "theme => { document.documentElement.dataset.theme = theme;"
        "document.querySelectorAll('main details').forEach(one => { one.open = true }) }",
        theme,
    )
    page.add_style_tag(content="* { transition: none !important; animation: none !important }")
    page.evaluate(AXE)
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    assert found["passes"], "axe looked at something"
    return [
        f"{one['id']}: {' '.join(node['target'])}: {node['html'][:150]} {node['failureSummary'][:300]}"
        for one in found["violations"]
        if one["impact"] in ("serious", "critical")
        for node in one["nodes"]
    ]


def test_the_book_has_formulas(html: Path) -> None:
    assert sum(len(soup(html / f"{name}.html").select(".math")) for name in PAGES) > 10


def test_axe_sees_what_it_is_asked_to_see(watched: Watched) -> None:
    page = watched.open("book/glossary")
    page.evaluate("document.querySelector('main p').style.color = '#999'")
    page.evaluate("document.querySelector('main').insertAdjacentHTML('beforeend', '<img src=\"\">')")
    page.evaluate(AXE)
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    assert {"color-contrast", "image-alt"} <= {one["id"] for one in found["violations"]}


def test_every_link_and_picture_leads_somewhere(html: Path) -> None:
    pages = {path: soup(path) for path in html.rglob("*.html") if "_static" not in path.parts}
    names = {path: {tag["id"] for tag in page.select("[id]")} for path, page in pages.items()}
    checked, broken = 0, []
    for path, page in pages.items():
        links = [tag.get(name) for name in ("href", "src") for tag in page.select(f"[{name}]")]
        for link in filter(None, links):
            address, fragment = urldefrag(link)
            if urlsplit(link).scheme:
                continue
            target = path.parent / unquote(urlsplit(address).path) if urlsplit(address).path else path
            target, checked = target.resolve(), checked + 1
            lost = target in names and fragment and unquote(fragment) not in names[target]
            if not target.is_file() or lost:
                broken.append(f"{path.relative_to(html)}: {link}")
    assert checked > 1000 and not broken, "\n".join(sorted(set(broken)))


def test_every_picture_says_what_it_shows(html: Path) -> None:
    pictures = [(path, image) for path in html.rglob("*.html") for image in soup(path).select("img")]
    silent = [f"{path.name}: {image}"[:200] for path, image in pictures if not image.get("alt", "").strip()]
    assert len(pictures) > 10 and not silent, "\n".join(silent)


def test_the_search_finds_words_from_the_folder(watched: Watched) -> None:
    page = watched.open("search")
    field = page.locator("#search-input, .search__container input, input[name=q]").locator("visible=true").first
    field.fill("consistency")
    field.press("Enter")
    page.wait_for_selector("#search-results li a")
    found = page.locator("#search-results li a").all_inner_texts()
    assert any("What the consistency loss does" in one for one in found), found
    assert not watched.complaints and not watched.outside()


def test_a_page_is_printed_light_and_alone(watched: Watched) -> None:
    page = watched.open("book/sections/01_consistency")
    page.evaluate("document.documentElement.dataset.theme = 'dark'")
    shown = "() => ['.bd-sidebar-primary', '.bd-header-article', 'details.provenance', 'main article h2'].map(one => "
    shown += "document.querySelector(one).checkVisibility())"
    assert page.evaluate(shown) == [True, True, True, True]
    page.emulate_media(media="print")
    assert page.evaluate(shown) == [False, False, False, True]
    themes = "event => { window.dispatchEvent(new Event(event)); return document.documentElement.dataset.theme }"
    assert [page.evaluate(themes, event) for event in ("beforeprint", "afterprint")] == ["light", "dark"]
    assert len(page.pdf(format="A4")) > 10_000


@pytest.mark.parametrize("name", PAGES)
def test_no_page_is_wider_than_the_paper_it_is_printed_on(watched: Watched, name: str) -> None:
    page = watched.open(name)
    page.set_viewport_size({"width": 718, "height": 1000})  # A4 less a centimetre on either side
    page.emulate_media(media="print")
    assert page.evaluate("document.documentElement.scrollWidth") <= 718


def test_a_drawer_opens_by_keyboard_and_its_data_is_there(watched: Watched, html: Path) -> None:
    page = watched.open("book/sections/01_consistency")
    summary = page.locator("details.provenance > summary").first
    summary.focus()
    page.keyboard.press("Enter")
    drawer = page.locator("details.provenance").first
    assert drawer.evaluate("one => one.open") and drawer.locator("dl").is_visible()
    link = drawer.locator("a").first.get_attribute("href")
    assert json.loads((html / "book" / "sections" / link).read_text(encoding="utf-8"))["runs"]


def test_every_section_offers_its_notebook(html: Path) -> None:
    for name in SECTIONS:
        path = html / "book" / "sections" / f"{name}.html"
        links = [tag["href"] for tag in soup(path).select("a[href$='.ipynb']")]
        assert links and all((path.parent / link).resolve().is_file() for link in links), name
