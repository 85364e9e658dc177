"""Backgrounds: the sky or the wall of a scene, and the ground, water, floor or table that things stand on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageFilter

from semshare.data.scenes.brush import Brush, Colour, vary
from semshare.data.scenes.layout import SURFACE_TOP, Scene

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_SKIES: dict[str, Sequence[Colour]] = {
    "day": ((70, 150, 225), (205, 232, 250)),
    "cloudy": ((92, 150, 205), (214, 226, 236)),
    "sunset": ((96, 62, 130), (240, 120, 80), (255, 205, 110)),
    "night": ((10, 14, 45), (48, 58, 112)),
}
_WALLS: Sequence[Colour] = (
    (236, 222, 196), (206, 222, 228), (222, 208, 226), (214, 228, 204), (240, 214, 202), (226, 226, 220),
)  # fmt: skip
_CLOTHS: Sequence[Colour] = ((200, 60, 60), (70, 110, 180), (80, 150, 90), (220, 160, 60))


def paint_background(scene: Scene, brush: Brush) -> None:
    """The picture without its things; the table or counter in front follows in :func:`paint_surface`."""
    horizon = scene.horizon
    if scene.place.indoors:
        _wall(scene, brush)
    elif scene.sky:
        _sky(scene, brush)
    elif horizon:
        brush.box(0, 0, 1, horizon, vary(brush.rng, (170, 160, 150)))
    if not scene.place.indoors and horizon:
        (_houses if scene.buildings else _hills)(scene, brush)
    if scene.place.ground in _GROUNDS:
        _GROUNDS[scene.place.ground](brush, horizon)
    if not scene.place.indoors:
        if scene.time == "night":
            brush.tint((120, 125, 175))
        elif scene.time == "sunset":
            brush.tint((255, 222, 196))


def paint_surface(scene: Scene, brush: Brush) -> None:
    """The table, desk or counter that hides the feet of what stands behind it."""
    top, rng = SURFACE_TOP, brush.rng
    if scene.place.ground == "table":
        cloth = vary(rng, _CLOTHS[rng.integers(len(_CLOTHS))])
        brush.box(0, top, 1, 1, (246, 242, 232))
        for step in np.arange(0, 1, 0.125):
            brush.polygon(cloth, (step, top), (step + 0.06, top), (1.3 * step - 0.07, 1), (1.3 * step - 0.15, 1))
        for step in (0.0, 0.1, 0.22):
            brush.box(0, top + step, 1, top + step + 0.04, cloth)
    else:
        wood = vary(rng, (196, 150, 98) if scene.place.ground == "desk" else (205, 205, 200))
        brush.gradient(top, 1, (wood, vary(rng, wood, 4)))
        for y in np.linspace(top + 0.05, 0.98, 7):
            wave = 0.01 * rng.standard_normal(6)
            dark = vary(rng, tuple(int(0.88 * part) for part in wood), 3)
            brush.line(dark, 0.004, *[(x, y + dy) for x, dy in zip(np.linspace(0, 1, 6), wave, strict=True)])
    brush.box(0, top - 0.012, 1, top + 0.006, (70, 55, 45))


def _wall(scene: Scene, brush: Brush) -> None:
    rng = brush.rng
    colour = vary(rng, _WALLS[rng.integers(len(_WALLS))])
    if scene.place.ground == "studio":
        shade = vary(rng, colour, 30)
        brush.gradient(0, 1, (shade, colour))
        return
    brush.box(0, 0, 1, 1, colour)
    darker: Colour = tuple(int(0.94 * part) for part in colour)  # type: ignore[assignment]
    if scene.place.ground in ("counter", "tiles"):
        for step in np.arange(0, 1, 0.1):
            brush.line(darker, 0.008, (step, 0), (step, 0.62))
            brush.line(darker, 0.008, (0, step), (1, step))
    elif rng.random() < 0.5:
        for step in np.arange(0, 1, 0.12):
            brush.box(step, 0, step + 0.06, 1, darker)
    if scene.window:
        x = float(rng.uniform(0.06, 0.56))
        brush.box(x, 0.06, x + 0.36, 0.42, (250, 248, 240))
        sky = _SKIES[("day", "day", "sunset", "night")[rng.integers(4)]]
        brush.box(x + 0.02, 0.08, x + 0.34, 0.4, sky[-1])
        brush.polygon(sky[0], (x + 0.02, 0.08), (x + 0.34, 0.08), (x + 0.02, 0.4))
        brush.box(x + 0.17, 0.06, x + 0.19, 0.42, (250, 248, 240))
        brush.box(x, 0.23, x + 0.36, 0.25, (250, 248, 240))
        brush.box(x - 0.02, 0.42, x + 0.38, 0.45, (150, 110, 75))


def _sky(scene: Scene, brush: Brush) -> None:
    rng, horizon = brush.rng, scene.horizon
    brush.gradient(0, horizon, [vary(rng, colour, 8) for colour in _SKIES[scene.time]])
    x, y = float(rng.uniform(0.12, 0.88)), float(rng.uniform(0.08, 0.2))
    if scene.time == "night":
        for star_x, star_y in rng.random((40, 2)):
            brush.ellipse(star_x, star_y * horizon, 0.004, 0.004, (250, 250, 210))
        brush.ellipse(x, y, 0.055, 0.055, (250, 245, 200))
        brush.ellipse(x + 0.025, y - 0.012, 0.047, 0.047, (24, 28, 66))
    elif scene.time == "sunset":
        brush.ellipse(x, horizon - 0.02, 0.13, 0.13, (255, 170, 80))
        brush.ellipse(x, horizon - 0.02, 0.095, 0.095, (255, 236, 150))
    elif scene.time == "day" and rng.random() < 0.6:
        brush.ellipse(x, y, 0.06, 0.06, (255, 232, 110))
    if scene.clouds:
        layer = Image.new("L", brush.image.size)
        pen = ImageDraw.Draw(layer)
        for left, top in zip(rng.uniform(0, 1, 5), rng.uniform(0.03, 0.8, 5) * horizon, strict=True):
            for puff in range(5):
                centre, radius = left + 0.05 * (puff - 2), 0.03 + 0.035 * rng.random() * (puff % 4 > 0)
                pen.ellipse(brush.points((centre - radius, top - radius), (centre + radius, top + radius * 0.7)), 240)
        brush.image.paste((250, 250, 252), mask=layer.filter(ImageFilter.GaussianBlur(2)))


def _hills(scene: Scene, brush: Brush) -> None:
    horizon, rng = scene.horizon, brush.rng
    if scene.place.ground in ("sea", "beach", "runway"):
        return
    snow = scene.place.ground == "snow"
    if snow or rng.random() < 0.3:
        for x in rng.uniform(0, 1, 3):
            peak = horizon * rng.uniform(0.25, 0.55)
            wide = float(rng.uniform(0.25, 0.4))
            brush.polygon(vary(rng, (120, 125, 145)), (x - wide, horizon), (x, peak), (x + wide, horizon))
            cap = 0.35
            low = peak + cap * (horizon - peak)
            brush.polygon((245, 248, 252), (x - cap * wide, low), (x, peak), (x + cap * wide, low))
    else:
        colour = (150, 140, 90) if scene.place.ground == "savanna" else (84, 128, 84)
        for x in rng.uniform(0, 1, 4):
            brush.ellipse(x, horizon, rng.uniform(0.2, 0.4), rng.uniform(0.04, 0.12), vary(rng, colour))
    if scene.place.ground == "forest":
        for x in np.arange(0, 1.05, 0.09):
            colour, high = vary(rng, (40, 84, 52)), rng.uniform(0.2, 0.34)
            brush.polygon(colour, (x - 0.08, horizon), (x, horizon - high), (x + 0.08, horizon))


def _houses(scene: Scene, brush: Brush) -> None:
    rng, horizon, x = brush.rng, scene.horizon, -0.02
    lit = scene.time == "night"
    while x < 1:
        wide = float(rng.uniform(0.13, 0.24))
        top = horizon * float(rng.uniform(0.05, 0.3) if not scene.sky else rng.uniform(0.3, 0.75))
        wall = vary(rng, ((176, 110, 90), (150, 150, 160), (200, 180, 140), (120, 130, 150))[rng.integers(4)])
        brush.box(x, top, x + wide, horizon, wall)
        brush.box(x, top, x + 0.006, horizon, (70, 65, 65))
        for left in np.arange(x + 0.025, x + wide - 0.03, 0.05):
            for y in np.arange(top + 0.025, horizon - 0.05, 0.065):
                glass = (255, 225, 120) if lit and rng.random() < 0.6 else (84, 104, 130)
                brush.box(left, y, left + 0.025, y + 0.035, glass)
        x += wide


def _grass(brush: Brush, top: float, colour: Colour = (112, 172, 76), blades: int = 160) -> None:
    colour = vary(brush.rng, colour)
    brush.gradient(top, 1, (vary(brush.rng, colour, 5), tuple(int(0.85 * part) for part in colour)))
    brush.speckle(tuple(int(0.75 * part) for part in colour), blades, top + 0.03, 0.05)


def _lawn(brush: Brush, top: float) -> None:
    _grass(brush, top, (136, 196, 92), 60)
    for step in np.arange(-0.4, 1.3, 0.28):
        brush.polygon((150, 206, 104), (step, 1), (step + 0.14, 1), (0.4 * step + 0.37, top), (0.4 * step + 0.31, top))


def _savanna(brush: Brush, top: float) -> None:
    _grass(brush, top, (218, 184, 104), 120)


def _forest(brush: Brush, top: float) -> None:
    _grass(brush, top, (84, 118, 62), 120)
    if not top:
        for x in np.arange(0.03, 1.0, 0.13):
            x += float(brush.rng.uniform(-0.03, 0.03))
            brush.box(x, 0, x + 0.05, 0.42 + 0.1 * brush.rng.random(), vary(brush.rng, (92, 66, 44)))
        for x in np.arange(0, 1.05, 0.1):
            brush.ellipse(x, 0.02, 0.1, float(brush.rng.uniform(0.06, 0.14)), vary(brush.rng, (44, 92, 50)))


def _water(brush: Brush, top: float, bottom: float, colour: Colour) -> None:
    colour = vary(brush.rng, colour, 8)
    brush.gradient(top, bottom, (tuple(int(0.8 * part) for part in colour), colour))
    for y in np.arange(top + 0.03, bottom, 0.05):
        for x in np.arange(0, 1, 0.16):
            x = float(x + brush.rng.uniform(0, 0.1))
            brush.line((190, 222, 240), 0.005, (x, y), (x + 0.02, y - 0.008), (x + 0.04, y), (x + 0.06, y - 0.008))


def _sea(brush: Brush, top: float) -> None:
    _water(brush, top, 1, (62, 136, 190))


def _beach(brush: Brush, top: float) -> None:
    _water(brush, top, 0.7, (70, 160, 200))
    brush.gradient(0.69, 1, ((240, 214, 156), (226, 192, 130)))
    shore = [(x, 0.69 + 0.012 * np.sin(9 * x + 3)) for x in np.linspace(0, 1, 24)]
    brush.line((250, 250, 245), 0.018, *shore)
    for x, y in brush.rng.random((50, 2)):
        brush.ellipse(x, 0.73 + 0.27 * y, 0.004, 0.003, (196, 160, 104))


def _lake(brush: Brush, top: float) -> None:
    _grass(brush, top, (124, 170, 88), 60)
    shape = Image.new("L", brush.image.size)
    ImageDraw.Draw(shape).ellipse(brush.points((-0.12, 0.48), (1.12, 0.84)), 255)
    land = brush.image.copy()
    _water(brush, 0.48, 0.84, (84, 150, 190))
    brush.image.paste(land, mask=ImageChops.invert(shape))
    brush.draw.arc(brush.points((-0.12, 0.48), (1.12, 0.84)), 0, 360, (176, 150, 104), 6)


def _river(brush: Brush, top: float) -> None:
    _grass(brush, top, (112, 160, 80), 80)
    middle = [(x, 0.66 + 0.05 * np.sin(6 * x + brush.rng.uniform(0, 0.2))) for x in np.linspace(0, 1, 9)]
    brush.line((150, 120, 84), 0.3, *middle)
    brush.line((92, 160, 176), 0.26, *middle)
    for lift in (-0.08, -0.02, 0.05, 0.1):
        brush.line((176, 214, 220), 0.006, *[(x, y + lift) for x, y in middle[1:-1]])


def _snow(brush: Brush, top: float) -> None:
    brush.gradient(top, 1, ((236, 243, 250), (214, 228, 242)))
    for x, y in zip(brush.rng.uniform(-0.2, 1, 5), brush.rng.uniform(top + 0.1, 1, 5), strict=True):
        brush.line((190, 208, 228), 0.008, (x, y), (x + 0.25, y + 0.07), (x + 0.55, y + 0.1))


def _road(brush: Brush, top: float) -> None:
    brush.gradient(top, 1, ((128, 128, 132), (96, 96, 102)))
    brush.box(0, top, 1, top + 0.07, vary(brush.rng, (196, 190, 182)))
    brush.box(0, top + 0.07, 1, top + 0.08, (90, 88, 86))
    middle = top + 0.62 * (1 - top)
    for x in np.arange(-0.05, 1, 0.25):
        brush.box(x, middle, x + 0.15, middle + 0.018, (238, 226, 160))


def _plaza(brush: Brush, top: float) -> None:
    brush.gradient(top, 1, ((196, 190, 180), (172, 166, 158)))
    for step in np.linspace(-1.0, 2.0, 16):
        brush.line((150, 144, 138), 0.004, (0.5 + 0.3 * (step - 0.5), top), (step, 1))
    for y in top + (1 - top) * np.linspace(0, 1, 7) ** 1.5:
        brush.line((150, 144, 138), 0.004, (0, y), (1, y))


def _runway(brush: Brush, top: float) -> None:
    _grass(brush, top, (134, 172, 100), 20)
    brush.polygon((112, 114, 120), (0.28, top), (0.72, top), (1.5, 1), (-0.5, 1))
    for low in (0.08, 0.3, 0.6):
        y, high = top + low * (1 - top), 0.06 + 0.16 * low
        brush.polygon((240, 240, 236), (0.485, y), (0.515, y), (0.53, y + high), (0.47, y + high))


def _platform(brush: Brush, top: float) -> None:
    brush.gradient(top, 1, ((150, 140, 128), (130, 120, 112)))
    for x in np.arange(-0.02, 1, 0.08):
        brush.box(x, top + 0.1, x + 0.03, top + 0.27, (96, 70, 50))
    for y in (top + 0.13, top + 0.23):
        brush.box(0, y, 1, y + 0.014, (70, 72, 80))
    brush.box(0, top + 0.32, 1, 1, vary(brush.rng, (198, 192, 186)))
    brush.box(0, top + 0.34, 1, top + 0.37, (240, 200, 60))


def _floor(brush: Brush, top: float) -> None:
    wood = vary(brush.rng, (178, 130, 84))
    brush.gradient(0.56, 1, (wood, tuple(int(0.88 * part) for part in wood)))
    for step in np.linspace(-1.0, 2.0, 14):
        brush.line((128, 90, 58), 0.004, (0.5 + 0.5 * (step - 0.5), 0.56), (step, 1))
    brush.box(0, 0.545, 1, 0.565, (245, 240, 230))
    brush.ellipse(0.5, 0.84, 0.44, 0.12, vary(brush.rng, (190, 110, 110), 30))
    brush.ellipse(0.5, 0.84, 0.38, 0.09, vary(brush.rng, (216, 176, 150), 15))


def _tiles(brush: Brush, top: float) -> None:
    shade = vary(brush.rng, (150, 190, 205))
    brush.box(0, 0.56, 1, 1, (238, 242, 242))
    rows = 0.56 + 0.44 * np.linspace(0, 1, 6) ** 1.3
    for row, (y, below) in enumerate(zip(rows[:-1], rows[1:], strict=True)):
        for column in range(row % 2, 9, 2):
            x = column / 9
            brush.box(x, y, x + 1 / 9, below, shade)


def _blanket(brush: Brush, top: float) -> None:
    _grass(brush, top, (126, 184, 84), 60)
    cloth = vary(brush.rng, _CLOTHS[brush.rng.integers(len(_CLOTHS))])
    brush.polygon((250, 246, 236), (0.14, 0.52), (0.86, 0.52), (1.05, 0.98), (-0.05, 0.98))
    for step in np.arange(0, 1, 0.2):
        low, high = 0.14 + 0.72 * step, -0.05 + 1.1 * step
        brush.polygon(cloth, (low, 0.52), (low + 0.07, 0.52), (high + 0.11, 0.98), (high, 0.98))
    for y in (0.56, 0.68, 0.84):
        brush.box(0.14 - 0.41 * (y - 0.52), y, 0.86 + 0.41 * (y - 0.52), y + 0.05, cloth)


_GROUNDS: dict[str, Callable[[Brush, float], None]] = {
    "grass": _grass, "lawn": _lawn, "savanna": _savanna, "forest": _forest, "beach": _beach, "sea": _sea,
    "lake": _lake, "river": _river, "snow": _snow, "road": _road, "plaza": _plaza, "runway": _runway,
    "platform": _platform, "floor": _floor, "tiles": _tiles, "blanket": _blanket,
}  # fmt: skip
