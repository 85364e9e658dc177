"""What is odd about a dataset, in a few lines after it was prepared: nothing of it stops training."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING

from semshare.data.catalogue import vocabulary_of
from semshare.data.files import name_few
from semshare.utils.counts import counted, word_for
from semshare.utils.texts import composed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from semshare.data.source import Item
    from semshare.data.tokens import Tokenizer

FEW = 5  # pictures, below which a label is hardly learnt


def oddities(
    items: Sequence[Item],
    label_names: Sequence[str],
    text_kind: str,
    tokenizer: Tokenizer,
    digests: Mapping[str, str],
) -> list[str]:
    """A line for each thing that is odd: rare labels, missing ones, texts and pictures that come again.

    Args:
        items: all of them.
        label_names: every label.
        text_kind: what the texts are.
        tokenizer: how they are cut into words.
        digests: a digest of each picture's content by its id; empty where there are no pictures.
    """
    return [
        *_several_in_one(label_names),
        *_rare_labels(items, label_names),
        *_without_label(items),
        *_texts_again(items, text_kind),
        *_without_words(items, text_kind, tokenizer),
        *_pictures_again(items, digests),
    ]


def _several_in_one(label_names: Sequence[str]) -> list[str]:
    """Labels that hold a comma, where most do: a list that was taken for one label."""
    lists = [name for name in label_names if "," in name]
    if 2 * len(lists) <= len(label_names):
        return []
    return [
        f"{len(lists):,} of {len(label_names):,} labels hold a comma, as {lists[0][:60]!r}: if they are several each, "
        "separate them by ; in CSV, or list them in JSONL"
    ]


def _rare_labels(items: Sequence[Item], label_names: Sequence[str]) -> list[str]:
    counts = Counter(label for item in items for label in item.labels)
    rare = [f"{label} ({counts[label]})" for label in label_names if counts[label] < FEW]
    count = f"{len(rare):,} of {len(label_names):,} labels {word_for(len(rare), 'has', 'have')}"
    return [f"{count} fewer than {FEW} pictures: {name_few(rare)}"] * bool(rare)


def _without_label(items: Sequence[Item]) -> list[str]:
    bare = [item.id for item in items if not item.labels]
    return [f"{counted(len(bare), 'item has', 'items have')} no label: {name_few(bare)}"] * bool(bare)


def _texts_again(items: Sequence[Item], text_kind: str) -> list[str]:
    """Captions that several items share; tags do by their nature, so only all of them being one is told."""
    at = Counter(text for item in items for text in {composed(text.strip()).casefold() for text in item.texts})
    if len(at) == 1 and len(items) > 1:
        return [f"all {len(items):,} items have the same text: nothing can be learnt from it"]
    again = [text for text, count in at.items() if count > 1]
    if text_kind == "tags" or not again:
        return []
    return [
        f"{len(again):,} of {len(at):,} texts {word_for(len(again), 'stands', 'stand')} at more than one item: "
        f"{name_few([text[:60] for text in again])}"
    ]


def _without_words(items: Sequence[Item], text_kind: str, tokenizer: Tokenizer) -> list[str]:
    known = frozenset(vocabulary_of(items, text_kind, tokenizer)[1].words)
    lost = [item.id for item in items for text in item.texts if known.isdisjoint(tokenizer.cut(text))]
    if not lost:
        return []
    return [
        f"{counted(len(lost), 'text holds', 'texts hold')} no word that the training texts have: "
        f"{word_for(len(lost), 'that', 'those')} of {name_few(list(dict.fromkeys(lost)))}"
    ]


def _pictures_again(items: Sequence[Item], digests: Mapping[str, str]) -> list[str]:
    same: defaultdict[str, list[Item]] = defaultdict(list)
    for item in items:
        if item.id in digests:
            same[digests[item.id]].append(item)
    again = [group for group in same.values() if len(group) > 1]
    if not again:
        return []
    across = sum(len({item.split for item in group}) > 1 for group in again)
    where = f", {across:,} of them in more than one split: what is tested was trained on" if across else ""
    shown = name_few([" = ".join(item.id for item in group[:2]) for group in again])
    count = counted(len(again), "picture is", "pictures are")
    return [f"{count} there more than once by content{where}: {shown}"]
