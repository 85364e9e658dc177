"""A trained network on a split: embeddings and scores, then the measures with their per-query values."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Self

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from semshare import metrics
from semshare.data.dataset import PairedDataset, Part
from semshare.data.source import Split
from semshare.experiment import Experiment
from semshare.model import Modality

K = 500  # the paper's NDCG cut-off


class Stored:
    """A dataclass of tensors that can be kept in a safetensors file."""

    def save(self, path: Path) -> None:
        """Write to ``path`` in one move."""
        part = path.with_name(f"{path.name}.{os.getpid()}.part")
        save_file({name: tensor.clone() for name, tensor in vars(self).items()}, part)  # clones: two may be one tensor
        part.replace(path)

    @classmethod
    def load(cls, path: Path) -> Self:
        """The inverse of :meth:`save`."""
        return cls(**load_file(path))


@dataclass(frozen=True)
class Reading(Stored):
    """What a network says of a split's N images and M texts, float32 on the CPU.

    Attributes:
        image: [N, E] retrieval embeddings of the images.
        text: [M, E] of the texts.
        image_scores: [N, C] what Micro-F1 thresholds.
        text_scores: [M, C].
    """

    image: Tensor
    text: Tensor
    image_scores: Tensor
    text_scores: Tensor

    def first(self, part: Part, count: int) -> Reading:
        """The reading of ``part.first(count)``."""
        texts = part.owner < count
        return Reading(self.image[:count], self.text[texts], self.image_scores[:count], self.text_scores[texts])


@torch.inference_mode()
def read_split(
    network: nn.Module, dataset: PairedDataset, split: Split, device: torch.device, precision: str
) -> Reading:
    """Run ``network`` over every image and text of ``split``, texts of equal length together."""
    network.eval()
    part = dataset.parts[split]
    by_length = sorted(range(len(part.words)), key=lambda row: len(part.words[row]))
    image, image_scores = _read(network, "image", dataset, split, list(range(len(part.image_ids))), device, precision)
    text, text_scores = _read(network, "text", dataset, split, by_length, device, precision)
    return Reading(image, text, image_scores, text_scores)


def _read(
    network: nn.Module,
    modality: Modality,
    dataset: PairedDataset,
    split: Split,
    order: list[int],
    device: torch.device,
    precision: str,
    batch: int = 256,
) -> tuple[Tensor, Tensor]:
    fetch = partial(dataset.images if modality == "image" else dataset.texts, split)
    embeddings, scores = [], []
    for start in range(0, len(order), batch):
        segments = fetch(order[start : start + batch]).to(device)
        with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16"):
            output = network(modality, segments)
        embeddings.append(output.embedding.float().cpu())
        scores.append(output.scores.float().cpu())
    back = torch.tensor(order).argsort()
    return torch.cat(embeddings)[back], torch.cat(scores)[back]


@dataclass(frozen=True)
class Thresholds:
    """The decision thresholds of the two modalities, tuned on dev and never on test."""

    image: float
    text: float

    @classmethod
    def tune(cls, reading: Reading, part: Part) -> Thresholds:
        return cls(
            image=metrics.best_threshold(reading.image_scores, part.labels),
            text=metrics.best_threshold(reading.text_scores, part.text_labels),
        )


@dataclass(frozen=True)
class Evaluation(Stored):
    """The measures of a reading, kept by item and query so that intervals can be drawn from them.

    Attributes:
        image_counts: [N, 3] true positives, false positives, false negatives of each image.
        text_counts: [M, 3] likewise of each text.
        image_half: [N, 3] the same counts at threshold 0.5, which means something for ``bce`` and DSCMR alone.
        text_half: [M, 3] likewise.
        i2t: [N] NDCG@500 of each image query over the texts (tags: over the distinct texts).
        t2i: [M] NDCG@500 of each text query over the images; on captions with the released discount.
        t2i_rank: [M] the same with the ordinary discount (equal to ``t2i`` on tags).
        i2t_random: [N] the expected value under a random ranking of the same gallery.
        t2i_random: [M] likewise, ordinary discount.
    """

    image_counts: Tensor
    text_counts: Tensor
    image_half: Tensor
    text_half: Tensor
    i2t: Tensor
    t2i: Tensor
    t2i_rank: Tensor
    i2t_random: Tensor
    t2i_random: Tensor

    def numbers(self) -> dict[str, float]:
        """The headline numbers: F1 in [0, 1], NDCG in [0, 1]."""
        return {
            "image_f1": metrics.f1_of_counts(self.image_counts.sum(0)),
            "text_f1": metrics.f1_of_counts(self.text_counts.sum(0)),
            "image_f1_at_half": metrics.f1_of_counts(self.image_half.sum(0)),
            "text_f1_at_half": metrics.f1_of_counts(self.text_half.sum(0)),
            "i2t": float(self.i2t.mean()),
            "t2i": float(self.t2i.mean()),
            "t2i_rank": float(self.t2i_rank.mean()),
            "i2t_random": float(self.i2t_random.mean()),
            "t2i_random": float(self.t2i_random.mean()),
        }


def text_gallery(part: Part, text_kind: str, gallery: str) -> Tensor:
    """Rows of the texts an image query ranks: the distinct ones of a tag set, all captions (section 4).

    ``gallery`` says what is distinct (:class:`Experiment`'s field): ``texts-and-labels`` or ``texts`` alone.
    """
    if text_kind == "captions":
        return torch.arange(len(part.words))
    return part.distinct_texts(with_labels=gallery == "texts-and-labels")


def evaluate(
    reading: Reading, part: Part, text_kind: str, thresholds: Thresholds, experiment: Experiment
) -> Evaluation:
    """All of :class:`Evaluation` for a split's reading, ranked as ``experiment`` says."""
    gallery = text_gallery(part, text_kind, experiment.gallery)
    images, texts = (reading.image, part.labels), (reading.text, part.text_labels)
    distinct = (reading.text[gallery], part.text_labels[gallery])
    ndcg = partial(metrics.retrieval_ndcg, k=K, ranking=experiment.ranking)
    t2i_rank = ndcg(texts[0], images[0], texts[1], images[1])
    t2i = t2i_rank
    if text_kind == "captions":
        t2i = ndcg(texts[0], images[0], texts[1], images[1], discount="coco-released", caption_index=part.caption_index)
    return Evaluation(
        image_counts=metrics.f1_counts(reading.image_scores, part.labels, thresholds.image),
        text_counts=metrics.f1_counts(reading.text_scores, part.text_labels, thresholds.text),
        image_half=metrics.f1_counts(reading.image_scores, part.labels, 0.5),
        text_half=metrics.f1_counts(reading.text_scores, part.text_labels, 0.5),
        i2t=ndcg(images[0], distinct[0], images[1], distinct[1]),
        t2i=t2i,
        t2i_rank=t2i_rank,
        i2t_random=metrics.random_ndcg(images[1], distinct[1], K),
        t2i_random=metrics.random_ndcg(texts[1], images[1], K),
    )


def mean_average_precision(reading: Reading, part: Part, text_kind: str, experiment: Experiment) -> dict[str, float]:
    """mAP over the full ranking in both directions, queries with nothing relevant skipped."""
    rows = text_gallery(part, text_kind, experiment.gallery)
    images, texts = (reading.image, part.labels), (reading.text, part.text_labels)
    gallery = (reading.text[rows], part.text_labels[rows])

    def mean(query: tuple[Tensor, Tensor], other: tuple[Tensor, Tensor]) -> float:
        values = metrics.over_blocks(
            metrics.mean_average_precision, query[0], other[0], query[1], other[1], ranking=experiment.ranking
        )
        return float(values.nanmean())

    return {"i2t_map": mean(images, gallery), "t2i_map": mean(texts, images)}
