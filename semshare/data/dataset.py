"""PairedDataset: images, texts, labels and splits as tensors, and the batches that training reads."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch
from torch import Tensor

from semshare.data.regions.base import Regions
from semshare.data.segments import Segments
from semshare.data.source import SPLITS, Item, Source, Split
from semshare.data.tokens import OWN, WORDS, Tokenizer
from semshare.data.words import SPECIAL, UNK, Vocabulary
from semshare.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from semshare.data.regions.store import FeatureStore

Pairing = Literal["aligned", "same-labels"]
EpochPairs = Literal["images", "captions"]


@dataclass(frozen=True)
class Part:
    """One split: N images, M texts, and which image each text describes.

    Attributes:
        image_ids: N ids.
        labels: [N, C] float 0/1.
        texts: M texts as written.
        words: M lists of word ids, ``<start>`` and ``<end>`` included.
        owner: [M] integer, the row of the image that a text describes.
        caption_index: [M] integer, a text's place among its image's texts (0 to 4 on COCO).
    """

    image_ids: tuple[str, ...]
    labels: Tensor
    texts: tuple[str, ...]
    words: tuple[tuple[int, ...], ...]
    owner: Tensor
    caption_index: Tensor

    def __repr__(self) -> str:
        return f"<Part: {len(self.image_ids):,} images, {len(self.texts):,} texts, {self.labels.shape[1]} labels>"

    @property
    def text_labels(self) -> Tensor:
        """The labels of each text, [M, C] float, which are its image's."""
        return self.labels[self.owner]

    def distinct_texts(self, with_labels: bool = True) -> tuple[Tensor, Tensor]:
        """The distinct (words, labels) pairs, or the distinct words: what a tag gallery holds.

        Gives [D] the rows of their first occurrences, and [M] which of the D stands for each text.
        """
        rows: list[int] = []
        row_of: dict[tuple, int] = {}
        stands_for = []
        labels = self.text_labels.bool().numpy()
        for row, words in enumerate(self.words):
            key = (words, labels[row].tobytes() if with_labels else b"")
            if key not in row_of:
                row_of[key] = len(rows)
                rows.append(row)
            stands_for.append(row_of[key])
        return torch.tensor(rows), torch.tensor(stands_for)

    def texts_by_image(self, pairing: Pairing = "aligned") -> list[list[int]]:
        """For each image the rows of the texts it may be paired with, see :meth:`PairedDataset.batches`."""
        groups: dict[object, list[int]] = {}
        of_image = range(len(self.image_ids))
        if pairing == "same-labels":
            of_image = [row.numpy().tobytes() for row in self.labels.bool()]
        for row, owner in enumerate(self.owner.tolist()):
            groups.setdefault(of_image[owner], []).append(row)
        return [groups[group] for group in of_image]

    def without_words(self, missing: float) -> Part:
        """The part with words withheld from each text with probability ``missing``."""
        owners, indices = self.owner.tolist(), self.caption_index.tolist()
        rows = zip(owners, indices, self.words, strict=True)
        words = tuple(kept_words(self.image_ids[owner], index, text, missing) for owner, index, text in rows)
        return replace(self, words=words)

    def first(self, count: int) -> Part:
        """The part restricted to its first ``count`` images and their texts."""
        return self.between(0, count)

    def between(self, start: int, stop: int) -> Part:
        """The part restricted to the images in rows ``start`` to ``stop`` (without it) and their texts."""
        kept = [row for row, owner in enumerate(self.owner.tolist()) if start <= owner < stop]
        return Part(
            image_ids=self.image_ids[start:stop],
            labels=self.labels[start:stop],
            texts=tuple(self.texts[row] for row in kept),
            words=tuple(self.words[row] for row in kept),
            owner=self.owner[kept] - start,
            caption_index=self.caption_index[kept],
        )


@dataclass(frozen=True)
class Batch:
    """B aligned pairs: row i of ``image``, ``text`` and ``labels`` [B, C] belong together."""

    image: Segments
    text: Segments
    labels: Tensor

    def to(self, device: torch.device | str) -> Batch:
        return Batch(self.image.to(device), self.text.to(device), self.labels.to(device, non_blocking=True))

    def asking_longest(self) -> Batch:
        """The batch with context prediction's targets in the items with the longest texts alone, as released.

        The released code sorts a batch by its texts' lengths, the longest first, and its loop over hidden segments ends
        after min(B, L) items, L being the modality's padded length: 36 of 64 images with 36 regions.
        """
        order = self.text.mask.sum(1).argsort(descending=True, stable=True)
        asked = []
        for segments in (self.image, self.text):
            left_out = order[segments.mask.shape[1] :]
            asked.append(replace(segments, targets=segments.targets.index_fill(0, left_out, -1)))
        return Batch(*asked, self.labels)


