"""Progress on long work: a bar on a terminal, plain lines with the time left elsewhere, nothing in a notebook."""

from __future__ import annotations

import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tqdm import tqdm

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

_MINUTE = 60.0  # seconds between two lines about work whose steps are short; sooner, no time left is told
MARK = "[semshare] "  # begins every plain line, so that the book can keep them out of its pages


def printable(text: str) -> str:
    """``text`` on one line; a character that moves a terminal's cursor, or cannot be seen, as its escape."""
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)


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


@dataclass(frozen=True)
class Progress:
    """Where progress of the work called ``title`` goes; ``quiet`` shows nothing."""

    title: str
    quiet: bool = False

    def say(self, line: str) -> None:
        """Print one line about the work, before or after it, on a terminal as elsewhere."""
        if not self.quiet:
            print(f"{MARK}{self.title}: {line}", file=sys.stderr, flush=True)

    @contextmanager
    def epochs(self, total: int, done: int) -> Iterator[Callable[[dict[str, float]], None]]:
        """Yield a function to call with each epoch's history row."""
        terminal, pace = sys.stderr.isatty(), _Pace(total, done)
        bar = tqdm(total=total, initial=done, desc=self.title, unit="epoch", disable=self.quiet or not terminal)

        def advance(row: dict[str, float]) -> None:
            shown = {name: f"{row[name]:.3f}" for name in ("loss", "image_f1", "text_f1", "i2t", "t2i")}
            bar.set_postfix(shown)
            bar.update()
            if not (self.quiet or terminal):
                values = "  ".join(f"{name} {value}" for name, value in shown.items())
                self.say(f"epoch {row['epoch']}/{total}  {values}{pace.left(int(row['epoch']))}")

        with bar:
            yield advance

    @contextmanager
    def units(self, total: int, unit: str) -> Iterator[Callable[[str], None]]:
        """Yield a function to call with the name of each of ``total`` pieces of work as it is done."""
        terminal, done, pace = sys.stderr.isatty(), 0, _Pace(total)
        bar = tqdm(total=total, desc=self.title, unit=unit, disable=self.quiet or not terminal)

        def advance(name: str) -> None:
            nonlocal done
            done += 1
            bar.update()
            if not (self.quiet or terminal):
                self.say(f"{done}/{total} {name}{pace.left(done)}")

        with bar:
            yield advance

    def track(self, work: Iterable, total: int) -> Iterator:
        """``work`` with a bar on a terminal; elsewhere a line at its start, one a minute, and one at its end."""
        if self.quiet or sys.stderr.isatty():
            yield from tqdm(work, total=total, desc=self.title, disable=self.quiet)
            return
        self.say(f"{total} steps")
        pace = _Pace(total)
        for done, step in enumerate(work):
            if done and pace.due():
                self.say(f"{done}/{total} steps, {100 * done // total} %{pace.left(done)}")
            yield step
        self.say("done")

    @contextmanager
    def transfer(self, total: int | None, done: int) -> Iterator[Callable[[int], None]]:
        """Yield a function to call with the size of each piece that arrived; elsewhere a line every tenth."""
        terminal = sys.stderr.isatty()
        arrived, tenth = done, 10 * done // total if total else 0
        bar = tqdm(
            total=total, initial=done, desc=self.title, unit="B", unit_scale=True, disable=self.quiet or not terminal
        )

        def advance(size: int) -> None:
            nonlocal arrived, tenth
            arrived += size
            bar.update(size)
            if total and not (self.quiet or terminal) and (now := 10 * arrived // total) > tenth:
                tenth = now
                print(f"{MARK}{self.title}: {arrived:,} of {total:,} bytes", file=sys.stderr, flush=True)

        with bar:
            yield advance
