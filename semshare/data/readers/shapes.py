"""Pictures whose shape is not the one that their annotations give: mostly other pictures under the same names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from semshare.data.files import name_few
from semshare.data.pictures import picture_size
from semshare.errors import UserError
from semshare.utils.counts import counted

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_FAR_OFF = 0.1  # by which two ratios of sides may differ: a small copy's sides are rounded


def shape_notes(where: Path, pictures: Iterable[tuple[str, Path, tuple[float, float]]]) -> list[str]:
    """A note that lists the ``pictures`` of another shape than they should have; none where all have theirs.

    A smaller or larger copy has the same shape, and so has one turned by a quarter: files say either. What cannot be
    opened is told where it is read.

    Args:
        where: the folder that the note names.
        pictures: of each its name, its file, and the width and height that the annotations give.
    """
    strange = [name for name, file, size in pictures if _is_another(file, size)]
    if not strange:
        return []
    count = counted(len(strange), "picture has", "pictures have")
    return [
        f"{where}: {count} another shape than the annotations say (cropped, or not that picture), used all the same: "
        f"{name_few(strange)}"
    ]


def _is_another(file: Path, size: tuple[float, float]) -> bool:
    try:
        found = picture_size(file)
    except UserError:
        return False
    ratio, expected = (max(sides) / min(sides) for sides in (found, size))
    return abs(ratio / expected - 1) > _FAR_OFF
