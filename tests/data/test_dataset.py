"""From items to tensors: what stands in a batch belongs together."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from semshare.data.dataset import PairedDataset, build_parts, check_items, items_checksum, pad_words
from semshare.data.source import Item
from semshare.data.store import write_store
from semshare.data.words import Vocabulary, tokenise
from semshare.errors import UserError

LABELS = ("bird", "cat", "dog")
FEATURES, REGIONS = 3, 4


def _items() -> list[Item]:
    """Thirty images whose feature, texts and labels all follow from their number."""
    items = []
    for number in range(30):
        labels = tuple(name for bit, name in enumerate(LABELS) if number >> bit & 1)
        texts = tuple(f"word{number} caption{index}" for index in range(1 + number % 3))
        items.append(Item(f"image-{number}", texts, labels, ("train", "train", "train", "dev", "test")[number % 5]))
    return items


@pytest.fixture
def dataset(tmp_path: Path) -> PairedDataset:
    items = _items()
    rows = np.zeros((len(items), REGIONS, FEATURES + 7), dtype=np.float32)
    rows[..., :FEATURES] = np.arange(len(items)).reshape(-1, 1, 1)  # the feature says which image it is
    rows[..., FEATURES : FEATURES + 5] = (0.25, 0.5, 0.75, 1, 0.25)
    rows[..., -2], rows[..., -1] = 9, 1
    rows[:, -1, -1] = 0  # the last region is padding
    store = write_store(tmp_path, [([item.id for item in items], rows)], {"features": FEATURES, "classes": 10})
    vocabulary = Vocabulary.build([tokenise(text) for item in items for text in item.texts])
    return PairedDataset(
        name="tiny",
        status="simulated",
        text_kind="captions",
        label_names=LABELS,
        supercategories={},
        attribution="none",
        parts=build_parts(items, LABELS, vocabulary),
        vocabulary=vocabulary,
        vectors=np.zeros((len(vocabulary), 4), dtype=np.float32),
        store=store,
        source=None,  # type: ignore[arg-type] - nothing here opens a picture
        checksum="",
    )


def test_sizes_come_from_the_store(dataset: PairedDataset) -> None:
    assert (dataset.feature_size, dataset.region_classes) == (FEATURES, 10)


def test_parts_keep_order_labels_and_owners(dataset: PairedDataset) -> None:
    for split, part in dataset.parts.items():
        items = [item for item in _items() if item.split == split]
        assert part.image_ids == tuple(item.id for item in items)
        assert part.texts == tuple(text for item in items for text in item.texts)
        for row, item in enumerate(items):
            assert [name for name, on in zip(LABELS, part.labels[row], strict=True) if on] == list(item.labels)
        for row, text in enumerate(part.texts):
            owner, index = int(part.owner[row]), int(part.caption_index[row])
            assert items[owner].texts[index] == text
            assert torch.equal(part.text_labels[row], part.labels[owner])
            assert part.words[row] == tuple(dataset.vocabulary.encode(tokenise(text)))


def test_images_reads_the_columns_of_the_store(dataset: PairedDataset) -> None:
    segments = dataset.images("dev", [1, 0])
    numbers = [int(id.split("-")[1]) for id in dataset.parts["dev"].image_ids]
    assert segments.features.shape == (2, REGIONS, FEATURES) and segments.features.dtype == torch.float32
    assert segments.features[:, 0, 0].tolist() == [numbers[1], numbers[0]]
    assert segments.positions[0, 0].tolist() == [0.25, 0.5, 0.75, 1, 0.25]
    assert segments.targets.unique().tolist() == [9] and segments.targets.dtype == torch.long
    assert segments.mask.tolist() == [[True, True, True, False]] * 2
    assert len(dataset.images("dev")) == len(numbers)


@pytest.mark.parametrize("size", [1, 4, 100])
def test_an_epoch_sees_each_image_once_with_a_text_and_labels_of_its_own(dataset: PairedDataset, size: int) -> None:
    part, seen = dataset.parts["train"], []
    words = dataset.vocabulary.words
    for batch in dataset.batches("train", size, torch.Generator().manual_seed(0)):
        assert len(batch.image) == len(batch.text) == len(batch.labels) <= size
        for row in range(len(batch.image)):
            number = int(batch.image.features[row, 0, 0])
            assert words[batch.text.features[row, 1]] == f"word{number}"
            assert batch.labels[row].tolist() == [float(number >> bit & 1) for bit in range(3)]
            seen.append(f"image-{number}")
    assert sorted(seen) == sorted(part.image_ids)


def _epoch(dataset: PairedDataset, generator: torch.Generator) -> tuple[list[int], list[int]]:
    batches = list(dataset.batches("train", 4, generator))
    images = [int(number) for batch in batches for number in batch.image.features[:, 0, 0]]
    captions = [int(word) for batch in batches for word in batch.text.features[:, 2]]
    return images, captions


def test_epochs_are_shuffled_and_draw_captions_by_the_generator(dataset: PairedDataset) -> None:
    generator = torch.Generator().manual_seed(0)
    first, second = _epoch(dataset, generator), _epoch(dataset, generator)
    assert first[0] != second[0] and first[0] != sorted(first[0])
    assert first == _epoch(dataset, torch.Generator().manual_seed(0))
    # Over some epochs every caption of an image comes up.
    drawn = {pair for _ in range(60) for pair in zip(*_epoch(dataset, generator), strict=True)}
    assert len(drawn) == len(dataset.parts["train"].texts)


def test_pad_words() -> None:
    segments = pad_words([[1, 7, 2], [1, 8, 3, 9, 2]])
    assert segments.features.tolist() == [[1, 7, 2, 0, 0], [1, 8, 3, 9, 2]]
    assert segments.mask.sum(1).tolist() == [3, 5]
    assert segments.positions.tolist() == [[0, 1, 2, 3, 4]] * 2
    assert segments.targets.tolist() == [[-1, 7, -1, -1, -1], [-1, 8, -1, 9, -1]]


def _tags(*pairs: tuple[str, tuple[str, ...]]) -> PairedDataset | object:
    items = [Item(str(row), (text,), labels, "test") for row, (text, labels) in enumerate(pairs)]
    vocabulary = Vocabulary.build([tokenise(text) for text, _ in pairs])
    return build_parts(items, LABELS, vocabulary)["test"]


def test_distinct_texts_are_distinct_in_words_or_labels() -> None:
    part = _tags(
        ("sky blue", ("cat",)),
        ("Sky, blue!", ("cat",)),  # the same words and labels: a duplicate
        ("sky blue", ("cat", "dog")),  # other labels
        ("blue sky", ("cat",)),  # another order
        ("sky blue", ("cat",)),
    )
    rows, stands_for = part.distinct_texts()
    assert rows.tolist() == [0, 2, 3] and stands_for.tolist() == [0, 0, 1, 2, 0]
    rows, stands_for = part.distinct_texts(with_labels=False)
    assert rows.tolist() == [0, 3] and stands_for.tolist() == [0, 0, 0, 1, 0]


def test_first_keeps_the_first_images_with_all_their_texts(dataset: PairedDataset) -> None:
    part = dataset.parts["train"]
    some = part.first(4)
    assert some.image_ids == part.image_ids[:4] and torch.equal(some.labels, part.labels[:4])
    assert set(some.owner.tolist()) == {0, 1, 2, 3}
    assert len(some.texts) == int((part.owner < 4).sum()) < len(part.texts)
    for row, text in enumerate(some.texts):
        assert text.startswith(f"word{some.image_ids[int(some.owner[row])].split('-')[1]} ")
        assert text.endswith(f"caption{int(some.caption_index[row])}")
    assert torch.equal(some.text_labels, some.labels[some.owner])


def test_between_cuts_a_part_into_pieces(dataset: PairedDataset) -> None:
    part = dataset.parts["train"]
    whole = len(part.image_ids)
    pieces = [part.between(0, 4), part.between(4, whole)]
    assert sum((one.image_ids for one in pieces), ()) == part.image_ids
    assert sum((one.texts for one in pieces), ()) == part.texts
    assert torch.equal(torch.cat([one.text_labels for one in pieces]), part.text_labels)
    assert pieces[1].owner[0] == 0


def test_first_beyond_the_end_is_everything(dataset: PairedDataset) -> None:
    part = dataset.parts["test"]
    assert part.first(10_000).texts == part.texts


def _with(row: int, **changed: object) -> list[Item]:
    items = _items()
    items[row] = replace(items[row], **changed)
    return items


def test_good_items_pass() -> None:
    assert check_items("tiny", _items(), LABELS) is None


@pytest.mark.parametrize(
    ("items", "expected"),
    [
        ([], "tiny: no items"),
        (_with(7, id="image-3"), "tiny: item 'image-3' appears twice"),
        (_with(7, split="val"), "tiny: item 'image-7' has split 'val', expected one of"),
        (_with(7, texts=()), "tiny: item 'image-7' has no text"),
        (_with(7, labels=("bird", "wolf")), "tiny: item 'image-7' has unknown label 'wolf'"),
        ([item for item in _items() if item.split != "dev"], "tiny: no item in split 'dev'"),
    ],
)
def test_the_first_bad_item_is_named(items: list[Item], expected: str) -> None:
    with pytest.raises(UserError, match=f"^{expected}"):
        check_items("tiny", items, LABELS)


@pytest.mark.parametrize(
    "changed", [{"id": "other"}, {"texts": ("other",)}, {"labels": ("bird", "cat")}, {"split": "dev"}]
)
def test_the_checksum_covers_all_a_reader_said(changed: dict) -> None:
    assert items_checksum(_items(), LABELS) == items_checksum(_items(), LABELS)
    assert items_checksum(_with(0, **changed), LABELS) != items_checksum(_items(), LABELS)
    assert items_checksum(_items(), LABELS[::-1]) != items_checksum(_items(), LABELS)
