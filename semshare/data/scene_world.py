"""The little world of the scenes: what can be drawn, where, and which things occur together.

A *kind* is a drawable thing. Kinds named as COCO categories carry that label in the COCO-like view; the
others (trees, flowers, buildings...) are seen by the FLICKR- and NUS-like views alone and are unlabelled
distractors in the COCO-like one.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

# COCO category: (super-category, OpenMoji glyph variants, other names a text may use)
COCO_KINDS: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "person": ("person", "🧍🚶🏃👩👨👦👧👵👴💃", ("man", "woman", "someone")),
    "bicycle": ("vehicle", "🚲", ("bike",)),
    "car": ("vehicle", "🚗🚙🚕", ("automobile", "taxi")),
    "motorcycle": ("vehicle", "🏍🛵", ("motorbike", "scooter")),
    "airplane": ("vehicle", "✈🛩", ("plane", "jet")),
    "bus": ("vehicle", "🚌🚍🚎", ("coach",)),
    "train": ("vehicle", "🚂🚆🚄🚇", ("locomotive",)),
    "truck": ("vehicle", "🚚🚛", ("lorry",)),
    "boat": ("vehicle", "⛵🚤🛶🛥", ("ship", "canoe")),
    "traffic light": ("outdoor", "🚦🚥", ("signal",)),
    "stop sign": ("outdoor", "🛑", ("sign",)),
    "bird": ("animal", "🐦🦜🦆🦢🦉🐧🦅🕊", ("duck", "parrot")),
    "cat": ("animal", "🐈🐱", ("kitten",)),
    "dog": ("animal", "🐕🐶🐩", ("puppy",)),
    "horse": ("animal", "🐎🐴", ("pony",)),
    "sheep": ("animal", "🐑🐏", ("lamb",)),
    "cow": ("animal", "🐄🐮", ("calf",)),
    "elephant": ("animal", "🐘", ("big animal",)),
    "bear": ("animal", "🐻", ("grizzly",)),
    "zebra": ("animal", "🦓", ("striped animal",)),
    "giraffe": ("animal", "🦒", ("tall animal",)),
    "backpack": ("accessory", "🎒", ("bag", "rucksack")),
    "umbrella": ("accessory", "🌂☔⛱", ("parasol",)),
    "handbag": ("accessory", "👜👛", ("bag", "purse")),
    "tie": ("accessory", "👔", ("necktie",)),
    "suitcase": ("accessory", "🧳💼", ("luggage case", "briefcase")),
    "frisbee": ("sports", "🥏", ("flying disc",)),
    "skis": ("sports", "🎿", ("skis",)),
    "snowboard": ("sports", "🏂", ("board",)),
    "sports ball": ("sports", "⚽🏀🏐🏈⚾", ("ball", "football")),
    "kite": ("sports", "🪁", ("toy",)),
    "skateboard": ("sports", "🛹", ("board",)),
    "surfboard": ("sports", "🏄", ("board",)),
    "tennis racket": ("sports", "🏸", ("racquet",)),
    "bottle": ("kitchen", "🍾🍼🧴", ("flask",)),
    "wine glass": ("kitchen", "🍷🥂", ("glass",)),
    "cup": ("kitchen", "☕🍵🥤", ("mug", "drink")),
    "fork": ("kitchen", "🍴", ("utensil",)),
    "knife": ("kitchen", "🔪", ("blade", "utensil")),
    "spoon": ("kitchen", "🥄", ("utensil",)),
    "bowl": ("kitchen", "🥣🍜🍲", ("dish",)),
    "banana": ("food", "🍌", ("fruit",)),
    "apple": ("food", "🍎🍏", ("fruit",)),
    "sandwich": ("food", "🥪", ("lunch",)),
    "orange": ("food", "🍊", ("fruit",)),
    "broccoli": ("food", "🥦", ("vegetable",)),
    "carrot": ("food", "🥕", ("vegetable",)),
    "hot dog": ("food", "🌭", ("sausage",)),
    "pizza": ("food", "🍕", ("slice",)),
    "donut": ("food", "🍩", ("pastry",)),
    "cake": ("food", "🎂🍰", ("dessert", "pastry")),
    "chair": ("furniture", "🪑💺", ("seat",)),
    "couch": ("furniture", "🛋", ("sofa",)),
    "potted plant": ("furniture", "🪴", ("plant",)),
    "bed": ("furniture", "🛏", ("mattress",)),
    "dining table": ("furniture", "🍽", ("table",)),
    "toilet": ("furniture", "🚽", ("bathroom seat",)),
    "tv": ("electronic", "📺", ("television", "screen")),
    "laptop": ("electronic", "💻", ("computer",)),
    "mouse": ("electronic", "🖱", ("computer mouse",)),
    "keyboard": ("electronic", "⌨", ("keys",)),
    "cell phone": ("electronic", "📱", ("phone",)),
    "book": ("indoor", "📖📕📚📗", ("novel",)),
    "clock": ("indoor", "🕐⏰🕰", ("alarm",)),
    "vase": ("indoor", "🏺", ("jar",)),
    "scissors": ("indoor", "✂", ("scissors",)),
    "teddy bear": ("indoor", "🧸", ("toy", "stuffed animal")),
    "toothbrush": ("indoor", "🪥", ("brush",)),
}

# Kinds without a COCO label: (glyph variants, names)
OTHER_KINDS: dict[str, tuple[str, tuple[str, ...]]] = {
    "flower": ("🌹🌷🌻🌸🌺", ("flower", "blossom", "rose")),
    "tree": ("🌳🌲🌴", ("tree", "palm", "forest")),
    "building": ("🏠🏢🏰⛪🏛", ("house", "building", "architecture")),
    "baby": ("👶", ("baby", "infant")),
    "mushroom": ("🍄", ("mushroom",)),
    "balloon": ("🎈", ("balloon",)),
    "gift": ("🎁", ("present",)),
    "guitar": ("🎸", ("guitar",)),
}

FEMALE, MALE = frozenset("👩👧👵💃"), frozenset("👨👦👴")


@dataclass(frozen=True)
class Place:
    """A background: its labels in the FLICKR- and NUS-like views, and how texts speak of it."""

    flickr: frozenset[str]
    nus: frozenset[str]
    phrases: tuple[str, ...]
    tags: tuple[str, ...]


def _place(flickr: str, nus: str, phrases: tuple[str, ...], tags: str) -> Place:
    return Place(frozenset(flickr.split()), frozenset(nus.split()), phrases, tuple(tags.split()))


PLACES: dict[str, Place] = {
    "meadow": _place("sky", "sky grass", ("in a field", "on the grass"), "grass field green"),
    "cloudy": _place("sky clouds", "sky clouds", ("under a cloudy sky", "outside"), "clouds sky weather"),
    "sunset": _place("sky sunset", "sky clouds", ("at sunset", "in the evening"), "sunset dusk orange"),
    "night": _place("night sky", "sky", ("at night", "in the dark"), "night dark stars"),
    "sea": _place("sea water sky", "water sky", ("by the sea", "at the beach"), "sea ocean beach water"),
    "lake": _place("lake water", "lake water", ("by a lake", "near the water"), "lake water"),
    "river": _place("river water", "water grass", ("by a river", "near a stream"), "river water"),
    "street": _place("structures", "buildings", ("on a street", "in the city"), "street city urban"),
    "park": _place("plant_life tree", "grass", ("in a park", "in a garden"), "park garden trees"),
    "snow": _place("sky", "sky", ("in the snow", "on a snowy hill"), "snow winter cold"),
    "room": _place("indoor", "", ("in a room", "at home"), "room home interior"),
    "kitchen": _place("indoor", "", ("in a kitchen", "on a counter"), "kitchen home cooking"),
}

# Topic: (weight, places, COCO kinds, other kinds). What is listed twice is likelier.
TOPICS: dict[str, tuple[int, str, tuple[str, ...], str]] = {
    "street": (
        12,
        "street street cloudy night",
        ("car", "car", "bus", "truck", "bicycle", "motorcycle", "traffic light", "stop sign", "person", "person"),
        "building tree",
    ),
    "farm": (8, "meadow cloudy", ("cow", "horse", "sheep", "dog", "bird", "person", "truck"), "tree flower building"),
    "safari": (8, "meadow sunset river", ("elephant", "zebra", "giraffe", "bird", "bear"), "tree"),
    "kitchen": (
        9,
        "kitchen",
        ("fork", "knife", "spoon", "bowl", "cup", "bottle", "dining table", "chair", "pizza", "cake", "broccoli"),
        "gift flower",
    ),
    "picnic": (
        8,
        "park kitchen meadow",
        ("sandwich", "apple", "banana", "orange", "hot dog", "donut", "carrot", "wine glass", "cup", "person"),
        "flower balloon",
    ),
    "living": (
        8,
        "room",
        ("couch", "tv", "chair", "potted plant", "book", "clock", "vase", "cat", "dog", "person"),
        "guitar gift baby",
    ),
    "office": (
        7,
        "room",
        ("laptop", "mouse", "keyboard", "cell phone", "book", "cup", "chair", "scissors", "tie", "person"),
        "flower",
    ),
    "bedroom": (6, "room", ("bed", "toilet", "toothbrush", "teddy bear", "clock", "cat", "book"), "baby gift"),
    "beach": (
        9,
        "sea sea sunset",
        ("surfboard", "umbrella", "boat", "bird", "kite", "person", "person", "frisbee", "dog"),
        "tree",
    ),
    "winter": (5, "snow", ("skis", "snowboard", "person", "person", "backpack", "dog"), "tree building"),
    "sport": (
        7,
        "park meadow cloudy",
        ("sports ball", "tennis racket", "frisbee", "skateboard", "person", "person", "bicycle", "bottle"),
        "tree balloon",
    ),
    "travel": (
        9,
        "street cloudy night sea",
        ("airplane", "train", "suitcase", "backpack", "handbag", "bus", "boat", "person", "person", "tie"),
        "building",
    ),
    "lake": (8, "lake lake river", ("boat", "bird", "bird", "dog", "bear", "person", "horse"), "tree flower mushroom"),
    "garden": (7, "park", ("potted plant", "cat", "dog", "bird", "person", "chair"), "flower flower tree baby"),
    "portrait": (6, "room night sunset street", ("person",), "flower balloon"),
}

_KIND_COUNTS = ((1, 2, 3, 4, 5), (14, 26, 29, 20, 11))  # how many COCO kinds a scene shows, and how often
_INSTANCES = ((1, 2, 3), (72, 20, 8))


@dataclass(frozen=True)
class Thing:
    """One drawn glyph: its kind, and its centre, size (shares of the picture), angle in degrees, mirroring."""

    kind: str
    glyph: str
    x: float
    y: float
    size: float
    angle: float
    mirrored: bool


@dataclass(frozen=True)
class Scene:
    """What a picture shows, back to front."""

    place: str
    window: bool
    portrait: bool
    things: tuple[Thing, ...]

    def count(self, kind: str) -> int:
        """How many of ``kind`` there are."""
        return sum(thing.kind == kind for thing in self.things)

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds shown, each once, in the order of drawing."""
        return tuple(dict.fromkeys(thing.kind for thing in self.things))

    def coco_labels(self) -> frozenset[str]:
        """The COCO categories shown."""
        return frozenset(self.kinds) & COCO_KINDS.keys()

    def flickr_labels(self) -> frozenset[str]:
        """The labels of the FLICKR25K-like view, general ones included."""
        kinds, groups = set(self.kinds), {COCO_KINDS[kind][0] for kind in self.coco_labels()}
        glyphs = {thing.glyph for thing in self.things if thing.kind in ("person", "baby")}
        found = {
            "animals": "animal" in groups,
            "baby": "baby" in kinds,
            "bird": "bird" in kinds,
            "car": "car" in kinds,
            "dog": "dog" in kinds,
            "female": bool(glyphs & FEMALE),
            "male": bool(glyphs & MALE),
            "flower": "flower" in kinds,
            "food": "food" in groups,
            "people": bool(glyphs),
            "plant_life": bool(kinds & {"flower", "tree", "potted plant"}),
            "portrait": self.portrait,
            "structures": "building" in kinds,
            "transport": "vehicle" in groups,
            "tree": "tree" in kinds,
        }
        return PLACES[self.place].flickr | {label for label, holds in found.items() if holds}

    def nus_labels(self) -> frozenset[str]:
        """The labels of the NUS-WIDE-like view."""
        kinds, groups = set(self.kinds), {COCO_KINDS[kind][0] for kind in self.coco_labels()}
        found = {
            "animal": "animal" in groups,
            "buildings": "building" in kinds,
            "person": bool(kinds & {"person", "baby"}),
            "plants": bool(kinds & {"flower", "potted plant"}),
            "window": self.window,
        }
        return PLACES[self.place].nus | {label for label, holds in found.items() if holds}


