"""A model's folder: its files, and one line for each that is damaged or not ours."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import ModelCard
from safetensors.torch import load_file, save_file

from semshare.errors import UserError
from semshare.runs.store import Run
from semshare.search import pretrained
from semshare.search.folder import CARD, CONFIG, FILES, WEIGHTS, WORDS
from semshare.search.pretrained import PretrainedModel


def test_the_folder_holds_its_files_and_no_more(run: Run, saved: Path) -> None:
    assert sorted(path.name for path in saved.iterdir()) == sorted(FILES)
    config = json.loads((saved / CONFIG).read_text(encoding="utf-8"))
    assert config["experiment"]["root"] is None and config["experiment"]["bert"] is None and config["run"] == run.key
    assert (saved / WORDS).read_text(encoding="utf-8").split("\n")[:-1] == list(run.dataset.vocabulary.words)
    card = (saved / CARD).read_text(encoding="utf-8")
    assert card.startswith(run.card.read_text(encoding="utf-8")) and "Retriever" in card
    assert ModelCard.load(saved / CARD).data.library_name == "semshare"
    data_card = (saved / "DATA_CARD.md").read_text(encoding="utf-8")
    assert f"({CARD})" in data_card and "MODEL_CARD" not in data_card
    again = saved.with_name("again")
    PretrainedModel.from_pretrained(saved).save_pretrained(again)
    assert {path.name: path.read_bytes() for path in again.iterdir()} == {
        path.name: path.read_bytes() for path in saved.iterdir()
    }


def _changed(field: str, value: Any) -> Any:
    def change(folder: Path) -> None:
        config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        place = config
        *outer, last = field.split(".")
        for name in outer:
            place = place[name]
        place[last] = value
        (folder / CONFIG).write_text(json.dumps(config), encoding="utf-8")

    return change


def _foreign(folder: Path) -> None:
    (folder / CONFIG).write_text(json.dumps({"model_type": "bert", "hidden_size": 768}), encoding="utf-8")


def _cut(name: str) -> Any:
    return lambda folder: (folder / name).write_bytes((folder / name).read_bytes()[:-40])


def _nudged(folder: Path) -> None:
    state = load_file(folder / WEIGHTS)
    state["classifiers.both.bias"][0] += 1
    save_file(state, folder / WEIGHTS)


def _swapped(folder: Path) -> None:
    lines = (folder / WORDS).read_text(encoding="utf-8").split("\n")
    lines[5], lines[6] = lines[6], lines[5]
    (folder / WORDS).write_text("\n".join(lines), encoding="utf-8")


@pytest.mark.parametrize(
    ("damage", "named"),
    [
        (_foreign, [CONFIG, "library", "nothing"]),
        (lambda folder: (folder / CONFIG).write_text("{", encoding="utf-8"), [CONFIG, "JSON"]),
        (lambda folder: (folder / CONFIG).write_text("[]", encoding="utf-8"), [CONFIG, "[]"]),
        (_changed("format", 7), [CONFIG, "format", "7", "1"]),
        (_changed("experiment.width", -3), [CONFIG, "experiment.width", "-3", "greater than 0"]),
        (_changed("experiment.width", 64), [WEIGHTS, "32", "64"]),
        (_changed("experiment.method", "theirs"), [CONFIG, "experiment", "'theirs'"]),
        (_changed("regions", "pyramid"), [CONFIG, "regions", "'pyramid'", "one of grid, "]),
        (_changed("feature_size", 512), [WEIGHTS, "1280", "512"]),
        (_changed("thresholds.image", "high"), [CONFIG, "thresholds.image", "'high'"]),
        (lambda folder: (folder / WEIGHTS).unlink(), [WEIGHTS, "missing"]),
        (lambda folder: (folder / WORDS).unlink(), [WORDS, "missing"]),
        (lambda folder: (folder / WEIGHTS).write_bytes(b"\x80\x04K\x01."), [WEIGHTS, "damaged"]),
        (_cut(WEIGHTS), [WEIGHTS, "damaged"]),
        (_cut(WORDS), [WORDS, "words of checksum"]),
        (_nudged, [WEIGHTS, "checksum"]),
        (_swapped, [WORDS, "checksum"]),
    ],
)
def test_a_damaged_or_foreign_folder_is_one_line(damage: Any, named: list[str], copied: Path) -> None:
    damage(copied)
    with pytest.raises(UserError) as error:
        pretrained.load(copied, "cpu")
    message = str(error.value)
    assert "\n" not in message and str(copied) in message, message
    assert all(word in message for word in named), message
