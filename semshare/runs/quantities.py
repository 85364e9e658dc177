"""What is measured of a run, said once: the names of ``Evaluation.numbers`` with title, unit and protocol."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Quantity:
    """One number of an evaluation.

    Attributes:
        name: its name in ``Evaluation.numbers``, in a run's history and in records.
        title: what tables and figures call it.
        about: what cards call it.
        unit: all are shares, in [0, 1].
        better: whether a higher value is a better one; of what a random ranking gives, neither.
        protocol: the protocol and the direction that read the same number; None where none does.
    """

    name: str
    title: str
    about: str
    unit: Literal["share"] = "share"
    better: Literal["higher", "neither"] = "higher"
    protocol: tuple[str, Literal["i2t", "t2i"]] | None = None


QUANTITIES: dict[str, Quantity] = {
    quantity.name: quantity
    for quantity in (
        Quantity("image_f1", "image Micro-F1", "Micro-F1, images"),
        Quantity("text_f1", "text Micro-F1", "Micro-F1, texts"),
        Quantity("image_f1_at_half", "image Micro-F1 at 0.5", "Micro-F1, images, threshold 0.5"),
        Quantity("text_f1_at_half", "text Micro-F1 at 0.5", "Micro-F1, texts, threshold 0.5"),
        Quantity("i2t", "I2T NDCG@500", "NDCG@500, image to text", protocol=("ndcg@500", "i2t")),
        Quantity(
            "t2i",
            "T2I NDCG@500",
            "NDCG@500, text to image, captions with the released discount",
            protocol=("ndcg@500-released", "t2i"),
        ),
        Quantity(
            "t2i_rank",
            "T2I NDCG@500, ordinary discount",
            "NDCG@500, text to image, ordinary discount",
            protocol=("ndcg@500", "t2i"),
        ),
        Quantity("i2t_random", "I2T at random", "NDCG@500 of a random ranking, image to text", better="neither"),
        Quantity("t2i_random", "T2I at random", "NDCG@500 of a random ranking, text to image", better="neither"),
    )
}
HEADLINE = ("image_f1", "text_f1", "i2t", "t2i")  # what tables, figures and claims are about


def title(name: str) -> str:
    """What tables and figures call the quantity ``name``."""
    return QUANTITIES[name].title
