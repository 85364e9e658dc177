"""Recorded retrieval failures: by labels, kinds and the pictures' ids, with neither picture nor caption."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING, Any

from semshare.paper import failures
from semshare.utils.extras import extra

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from pandas.io.formats.style import Styler
    from torch import Tensor

    from semshare.paper.failures import Direction, Failures
    from semshare.runs.store import Run

_DIRECTIONS: tuple[Direction, ...] = ("i2t", "t2i")
_COCO_PAGE = "https://cocodataset.org/#explore?id={}"  # COCO's own page of a picture


def rows(run: Run) -> dict[str, Any]:
    """What a recording keeps of the failures of ``run`` on its test split, ready for JSON.

    Of each direction how many of the first items are wrong, by kind the share among them and among random wrong ones,
    and the queries of :func:`semshare.paper.failures.examples` with what was retrieved for them, best first.
    """
    kept: dict[str, Any] = {"run": run.key}
    for direction in _DIRECTIONS:
        of_direction = failures.find(run, direction)
        kept[direction] = {
            "wrong": int(of_direction.wrong.sum()),
            "shares": _shares(of_direction) if of_direction.wrong.any() else {},
            "examples": [_example(run, of_direction, query) for query in failures.examples(of_direction)],
        }
    return kept


def _shares(of_direction: Failures) -> dict[str, list[float]]:
    return {
        kind: [round(of_direction.share(kind), 5), round(of_direction.chance_share(kind), 5)] for kind in failures.KINDS
    }


def _example(run: Run, of_direction: Failures, query: int) -> dict[str, Any]:
    part = run.dataset.parts["test"]
    owner = (
        part.owner if of_direction.direction == "i2t" else range(len(part.image_ids))
    )  # the picture of a retrieved item
    retrieved = []
    for rank, row in enumerate(of_direction.retrieved[query].tolist()):
        kinds = [failures.TITLES[kind] for kind in failures.KINDS if of_direction.kinds[kind][query, rank]]
        retrieved.append(_item(run, int(owner[row])) | {"kinds": kinds})
    return _item(run, int(of_direction.owner[query])) | {"retrieved": retrieved}


def _item(run: Run, image: int) -> dict[str, Any]:
    part = run.dataset.parts["test"]
    return {"id": part.image_ids[image], "labels": _labels(part.labels[image], run.dataset.label_names)}


def _labels(row: Tensor, names: Sequence[str]) -> list[str]:
    return [names[column] for column in row.nonzero().flatten().tolist()]


def shares_table(recorded: dict[str, Any]) -> pd.DataFrame:
    """By direction and kind the share among wrong retrieved items and among random wrong ones, as :func:`rows` has it.

    As :func:`semshare.paper.tables.failure_shares` of the run itself.
    """
    with extra("book"):
        import pandas as pd
    table = [
        (direction.upper(), failures.TITLES[kind], here, chance, recorded[direction]["wrong"])
        for direction in _DIRECTIONS
        for kind, (here, chance) in recorded[direction]["shares"].items()
    ]
    columns = ["direction", "kind", "retrieved", "random", "wrong items"]
    return pd.DataFrame(table, columns=columns).set_index(columns[:2])


def examples_table(recorded: dict[str, Any], direction: Direction) -> pd.DataFrame:
    """The recorded examples of a direction, a row a retrieved item; a picture is the address of COCO's page of it."""
    with extra("book"):
        import pandas as pd
    table = [
        (
            _COCO_PAGE.format(query["id"]),
            ", ".join(query["labels"]),
            rank,
            _COCO_PAGE.format(item["id"]),
            ", ".join(item["labels"]),
            " and ".join(item["kinds"]) or "right",
        )
        for query in recorded[direction]["examples"]
        for rank, item in enumerate(query["retrieved"], 1)
    ]
    return pd.DataFrame(table, columns=["query", "its labels", "rank", "retrieved", "labels", "kind"])


def linked(table: pd.DataFrame) -> Styler:
    """``table`` of :func:`examples_table`, escaped, an address shown as a link that says the picture's id."""

    def link(address: str) -> str:
        id = address.rpartition("=")[2]
        return f'<a href="{html.escape(address)}">{html.escape(id)}</a>'

    styled = table.style.format(escape="html").format(link, subset=["query", "retrieved"])
    return styled.hide(axis="index").set_table_attributes("class='dense'")
