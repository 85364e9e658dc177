"""NUS-WIDE's official layout, tiny: twelve concepts, five tags, thirty rows."""

from __future__ import annotations

import subprocess
import unicodedata
from collections import Counter
from pathlib import Path

import pytest
from PIL import Image

from semshare.data import catalogue
from semshare.data.dataset import check_items
from semshare.data.pictures import stamp
from semshare.data.readers import nuswide
from semshare.data.readers.nuswide import NusWideSource
from semshare.errors import UserError

ROWS = 30
TAGS = ("cat", "sky", "sea", "dog", "car")
EMPTY = 7  # a row (from 0) without a tag


def _labels(concept: str) -> list[str]:
    """Concept a is on the first 24 rows, b on 23, and so on: a is the most frequent."""
    return ["1" if row < 24 - (ord(concept) - ord("a")) else "0" for row in range(ROWS)]


def _layout(root: Path, concepts: str = "abcdefghijkl", end: str = "\r\n") -> Path:
    for folder in ("ImageList", "Groundtruth/AllLabels", "NUS_WID_Tags", "images/actor", "images/zoo"):
        (root / folder).mkdir(parents=True)
    names = [f"{'actor' if row % 2 else 'zoo'}\\{row:04d}_{row * 7}.jpg" for row in range(ROWS)]
    (root / "ImageList" / "Imagelist.txt").write_bytes("".join(name + end for name in names).encode())
    for row, name in enumerate(names):
        Image.new("RGB", (8, 6), (row, 0, 0)).save(root / "images" / name.replace("\\", "/"), quality=100)
    for concept in concepts:
        path = root / "Groundtruth" / "AllLabels" / f"Labels_{concept}.txt"
        path.write_bytes("".join(value + end for value in _labels(concept)).encode())
    tags = [["1" if row != EMPTY and column in (0, row % 5) else "0" for column in range(5)] for row in range(ROWS)]
    (root / "NUS_WID_Tags" / "AllTags1k.txt").write_bytes("".join("\t".join(row) + end for row in tags).encode())
    (root / "NUS_WID_Tags" / "TagList1k.txt").write_text("\n".join(TAGS) + "\n", encoding="utf-8")
    return root


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return _layout(tmp_path / "nuswide")


def _edit(path: Path, line: int, content: str | None) -> None:
    """Replace a line, or take it out."""
    lines = path.read_text(encoding="utf-8").splitlines()
    lines[line - 1 : line] = [] if content is None else [content]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


@pytest.mark.parametrize("end", ["\r\n", "\n", "\t\r\n"])
def test_the_ten_most_frequent_concepts_filter_the_pairs(tmp_path: Path, end: str) -> None:
    source = NusWideSource(_layout(tmp_path / "nuswide", end=end))
    items = source.items()
    assert source.label_names == tuple("abcdefghij")
    assert [item.id for item in items] == [str(line) for line in range(1, 25)] == source.pool_ids()
    assert items[0].labels == tuple("abcdefghij") and items[23].labels == ("a",)
    assert items[5].texts == ("cat",) and items[3].texts == ("cat dog",) and items[EMPTY].texts == ("",)
    check_items("nuswide", items, source.label_names)


def test_a_picture_that_is_replaced_leaves_the_pool_and_changes_its_stamp(root: Path) -> None:
    before = NusWideSource(root)
    assert before.pool == NusWideSource(root).pool
    stamps = {id: stamp(path) for id, path in before.files.items()}
    with open(before.files["1"], "ab") as file:
        file.write(b"more")
    after = NusWideSource(root)
    assert after.pool == before.pool
    assert [id for id, path in after.files.items() if stamp(path) != stamps[id]] == ["1"]


def test_the_concepts_are_counted_and_not_taken_by_name(root: Path) -> None:
    labels = root / "Groundtruth" / "AllLabels"
    (labels / "Labels_a.txt").rename(labels / "Labels_zebra.txt")
    (labels / "Labels_b.txt").rename(labels / "Labels_yak.txt")
    assert NusWideSource(root).label_names == (*"cdefghij", "yak", "zebra")


