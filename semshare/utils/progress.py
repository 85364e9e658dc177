"""Progress on long work: a bar on a terminal, in a notebook one line that is gone afterwards, plain lines elsewhere."""

from __future__ import annotations

import os
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from html import escape
from typing import TYPE_CHECKING

from tqdm import tqdm

from semshare.utils.counts import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

_MINUTE = 60.0  # seconds between two lines about work whose steps are short; sooner, no time left is told
MARK = "[semshare] "  # begins every plain line, so that the book can keep them out of its pages
PLAIN = "SEMSHARE_PLAIN_PROGRESS"  # where the environment has it, a notebook's kernel prints plain lines too
_OFTEN = 0.1  # seconds between two states of a notebook's line


def printable(text: str) -> str:
    """``text`` on one line; a character that moves a terminal's cursor, or cannot be seen, as its escape."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


class _Pace:
    """How long work will take: the time of what was done so far, for each of the steps that are left."""

    def __init__(self, total: int, done: int = 0) -> None:
        self._total, self._before, self._start = total, done, time.monotonic()
        self._told = self._start

    def left(self, done: int) -> str:
        """``, 12 min left`` once the work has taken a minute; before that nothing, nor where nothing is left."""
        spent = time.monotonic() - self._start
        if spent < _MINUTE or not self._before < done < self._total:
            return ""
        return f", {_duration(spent / (done - self._before) * (self._total - done))} left"

    def due(self) -> bool:
        """Whether the last line is a minute old; if so the next one counts from now."""
        now = time.monotonic()
        if now - self._told < _MINUTE:
            return False
        self._told = now
        return True


def _duration(seconds: float) -> str:
    """In words: ``40 s``, ``12 min``, ``3 h 05 min``."""
    if seconds < _MINUTE:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


def in_notebook() -> bool:
    """Whether standard error goes to a notebook, which shows more than lines."""
    return type(sys.stderr).__module__.startswith("ipykernel.") and PLAIN not in os.environ


def tell(line: str, stays: bool = False) -> None:
    """Print one line; in a notebook it is shown where progress is, until the cell ends, unless it ``stays``."""
    if in_notebook() and not stays:
        _cell_line().show(line)
    else:
        print(f"{MARK}{line}", file=sys.stderr, flush=True)


class _CellLine:
    """The line of progress of a notebook's cell: one output that is written over, and empty once the work is done.

    All work in a cell shares it. It is emptied, too, when the cell ends in whatever way: nobody tells an interrupted
    generator that it will not be asked again.
    """

    def __init__(self) -> None:
        from IPython import get_ipython
        from IPython.display import display

        self._display, self._events = partial(display, raw=True), get_ipython().events
        self._id, self._begun, self._full, self._shown = f"semshare-{time.monotonic_ns()}", False, False, 0.0
        self.open = 0  # pieces of work that are under way
        self._events.register("post_run_cell", self.end)

    def show(self, text: str, done: int = 0, total: int = 0) -> None:
        """Write ``text`` over what was there, unless that was only just written; with a bar, where there is a total."""
        now = time.monotonic()
        if self._full and total and now - self._shown < _OFTEN:
            return
        bar = f'<progress value="{done}" max="{total}"></progress> ' if total else ""
        self._write({"text/plain": printable(text), "text/html": f"{bar}<code>{escape(printable(text))}</code>"})
        self._full, self._shown = True, now

    def clear(self) -> None:
        """Empty the line."""
        if self._full:
            self._write({})
            self._full = False

    def end(self, *_: object) -> None:
        """Empty the line, and forget it: the next cell has its own."""
        global _line
        self.clear()
        self._events.unregister("post_run_cell", self.end)
        _line = None

    def _write(self, data: dict[str, str]) -> None:
        self._display(data, display_id=self._id, update=self._begun)
        self._begun = True


_line: _CellLine | None = None


def _cell_line() -> _CellLine:
    global _line
    _line = _line or _CellLine()
    return _line


@dataclass(frozen=True)
class Progress:
    """Where progress of the work called ``title`` goes; ``quiet`` shows nothing."""

    title: str
    quiet: bool = False

    def say(self, line: str, stays: bool = False) -> None:
        """Tell one line about the work, before or after it, on a terminal as elsewhere (:func:`tell`)."""
        if not self.quiet:
            tell(f"{self.title}: {line}", stays)

    @contextmanager
    def epochs(self, total: int, done: int) -> Iterator[Callable[[dict[str, float]], None]]:
        """Yield a function to call with each epoch's history row."""
        pace = _Pace(total, done)
        with self._work(total, "epoch", done) as bar:

            def advance(row: dict[str, float]) -> None:
                shown = {name: f"{row[name]:.3f}" for name in ("loss", "image_f1", "text_f1", "i2t", "t2i")}
                bar.set_postfix(shown)
                bar.update()
                values = "  ".join(f"{name} {value}" for name, value in shown.items())
                epoch = int(row["epoch"])
                self._step(f"epoch {row['epoch']}/{total}  {values}{pace.left(epoch)}", epoch, total)

            yield advance

    @contextmanager
    def units(self, total: int, unit: str) -> Iterator[Callable[[str], None]]:
        """Yield a function to call with the name of each of ``total`` pieces of work as it is done."""
        done, pace = 0, _Pace(total)
        with self._work(total, unit) as bar:

            def advance(name: str) -> None:
                nonlocal done
                done += 1
                bar.update()
                self._step(f"{done}/{total} {name}{pace.left(done)}", done, total)

            yield advance

    def track(self, work: Iterable, total: int) -> Iterator:
        """``work`` with a bar on a terminal; elsewhere a line at its start, one a minute, and one at its end."""
        if self.quiet or sys.stderr.isatty():
            yield from tqdm(work, total=total, desc=self.title, disable=self.quiet)
            return
        pace, plain = _Pace(total), not in_notebook()
        with self._work(total, "step"):
            if plain:
                self.say(counted(total, "step"))
            for done, step in enumerate(work):
                if not plain or (done and pace.due()):
                    share = f", {100 * done // total} %{pace.left(done)}"
                    self._step(f"{done}/{total} steps{share}", done, total)
                yield step
            if plain:
                self.say("done")

    @contextmanager
    def transfer(self, total: int | None, done: int) -> Iterator[Callable[[int], None]]:
        """Yield a function to call with the size of each piece that arrived; elsewhere a line every tenth."""
        arrived, tenth = done, 10 * done // total if total else 0
        with self._work(total, "B", done, unit_scale=True) as bar:

            def advance(size: int) -> None:
                nonlocal arrived, tenth
                arrived += size
                bar.update(size)
                now = 10 * arrived // total if total else 0
                if total and (now > tenth or in_notebook()):
                    tenth = now
                    self._step(f"{arrived:,} of {total:,} bytes", arrived, total)

            yield advance

    @contextmanager
    def _work(self, total: int | None, unit: str, done: int = 0, **shown: bool) -> Iterator[tqdm]:
        """A bar, which is silent where there is no terminal; a notebook's line is emptied after the outermost work."""
        silent = self.quiet or not sys.stderr.isatty()
        line = _cell_line() if not self.quiet and in_notebook() else None
        if line:
            line.open += 1
        try:
            with tqdm(total=total, initial=done, desc=self.title, unit=unit, disable=silent, **shown) as bar:
                yield bar
        finally:
            if line:
                line.open -= 1
                if line.open <= 0:
                    line.clear()

    def _step(self, text: str, done: int, total: int) -> None:
        """Tell a step where no bar does."""
        if self.quiet or sys.stderr.isatty():
            return
        if in_notebook():
            _cell_line().show(f"{self.title}: {text}", done, total)
        else:
            self.say(text)
