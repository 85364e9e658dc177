"""An executed notebook on its way into the book: cleaned of what is no result, its pictures checked, its data shipped.

What the book ships beside its pages lies in ``FILES`` under ``book/sections``.
"""

from __future__ import annotations

import base64
import io
from html import escape
from typing import TYPE_CHECKING, Any

import nbformat
from nbformat import NotebookNode
from PIL import Image

from semshare.book.provenance import DRAWER, FIGURE, LINKS, WALL_TIME, minutes
from semshare.data.pictures import as_rgb
from semshare.errors import UserError
from semshare.utils.counts import counted
from semshare.utils.files import DamagedError, read_json, write_json
from semshare.utils.home import home
from semshare.utils.progress import MARK

if TYPE_CHECKING:
    from pathlib import Path

FILES = "files"  # the folder of what is shipped beside the pages
_RECORD = "semshare"  # the notebook metadata that says what an executed notebook was made from
# The sources of a caption's and a drawer's own cell: myst-nb leaves out a cell without any.
_CAPTION_SOURCE = "# its caption, which the book shows as that of the figure"
_DRAWER_SOURCE = "# where it comes from"
_THUMBNAIL = (640, 360)  # pixels
_LINKS = (
    f"<p><a href='{FILES}/{{file}}' download>Raw data (JSON)</a> · "
    "<a href='../../_sources/book/sections/{name}.ipynb' download>Notebook, as it was executed</a></p>"
)


def record(executed: Path) -> dict[str, Any]:
    """What an executed notebook was made from; empty where it is not there, not whole or does not say."""
    try:
        return read_json(executed)["metadata"].get(_RECORD, {})
    except (DamagedError, KeyError, TypeError, AttributeError):  # none, or what a power cut left: executed again
        return {}


def set_record(executed: NotebookNode, made_from: dict[str, Any]) -> None:
    """Write what :func:`record` reads."""
    executed.metadata[_RECORD] = made_from


def scrub(executed: NotebookNode, seconds: float) -> None:
    """Take out what is no result: paths and times of papermill, this machine's home, progress, injected parameters."""
    executed.metadata.pop("papermill", None)
    for cell in executed.cells:
        cell.metadata.pop("papermill", None)
        cell.metadata.pop("execution", None)
        if "injected-parameters" in cell.metadata.get("tags", []):
            cell.metadata["tags"].append("remove-cell")
        kept = []
        for output in cell.get("outputs", []):
            if output.output_type == "stream" and output.name == "stderr":
                lines = output.text.splitlines(keepends=True)
                output.text = "".join(line for line in lines if not line.startswith(MARK))
                if not output.text.strip():
                    continue
            if WALL_TIME in (shown := output.get("data", {}).get("text/html", "")):
                output.data["text/html"] = shown.replace(WALL_TIME, f"<dt>Wall time</dt><dd>{minutes(seconds)}</dd>")
            _without_home(output)
            kept.append(output)
        if "outputs" in cell:
            cell.outputs = kept


def _without_home(output: NotebookNode) -> None:
    """Name the folder of caches and runs in ``output`` as its variable: where it lies here is nobody's business."""
    for texts, key in ((output, "text"), *((output.get("data", {}), f"text/{kind}") for kind in ("plain", "html"))):
        if isinstance(text := texts.get(key), str):
            for written in {str(home()), escape(str(home()))}:
                text = text.replace(written, "SEMSHARE_HOME")
            texts[key] = text


