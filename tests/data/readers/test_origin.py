"""What a collection is and whose work, from a file beside it: read, told everywhere, each mistake named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from semshare.data import catalogue, prepare
from semshare.data.readers.origin import Origin, origin_beside
from semshare.errors import UserError


@pytest.mark.parametrize("name", ["about.yaml", "about.yml", "about.json"])
def test_a_collection_says_what_it_is(name: str, tmp_path: Path) -> None:
    assert origin_beside(tmp_path) == Origin(status=None, attribution=None)
    (tmp_path / name).write_text('{"status": "stand-in", "attribution": "Drawn: <me>"}', encoding="utf-8")
    assert origin_beside(tmp_path) == Origin(status="stand-in", attribution="Drawn: <me>")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("status: drawn\n", "status: found 'drawn', expected real, subset, own or stand-in"),
        (
            "status: simulated\n",
            "status: found 'simulated', expected real, subset, own or stand-in",
        ),  # a reader's alone
        ("attribution: 3\n", "attribution: found '3', expected a text of up to 1,000 characters"),
        ("attribution: ''\n", "attribution: found '', expected a text"),
        ("licence: mine\n", "licence: found 'mine', expected status or attribution"),
        ("- real\n", "expected status and attribution"),
        ("status: [\n", "no YAML"),
        (f"status: {'[' * 80}{']' * 80}\n", "status: found '[[[[[[[...]]]]]]]', expected real, subset, own"),
        (f"attribution: {'x' * 1001}\n", f"attribution: found '{'x' * 60}', expected a text of up to 1,000"),
        ("!!python/object/apply:os.system [ls]\n", "no YAML"),
    ],
)
def test_a_mistake_is_named(content: str, expected: str, tmp_path: Path) -> None:
    path = tmp_path / "about.yaml"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(UserError) as caught:
        origin_beside(tmp_path)
    assert str(path) in str(caught.value) and expected in str(caught.value)


def test_aliases_in_aliases_are_refused_before_they_are_written_out(tmp_path: Path) -> None:
    nested = "&a0 [x]"
    for level in range(1, 20):  # 10^19 letters of 700 bytes
        nested = f"&a{level} [{nested}{f', *a{level - 1}' * 9}]"
    (tmp_path / "about.yaml").write_text(f"attribution: {nested}\n", encoding="utf-8")
    with pytest.raises(UserError, match=r"about[.]yaml: line 1: \*a0 stands for what is written elsewhere"):
        origin_beside(tmp_path)


def test_two_files_are_one_too_many(tmp_path: Path) -> None:
    for name in ("about.yaml", "about.json"):
        (tmp_path / name).write_text('{"status": "real"}', encoding="utf-8")
    with pytest.raises(UserError, match="expected one of them"):
        origin_beside(tmp_path)


@pytest.mark.slow
def test_what_it_says_stands_beside_the_data(own_home: Path, tmp_path: Path) -> None:
    rows = []
    for number in range(10):
        Image.new("RGB", (40, 30), (20 * number, 90, 40)).save(tmp_path / f"{number}.png")
        rows.append({"image": f"{number}.png", "texts": ["a dog"], "labels": [("dog", "sea")[number % 2]]})
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    assert prepare.prepare(f"mine={tmp_path}", say=lambda line: None)["status"] == "own"
    (tmp_path / "about.yaml").write_text("status: stand-in\nattribution: Drawn by me.\n", encoding="utf-8")
    catalogue.forget_loaded()
    made, dataset = prepare.describe("mine"), catalogue.load("mine", "smoke")
    assert (made["status"], made["licence"]) == ("stand-in", "Drawn by me.")
    assert (dataset.status, dataset.attribution) == ("stand-in", "Drawn by me.")
