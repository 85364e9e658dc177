"""What one searches for: what is no text, no picture or no number is named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from semshare.errors import UserError
from semshare.search.queries import check_texts, check_top, opened


@pytest.mark.parametrize("top", [0, -1, 2.5, True, "3", None, float("nan")])
def test_what_is_no_number_of_items_is_named(top: object) -> None:
    with pytest.raises(UserError, match=f"top: found {top!r}, expected a whole number from 1"):
        check_top(top)


def test_every_whole_number_from_1_is_one() -> None:
    for top in (1, 10**9, np.int64(3)):
        check_top(top)


@pytest.mark.parametrize("wrong", [["a dog"], None, b"dog", 3])
def test_what_is_no_text_is_named(wrong: object) -> None:
    check_texts(["a dog", ""])
    with pytest.raises(UserError, match=rf"texts: found {type(wrong).__name__} .*, expected texts, each by itself"):
        check_texts(["a dog", wrong])


def test_a_file_and_an_opened_picture_are_read_alike(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (20, 30), "red").save(tmp_path / "a.jpg", exif=exif)
    pictures = [opened(image, "a") for image in (str(tmp_path / "a.jpg"), Image.open(tmp_path / "a.jpg"))]
    assert [picture.size for picture in pictures] == [(30, 20)] * 2


@pytest.mark.parametrize("wrong", [None, np.zeros((3, 3, 3), np.uint8), ["a.jpg"]])
def test_what_is_no_picture_is_named(wrong: object) -> None:
    with pytest.raises(UserError, match=rf"images: found {type(wrong).__name__}, expected a path or a Pillow picture"):
        opened(wrong, "picture")


def test_an_opened_picture_that_ends_early_is_named(tmp_path: Path) -> None:
    Image.effect_noise((200, 200), 90).save(tmp_path / "a.jpg")
    (tmp_path / "a.jpg").write_bytes((tmp_path / "a.jpg").read_bytes()[:9000])
    with pytest.raises(UserError, match="mine: cannot read this picture: image file is truncated"):
        opened(Image.open(tmp_path / "a.jpg"), "mine")
