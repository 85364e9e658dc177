"""The book: notebooks through papermill into ``book/sections``, then jupyter-book into HTML.

Incremental: a notebook runs again only when its text, its parameters or the library changed. The previous HTML
stays until the new one is complete; ``book/sections`` holds each notebook as it last ran without an error.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import tempfile
import warnings
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import papermill
from filelock import Timeout
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from semshare.book import front, postprocess, queue, status, tools
from semshare.book.execute import Page, digest_of
from semshare.book.explorer import DATA_FOLDER
from semshare.book.parameters import Given
from semshare.data import catalogue
from semshare.data.dataset import items_checksum
from semshare.data.files import digest
from semshare.data.pictures import stamp
from semshare.errors import UserError
from semshare.paper.plans import has_supercategories
from semshare.utils.checkout import find_root
from semshare.utils.devices import find_device
from semshare.utils.files import DamagedError, read_json, write_json, write_text
from semshare.utils.home import lock, settle

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_NOT_YET = "has not been executed yet: `semshare book` makes it"
_LIST = ".semshare-book"  # in a book's folder, the names of all that belongs there


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
        out: the folder that receives the HTML; ``_build/html`` by default. A book with a folder is built from a copy
            of its own under ``_build/books``: pages of other books, executed for other data, stay out of it.
        device: the parameter every notebook gets; ``auto`` takes CUDA when present.
        root: the checkout; found from the working folder by default.
        datasets: what the notebooks work on, see :func:`parameters`; by default what each of them says itself.
        preset: the parameter every notebook gets.
        given: parameters from a file (:func:`semshare.book.parameters.read`), which go before the others. A book with a
            name is built from a copy of its own, ``_build/books/NAME``, and into ``out/NAME`` where ``out`` is given.

    Returns:
        The book's first page.

    Raises:
        UserError: no checkout here, an unknown dataset or notebook, a folder ``out`` that holds something other
            than a book, a cell that failed, or a page that does not build.
    """
    settle()
    tools.check()
    made_from, given = root or find_root(), given or Given()
    root = made_from
    if given.name:
        root, out = made_from / "_build" / "books" / given.name, out / given.name if out else None
    elif out is not None:  # of its own executed notebooks: no page of another book strays into it
        folder_name = hashlib.sha256(str(out.resolve()).encode()).hexdigest()[:8]
        root = made_from / "_build" / "books" / f"{out.resolve().name}-{folder_name}"
    usual = {"scale": scale, "device": device, "datasets": datasets, "preset": preset} | given.everywhere
    scale, device, datasets, preset = (usual.pop(name) for name in ("scale", "device", "datasets", "preset"))
    find_device(device)
    if out is not None:
        _check_out(out)
    with _alone(root):
        if root != made_from:
            _copy(made_from, root)
        notebooks = sorted((root / "notebooks").glob("[0-9]*.ipynb"))
        handed = {}
        for notebook in _choose(notebooks, only):
            own = given.own.get(notebook.stem, {})
            settings = parameters(notebook, scale, device, () if "datasets" in own else datasets, preset)
            handed[notebook] = None if settings is None else settings | usual | own
        data = _contents([*datasets, *(name for own in given.own.values() for name in own.get("datasets", ()))])
        return _build(
            root, notebooks, handed, data, datasets, fresh, (out or root / "_build" / "html").resolve(), device
        )


@contextmanager
def _alone(root: Path) -> Iterator[None]:
    """No other build of the checkout ``root`` inside; raises :class:`UserError` where one is under way."""
    with ExitStack() as stack:
        try:
            stack.enter_context(lock(root / "_build", timeout=0))
        except Timeout:
            raise UserError(f"book: another build of {root} is under way; wait for it to end") from None
        yield


