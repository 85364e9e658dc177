"""Verdicts at their borders, the paper's numbers beside ours, and the same verdicts from runs trained anew."""

from __future__ import annotations

import json
import re
import shutil
import sys
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from semshare import runs, training
from semshare.cli import app
from semshare.evaluation import Evaluation
from semshare.paper import failures, plans, reference, verdicts
from semshare.paper.failures import Failures
from semshare.paper.verdicts import Verdict
from semshare.runs import parallel
from semshare.runs.intervals import Interval, Scored
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


def test_what_knows_nothing_of_training_decides_nothing() -> None:
    assert verdicts.judge(Interval(0.5, 0.4, 0.6, 0.05, 9, training=False), 0.0) == "inconclusive"


def claim(interval: Interval, bound: float = 0.0, side: str = "above") -> Verdict:
    return Verdict(1, "s", "d", "m", interval, bound, side, None, (0, 1), ("key",))


def test_power_is_the_bound_and_the_reach_beyond_it() -> None:
    """Known of the t distribution with 10 degrees: 2.2281, .8791 and 2.0575 at .975, .8 and 1 - .2 / 6."""
    interval = Interval(0.01, -0.012, 0.032, 0.01, 10)
    assert claim(interval, -0.005).finds == pytest.approx(-0.005 + 0.031072, abs=1e-6)
    assert claim(interval, 0.05, "below").finds == pytest.approx(0.05 - 0.042856, abs=1e-6)
    assert claim(interval, -0.005).in_words()[verdicts.FINDS] == "≥ +0.026"
    assert claim(interval, 0.05, "below").in_words()[verdicts.FINDS] == "≤ +0.007"
    wide = claim(interval, 0.025, "below")
    assert wide.finds is None and wide.in_words()[verdicts.FINDS] == "nothing", "no spread is so small"
    assert claim(replace(interval, error=0.4)).finds is None, "no difference of two scores is beyond 1"
    blind = claim(Interval(0.01, 0.0, 0.02, 0.005, 10, training=False))
    assert blind.finds is None and blind.in_words()[verdicts.FINDS] == "nothing"
    assert blind.in_words()[verdicts.ESTIMATE].endswith("images alone")


def test_a_verdict_survives_json_and_one_of_before_is_marked() -> None:
    verdict = claim(Interval(0.01, -0.012, 0.032, 0.01, 10))
    assert Verdict.from_dict(json.loads(json.dumps(verdict.as_dict()))) == verdict
    old = {
        name: value
        for name, value in verdict.as_dict().items()
        if name not in ("error", "freedom", "training", "finds")
    }
    before = Verdict.from_dict(old)
    assert before.in_words()[verdicts.ESTIMATE] == "interval of before: +0.010 [-0.012, +0.032]"
    assert before.in_words()[verdicts.FINDS] == "–" and before.finds is None


def test_the_rule_says_the_constants_that_apply_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("MARGIN", 0.0123), ("FLAT", 0.0456), ("COLLAPSE", 0.0789)):
        assert f"{getattr(verdicts, name):g}" in verdicts.rule()
        monkeypatch.setattr(verdicts, name, value)
        assert f"{value:g}" in verdicts.rule()


def fake_run(dataset: str, score: float, seed: int = 0, method: str = "ours", images: int = 40) -> SimpleNamespace:
    """A run all of whose F1 and NDCG are ``score`` to two digits, on every image."""
    hits, key = round(100 * score), f"{method}-{score}-{seed}"
    counts = torch.tensor([[hits, 100 - hits, 100 - hits]]).repeat(images, 1)
    ndcg = torch.full((images,), score, dtype=torch.float64)
    values = Evaluation(counts, counts, counts, counts, ndcg, ndcg, ndcg, ndcg / 2, ndcg / 2)
    scored = Scored.of(values, torch.arange(images), key, method != "linear")
    return SimpleNamespace(
        test=values,
        epochs=[values, values],
        scored=scored,
        scored_epochs=[scored, scored],
        experiment=SimpleNamespace(dataset=dataset, seed=seed, preset="paper"),
        title=method.title(),
        key=key,
        seeded=method != "linear",
    )


