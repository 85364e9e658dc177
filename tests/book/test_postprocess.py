"""What becomes of an executed notebook: no picture passes without a description, drawers get their data and links."""

from __future__ import annotations

import json
from pathlib import Path

import nbformat
import pytest
from damage import every_damage, spoil
from PIL import Image

from semshare.book import postprocess
from semshare.book.provenance import DRAWER, FIGURE, LINKS
from semshare.errors import UserError

DESCRIBED = {"name": "fig-a", "caption": "A *caption*.", "alt": "What it shows."}
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


def _notebook(*outputs: nbformat.NotebookNode) -> nbformat.NotebookNode:
    cell = nbformat.v4.new_code_cell("figure", metadata={"tags": ["hide-input"]}, outputs=list(outputs))
    return nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("# A page"), cell])


def _shown(data: dict, **metadata: object) -> nbformat.NotebookNode:
    return nbformat.v4.new_output("display_data", data=data, metadata=metadata)


def _caption() -> nbformat.NotebookNode:
    return _shown({"text/markdown": DESCRIBED["caption"]}, **{"text/markdown": {FIGURE: dict(DESCRIBED)}})


@every_damage
def test_an_executed_notebook_that_a_power_cut_left_is_executed_again(damage: str, tmp_path: Path) -> None:
    executed, path = _notebook(), tmp_path / "07_x.ipynb"
    postprocess.set_record(executed, {"digest": "a"})
    nbformat.write(executed, path)
    assert postprocess.record(path) == {"digest": "a"}
    spoil(path, damage)
    assert postprocess.record(path) == {}


def test_a_picture_becomes_a_figure_of_the_book_and_keeps_its_caption_in_jupyter() -> None:
    picture, drawer = _shown({"image/png": PIXEL}), _shown({"text/html": "<details></details>"})
    notebook = _notebook(picture, _caption(), drawer)
    postprocess.caption_figures(notebook, "07_x")
    _, figure, caption = notebook.cells
    assert figure.metadata["mystnb"] == {
        "figure": {"name": "fig-a", "caption": "A *caption*."},
        "image": {"alt": "What it shows."},
    }
    assert figure.outputs == [picture, drawer] and figure.metadata["tags"] == ["hide-input"]
    assert caption.metadata["tags"] == ["remove-cell"], "the book has it under the figure"
    assert caption.outputs == [_shown({"text/markdown": "A *caption*."})] and caption.source
    nbformat.validate(notebook)


def test_no_page_says_where_caches_and_runs_lie(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEMSHARE_HOME", "/home/me & you/kept")
    line = nbformat.v4.new_output("stream", name="stdout", text="in /home/me & you/kept/runs")
    both = _shown({"text/html": "<b>/home/me &amp; you/kept/a</b>", "text/plain": "/home/me & you/kept/a"})
    notebook = _notebook(line, both, _shown({"image/png": PIXEL}))
    postprocess.scrub(notebook, 1.0)
    line, both, picture = notebook.cells[1].outputs
    assert line.text == "in SEMSHARE_HOME/runs" and picture.data == {"image/png": PIXEL}
    assert both.data == {"text/html": "<b>SEMSHARE_HOME/a</b>", "text/plain": "SEMSHARE_HOME/a"}


def test_a_picture_without_a_caption_is_refused() -> None:
    notebook = _notebook(_shown({"image/png": PIXEL}))
    with pytest.raises(UserError, match=r"07_x: cell 1 shows 1 picture and 0 captions; show a figure with .*caption="):
        postprocess.caption_figures(notebook, "07_x")


def test_two_figures_in_a_cell_are_refused() -> None:
    notebook = _notebook(*(2 * [_shown({"image/png": PIXEL}), _caption()]))
    with pytest.raises(UserError, match=r"07_x: cell 1 shows 2 figures; give each of them a cell of its own"):
        postprocess.caption_figures(notebook, "07_x")


def test_a_table_and_a_finding_stay_as_they_are() -> None:
    outputs = [_shown({"text/html": "<table></table>"}), _shown({"text/markdown": "In short: **1** of 2."})]
    notebook = _notebook(*outputs)
    postprocess.caption_figures(notebook, "07_x")
    assert [cell.get("outputs", []) for cell in notebook.cells] == [[], outputs]


def test_a_drawer_gets_a_cell_its_data_and_its_links(tmp_path: Path) -> None:
    picture = _shown({"image/png": PIXEL})
    drawer = _shown({"text/html": f"<details>{LINKS}</details>"}, **{"text/html": {DRAWER: {"runs": ["r"]}}})
    (tmp_path / "07_x-9.json").write_text("of an earlier page", encoding="utf-8")
    notebook = _notebook(picture, drawer)
    postprocess.fill_drawers(notebook, "07_x", tmp_path)
    _, figure, own = notebook.cells
    assert figure.outputs == [picture], "one output, so one caption"
    assert own.metadata.tags == ["hide-input", "remove-input"] and own.source
    shown = own.outputs[0]
    assert "href='files/07_x-1.json'" in shown.data["text/html"] and LINKS not in shown.data["text/html"]
    assert "href='../../_sources/book/sections/07_x.ipynb'" in shown.data["text/html"]
    assert not shown.metadata, "the data is in the file, not in the notebook"
    assert [path.name for path in tmp_path.iterdir()] == ["07_x-1.json"]
    assert json.loads((tmp_path / "07_x-1.json").read_text(encoding="utf-8")) == {"page": "07_x", "runs": ["r"]}
    nbformat.validate(notebook)


def test_links_lead_on_from_the_first_page() -> None:
    shown = "<a href='files/a.json'>a</a> <a href='../../_sources/b.ipynb'>b</a>"
    assert postprocess.on_front(shown) == "<a href='sections/files/a.json'>a</a> <a href='../_sources/b.ipynb'>b</a>"


def test_a_thumbnail_is_the_first_picture_or_an_empty_one(tmp_path: Path) -> None:
    path = tmp_path / "a.ipynb"
    nbformat.write(_notebook(_shown({"image/png": PIXEL})), path)
    seen = set()
    for source, name in ((path, "a.png"), (tmp_path / "none.ipynb", "b.png")):
        postprocess.write_thumbnail(source, tmp_path / name)
        with Image.open(tmp_path / name) as small:
            seen.add((small.size, small.getpixel((5, 5))))
    assert len(seen) == 2 and ((640, 360), (255, 255, 255)) in seen
