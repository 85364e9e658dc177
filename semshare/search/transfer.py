"""The transfer check: a model that is by itself, on labelled photographs of which it has seen none.

What comes out is kept in ``book/recorded/transfer.json``, with intervals over the photographs: it is one network, so
they say nothing of other seeds.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import torch

from semshare import methods
from semshare.data import decode
from semshare.data.dataset import Part
from semshare.data.files import digest
from semshare.data.readers.coco import CocoSource
from semshare.errors import UserError
from semshare.evaluation import Reading, evaluate
from semshare.metrics import f1_of_counts
from semshare.runs.intervals import Scored, SeedVariance, mean
from semshare.search.pretrained import load
from semshare.utils.checkout import find_root
from semshare.utils.files import write_json
from semshare.utils.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from torch import Tensor

    from semshare.data.regions.base import RegionExtractor
    from semshare.data.source import Item, Source
    from semshare.data.text_kinds import TextKind
    from semshare.evaluation import Evaluation
    from semshare.search.pretrained import PretrainedModel

NAME = "transfer"
MEASURES = ("image_f1", "text_f1", "i2t", "t2i_rank")
MODEL, FOLDER = "coco16k", "val2017"  # the shipped model, and the photographs that no COCO training split holds


def record(root: Path | None, device: str = "auto", folder: Path | None = None) -> Path:
    """Measure the shipped model on the photographs of ``root/val2017`` and write what came out.

    Args:
        root: a folder in COCO's official layout.
        device: where to compute.
        folder: the folder of the file; the checkout's ``book/recorded`` by default.

    Returns:
        The file.

    Raises:
        UserError: no ``root``, or a folder without these photographs.
    """
    source, items = photographs(root)
    model = load(MODEL, device)
    path = (folder or find_root() / "book" / "recorded") / f"{NAME}.json"
    write_json(path, of_model(model, source, items), indent=1)
    return path


def photographs(root: Path | None) -> tuple[Source, list[Item]]:
    """The labelled photographs of ``root/val2017`` and the source that opens them; raises as :func:`record` does."""
    if root is None:
        raise UserError("root: found none, expected --root FOLDER with annotations/ and val2017/ in COCO's layout")
    source = CocoSource(root)
    files = source.files
    items = [item for item in source.items() if files[item.id].parent.name == FOLDER and files[item.id].exists()]
    if not items:
        raise UserError(f"{root / FOLDER}: no photograph with labels and captions here, expected COCO's {FOLDER}")
    return source, items


def of_model(model: PretrainedModel, source: Source, items: Sequence[Item]) -> dict[str, Any]:
    """What ``model`` reaches on N ``items`` of ``source``, ready for JSON.

    Of each measure the value with its 95 % interval over photographs; of both F1 also what saying the labels
    of most items would reach for every item; of both NDCG what a random ranking would.

    Raises:
        UserError: a label that the model was not taught, or a picture that cannot be read.
    """
    part = _part(model, items)
    evaluation = _evaluation(model, part, read_regions(model.extractor, source, items), source.text_kind)
    scored = Scored.of(evaluation, part.owner, model.config.run)
    measures = {}
    for name in MEASURES:
        interval = mean([scored], name, SeedVariance())
        measures[name] = {"value": interval.value, "low": interval.low, "high": interval.high}
        measures[name]["chance"] = _chance(evaluation, part, name)
    return {
        "model": model.title,
        "run": model.config.run,
        "weights": model.config.weights,
        "images": len(part.image_ids),
        "texts": len(part.texts),
        "photographs": digest("\n".join(part.image_ids)),
        "measures": {name: {what: round(value, 5) for what, value in row.items()} for name, row in measures.items()},
    }


def load_recorded(folder: Path | None = None) -> dict[str, Any]:
    """What :func:`record` wrote; raises :class:`UserError` where it is missing or damaged."""
    return read_recorded(NAME, folder)


def read_recorded(name: str, folder: Path | None = None) -> dict[str, Any]:
    """The recording ``name`` that is no study's; raises :class:`UserError` where it is missing or damaged."""
    path = (folder or find_root() / "book" / "recorded") / f"{name}.json"
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{path}: nothing recorded there; semshare record {name} --root FOLDER makes it") from None
    except ValueError as error:
        raise UserError(f"{path}: damaged recording: {error}") from None


def _part(model: PretrainedModel, items: Sequence[Item]) -> Part:
    """``items`` as a split, with the model's words and labels."""
    columns = {name: column for column, name in enumerate(model.config.label_names)}
    labels = torch.zeros(len(items), len(columns))
    for row, item in enumerate(items):
        for name in item.labels:
            if name not in columns:
                raise UserError(f"{item.id}: found label {name!r}, expected one of the {len(columns)} of {model.title}")
            labels[row, columns[name]] = 1
    texts = [text for item in items for text in item.texts]
    return Part(
        image_ids=tuple(item.id for item in items),
        labels=labels,
        texts=tuple(texts),
        words=tuple(tuple(model.vocabulary.encode(model.tokenizer.cut(text))) for text in texts),
        owner=torch.tensor([row for row, item in enumerate(items) for _ in item.texts]),
        caption_index=torch.tensor([number for item in items for number in range(len(item.texts))]),
    )


def read_regions(extractor: RegionExtractor, source: Source, items: Sequence[Item]) -> Tensor:
    """The regions of N ``items``, [N, 36, D], of ``extractor``; raises :class:`UserError` for a damaged picture."""
    size, progress = extractor.batch, Progress("regions of unseen photographs")
    ids = [item.id for item in items]
    batches = [ids[start : start + size] for start in range(0, len(ids), size)]
    rows = []
    for pictures, unreadable in progress.track(decode.decoded(batches, source.picture), len(batches)):
        for id, reason in unreadable.items():
            raise UserError(f"{id}: {reason}")
        rows.append(torch.from_numpy(extractor.extract(list(pictures.values())).rows()))
    return torch.cat(rows)


def scored(model: PretrainedModel, items: Sequence[Item], regions: Tensor, text_kind: TextKind) -> Scored:
    """What ``model`` reaches on N ``items``, by item: what an interval is made of.

    Args:
        model: trained on regions of the extractor that ``regions`` are of.
        items: what it reads; it was taught all of their labels.
        regions: theirs, [N, 36, D], as :func:`read_regions` gives them.
        text_kind: whether their texts are captions or tags.
    """
    part = _part(model, items)
    seeded = "seed" not in methods.get(model.config.experiment.method).unread
    return Scored.of(_evaluation(model, part, regions, text_kind), part.owner, model.config.run, seeded)


def _evaluation(model: PretrainedModel, part: Part, regions: Tensor, text_kind: TextKind) -> Evaluation:
    image, text = model.encode_regions(regions), model.encode_texts(part.texts)
    reading = Reading(image.embedding, text.embedding, image.scores, text.scores)
    return evaluate(reading, part, text_kind, model.config.thresholds, model.config.experiment)


def _chance(evaluation: Evaluation, part: Part, name: str) -> float:
    """What needs no model: the F1 of the most frequent labels said of every item, the NDCG of a random ranking."""
    if not name.endswith("f1"):
        return float(getattr(evaluation, f"{name[:3]}_random").nanmean())
    labels = part.labels if name == "image_f1" else part.text_labels
    held = labels.sum(0).sort(descending=True).values
    said = torch.arange(1, len(held) + 1) * len(labels)
    hits = held.cumsum(0)
    counts = torch.stack([hits, said - hits, labels.sum() - hits], 1)
    return max(f1_of_counts(row) for row in counts)
