"""Features held where the network is, and batches read ahead: the same batches, from elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from semshare.data import catalogue, prefetch
from semshare.data.dataset import Batch, PairedDataset
from semshare.data.prefetch import HeldStore, ahead, hold
from semshare.data.regions.arrays import ArrayFile, ArrayStore, RegionArrays

CPU, ELSEWHERE = torch.device("cpu"), torch.device("meta")


@pytest.fixture(scope="module")
def dataset(semshare_home: Path) -> PairedDataset:
    return catalogue.load("scenes-flickr25k", "smoke").thinned(missing_regions=0.5)


def _batches(dataset: PairedDataset) -> Iterator[Batch]:
    return dataset.batches("train", 64, torch.Generator().manual_seed(0))


def _noting(dataset: PairedDataset, read: list[Batch]) -> Iterator[Batch]:
    """The batches, each added to ``read`` as it is asked for."""
    for batch in _batches(dataset):
        read.append(batch)
        yield batch


def test_a_dataset_that_fits_is_held_and_gives_the_same_batches(
    dataset: PairedDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    needed = (
        sum(len(dataset.parts[split].image_ids) for split in ("train", "dev"))
        * dataset.store.read(dataset.parts["dev"].image_ids[:1]).nbytes
    )
    monkeypatch.setattr(prefetch, "_free", lambda device: 2 * needed)
    held = hold(dataset, CPU)
    assert isinstance(held.store, HeldStore)
    for ours, plain in zip(_batches(held), _batches(dataset), strict=True):
        for name in ("features", "positions", "mask", "targets"):
            assert torch.equal(getattr(ours.image, name), getattr(plain.image, name)), name
    monkeypatch.setattr(prefetch, "_free", lambda device: 2 * needed - 2)
    assert hold(dataset, CPU) is dataset


def test_held_features_never_come_from_the_disk_again(dataset: PairedDataset, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = dataset.parts["dev"].image_ids
    held = HeldStore(dataset.store, ids, CPU)
    expected = torch.from_numpy(dataset.store.read(ids[3:1:-1]))
    monkeypatch.setattr(type(dataset.store), "read", None)
    assert torch.equal(held.tensor(ids[3:1:-1]), expected)
    with pytest.raises(KeyError):
        held.tensor([dataset.parts["test"].image_ids[0]])


def test_rows_of_feature_files_are_held_in_single_precision(tmp_path: Path) -> None:
    features = np.random.default_rng(0).random((5, 2, 3), np.float32)
    np.save(tmp_path / "features.npy", features)
    np.save(tmp_path / "classes.npy", np.full((5, 2), 4001))  # float16 would make 4000 of it
    arrays = RegionArrays(ArrayFile(tmp_path / "features.npy"), ArrayFile(tmp_path / "classes.npy"))
    store = ArrayStore([(arrays, {str(row): row for row in range(5)})], 4002, [])
    held = HeldStore(store, ["4", "2"], CPU)
    assert torch.equal(held.tensor(["2", "4"]), store.tensor(["2", "4"])) and held.tensor(["2"])[0, 0, -2] == 4001


def test_nothing_is_held_or_read_ahead_on_a_cpu(dataset: PairedDataset) -> None:
    assert hold(dataset, CPU) is dataset
    read: list[Batch] = []
    for count, batch in enumerate(ahead(_noting(dataset, read), CPU), start=1):
        assert batch is read[-1]
        assert len(read) == count
    assert len(read) == len(list(_batches(dataset)))


def test_every_batch_read_ahead_arrives_in_order(dataset: PairedDataset) -> None:
    arrived = list(ahead(_batches(dataset), ELSEWHERE))
    plain = list(_batches(dataset))
    assert [one.image.features.shape for one in arrived] == [one.image.features.shape for one in plain]
    assert [one.text.features.shape for one in arrived] == [one.text.features.shape for one in plain]
    assert {one.labels.device for one in arrived} == {ELSEWHERE}


def test_a_batch_is_read_while_the_one_before_is_computed(dataset: PairedDataset) -> None:
    read: list[Batch] = []
    coming = ahead(_noting(dataset, read), ELSEWHERE)
    next(coming)
    coming.close()  # waits for what is being read
    assert len(read) == 2


def test_what_goes_wrong_while_reading_ahead_is_raised(dataset: PairedDataset) -> None:
    def broken() -> Iterator[Batch]:
        yield next(_batches(dataset))
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="the disk is gone"):
        list(ahead(broken(), ELSEWHERE))
