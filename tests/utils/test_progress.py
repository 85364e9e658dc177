"""Progress where nobody watches a bar: plain lines on standard error, marked so that the book can leave them out."""

from __future__ import annotations

import pytest

from semshare.utils.progress import MARK, Progress, printable

ROW = {"epoch": 1, "loss": 0.5, "image_f1": 0.25, "text_f1": 0.125, "i2t": 1.0, "t2i": 0.0}


def _lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    shown = capsys.readouterr()
    assert shown.out == ""  # standard output is for results
    lines = shown.err.splitlines()
    assert all(line.startswith(f"{MARK}work: ") for line in lines)
    return [line.removeprefix(f"{MARK}work: ") for line in lines]


def test_a_line_an_epoch_and_a_unit(capsys: pytest.CaptureFixture[str]) -> None:
    progress = Progress("work")
    progress.say("begins")
    with progress.epochs(total=3, done=1) as advance:
        advance(ROW)
    with progress.units(2, "run") as done:
        done("first")
        done("second")
    assert list(progress.track(iter("ab"), 2)) == ["a", "b"]
    values = "loss 0.500  image_f1 0.250  text_f1 0.125  i2t 1.000  t2i 0.000"
    expected = ["begins", f"epoch 1/3  {values}", "1/2 first", "2/2 second", "2 steps", "done"]
    assert _lines(capsys) == expected


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
    progress = Progress("work", quiet=True)
    progress.say("begins")
    with progress.epochs(1, 0) as advance:
        advance(ROW)
    with progress.units(1, "run") as done:
        done("first")
    with progress.transfer(10, 0) as arrived:
        arrived(10)
    assert list(progress.track([1], 1)) == [1] and _lines(capsys) == []


def test_what_moves_a_terminals_cursor_is_shown_as_its_escape() -> None:
    assert printable("caf\u00e9 \u732b") == "caf\u00e9 \u732b"
    assert printable("a\x1b[31m\n\r\u202eb\udce9") == r"a\x1b[31m\n\r\u202eb\udce9"
