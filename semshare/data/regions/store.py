"""FeatureStore: many equal-sized arrays on disk as flat float16 shards behind ``read(ids)``."""

from __future__ import annotations

import hashlib
import json
import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
import torch
from torch import Tensor

from semshare.errors import UserError
from semshare.utils.files import DamagedError, atomic_write, read_json, write_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_INDEX = "index.json"
_PARTIAL = "partial.json"
_HASH_BLOCK = 1 << 22


class FeatureStore:
    """Read access to a folder of shards: ``index.json`` (shape, ids, checksums) and ``shard-*.f16``.

    Rows are read by position (``os.preadv``) straight into the result, so memory does not grow with the store;
    ``benchmarks/feature_store.py`` measures it beside a memory map.
    """

    def __init__(self, folder: Path | str) -> None:
        """Open ``folder``; raises :class:`UserError` when it holds no complete store."""
        self.folder = Path(folder)
        self._files: dict[int, int] = {}
        try:
            index = read_json(self.folder / _INDEX)
            self.shape: tuple[int, ...] = tuple(index["shape"])
            self.meta: dict = index["meta"]
            self.shards: list[dict] = index["shards"]
            self.skipped: dict[str, str] = index.get("skipped", {})  # ids without a row, and why
            self.pictures: dict[str, list[str]] = index.get("pictures", {})  # ids with stamp and digest of their files
        except DamagedError as error:
            if not (self.folder / _INDEX).exists():
                raise UserError(f"{self.folder}: no feature store here ({_INDEX} is missing)") from None
            raise UserError(f"{error}; delete {self.folder} and it is made again") from None
        except (AttributeError, KeyError, TypeError):
            raise UserError(f"{self.folder / _INDEX}: damaged index: shape, meta or shards is missing") from None
        self._row_bytes = int(np.prod(self.shape)) * 2
        self._place: dict[str, tuple[int, int]] = {}
        for number, shard in enumerate(self.shards):
            path = self.folder / shard["file"]
            expected = len(shard["ids"]) * self._row_bytes
            size = path.stat().st_size if path.exists() else 0
            if size != expected:
                raise UserError(f"{path}: damaged shard, expected {expected} bytes, found {size}")
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
        places = []
        for id in ids:
            try:
                places.append(self._place[id])
            except KeyError:
                raise UserError(f"{self.folder}: no features for item {id!r}") from None
        for shard, row in places:  # ask for all at once: a disk answers many requests faster than one after another
            os.posix_fadvise(self._file(shard), row * self._row_bytes, self._row_bytes, os.POSIX_FADV_WILLNEED)
        for at, (shard, row) in enumerate(places):
            target = view[at * self._row_bytes : (at + 1) * self._row_bytes]
            if os.preadv(self._file(shard), [target], row * self._row_bytes) != self._row_bytes:
                raise UserError(f"{self.folder / self.shards[shard]['file']}: shard ends early")
        return rows

    def tensor(self, ids: Sequence[str]) -> Tensor:
        """:meth:`read` as a tensor, where batches are made of it."""
        return torch.from_numpy(self.read(ids))

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
            path = self.folder / self.shards[shard]["file"]
            try:
                self._files[shard] = os.open(path, os.O_RDONLY)
            except FileNotFoundError:
                raise UserError(f"{path}: gone, since pictures of it were replaced meanwhile; start again") from None
        return self._files[shard]


def rewrite(
    store: FeatureStore,
    number: int,
    rows: Mapping[str, np.ndarray],
    skipped: Mapping[str, str],
    pictures: Mapping[str, list[str]],
) -> FeatureStore:
    """Put ``rows`` (by id) into the shard ``number`` of ``store``, in place of those it had; the others stay.

    The shard is written under a new name and the index replaced in one move, so what breaks off leaves the store of
    before. Whoever has that one open keeps it, as far as its shards are open.

    Args:
        store: a whole store.
        number: a shard, or the number after the last for a new one.
        rows: of ids that are in this shard, or in none.
        skipped: ids that lose their row, or have none, each with the reason.
        pictures: what is known of the files of these ids from now on.

    Returns:
        The store as it is now.

    Raises:
        UserError: a row that is not finite or of another shape.
    """
    before = store.shards[number]["ids"] if number < len(store.shards) else []
    ids = [id for id in before if id not in skipped] + [id for id in rows if id not in before]
    kept = [id for id in ids if id not in rows]
    content = np.empty((len(ids), *store.shape), np.float16)
    content[[id in rows for id in ids]] = [rows[id] for id in ids if id in rows] or np.empty((0, *store.shape))
    content[[id not in rows for id in ids]] = store.read(kept)
    _check_batch(store.folder, ids, content, store.shape, set())
    data = content.tobytes()
    sha256 = hashlib.sha256(data).hexdigest()
    shard = {"file": f"shard-{number:05d}-{sha256[:12]}.f16", "ids": ids, "sha256": sha256}
    with atomic_write(store.folder / shard["file"]) as part:
        part.write_bytes(data)
    shards = [*store.shards[:number], shard, *store.shards[number + 1 :]]
    reasons = {id: reason for id, reason in store.skipped.items() if id not in rows} | dict(skipped)
    _write_index(store, shards, reasons, store.pictures | dict(pictures))
    for old in store.shards[number : number + 1]:
        if old["file"] != shard["file"]:
            (store.folder / old["file"]).unlink(missing_ok=True)
    return FeatureStore(store.folder)


