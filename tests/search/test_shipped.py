"""The model that comes with the package: small, with its cards, found by its name; and weights in float16."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import commands
import pytest
import torch

from semshare.errors import UserError
from semshare.paper import recordings
from semshare.runs.store import Run
from semshare.search import pretrained
from semshare.search.folder import CARD, CONFIG, WEIGHTS, shipped
from semshare.search.pretrained import PretrainedModel
from semshare.search.retriever import Retriever

MODEL = "coco16k"


def test_a_shipped_model_is_small_has_its_cards_and_is_a_recorded_run() -> None:
    assert list(shipped()) == [MODEL]
    files = {path.name: path.stat().st_size for path in shipped()[MODEL].iterdir()}
    assert files.keys() == {"config.json", "model.safetensors", "vocab.txt", "README.md", "DATA_CARD.md"}
    assert sum(files.values()) < 8e6
    model = pretrained.load(MODEL, "cpu")
    assert (model.config.weights_type, model.config.status) == ("float16", "subset")
    assert len(model.config.label_names) == 80
    assert "rounded to float16" in model.documents[CARD]
    (run,) = [run for run in recordings.load(MODEL).runs if run.key == model.config.run]
    assert (run.experiment.method, run.experiment.seed) == ("ours", 0)
    assert f"{run.test.numbers()['image_f1']:.4f}" in model.documents[CARD]


def test_no_folder_of_the_machine_that_trained_is_named_in_it() -> None:
    for path in shipped()[MODEL].glob("*.*"):
        assert b"/work/" not in path.read_bytes() and b"/home/" not in path.read_bytes(), path


def test_it_searches_by_its_name_from_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "texts.txt").write_text("a dog on the grass\na red bus in a street\n", encoding="utf-8")
    words = ["--texts", tmp_path / "texts.txt", "--text", "two dogs", "--json"]
    assert commands.run(monkeypatch, "search", MODEL, *words) == 0
    hits = json.loads(capsys.readouterr().out)["queries"][0]["hits"]
    assert [hit["item"] for hit in hits] == ["a dog on the grass", "a red bus in a street"]


def test_it_finds_the_photographs_that_hold_what_a_text_names(realdata: Path, tmp_path: Path) -> None:
    """Of 40 photographs that no training split holds the first three for each text, most of them right."""
    instances = json.loads((realdata / "coco" / "annotations" / "instances_val2017.json").read_text(encoding="utf-8"))
    names = {category["id"]: category["name"] for category in instances["categories"]}
    held: dict[int, set[str]] = {}
    for annotation in instances["annotations"]:
        held.setdefault(annotation["image_id"], set()).add(names[annotation["category_id"]])
    folder = realdata / "coco" / "val2017"
    asked = {"a man riding a wave": "surfboard", "a train on the tracks": "train", "a cat on a bed": "cat"}
    wanted = [id for id in sorted(held) if held[id] & set(asked.values())][:12]
    others = [id for id in sorted(held) if not held[id] & set(asked.values())][:28]
    for id in (*wanted, *others):
        shutil.copy(folder / f"{id:012d}.jpg", tmp_path)
    retriever = Retriever(MODEL, "cpu", quiet=True)
    retriever.add_images(tmp_path, tmp_path / "index")
    right = 0
    for answer, label in zip(retriever.search_texts(*asked, top=2), asked.values(), strict=True):
        right += sum(label in held[int(Path(hit.item).stem)] for hit in answer.hits)
    assert right >= 4  # of 6; by chance one


def test_a_folder_of_that_name_that_holds_a_model_comes_first(
    saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / MODEL).mkdir()  # of pictures, say
    assert pretrained.load(MODEL, "cpu").config.weights_type == "float16"
    (tmp_path / MODEL).rmdir()
    shutil.copytree(saved, tmp_path / MODEL)
    assert pretrained.load(MODEL, "cpu").config.experiment.dataset == "scenes-flickr25k"


# Weights in float16


def test_half_is_half_the_size_and_nearly_the_same_model(saved: Path, tmp_path: Path) -> None:
    whole = PretrainedModel.from_pretrained(saved, device="cpu")
    half = whole.half()
    half.save_pretrained(tmp_path / "half")
    sizes = [(folder / WEIGHTS).stat().st_size for folder in (tmp_path / "half", saved)]
    assert sizes[0] / sizes[1] == pytest.approx(0.5, abs=0.05)
    again = PretrainedModel.from_pretrained(tmp_path / "half", device="cpu")
    texts = ["a dog", "two cats and a tree"]
    assert torch.equal(again.encode_texts(texts).embedding, half.encode_texts(texts).embedding)
    apart = (half.encode_texts(texts).embedding - whole.encode_texts(texts).embedding).abs().max()
    assert 0 < apart < 5e-3
    again.save_pretrained(tmp_path / "again")  # a model that was half stays so
    assert (tmp_path / "again" / WEIGHTS).read_bytes() == (tmp_path / "half" / WEIGHTS).read_bytes()
    assert (tmp_path / "again" / CONFIG).read_text("utf-8") == (tmp_path / "half" / CONFIG).read_text("utf-8")


def test_a_weight_that_float16_does_not_reach_is_refused(saved: Path) -> None:
    model = PretrainedModel.from_pretrained(saved, device="cpu")
    name, weight = next(iter(model.network.named_parameters()))
    with torch.no_grad():
        weight.view(-1)[0] = 1e6
    with pytest.raises(UserError, match=rf"{name}: holds a number beyond 65,504"):
        model.half()


def test_export_writes_halves(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert commands.run(monkeypatch, "export", run.key, tmp_path / "half", "--half") == 0
    assert json.loads((tmp_path / "half" / CONFIG).read_text("utf-8"))["weights_type"] == "float16"