def draw_scene(rng: random.Random) -> Scene:
    """A scene from the topic distributions; every scene has a label in each of the three views."""
    topic = rng.choices(list(TOPICS), [weight for weight, *_ in TOPICS.values()])[0]
    _, places, coco, other = TOPICS[topic]
    place = rng.choice(places.split())
    portrait = topic == "portrait"
    wanted = rng.choices(*_KIND_COUNTS)[0]
    kinds = ["person"] if portrait else list(dict.fromkeys(rng.sample(coco, min(wanted, len(coco)))))
    if rng.random() < 0.12 and not portrait:  # something out of place, as in real pictures
        kinds.append(rng.choice(list(COCO_KINDS)))
    extras = rng.sample(other.split(), 1) if rng.random() < 0.55 else []
    if rng.random() < 0.15:
        extras.append(rng.choice(list(OTHER_KINDS)))
    things = [_thing(kind, portrait and kind == "person", rng) for kind in dict.fromkeys(kinds + extras)]
    for kind in kinds[:1] if portrait else kinds:
        extra = 0 if portrait else rng.choices(*_INSTANCES)[0] - 1
        glyph = next(thing.glyph for thing in things if thing.kind == kind)
        things += [_thing(kind, False, rng, glyph) for _ in range(extra)]
    things = _spread(things, rng)
    window = place in ("room", "kitchen") and rng.random() < 0.35
    scene = Scene(place, window, portrait, tuple(sorted(things, key=lambda thing: thing.y)))
    if not scene.nus_labels():
        scene = Scene(place, True, portrait, scene.things)
    return scene


def _thing(kind: str, large: bool, rng: random.Random, glyph: str | None = None) -> Thing:
    variants = COCO_KINDS[kind][1] if kind in COCO_KINDS else OTHER_KINDS[kind][0]
    size = rng.uniform(0.7, 0.85) if large else rng.uniform(0.24, 0.42)
    return Thing(kind, glyph or rng.choice(variants), 0.5, 0.55, size, rng.uniform(-18, 18), rng.random() < 0.5)


def _spread(things: list[Thing], rng: random.Random) -> list[Thing]:
    """Give each thing a place: the best of a few tries, so that overlaps happen but seldom hide a thing."""
    placed: list[Thing] = []
    for thing in things:
        tries = []
        for _ in range(6):
            x, y = rng.uniform(0.14, 0.86), rng.uniform(0.22, 0.86)
            gap = min((((x - p.x) ** 2 + (y - p.y) ** 2) ** 0.5 / (thing.size + p.size) for p in placed), default=1)
            tries.append((min(gap, 0.5), rng.random(), x, y))
        _, _, x, y = max(tries)
        if thing.size > 0.6:
            x, y = 0.5, 0.55
        placed.append(Thing(thing.kind, thing.glyph, x, y, thing.size, thing.angle, thing.mirrored))
    return placed
