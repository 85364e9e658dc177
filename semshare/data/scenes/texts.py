"""What people say about a scene: unordered tags or five captions, both less than the picture shows.

In the paper the text is the weaker modality, so things go unmentioned, are named by a synonym or by their
super-category, and words that have nothing to do with the picture creep in. How often is :class:`TextNoise`;
``NOISE`` holds the fixed levels, which were set once by linear probes (``benchmarks/probe_scenes.py``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from semshare.data.scenes.layout import Placed, Scene, View
from semshare.data.scenes.things import THINGS, Thing

if TYPE_CHECKING:
    from collections.abc import Sequence
    from random import Random


@dataclass(frozen=True)
class TextNoise:
    """How a text falls short of its picture; every level is a probability.

    Attributes:
        omit: that a thing in view, or the place, goes unmentioned in one text.
        synonym: that what is mentioned gets one of its less common names.
        supercategory: that it is named by its super-category instead (``vehicle``).
        irrelevant: for tags, that a tag has nothing to do with the picture; for captions, that a caption ends
            in a remark which has not. Half of such words name things that are not there.
    """

    omit: float
    synonym: float
    supercategory: float
    irrelevant: float


NOISE: dict[View, TextNoise] = {
    "flickr25k": TextNoise(omit=0.2, synonym=0.25, supercategory=0.1, irrelevant=0.15),
    "nuswide": TextNoise(omit=0.2, synonym=0.25, supercategory=0.1, irrelevant=0.15),
    "coco": TextNoise(omit=0.3, synonym=0.25, supercategory=0.15, irrelevant=0.25),
}

# Rows of the real FLICKR25K clean set (20,015) that have 1, 2, ... 14 tags and 15 or more (18 here): mean 4.6.
_TAG_COUNTS = (*range(1, 15), 18)
_TAG_WEIGHTS = (3277, 3389, 3005, 2446, 2055, 1472, 1067, 853, 591, 449, 314, 247, 196, 147, 507)

_GROUP_WORDS = {
    "person": ("human", "humans"), "vehicle": ("vehicle", "vehicles"), "outdoor": ("street fixture", "street fixtures"),
    "animal": ("animal", "animals"), "accessory": ("personal item", "personal items"),
    "sports": ("piece of sports gear", "pieces of sports gear"), "kitchen": ("kitchen item", "kitchen items"),
    "food": ("treat", "treats"), "furniture": ("piece of furniture", "pieces of furniture"),
    "electronic": ("gadget", "gadgets"), "appliance": ("appliance", "appliances"),
    "indoor": ("household item", "household items"),
}  # fmt: skip
_GROUP_TAGS = {"outdoor": "urban", "sports": "sport", "kitchen": "kitchenware", "indoor": "home", "food": "food",
               "furniture": "furniture", "person": "people", "accessory": "accessory"}  # fmt: skip
_CHATTER = (
    "nikon canon explore 2007 2008 bravo abigfave macro london travel friends fun art photo colors interesting hdr "
    "bokeh vacation family happy blue red green geotagged film 50mm weekend summer winter love light searchthebest"
).split()

_COUNTS = {1: "", 2: "two", 3: "three"}
_VERBS = {
    "person": (("stands", "stand"), ("poses", "pose"), ("waits", "wait"), ("is having fun", "are having fun")),
    "animal": (("stands", "stand"), ("rests", "rest"), ("looks around", "look around")),
    "vehicle": (("is parked", "are parked"), ("has stopped", "have stopped"), ("passes", "pass")),
    "": (("can be seen", "can be seen"), ("is on show", "are on show"), ("shows up", "show up")),
}
_PLACE_ADJECTIVES = ("quiet", "busy", "small", "large", "bright", "colorful", "lovely")
_REMARKS = (
    "as someone asks about {many}", "while a song about {many} plays", "near a sign about {many}",
    "long before any {many} arrive", "on a {day} {part}", "during the {part}", "in the middle of the {part}",
    "on a lazy {day}",
)  # fmt: skip
_DAYS = ("Monday", "Friday", "Saturday", "Sunday")
_PARTS = ("morning", "afternoon", "evening")


def write_texts(scene: Scene, view: View, noise: TextNoise, random: Random) -> tuple[str, ...]:
    """The texts of ``scene`` in ``view``: five captions for ``coco``, otherwise one string of tags."""
    if view == "coco":
        return tuple(caption(scene, noise, random) for _ in range(5))
    return (tags(scene, noise, random),)


def tags(scene: Scene, noise: TextNoise, random: Random) -> str:
    """Tags in no order, separated by spaces, as many as a photograph of FLICKR25K has."""
    wanted = random.choices(_TAG_COUNTS, _TAG_WEIGHTS)[0]
    things = {item.thing.name: item.thing for item in scene.placed}.values()
    true: list[str] = []
    for thing in things:
        if random.random() >= noise.omit:
            true.append(_tag(thing, noise, random))
    for word in _scenery(scene):
        if random.random() >= max(noise.omit, 0.5):  # scenery is less often worth a tag than what stands in it
            true.append(word)
    random.shuffle(true)
    # A diligent tagger repeats himself in other words before he runs out of truths.
    true += [_joined(other) for thing in things if thing.name in true for other, _ in thing.synonyms]
    chosen: list[str] = []
    for word in true[:wanted] + [""] * (wanted - len(true)):
        if not word or random.random() < noise.irrelevant:
            word = _irrelevant_tag(scene, random)
        if word not in chosen:
            chosen.append(word)
    return " ".join(chosen)


def caption(scene: Scene, noise: TextNoise, random: Random) -> str:
    """One English sentence about ``scene``."""
    groups = _mentioned(scene, noise, random)
    subjects = [_counted(names, len(members)) for names, members in groups]
    where = _where(scene, noise, random)
    if not subjects:
        sentence = f"{random.choice(('a view', 'a picture', 'a drawing'))} of {_overview(scene, noise, random)}"
    else:
        sentence = random.choice((_there_is, _verb_first, _place_first, _view_with, _related))(
            groups, subjects, where, _overview(scene, noise, random), random
        )
    if scene.sky and random.random() < 0.3:
        sentence += {"day": " on a clear day", "cloudy": " under a cloudy sky"}.get(scene.time, f" at {scene.time}")
    if random.random() < noise.irrelevant:
        many = THINGS[_absent(scene, random)].plural
        sentence += " " + random.choice(_REMARKS).format(
            many=many, day=random.choice(_DAYS), part=random.choice(_PARTS)
        )
    return sentence[0].upper() + sentence[1:] + "."


Names = tuple[str, str]
Group = tuple[Names, list[Placed]]


def _mentioned(scene: Scene, noise: TextNoise, random: Random) -> list[Group]:
    """Up to four groups of things that a writer mentions, each under the name chosen for it."""
    kinds: dict[str, list[Placed]] = {}
    for item in scene.placed:
        kinds.setdefault(item.thing.name, []).append(item)
    named: dict[Names, list[Placed]] = {}
    for members in kinds.values():
        thing = members[0].thing
        # What has no category of its own is mentioned half as often as what has.
        if random.random() < (noise.omit if thing.coco else (1 + noise.omit) / 2):
            continue
        named.setdefault(_names(thing, noise, random), []).extend(members)
    groups = list(named.items())
    random.shuffle(groups)
    return groups[:4]


def _names(thing: Thing, noise: TextNoise, random: Random) -> Names:
    roll = random.random()
    if roll < noise.supercategory and thing.group:
        return _GROUP_WORDS[thing.group]
    if roll < noise.supercategory + noise.synonym and thing.synonyms:
        return random.choice(thing.synonyms)
    return thing.name, thing.plural


def _there_is(groups: list[Group], subjects: list[str], where: str, place: str, random: Random) -> str:
    return f"there {'is' if len(groups[0][1]) == 1 else 'are'} {_listed(subjects)} {where}"


def _verb_first(groups: list[Group], subjects: list[str], where: str, place: str, random: Random) -> str:
    return f"{_listed(subjects)} {_verb(groups, random)} {where}"


def _place_first(groups: list[Group], subjects: list[str], where: str, place: str, random: Random) -> str:
    return f"{where}, {_listed(subjects)} {_verb(groups, random)}"


def _view_with(groups: list[Group], subjects: list[str], where: str, place: str, random: Random) -> str:
    return f"{random.choice(('', 'a view of ', 'a drawing of '))}{place} with {_listed(subjects)}"


def _related(groups: list[Group], subjects: list[str], where: str, place: str, random: Random) -> str:
    """The first thing related to the second by where they really stand."""
    if len(groups) < 2:
        return f"{subjects[0]} {where}"
    first, other = groups[0][1][0], groups[1][1][0]
    if first.thing.zone == "sky" and other.thing.zone != "sky":
        relation = "above"
    elif first.covers(other) > 0.1 and abs(first.bottom - other.bottom) > 0.06:
        relation = "in front of" if first.bottom > other.bottom else "behind"
    else:
        relation = "next to" if abs(first.x - other.x) < 0.45 else "not far from"
    rest = f" with {_listed(subjects[2:])}" if subjects[2:] else ""
    return f"{subjects[0]} {relation} {subjects[1]} {where}{rest}"


def _verb(groups: list[Group], random: Random) -> str:
    kinds = {members[0].thing.group for _, members in groups}
    single = len(groups) == 1 and len(groups[0][1]) == 1
    verbs = _VERBS.get(kinds.pop() if len(kinds) == 1 else "", _VERBS[""])
    return random.choice(verbs)[0 if single else 1]


def _where(scene: Scene, noise: TextNoise, random: Random) -> str:
    if scene.place.ground == "table" and random.random() < 0.5:
        return "at a table" if random.random() < 0.5 else "by a dining table"
    if random.random() < noise.omit:
        return "indoors" if scene.place.indoors else "outdoors"
    return f"{scene.place.at} {_place_noun(scene, noise, random)}"


def _overview(scene: Scene, noise: TextNoise, random: Random) -> str:
    if random.random() < noise.omit:
        return "a room" if scene.place.indoors else "an outdoor scene"
    return _place_noun(scene, noise, random)


def _place_noun(scene: Scene, noise: TextNoise, random: Random) -> str:
    noun = random.choice(scene.place.words) if random.random() < noise.synonym else scene.place.name
    return _article(f"{random.choice(_PLACE_ADJECTIVES)} {noun}" if random.random() < 0.25 else noun)


def _article(noun: str) -> str:
    return f"{'an' if noun[0] in 'aeiou' and not noun.startswith('ewe') else 'a'} {noun}"


def _counted(names: Names, count: int) -> str:
    return _article(names[0]) if count == 1 else f"{_COUNTS.get(count, 'several')} {names[1]}"


def _listed(phrases: Sequence[str]) -> str:
    return phrases[0] if len(phrases) == 1 else ", ".join(phrases[:-1]) + " and " + phrases[-1]


def _tag(thing: Thing, noise: TextNoise, random: Random) -> str:
    roll = random.random()
    if roll < noise.supercategory and thing.group:
        return _GROUP_TAGS.get(thing.group, thing.group)
    if roll < noise.supercategory + noise.synonym and thing.synonyms:
        return _joined(random.choice(thing.synonyms)[0])
    return _joined(thing.name)


def _scenery(scene: Scene) -> list[str]:
    words = [_joined(scene.place.name), *(_joined(word) for word in scene.place.words[:2])]
    words += ["sky"] * scene.sky + ["clouds"] * scene.clouds + ["buildings"] * scene.buildings
    words += ["window"] * scene.window
    words += [scene.time] * (scene.time in ("sunset", "night"))
    return words


def _irrelevant_tag(scene: Scene, random: Random) -> str:
    return random.choice(_CHATTER) if random.random() < 0.5 else _joined(_absent(scene, random))


def _absent(scene: Scene, random: Random) -> str:
    """The name of something that is not in the scene."""
    here = {item.thing.name for item in scene.placed}
    return random.choice([name for name in THINGS if name not in here])


def _joined(name: str) -> str:
    """A name as one tag."""
    return name.replace(" ", "").replace("-", "")