def test_the_papers_number_stands_beside_ours_with_the_gap() -> None:
    dataset = "flickr25k-simulated"
    without, with_ = ([fake_run(dataset, score, seed) for seed in (0, 1)] for score in (0.7, 0.6))
    found = verdicts.consistency_claims(without, with_)
    assert [one.paper for one in found] == [0.015, 0.002, 0.017, 0.012, None]
    image = found[0]
    assert (image.interval.value, image.interval.low, image.interval.high) == (pytest.approx(0.1),) * 3
    assert image.interval.training and image.verdict == "reproduced"
    assert image.gap == pytest.approx(0.1 - 0.015) and found[-1].gap is None
    assert image.seeds == (0, 1) and image.runs == ("ours-0.7-0", "ours-0.7-1", "ours-0.6-0", "ours-0.6-1")
    elsewhere = verdicts.consistency_claims([fake_run("scenes-nuswide", 0.7)], [fake_run("scenes-nuswide", 0.6)])
    assert all(one.paper is None for one in elsewhere), "the paper's Fig. 1 is of FLICKR25K"
    assert {one.verdict for one in elsewhere} == {"inconclusive"}, "one seed, and none to pool"


@pytest.mark.parametrize(
    ("dataset", "papers"),
    [
        ("scenes-nuswide", [0.007, 0.068, 0.04, 0.027, 0.0, 0.001]),
        ("coco5k", [0.065, 0.016, 0.151, 0.095, 0.004, 0.003]),
        ("coco", [None] * 6),
    ],
)
def test_table_1s_differences(dataset: str, papers: list[float | None]) -> None:
    runs = {method: [fake_run(dataset, 0.5, seed, method) for seed in (0, 1)] for method in plans.PAPERS}
    found = verdicts.classification_claims(runs, dataset)
    assert [one.paper for one in found] == papers
    assert {one.verdict for one in found} == {"reproduced"}, "equal is at least as good"
    alone = {method: side[:1] for method, side in runs.items()}
    assert {one.verdict for one in verdicts.classification_claims(alone, dataset)} == {"inconclusive"}


def test_the_books_own_claim_holds_every_seed_of_ours_against_the_one_run_of_linear() -> None:
    """Ours .5 and .7: a variance of .02 on one degree of freedom, half of it for the mean, and none of Linear's."""
    runs = {
        "linear": [fake_run("coco", 0.5, 0, "linear")],
        "ours": [fake_run("coco", s, n) for n, s in enumerate((0.5, 0.7))],
    }
    found = verdicts.linear_claims(runs, "coco")
    assert [one.measure for one in found] == [
        f"{name}: Ours - Linear" for name in ("image_f1", "text_f1", "i2t", "t2i, released discount")
    ]
    for one in found:
        assert (one.claim, one.bound, one.paper, one.seeds) == (6, 0.0, None, (0, 1)) and len(one.runs) == 3
        assert one.interval.value == pytest.approx(0.1) and one.interval.error == pytest.approx(0.01**0.5, rel=1e-6)
    alike = {"linear": runs["linear"], "ours": [fake_run("coco", 0.6, seed) for seed in (0, 1)]}
    assert {one.verdict for one in verdicts.linear_claims(alike, "coco")} == {"reproduced"}
    alone = {"linear": runs["linear"], "ours": alike["ours"][:1]}
    assert {one.verdict for one in verdicts.linear_claims(alone, "coco")} == {"inconclusive"}, "one seed of Ours"
    assert 6 not in reference.CLAIMS and "the book's own" in reference.TESTED[6]


def test_fig_3s_differences_are_the_curves() -> None:
    dataset = "scenes-coco1k"
    sweep = {lam: [fake_run(dataset, 0.3 if lam == 10 else 0.5, method=f"at {lam}")] for lam in reference.LAMBDAS}
    by_method = {"dscmr": [fake_run(dataset, 0.4, seed, "dscmr") for seed in (0, 1)]}
    found = verdicts.sensitivity_claims(sweep, by_method, dataset, 0.01)
    assert [one.paper for one in found] == [0.0081, 0.0035, 0.1713, 0.0066, 0.0027, 0.095]
    assert [one.verdict for one in found] == ["inconclusive", "reproduced", "reproduced"] * 2
    assert [one.side for one in found] == ["above", "below", "above"] * 2
    sweep[5e-4] = sweep[0.0]
    released = verdicts.sensitivity_claims(sweep, by_method, dataset, 5e-4)
    assert [one.paper for one in released[:3]] == [None, 0.0035, None], "the paper has no value at the released lambda"
    without = verdicts.sensitivity_claims(sweep, {}, dataset, 0.01)
    assert {one.verdict for one in without} == {"inconclusive"}, "one seed, and none to pool"


@pytest.mark.parametrize(("dataset", "name"), [("scenes-flickr25k", "t2i"), ("coco", "t2i, released discount")])
def test_the_measures_name_says_where_t2i_has_the_released_discount(dataset: str, name: str) -> None:
    of_linear = {method: [fake_run(dataset, 0.5, method=method)] for method in ("ours", "linear")}
    sweep = {lam: [fake_run(dataset, 0.5, method=f"at {lam}")] for lam in reference.LAMBDAS}
    found = [
        *verdicts.consistency_claims([fake_run(dataset, 0.7)], [fake_run(dataset, 0.6)]),
        *verdicts.linear_claims(of_linear, dataset),
        *verdicts.sensitivity_claims(sweep, {}, dataset, 0.01),
    ]
    named = [one.measure.split(":")[0] for one in found]
    assert [one for one in named if one.startswith("t2i")] == [name] * 5 and named.count("i2t") == 5


