"""The brush that backgrounds are painted with: shapes in shares of the picture's side."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageChops, ImageDraw

if TYPE_CHECKING:
    from collections.abc import Sequence

Colour = tuple[int, int, int]


class Brush:
    """A square picture to draw on in shares of its side, at twice the final size for smooth edges."""

    def __init__(self, side: int, rng: np.random.Generator) -> None:
        self.side = 2 * side
        self.rng = rng
        self.image = Image.new("RGB", (self.side, self.side))
        self._bind()

    def _bind(self) -> None:
        self.draw = ImageDraw.Draw(self.image)

    def points(self, *points: tuple[float, float]) -> list[tuple[float, float]]:
        return [(x * self.side, y * self.side) for x, y in points]

    def box(self, left: float, top: float, right: float, bottom: float, colour: Colour) -> None:
        self.draw.rectangle(self.points((left, top), (right, bottom)), colour)

    def ellipse(self, x: float, y: float, wide: float, high: float, colour: Colour) -> None:
        self.draw.ellipse(self.points((x - wide, y - high), (x + wide, y + high)), colour)

    def polygon(self, colour: Colour, *points: tuple[float, float]) -> None:
        self.draw.polygon(self.points(*points), colour)

    def line(self, colour: Colour, width: float, *points: tuple[float, float]) -> None:
        self.draw.line(self.points(*points), colour, max(1, round(width * self.side)), joint="curve")

    def gradient(self, top: float, bottom: float, colours: Sequence[Colour]) -> None:
        """Fill the band from ``top`` to ``bottom`` with ``colours`` running downwards."""
        first, last = round(top * self.side), round(bottom * self.side)
        if last > first:
            stops = np.linspace(0, 1, len(colours))
            at = np.linspace(0, 1, last - first)
            column = np.stack([np.interp(at, stops, channel) for channel in np.array(colours).T], -1)
            strip = Image.fromarray(column.astype(np.uint8)[:, None])
            self.image.paste(strip.resize((self.side, last - first), Image.NEAREST), (0, first))

    def speckle(self, colour: Colour, count: int, top: float, size: float) -> None:
        """``count`` short strokes between ``top`` and the lower edge, longer towards the viewer."""
        for x, y, lean in self.rng.random((count, 3)):
            y = top + (1 - top) * y
            reach = size * (0.4 + 0.6 * y)
            self.line(colour, 0.004, (x, y), (x + (lean - 0.5) * reach, y - reach))

    def tint(self, colour: Colour) -> None:
        """Multiply everything drawn so far by ``colour``."""
        self.image = ImageChops.multiply(self.image, Image.new("RGB", self.image.size, colour))
        self._bind()


def vary(rng: np.random.Generator, colour: Colour, spread: float = 12) -> Colour:
    """``colour`` moved a little in each channel."""
    r, g, b = np.clip(np.array(colour) + rng.normal(0, spread, 3), 0, 255).astype(int).tolist()
    return r, g, b
