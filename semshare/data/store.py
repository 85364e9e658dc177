"""FeatureStore: many equal-sized arrays on disk as flat float16 shards behind ``read(ids)``."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from semshare.errors import UserError

_INDEX = "index.json"
_HASH_BLOCK = 1 << 22


class FeatureStore:
    """Read access to a folder of shards: ``index.json`` (shape, ids, checksums) and ``shard-*.f16``.

    Rows are read by position (``os.preadv``) straight into the result: on cold files that is several times
    faster than faulting a memory map in page by page, and memory stays constant whatever the size.
    """

    def __init__(self, folder: Path | str) -> None:
        """Open ``folder``; raises :class:`UserError` when it holds no complete store."""
        self.folder = Path(folder)
        self._files: dict[int, int] = {}
        try:
            index = json.loads((self.folder / _INDEX).read_text())
        except FileNotFoundError:
            raise UserError(f"{self.folder}: no feature store here ({_INDEX} is missing)") from None
        except ValueError as error:
            raise UserError(f"{self.folder / _INDEX}: damaged index: {error}") from None
        try:
            self.shape: tuple[int, ...] = tuple(index["shape"])
            self.meta: dict = index["meta"]
            self.shards: list[dict] = index["shards"]
        except (KeyError, TypeError):
            raise UserError(f"{self.folder / _INDEX}: damaged index: shape, meta or shards is missing") from None
        self._row_bytes = int(np.prod(self.shape)) * 2
        self._place: dict[str, tuple[int, int]] = {}
        for number, shard in enumerate(self.shards):
            path = self.folder / shard["file"]
            expected = len(shard["ids"]) * self._row_bytes
            found = path.stat().st_size if path.exists() else 0
            if found != expected:
                raise UserError(f"{path}: damaged shard, expected {expected} bytes, found {found}")
            for row, id in enumerate(shard["ids"]):
                self._place[id] = (number, row)

    def __len__(self) -> int:
        return len(self._place)

    def __contains__(self, id: object) -> bool:
        return id in self._place

    @property
    def checksum(self) -> str:
        """One sha256 over the shape and the shards' own checksums."""
        text = json.dumps([self.shape, self.meta, [shard["sha256"] for shard in self.shards]], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def read(self, ids: Sequence[str]) -> np.ndarray:
        """The rows of ``ids`` in that order, float16 ``[len(ids), *shape]``.

        Raises:
            UserError: an id the store does not hold, or a shard that ends early.
        """
        rows = np.empty((len(ids), *self.shape), dtype=np.float16)
        view = memoryview(rows.reshape(-1).view(np.uint8))
        for at, id in enumerate(ids):
            try:
                shard, row = self._place[id]
            except KeyError:
                raise UserError(f"{self.folder}: no features for item {id!r}") from None
            target = view[at * self._row_bytes : (at + 1) * self._row_bytes]
            if os.preadv(self._file(shard), [target], row * self._row_bytes) != self._row_bytes:
                raise UserError(f"{self.folder / self.shards[shard]['file']}: shard ends early")
        return rows

    def verify(self) -> None:
        """Compare every shard with its checksum; raises :class:`UserError` naming the first that differs."""
        for shard in self.shards:
            path = self.folder / shard["file"]
            if (found := _sha256(path)) != shard["sha256"]:
                raise UserError(f"{path}: checksum differs, expected {shard['sha256'][:12]}, found {found[:12]}")

    def close(self) -> None:
        """Close the shards' files; reading again opens them again."""
        for file in self._files.values():
            os.close(file)
        self._files.clear()

    def __del__(self) -> None:
        self.close()

    def _file(self, shard: int) -> int:
        if shard not in self._files:
            self._files[shard] = os.open(self.folder / self.shards[shard]["file"], os.O_RDONLY)
        return self._files[shard]


def write_store(
    folder: Path | str, batches: Iterable[tuple[Sequence[str], np.ndarray]], meta: dict, shard_rows: int = 4096
) -> FeatureStore:
    """Write ``batches`` of ``(ids, rows [b, *shape])`` as a store; the index comes last, so half a store is none.

    Raises:
        UserError: no rows at all, a non-finite feature, rows of unequal shape, or an id given twice.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / _INDEX).unlink(missing_ok=True)
    shards: list[dict] = []
    shape: tuple[int, ...] | None = None
    seen: set[str] = set()
    file = None
    try:
        for ids, rows in batches:
            half = np.ascontiguousarray(rows, dtype=np.float16)
            shape = shape or half.shape[1:]
            _check_batch(folder, ids, half, shape, seen)
            if file is None or len(shards[-1]["ids"]) >= shard_rows:
                if file is not None:
                    file.close()
                shards.append({"file": f"shard-{len(shards):05d}.f16", "ids": []})
                file = open(folder / shards[-1]["file"], "wb")  # noqa: SIM115 - closed below
            file.write(half.tobytes())
            shards[-1]["ids"].extend(ids)
    finally:
        if file is not None:
            file.close()
    if shape is None:
        raise UserError(f"{folder}: nothing to store")
    for shard in shards:
        shard["sha256"] = _sha256(folder / shard["file"])
    partial = folder / (_INDEX + ".part")
    partial.write_text(json.dumps({"shape": shape, "meta": meta, "shards": shards}))
    partial.replace(folder / _INDEX)
    return FeatureStore(folder)


def _check_batch(folder: Path, ids: Sequence[str], rows: np.ndarray, shape: tuple[int, ...], seen: set[str]) -> None:
    if rows.shape != (len(ids), *shape):
        raise UserError(f"{folder}: expected rows of shape {(len(ids), *shape)}, found {rows.shape}")
    if not np.isfinite(rows).all():
        row = int(np.flatnonzero(~np.isfinite(rows.reshape(len(ids), -1)).all(1))[0])
        raise UserError(f"{folder}: features of item {ids[row]!r} are not finite in float16")
    for id in ids:
        if id in seen:
            raise UserError(f"{folder}: item {id!r} given twice")
        seen.add(id)


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(_HASH_BLOCK):
            digest.update(block)
    return digest.hexdigest()
