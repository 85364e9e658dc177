"""The layout of a scene: a place, a time of day and what stands where. Not a pixel is drawn here.

Lengths are shares of the picture's side and the origin is the upper left corner. Splits, labels and texts
need the layout alone, so listing 23,000 scenes costs seconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeVar

from semshare.data.scenes.places import PLACES, Place
from semshare.data.scenes.things import COCO_LABELS, DISTRACTORS, FLICKR_LABELS, NUS_LABELS, THINGS, Thing, Zone

if TYPE_CHECKING:
    from collections.abc import Sequence
    from random import Random

T = TypeVar("T")
View = Literal["flickr25k", "nuswide", "coco"]
LABELS: dict[View, tuple[str, ...]] = {"flickr25k": FLICKR_LABELS, "nuswide": NUS_LABELS, "coco": COCO_LABELS}
SURFACES = ("counter", "table", "desk")
SURFACE_TOP = 0.62

_KINDS = ((1, 2, 3, 4, 5), (0.06, 0.2, 0.34, 0.26, 0.14))
_COPIES = ((1, 2, 3), (0.8, 0.15, 0.05))
_DISTRACTORS = ((0, 1, 2), (0.45, 0.4, 0.15))
_TIMES = (("day", "cloudy", "sunset", "night"), (0.32, 0.38, 0.15, 0.15))
_COVERED = 0.35  # no thing's box may hide more than this share of a smaller one
_TRIES = 24


@dataclass(frozen=True)
class Placed:
    """A thing at its place: centre ``x``, ``bottom`` edge, ``size`` of its larger side, degrees of ``angle``."""

    thing: Thing
    glyph: str
    x: float
    bottom: float
    size: float
    angle: float
    mirrored: bool
    behind: bool

    def covers(self, other: Placed) -> float:
        """The share of the smaller of the two square boxes that both have in common."""
        wide = (self.size + other.size) / 2 - abs(self.x - other.x)
        middle = abs((self.bottom - self.size / 2) - (other.bottom - other.size / 2))
        high = (self.size + other.size) / 2 - middle
        return max(0.0, wide) * max(0.0, high) / min(self.size, other.size) ** 2


@dataclass(frozen=True)
class Scene:
    """Everything that labels, texts and the painter need; ``texture`` seeds the painter's own randomness."""

    place: Place
    time: str
    sky: bool
    buildings: bool
    window: bool
    placed: tuple[Placed, ...]
    texture: int

    @property
    def horizon(self) -> float:
        """Where the ground begins: at the upper edge when neither sky nor houses are in view."""
        return self.place.horizon if self.place.indoors or self.sky or self.buildings else 0.0

    @property
    def clouds(self) -> bool:
        return self.sky and self.time == "cloudy"

    def labels(self, view: View) -> tuple[str, ...]:
        """The labels in ``view``, in the order of that view's label names."""
        return tuple(name for name in LABELS[view] if name in self._found(view))

    def _found(self, view: View) -> set[str]:
        if view == "coco":
            categories = {category for item in self.placed for category in item.thing.coco}
            return categories | ({"dining table"} if self.place.ground == "table" else set())
        seen = {"sky"} if self.sky else set()
        seen |= {"clouds"} if self.clouds else set()
        if view == "nuswide":
            seen |= {"buildings"} if self.buildings else set()
            seen |= {"window"} if self.window else set()
            return seen.union(self.place.nus, *(item.thing.nus for item in self.placed))
        seen |= {"structures"} if self.buildings else set()
        seen |= {self.time} & {"sunset", "night"}
        return seen.union(self.place.flickr, *(item.thing.flickr for item in self.placed))


def draw_scene(random: Random) -> Scene:
    """A scene drawn from ``random``: the same generator state gives the same scene on every machine."""
    place = _pick(random, PLACES, [place.weight for place in PLACES])
    time = "day" if place.indoors else _pick(random, *_TIMES)
    # A sunset or a starry night can only be told by its sky.
    sky = not place.indoors and (time in ("sunset", "night") or random.random() < place.sky)
    buildings = random.random() < place.buildings
    things = _cast(random, place)
    window = random.random() < place.window
    placed: list[Placed] = []
    for thing in things:
        spot = _place(random, thing, place, sky or buildings or place.indoors, placed)
        if spot:
            placed.append(spot)
    if not (place.nus or any(item.thing.nus for item in placed)):
        # Without this window or sky the scene could be left without a label in one of the views.
        window, sky = place.indoors, not place.indoors
    order = sorted(placed, key=lambda item: (not item.behind, item.bottom))
    return Scene(place, time, sky, buildings, window, tuple(order), random.getrandbits(32))


def _pick(random: Random, values: Sequence[T], weights: Sequence[float]) -> T:
    return random.choices(values, weights)[0]


def _cast(random: Random, place: Place) -> list[Thing]:
    """What is to appear, the most important first: COCO things, then props, then distractors."""
    weights = dict(place.cast)
    things: list[Thing] = []
    for _ in range(min(_pick(random, *_KINDS), len(weights))):
        name = _pick(random, list(weights), list(weights.values()))
        del weights[name]
        things += [THINGS[name]] * _pick(random, *_COPIES)
    things += [THINGS[name] for name, chance in place.props.items() if random.random() < chance]
    things += [THINGS[name] for name in random.sample(DISTRACTORS, _pick(random, *_DISTRACTORS))]
    return things


def _place(random: Random, thing: Thing, place: Place, horizon_seen: bool, others: list[Placed]) -> Placed | None:
    """A spot for ``thing`` that hides no other too far; the first thing always gets one."""
    low, high, behind = _zone(thing.zone, place, thing.size * place.scale, horizon_seen)
    variants = len(thing.glyphs)
    glyph = _pick(random, thing.glyphs, [1 / (1 + number) for number in range(variants)])
    angle = random.uniform(-14, 14) if thing.zone in ("surface", "sky") else random.uniform(-4, 4)
    mirrored = thing.name not in ("stop sign", "book") and random.random() < 0.5
    for _ in range(_TRIES):
        depth = random.random()
        size = thing.size * place.scale * (0.82 + 0.28 * depth) * random.uniform(0.92, 1.1)
        x = random.uniform(min(size * 0.42, 0.5), max(1 - size * 0.42, 0.5))
        candidate = Placed(thing, glyph, x, low + (high - low) * depth, size, angle, mirrored, behind)
        if all(candidate.covers(other) <= _COVERED for other in others):
            return candidate
    return None


def _zone(zone: Zone, place: Place, size: float, horizon_seen: bool) -> tuple[float, float, bool]:
    """The range of a thing's lower edge, far to near, and whether it stands behind the table or counter."""
    ground = max(place.horizon + 0.1, 0.55) if horizon_seen else 0.42
    if zone == "sky" and not place.indoors:
        return size + 0.02, max(size + 0.08, place.horizon + 0.06), False
    if zone in ("wall", "sky"):
        return size + 0.03, size + 0.12, True
    if zone == "surface" and place.ground in SURFACES:
        return SURFACE_TOP + 0.1, 0.97, False
    if place.ground in SURFACES:
        return SURFACE_TOP + 0.02, SURFACE_TOP + 0.06, True
    if place.water[1] and (zone == "water" or place.water[1] > 0.9):
        return max(place.water[0], 0.3) + 0.06, place.water[1], False
    return max(ground, min(place.water[1] + 0.16, 0.86)), 0.98, False
