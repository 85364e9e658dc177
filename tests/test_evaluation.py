"""What evaluation reads and asks, on embeddings placed by hand; test_released.py has a slow network for the rest."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from torch import Tensor, nn

from semshare import evaluation
from semshare.data.dataset import Part, pad_words
from semshare.data.segments import Segments
from semshare.evaluation import Reading
from semshare.experiment import Experiment
from semshare.metrics import NDCG, Recall
from semshare.model import Output
from semshare.runs.intervals import Scored


def _experiment(**fields: object) -> Experiment:
    return Experiment.make(dataset="tiny", method="ours", scale="smoke", **fields)


class _Says(nn.Module):
    """Says 1.4 of every item, and notes the lengths of the texts of each batch."""

    def __init__(self) -> None:
        super().__init__()
        self.batches: list[list[int]] = []

    def forward(self, modality: str, segments: Segments) -> Output:
        if modality == "text":
            self.batches.append(segments.mask.sum(1).tolist())
        said = torch.full((len(segments), 1), 1.4)
        return Output(embedding=said, scores=said, probabilities=said, common=said)


def _captions(lengths: list[int]) -> SimpleNamespace:
    """A dataset of captions with so many words each, one an image."""
    words = tuple(tuple(range(5, 5 + length)) for length in lengths)
    part = SimpleNamespace(image_ids=tuple(map(str, range(len(lengths)))), words=words)

    def images(split: str, rows: list[int]) -> Segments:
        ones = torch.ones(len(rows), 1)
        return Segments(ones.unsqueeze(-1), ones.unsqueeze(-1).expand(-1, -1, 5), ones.bool(), ones.long())

    def texts(split: str, rows: list[int]) -> Segments:
        return pad_words([words[row] for row in rows])

    return SimpleNamespace(parts={"test": part}, images=images, texts=texts)


def _read(lengths: list[int], **fields: object) -> tuple[Tensor, list[list[int]]]:
    network = _Says()
    reading = evaluation.read_split(network, _captions(lengths), "test", torch.device("cpu"), _experiment(**fields))
    assert torch.equal(reading.text, reading.text_scores) and (reading.image == reading.image[0]).all()
    return reading.text[:, 0], network.batches


LENGTHS = [10, *[4] * 63, 20, 3]  # the first 64 captions have at most 10 words, and the split's longest has 20


def test_a_captions_mean_runs_over_the_splits_longest_with_zeros_behind_its_batchs_end() -> None:
    found, _ = _read(LENGTHS, evaluation_batches="in-order", caption_mean="split")
    assert found.tolist() == pytest.approx([0.7] * 64 + [1.4] * 2)
    found, _ = _read(LENGTHS, evaluation_batches="in-order")
    assert found.tolist() == pytest.approx([1.4] * 66)


def test_texts_are_read_as_the_split_has_them_64_at_a_time_or_with_others_of_their_length() -> None:
    _, batches = _read(LENGTHS, evaluation_batches="in-order")
    assert batches == [LENGTHS[:64], LENGTHS[64:]]
    _, batches = _read(LENGTHS)
    assert batches == [sorted(LENGTHS)]


def _tags() -> tuple[Reading, Part]:
    """Four images with two tag sets, "a" and "b", whose second owners have other labels."""
    image = torch.tensor([[1.0, 0.0], [0.6, 0.8], [0.0, 1.0], [0.8, 0.6]])
    text = torch.tensor([[0.1, 1.0], [1.0, 0.3], [0.1, 1.0], [1.0, 0.3]])
    part = Part(
        image_ids=("0", "1", "2", "3"),
        labels=torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0], [0.0, 1.0]]),
        texts=("a", "b", "a", "b"),
        words=((1, 5, 2), (1, 6, 2), (1, 5, 2), (1, 6, 2)),
        owner=torch.arange(4),
        caption_index=torch.zeros(4, dtype=torch.long),
    )
    return Reading(image, text, image, text), part


@pytest.mark.parametrize("gallery", ["texts", "texts-and-labels"])
def test_each_item_of_the_text_gallery_asks_once_with_its_first_labels(gallery: str) -> None:
    reading, part = _tags()
    experiment = _experiment(text_queries="distinct", gallery=gallery)
    every = _experiment(gallery=gallery)
    (found,) = evaluation.retrieve([NDCG(500)], reading, part, "tags", experiment)
    (all_ask,) = evaluation.retrieve([NDCG(500)], reading, part, "tags", every)
    # Text "b" has the same labels both times; "a" is told apart by them, where they are asked for.
    asking = [0, 1] if gallery == "texts" else [0, 1, 2]
    for name in ("t2i", "t2i_random"):
        values = getattr(found, name)
        assert [row for row in range(4) if not values[row].isnan()] == asking
        torch.testing.assert_close(values[asking], getattr(all_ask, name)[asking])
    torch.testing.assert_close(found.i2t, all_ask.i2t)


def test_any_image_of_an_equal_text_is_a_hit() -> None:
    reading, part = _tags()
    # The first "a" finds image 2, its twin's, first; the first "b" finds image 0, which no "b" owns.
    (found,) = evaluation.retrieve(
        [Recall(1)], reading, part, "tags", _experiment(text_queries="distinct", gallery="texts")
    )
    assert found.t2i.nan_to_num(-1).tolist() == [1, 0, -1, -1]
    (found,) = evaluation.retrieve([Recall(1)], reading, part, "tags", _experiment(gallery="texts"))
    assert found.t2i.tolist() == [0, 0, 1, 0]


def test_the_mean_over_queries_leaves_out_those_that_do_not_ask() -> None:
    reading, part = _tags()
    thresholds = evaluation.Thresholds(0.5, 0.5)
    found = evaluation.evaluate(
        reading, part, "tags", thresholds, _experiment(text_queries="distinct", gallery="texts")
    )
    assert found.numbers()["t2i"] == pytest.approx(float(found.t2i[:2].mean()))
    for measure in ("t2i", "t2i_rank", "t2i_random"):  # and so do the sums that intervals are made of
        total, count = Scored.of(found, part.owner, "key").rows(measure).sum(0)
        assert count == 2 and total / count == pytest.approx(found.numbers()[measure])


def test_captions_all_ask() -> None:
    reading, part = _tags()
    (found,) = evaluation.retrieve([NDCG(500)], reading, part, "captions", _experiment(text_queries="distinct"))
    assert not found.t2i.isnan().any()
