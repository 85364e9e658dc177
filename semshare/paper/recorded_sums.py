"""What an interval is made of, kept of every run of a recording: sums by test image in a compressed ``.npz`` file."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING
from zipfile import BadZipFile, ZipFile

import numpy as np

from semshare.errors import UserError
from semshare.paper import retrieval
from semshare.runs.intervals import MEASURES, Scored
from semshare.utils.files import atomic_write

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from semshare.runs.store import Run


def save_sums(path: Path, done: Sequence[Run], ranked: Sequence[Run] = ()) -> None:
    """Keep the sums by test image of every run, and of its epochs where they were kept, in a compressed file.

    Of each run, by its :func:`semshare.runs.keys.reading_key`, an array a measure, [1 + epochs, N, 2] counts of F1 or
    [1 + epochs, N] the mean NDCG of an image's queries (half precision: a mean over images moves by less than 1e-4),
    and [N] how many texts an image has. Of the ``ranked`` ones also [N] the mean of an image's queries by protocol and
    direction, [N] how many they are, and what a random ranking is expected to give.
    """
    arrays = {}
    for run in done:
        readings = [run.scored, *(run.scored_epochs if run.experiment.keep == "every-epoch" else [])]
        key = readings[0].key
        arrays[f"{key}/texts"] = readings[0].rows("t2i")[:, 1].astype(np.uint16)
        for measure in MEASURES:
            sums = np.stack([reading.rows(measure) for reading in readings])
            if measure.endswith("f1"):
                arrays[f"{key}/{measure}"] = sums.astype(np.min_scalar_type(int(sums.max())))
            else:
                arrays[f"{key}/{measure}"] = (sums[..., 0] / sums[..., 1].clip(1)).astype(np.float16)
    for run in ranked:
        for column, queries in retrieval.of(run, retrieval.RECORDED).items():
            sums, name = queries.scored.rows("query"), "/".join((queries.scored.key, *column))
            arrays[name] = (sums[:, 0] / sums[:, 1].clip(1)).astype(np.float16)
            arrays[f"{name}/count"] = sums[:, 1].astype(np.uint16)
            arrays[f"{name}/random"] = np.array(queries.random)
    with atomic_write(path) as part, part.open("wb") as file:
        np.savez_compressed(file, **arrays)


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """What :func:`save_sums` kept, by name; nothing where there is no file."""
    if not path.exists():
        return {}
    try:
        with ZipFile(path):
            pass  # what is no archive numpy would take for pickled objects
        with np.load(path, allow_pickle=False) as file:
            return dict(file)
    except (ValueError, EOFError, OSError, BadZipFile, NotImplementedError, zlib.error) as error:
        raise UserError(f"{path}: damaged recording: {error}") from None


def queries_of(arrays: Mapping[str, np.ndarray], key: str, seeded: bool) -> retrieval.Columns:
    """What was kept of the retrieval of the run ``key``, by protocol and direction."""
    columns: retrieval.Columns = {}
    for name in retrieval.RECORDED:
        for direction in retrieval.DIRECTIONS:
            if (means := arrays.get(kept := f"{key}/{name}/{direction}")) is not None:
                counts = arrays[f"{kept}/count"].astype(float)
                scored = Scored(key, {"query": np.stack([means.astype(float) * counts, counts], 1)}, seeded)
                columns[name, direction] = retrieval.Queries(scored, float(arrays[f"{kept}/random"]))
    return columns


def readings_of(arrays: Mapping[str, np.ndarray]) -> dict[str, list[Scored]]:
    """By key the readings of each run that was kept: at the kept weights, then after each epoch."""
    readings = {}
    for key in dict.fromkeys(name.split("/")[0] for name in arrays):
        counts = {"i2t": np.ones(len(arrays[f"{key}/texts"])), "t2i": arrays[f"{key}/texts"].astype(float)}
        sums = {}
        for measure in MEASURES:
            values = arrays[f"{key}/{measure}"].astype(float)
            if measure in counts:
                values = np.stack([values * counts[measure], np.broadcast_to(counts[measure], values.shape)], -1)
            sums[measure] = values
        readings[key] = [
            Scored(key, {measure: values[number] for measure, values in sums.items()})
            for number in range(len(sums["i2t"]))
        ]
    return readings
