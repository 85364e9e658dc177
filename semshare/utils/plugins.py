"""What other packages bring: the entry points of a group, used one after another."""

from __future__ import annotations

from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any

from semshare.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable


def use_entry_points(group: str, what: str, use: Callable[[Any], object]) -> None:
    """Load every entry point of ``group`` and hand it to ``use``.

    Raises:
        UserError: one cannot be loaded or used; the message begins with ``what`` it was to be.
    """
    for point in entry_points(group=group):
        try:
            use(point.load())
        except UserError:
            raise
        except Exception as error:  # other people's code
            raise UserError(f"{what}: {point.value} of another package cannot be loaded: {error}") from None
