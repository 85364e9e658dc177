"""Search in your own pictures and texts: exact, incremental, kind to broken input, safe on a terminal."""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import time
from pathlib import Path
from typing import Any

import commands
import pytest
import torch
from PIL import Image
from torch.nn.functional import normalize

from semshare.errors import UserError
from semshare.runs.store import Run
from semshare.search import retriever as retriever_module
from semshare.search import walk
from semshare.search.pretrained import Encoded, PretrainedModel
from semshare.search.retriever import Found, Hit, Retriever


@pytest.fixture(scope="module")
def model(run: Run) -> PretrainedModel:
    return PretrainedModel.of_run(run, "cpu")


@pytest.fixture
def pictures(run: Run, tmp_path: Path) -> Path:
    """Five pictures, one of them in a folder below, and what is no picture of the collection."""
    folder = tmp_path / "pictures"
    (folder / "below").mkdir(parents=True)
    (folder / ".thumbnails").mkdir()
    for number, id in enumerate(run.dataset.parts["test"].image_ids[:5]):
        run.dataset.source.picture(id).save(folder / ("below" if number == 4 else "") / f"{number}.png")
    shutil.copy(folder / "0.png", folder / ".thumbnails" / "0.png")
    (folder / "notes.txt").write_text("no picture", encoding="utf-8")
    return folder


