"""Figures of recordings say what they are made of."""

from __future__ import annotations

from pathlib import Path

import pytest

from semshare.paper import figures, recorded_figures, recordings
from semshare.paper.recorded_claims import CLAIM_STUDIES
from semshare.paper.recordings import Recording
from semshare.runs import intervals

FOLDER = Path(__file__).resolve().parents[2] / "book" / "recorded"


def test_nothing_is_drawn_of_a_recording_that_has_only_begun() -> None:
    for draw in (recorded_figures.phase, recorded_figures.costs, recorded_figures.strength):
        assert draw(Recording("r", "", 1, [], [])).axes[0].texts[0].get_text() == "not recorded yet"
    assert len(figures.consistency_curves([], []).axes) == 2
    assert figures.verdicts([]).axes[0].texts[0].get_text() == "no claim has been tested yet"


@pytest.mark.parametrize(("kept", "said"), [({}, 1), ({"error": 0.01, "freedom": 9.0, "training": True}, 0)])
def test_intervals_of_before_are_marked_over_a_figure(kept: dict[str, object], said: int) -> None:
    interval = {"low": 0.1, "value": 0.2, "high": 0.3} | kept
    rows = [
        {"field": "f", "measure": measure, "missing_regions": 0.0, "missing_words": 0.0} | interval
        for measure in intervals.MEASURES
    ]
    recording = Recording("r", "", 1, [], rows)
    for figure in (recorded_figures.costs(recording), recorded_figures.phase(recording)):
        assert figure.get_suptitle().count("intervals of before") == said
    alone = Recording("r", "", 1, [], [row | kept | {"error": 0.1, "training": False} for row in rows])
    assert recorded_figures.costs(alone).axes[0].lines[2].get_markerfacecolor() == "white"
    assert recorded_figures.phase(alone).axes[0].texts[0].get_fontweight() == "normal"


def test_an_interval_far_wider_than_the_others_ends_in_arrows() -> None:
    rows = [
        {"field": f"f{number}", "measure": measure, "low": -width, "value": 0.0, "high": width, "error": 0.1}
        for measure in intervals.MEASURES
        for number, width in enumerate((0.01, 0.01, 0.01, 0.5))
    ]
    axis = recorded_figures.costs(Recording("r", "", 1, [], rows)).axes[0]
    assert [line.get_marker() for line in axis.lines if line.get_marker() in "<>"] == ["<", ">"]
    assert max(abs(end) for line in axis.lines for end in line.get_xdata()) == pytest.approx(4)


def test_every_figure_of_means_says_which_runs_they_are_of() -> None:
    recording = recordings.load("coco16k", FOLDER)
    sections = CLAIM_STUDIES["coco16k"].sections(recording.runs)
    table = {place: side for place, side in sections["classification"].items() if side}
    known = {run.key for run in recording.runs}
    drawn = [
        figures.consistency_curves(*sections["consistency"].values()),
        figures.sensitivity(sections["sensitivity"]),
        figures.classification_and_retrieval(table),
    ]
    assert [len(figure.means) for figure in drawn] == [2, 6, 5]
    assert all(keys and known.issuperset(keys) for figure in drawn for keys in figure.means.values())
    for name, draw in (("phase", recorded_figures.phase), ("presets", recorded_figures.costs)):
        study = recordings.load(name, FOLDER)
        behind = draw(study).means
        assert len(behind) == len(study.comparisons) / 4 and {key for keys in behind.values() for key in keys} <= {
            run.key for run in study.runs
        }
    strength = recordings.load("strength", FOLDER)
    assert all(recorded_figures.strength(strength).means.values())
