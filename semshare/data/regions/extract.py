"""Extraction: a collection of pictures becomes a store of regions, decoded by threads and resumable by shard."""

from __future__ import annotations

import hashlib
import json
import os
import sys
import time
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

from PIL import Image

from semshare.data.regions.store import FeatureStore, StoreWriter
from semshare.errors import UserError
from semshare.utils.progress import MARK

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from semshare.data.regions.base import RegionExtractor

_AHEAD = 2  # batches decoded while one is computed
_UNREADABLE = (UserError, OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError)


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

    Killed at any point, the same call goes on after the last whole shard. A picture that cannot be read is left
    out: the store's ``skipped`` holds its id and the reason.

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
        for some, opened in track(_decoded(left, picture, workers), len(left)):
            good = [(id, one) for id, one in zip(some, opened, strict=True) if isinstance(one, Image.Image)]
            for id, one in zip(some, opened, strict=True):
                if not isinstance(one, Image.Image):
                    writer.skipped[id] = one
                    say(f"skipped {id}: {one}")
            if good:
                writer.add([id for id, _ in good], extractor.extract([one for _, one in good]).rows())
            count += len(good)
        store = writer.finish()
    seconds = time.perf_counter() - start
    say(f"{count} pictures in {seconds:.1f} s, {count / seconds:.1f} a second; {len(store.skipped)} skipped")
    return store


def _decoded(
    batches: Sequence[Sequence[str]], picture: Callable[[str], Image.Image], workers: int | None
) -> Iterator[tuple[Sequence[str], list[Image.Image | str]]]:
    """Each batch with its pictures, or the reason why one cannot be read, a few batches ahead of the reader."""

    def open_one(id: str) -> Image.Image | str:
        try:
            opened = picture(id)
            opened.load()
            return opened
        except _UNREADABLE as error:
            return str(error) or type(error).__name__

    pool = ThreadPoolExecutor(workers or min(8, os.cpu_count() or 1))
    waiting: deque[tuple[Sequence[str], list[Future]]] = deque()
    try:
        for some in batches:
            waiting.append((some, [pool.submit(open_one, id) for id in some]))
            if len(waiting) > _AHEAD:
                ready, futures = waiting.popleft()
                yield ready, [future.result() for future in futures]
        while waiting:
            ready, futures = waiting.popleft()
            yield ready, [future.result() for future in futures]
    finally:
        pool.shutdown(cancel_futures=True)
