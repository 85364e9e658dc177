"""Where a scene plays: places, each with its own distribution over things, so that labels co-occur."""

from __future__ import annotations

from dataclasses import dataclass

from semshare.data.scenes.things import THINGS


@dataclass(frozen=True)
class Place:
    """A kind of place.

    Attributes:
        name: its noun, with the preposition it takes (``at``) and other words for it (``words``).
        weight: how often it is drawn.
        ground: what ``scene_paint`` fills the lower part with.
        cast: COCO things and their weights, ``props``: things beyond COCO's list and the chance of each.
        flickr, nus: labels the place itself gives, whatever stands in it.
        horizon: where ground and sky (or wall and floor) meet.
        sky: the chance that the sky is in view; 0 indoors.
        buildings: the chance of a row of houses at the horizon.
        window: the chance of a window, indoors.
        scale: factor on the size of everything.
        water: the band, from top to bottom, that things of zone ``water`` may float in.
    """

    name: str
    at: str
    words: tuple[str, ...]
    weight: float
    ground: str
    cast: dict[str, float]
    props: dict[str, float]
    flickr: tuple[str, ...]
    nus: tuple[str, ...]
    horizon: float = 0.45
    sky: float = 0.0
    buildings: float = 0.0
    window: float = 0.0
    scale: float = 1.0
    water: tuple[float, float] = (0.0, 0.0)

    @property
    def indoors(self) -> bool:
        return "indoor" in self.flickr


def _weights(text: str) -> dict[str, float]:
    """``"dog 3, wine glass"`` as {"dog": 3.0, "wine glass": 1.0}."""
    result = {}
    for part in text.split(", "):
        name, _, number = part.rpartition(" ")
        known = part in THINGS
        result[part if known else name] = 1.0 if known else float(number)
        if not known and name not in THINGS:
            raise KeyError(f"unknown thing {part!r}")
    return result


def _place(
    name: str, at: str, words: str, weight: float, ground: str, cast: str, props: str = "", labels: str = "", **rest
) -> Place:
    """A place; ``labels`` holds its FLICKR-like labels, a bar, its NUS-like ones."""
    flickr, _, nus = labels.partition("|")
    chances = _weights(props) if props else {}
    return Place(
        name, at, tuple(words.split(",")), weight, ground, _weights(cast), chances,
        tuple(flickr.split()), tuple(nus.split()), **rest,
    )  # fmt: skip