@pytest.fixture
def encoded(model: PretrainedModel, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many pictures each call has encoded."""
    counts: list[int] = []
    plain = model.encode_pictures

    def counting(pictures: list[Image.Image]) -> Any:
        counts.append(len(pictures))
        return plain(pictures)

    monkeypatch.setattr(model, "encode_pictures", counting)
    return counts


def _retriever(model: PretrainedModel) -> Retriever:
    return Retriever(model, quiet=True)


# What is found


def test_pictures_are_ranked_as_plain_torch_ranks_them(model: PretrainedModel, pictures: Path) -> None:
    files = [*(pictures / f"{number}.png" for number in range(4)), pictures / "below/4.png"]
    images = model.encode_pictures([Image.open(path).convert("RGB") for path in files])
    texts = ["sky tree", "people night dog"]
    similarity = normalize(model.encode_texts(texts).embedding, dim=1) @ normalize(images.embedding, dim=1).T
    expected = similarity.sort(dim=1, descending=True)
    retriever = _retriever(model)
    retriever.add_images(pictures)
    for query, found in enumerate(retriever.search_texts(*texts, top=3)):
        assert found.query == texts[query]
        assert [hit.item for hit in found.hits] == [str(files[row]) for row in expected.indices[query, :3]]
        torch.testing.assert_close(torch.tensor([hit.score for hit in found.hits]), expected.values[query, :3])
        labels = model.predicted("image", images.scores)
        assert [hit.labels for hit in found.hits] == [labels[row] for row in expected.indices[query, :3]]
    assert [len(found.hits) for found in retriever.search_texts("sky", top=100)] == [5]


def test_texts_are_found_for_a_picture(model: PretrainedModel, pictures: Path, tmp_path: Path) -> None:
    lines = ["sky tree", "people night dog", "girl", "sky tree", "  "]
    (tmp_path / "texts.txt").write_text("\n".join(lines), encoding="utf-8")
    picture = Image.open(pictures / "2.png").convert("RGB")
    image, texts = model.encode_pictures([picture]).embedding, model.encode_texts(lines[:3]).embedding
    order = (normalize(image, dim=1) @ normalize(texts, dim=1).T)[0].argsort(descending=True).tolist()
    for collection in (lines, tmp_path / "texts.txt", str(tmp_path / "texts.txt")):
        retriever = _retriever(model)
        assert len(retriever.add_texts(collection)) == 3  # each once, no empty one
        for query in (picture, pictures / "2.png"):
            [found] = retriever.search_images(query)
            assert [hit.item for hit in found.hits] == [lines[row] for row in order]
            assert found.labels == model.predicted("image", model.encode_pictures([picture]).scores)[0]
    assert found.query == str(pictures / "2.png")


def test_a_picture_finds_itself_first_in_two_collections(model: PretrainedModel, pictures: Path) -> None:
    retriever = _retriever(model)
    retriever.add_images(pictures / "below")
    other = pictures.with_name("other")
    other.mkdir()
    shutil.copy(pictures / "1.png", other / "one.png")
    retriever.add_images(other)
    retriever.add_images(other)  # added twice, held once
    found = retriever.search_images(other / "one.png", pictures / "below" / "4.png")
    assert [one.hits[0].item for one in found] == [str(other / "one.png"), str(pictures / "below" / "4.png")]
    assert [len(one.hits) for one in found] == [2, 2] and found[0].hits[0].score == pytest.approx(1, abs=1e-5)


def test_a_cosine_is_never_above_1(model: PretrainedModel) -> None:
    """Rounding takes the product of a unit vector with itself a little beyond."""
    words = ("sky", "tree", "people", "night", "dog", "girl")
    texts = [f"{first} {second} {third}" for first in words for second in words for third in words]
    retriever = _retriever(model)
    retriever.add_texts(texts)
    vectors = model.comparable(model.encode_texts(texts).embedding)
    products = retriever._collections.popitem()[1][0].search(vectors, 1)[0]
    assert float(products.max()) > 1, "else this test shows nothing"
    retriever.add_texts(texts)
    scores = [found.hits[0].score for found in retriever.search_texts(*texts, top=1)]
    assert max(scores) == 1.0


def test_what_the_model_has_no_number_for_is_left_out_or_refused(
    model: PretrainedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    retriever, encode = _retriever(model), model.encode_texts

    def broken(texts: list[str]) -> Encoded:
        encoded = encode(texts)
        encoded.embedding[[row for row, text in enumerate(texts) if "dog" in text]] = torch.nan
        return encoded

    monkeypatch.setattr(model, "encode_texts", broken)
    index = retriever.add_texts(["sky tree", "a dog", "girl"])
    assert list(index.stamps) == ["sky tree", "girl"] and list(index.skipped) == ["a dog"]
    with pytest.raises(UserError, match="dog night: the model's numbers for it are not finite"):
        retriever.search_texts("sky", "dog night")


def test_two_lists_of_one_length_are_two_collections(model: PretrainedModel) -> None:
    retriever = _retriever(model)
    for texts in (["sky"], ["dog"], ["sky"]):
        retriever.add_texts(texts)
    [found] = retriever.search_texts("sky")
    assert [hit.item for hit in found.hits] == ["sky", "dog"]


def test_all_queries_go_to_faiss_at_once(model: PretrainedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    retriever = _retriever(model)
    index = retriever.add_texts(["sky", "dog", "tree"])
    asked, plain = [], index.search
    monkeypatch.setattr(index, "search", lambda queries, top: asked.append(len(queries)) or plain(queries, top))
    retriever.search_texts(*["sky", "dog tree", "girl"] * 200)
    assert asked == [600]


# Kept and brought up to date


def test_a_new_picture_alone_is_encoded(model: PretrainedModel, pictures: Path, encoded: list[int]) -> None:
    before = sorted(pictures.rglob("*"))
    _retriever(model).add_images(pictures)
    assert encoded == [5] and sorted(pictures.rglob("*")) == before  # nothing is written beside the pictures
    _retriever(model).add_images(pictures)
    assert encoded == [5]
    shutil.copy(pictures / "0.png", pictures / "new.png")
    _retriever(model).add_images(pictures)
    assert encoded == [5, 1]
    shutil.copy(pictures / "3.png", pictures / "1.png")
    os.utime(pictures / "1.png", ns=(1, 1))
    (pictures / "2.png").unlink()
    index = _retriever(model).add_images(pictures)
    assert encoded == [5, 1, 1] and list(index.stamps) == ["0.png", "1.png", "3.png", "below/4.png", "new.png"]
    row = dict(zip(index.stamps, index.vectors(), strict=True))
    torch.testing.assert_close(row["1.png"], row["3.png"], atol=1e-4, rtol=0)


def test_an_index_of_another_model_is_refused(model: PretrainedModel, pictures: Path, tmp_path: Path) -> None:
    _retriever(model).add_images(pictures, tmp_path / "index")
    other = PretrainedModel(
        model.config.model_copy(update={"run": "0" * 12}), model.network, model.vocabulary, model.tokenizer, {}, "cpu"
    )
    with pytest.raises(UserError, match="model: found Ours on scenes-flickr25k"):
        _retriever(other).add_images(pictures, tmp_path / "index")
    _retriever(other).add_images(pictures)  # a place of its own in the cache


# Broken and hostile input


def test_broken_pictures_are_left_out_told_and_counted(
    model: PretrainedModel, pictures: Path, encoded: list[int], capsys: pytest.CaptureFixture[str]
) -> None:
    (pictures / "cut.jpg").write_bytes((pictures / "0.png").read_bytes()[:200])
    (pictures / "empty.jpg").touch()
    (pictures / "gone.jpg").symlink_to(pictures / "nowhere")
    (pictures / "a\x1b[31m\n\u202e.gif").write_text("<script>", encoding="utf-8")
    retriever = Retriever(model)
    index = retriever.add_images(pictures)
    said = capsys.readouterr().err
    bad = ["a\x1b[31m\n\u202e.gif", "cut.jpg", "empty.jpg", "gone.jpg"]
    assert len(index) == 5 and sorted(index.skipped) == [*bad, "notes.txt"]
    assert "1 file is no picture" in said and "1 hidden file or folder is left out" in said
    assert "5 items, 4 left out" in said and "left out cut.jpg: cannot read this picture" in said
    assert "5 pictures encoded in" in said and " a second" in said
    assert "\x1b[31m" not in said and r"a\x1b[31m\n\u202e.gif" in said
    _retriever(model).add_images(pictures)
    assert sum(encoded) == 5  # nothing is tried twice


def test_a_photo_collection_as_people_have_it(
    model: PretrainedModel, pictures: Path, encoded: list[int], capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path,
) -> None:  # fmt: skip
    """Mixed endings and none, companions, Thumbs.db, decomposed names, links, a film, a folder that is closed."""
    photo = Image.open(pictures / "0.png").convert("RGB")
    for name, format in (("a.JPG", "JPEG"), ("b.jfif", "JPEG"), ("c.jp2", "JPEG2000"), ("no ending", "WEBP"),
                         ("wrong.txt", "PNG"), ("cafe\u0301.jpeg", "JPEG"), ("scan.mpo", "MPO")):  # fmt: skip
        photo.save(pictures / name, format)
    (pictures / "link.png").symlink_to(pictures / "1.png")
    (pictures / "linked").symlink_to(tmp_path, target_is_directory=True)
    (pictures / "._a.JPG").write_bytes(bytes.fromhex("0005160700020000"))
    (pictures / "Thumbs.db").write_bytes(bytes.fromhex("D0CF11E0A1B11AE1") + bytes(2000))
    (pictures / "film.mp4").write_bytes(b"\0\0\0\x18ftypmp42" + bytes(500))
    (pictures / "paper.pdf").write_bytes(b"%PDF-1.4\n" + b"x" * 500)  # Pillow writes PDF, and reads none
    (pictures / "film.mpg").write_bytes(b"\0\0\1\xb3\x16\0\xf0\xc4" + bytes(100))
    (pictures / "phone.heic").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(100))
    os.mkfifo(pictures / "pipe")
    (pictures / "closed").mkdir()
    plain = os.scandir

    def scandir(path):
        if Path(path).name == "closed":
            raise PermissionError(13, "Permission denied", str(path))
        return plain(path)

    monkeypatch.setattr(os, "scandir", scandir)
    index = Retriever(model).add_images(pictures)
    said = capsys.readouterr().err
    assert len(index) == 5 + 7 + 1 and "cafe\u0301.jpeg" in index.stamps
    assert "6 files are no pictures" in said  # notes.txt, Thumbs.db, the PDF, the films and the pipe
    assert "left out phone.heic: cannot read this picture: " in said and "13 items, 1 left out" in said
    assert "2 hidden files and folders are left out" in said
    assert "1 link to a folder is not followed" in said and "closed: cannot be read and is left out: Permission" in said
    count = sum(encoded)
    Retriever(model, quiet=True).add_images(pictures)
    assert sum(encoded) == count
    with pytest.raises(UserError, match=r"closed: cannot be read: Permission denied"):
        Retriever(model, quiet=True).add_images(pictures / "closed")


def test_a_picture_replaced_by_one_of_the_same_size_and_time_is_encoded_again_alone(
    model: PretrainedModel, pictures: Path, encoded: list[int]
) -> None:
    for number in range(4):
        Image.new("RGB", (40, 40), (60 * number, 0, 90)).save(pictures / f"{number}.bmp")
    before = _retriever(model).add_images(pictures).vectors()
    count, path = sum(encoded), pictures / "1.bmp"
    times = path.stat()
    Image.effect_noise((40, 40), 90).convert("RGB").save(pictures / "new", "BMP")
    os.utime(pictures / "new", ns=(times.st_atime_ns, times.st_mtime_ns))
    (pictures / "new").replace(path)
    assert (path.stat().st_size, path.stat().st_mtime_ns) == (times.st_size, times.st_mtime_ns)
    index = _retriever(model).add_images(pictures)
    row = list(index.stamps).index("1.bmp")
    assert sum(encoded) == count + 1
    assert (index.vectors() != before).any(1).nonzero().flatten().tolist() == [row]
    shutil.copy(pictures / "2.bmp", pictures / "copy")  # another inode and time, the same content
    (pictures / "copy").replace(pictures / "2.bmp")
    _retriever(model).add_images(pictures)
    assert sum(encoded) == count + 1


def test_verify_reads_what_looks_as_before(
    model: PretrainedModel, pictures: Path, encoded: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    _retriever(model).add_images(pictures)
    count = sum(encoded)
    stamps, notes = walk.walk(pictures)
    Image.open(pictures / "3.png").rotate(180).save(pictures / "3.png")
    monkeypatch.setattr(retriever_module, "walk", lambda root: (stamps, notes))  # a change that no stamp tells
    _retriever(model).add_images(pictures)
    assert sum(encoded) == count
    _retriever(model).add_images(pictures, verify=True)
    assert sum(encoded) == count + 1


def test_a_picture_that_nothing_can_be_computed_of_leaves_alone(
    model: PretrainedModel, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Image.new("RGB", (50, 1)).save(pictures / "flat.png")
    plain = model.encode_pictures

    def encode(opened: list[Image.Image]) -> Any:
        if any(picture.getextrema() == ((0, 0),) * 3 for picture in opened):  # the black one
            raise RuntimeError("Output size is too small")
        return plain(opened)

    monkeypatch.setattr(model, "encode_pictures", encode)
    retriever = _retriever(model)
    index = retriever.add_images(pictures)
    assert len(index) == 5 and "nothing can be computed of this picture" in index.skipped["flat.png"][1]
    with pytest.raises(UserError, match=r"flat\.png: nothing can be computed of this picture: RuntimeError"):
        retriever.search_images(pictures / "0.png", pictures / "flat.png")


def test_an_opened_picture_is_turned_as_its_file_would_be(model: PretrainedModel, pictures: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.open(pictures / "0.png").convert("RGB").save(pictures / "phone.png", exif=exif)
    retriever = _retriever(model)
    retriever.add_images(pictures)
    [by_file], [by_picture] = (
        retriever.search_images(one) for one in (pictures / "phone.png", Image.open(pictures / "phone.png"))
    )
    assert by_file.hits == by_picture.hits and by_file.hits[0].item == str(pictures / "phone.png")


def test_ten_thousand_files_in_one_folder(tmp_path: Path) -> None:
    small = io.BytesIO()
    Image.new("RGB", (2, 2)).save(small, "PNG")
    for number in range(10_000):
        (tmp_path / f"{number:05d}").write_bytes(small.getvalue() if number % 2 else b"text\n" * 20)
    start = time.perf_counter()
    stamps, notes = walk.walk(tmp_path)
    for id in stamps:
        with contextlib.suppress(UserError):
            walk.check_is_picture(tmp_path / id)
    assert len(stamps) == 10_000 and notes == []
    assert time.perf_counter() - start < 30  # about two seconds


def test_a_folder_without_a_usable_picture_is_an_error(model: PretrainedModel, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="empty: no pictures here"):
        _retriever(model).add_images(tmp_path / "empty")
    with pytest.raises(UserError, match="nowhere: missing, expected a folder"):
        _retriever(model).add_images(tmp_path / "nowhere")
    (tmp_path / "empty" / "bad.png").write_text("x", encoding="utf-8")
    with pytest.raises(UserError, match=r"nothing of 1 can be used, the first: .*bad\.png: cannot read"):
        _retriever(model).add_images(tmp_path / "empty")


def test_a_text_without_a_known_word_finds_nothing_and_is_never_found(model: PretrainedModel) -> None:
    retriever = _retriever(model)
    index = retriever.add_texts(["sky", "qwxz vvvk", "!!!", "<unk> <mask>"])
    assert list(index.stamps) == ["sky"] and len(index.skipped) == 3
    nothing, some, empty = retriever.search_texts("qwxz", "qwxz sky", "")
    assert nothing.hits == () and nothing.unknown == ("qwxz",) and "nothing found" in str(nothing)
    assert [hit.item for hit in some.hits] == ["sky"] and some.unknown == ("qwxz",) and "not known" in str(some)
    assert empty.hits == ()
    [late] = retriever.search_texts("qwxz " * 148 + "sky")  # what is not read does not count
    assert late.hits == () and len(late.unknown) == 148
    with pytest.raises(UserError, match="nothing of 1 can be used"):
        retriever.add_texts(["qwxz"])


def test_long_and_hostile_texts_are_shown_as_one_safe_line() -> None:
    text = "\x1b]0;title\x07 <script>\u202e\n" + "x" * 10_000
    shown = str(Found(text, (), (text,), (Hit(text, 0.5, ("a\nb",)),)))
    lines = shown.split("\n")
    assert len(lines) == 3 and all(line.isprintable() and len(line) < 300 for line in lines)


def test_misuse_is_named(model: PretrainedModel, pictures: Path, tmp_path: Path) -> None:
    retriever = _retriever(model)
    with pytest.raises(UserError, match="add a collection first"):
        retriever.search_texts("sky")
    with pytest.raises(UserError, match=r"texts\.txt: missing"):
        retriever.add_texts(tmp_path / "texts.txt")
    (tmp_path / "texts.txt").write_bytes(b"sky\n\xff\n")
    with pytest.raises(UserError, match=r"texts\.txt, line 2: byte 0xff at offset 4 is no UTF-8 text"):
        retriever.add_texts(tmp_path / "texts.txt")
    retriever.add_texts(["sky"])
    with pytest.raises(UserError, match="top: found 0"):
        retriever.search_texts("sky", top=0)
    with pytest.raises(UserError, match=r"notes\.txt: cannot read this picture"):
        retriever.search_images(pictures / "notes.txt")
    assert retriever.search_texts() == [] and retriever.search_images() == []


# The command line


def test_export_then_search_from_the_command_line(
    run: Run, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (pictures / "bad.jpg").write_text("x", encoding="utf-8")
    folder = tmp_path / "model"
    assert commands.run(monkeypatch, "export", run.key, folder) == 0
    assert str(folder) in capsys.readouterr().out
    arguments = (
        "search",
        folder,
        "--images",
        pictures,
        "--text",
        "sky qwxz",
        "--image",
        pictures / "3.png",
        "--top",
        "2",
    )
    assert commands.run(monkeypatch, *arguments, "--json") == 0
    result = json.loads(capsys.readouterr().out)
    text, image = result["queries"]
    assert result["items"] == 5 and list(result["skipped"]) == ["bad.jpg"]
    assert text["query"] == "sky qwxz" and text["unknown"] == ["qwxz"] and len(text["hits"]) == 2
    assert image["hits"][0]["item"] == str(pictures / "3.png") and image["hits"][0]["score"] > image["hits"][1]["score"]
    assert commands.run(monkeypatch, *arguments) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("sky qwxz  [") and f"{image['hits'][0]['score']:.4f}" in shown and "3.png" in shown
    (tmp_path / "texts.txt").write_text("sky\ndog\n", encoding="utf-8")
    index = tmp_path / "index"
    assert (
        commands.run(
            monkeypatch, "search", run.key, "--texts", tmp_path / "texts.txt", "--text", "dog", "--index", index
        )
        == 0
    )
    assert capsys.readouterr().out.split("\n")[1].split()[2] == "dog" and (index / "index.json").exists()


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("--text", "sky"), ["neither --images nor --texts"]),
        (("--images", ".", "--texts", "x", "--text", "sky"), ["both --images and --texts"]),
        (("--images", "."), ["neither --text nor --image"]),
        (("--images", "/nowhere", "--text", "sky"), ["/nowhere", "missing"]),
        (("--texts", "{texts}", "--text", "qwxz"), ["'qwxz'", "known"]),
        (("--texts", "{texts}", "--image", "/nowhere\x1b.jpg"), [r"/nowhere\x1b.jpg"]),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(
    arguments: tuple[str, ...],
    named: list[str],
    run: Run,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "texts.txt").write_text("sky\n", encoding="utf-8")
    assert (
        commands.run(monkeypatch, "search", run.key, *(one.format(texts=tmp_path / "texts.txt") for one in arguments))
        == 2
    )
    shown = capsys.readouterr()
    error = [line for line in shown.err.splitlines() if not line.startswith("[semshare]")]
    assert shown.out == "" and len(error) == 1 and error[0].startswith("error: ")
    assert all(word in error[0] for word in named), error
