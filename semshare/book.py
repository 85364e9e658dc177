"""The book: notebooks through papermill into ``book/sections``, then jupyter-book into HTML.

Incremental: a notebook runs again only when its text, its parameters or the library changed. The previous HTML
stays until the new one is complete; ``book/sections`` holds each notebook as it last ran without an error.
"""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nbformat
import papermill
from papermill.exceptions import PapermillExecutionError

from semshare import pages, status
from semshare.checkout import commit, find_root
from semshare.data import catalogue
from semshare.data.dataset import items_checksum
from semshare.devices import describe_device, find_device
from semshare.errors import UserError
from semshare.explorer import DATA_FOLDER, FILES
from semshare.home import whole
from semshare.parameters import Given
from semshare.progress import MARK
from semshare.provenance import DATA, minutes
from semshare.runs import library_versions

_PLACEHOLDER = "# {name}\n\nThis section has not been executed yet: `semshare book` makes it.\n"
_FRONT = "front-page"  # the tag of a cell whose output stands on the first page too
_FRAME = (
    '<div class="cell docutils container"><div class="cell_output docutils container">'
    '<div class="output text_html">{}</div></div></div>\n'
)
_NO_FRONT = "<p>The verdicts have not been computed yet: <code>semshare book</code> does it.</p>\n"


def build(
    scale: str = "laptop",
    only: Sequence[str] = (),
    fresh: bool = False,
    out: Path | None = None,
    device: str = "auto",
    root: Path | None = None,
    datasets: Sequence[str] = (),
    preset: str = "paper",
    given: Given | None = None,
) -> Path:
    """Execute the notebooks that need it and build the HTML book.

    Args:
        scale: the parameter every notebook gets.
        only: numbers of the notebooks to execute (``"03"``); the others stay as they are.
        fresh: execute also what is up to date. Finished runs stay in the run store and are found again.
        out: the folder that receives the HTML; ``_build/html`` by default.
        device: the parameter every notebook gets; ``auto`` takes CUDA when present.
        root: the checkout; found from the working folder by default.
        datasets: what the notebooks work on, see :func:`parameters`; by default what each of them says itself.
        preset: the parameter every notebook gets.
        given: parameters from a file (:func:`semshare.parameters.read`), which go before the others. A book with a
            name is built from a copy of its own, ``_build/books/NAME``, and into ``out/NAME`` where ``out`` is given.

    Returns:
        The book's first page.

    Raises:
        UserError: no checkout here, an unknown dataset or notebook, a folder ``out`` that holds something other
            than a book, a cell that failed, or a page that does not build.
    """
    root, given = root or find_root(), given or Given()
    if given.name:
        root, out = _copy(root, given.name), out / given.name if out else None
    usual = {"scale": scale, "device": device, "datasets": datasets, "preset": preset} | given.everywhere
    scale, device, datasets, preset = (usual.pop(name) for name in ("scale", "device", "datasets", "preset"))
    find_device(device)
    out = _checked_out(out or root / "_build" / "html")
    notebooks = sorted((root / "notebooks").glob("[0-9]*.ipynb"))
    chosen = _choose(notebooks, only)
    handed = {}
    for notebook in chosen:
        own = given.own.get(notebook.stem, {})
        found = parameters(notebook.stem, scale, device, () if "datasets" in own else datasets, preset)
        handed[notebook] = None if found is None else found | usual | own
    data = _contents([*datasets, *(name for own in given.own.values() for name in own.get("datasets", ()))])
    sections = root / "book" / "sections"
    (sections / pages.FILES).mkdir(parents=True, exist_ok=True)
    for place, notebook in enumerate(chosen, start=1):
        title = f"[{place}/{len(chosen)}] {notebook.stem}"
        if handed[notebook] is None:
            print(f"{title}: skipped, none of {', '.join(datasets)} has super-categories", flush=True)
        else:
            _execute(notebook, sections, _declared(notebook, handed[notebook]), data, fresh, title, root)
    for notebook in notebooks:
        placeholder = sections / f"{notebook.stem}.md"
        if (sections / notebook.name).exists():
            placeholder.unlink(missing_ok=True)
        else:
            placeholder.write_text(_PLACEHOLDER.format(name=notebook.stem))
        pages.write_thumbnail(sections / notebook.name, sections / pages.FILES / f"{notebook.stem}.png")
    executed = [sections / notebook.name for notebook in notebooks]
    (sections / "status.md").write_text(status.page(executed))
    _keep_files(root, executed)
    (sections / "front.html").write_text(_front([one for one in executed if one.exists()]))
    return _html(root, out)


def _checked_out(out: Path) -> Path:
    """``out`` in full, if a book may replace what stands there."""
    out = out.resolve()
    if out.exists() and not (out / ".buildinfo").is_file() and not (out.is_dir() and not any(out.iterdir())):
        raise UserError(f"out: {out} exists and holds no book; choose an empty or a new folder")
    return out


