"""Retrieval failures: which retrieved items are wrong, and of which kind (supplementary, section 4).

An item is wrong when it shares no label with the query. The supplementary names two kinds, which are told apart
here by computation: *semantic*, the classifier scores one of the query's labels highly on the wrong item;
*super-class*, one of the item's labels has a super-category in common with one of the query's. An item can be
both; *other* is neither.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor
from torch.nn.functional import normalize

from semshare.errors import UserError
from semshare.metrics import above
from semshare.ranking import rank
from semshare.runs.intervals import Scored

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from semshare.runs.store import Run

Direction = Literal["i2t", "t2i"]
TOP: dict[Direction, int] = {"i2t": 5, "t2i": 3}  # how many items Fig. 2 shows a query
TITLES = {"semantic": "semantic", "superclass": "super-class", "other": "other"}  # of each kind
KINDS = tuple(TITLES)
_BLOCK = 256


@dataclass(frozen=True)
class Failures:
    """The first K items retrieved for each of Q queries, and what went wrong with them.

    Attributes:
        direction: ``i2t`` (image queries, sentences retrieved) or ``t2i``.
        owner: [Q] the image a query is, or belongs to.
        retrieved: [Q, K] rows of the gallery.
        wrong: [Q, K] bool.
        kinds: for each of ``KINDS`` a [Q, K] bool, True only where the item is wrong.
        chance: for each of ``KINDS`` [Q], the share of that kind among all wrong items of the gallery: what a
            wrong item drawn at random would be. NaN for a query to which nothing in the gallery is wrong.
    """

    direction: Direction
    owner: Tensor
    retrieved: Tensor
    wrong: Tensor
    kinds: Mapping[str, Tensor]
    chance: Mapping[str, Tensor]

    def share(self, kind: str) -> float:
        """The share of ``kind`` among the wrong retrieved items; NaN when nothing is wrong."""
        return float(self.kinds[kind].sum() / self.wrong.sum())

    def chance_share(self, kind: str) -> float:
        """The same share among random wrong items, each query weighing as much as it has failures."""
        failures = self.wrong.sum(1)
        return float((self.chance[kind].nan_to_num() * failures).sum() / failures.sum())


def supercategory_members(label_names: Sequence[str], supercategories: Mapping[str, str]) -> tuple[list[str], Tensor]:
    """The super-categories in order of first appearance, and [C, P] 0/1 which label belongs to which.

    Raises:
        UserError: the label set has no super-categories.
    """
    if not supercategories:
        raise UserError(
            "failures: these labels have no super-categories; put supercategories.yaml beside the collection, or "
            "take a COCO dataset"
        )
    names = list(dict.fromkeys(supercategories[label] for label in label_names))
    members = torch.zeros(len(label_names), len(names))
    for row, label in enumerate(label_names):
        members[row, names.index(supercategories[label])] = 1
    return names, members


def find(run: Run, direction: Direction) -> Failures:
    """The failures of ``run`` on its test split; the gallery of ``i2t`` is all captions."""
    part, reading, thresholds = run.dataset.parts["test"], run.reading("test"), run.thresholds
    _, members = supercategory_members(run.dataset.label_names, run.dataset.supercategories)
    image = (reading.image, part.labels, above(reading.image_scores, thresholds.image))
    text = (reading.text, part.text_labels, above(reading.text_scores, thresholds.text))
    (query, query_labels, _), (gallery, gallery_labels, high) = (image, text) if direction == "i2t" else (text, image)
    if run.experiment.ranking == "cosine":
        query, gallery = normalize(query, dim=1), normalize(gallery, dim=1)
    gallery_super = (gallery_labels @ members > 0).float()

    columns: dict[str, list[Tensor]] = {"retrieved": [], "wrong": []}
    kinds: dict[str, list[Tensor]] = {kind: [] for kind in KINDS}
    chance: dict[str, list[Tensor]] = {kind: [] for kind in KINDS}
    for labels, embedding in zip(query_labels.split(_BLOCK), query.split(_BLOCK), strict=True):
        wrong = labels @ gallery_labels.T == 0
        semantic = (labels @ high.float().T > 0) & wrong
        superclass = ((labels @ members > 0).float() @ gallery_super.T > 0) & wrong
        of_kind = {"semantic": semantic, "superclass": superclass, "other": wrong & ~semantic & ~superclass}
        top = rank(embedding @ gallery.T, TOP[direction])
        columns["retrieved"].append(top)
        columns["wrong"].append(wrong.gather(1, top))
        for kind, where in of_kind.items():
            kinds[kind].append(where.gather(1, top))
            chance[kind].append(where.sum(1) / wrong.sum(1))
    return Failures(
        direction,
        torch.arange(len(query)) if direction == "i2t" else part.owner,
        torch.cat(columns["retrieved"]),
        torch.cat(columns["wrong"]),
        {kind: torch.cat(values) for kind, values in kinds.items()},
        {kind: torch.cat(values) for kind, values in chance.items()},
    )


def scored(failures: Failures, key: str) -> Scored:
    """Of each of ``KINDS``, its share among wrong retrieved items minus that among random wrong ones, by image.

    ``key`` is the run's.
    """
    wrong = failures.wrong.sum(1).double()
    images = int(failures.owner.max()) + 1
    sums = {}
    for kind in KINDS:
        excess = failures.kinds[kind].sum(1) - wrong * failures.chance[kind].nan_to_num().double()
        rows = torch.zeros(images, 2, dtype=torch.double)
        sums[kind] = rows.index_add_(0, failures.owner, torch.stack([excess, wrong], 1)).numpy()
    return Scored(key, sums)


def confusion(run: Run, failures: Failures) -> tuple[list[str], Tensor]:
    """Which super-category is retrieved for which: names and [P, P], rows the query's, columns the wrong item's.

    A value is how often a wrong item shows the column's super-category for a query of the row's, each row
    summing to 1; a row without failures is 0.
    """
    part = run.dataset.parts["test"]
    names, members = supercategory_members(run.dataset.label_names, run.dataset.supercategories)
    image, text = (part.labels @ members > 0).float(), (part.text_labels @ members > 0).float()
    query, gallery = (image, text) if failures.direction == "i2t" else (text, image)
    counts = torch.zeros(len(names), len(names))
    for row in torch.nonzero(failures.wrong.any(1)).flatten().tolist():
        items = gallery[failures.retrieved[row][failures.wrong[row]]]
        counts += torch.outer(query[row], items.sum(0))
    return names, counts / counts.sum(1, keepdim=True).clamp(min=1)


def examples(failures: Failures) -> list[int]:
    """Queries to show: for each kind the first query with a failure of it and something right beside it."""
    chosen: list[int] = []
    for kind in KINDS:
        rows = (failures.kinds[kind].any(1) & ~failures.wrong.all(1)).nonzero().flatten().tolist()
        chosen += [row for row in rows if row not in chosen][:1]
    return chosen