@dataclass(frozen=True)
class PairedDataset:
    """A dataset ready for tensors; ``vectors`` [V, 300] holds the vocabulary's Word2Vec vectors.

    ``tokenizer`` cut its texts into words. With ``first_boxes`` the boxes of a split's first image stand for every
    image of it; with ``unknown_words`` context prediction may hide ``<unk>`` and asks for it: both as released.
    """

    name: str
    status: str
    text_kind: str
    label_names: tuple[str, ...]
    supercategories: Mapping[str, str]
    attribution: str
    parts: Mapping[Split, Part]
    vocabulary: Vocabulary
    vectors: np.ndarray = field(repr=False)
    store: FeatureStore = field(repr=False)
    source: Source = field(repr=False)
    checksum: str
    missing_regions: float = 0.0
    first_boxes: bool = False
    unknown_words: bool = False
    tokenizer: Tokenizer = OWN

    def __repr__(self) -> str:
        from semshare.data import display

        return display.dataset_text(self)

    def _repr_html_(self) -> str:
        from semshare.data import display

        return display.dataset_html(self)

    @property
    def regions(self) -> str:
        """The name of what made the regions."""
        return self.store.meta["extractor"]

    @property
    def feature_size(self) -> int:
        """Length of a region's feature."""
        return self.store.meta["features"]

    @property
    def region_classes(self) -> int:
        """Number of classes the region extractor tells apart."""
        return self.store.meta["classes"]

    def thinned(
        self, missing_regions: float = 0.0, missing_words: float = 0.0, train_items: int | None = None
    ) -> PairedDataset:
        """The data without a share of each image's regions and each text's words, and with fewer training pairs.

        Args:
            missing_regions: the probability, in [0, 1), that a region is withheld (:func:`kept_regions`).
            missing_words: likewise for a word.
            train_items: how many training images stay, the first ones; all by default.
        """
        parts = dict(self.parts)
        if train_items is not None:
            parts["train"] = parts["train"].first(train_items)
        if missing_words:
            parts = {split: part.without_words(missing_words) for split, part in parts.items()}
        return replace(self, parts=parts, missing_regions=missing_regions)

    def images(self, split: Split, rows: Sequence[int] | None = None) -> Segments:
        """The regions of images ``rows`` (all by default), features [B, 36, D] float32."""
        ids = self.parts[split].image_ids
        chosen = ids if rows is None else [ids[row] for row in rows]
        segments = Regions.of_rows(self.store.tensor(chosen)).segments()
        if self.first_boxes:
            first = Regions.of_rows(self.store.tensor(ids[:1])).boxes
            segments = replace(segments, positions=first.expand_as(segments.positions))
        return replace(segments, mask=kept_regions(chosen, self.missing_regions, segments.mask))

    def texts(self, split: Split, rows: Sequence[int] | None = None) -> Segments:
        """The words of texts ``rows`` (all by default) as ids [B, L], padded to the longest of them."""
        words = self.parts[split].words
        segments = pad_words([words[row] for row in (range(len(words)) if rows is None else rows)])
        if self.unknown_words:
            unknown = SPECIAL.index(UNK)
            segments = replace(segments, targets=segments.targets.masked_fill(segments.features == unknown, unknown))
        return segments

    def pairs_in_epoch(self, split: Split, epoch_pairs: EpochPairs = "images") -> int:
        """How many pairs one pass of :meth:`batches` has."""
        part = self.parts[split]
        return len(part.image_ids if epoch_pairs == "images" else part.words)

    def batches(
        self,
        split: Split,
        size: int,
        generator: torch.Generator,
        pairing: Pairing = "aligned",
        epoch_pairs: EpochPairs = "images",
        first: int = 0,
    ) -> Iterator[Batch]:
        """One pass over shuffled pairs: each image once, with a text drawn at random, or as often as it has captions.

        It begins with the batch numbered ``first``, from 0: what comes before is drawn and not read. ``aligned`` draws
        among the image's own texts, ``same-labels`` among those of all images with its label vector. A pass over
        ``captions`` draws nothing where they are aligned: each caption is read once, with its image.
        """
        part = self.parts[split]
        texts_of = part.texts_by_image(pairing)
        order = torch.randperm(self.pairs_in_epoch(split, epoch_pairs), generator=generator)
        pick = torch.rand(len(order), generator=generator)
        for rows in order.split(size)[first:]:
            images = rows if epoch_pairs == "images" else part.owner[rows]
            image_rows, text_rows = images.tolist(), rows.tolist()
            if epoch_pairs == "images" or pairing == "same-labels":
                drawn = zip(image_rows, text_rows, strict=True)
                text_rows = [texts_of[image][int(pick[row] * len(texts_of[image]))] for image, row in drawn]
            yield Batch(self.images(split, image_rows), self.texts(split, text_rows), part.labels[images])