def parameters(
    notebook: str, scale: str, device: str = "auto", datasets: Sequence[str] = (), preset: str = "paper"
) -> dict[str, Any] | None:
    """What the notebook called ``notebook`` is handed.

    Of ``datasets``, 01, 02 and 08 take the first, 04 the first with super-categories (captioned ones have them),
    and the others all. Without any, a notebook keeps its own.

    Returns:
        The parameters, or None where a notebook finds none of the datasets of use.

    Raises:
        UserError: an unknown dataset.
    """
    handed = {"scale": scale, "preset": preset, "device": device}
    text_kinds = {name: catalogue.entry(name).text_kind for name in datasets}
    if not text_kinds:
        return handed
    chosen, number = list(text_kinds), notebook.split("_")[0]
    if number == "04":
        chosen = [name for name in chosen if text_kinds[name] == "captions"]
    if number in ("01", "02", "04", "08"):
        chosen = chosen[:1]
    return handed | {"datasets": chosen} if chosen else None


def _declared(notebook: Path, handed: dict[str, Any]) -> dict[str, Any]:
    """Those of the parameters that the notebook has: a page of recorded results has few."""
    known = _known(notebook)
    return {name: value for name, value in handed.items() if name in known}


def _known(notebook: Path) -> list[str]:
    """The names in the notebook's parameters cell."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # papermill's translator does not like a comment that holds a colon
        return list(papermill.inspect_notebook(str(notebook)))


def declared(root: Path | None = None) -> dict[str, list[str]]:
    """The parameters that each notebook has, by its name."""
    notebooks = sorted(((root or find_root()) / "notebooks").glob("[0-9]*.ipynb"))
    return {notebook.stem: _known(notebook) for notebook in notebooks}


def _copy(root: Path, name: str) -> Path:
    """A fresh copy of what books are made from, for the one called ``name``; what it has executed stays."""
    copy = root / "_build" / "books" / name
    kept = {"sections", "_build"}
    for folder in ("book", "notebooks"):
        (copy / folder).mkdir(parents=True, exist_ok=True)
        for old in (copy / folder).iterdir():
            if old.name not in kept:
                shutil.rmtree(old) if old.is_dir() else old.unlink()
        shutil.copytree(root / folder, copy / folder, ignore=shutil.ignore_patterns(*kept), dirs_exist_ok=True)
    for file in ("_config.yml", "_toc.yml"):
        shutil.copy2(root / file, copy / file)
    return copy


def _choose(notebooks: Sequence[Path], only: Sequence[str]) -> list[Path]:
    for number in only:
        if not any(notebook.stem.split("_")[0] == number for notebook in notebooks):
            known = ", ".join(notebook.stem for notebook in notebooks)
            raise UserError(f"only: no notebook {number!r}, expected the number of one of {known}")
    return [notebook for notebook in notebooks if not only or notebook.stem.split("_")[0] in only]


def _contents(datasets: Sequence[str]) -> dict[str, list[str]]:
    """What decides a page about ``datasets`` that are not generated: their items, their pictures, their regions.

    Raises:
        UserError: a dataset that is not there, or cannot be read.
    """
    contents = {}
    for name in dict.fromkeys(catalogue.trained_as(name) for name in datasets):
        entry = catalogue.entry(name)
        if entry.folders:
            source = entry.open("full", None, 0)
            items = items_checksum(source.items(), source.label_names)
            contents[name] = [items, source.pool, catalogue.regions_of(name)]
    return contents


def _execute(
    notebook: Path,
    sections: Path,
    handed: dict[str, Any],
    data: dict[str, list[str]],
    fresh: bool,
    title: str,
    root: Path,
) -> None:
    target, digest = sections / notebook.name, _digest(notebook, handed, data)
    if not fresh and target.exists() and pages.record(target).get("digest") == digest and _has_files(root, target):
        print(f"{title}: up to date", flush=True)
        return
    on = f" on {', '.join(handed['datasets'])}" if "datasets" in handed else ""
    at = f"at scale {handed['scale']}, preset {handed['preset']}" if "scale" in handed else "on recorded results"
    print(f"{title}: running {at}{on}", flush=True)
    start, made_at = time.perf_counter(), commit()
    working = root / "_build" / "executed" / notebook.name
    working.parent.mkdir(parents=True, exist_ok=True)
    try:
        with _progress_on_terminal():
            executed = papermill.execute_notebook(
                str(notebook), str(working), handed, kernel_name="python3", cwd=str(notebook.parent),
                progress_bar=False, log_output=True, request_save_on_cell_execute=False,
            )  # fmt: skip
    except PapermillExecutionError as error:
        if error.ename == UserError.__name__:
            raise UserError(f"{notebook.name}: {error.evalue}; the previous book stays as it was") from None
        raise UserError(
            f"{notebook.name}: cell {error.cell_index} failed with {error.ename}: {error.evalue}\n"
            f"{error.source.rstrip()}\n\n{_plain(error.traceback)}\n"
            f"What ran is in {working}; the previous book stays as it was."
        ) from None
    except Exception as error:  # the kernel died or never came up: papermill has no one name for that
        raise UserError(
            f"{notebook.name}: {type(error).__name__}: {error}; the previous book stays as it was"
        ) from error
    seconds = time.perf_counter() - start
    pages.check_pictures(executed, notebook.name)
    pages.scrub(executed, seconds)
    pages.fill_drawers(executed, notebook.stem, sections / pages.FILES)
    made_from = {
        "digest": digest,
        "scale": handed.get("scale", "recorded"),
        "preset": handed.get("preset", ""),
        "seconds": round(seconds, 1),
        "made": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        "commit": made_at,
        "device": describe_device(find_device(handed.get("device", "auto"))),
        "machine": status.machine(),
        "versions": status.versions(),
        "data": pages.told(executed, DATA),
        "files": pages.told(executed, FILES),
    }
    pages.set_record(executed, made_from)
    with whole(target) as part:
        part.write_text(nbformat.writes(executed))
    working.unlink(missing_ok=True)
    print(f"{title}: done in {minutes(seconds)}", flush=True)


def _has_files(root: Path, executed: Path) -> bool:
    """Whether all data files of an executed notebook are there."""
    return all((root / DATA_FOLDER / name).is_file() for name in pages.record(executed).get("files", []))


def _keep_files(root: Path, executed: Sequence[Path]) -> None:
    """Keep the data files that pages load and no others, also among those of the last book, which Sphinx adds to."""
    kept = {name for path in executed if path.exists() for name in pages.record(path).get("files", [])}
    (root / DATA_FOLDER).mkdir(parents=True, exist_ok=True)
    built = root / "_build" / "work" / "_build" / "html" / "_static" / DATA_FOLDER.name
    for path in [*(root / DATA_FOLDER).iterdir(), *(built.iterdir() if built.is_dir() else ())]:
        if path.name not in kept:
            path.unlink()


def _digest(notebook: Path, handed: dict[str, Any], data: dict[str, list[str]]) -> str:
    """What an executed notebook depends on: its text, its parameters, the data, the library's source, what trains."""
    depends = [handed, data, sys.version, library_versions()]
    digest = hashlib.sha256(notebook.read_bytes() + json.dumps(depends, sort_keys=True).encode())
    for path in sorted(Path(__file__).parent.rglob("*.py")):
        if path.name not in ("book.py", "cli.py", "grid.py", "prepare.py", "status.py"):
            digest.update(path.read_bytes())
    if "recorded.load" in notebook.read_text():
        for path in sorted((find_root() / "book" / "recorded").glob("*.json")):
            digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


