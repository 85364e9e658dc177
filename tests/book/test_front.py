"""What the first page says of the data: never drawings where there are photographs, never the other way round."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from semshare.book import front

TEXTS = Path(__file__).resolve().parent.parent.parent / "book" / "_front"


def _executed(folder: Path, number: int, **datasets: str) -> Path:
    path = folder / f"{number:02d}.ipynb"
    data = [{"name": name, "status": status} for name, status in datasets.items()]
    path.write_text(json.dumps({"metadata": {"semshare": {"data": data} if data else {}}}), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("datasets", "said", "unsaid"),
    [
        ({"scenes": "stand-in"}, ["numbers about drawings", "OpenMoji", "never the heights"], ["real dataset"]),
        ({"coco5k": "real"}, ["`coco5k`, the real dataset", "habits of those who made"], ["drawing", "OpenMoji"]),
        (
            {"coco5k": "subset", "scenes": "stand-in"},
            ["`coco5k`, a subset of the real dataset; `scenes`, a drawn stand-in", "not comparable", "about drawings"],
            ["These are numbers about drawings"],
        ),
        ({}, ["Nothing has been computed yet"], ["drawing", "real"]),
    ],
)
def test_the_box_names_what_the_sections_were_made_from(
    datasets: dict[str, str], said: list[str], unsaid: list[str], tmp_path: Path
) -> None:
    box = front.data_box([_executed(tmp_path, 0, **datasets), _executed(tmp_path, 1)], TEXTS)
    assert [one for one in said if one not in box] == [] and [one for one in unsaid if one in box] == []
    assert "{doc}`status page <sections/status>`" in box