def note_pictures(store: FeatureStore, pictures: Mapping[str, list[str]]) -> FeatureStore:
    """Replace what ``store`` knows of the files of some ids; their rows stay."""
    _write_index(store, store.shards, store.skipped, store.pictures | dict(pictures))
    return FeatureStore(store.folder)


def _write_index(
    store: FeatureStore, shards: list[dict], skipped: Mapping[str, str], pictures: Mapping[str, list[str]]
) -> None:
    content = {"shape": store.shape, "meta": store.meta, "shards": shards, "skipped": skipped, "pictures": pictures}
    write_json(store.folder / _INDEX, content)


def write_store(
    folder: Path | str, batches: Iterable[tuple[Sequence[str], np.ndarray]], meta: dict, shard_rows: int = 4096
) -> FeatureStore:
    """Write ``batches`` of ``(ids, rows [b, *shape])`` as a store; the index comes last, so half a store is none.

    Raises:
        UserError: no rows at all, a non-finite feature, rows of unequal shape, or an id given twice.
    """
    with StoreWriter(folder, meta, shard_rows) as writer:
        for ids, rows in batches:
            writer.add(ids, rows)
        return writer.finish()


class StoreWriter:
    """Writes a store a shard at a time, and can go on after the last whole shard of an interrupted one.

    Each whole shard is named in ``partial.json`` with its checksum, taken while writing. A later writer with the
    same ``job`` (any text that says what is being written) finds those shards; with ``job=None`` or another
    one it starts anew. Memory is one batch's, whatever the size.

    Attributes:
        done: ids of the shards found written.
        skipped: ids that have no row, each with the reason; kept with the shards and in the finished index.
        pictures: ids with the stamp and the digest of the files that they were made from; kept likewise.
    """

    def __init__(self, folder: Path | str, meta: dict, shard_rows: int = 4096, job: str | None = None) -> None:
        self.folder, self._meta, self._shard_rows, self._job = Path(folder), meta, shard_rows, job
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / _INDEX).unlink(missing_ok=True)
        self._shape: tuple[int, ...] | None = None
        self._shards: list[dict] = []
        self.skipped: dict[str, str] = {}
        self.pictures: dict[str, list[str]] = {}
        if job is None or not self._resume():
            (self.folder / _PARTIAL).unlink(missing_ok=True)
        self.done = {id for shard in self._shards for id in shard["ids"]}
        self._seen = set(self.done)
        self._file: BinaryIO | None = None
        self._digest = hashlib.sha256()
        self._ids: list[str] = []

    def __enter__(self) -> StoreWriter:
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()

    def add(self, ids: Sequence[str], rows: np.ndarray) -> None:
        """Append ``rows`` ``[len(ids), *shape]``; raises :class:`UserError` as :func:`write_store` says."""
        half = np.ascontiguousarray(rows, dtype=np.float16)
        self._shape = self._shape or half.shape[1:]
        _check_batch(self.folder, ids, half, self._shape, self._seen)
        if self._file is None:
            self._file, self._digest, self._ids = self._path().open("wb"), hashlib.sha256(), []
        content = half.tobytes()
        self._file.write(content)
        self._digest.update(content)
        self._ids.extend(ids)
        if len(self._ids) >= self._shard_rows:
            self._close_shard()

    def finish(self) -> FeatureStore:
        """Write the index and open the store; raises :class:`UserError` when no row was given."""
        self._close_shard()
        if self._shape is None:
            first = next(iter(self.skipped.values()), None)
            with suppress(OSError):  # no empty folder stays behind
                self.folder.rmdir()
            raise UserError(
                f"{self.folder}: nothing to store" + (f", every item was skipped: {first}" if first else "")
            )
        self._write(_INDEX)
        (self.folder / _PARTIAL).unlink(missing_ok=True)
        return FeatureStore(self.folder)

    def _path(self) -> Path:
        return self.folder / f"shard-{len(self._shards):05d}.f16"

    def _close_shard(self) -> None:
        if self._file is None:
            return
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        self._file = None
        self._shards.append({"file": self._path().name, "ids": self._ids, "sha256": self._digest.hexdigest()})
        if self._job is not None:
            self._write(_PARTIAL)

    def _write(self, name: str) -> None:
        content = {"shape": self._shape, "meta": self._meta, "shards": self._shards, "skipped": self.skipped}
        content["pictures"] = dict(self.pictures)  # threads that read pictures add to it
        if name == _PARTIAL:
            content["job"] = self._job
        write_json(self.folder / name, content)

    def _resume(self) -> bool:
        """Take over the whole shards of the same job; False when there are none that fit."""
        try:
            content = read_json(self.folder / _PARTIAL)
            if content["job"] != self._job or content["meta"] != self._meta:
                return False
            if any(_sha256(self.folder / shard["file"]) != shard["sha256"] for shard in content["shards"]):
                return False
            self._shape, self._shards, self.skipped = tuple(content["shape"]), content["shards"], content["skipped"]
            self.pictures = content["pictures"]
        except (DamagedError, OSError, ValueError, KeyError, TypeError):
            return False
        return True


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
