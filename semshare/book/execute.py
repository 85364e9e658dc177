"""A notebook executed for the book: through papermill, and only where what it depends on has changed."""

from __future__ import annotations

import hashlib
import json
import logging
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nbformat
import papermill
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager
from papermill.exceptions import PapermillExecutionError

from semshare.book import postprocess, status
from semshare.book.explorer import DATA_FOLDER, FILES
from semshare.book.provenance import DATA, minutes
from semshare.book.tools import OWN_KERNEL
from semshare.data.files import files_below
from semshare.data.pictures import stamp
from semshare.errors import UserError
from semshare.runs.keys import TABLES, library_versions
from semshare.utils.checkout import commit, find_root
from semshare.utils.devices import describe_device, find_device
from semshare.utils.files import write_text
from semshare.utils.progress import MARK, PLAIN
from semshare.utils.source import Code, installed

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_MAKES_PAGES = "import semshare.book.postprocess\n"  # what every executed notebook passes through


class OwnKernel(AsyncKernelManager):
    """Starts a kernel of the interpreter that runs this, whatever kernelspecs of that name lie about."""

    @property
    def kernel_spec(self) -> KernelSpec:
        """What starts a kernel here."""
        argv = [*OWN_KERNEL, "-f", "{connection_file}"]
        return KernelSpec(argv=argv, display_name="Python 3", language="python", env={PLAIN: "1"})


@dataclass(frozen=True)
class Page:
    """A notebook that is to be executed.

    Attributes:
        notebook: the file.
        sections: where the executed notebook goes, once it ran without an error.
        handed: its parameters.
        digest: what it depends on (:func:`digest_of`).
        title: what the terminal calls it.
        root: the checkout.
    """

    notebook: Path
    sections: Path
    handed: dict[str, Any]
    digest: str
    title: str
    root: Path

    def is_current(self) -> bool:
        """Whether it was executed before and nothing that it depends on has changed."""
        target = self.sections / self.notebook.name
        same = target.exists() and postprocess.record(target).get("digest") == self.digest
        return same and _has_files(self.root, target)


def execute(page: Page) -> None:
    """Execute ``page`` into its folder.

    Raises:
        UserError: a cell failed, or the kernel died.
    """
    notebook, sections, handed, title, root = page.notebook, page.sections, page.handed, page.title, page.root
    on = f" on {', '.join(handed['datasets'])}" if "datasets" in handed else ""
    at = f"at scale {handed['scale']}, preset {handed['preset']}" if "scale" in handed else "on recorded results"
    print(f"{title}: running {at}{on}", flush=True)
    start, made_at = time.perf_counter(), commit()
    working = root / "_build" / "executed" / notebook.name
    working.parent.mkdir(parents=True, exist_ok=True)
    try:
        with _progress_on_terminal(notebook.stem):
            executed = papermill.execute_notebook(
                str(notebook), str(working), handed, kernel_name="python3", cwd=str(notebook.parent),
                progress_bar=False, log_output=True, request_save_on_cell_execute=False,
                kernel_manager_class=OwnKernel,
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
    postprocess.scrub(executed, seconds)
    postprocess.fill_drawers(executed, notebook.stem, sections / postprocess.FILES)
    postprocess.caption_figures(executed, notebook.name)  # last, so that a caption stands above its drawer
    made_from = {
        "digest": page.digest,
        "scale": handed.get("scale", "recorded"),
        "preset": handed.get("preset", ""),
        "seconds": round(seconds, 1),
        "made": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        "commit": made_at,
        "device": describe_device(find_device(handed.get("device", "auto"))),
        "machine": status.machine(),
        "versions": status.versions(),
        "data": postprocess.told(executed, DATA),
        "files": postprocess.told(executed, FILES),
    }
    postprocess.set_record(executed, made_from)
    write_text(sections / notebook.name, nbformat.writes(executed))
    working.unlink(missing_ok=True)
    print(f"{title}: done in {minutes(seconds)}", flush=True)


def _has_files(root: Path, executed: Path) -> bool:
    """Whether all data files of an executed notebook are there."""
    return all((root / DATA_FOLDER / name).is_file() for name in postprocess.record(executed).get("files", []))


def digest_of(notebook: Path, handed: dict[str, Any], data: dict[str, list[str]]) -> str:
    """What an executed notebook depends on: its text, parameters, data, the code that it imports, files at ``root``."""
    depends = [handed, data, sys.version, library_versions(), code_parts(notebook)]
    if handed.get("root"):
        depends.append(_state(notebook.parent / Path(handed["root"]).expanduser()))
    digest = hashlib.sha256(notebook.read_bytes() + json.dumps(depends, sort_keys=True).encode())
    if "recordings.load" in notebook.read_text(encoding="utf-8"):
        for path in sorted((find_root() / "book" / "recorded").iterdir()):
            digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _state(root: Path) -> list[tuple[str, str]]:
    """The stamp of each file of a collection by its name; of one given as a file, of all that lies beside it."""
    if not root.exists():
        return []  # the page says so
    folder = root if root.is_dir() else root.parent
    return [(str(path.relative_to(folder)), stamp(path)) for path in files_below(folder)]


def code_parts(notebook: Path, code: Code | None = None) -> dict[str, str]:
    """The digests of the modules that a notebook's cells import, followed through their own imports."""
    cells = [cell.source for cell in nbformat.read(notebook, as_version=4).cells if cell.cell_type == "code"]
    lines = (line for source in cells for line in source.splitlines() if not line.startswith(("%", "!")))
    return (code or installed(shows=True)).followed(_MAKES_PAGES + "\n".join(lines), tables=TABLES)


@contextmanager
def _progress_on_terminal(page: str) -> Iterator[None]:
    """Show the library's progress lines, which papermill logs as they come, on the terminal, after the page's name."""

    class Lines(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            for line in record.getMessage().splitlines():
                if line.startswith(MARK):
                    print(f"    {page}: {line.removeprefix(MARK)}", flush=True)

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
    plain = "".join(part.split("m", 1)[-1] if number else part for number, part in enumerate(text.split("\x1b[")))
    return "\n".join(plain.splitlines()[-12:])
