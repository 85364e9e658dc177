"""MIRFLICKR's official layout, tiny, and the real clean set's tags and labels where they are at hand."""

from __future__ import annotations

import shutil
import unicodedata
from collections import Counter
from pathlib import Path

import pytest
from PIL import Image

from semshare.data import catalogue
from semshare.data.dataset import check_items
from semshare.data.pictures import stamp
from semshare.data.readers import mirflickr
from semshare.data.readers.mirflickr import LABELS, FlickrTextSource, MirflickrSource
from semshare.errors import UserError

# Tags and labels of pictures 1 to 14; 11 has no common tag, 12 no label at all, 13 no label but in an _r1 file.
TAGGED = {n: [*["sky", "dog"][: 1 + n % 2], f"rare{n}"] for n in range(1, 15)} | {11: ["rare11"]}
SKY = [*range(1, 12), 14]
DOG = [2, 4, 6]
CLEAN = [*range(1, 11), 14]


def _layout(root: Path, annotations: str = "annotations") -> Path:
    base = root / "mirflickr"
    for folder in (base / "meta" / "tags", base / "doc", root / annotations):
        folder.mkdir(parents=True)
    for n, tags in TAGGED.items():
        Image.new("RGB", (8, 6), (n, 0, 0)).save(base / f"im{n}.jpg", quality=100)
        (base / "meta" / "tags" / f"tags{n}.txt").write_text("".join(f"{tag}\r\n" for tag in tags), encoding="utf-8")
    (base / "doc" / "common_tags.txt").write_text("sky 845\nnaïve 20\ndog 201\n", encoding="utf-8")
    for label in LABELS:
        ids = {"sky": SKY, "dog": DOG}.get(label, [])
        (root / annotations / f"{label}.txt").write_text("".join(f"{n}\n" for n in ids), encoding="utf-8")
    (root / annotations / "sky_r1.txt").write_text("1\n13\n", encoding="utf-8")
    (root / annotations / "README.txt").write_text("About these files.\n", encoding="utf-8")
    return root


def _texts_layout(root: Path, rows: int = 12) -> Path:
    root.mkdir()
    (root / "all_imgs.txt").write_text("".join(f"mirflickr/im{n}.jpg\n" for n in range(1, rows + 1)), encoding="utf-8")
    (root / "all_tags.txt").write_text("sky,dog\n" + "dog\n" * (rows - 1), encoding="utf-8")
    (root / "all_labels.txt").write_text(("0 " * 18 + "1" + " 0" * 5 + "\n") * rows, encoding="utf-8")
    (root / "label_names.txt").write_text("\n".join(LABELS) + "\n", encoding="utf-8")
    (root / "TagList_1386.txt").write_text("sky\r\ndog\r\n", encoding="utf-8")
    return root


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return _layout(tmp_path / "flickr")


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    return _texts_layout(tmp_path / "texts")


def test_the_clean_set_has_a_common_tag_and_a_label(root: Path) -> None:
    source = MirflickrSource(root)
    items = {int(item.id): item for item in source.items()}
    assert list(items) == CLEAN
    assert items[1].texts == ("sky dog",) and items[2].texts == ("sky",)
    assert items[2].labels == ("dog", "sky") and items[1].labels == ("sky",)
    assert source.label_names == tuple(sorted(LABELS)) and len(LABELS) == 24
    check_items("flickr25k", source.items(), source.label_names)


@pytest.mark.parametrize("annotations", ["mirflickr/annotations", "mirflickr25k_annotations_v080"])
def test_annotations_are_found_where_archives_put_them(tmp_path: Path, annotations: str) -> None:
    source = MirflickrSource(_layout(tmp_path / "flickr", annotations))
    assert [int(item.id) for item in source.items()] == CLEAN


def test_a_part_is_a_subset_and_every_differing_count_is_said(root: Path) -> None:
    source = MirflickrSource(root)
    assert source.status == "subset"
    said = "\n".join(source.notes)
    assert "common_tags.txt: 3 common tags, expected 1,386" in said
    assert "mirflickr: 14 pictures, expected 25,000" in said
    assert "tags: 14 files of tags, expected 25,000" in said
    assert "11 pairs, expected 20,015" in said


