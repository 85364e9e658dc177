"""Decoding ahead: what is read and what is not comes batch by batch, and few batches wait."""

from __future__ import annotations

from PIL import Image

from semshare.data.decode import decoded
from semshare.errors import UserError


def _picture(id: str) -> Image.Image:
    if id == "bad":
        raise UserError("bad: no picture")
    if id == "mute":
        raise OSError
    return Image.new("RGB", (len(id), 1))


def test_each_batch_comes_in_order_with_reasons_for_what_is_unreadable() -> None:
    batches = [["a", "bad"], ["mute"], ["bbb", "cc"], ["dddd"], ["eeeee"]]
    read = list(decoded(batches, _picture, workers=2))
    assert [{id: picture.width for id, picture in pictures.items()} for pictures, _ in read] == [
        {"a": 1}, {}, {"bbb": 3, "cc": 2}, {"dddd": 4}, {"eeeee": 5},
    ]  # fmt: skip
    assert [reasons for _, reasons in read] == [{"bad": "bad: no picture"}, {"mute": "OSError"}, {}, {}, {}]


def test_no_more_than_three_batches_are_opened_before_the_first_is_taken() -> None:
    opened: list[str] = []

    def picture(id: str) -> Image.Image:
        opened.append(id)
        return _picture(id)

    reading = decoded([[str(number)] for number in range(10)], picture, workers=1)
    next(reading)
    reading.close()
    assert set(opened) <= {"0", "1", "2"} and "0" in opened
