"""Pictures that change after their regions were extracted: noticed, and extracted again alone."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from semshare.data import pictures
from semshare.data.pictures import open_picture
from semshare.data.regions import extract
from semshare.data.regions.base import RegionExtractor, Regions
from semshare.data.regions.extract import extract_to_store, refresh
from semshare.data.regions.store import FeatureStore

IDS = [str(number) for number in range(10)]


class Grey(RegionExtractor):
    """A region is the picture's mean grey; remembers what it saw."""

    name, feature_size, class_count, batch = "grey", 1, 1, 2

    def __init__(self) -> None:
        self.seen: list[int] = []

    def extract(self, pictures) -> Regions:
        greys = [round(float(np.asarray(picture).mean())) for picture in pictures]
        self.seen += greys
        features = torch.tensor(greys).float().view(-1, 1, 1).expand(-1, 36, 1)
        return Regions(
            features, torch.zeros(len(greys), 36, 5), torch.zeros(len(greys), 36), torch.ones(len(greys), 36)
        )


class Collection:
    """Ten grey pictures, their store, and what was extracted since."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.files = folder, {id: folder / f"{id}.bmp" for id in IDS}
        self.store_folder = folder / "store"
        for id in IDS:
            self.paint(id, int(id))
        self.store = self.extract()

    def paint(self, id: str, grey: int) -> None:
        Image.new("RGB", (4, 4), (grey,) * 3).save(self.files[id])

    def replace_unseen(self, id: str, grey: int) -> None:
        """Put another picture of the same size and time in the old one's place, as a copy that keeps times does."""
        times = self.files[id].stat()
        new = self.folder / "new"
        Image.new("RGB", (4, 4), (grey,) * 3).save(new, "BMP")
        os.utime(new, ns=(times.st_atime_ns, times.st_mtime_ns))
        new.replace(self.files[id])
        after = self.files[id].stat()
        assert (after.st_size, after.st_mtime_ns) == (times.st_size, times.st_mtime_ns)

    def extract(self) -> FeatureStore:
        return extract_to_store(
            Grey(), IDS, self._open, self.store_folder, lambda w, n: w, 2, 2, 4, lambda line: None, self.files
        )

    def refresh(self, verify: bool = False) -> list[int]:
        """The greys that are extracted again."""
        grey = Grey()
        store = FeatureStore(self.store_folder)
        self.store = refresh(store, lambda: grey, self._open, self.files, lambda w, n: w, verify, lambda line: None)
        self.store.verify()
        return grey.seen

    def greys(self) -> dict[str, int]:
        kept = [id for id in IDS if id in self.store]
        return dict(zip(kept, self.store.read(kept)[:, 0, 0].astype(int).tolist(), strict=True))

    def _open(self, id: str) -> Image.Image:
        return open_picture(self.files[id])


@pytest.fixture
def collection(tmp_path: Path) -> Collection:
    return Collection(tmp_path)


def test_nothing_changed_nothing_is_read(collection: Collection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extract, "unchanged", lambda *_: pytest.fail("read"))
    assert collection.refresh() == [] and collection.greys() == {id: int(id) for id in IDS}


def test_a_picture_of_the_same_size_and_time_is_extracted_again_alone(collection: Collection) -> None:
    before = collection.store.checksum
    collection.replace_unseen("5", 99)
    assert collection.refresh() == [99]
    assert collection.greys() == {id: int(id) for id in IDS} | {"5": 99}
    assert collection.store.checksum != before and collection.refresh() == []
    fresh = extract_to_store(
        Grey(), IDS, collection._open, collection.folder / "fresh", lambda w, n: w, 2, 2, 4, lambda line: None
    )
    assert collection.store.checksum == fresh.checksum  # what it holds, not how it came about
    assert len(list(collection.store_folder.glob("*.f16"))) == 3