def test_the_whole_is_real_and_compared_with_the_shipped_split(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mirflickr, "PAIRS", len(CLEAN))
    source = MirflickrSource(root)
    assert source.status == "real"
    assert [note for note in source.notes if "test part (1 item) is not the shipped manifest's" in note]


def test_the_split_is_seeded_and_does_not_name_the_pool(root: Path) -> None:
    first, again, other = (MirflickrSource(root, seed) for seed in (0, 0, 1))
    assert Counter(first.splits.values()) == {"train": 9, "dev": 1, "test": 1}
    assert first.splits == again.splits != other.splits
    assert first.pool == other.pool


def test_a_picture_that_is_not_there_is_left_out(root: Path) -> None:
    (root / "mirflickr" / "im3.jpg").unlink()
    assert [int(item.id) for item in MirflickrSource(root).items()] == [n for n in CLEAN if n != 3]
    assert [int(item.id) for item in FlickrTextSource(root).items()] == CLEAN


def test_pictures_are_opened(root: Path) -> None:
    source = MirflickrSource(root)
    picture = source.picture("4")
    assert picture.mode == "RGB" and picture.size == (8, 6)
    (root / "mirflickr" / "im4.jpg").write_bytes(b"not a picture")
    with pytest.raises(UserError, match=r"im4.jpg: cannot read this picture"):
        source.picture("4")


@pytest.mark.parametrize(
    ("file", "content", "expected"),
    [
        ("annotations/sky.txt", b"1\n0\n", r"sky.txt, line 2: found '0', expected a picture's number from 1 to 25000"),
        ("annotations/sky.txt", b"1\n\n25001\n", r"sky.txt, line 3: found '25001', expected a picture's number"),
        ("annotations/dog.txt", b"12 13\n", r"dog.txt, line 1: found '12 13'"),
        ("annotations/dog.txt", None, r"dog.txt: missing"),
        ("mirflickr/doc/common_tags.txt", b"sky 845\ndog\n", r"common_tags.txt, line 2: found 'dog', expected a tag"),
        ("mirflickr/doc/common_tags.txt", b"sky many\n", r"common_tags.txt, line 1: found 'sky many'"),
        ("mirflickr/doc/common_tags.txt", None, r"common_tags.txt: missing"),
        (
            "mirflickr/meta/tags/tags2.txt",
            b"sky\n\xff\xfe\n",
            r"tags2.txt, line 2: byte 0xff at offset 4 is no UTF-8 text",
        ),
        ("mirflickr/doc/common_tags.txt", b"unheard 20\n", r"flickr: 0 pairs with a common tag and a label, expected"),
    ],
)
def test_a_fault_is_named_with_file_and_line(root: Path, file: str, content: bytes | None, expected: str) -> None:
    path = root / file
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError, match=expected) as caught:
        MirflickrSource(root)
    assert "\n" not in str(caught.value)


def test_folders_that_are_missing_are_named(root: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"nowhere/mirflickr: missing, expected MIRFLICKR's official layout"):
        MirflickrSource(tmp_path / "nowhere")
    with pytest.raises(UserError, match=r"nowhere: neither mirflickr/ nor all_imgs.txt here"):
        FlickrTextSource(tmp_path / "nowhere")
    shutil.rmtree(root / "mirflickr" / "meta" / "tags")
    with pytest.raises(UserError, match=r"meta/tags: cannot be listed \(No such file or directory\)"):
        MirflickrSource(root)


def test_texts_without_pictures(texts: Path) -> None:
    source = FlickrTextSource(texts)
    assert source.status == "simulated" and source.name == "flickr25k-simulated"
    assert source.items()[0].texts == ("sky dog",) and source.items()[0].labels == ("sky",)
    assert [int(item.id) for item in source.items()] == list(range(1, 13)) == [int(id) for id in source.pool_ids()]
    with pytest.raises(UserError, match=r"there are no pictures here \(item 3\), only tags and labels"):
        source.picture("3")
    with pytest.raises(UserError, match="dataset flickr25k-simulated reads this folder"):
        MirflickrSource(texts)


