"""The transfer check gives a run's own test numbers on its own test split, and says what it cannot measure."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import commands
import pytest

from semshare.data.readers.manifest import COCO16K, read_manifest
from semshare.errors import UserError
from semshare.runs.store import Run
from semshare.search import pretrained, transfer
from semshare.search.pretrained import PretrainedModel


def test_on_a_runs_own_test_split_it_gives_the_runs_numbers(run: Run, saved: Path) -> None:
    model, source = PretrainedModel.from_pretrained(saved, device="cpu"), run.dataset.source
    items = {item.id: item for item in source.items()}
    part = run.dataset.parts["test"]
    found = transfer.of_model(model, source, [items[id] for id in part.image_ids])
    assert (found["images"], found["texts"]) == (len(part.image_ids), len(part.texts))
    expected = run.test.numbers()
    for name, row in found["measures"].items():
        # Regions of other batches differ in their last bits.
        assert row["value"] == pytest.approx(expected[name], abs=2e-3), name
        assert row["low"] < row["value"] < row["high"]
    assert found["measures"]["i2t"]["chance"] == pytest.approx(expected["i2t_random"], abs=1e-5)
    # By hand: the labels of most items said of every item, the best number of them.
    labels, best = part.labels, 0.0
    order = labels.sum(0).argsort(descending=True)
    for count in range(1, labels.shape[1] + 1):
        hits = float(labels[:, order[:count]].sum())
        best = max(best, 2 * hits / (count * len(labels) + float(labels.sum())))
    assert found["measures"]["image_f1"]["chance"] == pytest.approx(best, abs=1e-5)


def test_a_label_that_the_model_was_not_taught_is_named(run: Run, saved: Path) -> None:
    model, source = PretrainedModel.from_pretrained(saved, device="cpu"), run.dataset.source
    item = replace(source.items()[0], labels=("unicorn",))
    with pytest.raises(UserError, match="'unicorn', expected one of the"):
        transfer.of_model(model, source, [item])


def test_what_is_recorded_is_of_the_shipped_model() -> None:
    recorded = transfer.load_recorded()
    assert recorded["weights"] == pretrained.load(transfer.MODEL, "cpu").config.weights
    for name in transfer.MEASURES:
        row = recorded["measures"][name]
        assert row["low"] < row["value"] < row["high"], name


def test_the_recorded_numbers_are_made_anew(realdata: Path, tmp_path: Path) -> None:
    path = transfer.record(realdata / "coco", "cpu", tmp_path)
    anew, kept = json.loads(path.read_text(encoding="utf-8")), transfer.load_recorded()
    assert {name: anew[name] for name in anew if name != "measures"} == {
        name: kept[name] for name in kept if name != "measures"
    }
    for name, row in kept["measures"].items():
        assert anew["measures"][name] == pytest.approx(row, abs=3e-3), name


def test_the_model_has_seen_none_of_the_photographs(realdata: Path) -> None:
    listed = json.loads((realdata / "coco" / "annotations" / "instances_val2017.json").read_text(encoding="utf-8"))
    ids = {picture["id"] for picture in listed["images"]}
    assert ids and ids.isdisjoint(read_manifest(COCO16K).splits)


def test_what_is_missing_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(UserError, match=r"root: found none, expected --root FOLDER"):
        transfer.record(None)
    with pytest.raises(UserError, match=r"semshare record transfer --root FOLDER makes it"):
        transfer.load_recorded(tmp_path)
    (tmp_path / "transfer.json").write_text("{", encoding="utf-8")
    with pytest.raises(UserError, match="damaged recording"):
        transfer.load_recorded(tmp_path)
    assert commands.run(monkeypatch, "record", "transfer") == 2
    assert capsys.readouterr().err.startswith("error: root: found none")
