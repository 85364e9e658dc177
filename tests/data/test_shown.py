"""What texts became, as `semshare data show --texts` tells it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from commands import run
from PIL import Image

from semshare.data import prepare
from semshare.data.catalogue import vocabulary_of
from semshare.data.shown import as_lines, spread, words_of_texts
from semshare.data.source import Item
from semshare.data.tokens import OWN
from semshare.data.words import SPECIAL


def items(**sizes: int) -> list[Item]:
    """As many items of each split as ``sizes`` says, their texts ``train 0``, ``train 1``..."""
    return [
        Item(f"{split}-{row}", (f"{split} {row}",), (), split) for split, size in sizes.items() for row in range(size)
    ]


@pytest.mark.parametrize(
    ("sizes", "count", "expected"),
    [
        ((10, 10, 10), 5, ["train-0", "train-5", "dev-0", "dev-5", "test-0"]),
        ((9, 2, 4), 7, ["train-0", "train-3", "train-6", "dev-0", "dev-1", "test-0", "test-2"]),
        ((8, 1, 0), 5, ["train-0", "train-2", "train-4", "train-6", "dev-0"]),
        ((2, 1, 1), 50, ["train-0", "train-1", "dev-0", "test-0"]),
        ((3, 3, 3), 1, ["train-0"]),
        ((3, 3, 3), 0, []),
    ],
)
def test_items_are_spread_evenly_over_the_splits(sizes: tuple[int, ...], count: int, expected: list[str]) -> None:
    chosen = spread(items(**dict(zip(("train", "dev", "test"), sizes, strict=True))), count)
    assert [item.id for item in chosen] == expected


ROWS = (
    ("train", ["Cafe\u0301 &amp; a dog\u2019s\tbowl"], ["in\x1b[31mside"]),
    ("train", ["dog " * 150, "a \x1b]0;title\x07cat"], ["out"]),
    ("dev", ["CAF\u00c9, Zebra!"], ["out"]),
    ("test", ["..."], ["out"]),
)


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    """A collection of four pictures whose texts hold what words are made of and what harms."""
    lines = []
    for row, (split, texts, labels) in enumerate(ROWS):
        Image.new("RGB", (8, 8), (row, 0, 0)).save(tmp_path / f"{row}.png")
        lines.append(json.dumps({"image": f"{row}.png", "texts": texts, "labels": labels, "split": split}))
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def test_a_text_is_shown_as_it_stands_and_as_its_words(
    rows: Path, own_home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "data", "show", "custom", "--root", rows, "--texts", 4, "--json") == 0
    shown = {item["item"]: item for item in json.loads(capsys.readouterr().out)["texts"]}
    assert [item["split"] for item in shown.values()] == ["train", "train", "dev", "test"]
    first, second, third, fourth = shown.values()
    assert first["labels"] == ["in\x1b[31mside"]
    assert first["texts"] == [
        {
            "text": "Cafe\u0301 &amp; a dog\u2019s\tbowl",
            "words": ["caf\u00e9", "a", "dog's", "bowl"],
            "unknown": [],
            "not_read": 0,
        }
    ]
    # A text is read to 150 words, <start> and <end> among them.
    assert second["texts"][0]["words"] == ["dog"] * 148 and second["texts"][0]["not_read"] == 2
    # What only dev says is not in the vocabulary.
    assert third["texts"][0]["words"] == ["caf\u00e9", "zebra"] and third["texts"][0]["unknown"] == ["zebra"]
    assert fourth["texts"][0]["words"] == []


def test_on_a_terminal_unknown_words_are_marked_and_control_characters_are_escaped(
    rows: Path, own_home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "data", "show", "custom", "--root", rows, "--texts", 4) == 0
    shown = capsys.readouterr().out
    assert "    words: café [zebra]\n" in shown and "    words: none\n" in shown
    assert "    text:  Cafe\u0301 &amp; a dog\u2019s\\tbowl\n" in shown
    assert "\\x1b]0;title\\x07cat" in shown and "labels: in\\x1b[31mside" in shown
    assert " dog ... and 2 more, which are not read\n" in shown
    assert not any(one in shown for one in "\x1b\x07\t\r")
    assert run(monkeypatch, "data", "show", "custom", "--root", rows) == 0
    assert "zebra" not in capsys.readouterr().out, "texts were not asked for"


@pytest.mark.parametrize("count", ["0.5", "-1", "many"])
def test_what_is_no_number_of_items_is_refused(
    count: str, rows: Path, own_home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "data", "show", "custom", "--root", rows, "--texts", count) == 2
    assert "--texts" in capsys.readouterr().err


def test_the_vocabulary_is_of_the_training_texts_and_of_many_captions_without_rare_words() -> None:
    few = [*items(train=3, dev=1), Item("x", ("rare often often",), (), "train")]
    assert vocabulary_of(few, "captions", OWN)[1].words[len(SPECIAL) :] == ("train", "often", "0", "1", "2", "rare")
    many = [Item(str(row), ("often",), (), "train") for row in range(10_001)]
    many += [Item(f"three {row}", ("rare",), (), "train") for row in range(3)]
    assert vocabulary_of(many, "captions", OWN)[1].words[len(SPECIAL) :] == ("often",)
    assert vocabulary_of(many, "tags", OWN)[1].words[len(SPECIAL) :] == ("often", "rare")


def test_a_dataset_with_a_test_split_of_its_own_shows_no_other_items() -> None:
    found = prepare.describe("scenes-coco1k", scale="smoke", texts=9)
    assert len(found["texts"]) == 9 and all(len(item["texts"]) == 5 for item in found["texts"])
    assert "  texts of 9 items; " in "\n".join(as_lines(found["texts"]))


def test_nothing_to_show_is_no_error() -> None:
    class Nothing:
        text_kind = "tags"

    assert words_of_texts(Nothing(), [], OWN, 5) == []
