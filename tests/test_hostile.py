"""Strangers' collections, and machines that run out: what is shown is text, what fails says why in a line."""

from __future__ import annotations

import html
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from bs4 import BeautifulSoup
from PIL import Image

from semshare import runs
from semshare.book import data_page, provenance
from semshare.data.readers.custom import CustomSource
from semshare.errors import UserError
from semshare.paper import tables

SCRIPT = "<script>alert(1)</script>"
TEXTS = [
    f"{SCRIPT} dog", "\x1b[31mred\x07 dog", "\u202egod\u202c dog", "dog " * 2500, "!!! ...", "$\\frac{1}{0$ dog",
    "{{ 7*7 }} %s {0} dog", "'; DROP TABLE dog; --", "a|b `code` [x](javascript:alert(1)) dog", "\t\t dog \r",
    "Ｄｏｇ ｄöｇ 狗", "&lt;b&gt; dog",
]  # fmt: skip
FILES = [
    "a b.jpg", "<b>x<b>.jpg", "quote'\".jpg", "\u202egpj.jpg", "new\nline.jpg", "$x$.jpg", "é.jpg", "--flag.jpg",
    "a;b.jpg", "%2e%2e.jpg", "{x}.jpg", "#h.jpg",
]  # fmt: skip
LABELS = ["<img src=x onerror=alert(1)>", "dog & \u202ecat"]


def write(folder: Path, rows: int = 24) -> Path:
    """A collection of noise with a stranger's names, texts and labels."""
    random, records = np.random.default_rng(0), []
    folder.mkdir(exist_ok=True)
    for place in range(rows):
        name = f"{place}{FILES[place % len(FILES)]}"
        Image.fromarray(random.integers(0, 255, (40, 50, 3), dtype=np.uint8)).save(folder / name, "JPEG")
        records.append({"image": name, "texts": [TEXTS[place % len(TEXTS)]], "labels": [LABELS[place % 2]]})
    (folder / "collection.jsonl").write_text("\n".join(json.dumps(one) for one in records), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def collection(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("strangers") / "collection")


@pytest.fixture(scope="module")
def run(collection: Path, semshare_home: Path) -> runs.Run:
    return runs.get(runs.plan("custom", "ours", "smoke", "cpu", root=collection), "cpu", quiet=True)


def test_a_strangers_collection_is_trained_on_like_any_other(run: runs.Run) -> None:
    part = run.dataset.parts
    kept = [text for split in part.values() for text in split.texts]
    assert sorted(set(kept)) == sorted({text.strip() for text in TEXTS})
    lengths = {len(words) for split in part.values() for words in split.words}
    assert min(lengths) == 2, "a text without a word is its two ends"
    assert max(lengths) == 150, "a text of 10,000 characters is cut at the longest sequence"
    assert all(np.isfinite(value) for value in run.test.numbers().values())


def test_what_strangers_wrote_is_shown_as_text(run: runs.Run) -> None:
    dataset = [run.dataset]
    shown = [
        provenance.banner(dataset, "smoke", [run]).data,
        data_page.what_they_are(dataset).data,
        data_page.licences(dataset).data,
        data_page.reader_notes(dataset).data,
        data_page.origin_table(dataset).to_html(),
        tables.words(tables.dataset_table(dataset).astype(str)).to_html(),
        (run.folder / "DATA_CARD.md").read_text(encoding="utf-8"),
        (run.folder / "MODEL_CARD.md").read_text(encoding="utf-8"),
    ]
    assert LABELS[0] in run.dataset.label_names
    for page in shown:
        assert "<img" not in page and "<script" not in page and "\u202e" not in page
    assert html.unescape(shown[-2]).count("<img src") == 1, "the data card lists the label, escaped"


def test_what_strangers_wrote_is_text_where_objects_show_themselves(run: runs.Run) -> None:
    for thing in (run, run.experiment, run.dataset):
        shown = thing._repr_html_()
        tree = BeautifulSoup(shown, "html.parser")
        assert not tree.find_all("script") and "\u202e" not in shown and "\x1b" not in shown
        assert all(tag["src"].startswith("data:image/jpeg;base64,") for tag in tree.find_all("img"))
        assert not any(name.startswith("on") for tag in tree.find_all(True) for name in tag.attrs)
    assert LABELS[0] in BeautifulSoup(run.dataset._repr_html_(), "html.parser").get_text()


@pytest.mark.parametrize("content", [b"", b"\xff\xd8\xff\xe0 cut short", b"GIF89a", b"text"])
def test_a_picture_that_is_none_is_named_with_its_line(content: bytes, tmp_path: Path) -> None:
    folder = write(tmp_path / "broken", rows=6)
    (folder / f"2{FILES[2]}").write_bytes(content)
    with pytest.raises(UserError, match=r"collection\.jsonl, line 3: image: .* cannot read this picture"):
        CustomSource(folder)


def test_a_picture_of_a_hundred_megapixels_is_read(tmp_path: Path) -> None:
    folder = write(tmp_path / "large", rows=6)
    Image.new("1", (10_000, 10_000)).save(folder / f"0{FILES[0]}", "PNG")
    source = CustomSource(folder)
    assert source.picture(source.items()[0].id).size == (10_000, 10_000)


def test_a_picture_that_only_claims_to_be_huge_is_refused_unread(tmp_path: Path) -> None:
    folder = write(tmp_path / "bomb", rows=6)
    Image.new("1", (30_000, 30_000)).save(folder / f"0{FILES[0]}", "PNG")
    with pytest.raises(UserError, match="line 1: image"):
        CustomSource(folder)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of its own, without room; made larger by remounting it."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if os.geteuid() or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder]).returncode:
        pytest.skip("only root can mount a small disk")
    yield folder
    subprocess.run(["umount", folder], check=True)


def _train(home: Path, collection: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "semshare", "train", "--dataset", "custom", "--root", str(collection)]
    environment = os.environ | {"SEMSHARE_HOME": str(home), "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [*command, "--scale", "smoke", "--json"],
        capture_output=True,
        text=True,
        env=environment,
        timeout=300,
        encoding="utf-8",
    )


def test_a_full_disk_is_one_line_and_the_next_call_goes_on(collection: Path, small_disk: Path, run: runs.Run) -> None:
    for size, where in (("1m", "regions"), ("3m", "training.pt")):  # one has no room for regions, one for the run
        subprocess.run(["mount", "-o", f"remount,size={size}", small_disk], check=True)
        done = _train(small_disk, collection)
        errors = [line for line in done.stderr.splitlines() if not line.startswith("[semshare]")]
        assert done.returncode == 2 and done.stdout == "" and len(errors) == 1, done.stderr
        assert errors[0].startswith("error: ") and str(small_disk) in errors[0]
        assert "space" in errors[0] or "disk is full" in errors[0]
        assert not list(small_disk.rglob("*.part")) and not list(small_disk.rglob("run.json"))
        assert where == "regions" or where in errors[0]
    subprocess.run(["mount", "-o", "remount,size=100m", small_disk], check=True)
    done = _train(small_disk, collection)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["test"]["image_f1"] == pytest.approx(run.test.numbers()["image_f1"], abs=1e-6)


def test_a_home_that_cannot_be_written_to_is_one_line(collection: Path, small_disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    done = _train(small_disk, collection)
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.startswith("error: ") and len(done.stderr.splitlines()) == 1
    assert str(small_disk) in done.stderr and "Read-only" in done.stderr
