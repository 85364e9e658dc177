"""Pictures a second of each region extractor, decoding by one thread beside decoding by one a core.

    python benchmarks/regions.py PICTURE_FOLDER [--count 32] [--extractors grid fasterrcnn-mobilenet-untrained]

By default the detectors have random weights: their speed does not depend on what they know, but for the suppression
of overlaps.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path

from PIL import Image

from semshare.data.extract import extract_to_store
from semshare.data.regions import EXTRACTORS

DEFAULT = ("grid", "fasterrcnn-mobilenet-untrained", "fasterrcnn-untrained")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="folder of .jpg pictures")
    parser.add_argument("--count", type=int, default=32)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--extractors", nargs="*", choices=list(EXTRACTORS), default=DEFAULT)
    given = parser.parse_args()
    paths = {path.name: path for path in sorted(given.folder.glob("*.jpg"))[: given.count]}
    for name in given.extractors:
        extractor = EXTRACTORS[name]("cpu")
        extractor.extract([Image.open(path) for path in list(paths.values())[:1]])  # the first call also sets up
        for workers in sorted({1, os.cpu_count() or 1}):
            with tempfile.TemporaryDirectory() as folder:
                start = time.perf_counter()
                extract_to_store(
                    extractor,
                    list(paths),
                    lambda id: Image.open(paths[id]),
                    Path(folder),
                    lambda work, total: work,
                    given.batch,
                    workers,
                    say=lambda line: None,
                )
                rate = len(paths) / (time.perf_counter() - start)
            print(f"{name:22s} {workers} decoding threads: {rate:6.2f} pictures a second", flush=True)


if __name__ == "__main__":
    main()