def test_the_official_layout_without_pictures_is_the_same_data(root: Path) -> None:
    real, simulated = MirflickrSource(root), FlickrTextSource(root)
    assert simulated.items() == real.items() and simulated.status == "simulated"
    assert simulated.pool != real.pool == MirflickrSource(root).pool


def test_a_picture_that_is_replaced_leaves_the_pool_and_changes_its_stamp(root: Path) -> None:
    before = MirflickrSource(root)
    stamps = {id: stamp(path) for id, path in before.files.items()}
    with open(root / "mirflickr" / f"im{CLEAN[0]}.jpg", "ab") as file:
        file.write(b"more")
    after = MirflickrSource(root)
    changed = [id for id, path in after.files.items() if stamp(path) != stamps[id]]
    assert after.pool == before.pool and changed == [str(CLEAN[0])]


def test_the_simulated_pool_follows_the_labels(texts: Path) -> None:
    before = FlickrTextSource(texts).pool
    assert FlickrTextSource(texts, 5).pool == before
    content = (texts / "all_labels.txt").read_text(encoding="utf-8")
    (texts / "all_labels.txt").write_text("1" + content[1:], encoding="utf-8")
    assert FlickrTextSource(texts).pool != before


@pytest.mark.parametrize(
    ("file", "line", "content", "expected"),
    [
        ("all_imgs.txt", 2, "mirflickr/im1.jpg", "all_imgs.txt, line 2: found twice"),
        ("all_imgs.txt", 3, "../im3.jpg", "all_imgs.txt, line 3: found '../im3.jpg', expected another mirflickr/im<n>"),
        ("all_tags.txt", 4, "dog,cat", "all_tags.txt, line 4: found 'cat', expected common tags"),
        ("all_tags.txt", 5, "", "all_tags.txt, line 5: found ''"),
        (
            "all_labels.txt",
            6,
            "0 " * 23 + "-1130179",
            "all_labels.txt, line 6: found '-1130179', expected 24 of 0 or 1",
        ),
        ("all_labels.txt", 7, "1 0", "all_labels.txt, line 7: found 2 columns, 1 of them 1, expected 24"),
        ("all_labels.txt", 8, "0 " * 24, "all_labels.txt, line 8: found 24 columns, 0 of them 1, expected 24"),
        ("label_names.txt", 2, "cat", "label_names.txt: found 'cat', expected MIRFLICKR's 24 labels"),
    ],
)
def test_a_bad_row_of_the_texts_is_named(texts: Path, file: str, line: int, content: str, expected: str) -> None:
    lines = (texts / file).read_text(encoding="utf-8").splitlines()
    lines[line - 1] = content
    (texts / file).write_text("\n".join(lines) + "\n", encoding="utf-8")
    with pytest.raises(UserError) as caught:
        FlickrTextSource(texts)
    assert expected in str(caught.value)


def test_rows_that_do_not_go_together_are_named(texts: Path) -> None:
    with open(texts / "all_tags.txt", "a", encoding="utf-8") as file:
        file.write("dog\n")
    with pytest.raises(UserError, match=r"all_tags.txt: 13 lines, expected 12 as in all_imgs.txt"):
        FlickrTextSource(texts)


def test_only_the_first_faults_are_written_out(tmp_path: Path) -> None:
    texts = _texts_layout(tmp_path / "many", rows=40)
    (texts / "TagList_1386.txt").write_text("sky\n", encoding="utf-8")
    with pytest.raises(UserError) as caught:
        FlickrTextSource(texts)
    lines = str(caught.value).split("\n")
    assert len(lines) == 21 and lines[-1] == "... and 20 more faults"


@pytest.mark.parametrize("name", ["flickr25k", "flickr25k-simulated"])
def test_without_a_root_the_prepared_folder_is_read(own_home: Path, name: str) -> None:
    open_it = catalogue.entry(name).open
    expected = (
        rf"root: missing; dataset '{name}' needs .*: run semshare data prepare {name}, with --root where you have it"
    )
    with pytest.raises(UserError, match=expected):
        open_it("smoke", None, 0)
    _layout(own_home / "data" / "flickr25k")
    assert len(open_it("smoke", None, 0).items()) == len(CLEAN)


