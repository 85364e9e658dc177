"""Pictures as files, to try on them what is meant for a folder of your own."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from semshare import runs
from semshare.data.pictures import as_rgb
from semshare.data.regions.registry import EXTRACTORS
from semshare.data.scenes.paint import paint
from semshare.data.scenes.pool import recipe, scene_of
from semshare.data.scenes.source import ATTRIBUTION, ScenesSource
from semshare.utils.files import atomic_write, write_text
from semshare.utils.home import cache_folder

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from semshare.data.dataset import PairedDataset
    from semshare.runs.store import Run

_SEED = 12  # of the drawn collection: none of its pictures is in a stand-in
_TEXTS = 2  # captions a picture there


def run_with_pictures(among: Iterable[Run]) -> Run:
    """The first run of *Ours* trained on pictures at hand; else a small one on drawn scenes, made in seconds."""
    for run in among:
        with_pictures = run.dataset.regions in EXTRACTORS and not run.dataset.source.without_pictures
        if run.experiment.method == "ours" and with_pictures:
            return run
    return runs.get(runs.plan("scenes-flickr25k", "ours", "smoke"))


def pictures(dataset: PairedDataset, count: int = 100) -> Path:
    """A folder in the cache with the first ``count`` test pictures of ``dataset`` as JPEG files, written once."""
    folder = cache_folder(f"samples/{dataset.name}-{dataset.checksum[:12]}-{count}")
    for number, id in enumerate(dataset.parts["test"].image_ids[:count], 1):
        path = folder / f"{number:04d}.jpg"
        if not path.exists():
            with atomic_write(path) as part:
                as_rgb(dataset.source.picture(id)).save(part, "JPEG", quality=95)
    return folder


def collection(count: int = 150) -> Path:
    """A folder in the cache that looks like somebody's own collection: ``count`` drawn pictures, and their rows.

    ``rows.jsonl`` has two captions and the labels of each, ``about.yaml`` says that they are drawn. Written once.
    """
    folder = cache_folder(f"samples/collection-{recipe()}-{count}/pictures").parent
    sizes = {"train": count, "dev": 0, "test": 0}
    captioned, labelled = (ScenesSource(view, sizes, folder, _SEED).items() for view in ("coco", "flickr25k"))
    rows = []
    for number, (caption, label) in enumerate(zip(captioned, labelled, strict=True)):
        image = f"pictures/{number + 1:04d}.jpg"
        rows.append({"image": image, "texts": caption.texts[:_TEXTS], "labels": label.labels})
        if not (folder / image).exists():
            with atomic_write(folder / image) as part:
                paint(scene_of(_SEED, "train", number)).save(part, "JPEG", quality=92)
    _write(folder / "about.yaml", f"status: stand-in\nattribution: {json.dumps(ATTRIBUTION)}\n")
    _write(folder / "rows.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    return folder


def _write(path: Path, text: str) -> None:
    """Write ``text`` unless it stands there: a file of another time would be read anew."""
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        write_text(path, text)