def _build(
    root: Path,
    notebooks: Sequence[Path],
    handed: Mapping[Path, dict[str, Any] | None],
    data: dict[str, list[str]],
    datasets: Sequence[str],
    fresh: bool,
    out: Path,
    device: str,
) -> Path:
    """Execute those of ``notebooks`` that are ``handed`` parameters, then build the HTML; gives its first page."""
    sections = root / "book" / "sections"
    (sections / postprocess.FILES).mkdir(parents=True, exist_ok=True)
    chosen, left_out, pages = list(handed), {}, []
    for number, notebook in enumerate(chosen, start=1):
        title = f"[{number}/{len(chosen)}] {notebook.stem}"
        if handed[notebook] is None:
            left_out[notebook] = f"none of {', '.join(datasets)} has super-categories"
            (sections / notebook.name).unlink(missing_ok=True)
            print(f"{title}: skipped, {left_out[notebook]}", flush=True)
        else:
            given = _declared(notebook, handed[notebook])
            page = Page(notebook, sections, given, digest_of(notebook, given, data), title, root)
            if not fresh and page.is_current():
                print(f"{title}: up to date", flush=True)
            else:
                pages.append(page)
    queue.train_for(pages, device)
    queue.execute_all(pages)
    for notebook in notebooks:
        placeholder = sections / f"{notebook.stem}.md"
        if (sections / notebook.name).exists():
            placeholder.unlink(missing_ok=True)
        else:
            why = f"was left out: {left_out[notebook]}" if notebook in left_out else _NOT_YET
            write_text(placeholder, f"# {notebook.stem}\n\nThis section {why}.\n")
        postprocess.write_thumbnail(sections / notebook.name, sections / postprocess.FILES / f"{notebook.stem}.png")
    executed = [sections / notebook.name for notebook in notebooks]
    write_text(sections / "status.md", status.page(executed))
    _keep_files(root, executed)
    there = [path for path in executed if path.exists()]
    write_text(sections / "front.html", front.verdicts(there))
    write_text(sections / "about_data.txt", front.data_box(there, root / "book" / "_front"))
    return _html(root, out)


def _check_out(out: Path) -> None:
    """Raise :class:`UserError` where ``out`` holds anything that no earlier build has put there."""
    names = {path.name for path in out.iterdir()} if out.is_dir() else set()
    if not out.exists() or (out.is_dir() and not names):
        return
    try:
        others = names - set(read_json(out / _LIST))
    except (DamagedError, TypeError):
        raise UserError(f"out: {out} exists and holds no book; choose an empty or a new folder") from None
    if others:
        raise UserError(f"out: {out} holds {min(others)!r}, no part of a book; choose an empty or a new folder")


