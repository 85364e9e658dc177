"""Pictures a second of each region extractor, decoding by one thread beside decoding by one a core.

    python benchmarks/regions.py [PICTURE_FOLDER] [--count 32] [--extractors grid fasterrcnn-mobilenet-untrained]

By default the detectors have random weights: their speed does not depend on what they know, but for the suppression
of overlaps.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from PIL import Image
from rows import Row

from semshare.data import catalogue
from semshare.data.regions.base import RegionExtractor
from semshare.data.regions.extract import extract_to_store
from semshare.data.regions.registry import EXTRACTORS

DEFAULT = ("grid", "fasterrcnn-mobilenet-untrained", "fasterrcnn-untrained")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, nargs="?", help="folder of .jpg pictures; drawn scenes by default")
    parser.add_argument("--count", type=int, default=32)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--extractors", nargs="*", choices=list(EXTRACTORS), default=DEFAULT)
    given = parser.parse_args()
    measure(given.extractors, given.folder, given.count, given.batch)


def measure(names: Sequence[str], folder: Path | None = None, count: int = 32, batch: int = 8) -> list[Row]:
    """Print pictures a second, and give a row for each extractor: decoding by one a core beside by one."""
    with tempfile.TemporaryDirectory() as drawn:
        paths = {path.name: path for path in sorted((folder or draw(Path(drawn), count)).glob("*.jpg"))[:count]}
        rows = []
        for name in names:
            extractor = EXTRACTORS[name]("cpu")
            extractor.extract([Image.open(path) for path in list(paths.values())[:1]])  # the first call also sets up
            rates = {workers: rate(extractor, paths, batch, workers) for workers in sorted({1, os.cpu_count() or 1})}
            for workers, found in rates.items():
                print(f"{name:22s} {workers} decoding threads: {found:6.2f} pictures a second", flush=True)
            claim = f"regions by {name}, decoding on every core"
            rows.append(Row(claim, "pictures/s", rates[max(rates)], "decoding in one thread", rates[1]))
    return rows


def draw(folder: Path, count: int) -> Path:
    """Write ``count`` scenes as pictures of a photograph's size."""
    source = catalogue.entry("scenes-coco5k").open("smoke", None, 0)
    for item in source.items()[:count]:
        source.picture(item.id).resize((640, 480)).save(folder / f"{item.id}.jpg")
    return folder


def rate(extractor: RegionExtractor, paths: dict[str, Path], batch: int, workers: int) -> float:
    """Pictures a second into a store, ``workers`` threads decoding."""
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        extract_to_store(
            extractor,
            list(paths),
            lambda id: Image.open(paths[id]),
            Path(folder),
            lambda work, total: work,
            batch,
            workers,
            say=lambda line: None,
        )
        return len(paths) / (time.perf_counter() - start)


if __name__ == "__main__":
    main()
