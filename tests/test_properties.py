"""What holds for every input: the measures, the losses, packing, and the reader of own collections."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from semshare import losses
from semshare.attention import Packing
from semshare.data.readers.custom import CustomSource
from semshare.data.words import MAX_LENGTH, Vocabulary, tokenise
from semshare.errors import UserError
from semshare.metrics import ACG, NDCG, AveragePrecision, Recall, best_threshold, micro_f1, retrieve

# The same examples every time: where two gallery items tie up to rounding, a suite must not fail by chance.
QUICK = settings(
    max_examples=40, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
SIZES = st.integers(1, 9)
FINITE = st.floats(-4, 4, width=32)


def _labels(draw: st.DrawFn, rows: int, columns: int) -> torch.Tensor:
    return torch.from_numpy(draw(arrays(np.float32, (rows, columns), elements=st.sampled_from([0.0, 1.0]))))


def _values(draw: st.DrawFn, rows: int, columns: int) -> torch.Tensor:
    return torch.from_numpy(draw(arrays(np.float32, (rows, columns), elements=FINITE)))


@st.composite
def retrieval(draw: st.DrawFn) -> tuple[torch.Tensor, ...]:
    """Queries and gallery with their labels; ties and items without a label among them."""
    queries, gallery, width, labels = draw(SIZES), draw(SIZES), draw(SIZES), draw(SIZES)
    embeddings = _values(draw, queries, width), _values(draw, gallery, width)
    return *embeddings, _labels(draw, queries, labels), _labels(draw, gallery, labels)


@QUICK
@given(retrieval(), st.integers(1, 12), st.randoms(use_true_random=False))
def test_ndcg_and_map_are_shares_and_do_not_depend_on_the_order_of_queries(case, k, random) -> None:
    query, gallery, query_labels, gallery_labels = case
    order = list(range(len(query)))
    random.shuffle(order)
    for measure in (NDCG(k), AveragePrecision()):
        [found] = retrieve([measure], *case)
        [shuffled] = retrieve([measure], query[order], gallery, query_labels[order], gallery_labels)
        # Average precision has no value where nothing is relevant.
        without = (query_labels @ gallery_labels.T).max(1).values == 0
        unknown = without if isinstance(measure, AveragePrecision) else torch.zeros_like(without)
        assert torch.equal(found.values.isnan(), unknown)
        assert ((found.values >= 0) & (found.values <= 1 + 1e-6))[~unknown].all()
        torch.testing.assert_close(found.values[order], shuffled.values, equal_nan=True)


@QUICK
@given(retrieval(), st.integers(1, 12))
def test_a_gallery_in_its_ideal_order_has_an_ndcg_of_one(case, k) -> None:
    _, _, query_labels, gallery_labels = case
    # The relevance itself as similarity: the labels are the embeddings, of equal length through a column that fills up.
    [row] = query_labels[:1]
    relevance = gallery_labels @ row
    if relevance.max() == 0:
        return
    height = relevance / relevance.max()
    gallery = torch.stack([height, (1 - height**2).clamp(min=0).sqrt()], 1)
    [found] = retrieve([NDCG(k)], torch.tensor([[1.0, 0.0]]), gallery, row[None], gallery_labels)
    assert found.values[0].item() == pytest.approx(1, abs=1e-6)


@QUICK
@given(st.data())
def test_the_best_threshold_beats_every_other(data) -> None:
    rows, columns = data.draw(SIZES), data.draw(SIZES)
    labels = _labels(data.draw, rows, columns)
    scores = torch.from_numpy(data.draw(arrays(np.float32, (rows, columns), elements=st.floats(0, 1, width=32))))
    best = micro_f1(scores, labels, best_threshold(scores, labels))
    other = data.draw(st.floats(0, 1))
    assert best >= micro_f1(scores, labels, other)


@QUICK
@given(st.data())
def test_losses_are_finite_and_the_order_of_a_batch_does_not_matter(data) -> None:
    rows, columns, width = data.draw(SIZES), data.draw(SIZES), data.draw(SIZES)
    labels = _labels(data.draw, rows, columns)
    image, text = _values(data.draw, rows, width), _values(data.draw, rows, width)
    scores = torch.from_numpy(data.draw(arrays(np.float32, (rows, columns), elements=st.floats(0, 1, width=32))))
    order = torch.tensor(data.draw(st.permutations(range(rows))))
    for loss in (
        lambda o: losses.label_prediction(scores[o], labels[o]),
        lambda o: losses.label_prediction(scores[o], labels[o], "bce"),
        lambda o: losses.consistency(image[o], text[o], labels[o]),
        lambda o: losses.consistency(image[o], text[o], labels[o], "count"),
        lambda o: losses.dscmr(scores[o], scores[o], image[o], text[o], labels[o]),
    ):
        for term, shuffled in zip(loss(slice(None)).values(), loss(order).values(), strict=True):
            assert math.isfinite(term.item())
            torch.testing.assert_close(term, shuffled, rtol=1e-5, atol=1e-6)


@QUICK
@given(st.lists(st.tuples(SIZES, SIZES), min_size=1, max_size=3), st.integers(0, 2**16))
def test_unpacking_undoes_packing(shapes, seed) -> None:
    generator = torch.Generator().manual_seed(seed)
    masks = [torch.rand(shape, generator=generator) < 0.6 for shape in shapes]
    padded = [
        torch.rand(*shape, 3, generator=generator) * mask.unsqueeze(-1)
        for shape, mask in zip(shapes, masks, strict=True)
    ]
    packing = Packing(masks)
    packed = packing.pack(padded)
    assert len(packed) == sum(int(mask.sum()) for mask in masks)
    assert all(torch.equal(*pair) for pair in zip(packing.unpack(packed), padded, strict=True))


@QUICK
@given(st.text(max_size=400))
def test_any_text_becomes_words_of_the_vocabulary(text) -> None:
    words = tokenise(text)
    assert all(word and word == word.lower() and not word.isspace() for word in words)
    vocabulary = Vocabulary.build([words])
    ids = vocabulary.encode(words)
    assert 2 <= len(ids) <= MAX_LENGTH and all(0 <= id < len(vocabulary) for id in ids)
    assert [vocabulary.words[id] for id in ids[1:-1]] == words[: MAX_LENGTH - 2]


TEXT = st.text(min_size=1, max_size=40)


@QUICK
@given(rows=st.lists(st.tuples(TEXT, st.lists(TEXT, min_size=1, max_size=3)), min_size=3, max_size=6))
def test_a_collection_is_read_as_it_was_written_or_refused_with_its_line(rows, tmp_path: Path) -> None:
    for place in range(len(rows)):
        if not (picture := tmp_path / f"{place}.png").exists():
            Image.new("L", (2, 2)).save(picture)
    records = [
        {"image": f"{place}.png", "texts": [text], "labels": labels} for place, (text, labels) in enumerate(rows)
    ]
    path = tmp_path / "collection.jsonl"
    path.write_text("\n".join(json.dumps(one) for one in records), encoding="utf-8")
    try:
        source = CustomSource(path)
    except UserError as error:
        assert f"{path}, line " in str(error)
        return
    assert [item.texts for item in source.items()] == [(text.strip(),) for text, _ in rows]
    assert [item.labels for item in source.items()] == [
        tuple(dict.fromkeys(label.strip() for label in labels)) for _, labels in rows
    ]


@QUICK
@given(content=st.binary(max_size=300))
def test_no_file_makes_the_reader_fail_otherwise_than_in_words(content, tmp_path: Path) -> None:
    for ending in (".jsonl", ".csv"):
        (path := tmp_path / f"any{ending}").write_bytes(content)
        with pytest.raises(UserError, match="any"):
            CustomSource(path)


@QUICK
@given(retrieval())
def test_recall_and_acg_do_not_fall_and_rise_beyond_what_there_is(case) -> None:
    query, gallery, query_labels, gallery_labels = case
    own = torch.arange(len(query)).remainder(len(gallery)).unsqueeze(1)
    recalls = retrieve([Recall(k) for k in (1, 3, 9)], *case, own=own)
    for small, large in zip(recalls, recalls[1:], strict=False):
        assert (small.values <= large.values).all()
    [acg] = retrieve([ACG(5)], *case)
    assert (acg.values <= (query_labels @ gallery_labels.T).max(1).values + 1e-6).all()