def test_twenty_one_concepts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nuswide, "PAIRS", {"tc10": 20, "tc21": 24})
    source = NusWideSource(_layout(tmp_path / "nuswide", "abcdefghijklmnopqrstuvwx"), "tc21")
    assert source.label_names == tuple("abcdefghijklmnopqrstu") and source.status == "real"
    with pytest.raises(UserError, match="concepts: unknown 'tc81', expected tc10 or tc21"):
        NusWideSource(tmp_path / "nuswide", "tc81")


def test_the_tiny_one_is_a_subset_and_says_what_differs(root: Path) -> None:
    source = NusWideSource(root)
    assert source.status == "subset"
    assert [note.split(": ")[1] for note in source.notes] == [
        "30 rows, expected 269,648",
        "12 files of concepts, expected 81",
        "5 tags in the list, expected 1,000",
        "24 pairs, expected 186,577",
        "23 pairs with a tag, expected 181,365",
    ]


def test_the_split_is_seeded(root: Path) -> None:
    first, again, other = (NusWideSource(root, split_seed=seed) for seed in (0, 0, 1))
    assert Counter(first.splits.values()) == {"train": 20, "dev": 2, "test": 2}
    assert first.splits == again.splits != other.splits and first.pool == other.pool
    assert {item.id: item.split for item in first.items()} == first.splits


@pytest.mark.parametrize("folder", ["images", "Flickr"])
def test_pictures_are_opened(root: Path, folder: str) -> None:
    (root / "images").rename(root / folder)
    source = NusWideSource(root)
    red, _, _ = source.picture("12").getpixel((0, 0))
    assert abs(red - 11) <= 2  # row 11, through JPEG
    (root / folder / "actor" / "0011_77.jpg").write_bytes(b"not a picture")
    with pytest.raises(UserError, match=r"0011_77.jpg: cannot read this picture"):
        source.picture("12")


def test_rows_whose_picture_is_missing_are_left_out_and_counted(root: Path) -> None:
    for name in ("zoo/0002_14.jpg", "zoo/0004_28.jpg", "actor/0029_203.jpg"):
        (root / "images" / name).unlink()
    source = NusWideSource(root)
    assert {"3", "5"} & {item.id for item in source.items()} == set() and len(source.items()) == 22
    looked_for = "'zoo/0002_14.jpg', 'zoo/0004_28.jpg'"
    note = f"{root / 'images'}: 2 pictures are not here (or several of that name), left out: {looked_for}"
    assert note in source.notes


def test_a_corrupt_label_leaves_its_row_out_with_file_and_line(root: Path) -> None:
    path = root / "Groundtruth" / "AllLabels" / "Labels_c.txt"
    _edit(path, 4, "-1130179")
    source = NusWideSource(root)
    assert "4" not in source.splits and len(source.items()) == 23
    assert f"{path}, line 4: found '-1130179', expected 0 or 1; row left out" in source.notes


def test_a_corrupt_label_of_an_unused_concept_is_reported_and_changes_nothing(root: Path) -> None:
    before = NusWideSource(root).items()
    path = root / "Groundtruth" / "AllLabels" / "Labels_l.txt"
    _edit(path, 4, "-1130179")
    source = NusWideSource(root)
    assert source.items() == before
    assert any(f"{path}, line 4: found '-1130179', expected 0 or 1; row kept" in note for note in source.notes)


@pytest.mark.parametrize(
    ("line", "content", "found"),
    [
        (3, "1\t0\t2\t0\t0", "'2'"),
        (3, "1\t0\t0\t0", "4 columns"),
        (3, "1\t0\t0\t0\t0\t0", "6 columns"),
        (3, "11\t0\t0\t0", "'11'"),
        (3, "100000000", "'100000000'"),
        (3, "", "0 columns"),
    ],
)
def test_a_corrupt_row_of_tags_is_left_out_with_its_line(root: Path, line: int, content: str, found: str) -> None:
    path = root / "NUS_WID_Tags" / "AllTags1k.txt"
    _edit(path, line, content)
    source = NusWideSource(root)
    assert str(line) not in source.splits and len(source.items()) == 23
    assert f"{path}, line {line}: found {found}, expected 5 of 0 or 1; row left out" in source.notes