def test_the_real_tags_and_labels(realdata: Path) -> None:
    source = FlickrTextSource(realdata / "flickr25k")
    items = source.items()
    assert len(items) == 20_015 and source.notes == ()
    assert Counter(item.split for item in items) == {"train": 16_015, "dev": 2000, "test": 2000}
    tags = sum(len(item.texts[0].split(" ")) for item in items) / len(items)
    labels = sum(len(item.labels) for item in items) / len(items)
    assert (round(tags, 2), round(labels, 2)) == (4.64, 3.78)
    check_items("flickr25k", items, source.label_names)
    assert [note for note in FlickrTextSource(realdata / "flickr25k", 1).notes] == []  # no manifest of seed 1


@pytest.mark.slow
def test_the_official_layout_of_the_real_data_is_the_clean_set(realdata: Path, tmp_path: Path) -> None:
    texts = FlickrTextSource(realdata / "flickr25k")
    base, annotations = tmp_path / "mirflickr", tmp_path / "annotations"
    for folder in (base / "meta" / "tags", base / "doc", annotations):
        folder.mkdir(parents=True)
    shutil.copy(realdata / "flickr25k" / "TagList_1386.txt", base / "doc" / "common_tags.txt")
    tags = (base / "doc" / "common_tags.txt").read_text(encoding="utf-8").split()
    (base / "doc" / "common_tags.txt").write_text("".join(f"{tag} 20\n" for tag in tags), encoding="utf-8")
    ids: dict[str, list[str]] = {label: [] for label in LABELS}
    for item in texts.items():
        (base / f"im{item.id}.jpg").touch()
        path = base / "meta" / "tags" / f"tags{item.id}.txt"
        path.write_text("uncommon\n" + item.texts[0].replace(" ", "\n") + "\n", encoding="utf-8")
        for label in item.labels:
            ids[label].append(item.id)
    for label, numbers in ids.items():
        (annotations / f"{label}.txt").write_text("\n".join(numbers), encoding="utf-8")
    source = MirflickrSource(tmp_path)
    assert source.items() == texts.items() and source.status == "real"
    assert [note.split(": ")[1] for note in source.notes] == [
        "20,015 pictures, expected 25,000",
        "20,015 files of tags, expected 25,000",
    ]


def test_regions_of_pictures_that_are_not_there_are_refused_before_anything_is_made(
    texts: Path, own_home: Path
) -> None:
    with pytest.raises(UserError, match=r"there are no pictures here \(item 1\), only tags and labels"):
        catalogue.load("flickr25k-simulated", "smoke", texts, regions="grid")
    assert not own_home.exists()


def test_tags_and_lists_with_old_mac_line_ends_are_read(root: Path) -> None:
    expected = MirflickrSource(root).items()
    for path in root.rglob("*.txt"):
        lines = path.read_bytes().replace(b"\r\n", b"\n")
        path.write_bytes(lines.replace(b"\n", b"\r"))
    assert b"\r" in (root / "mirflickr" / "meta" / "tags" / "tags1.txt").read_bytes()
    assert MirflickrSource(root).items() == expected


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_a_common_tag_is_known_in_either_unicode_form(root: Path, form: str) -> None:
    other = {"NFC": "NFD", "NFD": "NFC"}[form]
    base = root / "mirflickr"
    common = unicodedata.normalize(form, "sky 845\nnaïve 20\n")
    (base / "doc" / "common_tags.txt").write_text(common, encoding="utf-8")
    (base / "meta" / "tags" / "tags1.txt").write_text(unicodedata.normalize(other, "naïve\n"), encoding="utf-8")
    assert MirflickrSource(root).items()[0].texts == ("na\u00efve",)


def test_a_tag_of_three_text_files_is_known_in_either_unicode_form(texts: Path) -> None:
    (texts / "TagList_1386.txt").write_text("sky\ndog\nna\u00efve\n", encoding="utf-8")
    lines = ["sky,nai\u0308ve", *["dog"] * 11]
    (texts / "all_tags.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    assert FlickrTextSource(texts).items()[0].texts == ("sky na\u00efve",)
