"""Seeded splits, and their manifests: small JSON files that say which items were tested on.

A split ranks the ids by the sha256 of ``seed/id``: the same on every machine and Python, whatever the order
of the ids, and another reader can check it with a shell.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from semshare.data.source import SPLITS, Split
from semshare.errors import UserError
from semshare.utils.counts import counted
from semshare.utils.files import write_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

SHIPPED = Path(__file__).parent / "manifests"
RULE = "ids ranked by sha256 of 'seed/id': dev first, then test, the rest train"


_MEANT: dict[str, Split] = {
    **{"train": "train", "training": "train", "test": "test", "testing": "test"},
    **{"dev": "dev", "val": "dev", "valid": "dev", "validation": "dev"},
}


def meant(name: str) -> Split | None:
    """The split that a folder or file of this name holds, as people call them; None for any other name."""
    return _MEANT.get(name.lower())


def held_out(count: int, most: int = 2000) -> int:
    """Items of dev, and of test, among ``count``: ``most``, or a tenth of a collection too small for it."""
    return max(1, min(most, count // 10))


def split_ids(ids: Iterable[str], seed: int, dev: int, test: int) -> dict[str, Split]:
    """The split of each id: ``dev`` and ``test`` of them held out, the rest train.

    Raises:
        UserError: an id given twice, or too few ids to leave one for train.
    """
    listed = list(ids)
    if len(set(listed)) != len(listed):
        raise UserError(f"split: {len(listed) - len(set(listed))} ids given twice")
    if len(listed) <= dev + test:
        raise UserError(f"split: {len(listed)} items, expected more than {dev} for dev and {test} for test")
    ranked = sorted(listed, key=lambda id: _sha256(f"{seed}/{id}").digest())
    names: list[Split] = ["dev"] * dev + ["test"] * test + ["train"] * (len(listed) - dev - test)
    chosen = dict(zip(ranked, names, strict=True))
    return {id: chosen[id] for id in listed}


def _sha256(text: str) -> hashlib._Hash:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape"))  # a file's name need not be UTF-8


def manifest(dataset: str, seed: int, splits: Mapping[str, Split]) -> dict[str, Any]:
    """What a split is, as JSON data: sizes, a sha256 over each part's sorted ids, the ids of dev and test."""
    parts = {name: _sorted(id for id, split in splits.items() if split == name) for name in SPLITS}
    return {
        "dataset": dataset,
        "seed": seed,
        "rule": RULE,
        "sizes": {name: len(ids) for name, ids in parts.items()},
        "sha256": {name: _sha256("\n".join(map(str, ids))).hexdigest() for name, ids in parts.items()},
        "dev": parts["dev"],
        "test": parts["test"],
    }


def write_manifest(path: Path, dataset: str, seed: int, splits: Mapping[str, Split]) -> None:
    """Write the manifest of a split to ``path``, in one move."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, json.dumps(manifest(dataset, seed, splits), separators=(",", ":")) + "\n")


def shipped(dataset: str, seed: int) -> dict[str, Any] | None:
    """The manifest that comes with semshare for this dataset and seed, or None.

    Raises:
        UserError: a shipped manifest that is damaged.
    """
    path = SHIPPED / f"{dataset}-seed{seed}.json"
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise UserError(f"{path}: damaged manifest: {error}") from None
    if not isinstance(content, dict) or not isinstance(content.get("sha256"), dict):
        raise UserError(f"{path}: damaged manifest: no sha256 of the parts")
    return content


def differences(dataset: str, seed: int, splits: Mapping[str, Split]) -> list[str]:
    """Where a split differs from its shipped manifest: a line for each part, none where no manifest is shipped.

    Raises:
        UserError: a shipped manifest that is damaged.
    """
    expected = shipped(dataset, seed)
    if expected is None:
        return []
    recorded = manifest(dataset, seed, splits)
    return [
        f"{dataset}, seed {seed}: the {name} part ({counted(recorded['sizes'][name], 'item')}) is not the shipped "
        "manifest's"
        for name in SPLITS
        if recorded["sha256"][name] != expected["sha256"].get(name)
    ]


def _sorted(ids: Iterable[str]) -> list[int] | list[str]:
    """Ids in order, as numbers where all of them are plain numbers."""
    listed = sorted(ids)
    if all(id.isascii() and id.isdigit() and str(int(id)) == id for id in listed):
        return sorted(map(int, listed))
    return listed
