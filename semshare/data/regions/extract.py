"""Extraction: a collection of pictures becomes a store of regions, decoded by threads and resumable by shard."""

from __future__ import annotations

import hashlib
import json
import sys
import time
from typing import TYPE_CHECKING

from semshare.data.decode import computed, decoded
from semshare.data.regions.store import FeatureStore, StoreWriter
from semshare.utils.progress import MARK

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from PIL import Image

    from semshare.data.regions.base import RegionExtractor


def say(line: str) -> None:
    """Print ``line`` as progress is printed, where the book keeps it off its pages."""
    print(f"{MARK}{line}", file=sys.stderr, flush=True)


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

    Raises:
        UserError: not one picture could be read, or a feature is not finite.
    """
    meta = {"extractor": extractor.name, "features": extractor.feature_size, "classes": extractor.class_count}
    job = hashlib.sha256(json.dumps([list(ids), batch, shard_rows]).encode()).hexdigest()
    with StoreWriter(folder, meta, shard_rows, job) as writer:
        # Shards end where batches end, so that what is left is cut into the same batches as in one go.
        cuts = [ids[start : start + batch] for start in range(0, len(ids), batch)]
        left = [some for some in cuts if not all(id in writer.done or id in writer.skipped for id in some)]
        if writer.done:
            say(f"goes on after {len(writer.done)} items extracted before")
        start, count = time.perf_counter(), 0
        for pictures, unreadable in track(decoded(left, picture, workers), len(left)):
            parts, failed = computed(extractor.extract, pictures)
            for id, reason in (unreadable | failed).items():
                writer.skipped[id] = reason
                say(f"skipped {id}: {reason}")
            for good, regions in parts:
                writer.add(good, regions.rows())
                count += len(good)
        store = writer.finish()
    seconds = time.perf_counter() - start
    say(f"{count} pictures in {seconds:.1f} s, {count / seconds:.1f} a second; {len(store.skipped)} skipped")
    return store