@contextmanager
def _progress_on_terminal() -> Iterator[None]:
    """Show the library's progress lines, which papermill logs as they come, on the terminal."""

    class Lines(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            for line in record.getMessage().splitlines():
                if line.startswith(MARK):
                    print(f"    {line.removeprefix(MARK)}", flush=True)

    logger, handler = logging.getLogger("papermill"), Lines()
    level, propagate = logger.level, logger.propagate
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
        logger.propagate = propagate


def _plain(traceback: Sequence[str]) -> str:
    """The last lines of a kernel's traceback without its colours."""
    text = "\n".join(traceback)
    plain = "".join(part.split("m", 1)[-1] if place else part for place, part in enumerate(text.split("\x1b[")))
    return "\n".join(plain.splitlines()[-12:])


def _front(executed: Sequence[Path]) -> str:
    """The HTML for the first page: what the tagged cells of the executed notebooks show, or that there are none."""
    shown = [
        pages.on_front(output.data["text/html"])
        for path in executed
        for cell in nbformat.read(path, as_version=4).cells
        if _FRONT in cell.metadata.get("tags", [])
        for output in cell.outputs
        if "text/html" in output.get("data", {})
    ]
    # The classes of a notebook's output, whose styles the tables have on their own page.
    return "".join(_FRAME.format(one) for one in shown) or _NO_FRONT


def _html(root: Path, out: Path) -> Path:
    """jupyter-book into a working folder; only a book without a warning takes the place of the previous one."""
    work = root / "_build" / "work"
    work.mkdir(parents=True, exist_ok=True)
    print("jupyter-book: building", flush=True)
    tool = Path(sys.executable).with_name("jupyter-book")
    command = [str(tool), "build", str(root), "--path-output", str(work), "-W", "-n", "--keep-going", "-q"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=root)
    log = root / "_build" / "jupyter-book.log"
    log.write_text(done.stdout + done.stderr)
    if done.returncode:
        shutil.rmtree(work)  # Sphinx would not repeat the warnings of pages it has already read
        found = [line for line in (done.stdout + done.stderr).splitlines() if "WARNING" in line or "ERROR" in line]
        lines = "\n".join(found[:10]) or "\n".join((done.stdout + done.stderr).splitlines()[-10:])
        raise UserError(f"book: jupyter-book failed; the previous book stays as it was\n{lines}\nAll of it: {log}")
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=".book-") as folder:
        new = Path(folder) / "new"
        shutil.copytree(work / "_build" / "html", new)
        files = Path("book", "sections", pages.FILES)
        shutil.copytree(root / files, new / files, ignore=shutil.ignore_patterns("*.png"))
        if out.exists():
            out.rename(Path(folder) / "old")
        new.rename(out)
    return out / "index.html"
