"""What can stand in a scene: things, the OpenMoji glyphs that draw them, their names and their labels.

One table serves all three views of the scenes, so a thing carries its COCO categories and its labels in
the FLICKR25K-like and NUS-WIDE-like views at once. Category and super-category names are COCO's own; the 24
and 10 label names are those of MIRFLICKR-25K and of the ten most frequent NUS-WIDE concepts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Zone = Literal["ground", "sky", "water", "surface", "wall"]

FLICKR_LABELS = tuple(
    "animals baby bird car clouds dog female flower food indoor lake male night people plant_life portrait river "
    "sea sky structures sunset transport tree water".split()
)
NUS_LABELS = tuple("sky clouds person water animal grass buildings window plants lake".split())

# COCO's categories in COCO's order, without the eight for which there is neither a glyph nor a drawing.
_COCO = {
    "person": "person",
    "vehicle": "bicycle car motorcycle airplane bus train truck boat",
    "outdoor": "traffic_light fire_hydrant stop_sign bench",
    "animal": "bird cat dog horse sheep cow elephant bear zebra giraffe",
    "accessory": "backpack umbrella handbag tie suitcase",
    "sports": "frisbee skis snowboard sports_ball kite skateboard surfboard",
    "kitchen": "bottle wine_glass cup fork knife spoon bowl",
    "food": "banana apple sandwich orange broccoli carrot hot_dog pizza donut cake",
    "furniture": "chair couch potted_plant bed dining_table toilet",
    "electronic": "tv laptop mouse keyboard cell_phone",
    "appliance": "microwave oven refrigerator",
    "indoor": "book clock vase scissors teddy_bear toothbrush",
}
SUPERCATEGORIES = {name.replace("_", " "): group for group, names in _COCO.items() for name in names.split()}
COCO_LABELS = tuple(SUPERCATEGORIES)


@dataclass(frozen=True)
class Thing:
    """Something drawable.

    Attributes:
        name, plural: how a text calls one or several of it.
        glyphs: its variants, single OpenMoji characters or names of the drawings in ``scene_paint``; earlier
            ones are drawn more often.
        size: height or width, whichever is larger, as a share of the picture's side when it stands near.
        zone: where in a scene it belongs.
        coco, flickr, nus: its labels in the three views; a thing without any is a distractor.
        synonyms: other (singular, plural) names.
    """

    name: str
    plural: str
    glyphs: tuple[str, ...]
    size: float
    zone: Zone
    coco: tuple[str, ...]
    flickr: tuple[str, ...]
    nus: tuple[str, ...]
    synonyms: tuple[tuple[str, str], ...]

    @property
    def group(self) -> str:
        """The COCO super-category of its first category; empty for a thing without one."""
        return SUPERCATEGORIES[self.coco[0]] if self.coco else ""


def both_numbers(word: str) -> tuple[str, str]:
    """(singular, plural) of ``word``, which may spell an irregular plural out: ``"mouse/mice"``."""
    if "/" in word:
        singular, many = word.split("/")
        return singular, many
    if word.endswith(("s", "sh", "ch", "x")):
        return word, word + "es"
    if word.endswith("y") and word[-2] not in "aeiou":
        return word, word[:-1] + "ies"
    return word, word + "s"


THINGS: dict[str, Thing] = {}


def _thing(
    name: str,
    glyphs: str,
    size: float,
    zone: Zone = "ground",
    coco: str | None = None,
    flickr: str = "",
    nus: str = "",
    also: str = "",
) -> None:
    """Add a thing; ``coco`` is its own name unless given, ``also`` its synonyms, all separated by commas."""
    singular, many = both_numbers(name)
    categories = singular if coco is None else coco
    variants = tuple(glyphs) if not glyphs.isascii() else (glyphs,)
    names = tuple(both_numbers(word) for word in also.split(",") if word)
    labels = tuple(category for category in categories.split(",") if category)
    THINGS[singular] = Thing(
        singular, many, variants, size, zone, labels, tuple(flickr.split()), tuple(nus.split()), names
    )


def _things(names: str, glyphs: str, size: float, zone: Zone = "ground", flickr: str = "", nus: str = "") -> None:
    """Several things without a COCO category, one glyph each."""
    for name, glyph in zip(names.split(","), glyphs, strict=True):
        _thing(name, glyph, size, zone, "", flickr, nus)


# People. The busts tell men from women; the walking figures do not.
_thing("person/people", "🚶🧍🏃🤸", 0.46, coco="person", flickr="people", nus="person", also="pedestrian,figure")
_thing("man/men", "👨👴👷👮🧔", 0.46, "ground", "person", "people male", "person", "guy,gentleman/gentlemen")
_thing("woman/women", "👩👵👸🧕👰", 0.46, "ground", "person", "people female", "person", "lady")
_thing("boy", "👦", 0.42, "ground", "person", "people male", "person", "kid,child/children")
_thing("girl", "👧", 0.42, "ground", "person", "people female", "person", "kid,child/children")
_thing("baby", "👶", 0.4, "ground", "person", "people baby", "person", "infant,newborn")
_thing("cyclist", "🚴", 0.46, "ground", "person,bicycle", "people transport", "person", "rider")
_thing("surfer", "🏄", 0.5, "water", "person,surfboard", "people", "person", "athlete")
_thing("snowboarder", "🏂", 0.5, "ground", "person,snowboard", "people", "person", "athlete")
_thing("skier", "⛷", 0.5, "ground", "person,skis", "people", "person", "athlete")

_thing("bicycle", "🚲", 0.42, flickr="transport", also="bike,cycle")
_thing("car", "🚗🚙🚕🚘", 0.46, flickr="car transport", also="automobile,sedan")
_thing("motorcycle", "🏍🛵", 0.44, flickr="transport", also="motorbike,scooter")
_thing("airplane", "✈🛫🛩", 0.46, "sky", flickr="transport", also="plane,jet")
_thing("bus", "🚌🚍🚎", 0.5, flickr="transport", also="coach")
_thing("train", "🚂🚆🚄🚊", 0.52, flickr="transport", also="locomotive,tram")
_thing("truck", "🚚🚛🛻", 0.5, flickr="transport", also="lorry,pickup")
_thing("boat", "⛵🚤🚢🛶", 0.48, "water", flickr="transport", also="ship,vessel")
_thing("traffic light", "🚦", 0.42, also="stoplight,signal")
_thing("fire hydrant", "hydrant", 0.36, also="hydrant")
_thing("stop sign", "🛑", 0.36, also="road sign,sign")
_thing("bench", "bench", 0.46, also="park seat")

_thing("bird", "🐦🦆🦅🦜🦩", 0.36, flickr="animals bird", nus="animal", also="fowl,feathered friend")
_thing("cat", "🐈🐱", 0.38, flickr="animals", nus="animal", also="kitten,kitty")
_thing("dog", "🐕🐶🐩", 0.4, flickr="animals dog", nus="animal", also="puppy,hound")
_thing("horse", "🐎🐴", 0.46, flickr="animals", nus="animal", also="pony,stallion")
_thing("sheep/sheep", "🐑🐏", 0.4, flickr="animals", nus="animal", also="lamb,ewe")
_thing("cow", "🐄🐮", 0.44, flickr="animals", nus="animal", also="calf/calves,bull")
_thing("elephant", "🐘", 0.52, flickr="animals", nus="animal", also="tusker")
_thing("bear", "🐻🐼", 0.42, flickr="animals", nus="animal", also="grizzly,cub")
_thing("zebra", "🦓", 0.46, flickr="animals", nus="animal", also="striped grazer")
_thing("giraffe", "🦒", 0.56, flickr="animals", nus="animal", also="long-necked grazer")

_thing("backpack", "🎒", 0.34, also="rucksack,bag")
_thing("umbrella", "☂⛱", 0.4, also="parasol")
_thing("handbag", "👜👛", 0.34, also="purse,bag")
_thing("tie", "👔", 0.36, also="necktie")
_thing("suitcase", "🧳💼", 0.36, also="briefcase,piece of luggage/pieces of luggage")
_thing("frisbee", "🥏", 0.32, also="flying disc,disc")
_thing("pair of skis/pairs of skis", "🎿", 0.38, coco="skis", also="pair of ski boots/pairs of ski boots")
_thing("ball", "⚽🏀🏈🎾", 0.3, coco="sports ball", also="football,basketball")
_thing("kite", "🪁", 0.36, "sky", also="paper flyer")
_thing("skateboard", "🛹", 0.38, also="longboard,board")

_thing("bottle", "🍾🍼", 0.36, "surface", flickr="food", also="flask")
_thing("wine glass", "🍷🥂", 0.34, "surface", flickr="food", also="glass,goblet")
_thing("cup", "☕🍵🥤", 0.32, "surface", also="mug,drink")
_thing("fork", "🍴", 0.32, "surface", "fork,knife", also="set of cutlery/sets of cutlery")
_thing("plate setting", "🍽", 0.36, "surface", "fork,knife", also="place setting,plate")
_thing("knife/knives", "🔪", 0.34, "surface", also="blade,cleaver")
_thing("spoon", "🥄", 0.32, "surface", also="ladle")
_thing("bowl", "🥣🍜🥗", 0.34, "surface", flickr="food", also="dish,soup")
_thing("banana", "🍌", 0.32, "surface", flickr="food", also="fruit/pieces of fruit")
_thing("apple", "🍎🍏", 0.3, "surface", flickr="food", also="fruit/pieces of fruit")
_thing("sandwich", "🥪", 0.34, "surface", flickr="food", also="burger,snack")
_thing("orange", "🍊", 0.3, "surface", flickr="food", also="tangerine,fruit/pieces of fruit")
_thing("broccoli floret", "🥦", 0.32, "surface", "broccoli", "food", also="vegetable,green")
_thing("carrot", "🥕", 0.32, "surface", flickr="food", also="vegetable,root")
_thing("hot dog", "🌭", 0.36, "surface", flickr="food", also="sausage,frankfurter")
_thing("pizza", "🍕", 0.36, "surface", flickr="food", also="slice of pizza/slices of pizza,pie")
_thing("donut", "🍩", 0.34, "surface", flickr="food", also="doughnut,pastry")
_thing("cake", "🎂🍰", 0.38, "surface", flickr="food", also="dessert,pastry")

_thing("chair", "🪑", 0.44, also="seat,stool")
_thing("couch", "🛋", 0.52, also="sofa,settee")
_thing("potted plant", "🪴", 0.42, flickr="plant_life", nus="plants", also="houseplant,fern")
_thing("bed", "🛏", 0.56, also="bunk,mattress")
_thing("table with chairs/tables with chairs", "\ue200", 0.54, coco="dining table,chair", also="dining set")
_thing("toilet", "🚽", 0.44, also="lavatory,loo")
_thing("tv", "📺", 0.44, also="television,screen")
_thing("laptop", "💻", 0.38, "surface", also="notebook computer,computer")
_thing("mouse/mice", "🖱", 0.28, "surface", also="trackball")
_thing("keyboard", "⌨", 0.38, "surface", also="keypad")
_thing("cell phone", "📱", 0.32, "surface", also="phone,smartphone")
_thing("microwave", "microwave", 0.4, "surface", also="microwave oven")
_thing("oven", "oven", 0.44, also="stove,cooker")
_thing("refrigerator", "refrigerator", 0.54, also="fridge,freezer")
_thing("book", "📕📗📘📚", 0.34, "surface", also="novel,paperback")
_thing("clock", "🕰⏰", 0.34, "wall", also="timepiece")
_thing("vase", "🏺", 0.36, "surface", also="urn,jar")
_thing("pair of scissors/pairs of scissors", "✂", 0.32, "surface", "scissors", also="pair of shears/pairs of shears")
_thing("teddy bear", "🧸", 0.38, also="stuffed toy,plush toy")
_thing("toothbrush", "🪥", 0.34, "surface", also="brush")

# Things outside COCO's list that still carry labels in the two tag views.
_things("pine,tree,palm,cactus/cacti", "🌲🌳🌴🌵", 0.5, flickr="plant_life tree", nus="plants")
_things("rose,sunflower,tulip,daisy,blossom", "🌹🌻🌷🌼🌺", 0.38, flickr="flower plant_life", nus="plants")
_thing("bouquet", "💐", 0.36, "surface", "", "flower plant_life", "plants", "bunch")
_things("house,cottage,castle,church", "🏠🏡🏰⛪", 0.48, flickr="structures", nus="buildings")
_things("fox,lion,tiger,rabbit,squirrel,deer/deer", "🦊🦁🐯🐰🐿🦌", 0.36, flickr="animals", nus="animal")
_things("fish/fish,dolphin,whale,turtle", "🐟🐬🐳🐢", 0.34, "water", "animals", "animal")
_things("butterfly", "🦋", 0.26, "sky", "animals", "animal")

# Distractors carry no label in any view.
_things("balloon", "🎈", 0.26, "sky")
_things("gift,guitar,drum,basket,bucket,broom,trumpet,hat,lantern", "🎁🎸🥁🧺🪣🧹🎺🎩🏮", 0.26)
_things("candle,key,bell,camera,ball of yarn/balls of yarn,lamp", "🕯🔑🔔📷🧶💡", 0.24, "surface")
DISTRACTORS = tuple(name for name, thing in THINGS.items() if not (thing.coco or thing.flickr or thing.nus))
