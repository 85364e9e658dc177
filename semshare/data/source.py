"""What a dataset reader gives: items with texts, labels and a split, and their pictures on request."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

from semshare.data.pictures import open_picture

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from PIL import Image

    from semshare.data.about import Status

Split = Literal["train", "dev", "test"]
SPLITS: tuple[Split, ...] = get_args(Split)


@dataclass(frozen=True)
class Item:
    """One image's id with its texts, its labels and the split it belongs to."""

    id: str
    texts: tuple[str, ...]
    labels: tuple[str, ...]
    split: Split


class Source(ABC):
    """A dataset before any tensor: adding a dataset is writing one subclass.

    Attributes:
        name: the dataset's name in the catalogue.
        status: how near it is to the real dataset (``semshare.data.about`` has it in words).
        text_kind: what its texts are.
        kind_known: how that is known, e.g. "as this layout has"; empty where they may be something else.
        pool: names the collection of pictures. Sources of one pool share extracted regions, so an item id must mean
            the same picture in all of them. A picture may change: see ``files``.
        label_names: every label, in the order of its column.
        supercategories: a label's super-category; empty where the label set has none.
        attribution: whose work it is, and under which licence.
        notes: one line for each count, split or row that is not as expected.
        root: the file or folder it was read from; None where it is generated.
        without_pictures: whether there are texts and labels alone.
        text_noise: how far the texts of a stand-in fall short of their pictures, by the name of the level.
    """

    name: str
    status: Status
    text_kind: Literal["tags", "captions"]
    kind_known: str = ""
    pool: str
    label_names: tuple[str, ...]
    supercategories: Mapping[str, str] = {}
    attribution: str
    notes: tuple[str, ...] = ()
    root: Path | None = None
    without_pictures: bool = False
    text_noise: Mapping[str, float] = {}

    @abstractmethod
    def items(self) -> list[Item]:
        """Every item, in a fixed order."""

    def pool_ids(self) -> list[str]:
        """The id of every picture of the pool, of which the items may use a part; by default they use all."""
        return [item.id for item in self.items()]

    @property
    def files(self) -> Mapping[str, Path]:
        """Where the picture of each id of the pool lies; empty where pictures are no files of their own."""
        return {}

    def digests(self) -> dict[str, str]:
        """A digest of each picture's content by its id, where ``files`` does not know where pictures lie."""
        return {}

    @abstractmethod
    def picture(self, id: str) -> Image.Image:
        """The picture of item ``id`` as an RGB image; raises :class:`UserError` where it cannot be read."""


class FileSource(Source):
    """A source that has read its items from files under ``root`` and knows the file of each picture."""

    root: Path
    _items: list[Item]
    _files: Mapping[str, Path]

    def items(self) -> list[Item]:
        return self._items

    @property
    def files(self) -> Mapping[str, Path]:
        return {id: self._files[id] for id in self.pool_ids()}

    def picture(self, id: str) -> Image.Image:
        return open_picture(self._files[id])


def portable_notes(source: Source, name: str) -> list[str]:
    """The notes of ``source`` without the folders of this machine; its root is called ``name``."""
    if source.root is None or not source.root.is_absolute():
        return list(source.notes)
    return [note.replace(f"{source.root}/", "").replace(str(source.root), name) for note in source.notes]
