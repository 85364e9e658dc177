"""The command line: a user's mistake is one clear message, results come as JSON, the check tells the truth."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from types import SimpleNamespace

import pytest
from commands import run

from semshare.cli import check


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


def test_check_passes_here_one_line_each(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(monkeypatch, "check") == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 10 and all(line.startswith("[ok] ") for line in lines)


def test_check_names_a_library_that_is_missing_or_does_not_fit_wherever_it_is_needed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    needs = {
        "semshare": ["torch>=2.11,<3", "transformers>=5.0,<6", "faiss-cpu>=1; extra == 'search'"],
        "torch": ["sympy>=1.13"],
        "sympy": ["torch"],  # in a circle
        "transformers": ["tokenizers[fast]>=0.22,<0.23"],
        "tokenizers": ["hub>=1; extra == 'fast'", "nothing; python_version < '3'"],
    }
    versions = {"semshare": "0.1", "torch": "3.1", "sympy": "1.14rc1", "transformers": "5.1", "tokenizers": "0.22.1"}

    def installed(name: str) -> str:
        if name not in versions:
            raise PackageNotFoundError(name)
        return versions[name]

    monkeypatch.setattr(check, "version", installed)
    monkeypatch.setattr(check, "distribution", lambda name: SimpleNamespace(requires=needs.get(name)))
    assert list(check._unfit("semshare", (), {})) == [
        "semshare needs torch<3,>=2.11, found 3.1", "tokenizers needs hub>=1, found none"
    ]  # fmt: skip


def test_check_takes_no_time_to_import_transformers() -> None:
    script = "import sys\nfrom semshare.cli.check import findings\n"
    script += "print([f.ok for f in findings()].count(False), 'transformers' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, encoding="utf-8", check=True)
    assert done.stdout.split()[-2:] == ["0", "False"]


def test_check_fails_with_the_reason_and_goes_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("not a folder", encoding="utf-8")
    monkeypatch.setenv("SEMSHARE_HOME", str(blocked / "home"))
    monkeypatch.setattr(check, "_NEEDED_GB", 10**9)
    assert run(monkeypatch, "check") == 1
    lines = capsys.readouterr().out.splitlines()
    failed = [line for line in lines if line.startswith("[fail] ")]
    assert len(lines) == 10 and len(failed) == 2
    assert "SEMSHARE_HOME" in failed[0] and "write access" in failed[1]
