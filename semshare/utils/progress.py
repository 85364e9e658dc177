"""Progress on long work: a bar on a terminal, plain lines elsewhere, nothing that ends up in a notebook."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tqdm import tqdm

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

MARK = "[semshare] "  # begins every plain line, so that the book can keep them out of its pages


def printable(text: str) -> str:
    """``text`` on one line; a character that moves a terminal's cursor, or cannot be seen, as its escape."""
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)


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
        terminal = sys.stderr.isatty()
        bar = tqdm(total=total, initial=done, desc=self.title, unit="epoch", disable=self.quiet or not terminal)

        def advance(row: dict[str, float]) -> None:
            shown = {name: f"{row[name]:.3f}" for name in ("loss", "image_f1", "text_f1", "i2t", "t2i")}
            bar.set_postfix(shown)
            bar.update()
            if not (self.quiet or terminal):
                values = "  ".join(f"{name} {value}" for name, value in shown.items())
                print(f"{MARK}{self.title}: epoch {row['epoch']}/{total}  {values}", file=sys.stderr, flush=True)

        with bar:
            yield advance

    @contextmanager
    def units(self, total: int, unit: str) -> Iterator[Callable[[str], None]]:
        """Yield a function to call with the name of each of ``total`` pieces of work as it is done."""
        terminal, done = sys.stderr.isatty(), 0
        bar = tqdm(total=total, desc=self.title, unit=unit, disable=self.quiet or not terminal)

        def advance(name: str) -> None:
            nonlocal done
            done += 1
            bar.update()
            if not (self.quiet or terminal):
                print(f"{MARK}{self.title}: {done}/{total} {name}", file=sys.stderr, flush=True)

        with bar:
            yield advance

    def track(self, work: Iterable, total: int) -> Iterator:
        """``work`` with a bar on a terminal, and a line at its start and end elsewhere."""
        terminal = sys.stderr.isatty()
        if not (self.quiet or terminal):
            print(f"{MARK}{self.title}: {total} steps", file=sys.stderr, flush=True)
        yield from tqdm(work, total=total, desc=self.title, disable=self.quiet or not terminal)
        if not (self.quiet or terminal):
            print(f"{MARK}{self.title}: done", file=sys.stderr, flush=True)

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