def test_a_file_of_something_else_is_refused(root: Path) -> None:
    path = root / "NUS_WID_Tags" / "AllTags1k.txt"
    path.write_text("cat dog\n" * ROWS, encoding="utf-8")
    with pytest.raises(
        UserError, match=r"AllTags1k.txt: 11 rows hold something else than 0 and 1, expected 10 at most"
    ):
        NusWideSource(root)


@pytest.mark.parametrize("more", [-1, 1])
@pytest.mark.parametrize("file", ["NUS_WID_Tags/AllTags1k.txt", "Groundtruth/AllLabels/Labels_f.txt"])
def test_files_of_unequal_length_are_refused(root: Path, file: str, more: int) -> None:
    path = root / file
    lines = path.read_text(encoding="utf-8").splitlines()
    path.write_text("\n".join(lines[:-1] if more < 0 else [*lines, lines[0]]) + "\n", encoding="utf-8")
    with pytest.raises(UserError, match=rf"{path.name}: {ROWS + more} lines, expected 30 as in Imagelist.txt"):
        NusWideSource(root)


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        ("ImageList/Imagelist.txt", "Imagelist.txt: missing"),
        ("NUS_WID_Tags/AllTags1k.txt", "AllTags1k.txt: missing, expected NUS-WIDE's official layout"),
        ("NUS_WID_Tags/TagList1k.txt", "TagList1k.txt: missing, expected NUS-WIDE's official layout"),
        ("images", "images: missing, expected NUS-WIDE's official layout"),
        ("Groundtruth", r"AllLabels: 0 files Labels_<concept>.txt, expected at least 10 \(81 in all\)"),
    ],
)
def test_what_is_missing_is_named(root: Path, file: str, expected: str) -> None:
    (root / file).rename(root / "aside")
    with pytest.raises(UserError, match=expected) as caught:
        NusWideSource(root)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["..\\..\\etc\\passwd", "/etc/passwd", ""])
def test_a_picture_outside_the_folder_is_refused(root: Path, name: str) -> None:
    _edit(root / "ImageList" / "Imagelist.txt", 2, name)
    with pytest.raises(UserError, match=r"Imagelist.txt, line 2: found .*, expected a picture such as actor/0001_21"):
        NusWideSource(root)


@pytest.mark.parametrize("name", ["nuswide", "nuswide-tc21"])
def test_the_catalogue_knows_both_and_where_they_lie(own_home: Path, name: str) -> None:
    with pytest.raises(UserError, match=rf"root: missing; dataset '{name}' needs .* run semshare data prepare {name},"):
        catalogue.entry(name).open("smoke", None, 0)
    _layout(own_home / "data" / "nuswide")
    if name == "nuswide":
        assert len(catalogue.entry(name).open("smoke", None, 0).label_names) == 10
    else:
        with pytest.raises(UserError, match=r"12 files Labels_<concept>\.txt, expected at least 21"):
            catalogue.entry(name).open("smoke", None, 0)


@pytest.mark.parametrize("end", ["\n", "\r"])
@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le"])
def test_every_list_is_read_in_every_encoding_and_with_every_line_end(encoding: str, end: str, tmp_path: Path) -> None:
    root = _layout(tmp_path / "nuswide")
    expected = NusWideSource(root).items()
    for path in root.rglob("*.txt"):
        path.write_bytes(path.read_bytes().replace(b"\r\n", b"\n").decode().replace("\n", end).encode(encoding))
    assert NusWideSource(root).items() == expected


def test_pictures_in_one_flat_folder_are_found(root: Path) -> None:
    expected = {id: path.read_bytes() for id, path in NusWideSource(root).files.items()}
    for folder in ("actor", "zoo"):
        for path in (root / "images" / folder).iterdir():
            path.rename(root / "images" / path.name)
        (root / "images" / folder).rmdir()
    source = NusWideSource(root)
    assert {id: path.read_bytes() for id, path in source.files.items()} == expected
    assert source.files["2"] == root / "images" / "0001_7.jpg"