PEOPLE = "person 1.2, man 1.3, woman 1.4, boy 0.4, girl 0.4"
PLACES = (
    _place("meadow", "in", "field,pasture,green field", 8, "grass",
           "cow 4, sheep 4, horse 4, dog 2, bird, " + PEOPLE, "tree 0.3, daisy 0.2, house 0.15, rabbit 0.1",
           "plant_life|grass", sky=0.55),
    _place("park", "in", "playground,public garden,garden", 9, "lawn",
           "dog 3, bench 3, frisbee 3, ball 3, kite 2, bicycle 2, cyclist, bird 2, umbrella, baby 1.2, " + PEOPLE,
           "tree 0.45, rose 0.15, tulip 0.1, squirrel 0.1, butterfly 0.08", "plant_life|grass",
           sky=0.5, buildings=0.2),
    _place("flower garden", "in", "garden,flower bed,greenhouse", 3, "lawn",
           "potted plant 2, bench, bird 3, cat 2, baby, woman 3, girl 2", "sunflower 0.5, rose 0.5, tulip 0.4, "
           "daisy 0.3, blossom 0.4, butterfly 0.3", "plant_life|plants", sky=0.15, horizon=0.35),
    _place("savanna", "on", "plain,safari,steppe", 6, "savanna",
           "elephant 4, zebra 4, giraffe 4, bird 1.5", "tree 0.3, lion 0.2, cactus 0.1", "|", sky=0.75),
    _place("forest", "in", "wood,wilderness,grove", 5, "forest",
           "bear 5, bird 4, backpack 2, person 3, man, dog", "pine 0.8, tree 0.5, fox 0.2, deer 0.2, squirrel 0.15",
           "plant_life tree|", sky=0.25),
    _place("beach", "on", "shore,sandy beach,coast", 7, "beach",
           "surfer 3, boat 3, umbrella 3, kite 2, ball 2, dog, bird 2, frisbee, " + PEOPLE,
           "palm 0.3, fish 0.1, turtle 0.1", "sea water|water", sky=0.6, water=(0.5, 0.68)),
    _place("harbour", "in", "bay,port,marina", 5, "sea", "boat 8, bird 4, surfer 2",
           "whale 0.12, dolphin 0.15, fish 0.12", "sea water|water", sky=0.55, buildings=0.25, water=(0.5, 0.95)),
    _place("lake", "by", "pond,lakeside,waterfront", 5, "lake", "boat 4, bird 4, bench 2, dog, " + PEOPLE,
           "tree 0.3, pine 0.2, fish 0.1", "lake water|lake water", sky=0.5, water=(0.55, 0.8)),
    _place("river", "by", "stream,brook,creek", 5, "river", "boat 4, bird 3, bear, bicycle 2, horse, " + PEOPLE,
           "tree 0.3, house 0.2, fish 0.15", "river water|water", sky=0.45, buildings=0.2, water=(0.55, 0.78)),
    _place("snowy slope", "on", "mountain,ski run,piste", 6, "snow",
           "skier 5, snowboarder 4, pair of skis 3, backpack 2, person 3, dog", "pine 0.35, house 0.1, deer 0.06",
           "|", sky=0.75),
    _place("street", "on", "road,avenue,city street", 12, "road",
           "car 6, bus 4, truck 4, motorcycle 4, bicycle 3, cyclist 2, traffic light 4, stop sign 3, fire hydrant 3, "
           "umbrella 1.5, handbag, skateboard 2, dog, bench 0.7, " + PEOPLE, "tree 0.15",
           "structures|buildings", sky=0.35, buildings=1.0),
    _place("skate park", "in", "plaza,square,parking lot", 3, "plaza",
           "skateboard 6, bicycle 3, ball 2, backpack 2, bench 2, motorcycle, " + PEOPLE, "tree 0.1",
           "structures|buildings", sky=0.3, buildings=1.0),
    _place("airport", "at", "airfield,terminal,runway", 4, "runway",
           "airplane 8, suitcase 4, bus 2, truck 2, backpack, " + PEOPLE, "", "|", sky=1.0, buildings=0.2),
    _place("railway station", "at", "train station,station,depot", 4, "platform",
           "train 8, suitcase 4, bench 2, clock 3, backpack 2, handbag, " + PEOPLE, "", "structures|buildings",
           sky=0.3, buildings=0.6),
    _place("kitchen", "in", "kitchenette,pantry,cookhouse", 7, "counter",
           "oven 4, refrigerator 4, microwave 4, bowl 3, bottle 2, cup 2, knife 3, spoon 3, carrot 2.5, "
           "broccoli floret 2.5, banana 2, apple 2, orange 2, potted plant, " + PEOPLE, "bouquet 0.06", "indoor|",
           window=0.5),
    _place("dining room", "in", "restaurant,cafe,canteen", 7, "table",
           "pizza 3, wine glass 3, bottle 2, cup 2, fork 2, plate setting 2, cake 3, donut 2.5, sandwich 2.5, hot dog "
           "2.5, bowl 2, vase, " + PEOPLE, "bouquet 0.12", "indoor|", window=0.5),
    _place("living room", "in", "lounge,apartment,parlour", 7, "floor",
           "couch 5, tv 5, cat 4, dog 2, potted plant 3, chair 3, table with chairs 2, teddy bear 2, clock 2, "
           "vase 1.5, book 2, baby 2, " + PEOPLE, "bouquet 0.06", "indoor|", window=0.6),
    _place("bedroom", "in", "nursery,dormitory,hotel room", 5, "floor",
           "bed 6, teddy bear 4, book 2, clock 2, cat 2, suitcase 2, laptop, baby 2, chair, " + PEOPLE, "",
           "indoor|", window=0.6),
    _place("office", "in", "study,workplace,library", 6, "desk",
           "laptop 4, keyboard 4, mouse 4, cell phone 3.5, book 3, cup 2, chair, clock 2, pair of scissors 3, tie 3, "
           + PEOPLE, "", "indoor|", window=0.5),
    _place("bathroom", "in", "washroom,restroom,shower room", 4, "tiles",
           "toilet 6, toothbrush 5, bottle 2, vase, cat, potted plant, pair of scissors 1.5, " + PEOPLE, "",
           "indoor|", window=0.4),
    _place("photo studio", "in", "studio,photo booth,portrait studio", 6, "studio",
           "man 5, woman 5, boy 1.5, girl 1.5, baby 2, cat 0.7, dog 0.7, tie 2, handbag 1.5, cell phone, umbrella 0.7",
           "", "portrait indoor|person", scale=1.45),
    _place("picnic", "at", "picnic site,barbecue,garden party", 4, "blanket",
           "sandwich 3, banana 2, apple 3, orange 2, wine glass, bottle, hot dog 2.5, cake 2, donut 2, umbrella, ball, "
           "dog, " + PEOPLE, "tree 0.2", "plant_life food|grass", sky=0.2, horizon=0.3),
)  # fmt: skip
