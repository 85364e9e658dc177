"""Progress where nobody watches a bar: plain lines on standard error, marked so that the book can leave them out."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from semshare.utils import progress
from semshare.utils.progress import MARK, Progress, printable

ROW = {"epoch": 1, "loss": 0.5, "image_f1": 0.25, "text_f1": 0.125, "i2t": 1.0, "t2i": 0.0}


def _lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    shown = capsys.readouterr()
    assert shown.out == ""  # standard output is for results
    lines = shown.err.splitlines()
    assert all(line.startswith(f"{MARK}work: ") for line in lines)
    return [line.removeprefix(f"{MARK}work: ") for line in lines]


def test_a_line_an_epoch_and_a_unit(capsys: pytest.CaptureFixture[str]) -> None:
    work = Progress("work")
    work.say("begins")
    with work.epochs(total=3, done=1) as advance:
        advance(ROW)
    with work.units(2, "run") as done:
        done("first")
        done("second")
    assert list(work.track(iter("ab"), 2)) == ["a", "b"]
    values = "loss 0.500  image_f1 0.250  text_f1 0.125  i2t 1.000  t2i 0.000"
    expected = ["begins", f"epoch 1/3  {values}", "1/2 first", "2/2 second", "2 steps", "done"]
    assert _lines(capsys) == expected


class _Clock:
    """A clock that a test moves on."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> _Clock:
    found = _Clock()
    monkeypatch.setattr(progress, "time", found)
    return found


def test_long_work_says_once_a_minute_how_far_it_is_and_what_is_left(
    clock: _Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    def work() -> Iterator[int]:
        for step in range(500):  # 25 s each: the third is the first after a minute
            yield step
            clock.now += 25

    assert list(Progress("work").track(work(), 500)) == list(range(500))
    lines = _lines(capsys)
    assert lines[:3] == ["500 steps", "3/500 steps, 0 %, 3 h 27 min left", lines[2]]
    assert lines[2] == "6/500 steps, 1 %, 3 h 26 min left"  # 494 x 25 s
    assert lines[-2:] == ["498/500 steps, 99 %, 50 s left", "done"]
    assert len(lines) == 1 + 166 + 1


def test_runs_and_epochs_tell_what_is_left_from_the_first_minute_on(
    clock: _Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    with Progress("work").units(4, "run") as advance:
        for seconds in (50, 70, 120, 1):
            clock.now += seconds
            advance("a")
    with Progress("work").epochs(total=10, done=4) as advance:  # goes on after the fourth: six in this sitting
        for epoch in (5, 6):
            clock.now += 90
            advance(ROW | {"epoch": epoch})
    lines = _lines(capsys)
    assert lines[:4] == ["1/4 a", "2/4 a, 2 min left", "3/4 a, 1 min left", "4/4 a"]
    assert [line.rpartition(", ")[2] for line in lines[4:]] == ["8 min left", "6 min left"]


def test_a_transfer_says_each_tenth_once_from_where_it_goes_on(capsys: pytest.CaptureFixture[str]) -> None:
    with Progress("work").transfer(total=1000, done=350) as advance:
        for size in (40, 20, 10, 300, 280):
            advance(size)
    assert _lines(capsys) == [f"{size} of 1,000 bytes" for size in ("410", "720", "1,000")]


def test_a_transfer_of_unknown_size_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with Progress("work").transfer(total=None, done=0) as advance:
        advance(10_000)
    assert _lines(capsys) == []


def test_quiet_work_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    work = Progress("work", quiet=True)
    work.say("begins")
    with work.epochs(1, 0) as advance:
        advance(ROW)
    with work.units(1, "run") as done:
        done("first")
    with work.transfer(10, 0) as arrived:
        arrived(10)
    assert list(work.track([1], 1)) == [1] and _lines(capsys) == []


def test_what_moves_a_terminals_cursor_is_shown_as_its_escape() -> None:
    assert printable("caf\u00e9 \u732b") == "caf\u00e9 \u732b"
    assert printable("a\x1b[31m\n\r\u202eb\udce9") == r"a\x1b[31m\n\r\u202eb\udce9"
