"""What texts became: a few of a dataset's items with their words, for people to look at."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from semshare.data.catalogue import vocabulary_of
from semshare.data.source import SPLITS
from semshare.data.words import MAX_LENGTH

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from semshare.data.source import Item, Source
    from semshare.data.tokens import Tokenizer

LEGEND = "a word in [brackets] is not in the vocabulary of the training texts and is read as <unk>"


def words_of_texts(source: Source, items: Sequence[Item], tokenizer: Tokenizer, count: int) -> list[dict[str, Any]]:
    """``count`` of the ``items``, spread evenly over the splits and within each, and what their texts became.

    Returns:
        Of each item its ``item`` id, ``split``, ``labels``, and of each of its ``texts`` the ``text`` as it stands, the
        ``words`` that are read of it, those of them that are ``unknown`` to the vocabulary, and how many words beyond
        the longest text are ``not_read``.
    """
    vocabulary = frozenset(vocabulary_of(items, source.text_kind, tokenizer)[1].words)

    def became(text: str) -> dict[str, Any]:
        words = tokenizer.cut(text)
        read = words[: MAX_LENGTH - 2]
        unknown = [word for word in dict.fromkeys(read) if word not in vocabulary]
        return {"text": text, "words": read, "unknown": unknown, "not_read": len(words) - len(read)}

    return [
        {"item": item.id, "split": item.split, "labels": list(item.labels), "texts": [*map(became, item.texts)]}
        for item in spread(items, count)
    ]


def spread(items: Sequence[Item], count: int) -> list[Item]:
    """``count`` of the ``items``, as many from each split as can be, at equal distances; all where there are fewer."""
    splits = [[item for item in items if item.split == split] for split in SPLITS]
    shares = [0] * len(splits)
    while sum(shares) < min(count, sum(map(len, splits))):
        waiting = [group for group, split in enumerate(splits) if shares[group] < len(split)]
        shares[min(waiting, key=lambda group: shares[group])] += 1
    return [
        split[number * len(split) // share]
        for split, share in zip(splits, shares, strict=True)
        for number in range(share)
    ]


def as_lines(shown: Sequence[Mapping[str, Any]]) -> list[str]:
    """What :func:`words_of_texts` gave as lines of text, not escaped yet."""
    lines = [f"  texts of {len(shown):,} items; {LEGEND}"]
    for item in shown:
        labels = ", ".join(item["labels"]) or "none"
        lines.append(f"  {item['split']} {item['item']}, labels: {labels}")
        for text in item["texts"]:
            unknown = set(text["unknown"])
            words = " ".join(f"[{word}]" if word in unknown else word for word in text["words"]) or "none"
            more = f" ... and {text['not_read']:,} more, which are not read" if text["not_read"] else ""
            lines += [f"    text:  {text['text']}", f"    words: {words}{more}"]
    return lines
