"""Protocols: the named ways to read retrieval off a finished run, so that a number always says how it was read.

A protocol is a measure and the part of the test split that it is read on. The 1K protocols are COCO's: 1,000 images
of the 5,000 and their captions, the first ones or each fifth of the split in turn.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import torch

from semshare.errors import UserError
from semshare.evaluation import Reading, Retrieval, retrieve
from semshare.metrics import ACG, NDCG, AveragePrecision, Measure, Recall

if TYPE_CHECKING:
    from collections.abc import Sequence

    from semshare.data.catalogue import Entry
    from semshare.data.dataset import Part
    from semshare.experiment import Experiment

Images = Literal["all", "first-1000", "five-folds"]
FIRST, FOLDS = 1000, 5


@dataclass(frozen=True)
class Protocol:
    """A way to read retrieval on a test split.

    Attributes:
        name: what it is called on the command line and on pages.
        description: one sentence for readers.
        measure: with its cut-off, gain and discount; text queries alone have the released discount, and only captions.
        images: all test images; their first 1,000 (all, where there are fewer); or each consecutive fifth, ranked
            by itself. Fifths are equal, so up to four images at the end are left out.
    """

    name: str
    description: str
    measure: Measure
    images: Images = "all"


_MEASURES = (
    Protocol(
        "ndcg@500-released",
        "NDCG@500 as the released code reads it: linear gain, ideal ranking over the whole gallery, discount "
        "log2(rank + 1), but log2(5 (rank - 1) + c + 2) for a query that is an image's caption number c.",
        NDCG(500, discount="coco-released"),
    ),
    Protocol("ndcg@500", "NDCG@500 with linear gain and discount log2(rank + 1) in both directions.", NDCG(500)),
    Protocol(
        "ndcg@500-exponential",
        "NDCG@500 with gain 2^relevance - 1 and discount log2(rank + 1).",
        NDCG(500, gain="exponential"),
    ),
    Protocol("ndcg", "NDCG over the full ranking, linear gain, discount log2(rank + 1).", NDCG(None)),
    Protocol("ndcg@10", "NDCG@10 with linear gain and discount log2(rank + 1).", NDCG(10)),
    Protocol("ndcg@100", "NDCG@100 with linear gain and discount log2(rank + 1).", NDCG(100)),
    Protocol(
        "map",
        "Mean average precision over the full ranking; relevant means at least one shared label, and a query with "
        "nothing relevant is left out.",
        AveragePrecision(),
    ),
    Protocol("acg@100", "The mean number of labels that the first 100 items share with the query.", ACG(100)),
    Protocol("acg@500", "The mean number of labels that the first 500 items share with the query.", ACG(500)),
    Protocol("recall@1", "The share of queries whose first item is of their own pair.", Recall(1)),
    Protocol("recall@5", "The share of queries with an item of their own pair among the first 5.", Recall(5)),
    Protocol("recall@10", "The share of queries with an item of their own pair among the first 10.", Recall(10)),
)
_PARTS: dict[Images, str] = {
    "first-1000": "Queries and gallery are the first 1,000 test images and their captions.",
    "five-folds": "The mean over five folds, consecutive fifths of the test split (of 1,000 images each on COCO5K): "
    "queries rank the items of their own fold.",
}

PROTOCOLS: dict[str, Protocol] = {
    protocol.name: protocol
    for protocol in (
        *_MEASURES,
        *(
            replace(
                measured, name=f"{measured.name}-{images}", description=f"{measured.description} {part}", images=images
            )
            for images, part in _PARTS.items()
            for measured in _MEASURES
        ),
    )
}


def of_evaluation(text_kind: str) -> tuple[str, ...]:
    """The protocols that the evaluation of a run holds already: read off it, and kept once.

    On captions the released discount has a random ranking of its own, which an evaluation does not keep; on tags the
    two are one.
    """
    return ("ndcg@500",) if text_kind == "captions" else ("ndcg@500", "ndcg@500-released")


def get(name: str) -> Protocol:
    """The protocol called ``name``; raises :class:`UserError` listing the known ones."""
    try:
        return PROTOCOLS[name]
    except KeyError:
        raise UserError(f"protocol: unknown {name!r}, expected one of {', '.join(PROTOCOLS)}") from None


def fitting(dataset: Entry) -> list[Protocol]:
    """The protocols that mean something on ``dataset``: those of COCO's parts need captions, and a whole test split."""
    parted = dataset.text_kind == "captions" and dataset.test_size is None
    return [protocol for protocol in PROTOCOLS.values() if parted or protocol.images == "all"]


def choose(names: Sequence[str], dataset: str, entry: Entry) -> dict[str, Protocol]:
    """The protocols ``names`` of ``dataset``, whose ``entry`` the catalogue has, by name.

    Raises:
        UserError: an unknown protocol, or one that does not fit the dataset.
    """
    chosen = {name: get(name) for name in names}
    fit = fitting(entry)
    if unfit := [name for name, protocol in chosen.items() if protocol not in fit]:
        raise UserError(f"protocol: {unfit[0]!r} is of COCO's whole test split, found {dataset!r}")
    return chosen


def read(
    protocols: Sequence[Protocol], reading: Reading, part: Part, text_kind: str, experiment: Experiment
) -> list[Retrieval]:
    """What each of ``protocols`` says of a split's reading, from one ranking of each query in each part of the split.

    Raises:
        UserError: fewer images than folds.
    """
    by_protocol: dict[Protocol, Retrieval] = {}
    for images in dict.fromkeys(protocol.images for protocol in protocols):
        of_part = [protocol for protocol in protocols if protocol.images == images]
        pieces = []
        for start, stop in _spans(images, len(part.image_ids)):
            piece = reading.between(part, start, stop), part.between(start, stop)
            pieces.append(
                ((start, stop), retrieve([protocol.measure for protocol in of_part], *piece, text_kind, experiment))
            )
        for number, protocol in enumerate(of_part):
            by_protocol[protocol] = _joined([(span, of_piece[number]) for span, of_piece in pieces], part)
    return [by_protocol[protocol] for protocol in protocols]


def _spans(images: Images, count: int) -> list[tuple[int, int]]:
    """The rows of the images that are ranked together, from each start to before its stop."""
    if images == "all":
        return [(0, count)]
    if images == "first-1000":
        return [(0, min(FIRST, count))]
    if count < FOLDS:
        raise UserError(f"protocol: {FOLDS} folds need at least {FOLDS} test images, found {count}")
    size = count // FOLDS
    return [(fold * size, (fold + 1) * size) for fold in range(FOLDS)]


def _joined(pieces: Sequence[tuple[tuple[int, int], Retrieval]], part: Part) -> Retrieval:
    """The pieces' values in their places among all of the split's queries, NaN for those in none."""

    def values(name: Literal["i2t", "t2i", "i2t_random", "t2i_random"]) -> torch.Tensor:
        images = torch.arange(len(part.image_ids)) if name.startswith("i2t") else part.owner
        whole = torch.full((len(images),), torch.nan, dtype=torch.float64)
        for (start, stop), piece in pieces:
            whole[(images >= start) & (images < stop)] = getattr(piece, name)
        return whole

    names = ("i2t", "t2i", "i2t_random", "t2i_random")
    return Retrieval(*map(values, names), gallery=torch.cat([piece.gallery for _, piece in pieces]))
