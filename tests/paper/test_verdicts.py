"""Verdicts at their borders, the paper's numbers beside ours, and the same verdicts from runs trained anew."""

from __future__ import annotations

import json
import re
import shutil
import sys
from types import SimpleNamespace

import pytest
import torch

from semshare import runs, training
from semshare.cli import app
from semshare.evaluation import Evaluation
from semshare.paper import plans, reference, verdicts
from semshare.paper.verdicts import Verdict
from semshare.runs import parallel
from semshare.runs.intervals import Interval
from semshare.utils.home import cache_folder


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (-0.004, 0.1, "reproduced"),
        (-0.1, -0.006, "not reproduced"),
        (-0.006, 0.1, "inconclusive"),
        (-0.005, 0.1, "inconclusive"),
    ],
)
def test_at_least_forgives_the_margin(low: float, high: float, verdict: str) -> None:
    assert verdicts.judge(Interval(0.0, low, high), -verdicts.MARGIN) == verdict


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [(0.001, 0.02, "reproduced"), (0.03, 0.05, "not reproduced"), (0.01, 0.03, "inconclusive")],
)
def test_below_mirrors_above(low: float, high: float, verdict: str) -> None:
    assert verdicts.judge(Interval(0.0, low, high), 0.025, "below") == verdict


def test_the_rule_says_the_constants_that_apply_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("MARGIN", 0.0123), ("FLAT", 0.0456), ("COLLAPSE", 0.0789)):
        assert f"{getattr(verdicts, name):g}" in verdicts.rule()
        monkeypatch.setattr(verdicts, name, value)
        assert f"{value:g}" in verdicts.rule()


def fake_run(dataset: str, score: float, seed: int = 0, method: str = "ours", images: int = 40) -> SimpleNamespace:
    """A run all of whose F1 and NDCG are ``score`` to two digits, whatever the bootstrap draws."""
    hits = round(100 * score)
    counts = torch.tensor([[hits, 100 - hits, 100 - hits]]).repeat(images, 1)
    ndcg = torch.full((images,), score, dtype=torch.float64)
    values = Evaluation(counts, counts, counts, counts, ndcg, ndcg, ndcg, ndcg / 2, ndcg / 2)
    part = SimpleNamespace(owner=torch.arange(images))
    return SimpleNamespace(
        test=values,
        epochs=[values, values],
        dataset=SimpleNamespace(parts={"test": part}),
        experiment=SimpleNamespace(dataset=dataset, seed=seed),
        title=method.title(),
        key=f"{method}-{score}-{seed}",
    )


def test_the_papers_number_stands_beside_ours_with_the_gap() -> None:
    dataset = "flickr25k-simulated"
    without, with_ = ([fake_run(dataset, score, seed) for seed in (0, 1)] for score in (0.7, 0.6))
    found = verdicts.consistency_claims(without, with_)
    assert [one.paper for one in found] == [0.015, 0.002, 0.017, 0.012, None]
    image = found[0]
    assert image.interval == Interval(*(pytest.approx(0.1),) * 3) and image.verdict == "reproduced"
    assert image.gap == pytest.approx(0.1 - 0.015) and found[-1].gap is None
    assert image.seeds == (0, 1) and image.runs == ("ours-0.7-0", "ours-0.7-1", "ours-0.6-0", "ours-0.6-1")
    elsewhere = verdicts.consistency_claims([fake_run("scenes-nuswide", 0.7)], [fake_run("scenes-nuswide", 0.6)])
    assert all(one.paper is None for one in elsewhere), "the paper's Fig. 1 is of FLICKR25K"


@pytest.mark.parametrize(
    ("dataset", "papers"),
    [
        ("scenes-nuswide", [0.007, 0.068, 0.04, 0.027, 0.0, 0.001]),
        ("coco5k", [0.065, 0.016, 0.151, 0.095, 0.004, 0.003]),
        ("coco", [None] * 6),
    ],
)
def test_table_1s_differences(dataset: str, papers: list[float | None]) -> None:
    some = {method: [fake_run(dataset, 0.5, method=method)] for method in plans.METHODS}
    found = verdicts.classification_claims(some, dataset)
    assert [one.paper for one in found] == papers
    assert {one.verdict for one in found} == {"reproduced"}, "equal is at least as good"


def test_fig_3s_differences_are_the_curves() -> None:
    some = {lam: [fake_run("scenes-coco1k", 0.3 if lam == 10 else 0.5)] for lam in reference.LAMBDAS}
    found = verdicts.sensitivity_claims(some, "scenes-coco1k", 0.01)
    assert [one.paper for one in found] == [0.0081, 0.0035, 0.1713, 0.0066, 0.0027, 0.095]
    assert [one.verdict for one in found] == ["inconclusive", "reproduced", "reproduced"] * 2
    assert [one.side for one in found] == ["above", "below", "above"] * 2
    some[5e-4] = some[0.0]
    released = verdicts.sensitivity_claims(some, "scenes-coco1k", 5e-4)
    assert [one.paper for one in released[:3]] == [None, 0.0035, None], "the paper has no value at the released lambda"