def test_the_lambda_that_collapses_is_in_no_pool() -> None:
    """Its two seeds differ by .4, those of the other lambdas not at all."""
    dataset = "scenes-coco1k"
    sweep = {
        lam: [
            fake_run(dataset, score, seed, f"at {lam}")
            for seed, score in enumerate((0.1, 0.5) if lam == 10 else (0.5,) * 2)
        ]
        for lam in reference.LAMBDAS
    }
    found = verdicts.sensitivity_claims(sweep, {}, dataset, 0.01)
    assert all(one.interval.error == pytest.approx(0, abs=1e-9) for one in found)


def test_wrong_items_of_ours_are_judged_by_the_variance_of_every_method(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ours has 6 and 4 of 8 wrong items of a kind, where chance says 2; a second method varies as much."""

    def find(run: SimpleNamespace, direction: str) -> Failures:
        wrong = torch.ones(4, 2, dtype=torch.bool)
        kind = torch.zeros(4, 2, dtype=torch.bool)
        kind.view(-1)[: run.of_kind] = True
        kinds, chance = (
            {name: kind for name in failures.KINDS},
            {name: torch.full((4,), 0.25) for name in failures.KINDS},
        )
        return Failures(direction, torch.arange(4), wrong.long(), wrong, kinds, chance)

    monkeypatch.setattr(failures, "find", find)
    by_method = {
        method: [
            SimpleNamespace(**vars(fake_run("coco", 0.5, seed, method)), of_kind=count)
            for seed, count in enumerate(counts)
        ]
        for method, counts in {"ours": (6, 4), "dscmr": (3, 5)}.items()
    }
    found = verdicts.failure_claims(by_method)
    assert len(found) == 4 and {one.runs for one in found} == {("ours-0.5-0", "ours-0.5-1")}
    assert all(one.interval.value == pytest.approx(5 / 8 - 1 / 4) and one.interval.training for one in found)
    alone = verdicts.failure_claims({"ours": by_method["ours"][:1]})
    assert {one.verdict for one in alone} == {"inconclusive"} and alone[0].seeds == (0,)


def test_only_runs_of_the_same_seeds_are_compared() -> None:
    runs = {method: [fake_run("coco", 0.5, seed=method == "dscmr")] for method in plans.PAPERS}
    with pytest.raises(ValueError, match=r"expected the same seeds"):
        verdicts.classification_claims(runs, "coco")


def test_summary_counts() -> None:
    three = [claim(Interval(0, low, high)) for low, high in ((1, 2), (-1, 1), (1, 2))]
    assert verdicts.summary(three) == "of 3 tests, 2 reproduced, 0 not reproduced, 1 inconclusive"


# Through the command line, on runs that no other test asks for


FIELDS = {
    "claim", "statement", "dataset", "measure", "paper", "value", "low", "high", "gap", "bound", "side", "seeds",
    "verdict", "runs", "error", "freedom", "training", "finds",
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
    assert result["claims"].keys() == {"1", "2", "3", "4", "5", "6"} and result["rule"] == verdicts.rule()
    found = result["verdicts"]
    assert [sum(one["claim"] == claim for one in found) for claim in range(1, 7)] == [2, 3, 6, 6, 4, 4]
    for one in found:
        assert one.keys() == FIELDS
        assert one["low"] <= one["value"] <= one["high"] and one["seeds"] == [0]
        assert one["error"] >= 0 and not one["training"] and one["finds"] is None and one["verdict"] == "inconclusive"
        assert (one["gap"] is None) == (one["paper"] is None)
        assert one["runs"] and all(re.fullmatch("[0-9a-f]{12}", key) for key in one["runs"])

    keys = sorted({key for one in found for key in one["runs"]})
    folders = {key: next(cache_folder("runs").glob(f"scenes-coco5k-*-{key}")) for key in keys}
    for key in keys[::4]:
        shutil.rmtree(folders[key])
    again = json.loads(ask(monkeypatch, capsys, "--json"))
    assert all(folders[key].is_dir() for key in keys)
    assert again["verdicts"] == found

    text = ask(monkeypatch, capsys)
    assert sum(f"{claim}. " in line[:3] for line in text.splitlines() for claim in range(1, 7)) == len(found)
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
