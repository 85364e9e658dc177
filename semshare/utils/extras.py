"""Optional dependencies: an import that lacks one says which extra brings it."""

from __future__ import annotations

from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING

from semshare.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterator


class MissingExtraError(UserError, ImportError):
    """A package that one of semshare's extras brings is not installed; the message says how to install it."""


@contextmanager
def extra(name: str) -> Iterator[None]:
    """Import packages of the extra ``name`` in the body of a ``with`` statement.

    Raises:
        MissingExtraError: one of them is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if not package or package == "semshare":  # a mistake of ours
            raise
        raise MissingExtraError(
            f"{package} is not installed, install it with: pip install 'semshare[{name}]'"
        ) from None


def needs(name: str, *packages: str) -> None:
    """Check that ``packages``, which the extra ``name`` brings, are installed, without importing them.

    Raises:
        MissingExtraError: one of them is not installed.
    """
    with extra(name):
        for package in packages:
            if find_spec(package) is None:
                raise ModuleNotFoundError(name=package)
