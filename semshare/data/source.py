"""What a dataset reader yields: items with texts, labels and a split, and their pictures on request."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol, get_args

if TYPE_CHECKING:
    from collections.abc import Mapping

    from PIL import Image

Split = Literal["train", "dev", "test"]
SPLITS: tuple[Split, ...] = get_args(Split)


@dataclass(frozen=True)
class Item:
    """One image's id with its texts, its labels and the split it belongs to."""

    id: str
    texts: tuple[str, ...]
    labels: tuple[str, ...]
    split: Split


class Source(Protocol):
    """A dataset before any tensor: adding a dataset is writing one class of this shape.

    ``pool`` names the collection of pictures: sources of one pool share extracted regions, so an
    item id must mean the same picture in all of them. ``supercategories`` maps a label to its
    super-category and is empty where the label set has none. ``notes`` says, one line each, where what was read
    is not what is expected: counts, splits, rows left out.
    """

    name: str
    status: Literal["real", "subset", "simulated", "stand-in"]
    text_kind: Literal["tags", "captions"]
    pool: str
    label_names: tuple[str, ...]
    supercategories: Mapping[str, str]
    attribution: str
    notes: tuple[str, ...]

    def items(self) -> list[Item]:
        """Every item, in a fixed order."""
        ...

    def pool_ids(self) -> list[str]:
        """The id of every picture of the pool, of which the items may use a part."""
        ...

    def picture(self, id: str) -> Image.Image:
        """The picture of item ``id`` as an RGB image."""
        ...
