"""The painter: a scene's layout as a picture, the same layout always as the same picture."""

from __future__ import annotations

from functools import cache

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from semshare.data.scenes.brush import Brush
from semshare.data.scenes.grounds import paint_background, paint_surface
from semshare.data.scenes.layout import SURFACE_TOP, SURFACES, Placed, Scene
from semshare.data.scenes.sprites import sprite

SIDE = 192  # pixels
_EDGE = 5
_GRAIN = 3.0


def paint(scene: Scene) -> Image.Image:
    """The RGB picture, 192x192 pixels, of ``scene``."""
    rng = np.random.default_rng(scene.texture)
    ground = Brush(SIDE, rng)
    paint_background(scene, ground)
    picture = ground.image.reduce(2)
    for item in scene.placed:
        if item.behind:
            _stand(picture, item, scene)
    if scene.place.ground in SURFACES:
        surface = Brush(SIDE, rng)
        paint_surface(scene, surface)
        top = round((SURFACE_TOP - 0.01) * SIDE)
        picture.paste(surface.image.reduce(2).crop((0, top, SIDE, SIDE)), (0, top))
    for item in scene.placed:
        if not item.behind:
            _stand(picture, item, scene)
    # Light differs from picture to picture, and no camera is free of grain.
    pixels = np.asarray(picture, dtype=np.float32) * rng.uniform(0.9, 1.08)
    pixels += rng.normal(0, _GRAIN, (SIDE, SIDE, 1)).astype(np.float32)
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


@cache
def cutout(glyph: str) -> Image.Image:
    """The sprite of ``glyph`` with the pale edge of a paper cut-out: it stands out from any background."""
    drawing = sprite(glyph)
    framed = Image.new("RGBA", (drawing.width + 4 * _EDGE, drawing.height + 4 * _EDGE), (255, 252, 242, 0))
    framed.paste(drawing, (2 * _EDGE, 2 * _EDGE))
    edge = framed.getchannel("A").filter(ImageFilter.MaxFilter(2 * _EDGE + 1)).filter(ImageFilter.GaussianBlur(1))
    paper = Image.new("RGBA", framed.size, (255, 252, 242, 0))
    paper.putalpha(edge)
    return Image.alpha_composite(paper, framed)


def _stand(picture: Image.Image, item: Placed, scene: Scene) -> None:
    """Paste a thing with its lower edge where it stands, and its shadow under it."""
    image = cutout(item.glyph)
    if item.mirrored:
        image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    scale = item.size * SIDE / max(image.size)
    image = image.resize((round(image.width * scale), round(image.height * scale)), Image.Resampling.BILINEAR)
    image = image.rotate(item.angle, Image.Resampling.BILINEAR, expand=True)
    left, top = round(item.x * SIDE - image.width / 2), round(item.bottom * SIDE - image.height)
    if item.thing.zone not in ("sky", "wall"):
        _shadow(picture, item.x * SIDE, item.bottom * SIDE - 2, image.width * 0.4)
    if scene.time == "night":
        image = Image.merge("RGBA", [*(c.point(lambda v: int(0.8 * v)) for c in image.split()[:3]), image.split()[3]])
    picture.paste(image, (left, top), image)


def _shadow(picture: Image.Image, x: float, y: float, wide: float) -> None:
    box = (round(x - wide - 4), round(y - wide / 5 - 4), round(x + wide + 4), round(y + wide / 5 + 4))
    mask = Image.new("L", (box[2] - box[0], box[3] - box[1]))
    ImageDraw.Draw(mask).ellipse((4, 4, mask.width - 5, mask.height - 5), 90)
    picture.paste((30, 30, 40), box[:2], mask.filter(ImageFilter.GaussianBlur(2)))
