"""The executed notebooks where no book renders them: converted by nbconvert, and opened and run in JupyterLab."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import converted
import nbformat
import pytest
from playwright.sync_api import Browser

from semshare.paper import reference

ROOT = Path(__file__).resolve().parent.parent.parent
NAMES = sorted(path.stem for path in (ROOT / "notebooks").glob("*.ipynb"))
IN_LAB = ("01_consistency", "09_flickr25k")


def _executed(checkout: Path, name: str) -> nbformat.NotebookNode:
    return nbformat.read(checkout / "book" / "sections" / f"{name}.ipynb", 4)


@pytest.mark.usefixtures("built")
@pytest.mark.parametrize("name", NAMES)
def test_a_reader_of_the_notebook_alone_sees_no_markup_of_the_book(checkout: Path, name: str) -> None:
    notebook = _executed(checkout, name)
    for text in (converted.page(notebook).get_text(), converted.markdown(notebook)):
        assert len(text) > 1000, "there is something to read"
        assert not converted.raw_markup(text)


@pytest.mark.usefixtures("built")
@pytest.mark.parametrize("name", NAMES)
def test_every_figure_of_the_notebook_has_its_caption_and_its_alt_text(checkout: Path, name: str) -> None:
    stored = nbformat.read(ROOT / "notebooks" / f"{name}.ipynb", 4)
    captions = [converted.plain(caption) for caption in converted.strings_shown(stored, "caption")]
    alts = converted.strings_shown(stored, "alt")
    notebook = _executed(checkout, name)
    shown = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    pictures = [output for output in shown if "image/png" in output.get("data", {})]
    assert [output.metadata["image/png"]["alt"] for output in pictures] == alts
    outputs = converted.page(notebook).select(".jp-OutputArea-output")
    figures = [place for place, output in enumerate(outputs) if output.select("img[src^='data:']")]
    following = [outputs[place + 1] for place in figures if not outputs[place].select(".semshare-shown")]
    assert [converted.plain(caption.get_text()) for caption in following] == captions
    text = converted.plain(converted.markdown(notebook))
    assert all(caption in text for caption in captions)
    assert text.count("![png]") == len(captions)


@pytest.mark.usefixtures("built")
@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_says_its_findings_with_their_values(checkout: Path, name: str) -> None:
    text = converted.plain(converted.page(_executed(checkout, name)).get_text())
    if name in ("01_consistency", "03_classification", "04_failure_cases", "05_sensitivity", "09_flickr25k"):
        assert "In short: of " in text and "95 % interval of a difference counts" in text
        assert any(claim in text for claim in reference.CLAIMS.values())


@pytest.mark.parametrize(
    ("source", "seen"),
    [
        ("In short: {glue:text}`summary`.", ["{glue:text}"]),
        ("see {numref}`fig-a`, {doc}`section 3 <03>`", ["{numref}", "{doc}"]),
        ("$$\na = \\frac{b}{c}\n$$ (eq-a)\n\nwith ${d}$", ["$$ (eq-a)"]),
        ("(target)=\n## A heading\n\n:::{note}\nof the book\n:::", ["(target)=", ":::{note}", ":::"]),
        ("$$\na = \\frac{b}{c} \\tag{1}\n$$\n\n`{code}`, ${d}$, [page](03.ipynb)", ["{code}"]),
        ("Equation (1), [the curves below](#fig-a) and **0.5**", []),
    ],
)
def test_what_counts_as_markup_of_the_book(source: str, seen: list[str]) -> None:
    output = nbformat.v4.new_output("display_data", data={"text/markdown": source})
    shown = nbformat.v4.new_code_cell("{not_read}", outputs=[output])
    for cell in (nbformat.v4.new_markdown_cell(source), shown):
        notebook = nbformat.v4.new_notebook(cells=[cell])
        assert converted.raw_markup(converted.markdown(notebook)) == seen
        if "target" not in source:  # which HTML has no more lines for
            assert converted.raw_markup(converted.page(notebook).get_text()) == seen


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory, semshare_home: Path, built: Path) -> Iterator[str]:
    """The address of a JupyterLab whose notebooks ask for scale smoke; settings and trust of its own."""
    folder = tmp_path_factory.mktemp("lab")
    (folder / "notebooks").mkdir()
    for name in IN_LAB:
        stored = (ROOT / "notebooks" / f"{name}.ipynb").read_text(encoding="utf-8")
        smoke = stored.replace('scale = \\"laptop\\"', 'scale = \\"smoke\\"')
        (folder / "notebooks" / f"{name}.ipynb").write_text(smoke, encoding="utf-8")
    shutil.copytree(ROOT / "book" / "recorded", folder / "book" / "recorded")
    own = {f"JUPYTER_{what}_DIR": str(folder / what.lower()) for what in ("CONFIG", "DATA", "RUNTIME")}
    own |= {f"JUPYTERLAB_{what}_DIR": str(folder / what.lower()) for what in ("SETTINGS", "WORKSPACES")}
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = {
        "ServerApp.port": port, "ServerApp.port_retries": 0, "ServerApp.ip": "127.0.0.1", "IdentityProvider.token": "",
        "ServerApp.root_dir": folder, "LabApp.expose_app_in_browser": True, "LabApp.news_url": "",
    }  # fmt: skip
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root"]
    command += [f"--{name}={value}" for name, value in options.items()]
    with (folder / "log").open("w", encoding="utf-8") as log:
        server = subprocess.Popen(command, cwd=folder, env=os.environ | own, stdout=log, stderr=log)
    url, until = f"http://127.0.0.1:{port}", time.monotonic() + 60
    try:
        while not _answers(f"{url}/api"):
            assert server.poll() is None and time.monotonic() < until, (folder / "log").read_text(encoding="utf-8")
            time.sleep(0.3)
        yield url
    finally:
        server.terminate()
        server.wait(30)


def _answers(url: str) -> bool:
    try:
        with urlopen(url, timeout=5) as answer:
            return "version" in json.load(answer)
    except (URLError, OSError):
        return False


@pytest.mark.parametrize("name", IN_LAB)
def test_a_notebook_run_in_jupyterlab_says_what_its_page_says(browser: Browser, lab: str, name: str) -> None:
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.goto(f"{lab}/lab/tree/notebooks/{name}.ipynb?reset", wait_until="load")
    page.wait_for_selector(".jp-Notebook .jp-CodeCell", timeout=60_000)
    page.wait_for_function(
        "window.jupyterapp.shell.currentWidget?.sessionContext?.session?.kernel?.status === 'idle'", timeout=60_000
    )
    page.evaluate("window.jupyterapp.commands.execute('notebook:run-all-cells')")
    notebook = page.locator(".jp-NotebookPanel:not(.lm-mod-hidden) .jp-Notebook")
    page.wait_for_function(
        "() => { const cells = window.jupyterapp.shell.currentWidget.content.model.cells;"
        "const code = Array.from(cells).filter(one => one.type === 'code');"
        "return code.length > 3 && code.every(one => one.executionCount) }",
        timeout=300_000,
    )
    page.wait_for_timeout(1000)
    assert not notebook.locator("[data-mime-type='application/vnd.jupyter.error']").count()
    read = notebook.evaluate(
        "one => { const own = one.cloneNode(true);"
        "own.querySelectorAll('.jp-CodeCell .jp-Cell-inputWrapper, mjx-container').forEach(part => part.remove());"
        "return own.innerText }"
    )
    assert not converted.raw_markup(read)
    text = converted.plain(read)
    stored = nbformat.read(ROOT / "notebooks" / f"{name}.ipynb", 4)
    captions = converted.strings_shown(stored, "caption")
    assert captions and all(converted.plain(caption) in text for caption in captions)
    for number in (1, 2):
        assert f"Claim {number}. {reference.CLAIMS[number]}" in text
    assert "In short: of " in text and "95 % interval of a difference counts" in text
    pictures = "all => all.map(one => one.naturalWidth > 100)"
    shown = notebook.locator(".jp-RenderedImage img").evaluate_all(pictures)
    assert shown == len(captions) * [True]
    if name == "01_consistency":
        assert notebook.locator("mjx-container[display=true]").count() == 1
        assert not notebook.locator("mjx-merror").count()
    context.close()
