"""The data page: true for any datasets, strangers' text escaped."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import papermill
import pytest
from feature_files import tag_arrays
from PIL import Image

from semshare.book import data_page
from semshare.data import catalogue, prepare
from semshare.data.readers.manifest import COCO16K

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture(scope="module")
def drawn():
    return [catalogue.load(name, "smoke") for name in ("scenes-flickr25k", "scenes-coco1k")]


def _real(**fields: object) -> SimpleNamespace:
    notes = ("/home/me/data/a.txt: 3 <b>rows</b>, expected 4",)
    source = SimpleNamespace(root=Path("/home/me/data"), notes=notes, text_noise={})
    return SimpleNamespace(name="flickr25k", status="subset", attribution="A & B", source=source, **fields)


def test_each_status_is_explained_once(drawn: list) -> None:
    shown = data_page.what_they_are([*drawn, _real()]).data
    assert shown.count("a drawn stand-in") == shown.count("a subset of the real dataset") == 1
    assert "scenes-flickr25k</code>, <code>scenes-coco1k" in shown and "real text and labels" not in shown
    simulated = SimpleNamespace(name="x", status="simulated")
    assert "Text scores are real. No verdict is about how high a score is." in data_page.what_they_are([simulated]).data


def test_noise_of_the_texts_is_the_stand_ins_alone(drawn: list) -> None:
    assert list(data_page.text_noise(drawn).data.columns) == ["scenes-flickr25k", "scenes-coco1k"]
    assert "no dataset of this page is a stand-in" in data_page.text_noise([_real()]).data


def test_the_command_for_the_real_thing_and_the_checksums(drawn: list) -> None:
    table = data_page.origin_table(drawn).data
    assert table["command"].to_dict() == {
        "scenes-flickr25k": "semshare data prepare flickr25k",
        "scenes-coco1k": "semshare data prepare coco1k",
    }
    shown = prepare.describe("scenes-flickr25k", scale="smoke")["items_checksum"].removeprefix("sha256:")
    assert table.loc["scenes-flickr25k", "items"] == shown[:12]
    assert table.loc["scenes-flickr25k", "regions"] == drawn[0].store.checksum[:12]


def test_a_collection_of_feature_files_says_what_it_is_and_how_it_is_prepared(tmp_path: Path, own_home: Path) -> None:
    prepare.prepare(f"mine={tag_arrays(tmp_path / 'own', classes=0)}", say=lambda line: None)
    dataset = catalogue.load("mine", "smoke")
    table = data_page.origin_table([dataset]).data
    assert table["command"].to_dict() == {"mine": "semshare data prepare mine=FOLDER"}
    notes = data_page.reader_notes([dataset]).data
    assert "10 visual words (MiniBatchKMeans fitted on the training regions" in notes and str(tmp_path) not in notes


def test_notes_are_escaped_and_keep_no_folder_of_this_machine(drawn: list) -> None:
    shown = data_page.reader_notes([*drawn, _real()]).data
    assert "a.txt: 3 &lt;b&gt;rows&lt;/b&gt;, expected 4" in shown and "/home" not in shown
    assert "No reader found" in data_page.reader_notes(drawn[:1]).data
    assert "A &amp; B" in data_page.licences([_real()]).data


def test_the_page_of_ones_own_collection_speaks_of_no_stand_in(own_home: Path, tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    rows = []
    for number in range(5):  # one test picture: fewer than a row of the figures
        Image.new("RGB", (90, 60), (50 * number, 80, 0)).save(folder / f"{number}.png")
        rows.append({"image": f"{number}.png", "texts": ["sea & sky $x$"], "labels": [("sky", "a_b")[number % 2]]})
    (folder / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    prepare.prepare("custom", folder)
    notebook, out = ROOT / "notebooks" / "00_data.ipynb", tmp_path / "out.ipynb"
    papermill.execute_notebook(
        notebook, out, {"scale": "smoke", "datasets": ["custom"]}, cwd=notebook.parent, kernel_name="python3",
        progress_bar=False,
    )  # fmt: skip
    cells = json.loads(out.read_text(encoding="utf-8"))["cells"]
    shown = " ".join(
        "".join(output.get("data", {}).get("text/html", "")) for cell in cells for output in cell.get("outputs", [])
    )
    for expected in (
        "a collection of its own",
        "semshare data prepare custom --root PLACE",
        "Your own collection",
        "grid",
    ):
        assert expected in shown
    assert "drawn stand-in" not in shown and str(folder) not in out.read_text(encoding="utf-8").split("papermill", 1)[0]


def test_the_photographs_are_those_of_the_manifest() -> None:
    facts = data_page.photographs().data["coco16k"]
    manifest = json.loads(COCO16K.read_text(encoding="utf-8"))
    for split in ("train", "dev", "test"):
        assert facts[f"{split} pairs"] == f"{len(manifest[split]):,}"
    assert facts["how they were drawn"] == manifest["rule"]
    assert facts["labels"] == "80, COCO's, in 12 super-categories"
    assert "a subset of the real dataset" in facts["status"]
