"""From items to tensors: what stands in a batch belongs together."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from semshare.data.dataset import Batch, PairedDataset, build_parts, check_items, items_checksum, pad_words
from semshare.data.regions.store import write_store
from semshare.data.segments import Segments
from semshare.data.source import Item
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


# Pairing


def test_texts_by_image_are_its_own_or_those_of_its_label_vector(dataset: PairedDataset) -> None:
    part = dataset.parts["train"]
    owners, vectors = part.owner.tolist(), part.labels.tolist()
    texts = range(len(part.texts))
    for image in range(len(part.image_ids)):
        own = [row for row in texts if owners[row] == image]
        alike = [row for row in texts if vectors[owners[row]] == vectors[image]]
        assert part.texts_by_image()[image] == part.texts_by_image("aligned")[image] == own
        assert part.texts_by_image("same-labels")[image] == alike
    assert part.texts_by_image("same-labels") != part.texts_by_image()


def test_pairing_by_labels_draws_every_text_of_an_equal_label_vector_and_no_other(dataset: PairedDataset) -> None:
    part, words = dataset.parts["train"], dataset.vocabulary.words
    generator, drawn = torch.Generator().manual_seed(0), set()
    for _ in range(200):
        seen = []
        for batch in dataset.batches("train", 4, generator, "same-labels"):
            for row in range(len(batch.image)):
                image = int(batch.image.features[row, 0, 0])
                text = int(words[batch.text.features[row, 1]].removeprefix("word"))
                assert image % 8 == text % 8, "an item's labels are its number's last three bits"
                assert batch.labels[row].tolist() == [float(image >> bit & 1) for bit in range(3)]
                seen.append(f"image-{image}")
                drawn.add((image, text, int(batch.text.features[row, 2])))
        assert sorted(seen) == sorted(part.image_ids), "each image once an epoch"
    pairs = zip(part.image_ids, part.texts_by_image("same-labels"), strict=True)
    possible = {(image, *part.words[row][1:3]) for image, rows in pairs for row in rows}
    assert len(drawn) == len(possible) > len(part.texts)


# Thinned data


def test_thinning_withholds_words_from_every_split(dataset: PairedDataset) -> None:
    long = dataset.parts["train"].words[0] * 20
    parts = {split: replace(part, words=(long,) * len(part.words)) for split, part in dataset.parts.items()}
    whole = replace(dataset, parts=parts)
    for split, part in whole.thinned(missing_words=0.5).parts.items():
        lengths = {len(words) for words in part.words}
        assert max(lengths) < len(long) and len(set(part.words)) == len(part.words), split
        assert all(words[0] == long[0] and words[-1] == long[-1] for words in part.words), split
        assert part.texts == parts[split].texts and torch.equal(part.labels, parts[split].labels)
    assert whole.parts["train"].words[0] == long, "the whole data stays as it was"


def test_thinning_withholds_regions_from_every_split(dataset: PairedDataset) -> None:
    thin = dataset.thinned(missing_regions=0.6)
    for split in dataset.parts:
        whole, some = dataset.images(split).mask, thin.images(split).mask
        assert not (some & ~whole).any(), "padding stays padding"
        assert (some.sum(1) >= 1).all() and some.sum() < whole.sum(), split
        assert torch.equal(thin.images(split).mask, some), "the same in every epoch"
        assert torch.equal(thin.images(split, [1]).mask[0], some[1]), "and in every batch"


def test_thinning_keeps_the_first_training_items_and_all_others(dataset: PairedDataset) -> None:
    thin = dataset.thinned(train_items=5)
    assert thin.parts["train"].image_ids == dataset.parts["train"].image_ids[:5]
    assert all(thin.parts[split] is dataset.parts[split] for split in ("dev", "test"))
    batches = list(thin.batches("train", 4, torch.Generator().manual_seed(0)))
    assert [len(batch.image) for batch in batches] == [4, 1]
    assert dataset.thinned(train_items=10_000).parts["train"].image_ids == dataset.parts["train"].image_ids


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


def test_distinct_texts_by_words_alone_take_the_first_occurrences_labels() -> None:
    part = _tags(
        ("sky blue", ("cat",)),
        ("Sky, blue!", ("dog",)),  # the same words: a duplicate, whatever its labels
        ("blue sky", ("cat", "dog")),
        ("sky blue", ("bird",)),
    )
    rows, stands_for = part.distinct_texts(with_labels=False)
    assert rows.tolist() == [0, 2] and stands_for.tolist() == [0, 0, 1, 0]
    names = [[name for name, on in zip(LABELS, one, strict=True) if on] for one in part.text_labels[rows]]
    assert names == [["cat"], ["cat", "dog"]]
    assert part.distinct_texts()[0].tolist() == [0, 1, 2, 3]


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


# As the released code reads it


def test_the_boxes_of_a_splits_first_image_stand_for_all(dataset: PairedDataset, tmp_path: Path) -> None:
    ids = [id for part in dataset.parts.values() for id in part.image_ids]
    rows = np.random.default_rng(0).random((len(ids), REGIONS, FEATURES + 7)).astype(np.float16)
    store = write_store(tmp_path / "boxes", [(ids, rows)], {"features": FEATURES, "classes": 10})
    own = replace(dataset, store=store)
    first = replace(own, first_boxes=True)
    for split in ("train", "test"):
        boxes = own.images(split).positions
        assert len({box.sum().item() for box in boxes}) == len(boxes)
        found = first.images(split, [3, 0, 2])
        assert torch.equal(found.positions, boxes[0].expand(3, -1, -1))
        assert torch.equal(found.features, own.images(split, [3, 0, 2]).features)


def test_unknown_words_are_asked_for_where_the_data_says_so(dataset: PairedDataset) -> None:
    part = replace(dataset.parts["train"], words=((1, 3, 9, 2), (1, 4, 2)), owner=torch.tensor([0, 1]))
    parts = {**dataset.parts, "train": part}
    assert replace(dataset, parts=parts).texts("train").targets.tolist() == [[-1, -1, 9, -1], [-1, -1, -1, -1]]
    asked = replace(dataset, parts=parts, unknown_words=True)
    assert asked.texts("train").targets.tolist() == [[-1, 3, 9, -1], [-1, -1, -1, -1]]


def test_an_epoch_of_captions_reads_each_once_with_its_image(dataset: PairedDataset) -> None:
    part = dataset.parts["train"]
    assert dataset.pairs_in_epoch("train", "captions") == len(part.words) > dataset.pairs_in_epoch("train")
    seen = []
    for batch in dataset.batches("train", 7, torch.Generator().manual_seed(0), epoch_pairs="captions"):
        for image, ids, mask, labels in zip(
            batch.image.features[:, 0, 0].tolist(), batch.text.features, batch.text.mask, batch.labels, strict=True
        ):
            words = tuple(ids[mask].tolist())
            row = part.image_ids.index(f"image-{image:.0f}")
            assert torch.equal(labels, part.labels[row])
            seen.append((row, words))
    assert sorted(seen) == sorted(zip(part.owner.tolist(), part.words, strict=True))
    assert seen != sorted(seen), "shuffled"


def _batch_of(lengths: list[int], regions: int) -> Batch:
    text = pad_words([[1, *range(5, 3 + length), 2] for length in lengths])
    shape = (len(lengths), regions)
    ones = torch.ones(shape, dtype=torch.bool)
    image = Segments(torch.zeros(*shape, 2), torch.zeros(*shape, 5), ones, torch.ones(shape, dtype=torch.long))
    return Batch(image, text, torch.zeros(len(lengths), 1))


def test_context_prediction_asks_the_items_with_the_longest_texts_alone() -> None:
    # 64 images with 36 regions, whose texts have 3 to 12 words: a loop to min(64, 36) and one to min(64, 12).
    lengths = [3 + (7 * row) % 10 for row in range(64)]
    batch = _batch_of(lengths, 36)
    found = batch.asking_longest()
    assert (batch.image.targets >= 0).sum() == 2304 and (found.image.targets >= 0).sum() == 1296
    order = sorted(range(64), key=lambda row: -lengths[row])
    for segments, before, most in ((found.image, batch.image, 36), (found.text, batch.text, 12)):
        asked = set()
        for place in range(min(64, most)):
            asked.add(order[place])
        for row in range(64):
            expected = before.targets[row] if row in asked else torch.full_like(before.targets[row], -1)
            assert torch.equal(segments.targets[row], expected)
        assert torch.equal(segments.features, before.features) and torch.equal(segments.mask, before.mask)


def test_a_batch_that_is_short_enough_is_asked_whole() -> None:
    batch = _batch_of([9, 4, 6], 3)
    found = batch.asking_longest()
    assert torch.equal(found.image.targets, batch.image.targets) and torch.equal(found.text.targets, batch.text.targets)