def test_only_runs_of_the_same_seeds_are_compared() -> None:
    some = {method: [fake_run("coco", 0.5, seed=method == "dscmr")] for method in plans.METHODS}
    with pytest.raises(ValueError, match=r"expected the same seeds"):
        verdicts.classification_claims(some, "coco")


def test_summary_counts() -> None:
    def one(low: float, high: float) -> Verdict:
        return Verdict(1, "s", "d", "m", Interval(0, low, high), 0.0, "above", None, (0,), ("key",))

    some = [one(1, 2), one(-1, 1), one(1, 2)]
    assert verdicts.summary(some) == "of 3 tests, 2 reproduced, 0 not reproduced, 1 inconclusive"


# Through the command line, on runs that no other test asks for


FIELDS = {
    "claim", "statement", "dataset", "measure", "paper", "value", "low", "high", "gap", "bound", "side", "seeds",
    "verdict", "runs",
}  # fmt: skip
ASKED = ("--scale", "smoke", "--preset", "released", "--datasets", "scenes-coco5k", "--device", "cpu")


def ask(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *more: str) -> str:
    """What ``semshare verdicts`` prints."""
    monkeypatch.setattr(sys, "argv", ["semshare", "verdicts", *ASKED, *more])
    with pytest.raises(SystemExit) as stop:
        app.main()
    assert not stop.value.code
    return capsys.readouterr().out


def test_every_claim_with_its_numbers_and_again_bit_for_bit_from_runs_trained_anew(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    result = json.loads(ask(monkeypatch, capsys, "--json"))
    assert result["data"] == {"scenes-coco5k": "stand-in"} and result["preset"] == "released"
    assert result["claims"].keys() == {"1", "2", "3", "4", "5"} and result["rule"] == verdicts.rule()
    found = result["verdicts"]
    assert [sum(one["claim"] == claim for one in found) for claim in range(1, 6)] == [2, 3, 6, 6, 4]
    for one in found:
        assert one.keys() == FIELDS
        assert one["low"] <= one["value"] <= one["high"] and one["seeds"] == [0]
        assert (one["gap"] is None) == (one["paper"] is None)
        interval = Interval(one["value"], one["low"], one["high"])
        assert one["verdict"] == verdicts.judge(interval, one["bound"], one["side"])
        assert one["runs"] and all(re.fullmatch("[0-9a-f]{12}", key) for key in one["runs"])

    keys = sorted({key for one in found for key in one["runs"]})
    folders = {key: next(cache_folder("runs").glob(f"scenes-coco5k-*-{key}")) for key in keys}
    for key in keys[::4]:
        shutil.rmtree(folders[key])
    again = json.loads(ask(monkeypatch, capsys, "--json"))
    assert all(folders[key].is_dir() for key in keys)
    assert again["verdicts"] == found

    text = ask(monkeypatch, capsys)
    assert sum(f"{claim}. " in line[:3] for line in text.splitlines() for claim in range(1, 6)) == len(found)
    assert all(key in text for key in keys) and result["summary"] in text and result["rule"] in text


def test_runs_trained_side_by_side_and_alone_are_equal_bit_for_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel, "cores", lambda: 2)
    # A seed of this test's own, since it deletes what it trains.
    plans = [runs.plan("scenes-flickr25k", method, "smoke", "cpu", seed=23) for method in ("dscmr", "ours")]
    results = []
    for get in (lambda: runs.get_all(plans, "cpu", quiet=True), lambda: [runs.get(one, "cpu", True) for one in plans]):
        found = get()
        results.append([{name: value for name, value in vars(run.test).items()} for run in found])
        results[-1].append([run.record["thresholds"] for run in found])
        results[-1].append([(run.folder / training.BEST).read_bytes() for run in found])
        for run in found:
            shutil.rmtree(run.folder)
    together, alone = results
    for one, other in zip(together[:2], alone[:2], strict=True):
        assert all(torch.equal(one[name], other[name]) for name in one)
    assert together[2:] == alone[2:]


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("--datasets", "scenes-coco5k,scenes-flickr"), "dataset: unknown 'scenes-flickr', expected one of"),
        (("--device", "gpu"), "device: 'gpu' cannot be used"),
    ],
)
def test_an_unknown_name_is_one_line(
    arguments: tuple[str, str], named: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["semshare", "verdicts", "--scale", "smoke", *arguments])
    monkeypatch.setattr(plans, "train", lambda *_: pytest.fail("trained"))
    with pytest.raises(SystemExit) as stop:
        app.main()
    shown = capsys.readouterr()
    assert stop.value.code == 2 and shown.out == ""
    assert shown.err.startswith(f"error: {named}") and shown.err.count("\n") == 1
