"""The embedded stand-ins: illustrated scenes with labels and texts, drawn from OpenMoji glyphs and a seed.

These are drawings, not photographs, and no line of their texts was written by a person: they stand in for
FLICKR25K, NUS-WIDE and COCO where those cannot be downloaded, under names that say so. What follows the
originals is the shape of the task: label names, labels a pair, tags a picture, five captions, a text that is
weaker than its picture (``scene_words``). Every number obtained on them is a number about drawings.
"""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Literal

from semshare.data.scenes.layout import LABELS, View
from semshare.data.scenes.pool import ScenePool, item_id, pool_name, scene_of
from semshare.data.scenes.texts import NOISE, TextNoise, write_texts
from semshare.data.scenes.things import SUPERCATEGORIES
from semshare.data.source import SPLITS, Item, Source, Split
from semshare.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from PIL import Image

Scale = Literal["smoke", "laptop", "full"]

# Pictures in the pool. The tag views test on the first pictures of the pool's test split, coco on all.
SCENE_SIZES: dict[Scale, dict[Split, int]] = {
    "smoke": {"train": 160, "dev": 48, "test": 96},
    "laptop": {"train": 1500, "dev": 300, "test": 2500},
    "full": {"train": 16000, "dev": 2000, "test": 5000},
}
TAG_TEST_SIZES: dict[Scale, int] = {"smoke": 64, "laptop": 1000, "full": 2000}
_NAMES: dict[View, str] = {"flickr25k": "scenes-flickr25k", "nuswide": "scenes-nuswide", "coco": "scenes-coco5k"}

ATTRIBUTION = (
    "Drawn scenes (a stand-in, not photographs) composed from OpenMoji glyphs. All emojis designed by OpenMoji, the "
    "open-source emoji and icon project, openmoji.org; license: CC BY-SA 4.0. The glyphs were scaled, rotated, "
    "mirrored and put before drawn backgrounds; pictures that show them are shared under CC BY-SA 4.0 as well."
)


class ScenesSource(Source):
    """One view of a pool of drawn scenes."""

    status: Literal["stand-in"] = "stand-in"
    attribution = ATTRIBUTION

    def __init__(
        self,
        view: View,
        sizes: Mapping[Split, int],
        cache: Path,
        seed: int = 0,
        test: int | None = None,
        name: str | None = None,
        noise: TextNoise | None = None,
    ) -> None:
        """Describe a view; nothing is drawn before the first picture is asked for.

        Args:
            view: ``flickr25k``, ``nuswide`` or ``coco``: which labels and which texts.
            sizes: pictures in each split of the pool, the same for all views that share it.
            cache: the folder that holds the pools.
            seed: of pictures and texts.
            test: how many of the pool's test pictures this view lists, from the first; all by default.
            name: the dataset's name, if another than the view's own.
            noise: what the texts leave out and get wrong; by default the view's calibrated level.

        Raises:
            UserError: an unknown view, or more test items than the pool has.
        """
        if view not in LABELS:
            raise UserError(f"unknown view of the scenes {view!r}: choose one of {', '.join(LABELS)}")
        if test is not None and test > sizes["test"]:
            raise UserError(f"{test} test items asked of a pool of scenes that has {sizes['test']}")
        self.name = name or _NAMES[view]
        self._view: View = view
        self.text_kind: Literal["tags", "captions"] = "captions" if view == "coco" else "tags"
        self.label_names = LABELS[view]
        self.supercategories: Mapping[str, str] = SUPERCATEGORIES if view == "coco" else {}
        self.pool = pool_name(seed, sizes)
        self._pool_sizes = dict(sizes)
        self._listed = dict(sizes) | ({} if test is None else {"test": test})
        self._seed = seed
        self._noise = noise or NOISE[view]
        self.text_noise = vars(self._noise)
        self._folder = Path(cache) / self.pool
        self._items: list[Item] | None = None
        self._pictures: ScenePool | None = None

    @classmethod
    def at(cls, view: View, scale: Scale, cache: Path, seed: int = 0, name: str | None = None) -> ScenesSource:
        """The view at one of the three scales."""
        test = None if view == "coco" else TAG_TEST_SIZES[scale]
        return cls(view, SCENE_SIZES[scale], cache, seed, test, name)

    def items(self) -> list[Item]:
        """Train, dev, test in the order of their numbers; costs no drawing (0.3 ms an item, once)."""
        if self._items is None:
            self._items = [self._item(split, number) for split in SPLITS for number in range(self._listed[split])]
        return list(self._items)

    def pool_ids(self) -> list[str]:
        """The id of every picture of the pool."""
        return [item_id(split, number) for split in SPLITS for number in range(self._pool_sizes[split])]

    def picture(self, id: str) -> Image.Image:
        """The picture of item ``id``, RGB, 192x192; the first call opens the pool or draws it.

        Raises:
            UserError: an unknown id, or a pool whose files are damaged.
        """
        if self._pictures is None:
            self._pictures = ScenePool(self._folder, self._seed, self._pool_sizes)
        return self._pictures.read(id)

    def _item(self, split: Split, number: int) -> Item:
        scene = scene_of(self._seed, split, number)
        random = Random(f"texts/{self._view}/{self._seed}/{split}/{number}")
        texts = write_texts(scene, self._view, self._noise, random)
        return Item(item_id(split, number), texts, scene.labels(self._view), split)
