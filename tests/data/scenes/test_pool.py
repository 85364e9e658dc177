"""A pool of drawn pictures: damage is named, what is half there is drawn again."""

from __future__ import annotations

from pathlib import Path

import pytest

from semshare.data.scenes.pool import ScenePool
from semshare.errors import UserError


@pytest.fixture
def pool(tmp_path: Path) -> Path:
    folder = tmp_path / "pool"
    ScenePool(folder, 0, {"train": 2, "dev": 1, "test": 1})
    return folder


def _open(folder: Path) -> ScenePool:
    return ScenePool(folder, 0, {"train": 2, "dev": 1, "test": 1})


def test_a_changed_byte_is_named_by_its_file(pool: Path) -> None:
    path = pool / "pictures-0000.jpegs"
    content = bytearray(path.read_bytes())
    content[100] ^= 1
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"pictures-0000.jpegs: checksum differs, .* delete .*pool"):
        _open(pool)


def test_a_missing_file_is_named(pool: Path) -> None:
    (pool / "pictures-0000.jpegs").unlink()
    with pytest.raises(UserError, match=r"pictures-0000.jpegs: checksum differs, .* found no file"):
        _open(pool)


def test_a_pool_without_its_manifest_is_drawn_again(pool: Path) -> None:
    before = (pool / "pictures-0000.jpegs").read_bytes()
    (pool / "manifest.json").unlink()
    (pool / "pictures-0000.jpegs").write_bytes(b"half")
    assert _open(pool).read("dev-000000").size == (192, 192)
    assert (pool / "pictures-0000.jpegs").read_bytes() == before


def test_what_a_killed_drawing_left_is_in_nobodys_way(pool: Path, tmp_path: Path) -> None:
    part = tmp_path / "fresh.part"
    part.mkdir()
    (part / "pictures-0000.jpegs").write_bytes(b"half")
    _open(tmp_path / "fresh")
    assert not part.exists()
    assert (tmp_path / "fresh" / "manifest.json").read_bytes() == (pool / "manifest.json").read_bytes()
