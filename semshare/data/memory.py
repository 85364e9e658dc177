"""Datasets from what a program has in memory: rows, pictures and arrays become a collection by name."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterable, Mapping
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from semshare.data import catalogue, prepare
from semshare.data.pictures import as_rgb
from semshare.data.readers.records import is_text
from semshare.data.readers.tables import TEXTS
from semshare.data.source import Source
from semshare.data.source_checks import checked
from semshare.errors import UserError
from semshare.utils.files import atomic_write, in_brief, write_text
from semshare.utils.home import cache_folder

if TYPE_CHECKING:
    from collections.abc import Callable

    from semshare.data.dataset import PairedDataset
    from semshare.data.text_kinds import TextKind

_ROWS = "rows.jsonl"
_FIELDS = {
    **dict.fromkeys(TEXTS, "a text or a list of texts"),
    "labels": "a list of labels",
    "split": "train, dev or test",
    "id": "a text or a whole number",
    "image": "none beside features",
}
_SHAPES = {
    "features": "[N, R, D] or [N, D]",
    "boxes": "[N, R, 4]",
    "classes": "[N, R] or [N, R, K]",
    "scores": "[N, R]",
}


def build(
    name: str,
    rows: Iterable[Mapping[str, Any]] | Source,
    *,
    features: np.ndarray | None = None,
    boxes: np.ndarray | None = None,
    classes: np.ndarray | None = None,
    scores: np.ndarray | None = None,
    text: TextKind | None = None,
    device: str = "auto",
    say: Callable[[str], None] = print,
) -> PairedDataset:
    """The dataset of ``rows``, known by ``name`` from then on.

    It is known to :func:`semshare.runs.train.train`, to the command line and to worker processes.
    Rows, pictures and arrays are written into the cache, once for the same content, and read from there as any
    collection is (:mod:`semshare.data.collections`).

    Args:
        name: what it is called everywhere; what an earlier call built under that name is replaced.
        rows: an object an item: ``texts`` and ``labels`` (lists), perhaps ``split`` (train, dev or test) and ``id``;
            and ``image`` (a path, a Pillow picture, or [H, W, 3] of uint8) where there are no ``features``. Or a
            :class:`~semshare.data.source.Source` of your own, which this process alone knows.
        features: [N, R, D] or [N, D], a row of regions for each of ``rows`` in their order.
        boxes: [N, R, 4] x1, y1, x2, y2 relative to the picture.
        classes: [N, R] whole numbers or [N, R, K] scores.
        scores: [N, R] in [0, 1].
        text: what the texts are; guessed otherwise.
        device: where regions are extracted.
        say: receives a line for every step.

    Raises:
        UserError: a name that is taken, rows that are wrong, or arrays that do not fit; see the readers.
    """
    if isinstance(rows, Source):
        return _registered(name, rows, device)
    arrays = {"features": features, "boxes": boxes, "classes": classes, "scores": scores}
    given = {part: _array(part, array) for part, array in arrays.items() if array is not None}
    if given and "features" not in given:
        raise UserError(f"{next(iter(given))}: given without features, to which it belongs")
    listed = _listed(rows)
    if given and len(given["features"]) != len(listed):
        raise UserError(f"features: {len(given['features']):,} rows, expected {len(listed):,}: one for each of rows")
    folder = _written(listed, given)
    try:
        prepare.prepare(f"{name}={folder}", text=text, device=device, say=say)
    except UserError as error:
        error.args = (_as_given(str(error), folder),)
        raise
    return catalogue.load(name, "full", device=device)


def _registered(name: str, source: Source, device: str) -> PairedDataset:
    checked(name, source)
    catalogue.register(name, lambda: source, source.text_kind, module="__main__")
    catalogue.forget_loaded()
    return catalogue.load(name, "full", device=device)


def _array(part: str, given: Any) -> np.ndarray:
    """What is ``given`` as ``part``, as an array of numbers."""
    expected = f"expected numbers, {_SHAPES[part]} with a row for each of rows"
    try:
        array = np.asarray(given)
    except ValueError:
        raise UserError(f"{part}: found lists of different lengths, {expected}") from None
    except (TypeError, RuntimeError) as error:  # a tensor on a GPU, or one that has a gradient
        raise UserError(f"{part}: {' '.join(str(error).split())[:120]}; {expected}") from None
    if array.dtype.kind not in "fiu":
        raise UserError(f"{part}: values are {array.dtype}, {expected}")
    if not array.ndim:
        raise UserError(f"{part}: found one number, {expected}")
    return array


def _listed(rows: Any) -> list[dict[str, Any]]:
    """A copy of each of ``rows``."""
    if isinstance(rows, str | bytes | Mapping) or not isinstance(rows, Iterable):
        raise UserError(f"rows: found {in_brief(rows)}, expected a list with an object for each item")
    listed = []
    for number, row in enumerate(rows):
        if not hasattr(row, "keys"):
            raise UserError(f"rows[{number}]: found {in_brief(row)}, expected an object with texts and labels")
        listed.append(dict(row))
        for field in listed[-1]:
            if not isinstance(field, str):
                raise UserError(f"rows[{number}]: found the field {in_brief(field)}, expected {', '.join(_FIELDS)}")
    return listed


def _line(number: int, row: Mapping[str, Any]) -> str:
    """A row as a line of JSON."""
    for field, value in row.items():
        where, expected = f"rows[{number}].{field[:60]}", _FIELDS.get(field, "a text")
        try:
            json.dumps(value, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            raise UserError(f"{where}: found half a character in {in_brief(value)}, expected {expected}") from None
        except (TypeError, ValueError, RecursionError):  # a list that holds itself, or lists in lists without end
            kind = type(value).__name__
            raise UserError(f"{where}: found {in_brief(value)}, of type {kind}, expected {expected}") from None
    return json.dumps(row, ensure_ascii=False) + "\n"


def _as_given(message: str, folder: Path) -> str:
    """``message`` with the rows and arrays that were given in place of the files in ``folder`` that keep them."""
    lines = rf"({re.escape(str(folder / _ROWS))}, line |\bline (?=\d+ (already|says)\b))(\d+)"
    message = re.sub(lines, lambda line: f"rows[{int(line[3]) - 1}]", message)
    return re.sub(re.escape(f"{folder}{os.sep}") + r"(\w+)\.npy", r"\1", message).replace(str(folder / _ROWS), "rows")


def _written(rows: list[dict[str, Any]], arrays: Mapping[str, np.ndarray]) -> Path:
    """The folder in the cache that holds ``rows`` and ``arrays``, named by their content."""
    pictures: dict[str, bytes | Path] = {}
    digest = hashlib.sha256()
    for number, row in enumerate(rows):
        if arrays:
            if "row" in row:
                found = in_brief(row["row"])
                raise UserError(f"rows[{number}].row: found {found}, expected none: features are in the order of rows")
            row["row"] = number
        elif not isinstance(row.get("image"), str | Path):
            row["image"] = _keep(row.get("image"), number, digest, pictures)
        else:
            path = Path(row["image"])
            row["image"] = f"{number}{path.suffix if is_text(path.suffix) else ''}"
            pictures[row["image"]] = path
            try:
                digest.update(path.read_bytes())
            except OSError as error:
                raise UserError(f"rows[{number}].image: {str(path)[:200]}: {error.strerror}") from None
            except ValueError:  # a zero byte, or half a character
                raise UserError(f"rows[{number}].image: found {in_brief(str(path))}, expected a path") from None
    lines = "".join(_line(number, row) for number, row in enumerate(rows))
    digest.update(lines.encode())
    for part, array in arrays.items():
        digest.update(f"{part} {array.dtype} {array.shape}".encode())
        digest.update(np.ascontiguousarray(array).data)
    folder = cache_folder("built") / digest.hexdigest()[:16]
    folder.mkdir(exist_ok=True)
    for picture, content in pictures.items():
        with atomic_write(folder / picture) as part_of:
            shutil.copyfile(content, part_of) if isinstance(content, Path) else part_of.write_bytes(content)
    for part, array in arrays.items():
        with atomic_write(folder / f"{part}.npy") as part_of, part_of.open("wb") as file:
            np.save(file, np.ascontiguousarray(array), allow_pickle=False)
    write_text(folder / _ROWS, lines)
    return folder


def _keep(image: Any, number: int, digest: Any, pictures: dict[str, bytes | Path]) -> str:
    """Put a picture in memory into ``pictures`` as PNG; its name there."""
    if isinstance(image, np.ndarray) and image.dtype == np.uint8 and image.ndim == 3 and image.shape[2] == 3:
        image = Image.fromarray(image)
    if not isinstance(image, Image.Image):
        raise UserError(
            f"rows[{number}].image: found {type(image).__name__}, expected a path, a Pillow picture or [H, W, 3] uint8"
        )
    buffer = BytesIO()
    try:
        as_rgb(image).save(buffer, "PNG")
    except Exception as error:  # a picture that was opened is read only now, by a decoder with errors of its own
        raise UserError(f"rows[{number}].image: cannot be read: {error}") from None
    pictures[f"{number}.png"] = buffer.getvalue()
    digest.update(buffer.getvalue())
    return f"{number}.png"