def test_another_time_or_inode_with_the_same_content_extracts_nothing(
    collection: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = collection.store.checksum
    os.utime(collection.files["1"])
    shutil.copy(collection.files["2"], collection.folder / "copy")
    (collection.folder / "copy").replace(collection.files["2"])
    collection.files["3"].chmod(0o600)
    assert collection.refresh() == [] and collection.store.checksum == before
    monkeypatch.setattr(extract, "unchanged", lambda *_: pytest.fail("read"))
    assert collection.refresh() == []  # the new stamps are known


def test_verify_reads_what_looks_as_before(collection: Collection, monkeypatch: pytest.MonkeyPatch) -> None:
    collection.paint("7", 70)
    monkeypatch.setattr(extract, "stamp", lambda path: collection.store.pictures[path.stem][0])  # an unseen change
    assert collection.refresh() == []
    assert collection.refresh(verify=True) == [70]
    assert collection.greys()["7"] == 70


def test_a_picture_that_broke_is_left_out_and_comes_back_when_it_is_whole(collection: Collection) -> None:
    whole = collection.files["6"].read_bytes()
    collection.files["6"].write_bytes(whole[:20])
    assert collection.refresh() == [] and "6" not in collection.store
    assert "cannot read this picture" in collection.store.skipped["6"]
    assert collection.refresh() == []
    collection.files["6"].write_bytes(whole)
    assert collection.refresh() == [6]
    assert collection.greys() == {id: int(id) for id in IDS} and not collection.store.skipped
    collection.files["0"].unlink()
    assert collection.refresh() == [] and "there is no such file" in collection.store.skipped["0"]


def test_what_was_left_out_is_tried_again_with_other_readers(
    collection: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after ``pip install pillow-heif``: the same content can be read now."""
    plain = collection._open
    monkeypatch.setattr(collection, "_open", lambda id: Image.open(os.devnull) if id == "6" else plain(id))
    collection.files["6"].write_bytes(collection.files["6"].read_bytes() + b"more")
    assert collection.refresh() == [] and "6" in collection.store.skipped
    monkeypatch.setattr(collection, "_open", plain)
    assert collection.refresh() == []  # nothing is tried again for nothing
    monkeypatch.setattr(pictures, "readers", lambda: "a newer one")
    assert collection.refresh() == [6] and not collection.store.skipped


def test_every_picture_of_a_shard_may_break(collection: Collection) -> None:
    for id in IDS[:4]:
        collection.files[id].write_bytes(b"no picture any more")
    assert collection.refresh() == [] and list(collection.greys()) == IDS[4:]
    assert FeatureStore(collection.store_folder).skipped.keys() == set(IDS[:4])


def test_what_breaks_off_goes_on_after_the_last_whole_shard(
    collection: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    for id in IDS:
        collection.replace_unseen(id, 100 + int(id))
    plain, calls = extract.rewrite, []

    def breaking(*given):
        calls.append(given)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return plain(*given)

    monkeypatch.setattr(extract, "rewrite", breaking)
    with pytest.raises(KeyboardInterrupt):
        collection.refresh()
    FeatureStore(collection.store_folder).verify()
    assert collection.refresh() == [108, 109]
    assert collection.greys() == {id: 100 + int(id) for id in IDS}


def test_an_interrupted_extraction_remembers_what_the_files_were(tmp_path: Path) -> None:
    collection = Collection(tmp_path)
    shutil.rmtree(collection.store_folder)

    class Stopping(Grey):
        def extract(self, pictures) -> Regions:
            if len(self.seen) == 8:
                raise KeyboardInterrupt
            return super().extract(pictures)

    with pytest.raises(KeyboardInterrupt):
        extract_to_store(
            Stopping(), IDS, collection._open, collection.store_folder, lambda w, n: w, 2, 2, 4, str, collection.files
        )
    collection.replace_unseen("1", 50)  # its shard is written
    collection.extract()
    assert collection.refresh() == [50] and collection.greys()["1"] == 50
