"""A folder of pictures for each class, with the texts of a picture in a file beside it."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest
from PIL import Image

from semshare.data.dataset import check_items
from semshare.data.readers.image_folder import ImageFolderSource, holds_classes
from semshare.errors import UserError

pytestmark = pytest.mark.usefixtures("own_home")


def _folder(root: Path, count: int = 6, parts: Sequence[str] = ("",)) -> Path:
    for part in parts:
        for number in range(count):
            picture = root / part / ("cat", "dog")[number % 2] / f"{number}.png"
            picture.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (8, 6), (number, 0, 0)).save(picture)
            picture.with_suffix(".txt").write_bytes(b"An animal %d.\r\n\r\nAnother line.\r\n" % number)
    return root


def _mistake(root: Path) -> str:
    with pytest.raises(UserError) as caught:
        ImageFolderSource(root)
    return str(caught.value)


def test_the_class_is_the_label_and_the_file_beside_holds_the_texts(tmp_path: Path) -> None:
    root = _folder(tmp_path / "own", 10)
    (root / "dog" / "notes.md").write_text("not a picture", encoding="utf-8")
    (root / ".thumbnails").mkdir()
    source = ImageFolderSource(root)
    items = source.items()
    assert source.label_names == ("cat", "dog") and len(items) == 10
    assert items[0].id == "cat/0.png" and items[0].labels == ("cat",)
    assert items[0].texts == ("An animal 0.", "Another line.")
    assert source.picture("dog/7.png").getpixel((0, 0)) == (7, 0, 0)
    assert sorted(item.split for item in items).count("train") == 6
    assert ImageFolderSource(root, 1).items() != items
    check_items("own", items, source.label_names)


def test_folders_of_splits_give_the_split(tmp_path: Path) -> None:
    source = ImageFolderSource(_folder(tmp_path / "own", 2, ("train", "val", "test")))
    assert [(item.id, item.split) for item in source.items()][2:4] == [
        ("val/cat/0.png", "dev"),
        ("val/dog/1.png", "dev"),
    ]
    assert source.label_names == ("cat", "dog")


def test_a_folder_is_known_by_its_pictures(tmp_path: Path) -> None:
    assert holds_classes(_folder(tmp_path / "own")) and holds_classes(
        _folder(tmp_path / "b", 2, ("train", "dev", "test"))
    )
    (tmp_path / "empty" / "dog").mkdir(parents=True)
    assert not holds_classes(tmp_path / "empty") and not holds_classes(tmp_path / "nowhere")


def test_every_picture_without_texts_or_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    root = _folder(tmp_path / "own")
    (root / "cat" / "0.txt").unlink()
    (root / "dog" / "1.txt").write_text(" \n\n", encoding="utf-8")
    (root / "cat" / "2.png").write_bytes((root / "cat" / "2.png").read_bytes()[:40])
    lines = _mistake(root).split("\n")
    assert lines[0] == f"{root / 'cat' / '0.txt'}: missing, expected the texts of 0.png, one a line"
    assert lines[1] == f"{root / 'dog' / '1.txt'}: empty, expected the texts of 1.png, one a line"
    assert lines[2].startswith(f"{root / 'cat' / '2.png'}: cannot read this picture") and len(lines) == 3
    assert lines[2].endswith("; replace it, or take it out of the collection")
    (root / "cat" / "0.txt").write_bytes(b"a caf\xe9")
    line = _mistake(root).split("\n")[0]
    assert line.startswith(f"{root / 'cat' / '0.txt'}: line 1: byte 0xe9") and line.count(str(root)) == 1


def test_what_lies_where_it_is_not_looked_for_is_told(tmp_path: Path) -> None:
    root = _folder(tmp_path / "own", 10)
    shutil.copy(root / "cat" / "0.png", root / "stray.png")
    (root / "README.md").write_text("My pictures", encoding="utf-8")
    shutil.copytree(root / "cat", root / "cat" / "kittens")
    source = ImageFolderSource(root)
    assert len(source.items()) == 10 and source.notes == (
        f"{root}: 1 picture lies in no class's folder, left out: stray.png",
        f"{root}: 1 folder lies in a class's folder, left out: cat/kittens",
    )
    (root / "dog" / "dead.png").symlink_to("/nowhere")
    assert f"{root / 'dog' / 'dead.txt'}: missing" in _mistake(root)


def test_splits_must_be_three_and_no_classes_among_them(tmp_path: Path) -> None:
    assert "no folder for test" in _mistake(_folder(tmp_path / "a", 2, ("train", "val")))
    assert "no split, but test beside it is" in _mistake(_folder(tmp_path / "b", 2, ("train", "val", "test", "extra")))
    assert "means the same split as dev" in _mistake(_folder(tmp_path / "c", 2, ("train", "val", "test", "dev")))
    root = _folder(tmp_path / "d", 2, ("train", "val"))
    (root / "test").mkdir()
    assert "no picture in 'test'" in _mistake(root)


def test_too_few_pictures_are_no_collection(tmp_path: Path) -> None:
    assert "2 pictures, expected at least 3" in _mistake(_folder(tmp_path / "own", 2))


def test_what_is_a_picture_is_told_by_content(tmp_path: Path) -> None:
    """As a photo collection has it: no ending, a wrong one, what file managers leave behind, a file of zeros."""
    root = _folder(tmp_path / "own", 10)
    (root / "cat" / "0.png").rename(root / "cat" / "0")
    (root / "dog" / "1.png").rename(root / "dog" / "1.dat")
    (root / "cat" / "Thumbs.db").write_bytes(b"\xd0\xcf\x11\xe0")
    (root / "cat" / "._2.png").write_bytes(b"\0\5\26\7")
    (root / "dog" / "zeros.jpg").write_bytes(bytes(100))
    source = ImageFolderSource(root)
    assert {"cat/0", "dog/1.dat"} <= {item.id for item in source.items()} and len(source.items()) == 10
    assert source.notes == (f"{root}: 2 files are no pictures, left out: cat/Thumbs.db, dog/zeros.jpg",)
