"""What readers of every page and card are told of the data, in a few words."""

from __future__ import annotations

from typing import Literal

Status = Literal["real", "subset", "own", "simulated", "stand-in"]

# By a source's status: what the data is.
STATUS: dict[Status, str] = {
    "real": "the real dataset",
    "subset": "a subset of the real dataset",
    "own": "a collection of its own, not known as a published dataset",
    "simulated": "real text and labels, simulated regions",
    "stand-in": "a drawn stand-in, not the real dataset",
}
# By a source's status: what that means for the numbers.
LIMITS: dict[Status, str] = {
    "real": "The photographs and texts carry the habits of those who made and chose them.",
    "subset": "The data is a part of the real dataset: numbers on it are not comparable with those on the whole.",
    "own": "Nothing beside the data says what it is: numbers on it say something of this collection alone.",
    "simulated": "Regions are drawn from labels, no picture was looked at: image measures are no claim about pictures.",
    "stand-in": "The pictures are drawings and the texts are generated: every number here is a number about drawings.",
}
