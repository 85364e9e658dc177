"""What one searches for and among, checked before the model reads it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from semshare.checks import whole_number
from semshare.data.pictures import as_rgb, open_picture
from semshare.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Sequence


def check_top(top: object) -> None:
    """Raise :class:`UserError` where ``top``, how many to find, is no whole number from 1."""
    try:
        whole_number("top", top)
    except ValueError as error:
        raise UserError(str(error)) from None


def check_texts(texts: Sequence[object]) -> None:
    """Raise :class:`UserError` where something among ``texts`` is none, a list of them for example."""
    for text in texts:
        if not isinstance(text, str):
            raise UserError(f"texts: found {type(text).__name__} {repr(text)[:60]}, expected texts, each by itself")


def opened(image: object, name: str) -> Image.Image:
    """A picture that was opened, or the one in a file; raises :class:`UserError` where it cannot be read or is none."""
    if isinstance(image, str | Path):
        return open_picture(Path(image))
    if not isinstance(image, Image.Image):
        raise UserError(f"images: found {type(image).__name__}, expected a path or a Pillow picture")
    try:
        return as_rgb(image)
    except Exception as error:  # whatever the decoder of a picture raises that was opened and is read only now
        raise UserError(f"{name}: cannot read this picture: {error}") from None
