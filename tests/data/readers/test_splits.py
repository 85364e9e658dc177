"""Seeded splits and their manifests."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from pathlib import Path

import pytest

from semshare.data.readers import splits
from semshare.errors import UserError

IDS = [str(number) for number in range(1, 101)]


def test_the_parts_are_disjoint_sized_and_cover_every_id() -> None:
    found = splits.split_ids(IDS, 0, dev=10, test=20)
    assert list(found) == IDS
    assert Counter(found.values()) == {"train": 70, "dev": 10, "test": 20}


def test_the_split_follows_the_seed_and_not_the_order() -> None:
    found = splits.split_ids(IDS, 0, 10, 20)
    assert splits.split_ids(IDS[::-1], 0, 10, 20) == found
    assert splits.split_ids(IDS, 1, 10, 20) != found


def test_the_rule_is_the_one_that_is_written_down() -> None:
    ranked = sorted(IDS, key=lambda id: hashlib.sha256(f"7/{id}".encode()).hexdigest())
    found = splits.split_ids(IDS, 7, 10, 20)
    assert {id for id, part in found.items() if part == "dev"} == set(ranked[:10])
    assert {id for id, part in found.items() if part == "test"} == set(ranked[10:30])


@pytest.mark.parametrize(("count", "size"), [(3, 1), (19, 1), (100, 10), (20_000, 2000), (20_015, 2000)])
def test_a_small_collection_holds_out_a_tenth(count: int, size: int) -> None:
    assert splits.held_out(count) == size


def test_too_few_ids_and_ids_given_twice_are_refused() -> None:
    with pytest.raises(UserError, match="split: 2 items, expected more than 1 for dev and 1 for test"):
        splits.split_ids(["a", "b"], 0, 1, 1)
    with pytest.raises(UserError, match="split: 1 ids given twice"):
        splits.split_ids(["a", "b", "c", "a"], 0, 1, 1)


def test_a_manifest_says_sizes_checksums_and_what_was_held_out(tmp_path: Path) -> None:
    found = splits.split_ids(["10", "9", "8", "7"], 0, 1, 1)
    splits.write_manifest(tmp_path / "new" / "m.json", "toy", 0, found)
    content = json.loads((tmp_path / "new" / "m.json").read_text(encoding="utf-8"))
    assert content["sizes"] == {"train": 2, "dev": 1, "test": 1}
    held = {part: [int(id) for id in found if found[id] == part] for part in ("dev", "test")}
    assert {part: content[part] for part in held} == held
    train = sorted(int(id) for id in found if found[id] == "train")
    assert content["sha256"]["train"] == hashlib.sha256(f"{train[0]}\n{train[1]}".encode()).hexdigest()
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["m.json"]


def test_ids_that_are_no_plain_numbers_stay_texts() -> None:
    parts = splits.manifest("toy", 0, {"007": "dev", "a": "test", "b": "train", "5": "test"})
    assert parts["dev"] == ["007"] and parts["test"] == ["5", "a"]


def test_differences_from_a_shipped_manifest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(splits, "SHIPPED", tmp_path)
    found = splits.split_ids(IDS, 0, 10, 20)
    assert splits.differences("toy", 0, found) == []  # none is shipped
    splits.write_manifest(tmp_path / "toy-seed0.json", "toy", 0, found)
    assert splits.differences("toy", 0, found) == []
    moved = next(id for id in IDS if found[id] == "test")
    assert splits.differences("toy", 0, {**found, moved: "train"}) == [
        "toy, seed 0: the train part (71 items) is not the shipped manifest's",
        "toy, seed 0: the test part (19 items) is not the shipped manifest's",
    ]


@pytest.mark.parametrize("content", ["{", "[]", '{"sha256": 3}'])
def test_a_damaged_manifest_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str) -> None:
    monkeypatch.setattr(splits, "SHIPPED", tmp_path)
    (tmp_path / "toy-seed0.json").write_text(content, encoding="utf-8")
    with pytest.raises(UserError, match=r"toy-seed0.json: damaged manifest"):
        splits.differences("toy", 0, {"a": "train"})


def test_shipped_manifests_are_small_and_hold_together() -> None:
    found = sorted(splits.SHIPPED.glob("*-seed*.json"))  # coco16k's is a list of ids: test_manifest
    assert "flickr25k-seed0.json" in [path.name for path in found]
    for path in found:
        assert path.stat().st_size < 60_000
        content = json.loads(path.read_text(encoding="utf-8"))
        assert path.name == f"{content['dataset']}-seed{content['seed']}.json" and content["rule"] == splits.RULE
        assert not set(content["dev"]) & set(content["test"])
        for part in ("dev", "test"):
            assert len(content[part]) == content["sizes"][part]
            joined = "\n".join(map(str, content[part])).encode()
            assert hashlib.sha256(joined).hexdigest() == content["sha256"][part]


def test_the_shipped_manifest_follows_from_the_real_list_of_pictures(realdata: Path) -> None:
    names = (realdata / "flickr25k" / "all_imgs.txt").read_text(encoding="utf-8").split()
    ids = [name.removeprefix("mirflickr/im").removesuffix(".jpg") for name in names]
    assert splits.shipped("flickr25k", 0) == splits.manifest("flickr25k", 0, splits.split_ids(ids, 0, 2000, 2000))


def test_a_name_that_is_no_utf_8_has_its_place_too() -> None:
    assert set(splits.split_ids(["caf\udce9.jpg", "a.jpg", "b.jpg"], 0, 1, 1).values()) == {"train", "dev", "test"}