def caption_figures(executed: NotebookNode, name: str) -> None:
    """Make each picture of the page ``name`` a figure of the book, with the name, caption and alt text shown with it.

    myst-nb reads them off the cell's metadata. The caption that Jupyter shows goes into a cell of its own, which the
    book leaves out.

    Raises:
        UserError: a picture without a caption, or two pictures in one cell.
    """
    cells = []
    for number, cell in enumerate(executed.cells):
        cells.append(cell)
        outputs = cell.get("outputs", [])
        pictures = sum(_picture(output) is not None for output in outputs)
        captions = [output for output in outputs if FIGURE in output.get("metadata", {}).get("text/markdown", {})]
        if pictures != len(captions):
            raise UserError(
                f"{name}: cell {number} shows {counted(pictures, 'picture')} and "
                f"{counted(len(captions), 'caption')}; show a figure with "
                "provenance.show(figure, made_of, name=..., caption=..., alt=...)"
            )
        if pictures > 1:
            raise UserError(f"{name}: cell {number} shows {pictures} figures; give each of them a cell of its own")
        for caption in captions:
            figure = _taken(caption, FIGURE, "text/markdown")
            cell.metadata["mystnb"] = {
                "figure": {"name": figure["name"], "caption": figure["caption"]},
                "image": {"alt": figure["alt"]},
            }
            outputs.remove(caption)
            cells.append(_own_cell(_CAPTION_SOURCE, caption, f"caption-{number}", ["remove-cell"]))
    executed.cells = cells


def told(executed: NotebookNode, name: str) -> list[Any]:
    """What outputs of a page recorded under ``name``, as its banner does of its datasets, taken out of the outputs."""
    lists = [_taken(output, name, "text/html") for cell in executed.cells for output in cell.get("outputs", [])]
    return [entry for entries in lists for entry in entries or ()]


def fill_drawers(executed: NotebookNode, name: str, folder: Path) -> None:
    """Ship what stands behind each figure and table of the page ``name`` as JSON, and link to it from its drawer.

    A drawer gets a cell of its own: myst-nb would put the caption of its cell under it once more.
    """
    for stale in folder.glob(f"{name}-*.json"):
        stale.unlink()
    cells, number = [], 0
    for cell in executed.cells:
        cells.append(cell)
        for output in list(cell.get("outputs", [])):
            if behind := _taken(output, DRAWER, "text/html"):
                number += 1
                file = folder / f"{name}-{number}.json"
                write_json(file, {"page": name, **behind})
                links = _LINKS.format(file=file.name, name=name)
                output.data["text/html"] = output.data["text/html"].replace(LINKS, links)
                cell.outputs.remove(output)
                tags = [*cell.metadata.get("tags", []), "remove-input"]
                cells.append(_own_cell(_DRAWER_SOURCE, output, f"drawer-{number}", tags))
    executed.cells = cells


def _own_cell(source: str, output: NotebookNode, id: str, tags: list[str]) -> NotebookNode:
    return nbformat.v4.new_code_cell(source, metadata={"tags": tags}, outputs=[output], id=id)


def on_front(shown: str) -> str:
    """HTML of a section's output with its links as they are from the book's first page."""
    return shown.replace(f"href='{FILES}/", f"href='sections/{FILES}/").replace("href='../../", "href='../")


def write_thumbnail(executed: Path, path: Path) -> None:
    """The first picture of an executed notebook (or of none: an empty one), small, for the book's first page."""
    small = Image.new("RGB", _THUMBNAIL, "white")
    cells = nbformat.read(executed, 4).cells if executed.exists() else []
    pictures = (_picture(output) for cell in cells for output in cell.get("outputs", []))
    if first := next(filter(None, pictures), None):
        picture = as_rgb(Image.open(io.BytesIO(base64.b64decode(first))))
        small.paste(picture.resize((_THUMBNAIL[0], round(picture.height * _THUMBNAIL[0] / picture.width))))
    small.save(path)


def _picture(output: NotebookNode) -> str | None:
    return output.get("data", {}).get("image/png")


def _taken(output: NotebookNode, name: str, mime: str) -> Any:
    """What the library told the book in ``output`` under ``name``, beside data of type ``mime``, taken out of it."""
    told = output.get("metadata", {}).get(mime, {})
    value = told.pop(name, None)
    if value is not None and not told:
        output.metadata.pop(mime)
    return value
