"""The command line: a user's mistake is one clear message, results come as JSON, the check tells the truth."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from commands import run

from semshare.utils.home import cache_folder


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("--dataset", "scenes-flickr"), ["dataset", "'scenes-flickr'", "scenes-flickr25k"]),
        (("--dataset", "scenes-flickr25k", "--method", "our"), ["method", "'our'", "ours+con"]),
        (("--dataset", "coco"), ["root", "annotations/"]),
        (("--dataset", "scenes-flickr25k", "--lambda", "-1"), ["lam", "-1"]),
        (("--dataset", "scenes-flickr25k", "--device", "gpu"), ["device", "'gpu'"]),
        (("--dataset", "scenes-flickr25k", "--regions", "grad"), ["regions", "'grad'", "grid"]),
        (("--dataset", "scenes-flickr25k", "--bert", "/nowhere/bert"), ["bert", "'/nowhere/bert'", "no such folder"]),
        (("--dataset", "scenes-flickr25k", "--heads", "checkpoint"), ["heads", "'checkpoint'", "bert"]),
        (("--dataset", "scenes-flickr25k", "--heads", "many"), ["heads", "'many'", "integer"]),
    ],
)
def test_a_mistake_is_one_message_without_traceback(
    arguments: tuple[str, ...],
    named: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(monkeypatch, "train", "--scale", "smoke", *arguments) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith("error: ") and "Traceback" not in shown.err
    assert all(word in shown.err for word in named), shown.err


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ("nonsense", "No such command 'nonsense'"),
        ("train --dataset x --scale huge", "'--scale'.*'huge'.*'smoke', 'laptop', 'full'"),
        ("train", "'--dataset'"),
        ("train --nope", "--nope"),
        ("train --dataset", "'--dataset'"),
        ("train --dataset x --seed 1.5", "'--seed'"),
        ("search", "'model'"),
        ("search a b --texts c --text d", r"\(b\)"),
        ("data show x --texts -1", "'--texts'"),
        ("data shown", "No such command 'shown'"),
    ],
)
def test_what_is_typed_wrong_is_one_line(
    arguments: str, named: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, *arguments.split()) == 2
    shown = capsys.readouterr()
    assert shown.out == "" and re.fullmatch(rf"error: .*{named}.*\n", shown.err), shown.err


@pytest.mark.parametrize(
    "arguments",
    [
        "data prepare y={long}",
        "data show coco --root {long}",
        "data show scenes-flickr25k --scale smoke --texts 1 --tokens {long}",
        "data forget {long}",
        "eval {long}",
        "grid {long}",
    ],
)
def test_a_name_that_no_file_can_have_is_one_line(
    arguments: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    cache_folder("data")  # where there is none, no name in it is too long
    assert run(monkeypatch, *arguments.format(long="y" * 300).split()) == 2
    shown = capsys.readouterr()
    assert shown.out == "" and re.fullmatch(r"error: [^ ]*yyyy: .*File name too long.*\n", shown.err), shown.err
    assert "kept" not in shown.err


@pytest.mark.parametrize("arguments", [(), ("data",)])
def test_a_command_without_arguments_shows_its_help(
    arguments: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, *arguments) == 2
    assert capsys.readouterr().err.startswith("Usage: ")


def test_an_interrupted_command_exits_as_a_shell_expects(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("semshare.cli.check.findings", interrupted)
    assert run(monkeypatch, "check") == 130


@pytest.mark.slow
def test_train_prints_json_alone_on_standard_output(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "train", "--dataset", "scenes-flickr25k", "--scale", "smoke", "--json") == 0
    result = json.loads(capsys.readouterr().out)
    assert result["status"] == "stand-in" and result["experiment"]["lam"] == 0.1
    assert 0 < result["test"]["image_f1"] < 1
    low, value, high = (result["gain"]["i2t"][name] for name in ("low", "value", "high"))
    assert low <= value <= high
    assert run(monkeypatch, "train", "--dataset", "scenes-flickr25k", "--scale", "smoke") == 0
    assert "at 0.5" not in capsys.readouterr().out, "it means nothing to Ours"


@pytest.mark.slow
def test_train_takes_a_preset(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ("--dataset", "scenes-flickr25k", "--scale", "smoke", "--preset", "released", "--epochs", "1")
    assert run(monkeypatch, "train", *arguments, "--json") == 0
    experiment = json.loads(capsys.readouterr().out)["experiment"]
    assert experiment["preset"] == "released" and experiment["epochs"] == 1
    assert experiment["block"] == "pre-ln" and experiment["lam"] == 5e-4 and experiment["text_clip"] == 2.0


def test_an_unknown_preset_is_told_with_the_known_ones(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "train", "--dataset", "scenes-flickr25k", "--preset", "theirs") == 2
    shown = capsys.readouterr()
    assert shown.out == "" and "Traceback" not in shown.err
    assert all(word in shown.err for word in ("theirs", "paper", "released"))


@pytest.mark.slow
def test_eval_reads_named_protocols_off_a_run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "train", "--dataset", "scenes-flickr25k", "--scale", "smoke", "--json") == 0
    trained = json.loads(capsys.readouterr().out)
    key, folder = (trained["runs"][0][name] for name in ("key", "folder"))
    chosen = ("--protocol", "ndcg@500", "--protocol", "map")
    assert run(monkeypatch, "eval", key, *chosen, "--json") == 0
    result = json.loads(capsys.readouterr().out)
    assert result["run"] == key and result["status"] == "stand-in"
    assert [one["protocol"] for one in result["protocols"]] == ["ndcg@500", "map"]
    for row in result["protocols"]:
        assert row["description"].endswith(".")
        for direction in ("i2t", "t2i"):
            one = row[direction]
            assert 0 < one["low"] <= one["value"] <= one["high"] < 1 and 0 < one["random"] < 1
            assert one["queries"] <= 64 and all(size <= 64 for size in one["gallery"])
    assert result["protocols"][0]["i2t"]["value"] == pytest.approx(trained["test"]["i2t"])
    # By its folder, as text, in every way that fits.
    assert run(monkeypatch, "eval", folder) == 0
    shown = capsys.readouterr().out
    assert all(f"\n{name}: " in shown for name in ("ndcg@500-released", "ndcg", "acg@500", "recall@10"))
    assert f"run {key}" in shown and "five-folds" not in shown
    for arguments, named in (
        ((key, "--protocol", "ndcg@50"), ["protocol", "'ndcg@50'", "ndcg@500"]),
        ((key, "--protocol", "map-five-folds"), ["protocol", "'map-five-folds'", "scenes-flickr25k"]),
        (("no-such-run",), ["run", "'no-such-run'", "choose from scenes-"]),
    ):
        assert run(monkeypatch, "eval", *arguments) == 2
        error = capsys.readouterr()
        assert error.out == "" and error.err.startswith("error: ") and len(error.err.splitlines()) == 1
        assert all(word in error.err for word in named), error.err


@pytest.mark.slow
def test_several_splits_of_real_photographs_report_their_mean(
    realdata: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    root = str(realdata / "coco")
    arguments = ("train", "--dataset", "coco", "--root", root, "--scale", "smoke", "--splits", "2", "--json")
    assert run(monkeypatch, *arguments) == 0
    result = json.loads(capsys.readouterr().out)
    assert [one["split_seed"] for one in result["runs"]] == [0, 1]
    each = [one["test"]["image_f1"] for one in result["runs"]]
    assert each[0] != each[1]
    assert result["test"]["image_f1"] == pytest.approx(sum(each) / 2)
    assert result["status"] == "subset"
