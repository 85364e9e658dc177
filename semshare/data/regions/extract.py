"""Extraction: a collection of pictures becomes a store of regions, decoded by threads and resumable by shard."""

from __future__ import annotations

import hashlib
import json
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from PIL import Image

from semshare.data.decode import computed, decoded
from semshare.data.pictures import content_digest, stamp, unchanged
from semshare.data.regions.store import FeatureStore, StoreWriter, note_pictures, rewrite
from semshare.errors import UserError
from semshare.utils.counts import counted
from semshare.utils.files import ReadOnlyError
from semshare.utils.memory import memory_kept
from semshare.utils.progress import tell

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    import numpy as np

    from semshare.data.regions.base import RegionExtractor


_SKIPPED = "skipped"


def say(line: str) -> None:
    """Tell ``line`` as progress is told; what was skipped stays to be read."""
    tell(line, stays=line.startswith(_SKIPPED))


def extract_to_store(
    extractor: RegionExtractor,
    ids: Sequence[str],
    picture: Callable[[str], Image.Image],
    folder: Path,
    track: Callable[[Iterator, int], Iterator],
    batch: int = 32,
    workers: int | None = None,
    shard_rows: int = 1024,
    say: Callable[[str], None] = say,
    files: Mapping[str, Path] | None = None,
) -> FeatureStore:
    """Extract the regions of every item into a store at ``folder``.

    Killed at any point, the same call goes on after the last whole shard. A picture that cannot be read, or
    of which the extractor can compute nothing, is left out: the store's ``skipped`` holds its id and the reason.

    Args:
        extractor: the region extractor.
        ids: item ids, each once.
        picture: opens the picture of an id; called from threads.
        folder: where the store goes; its index is written last.
        track: wraps an iterator and its length in a progress display.
        batch: pictures a forward pass.
        workers: decoding threads, by default one a core and at most 8.
        shard_rows: items a shard at least.
        say: prints a line: the throughput at the end, and each picture skipped.
        files: where pictures lie, by id: the store's ``pictures`` then say what these files were.

    Raises:
        UserError: not one picture could be read, or a feature is not finite.
    """
    meta = {"extractor": extractor.name, "features": extractor.feature_size, "classes": extractor.class_count}
    job = hashlib.sha256(json.dumps([list(ids), batch, shard_rows]).encode()).hexdigest()
    with StoreWriter(folder, meta, shard_rows, job) as writer, memory_kept():
        # Shards end where batches end, so that what is left is cut into the same batches as in one go.
        cuts = [ids[start : start + batch] for start in range(0, len(ids), batch)]
        left = [cut for cut in cuts if not all(id in writer.done or id in writer.skipped for id in cut)]
        if writer.done:
            say(f"goes on after {counted(len(writer.done), 'item')} extracted before")
        start, count = time.perf_counter(), 0
        read = noting(_shrunk(picture, extractor), files or {}, writer.pictures)
        for pictures, unreadable in track(decoded(left, read, workers), len(left)):
            parts, failed = computed(extractor.extract, pictures)
            for id, reason in (unreadable | failed).items():
                writer.skipped[id] = reason
                say(f"{_SKIPPED} {id}: {reason}")
            for good, regions in parts:
                writer.add(good, regions.rows())
                count += len(good)
        store = writer.finish()
    seconds = time.perf_counter() - start
    say(f"{counted(count, 'picture')} in {seconds:.1f} s, {count / seconds:.1f} a second; {len(store.skipped)} skipped")
    return store


def doubted(store: FeatureStore, files: Mapping[str, Path], verify: bool) -> dict[str, str]:
    """The stamps of those ``files`` whose content may be another one than in ``store``; of all to ``verify``."""
    stamps = {id: stamp(path) for id, path in files.items()}
    return {id: stamp for id, stamp in stamps.items() if verify or store.pictures.get(id, ["", ""])[0] != stamp}


def refresh(
    store: FeatureStore,
    make: Callable[[], RegionExtractor],
    picture: Callable[[str], Image.Image],
    files: Mapping[str, Path],
    track: Callable[[Iterator, int], Iterator],
    verify: bool = False,
    say: Callable[[str], None] = say,
) -> FeatureStore:
    """Extract again the pictures whose files have another content than when ``store`` was made, and no others.

    A file whose stamp is another one is read again; where its content is the old one, so are its regions. A picture
    that was left out is tried again. Killed at any point, the same call goes on after the last whole shard.

    Args:
        store: what was extracted before.
        make: makes the extractor, if one is needed.
        picture: opens the picture of an id; called from threads.
        files: where the pictures lie, by id.
        track: wraps an iterator and its length in a progress display.
        verify: read every file again, whatever its stamp says.
        say: prints a line: how many pictures changed, and each picture skipped.

    Returns:
        The store as it is now.
    """
    stamps = doubted(store, files, verify)
    if not stamps:
        return store
    known = {id: store.pictures.get(id, ["", ""]) for id in stamps}
    same = unchanged({id: files[id] for id in stamps}, {id: known[id][1] for id in stamps}) - store.skipped.keys()
    if restamped := {id: [stamps[id], known[id][1]] for id in same if known[id][0] != stamps[id]}:
        with suppress(ReadOnlyError):  # who may only read the cache compares contents again next time
            store = note_pictures(store, restamped)
    changed = [id for id in stamps if id not in same]
    if not changed:
        return store
    say(f"{counted(len(changed), 'picture is', 'pictures are')} read again, changed since or tried once more")
    extractor = make()
    shards = {id: number for number, shard in enumerate(store.shards) for id in shard["ids"]}
    groups: dict[int, list[str]] = {}
    for id in changed:
        groups.setdefault(shards.get(id, len(store.shards)), []).append(id)
    for number, ids in track(iter(sorted(groups.items())), len(groups)):
        noted: dict[str, list[str]] = {}
        batches = [ids[start : start + extractor.batch] for start in range(0, len(ids), extractor.batch)]
        rows: dict[str, np.ndarray] = {}
        skipped: dict[str, str] = {}
        for pictures, unreadable in decoded(batches, noting(_shrunk(picture, extractor), files, noted)):
            parts, failed = computed(extractor.extract, pictures)
            skipped |= unreadable | failed
            for good, regions in parts:
                rows |= dict(zip(good, regions.rows(), strict=True))
        for id in (id for id in skipped if skipped[id] != store.skipped.get(id)):
            say(f"{_SKIPPED} {id}: {skipped[id]}")
        store = rewrite(store, number, rows, skipped, noted) if rows or number < len(store.shards) else (
            note_pictures(store, noted)
        )  # fmt: skip
    return store


def _shrunk(picture: Callable[[str], Image.Image], extractor: RegionExtractor) -> Callable[[str], Image.Image]:
    """``picture`` in the size that ``extractor`` looks at, so that the decoding threads do this work too."""

    def read(id: str) -> Image.Image:
        opened = picture(id)
        if not isinstance(opened, Image.Image):  # of a source from outside
            raise UserError(f"picture of {id!r}: found {type(opened).__name__}, expected a Pillow picture in RGB")
        return extractor.shrink(opened)

    return read


def noting(
    picture: Callable[[str], Image.Image], files: Mapping[str, Path], noted: dict[str, list[str]]
) -> Callable[[str], Image.Image]:
    """``picture``, which first puts the stamp and the digest of the id's file into ``noted``.

    Looked at before the picture is opened, so that a file replaced in between is taken for a changed one next time.
    """

    def read(id: str) -> Image.Image:
        if id in files:
            noted[id] = [stamp(files[id]), content_digest(files[id])]
        return picture(id)

    return read
