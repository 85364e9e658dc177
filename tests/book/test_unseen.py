"""Comparisons on photographs that were never seen: the study's own on its own test split, and what is refused."""

from __future__ import annotations

from pathlib import Path

import commands
import pytest

from semshare import runs
from semshare.book import unseen
from semshare.errors import UserError
from semshare.paper import comparisons, recordings, strength
from semshare.paper.comparisons import Comparison
from semshare.runs.quantities import HEADLINE

_FIELDS = {"epochs": 1, "precision": "float32"}


@pytest.fixture(scope="module")
def compared(semshare_home: Path) -> Comparison:
    """Two seeds of *Ours* against Linear, which has none, all at scale smoke."""
    plans = [runs.plan("scenes-flickr25k", "ours", "smoke", "cpu", seed=seed, **_FIELDS) for seed in (31, 32)]
    return Comparison({"change": "both"}, plans, [runs.plan("scenes-flickr25k", "linear", "smoke", "cpu")])


def test_on_their_own_test_split_runs_give_the_studys_own_rows(compared: Comparison) -> None:
    done = runs.get_all([*compared.changed, *compared.base], "cpu", quiet=True)
    dataset = done[0].dataset
    items = {item.id: item for item in dataset.source.items()}
    asked = [items[id] for id in dataset.parts["test"].image_ids]
    found = unseen.of_comparisons({"mine": [compared]}, dataset.source, asked, "cpu")
    assert (found["images"], found["texts"]) == (len(asked), sum(len(item.texts) for item in asked))
    expected = comparisons.rows(compared, done)
    assert [row["measure"] for row in found["comparisons"]] == [row["measure"] for row in expected]
    for row, own in zip(found["comparisons"], expected, strict=True):
        assert (row["study"], row["change"], row["seeds"]) == ("mine", "both", 2)
        assert sorted(row["runs"]) == sorted(run.key for run in done)
        for name in ("low", "value", "high"):  # regions of other batches differ in their last bits
            assert row[name] == pytest.approx(own[name], abs=4e-3), (row["measure"], name)


def test_networks_that_read_a_part_of_an_item_are_left_out() -> None:
    whole = unseen._readable(strength.comparisons("float32", None))
    assert {row.what["setting"] for row in whole} == {"grid regions", "detector regions"}


def test_what_is_recorded_has_every_measure_and_keys_of_the_studies() -> None:
    recorded = unseen.load_recorded()
    assert recorded["images"] == 226
    of_study: dict[tuple[str, str], set[str]] = {}
    for row in recorded["comparisons"]:
        of_study.setdefault((row["study"], row["change"]), set()).add(row["measure"])
        assert row["low"] < row["value"] < row["high"]
    assert {study for study, _ in of_study} == set(unseen.REPEATED)
    assert all(measures == set(HEADLINE) for measures in of_study.values())
    known = {name: {run.key for run in recordings.load(name).runs} for name in unseen.REPEATED}
    assert all(row["runs"] and set(row["runs"]) <= known[row["study"]] for row in recorded["comparisons"])


def test_a_picture_that_a_run_was_trained_on_is_refused(compared: Comparison) -> None:
    dataset = runs.get(compared.base[0], "cpu", quiet=True).dataset
    items = {item.id: item for item in dataset.source.items()}
    trained_on = items[dataset.parts["train"].image_ids[0]]
    with pytest.raises(UserError, match=rf"^{trained_on.id}: run \w+ was trained on this picture"):
        unseen.of_comparisons({"mine": [compared]}, dataset.source, [trained_on], "cpu")


def test_missing_photographs_runs_and_recordings_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match=r"^root: found none, expected --root FOLDER"):
        unseen.record(None)
    assert commands.run(monkeypatch, "record", "unseen") == 2
    monkeypatch.setattr(unseen.transfer, "photographs", lambda root: (None, []))
    monkeypatch.setattr(unseen.store, "missing", list)
    with pytest.raises(UserError, match=r"^unseen: not here: 10 runs of study strength in \w+; first semshare data"):
        unseen.record(tmp_path, folder=tmp_path)
    (tmp_path / "unseen.json").write_text("{", encoding="utf-8")
    with pytest.raises(UserError, match=r"unseen\.json: damaged recording"):
        unseen.load_recorded(tmp_path)
    with pytest.raises(UserError, match=r"semshare record unseen --root FOLDER makes it"):
        unseen.load_recorded(tmp_path / "none")