class Takes(BaseModel):
    """Which of the datasets that a book is asked for a notebook takes: ``takes_datasets`` of its metadata.

    Attributes:
        supercategories: only those whose labels have super-categories.
        most: how many at most, the first ones.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    supercategories: bool = False
    most: Annotated[int, Field(ge=1)] | None = None


def takes(notebook: Path) -> Takes:
    """What ``notebook`` says in its metadata; it takes all where it says nothing.

    Raises:
        UserError: a field that means nothing, or a value of the wrong type.
    """
    given = json.loads(notebook.read_text(encoding="utf-8"))["metadata"].get("takes_datasets", {})
    try:
        return Takes.model_validate(given)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, ("takes_datasets", *first["loc"])))
        raise UserError(f"{notebook.name}: metadata {field}: found {first['input']!r}: {first['msg']}") from None


def parameters(
    notebook: Path, scale: str, device: str = "auto", datasets: Sequence[str] = (), preset: str = "paper"
) -> dict[str, Any] | None:
    """What ``notebook`` is handed: of ``datasets`` those that it :func:`takes`; without any it keeps its own.

    Returns:
        The parameters, or None where a notebook finds none of the datasets of use.

    Raises:
        UserError: an unknown dataset, or metadata that is wrong.
    """
    handed = {"scale": scale, "preset": preset, "device": device}
    if not datasets:
        return handed
    own, known = takes(notebook), [name for name in dict.fromkeys(datasets) if catalogue.entry(name)]
    chosen = [name for name in known if not own.supercategories or has_supercategories(name)][: own.most]
    return handed | {"datasets": chosen} if chosen else None


def _declared(notebook: Path, handed: dict[str, Any]) -> dict[str, Any]:
    """Those of the parameters that the notebook has: a page of recorded results has few."""
    known = _known(notebook)
    if not known:
        raise UserError(
            f"{notebook.name}: no cell has the tag 'parameters', so nothing could be asked of it; give the tag to the "
            "cell with the defaults"
        )
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


def _copy(root: Path, copy: Path) -> None:
    """Copy what books are made from, from ``root`` to ``copy``; what has been executed there stays."""
    kept = {"sections", "_build"}
    for folder in ("book", "notebooks"):
        (copy / folder).mkdir(parents=True, exist_ok=True)
        for old in (copy / folder).iterdir():
            if old.name not in kept:
                shutil.rmtree(old) if old.is_dir() else old.unlink()
        shutil.copytree(root / folder, copy / folder, ignore=shutil.ignore_patterns(*kept), dirs_exist_ok=True)
    for file in ("_config.yml", "_toc.yml"):
        shutil.copy2(root / file, copy / file)


def _choose(notebooks: Sequence[Path], only: Sequence[str]) -> list[Path]:
    for number in only:
        if not any(notebook.stem.split("_")[0] == number for notebook in notebooks):
            known = ", ".join(notebook.stem for notebook in notebooks)
            raise UserError(f"only: no notebook {number!r}, expected the number of one of {known}")
    return [notebook for notebook in notebooks if not only or notebook.stem.split("_")[0] in only]


def _contents(datasets: Sequence[str]) -> dict[str, list[str]]:
    """What decides a page about ``datasets`` that are not generated: their items, pictures, regions and tokens.

    Raises:
        UserError: a dataset that is not there, or cannot be read.
    """
    contents = {}
    for name in dict.fromkeys(catalogue.trained_as(name) for name in datasets):
        entry = catalogue.entry(name)
        if entry.folders:
            source = entry.open("full", None, 0)
            items = items_checksum(source.items(), source.label_names)
            pictures = digest("\n".join(f"{id} {stamp(path)}" for id, path in source.files.items()))
            contents[name] = [
                items,
                source.pool,
                pictures,
                catalogue.regions_of(name),
                catalogue.tokens_of(name).digest,
            ]
    return contents


def _keep_files(root: Path, executed: Sequence[Path]) -> None:
    """Keep the data files that pages load and no others, also among those of the last book, which Sphinx adds to."""
    kept = {name for path in executed if path.exists() for name in postprocess.record(path).get("files", [])}
    (root / DATA_FOLDER).mkdir(parents=True, exist_ok=True)
    built = root / "_build" / "work" / "_build" / "html" / "_static" / DATA_FOLDER.name
    for path in [*(root / DATA_FOLDER).iterdir(), *(built.iterdir() if built.is_dir() else ())]:
        if path.name not in kept:
            path.unlink()


def _html(root: Path, out: Path) -> Path:
    """jupyter-book into a working folder; only a book without a warning takes the place of the previous one."""
    work, unfinished = root / "_build" / "work", root / "_build" / "unfinished"
    if unfinished.exists() and work.exists():
        shutil.rmtree(work)  # Sphinx would take a page that a killed build cut short for a finished one
    work.mkdir(parents=True, exist_ok=True)
    unfinished.touch()
    print("jupyter-book: building", flush=True)
    command = [
        str(tools.jupyter_book()),
        "build",
        str(root),
        "--path-output",
        str(work),
        "-W",
        "-n",
        "--keep-going",
        "-q",
    ]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", errors="replace", cwd=root)
    log = root / "_build" / "jupyter-book.log"
    log.write_text(done.stdout + done.stderr, encoding="utf-8")
    if done.returncode:
        shutil.rmtree(work)  # Sphinx would not repeat the warnings of pages it has already read
        complaints = [line for line in (done.stdout + done.stderr).splitlines() if "WARNING" in line or "ERROR" in line]
        lines = "\n".join(complaints[:10]) or "\n".join((done.stdout + done.stderr).splitlines()[-10:])
        raise UserError(f"book: jupyter-book failed; the previous book stays as it was\n{lines}\nAll of it: {log}")
    unfinished.unlink()
    out.parent.mkdir(parents=True, exist_ok=True)
    copy = f".{out.name}.semshare-"
    for left in out.parent.glob(f"{copy}*"):  # by a killed build
        shutil.rmtree(left)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=copy) as folder:
        new = Path(folder) / "new"
        shutil.copytree(work / "_build" / "html", new)
        files = Path("book", "sections", postprocess.FILES)
        shutil.copytree(root / files, new / files, ignore=shutil.ignore_patterns("*.png"))
        write_json(new / _LIST, sorted([_LIST, *(path.name for path in new.iterdir())]))
        old = Path(folder) / "old"
        try:
            if out.exists():
                out.rename(old)
            new.rename(out)
        except BaseException:
            if old.exists() and not out.exists():
                old.rename(out)
            raise
    return out / "index.html"