def test_two_names_that_a_flat_folder_cannot_tell_apart_are_left_out(root: Path) -> None:
    _edit(root / "ImageList" / "Imagelist.txt", 2, "zebra\\0000_0.jpg")
    (root / "images" / "zoo" / "0000_0.jpg").rename(root / "images" / "0000_0.jpg")
    source = NusWideSource(root)
    assert not {"1", "2"} & source.splits.keys() and len(source.items()) == 22
    looked_for = "'zoo/0000_0.jpg', 'zebra/0000_0.jpg'"
    assert any(
        note.endswith(f"2 pictures are not here (or several of that name), left out: {looked_for}")
        for note in source.notes
    )


def test_a_picture_that_is_listed_twice_is_taken_once(root: Path) -> None:
    """It could stand in train and in test; the list may spell it with a slash or a backslash."""
    path = root / "ImageList" / "Imagelist.txt"
    _edit(path, 5, "actor/0001_7.jpg")
    source = NusWideSource(root)
    assert "5" not in source.splits and "2" in source.splits and len(source.items()) == 23
    assert f"{path}, line 5: 'actor/0001_7.jpg' stands in line 2 already; row left out" in source.notes
    assert len(set(source.files.values())) == len(source.items())


def test_labels_coded_minus_one_and_one_are_named_with_the_cure(root: Path) -> None:
    folder = root / "Groundtruth" / "AllLabels"
    for path in folder.iterdir():
        path.write_text(path.read_text(encoding="utf-8").replace("0", "-1"), encoding="utf-8")
    with pytest.raises(UserError) as caught:
        NusWideSource(root)
    assert str(caught.value) == (
        f"{folder}/Labels_a.txt, line 25: found -1 (in 6 of 30 lines, and 0 in none), expected 0 or 1; "
        f"where labels are coded -1 and 1, write 0 for -1: sed -i 's/^-1/0/' {folder}/Labels_*.txt"
    )
    subprocess.run(["bash", "-c", str(caught.value).rsplit("write 0 for -1: ", 1)[1]], check=True)
    assert len(NusWideSource(root).items()) == 24


def test_tags_coded_minus_one_and_one_are_named_with_the_cure(root: Path) -> None:
    path = root / "NUS_WID_Tags" / "AllTags1k.txt"
    path.write_text(path.read_text(encoding="utf-8").replace("0", "-1"), encoding="utf-8")
    with pytest.raises(UserError, match=r"AllTags1k.txt, line 1: found -1 and no 0, expected 5 of 0 or 1; ") as caught:
        NusWideSource(root)
    subprocess.run(["bash", "-c", str(caught.value).rsplit("write 0 for -1: ", 1)[1]], check=True)
    assert NusWideSource(root).items()[3].texts == ("cat dog",)


def test_why_there_are_no_pairs_is_said(root: Path) -> None:
    for path in (root / "images").rglob("*.jpg"):
        path.unlink()
    with pytest.raises(UserError) as caught:
        NusWideSource(root)
    first, *why = str(caught.value).split("\n")
    assert first == f"{root}: 0 pairs with a picture and a concept of tc10, expected 3 at least"
    assert any("24 pictures are not here (or several of that name), left out: 'zoo/0000_0.jpg'" in one for one in why)


def test_a_concept_in_two_unicode_forms_is_refused(root: Path) -> None:
    folder = root / "Groundtruth" / "AllLabels"
    for form in ("NFC", "NFD"):
        name = unicodedata.normalize(form, "Labels_café.txt")
        (folder / name).write_bytes((folder / "Labels_a.txt").read_bytes())
    with pytest.raises(UserError, match=r"concept 'café' has another file in this folder"):
        NusWideSource(root)


def test_the_count_behind_a_tag_is_no_word(root: Path) -> None:
    path = root / "NUS_WID_Tags" / "TagList1k.txt"
    plain = [item.texts for item in NusWideSource(root).items()]
    path.write_text("".join(f"{tag} {number}\n" for number, tag in enumerate(TAGS)), encoding="utf-8")
    assert [item.texts for item in NusWideSource(root).items()] == plain
    _edit(path, 2, "")
    with pytest.raises(UserError, match=r"TagList1k\.txt, line 2: found '', expected a tag"):
        NusWideSource(root)
