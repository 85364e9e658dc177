"""A source from outside, checked before anything is made of it: its attributes and the types of what it gives."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_args

from semshare.data.about import STATUS
from semshare.data.source import Item
from semshare.data.text_kinds import TextKind
from semshare.errors import UserError

if TYPE_CHECKING:
    from semshare.data.source import Source


def checked(name: str, source: Source) -> Source:
    """``source``, if what it says and its items are of the types that a dataset, here ``name``, is made of.

    Raises:
        UserError: an attribute of the source, or a field of an item, that is missing or of another type.
    """
    _check_one_of(name, source, "text_kind", get_args(TextKind))
    _check_one_of(name, source, "status", tuple(STATUS))
    for attribute in ("pool", "attribution"):
        value = getattr(source, attribute, None)
        if not isinstance(value, str) or not value:
            raise UserError(f"{name}: {attribute} of {_of(source)}: {_found(value)}, expected a text")
    if not _are_texts(label_names := getattr(source, "label_names", None)):
        raise UserError(f"{name}: label_names of {_of(source)}: {_found(label_names)}, expected a tuple of texts")
    items = source.items()
    if not isinstance(items, list):
        raise UserError(f"{name}: items() of {_of(source)}: {_found(items)}, expected a list of Item")
    for number, item in enumerate(items):
        if not isinstance(item, Item) or not isinstance(item.id, str):
            wrong = f"its id {_found(item.id)}, expected a text" if isinstance(item, Item) else _found(item)
            raise UserError(f"{name}: items()[{number}] of {_of(source)}: {wrong}, expected an Item")
        for field in ("texts", "labels"):
            if not _are_texts(value := getattr(item, field)):
                raise UserError(f"{name}: {field} of item {item.id!r}: {_found(value)}, expected a tuple of texts")
    return source


def _check_one_of(name: str, source: Source, attribute: str, expected: tuple[str, ...]) -> None:
    value = getattr(source, attribute, None)
    if value not in expected:
        raise UserError(f"{name}: {attribute} of {_of(source)}: {_found(value)}, expected one of {', '.join(expected)}")


def _are_texts(value: Any) -> bool:
    return isinstance(value, tuple | list) and all(isinstance(item, str) for item in value)


def _of(source: Source) -> str:
    return type(source).__name__


def _found(value: Any) -> str:
    if value is None:
        return "missing"
    return f"found {repr(value)[:60]}, of type {type(value).__name__}"
