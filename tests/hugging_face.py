"""Small Hugging Face datasets on disk."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from PIL import Image

LABELS = ("dog", "cat", "bird")


def rows(count: int = 12, first: int = 0) -> list[dict[str, Any]]:
    """Pictures of (number, 9, 9), each with a caption and its number modulo 3 as label."""
    return [
        {"image": Image.new("RGB", (8, 6), (n, 9, 9)), "text": f"The {LABELS[n % 3]} number {n}.", "label": n % 3}
        for n in range(first, first + count)
    ]


def features(**columns: Any) -> Any:
    """An image, a text and a ClassLabel, or what is given instead."""
    from datasets import ClassLabel, Features, Value
    from datasets import Image as ImageFeature

    usual = {"image": ImageFeature(), "text": Value("string"), "label": ClassLabel(names=list(LABELS))}
    return Features({name: feature for name, feature in {**usual, **columns}.items() if feature is not None})


def saved(root: Path, listed: list[dict[str, Any]] | None = None, **columns: Any) -> Path:
    """A dataset of ``listed`` at ``root``."""
    from datasets import Dataset

    Dataset.from_list(rows() if listed is None else listed, features=features(**columns)).save_to_disk(root)
    return root


def saved_splits(root: Path, counts: dict[str, int] | None = None) -> Path:
    """A dataset of several splits at ``root``."""
    from datasets import Dataset, DatasetDict

    parts, first = {}, 0
    for name, count in (counts or {"train": 8, "validation": 3, "test": 4}).items():
        parts[name] = Dataset.from_list(rows(count, first), features=features())
        first += count
    DatasetDict(parts).save_to_disk(root)
    return root
