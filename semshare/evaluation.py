"""A trained network on a split: embeddings and scores, then the measures with their per-query values."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Self

import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from semshare import metrics
from semshare.metrics import NDCG, Measure
from semshare.utils.files import atomic_write, damaged, read_tensors

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from semshare.data.dataset import PairedDataset, Part
    from semshare.data.source import Split
    from semshare.experiment import Experiment
    from semshare.model import Modality

K = 500  # the paper's NDCG cut-off
_RELEASED_BATCH = 64  # texts at a time in the released code's evaluation


class Stored:
    """A dataclass of tensors that can be kept in a safetensors file."""

    def save(self, path: Path) -> None:
        """Write to ``path`` in one move."""
        with atomic_write(path) as part:
            save_file(
                {name: tensor.clone() for name, tensor in vars(self).items()}, part
            )  # clones: two may be one tensor

    @classmethod
    def load(cls, path: Path) -> Self:
        """The inverse of :meth:`save`; raises ``DamagedError`` for a file that is not whole."""
        tensors = read_tensors(path)
        try:
            return cls(**tensors)
        except TypeError as error:
            raise damaged(path, cls.__name__, error) from None


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

    def between(self, part: Part, start: int, stop: int) -> Reading:
        """The reading of ``part.between(start, stop)``."""
        texts = (part.owner >= start) & (part.owner < stop)
        images = slice(start, stop)
        return Reading(self.image[images], self.text[texts], self.image_scores[images], self.text_scores[texts])


@torch.inference_mode()
def read_split(
    network: nn.Module, dataset: PairedDataset, split: Split, device: torch.device, experiment: Experiment
) -> Reading:
    """Run ``network`` over every image and text of ``split``, texts of equal length together.

    As the released code has it (``evaluation_batches`` in order), texts are read 64 at a time as the split has them;
    and where ``caption_mean`` is over the split, what a text says shrinks by its batch's longest over the split's.
    """
    network.eval()
    part, precision = dataset.parts[split], experiment.precision
    in_order = experiment.evaluation_batches == "in-order"
    rows = list(range(len(part.words)))
    lengths = [len(words) for words in part.words]
    image, image_scores = _read(network, "image", dataset, split, list(range(len(part.image_ids))), device, precision)
    text, text_scores = _read(
        network,
        "text",
        dataset,
        split,
        rows if in_order else sorted(rows, key=lengths.__getitem__),
        device,
        precision,
        batch=_RELEASED_BATCH if in_order else 256,
        longest=max(lengths) if experiment.caption_mean == "split" else None,
    )
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
    longest: int | None = None,
) -> tuple[Tensor, Tensor]:
    """Embeddings and scores of the items in ``order``; means over segments become means over ``longest`` of them."""
    fetch = partial(dataset.images if modality == "image" else dataset.texts, split)
    embeddings, scores = [], []
    for start in range(0, len(order), batch):
        segments = fetch(order[start : start + batch]).to(device)
        with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16"):
            output = network(modality, segments)
        share = 1 if longest is None else segments.mask.shape[1] / longest
        embeddings.append(output.embedding.float().cpu() * share)
        scores.append(output.scores.float().cpu() * share)
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
        t2i: [M] NDCG@500 of each text query over the images; on captions with the released discount. NaN, here and
            below, for a text that does not ask (``text_queries``).
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

    def retrieval(self, released: bool, gallery: Tensor) -> Retrieval:
        """NDCG@500 as a :class:`Retrieval` of a test split that is ranked whole: the same numbers, read once.

        Args:
            released: whether caption queries have the released discount.
            gallery: [1, 2] how many texts an image ranks, and how many images a text ranks.
        """
        t2i = self.t2i if released else self.t2i_rank
        return Retrieval(self.i2t, t2i, self.i2t_random, self.t2i_random, gallery)

    def numbers(self) -> dict[str, float]:
        """The headline numbers: F1 in [0, 1], NDCG in [0, 1]."""
        return {
            "image_f1": metrics.f1_of_counts(self.image_counts.sum(0)),
            "text_f1": metrics.f1_of_counts(self.text_counts.sum(0)),
            "image_f1_at_half": metrics.f1_of_counts(self.image_half.sum(0)),
            "text_f1_at_half": metrics.f1_of_counts(self.text_half.sum(0)),
            "i2t": float(self.i2t.mean()),
            "t2i": float(self.t2i.nanmean()),
            "t2i_rank": float(self.t2i_rank.nanmean()),
            "i2t_random": float(self.i2t_random.mean()),
            "t2i_random": float(self.t2i_random.nanmean()),
        }


@dataclass(frozen=True)
class Retrieval(Stored):
    """One measure in both directions, by query; NaN where a query does not count.

    Attributes:
        i2t: [N] of each image query over the texts (tags: over the distinct texts).
        t2i: [M] of each text query over the images.
        i2t_random: [N] the expected value under a random ranking of the same gallery.
        t2i_random: [M] likewise.
        gallery: [F, 2] how many texts an image ranks and how many images a text ranks, in each of F separate parts of
            the test split (one, unless a protocol says otherwise).
    """

    i2t: Tensor
    t2i: Tensor
    i2t_random: Tensor
    t2i_random: Tensor
    gallery: Tensor


def retrieve(
    measures: Sequence[Measure], reading: Reading, part: Part, text_kind: str, experiment: Experiment
) -> list[Retrieval]:
    """Every measure in both directions, ranked as ``experiment`` says, from one ranking of each query.

    An image ranks the distinct texts of a tag set (``experiment.gallery`` says what is distinct), all captions of
    another (section 4); a text that stands for several belongs to all their images. Every text asks for images, or of
    a tag set the distinct ones alone (``experiment.text_queries``), with the labels of their first occurrence and the
    images of all. The released discount is for caption queries: image queries, and texts that are tags, have the
    ordinary one instead.
    """
    captions = text_kind == "captions"
    texts = stands_for = asking = torch.arange(len(part.words))
    owners = part.owner.unsqueeze(1)
    if not captions:
        texts, stands_for = part.distinct_texts(with_labels=experiment.gallery == "texts-and-labels")
        if experiment.text_queries == "distinct":
            asking, owners = texts, _owners(part, stands_for)
    images, queries = (reading.image, part.labels), (reading.text[asking], part.text_labels[asking])
    gallery = (reading.text[texts], part.text_labels[texts])
    ordinary = [replace(measure, discount="rank") if isinstance(measure, NDCG) else measure for measure in measures]
    i2t = _read_each(ordinary, images, gallery, experiment, own=_own(part, stands_for))
    t2i = _read_each(
        measures if captions else ordinary,
        queries,
        images,
        experiment,
        own=owners,
        caption_index=part.caption_index[asking],
    )
    sizes = torch.tensor([[len(texts), len(part.labels)]])

    def of_texts(values: Tensor) -> Tensor:
        return values.new_full((len(part.words),), torch.nan).index_copy(0, asking, values)

    return [
        Retrieval(of_image.values, of_texts(of_text.values), of_image.random, of_texts(of_text.random), sizes)
        for of_image, of_text in zip(i2t, t2i, strict=True)
    ]


def _read_each(
    measures: Sequence[Measure],
    queries: tuple[Tensor, Tensor],
    gallery: tuple[Tensor, Tensor],
    experiment: Experiment,
    **options: Tensor,
) -> list[metrics.Scores]:
    """The scores of each measure, those that are equal read once; queries and gallery are embeddings and labels."""
    different = list(dict.fromkeys(measures))
    pairs = [tensor for both in zip(queries, gallery, strict=True) for tensor in both]
    scores = metrics.retrieve(different, *pairs, ranking=experiment.ranking, **options)
    return [scores[different.index(measure)] for measure in measures]


def _own(part: Part, stands_for: Tensor) -> Tensor:
    """[N, T] the gallery rows of each image's own texts, -1 where it has fewer; ``place`` [M] is each text's row."""
    rows = [sorted({int(stands_for[text]) for text in texts}) for texts in part.texts_by_image()]
    return pad_sequence([torch.tensor(own) for own in rows], batch_first=True, padding_value=-1)


def _owners(part: Part, stands_for: Tensor) -> Tensor:
    """[D, T] the images of all texts that one of the D distinct texts stands for, -1 where there are fewer than T."""
    owners: list[list[int]] = [[] for _ in range(int(stands_for.max()) + 1)]
    for row, owner in zip(stands_for.tolist(), part.owner.tolist(), strict=True):
        owners[row].append(owner)
    return pad_sequence([torch.tensor(images) for images in owners], batch_first=True, padding_value=-1)


def evaluate(
    reading: Reading, part: Part, text_kind: str, thresholds: Thresholds, experiment: Experiment
) -> Evaluation:
    """All of :class:`Evaluation` for a split's reading, ranked as ``experiment`` says."""
    measures = (NDCG(K), NDCG(K, discount="coco-released"))
    rank, released = retrieve(measures, reading, part, text_kind, experiment)
    return Evaluation(
        image_counts=metrics.f1_counts(reading.image_scores, part.labels, thresholds.image),
        text_counts=metrics.f1_counts(reading.text_scores, part.text_labels, thresholds.text),
        image_half=metrics.f1_counts(reading.image_scores, part.labels, 0.5),
        text_half=metrics.f1_counts(reading.text_scores, part.text_labels, 0.5),
        i2t=rank.i2t,
        t2i=released.t2i,
        t2i_rank=rank.t2i,
        i2t_random=rank.i2t_random,
        t2i_random=rank.t2i_random,
    )
