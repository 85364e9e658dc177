"""Labels beside the pictures they are learnt from."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from semshare.data.files import name_few
from semshare.errors import UserError
from semshare.utils.counts import word_for
from semshare.utils.texts import composed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from semshare.data.source import Item


def check_labels(name: str, label_names: Sequence[str]) -> None:
    """Raise :class:`UserError` where one label has two columns, be its letters spelt in two ways (NFC and NFD)."""
    columns = Counter(map(composed, label_names))
    if twice := [label for label, count in columns.items() if count > 1]:
        raise UserError(f"{name}: label {twice[0]!r} has {columns[twice[0]]} columns, expected one")


def unlearnt_notes(items: Sequence[Item], label_names: Sequence[str]) -> list[str]:
    """One line on the labels that no picture to train on has, which no method can learn; none where all have one."""
    learnt = {label for item in items if item.split == "train" for label in item.labels}
    missing = [label for label in label_names if label not in learnt]
    if not missing:
        return []
    count = f"{len(missing):,} of {len(label_names):,} labels {word_for(len(missing), 'has', 'have')}"
    return [f"{count} no picture to train on, no method can learn them: {name_few(missing)}"]
