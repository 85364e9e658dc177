"""The feature store: what goes in comes out, and damage is named."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from damage import every_damage, spoil

from semshare.data.regions.store import FeatureStore, write_store
from semshare.errors import UserError


def _rows(count: int = 10, seed: int = 0) -> tuple[list[str], np.ndarray]:
    rows = np.random.default_rng(seed).normal(size=(count, 3, 4)).astype(np.float16)
    return [f"item-{number}" for number in range(count)], rows


def _store(folder: Path, shard_rows: int = 4) -> tuple[FeatureStore, list[str], np.ndarray]:
    ids, rows = _rows()
    batches = [(ids[start : start + 2], rows[start : start + 2]) for start in range(0, 10, 2)]
    return write_store(folder, batches, {"features": 4}, shard_rows), ids, rows


def test_round_trip(tmp_path: Path) -> None:
    store, ids, rows = _store(tmp_path)
    assert len(store) == 10 and store.shape == (3, 4) and store.meta == {"features": 4}
    assert len(store.shards) == 3
    for opened in (store, FeatureStore(tmp_path)):
        np.testing.assert_array_equal(opened.read(ids), rows)
    store.verify()


def test_read_follows_the_order_asked_for_and_repeats(tmp_path: Path) -> None:
    store, ids, rows = _store(tmp_path)
    order = [9, 0, 4, 4, 7, 1]
    np.testing.assert_array_equal(store.read([ids[at] for at in order]), rows[order])


def test_read_of_nothing_is_empty(tmp_path: Path) -> None:
    assert _store(tmp_path)[0].read([]).shape == (0, 3, 4)


def test_read_goes_on_after_close(tmp_path: Path) -> None:
    store, ids, rows = _store(tmp_path)
    store.read(ids)
    store.close()
    np.testing.assert_array_equal(store.read(ids[:2]), rows[:2])


def test_a_missing_id_is_named(tmp_path: Path) -> None:
    store, ids, _ = _store(tmp_path)
    assert ids[0] in store and "item-99" not in store
    with pytest.raises(UserError, match="no features for item 'item-99'"):
        store.read([ids[0], "item-99"])


def test_a_truncated_shard_is_refused_when_opened(tmp_path: Path) -> None:
    _store(tmp_path)
    path = tmp_path / "shard-00001.f16"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(UserError, match=r"shard-00001.f16: damaged shard, expected 96 bytes, found 95"):
        FeatureStore(tmp_path)


def test_a_missing_shard_is_refused_when_opened(tmp_path: Path) -> None:
    _store(tmp_path)
    (tmp_path / "shard-00002.f16").unlink()
    with pytest.raises(UserError, match=r"shard-00002.f16: damaged shard"):
        FeatureStore(tmp_path)


def test_a_shard_truncated_after_opening_is_named(tmp_path: Path) -> None:
    store, ids, _ = _store(tmp_path)
    path = tmp_path / "shard-00000.f16"
    path.write_bytes(path.read_bytes()[:30])
    with pytest.raises(UserError, match=r"shard-00000.f16: shard ends early"):
        store.read(ids)


def test_a_changed_byte_is_found_by_verify(tmp_path: Path) -> None:
    store, *_ = _store(tmp_path)
    path = tmp_path / "shard-00001.f16"
    content = bytearray(path.read_bytes())
    content[17] ^= 1
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"shard-00001.f16: checksum differs"):
        store.verify()


def test_the_checksum_follows_the_content(tmp_path: Path) -> None:
    first, same = _store(tmp_path / "a")[0], _store(tmp_path / "b")[0]
    ids, rows = _rows(seed=1)
    assert first.checksum == same.checksum
    assert write_store(tmp_path / "c", [(ids, rows)], {"features": 4}).checksum != first.checksum


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_not_finite_is_refused_and_its_item_named(tmp_path: Path, value: float) -> None:
    ids, rows = _rows()
    rows[6, 1, 2] = value
    with pytest.raises(UserError, match="features of item 'item-6' are not finite in float16"):
        write_store(tmp_path, [(ids, rows)], {})


@pytest.mark.filterwarnings("ignore:overflow encountered:RuntimeWarning")
def test_what_overflows_float16_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="not finite in float16"):
        write_store(tmp_path, [(["a"], np.full((1, 2), 1e6, np.float32))], {})


@pytest.mark.parametrize("batches", ["one batch", "two batches"])
def test_an_id_given_twice_is_refused(tmp_path: Path, batches: str) -> None:
    _, rows = _rows(2)
    given = [(["a", "a"], rows)] if batches == "one batch" else [(["a"], rows[:1]), (["a"], rows[1:])]
    with pytest.raises(UserError, match="item 'a' given twice"):
        write_store(tmp_path, given, {})


def test_rows_of_another_shape_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"expected rows of shape \(1, 3\), found \(1, 4\)"):
        write_store(tmp_path, [(["a"], np.zeros((1, 3))), (["b"], np.zeros((1, 4)))], {})


def test_more_ids_than_rows_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="expected rows of shape"):
        write_store(tmp_path, [(["a", "b"], np.zeros((1, 3)))], {})


def test_nothing_to_store_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="nothing to store"):
        write_store(tmp_path, [], {})


def test_a_half_written_store_is_no_store(tmp_path: Path) -> None:
    _store(tmp_path)  # a complete one of before: it must not be taken for the new one
    ids, rows = _rows()

    def interrupted() -> Iterator[tuple[list[str], np.ndarray]]:
        yield ids[:5], rows[:5]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_store(tmp_path, interrupted(), {})
    with pytest.raises(UserError, match="no feature store here"):
        FeatureStore(tmp_path)


def test_an_empty_folder_is_no_store(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no feature store here"):
        FeatureStore(tmp_path / "nowhere")


@pytest.mark.parametrize("content", ["", '{"shape": [3, 4]', "{}", "[]"])
def test_a_damaged_index_is_a_user_error(tmp_path: Path, content: str) -> None:
    _store(tmp_path)
    (tmp_path / "index.json").write_text(content, encoding="utf-8")
    with pytest.raises(UserError, match="index.json|" + str(tmp_path)):
        FeatureStore(tmp_path)


@every_damage
def test_what_a_power_cut_leaves_of_an_index_is_a_user_error(damage: str, tmp_path: Path) -> None:
    _store(tmp_path)
    spoil(tmp_path / "index.json", damage)
    with pytest.raises(UserError, match=r"index\.json: damaged"):
        FeatureStore(tmp_path)


def test_the_index_lists_every_id_with_its_shard(tmp_path: Path) -> None:
    _, ids, _ = _store(tmp_path)
    index = json.loads((tmp_path / "index.json").read_text(encoding="utf-8"))
    assert [id for shard in index["shards"] for id in shard["ids"]] == ids
