"""Study ``strength``: what it plans, which runs stand where, and what its table and figure say of them."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from semshare.experiment import Experiment
from semshare.paper import recorded_figures, recorded_tables, strength
from semshare.paper.recordings import Recording
from semshare.runs.quantities import HEADLINE

# Test F1 in points by setting: what Traditional without the loss scores on images and on texts, and Linear on both.
SCORES = {
    "detector regions": (66.0, 69.0, 64.0, 68.0),
    "grid regions": (59.0, 70.0, 61.0, 66.0),
    "detector regions, 80 % of words withheld": (66.0, 40.0, 64.0, 38.0),
}


def _run(experiment: Experiment, setting: str) -> SimpleNamespace:
    image, text, *linear = SCORES[setting]
    if experiment.method == "linear":
        image, text = linear
    elif experiment.eta:
        image, text = 0.0, 0.0  # read by no column
    numbers = dict(zip(HEADLINE, (image / 100, text / 100, 0.7, 0.7), strict=True))
    key = f"{experiment.method}-{experiment.eta:g}-{experiment.seed}-{setting}"
    return SimpleNamespace(experiment=experiment, key=key, test=SimpleNamespace(numbers=lambda: numbers))


@pytest.fixture
def recording() -> Recording:
    """Three settings whole, of a fourth all but one run; recorded in another precision and of another folder."""
    runs, compared = [], []
    for comparison in strength.comparisons("bfloat16", None):
        setting = comparison.what["setting"]
        name = setting if setting in SCORES else "grid regions"
        experiments = [*comparison.base, *comparison.changed]
        if setting in SCORES or setting == "grid regions, 94 % of regions withheld":
            runs += [
                _run(experiment, name) for experiment in experiments if experiment.method != "linear" or name == setting
            ]
            compared += [
                comparison.what | {"measure": measure, "value": -0.02, "low": -0.03, "high": -0.01, "error": 0.01}
                for measure in HEADLINE
            ]
    return Recording("strength", "", 0, runs, compared)


def test_every_setting_has_its_own_runs_and_a_floor() -> None:
    planned = strength.STUDY.plan(None, "cpu")
    assert len(planned) == len(strength.SETTINGS) * (2 * len(strength.SEEDS) + 1)
    assert {experiment.dataset for experiment in planned} == {"coco16k"}
    assert {experiment.regions for experiment in planned} == {"grid", "yolox-nano"}


def test_runs_stand_in_their_settings_and_an_unfinished_one_is_left_out(recording: Recording) -> None:
    by_setting = strength.arms(recording.runs)
    assert set(by_setting) == set(SCORES)
    for arms in by_setting.values():
        assert [run.experiment.seed for run in arms.without] == [run.experiment.seed for run in arms.with_] == [0, 1]
        assert {run.experiment.eta for run in arms.without} == {0.0} and arms.with_[0].experiment.eta > 0
        assert [run.experiment.method for run in arms.linear] == ["linear"]


def test_the_table_says_which_side_is_strong_and_what_linear_reaches(recording: Recording) -> None:
    table = recorded_tables.strength_table(recording)
    assert table["lead"].to_dict() == pytest.approx({name: row[0] - row[1] for name, row in SCORES.items()})
    assert table["number"].tolist() == [1, 2, 3] and table.loc["grid regions", "Linear"] == "61.0 / 66.0"
    assert table.loc["detector regions", "image F1"] == "66.0"
    assert (table.filter(like="with - without") == "-2.0 [-3.0, -1.0]*").all(axis=None)
    assert table.filter(like="with - without").shape[1] == len(HEADLINE)
    assert all(len(keys) == 5 for keys in table.attrs["keys"].values())


def test_the_figure_has_a_mark_a_setting_and_measure(recording: Recording) -> None:
    left, right = recorded_figures.strength(recording).axes
    for axis in (left, right):
        marks = [line for line in axis.lines if line.get_marker() == "o"]
        assert sorted(float(mark.get_xdata()[0]) for mark in marks) == sorted([-11.0, -3.0, 26.0] * 2)
        assert {float(mark.get_ydata()[0]) for mark in marks} == {-2.0}
        (left_end, right_end), (bottom, top) = axis.get_xlim(), axis.get_ylim()
        assert left_end < -11 and right_end > 26 and bottom < -3 and top >= 0, "all is in sight"
        assert sorted(text.get_text() for text in axis.texts) == sorted("123" * 2)


def test_effects_are_counted_for_the_stronger_side_and_the_weaker(recording: Recording) -> None:
    """Texts lead in two settings, images in one; the loss lowers all, but for one that it raises and one undecided."""
    every = {"setting": strength.ALL, "change": strength.CONSISTENCY, "value": -0.02, "low": -0.03, "high": -0.01}
    recording.comparisons.extend(every | {"measure": measure, "error": 0.01} for measure in HEADLINE)
    for row in recording.comparisons:
        if (row["setting"], row["change"]) == ("grid regions", strength.CONSISTENCY):
            ends = {"image_f1": (0.01, 0.02, 0.03), "text_f1": (-0.03, -0.01, 0.01)}.get(row["measure"])
            row |= dict(zip(("low", "value", "high"), ends, strict=True)) if ends else {}
    assert recorded_tables.strength_signs(recording) == {
        "stronger_lower": 2, "stronger_raise": 0, "weaker_lower": 2, "weaker_raise": 1,
        "settings": 3, "images": 1, "texts": 2, "image_all": "-2.0 [-3.0, -1.0]*", "text_all": "-2.0 [-3.0, -1.0]*",
        "margin": "2",
    }  # fmt: skip


def test_a_side_that_hardly_leads_is_not_called_the_stronger(
    recording: Recording, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(strength, "LEAD", 3.5)  # texts lead by 3 in one setting
    signs = recorded_tables.strength_signs(recording)
    assert (signs["settings"], signs["images"], signs["texts"], signs["margin"]) == (3, 1, 1, "3.5")
    assert (signs["stronger_lower"], signs["weaker_lower"], signs["image_all"]) == (2, 2, "")
