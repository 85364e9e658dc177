"""What is odd about a dataset is told in a line each, and a dataset without oddities in none."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from commands import run
from feature_files import array_rows
from PIL import Image

from semshare.data.oddities import oddities
from semshare.data.source import Item
from semshare.data.tokens import OWN

ITEMS = [
    Item(
        f"{n}",
        (f"A dog number {n % 5} of row {n // 5 % 6}.",),
        ("dog", "sea"),
        ("train", "train", "train", "dev", "test")[n // 6],
    )
    for n in range(30)
]
PICTURES = {item.id: f"digest {item.id}" for item in ITEMS}


def _odd(items: list[Item], text_kind: str = "captions", pictures: dict = PICTURES) -> list[str]:
    return oddities(items, ("dog", "sea"), text_kind, OWN, pictures)


def _with(number: int, **fields: object) -> list[Item]:
    return [*ITEMS[:number], replace(ITEMS[number], **fields), *ITEMS[number + 1 :]]


def test_nothing_odd_gives_no_line() -> None:
    assert _odd(ITEMS) == [] and _odd(ITEMS, pictures={}) == []


def test_lists_that_were_taken_for_one_label_are_told() -> None:
    names = ("airplane, person", "cup, fork", "dog")
    items = [replace(item, labels=names) for item in ITEMS]
    (line,) = oddities(items, names, "captions", OWN, PICTURES)
    assert line == (
        "2 of 3 labels hold a comma, as 'airplane, person': if they are several each, separate them by ; in CSV, or "
        "list them in JSONL"
    )
    names = ("airplane, person", "cup", "dog")
    assert oddities([replace(item, labels=names) for item in ITEMS], names, "captions", OWN, PICTURES) == []


@pytest.mark.parametrize(
    ("items", "expected"),
    [
        (_with(4, labels=()), "1 item has no label: 4"),
        (
            _with(4, texts=(ITEMS[9].texts[0].upper(),)),
            "1 of 29 texts stands at more than one item: a dog number 4 of row",
        ),
        (_with(29, texts=("Zwei Katzen",)), "1 text holds no word that the training texts have: that of 29"),
        (
            [replace(item, texts=("A dog.",)) for item in ITEMS],
            "all 30 items have the same text: nothing can be learnt from it",
        ),
    ],
)
def test_what_is_odd_of_labels_and_texts_is_told(items: list[Item], expected: str) -> None:
    (line,) = _odd(items)
    assert line.startswith(expected)


def test_tags_may_come_again_but_not_everywhere() -> None:
    assert _odd(_with(4, texts=ITEMS[9].texts), "tags") == []
    assert "same text" in _odd([replace(item, texts=("dog",)) for item in ITEMS], "tags")[0]


def test_rare_labels_are_counted() -> None:
    items = [replace(item, labels=("dog",) if int(item.id) > 3 else ("sea",)) for item in ITEMS]
    assert _odd(items) == ["1 of 2 labels has fewer than 5 pictures: sea (4)"]


def test_pictures_of_one_content_are_told_and_more_loudly_across_splits() -> None:
    (line,) = _odd(ITEMS, pictures=PICTURES | {"1": PICTURES["0"]})
    assert line == "1 picture is there more than once by content: 0 = 1"
    (line,) = _odd(ITEMS, pictures=PICTURES | {"29": PICTURES["0"]})
    assert "1 of them in more than one split: what is tested was trained on: 0 = 29" in line


def test_they_are_printed_after_data_prepare(
    tmp_path: Path, own_home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    root = array_rows(tmp_path / "own", count=8, labels=["dog", "rare"])
    assert run(monkeypatch, "data", "prepare", f"mine={root}") == 0
    out = capsys.readouterr().out
    assert "  odd: 2 of 3 labels have fewer than 5 pictures: rare (1), sea (4)\n" in out
    assert "  odd: 1 of 9 texts stands at more than one item: it is wet.\n" in out


@pytest.mark.slow
def test_two_files_of_one_picture_are_seen_by_data_prepare(
    tmp_path: Path, own_home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(6):
        picture = tmp_path / "own" / "dog" / f"{number}.png"
        picture.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (40, 30), (40 * (number // 2), 90, 40)).save(picture)
        picture.with_suffix(".txt").write_text(f"A dog {number} on a field.\n", encoding="utf-8")
    assert run(monkeypatch, "data", "prepare", f"mine={tmp_path / 'own'}") == 0
    assert "  odd: 3 pictures are there more than once by content" in capsys.readouterr().out
