"""Retrieval read by protocols, of runs live and recorded: what its intervals are made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from semshare.paper import oracles
from semshare.runs.intervals import by_query
from semshare.runs.keys import reading_key

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from semshare.evaluation import Retrieval
    from semshare.paper.failures import Direction
    from semshare.paper.recordings import RecordedRun
    from semshare.runs.intervals import Scored
    from semshare.runs.store import Run

RECORDED = ("ndcg@500-released", "ndcg@500", "map")  # the protocols that a recording keeps
DIRECTIONS: tuple[Direction, ...] = ("i2t", "t2i")


@dataclass(frozen=True)
class Queries:
    """What a protocol reads in one direction.

    Attributes:
        scored: its values by test image, under the name ``query``.
        random: what a random ranking of the same gallery is expected to give, the mean over queries.
    """

    scored: Scored
    random: float


Columns = dict[tuple[str, "Direction"], Queries]


def of(run: Run | RecordedRun, names: Sequence[str]) -> Columns:
    """What the protocols ``names`` read off ``run``, by protocol and direction; a recorded run has what it kept."""
    kept = getattr(run, "queries", None)
    if kept is None:
        return _of(run, run.retrieval(names))
    return {column: queries for column, queries in kept.items() if column[0] in names}


def _of(run: Run, read: Mapping[str, Retrieval]) -> Columns:
    part, key = run.dataset.parts["test"], reading_key(run.key, run.experiment)
    owners = {"i2t": torch.arange(len(part.image_ids)), "t2i": part.owner}
    return {
        (name, direction): Queries(
            by_query(getattr(retrieval, direction), owners[direction], key, run.seeded),
            float(getattr(retrieval, f"{direction}_random").nanmean()),
        )
        for name, retrieval in read.items()
        for direction in DIRECTIONS
    }


def oracle_rows(ours: Sequence[Run | RecordedRun], names: Sequence[str]) -> dict[str, list[Columns]]:
    """The rows of :mod:`semshare.paper.oracles` from the runs of *Ours*; none from recorded ones, which lack items."""
    if not ours or hasattr(ours[0], "queries"):
        return {}
    return {
        row: [_of(run, oracles.retrieval(run, known, names)) for run in ours] for row, known in oracles.ROWS.items()
    }
