"""What becomes of an executed notebook: no picture passes without a description, drawers get their data and links."""

from __future__ import annotations

import json
from pathlib import Path

import nbformat
import pytest
from damage import every_damage, spoil
from PIL import Image

from semshare.book import postprocess
from semshare.book.provenance import DRAWER, LINKS
from semshare.errors import UserError

DESCRIBED = {"figure": {"caption": "A caption.", "name": "fig-a"}, "image": {"alt": "What it shows."}}
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


def _notebook(mystnb: dict, *outputs: nbformat.NotebookNode) -> nbformat.NotebookNode:
    cell = nbformat.v4.new_code_cell("figure", metadata={"mystnb": mystnb}, outputs=list(outputs))
    return nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("# A page"), cell])


def _shown(data: dict, **metadata: object) -> nbformat.NotebookNode:
    return nbformat.v4.new_output("display_data", data=data, metadata=metadata)


@every_damage
def test_an_executed_notebook_that_a_power_cut_left_is_executed_again(damage: str, tmp_path: Path) -> None:
    executed, path = _notebook({}), tmp_path / "07_x.ipynb"
    postprocess.set_record(executed, {"digest": "a"})
    nbformat.write(executed, path)
    assert postprocess.record(path) == {"digest": "a"}
    spoil(path, damage)
    assert postprocess.record(path) == {}


@pytest.mark.parametrize(
    ("without", "missing"),
    [("image", "image.alt"), ("figure", "figure.caption, figure.name"), ("both", "image.alt, figure.caption")],
)
def test_a_picture_without_a_description_is_refused(without: str, missing: str) -> None:
    mystnb = {} if without == "both" else {name: value for name, value in DESCRIBED.items() if name != without}
    with pytest.raises(
        UserError, match=rf"07_x.ipynb: cell 1 shows a picture, and its metadata mystnb lacks {missing}"
    ):
        postprocess.check_pictures(_notebook(mystnb, _shown({"image/png": PIXEL})), "07_x.ipynb")


def test_blank_alt_text_is_none() -> None:
    with pytest.raises(UserError, match=r"lacks image.alt;"):
        postprocess.check_pictures(
            _notebook(DESCRIBED | {"image": {"alt": " "}}, _shown({"image/png": PIXEL})), "x.ipynb"
        )


def test_a_described_picture_and_a_table_pass() -> None:
    postprocess.check_pictures(_notebook(DESCRIBED, _shown({"image/png": PIXEL})), "x.ipynb")
    postprocess.check_pictures(_notebook({}, _shown({"text/html": "<table></table>"})), "x.ipynb")


def test_a_drawer_gets_a_cell_its_data_and_its_links(tmp_path: Path) -> None:
    picture = _shown({"image/png": PIXEL})
    drawer = _shown({"text/html": f"<details>{LINKS}</details>"}, **{"text/html": {DRAWER: {"runs": ["r"]}}})
    (tmp_path / "07_x-9.json").write_text("of an earlier page", encoding="utf-8")
    notebook = _notebook(DESCRIBED, picture, drawer)
    postprocess.fill_drawers(notebook, "07_x", tmp_path)
    _, figure, own = notebook.cells
    assert figure.outputs == [picture], "one output, so one caption"
    assert own.metadata.tags == ["remove-input"] and own.source
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
    nbformat.write(_notebook(DESCRIBED, _shown({"image/png": PIXEL})), path)
    seen = set()
    for source, name in ((path, "a.png"), (tmp_path / "none.ipynb", "b.png")):
        postprocess.write_thumbnail(source, tmp_path / name)
        with Image.open(tmp_path / name) as small:
            seen.add((small.size, small.getpixel((5, 5))))
    assert len(seen) == 2 and ((640, 360), (255, 255, 255)) in seen