def pad_words(words: Sequence[Sequence[int]]) -> Segments:
    """Lists of word ids as padded :class:`Segments`: features are the ids, positions 0..L-1."""
    lengths = torch.tensor([len(text) for text in words])
    width = int(lengths.max())
    ids = torch.zeros(len(words), width, dtype=torch.long)
    for row, text in enumerate(words):
        ids[row, : len(text)] = torch.tensor(text)
    places = torch.arange(width).expand(len(words), -1)
    targets = ids.masked_fill(ids < len(SPECIAL), -1)
    return Segments(features=ids, positions=places, mask=places < lengths.unsqueeze(1), targets=targets)


def check_items(name: str, items: Sequence[Item], label_names: Sequence[str]) -> None:
    """Raise :class:`UserError` for the first item that training could not use."""
    known, seen = set(label_names), set()
    if not items:
        raise UserError(f"{name}: no items")
    for item in items:
        if item.id in seen:
            raise UserError(f"{name}: item {item.id!r} appears twice")
        seen.add(item.id)
        if item.split not in SPLITS:
            raise UserError(f"{name}: item {item.id!r} has split {item.split!r}, expected one of {SPLITS}")
        if not item.texts:
            raise UserError(f"{name}: item {item.id!r} has no text")
        if unknown := set(item.labels) - known:
            raise UserError(f"{name}: item {item.id!r} has unknown label {sorted(unknown)[0]!r}")
    for split in SPLITS:
        if not any(item.split == split for item in items):
            raise UserError(f"{name}: no item in split {split!r}")


def check_words(name: str, items: Sequence[Item], tokenizer: Tokenizer = OWN) -> None:
    """Raise :class:`UserError` where the training texts hold no word: there would be nothing to learn of a text."""
    texts = [text for item in items if item.split == "train" for text in item.texts]
    if not any(map(tokenizer.cut, texts)):
        shown = next((text for text in texts if text.strip()), "")
        expected = "letters or digits" if tokenizer.name == WORDS else f"words, {tokenizer.about}"
        raise UserError(
            f"{name}: no word in the {len(texts):,} texts to train on, found {shown[:60]!r}, expected {expected}"
        )


def build_parts(
    items: Sequence[Item], label_names: Sequence[str], vocabulary: Vocabulary, tokenizer: Tokenizer = OWN
) -> dict[Split, Part]:
    """Turn items into one :class:`Part` a split; rows keep the order of ``items``."""
    column = {label: index for index, label in enumerate(label_names)}
    parts: dict[Split, Part] = {}
    for split in SPLITS:
        chosen = [item for item in items if item.split == split]
        labels = torch.zeros(len(chosen), len(label_names))
        for row, item in enumerate(chosen):
            labels[row, [column[label] for label in item.labels]] = 1
        pairs = [(row, index, text) for row, item in enumerate(chosen) for index, text in enumerate(item.texts)]
        parts[split] = Part(
            image_ids=tuple(item.id for item in chosen),
            labels=labels,
            texts=tuple(text for _, _, text in pairs),
            words=tuple(tuple(vocabulary.encode(tokenizer.cut(text))) for _, _, text in pairs),
            owner=torch.tensor([row for row, _, _ in pairs]),
            caption_index=torch.tensor([index for _, index, _ in pairs]),
        )
    return parts


def items_checksum(items: Sequence[Item], label_names: Sequence[str]) -> str:
    """sha256 over everything a reader said: ids, texts, labels, splits and the label names."""
    rows = [[item.id, item.texts, item.labels, item.split] for item in items]
    return hashlib.sha256(json.dumps([list(label_names), rows], ensure_ascii=True).encode()).hexdigest()


# Thinned data: what is withheld is drawn once an item, from its id. It is gone in training and in test, in every
# epoch and for every method, so no model can average it away.


def kept_regions(ids: Sequence[str], missing: float, present: Tensor) -> Tensor:
    """The ``present`` regions of images ``ids`` ([N, L] bool) less those withheld; an image keeps one that is there.

    ``missing`` is the probability, in [0, 1), that a region is withheld.
    """
    if not missing:
        return present
    drawn = torch.from_numpy(np.stack([_uniform(f"regions of {id}", present.shape[1]) for id in ids]))
    drawn = drawn.to(present.device)
    drawn = drawn.masked_fill(~present, -1)  # padding is never the one that stays
    return present & ((drawn >= missing) | (drawn == drawn.amax(1, keepdim=True)))


def kept_words(id: str, index: int, words: Sequence[int], missing: float) -> tuple[int, ...]:
    """The word ids of an item's text number ``index`` without those withheld; ``<start>`` and ``<end>`` stay."""
    drawn = _uniform(f"words of {id}, text {index}", len(words) - 2)
    return (words[0], *(word for word, chance in zip(words[1:-1], drawn, strict=True) if chance >= missing), words[-1])


def _uniform(name: str, count: int) -> np.ndarray:
    """``count`` numbers in [0, 1) that depend on ``name`` alone."""
    return np.random.default_rng(list(hashlib.sha256(name.encode()).digest())).random(count)
