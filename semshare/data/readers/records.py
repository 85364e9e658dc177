"""Records of a JSON file, column by column; a value of the wrong type is named with its place and its type."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from semshare.errors import UserError
from semshare.utils.text_files import read_text

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

_KINDS = {int: "a whole number", str: "a text", list: "a list"}


class Records:
    """A list of objects in a JSON file."""

    def __init__(self, path: Path, section: str, content: list[Any]) -> None:
        """Name the list ``content`` of the file ``path`` by the ``section`` it stands in, e.g. ``images``."""
        self.path, self.section, self.content = path, section, content

    def __len__(self) -> int:
        return len(self.content)

    def column(self, name: str, kind: type, missing: Any = None) -> list[Any]:
        """The field ``name`` of every record; ``missing`` where a record has none or null, if it is given.

        Raises:
            UserError: a record without it, or with something else than a ``kind``.
        """
        values = []
        for row, record in enumerate(self.content):
            if missing is not None and isinstance(record, dict) and record.get(name) is None:
                values.append(missing)
                continue
            try:
                value = record[name]
            except (KeyError, TypeError):
                raise UserError(f"{self.at(row)} has no field {name!r}: {str(record)[:80]}") from None
            if type(value) is not kind:
                raise UserError(f"{self.at(row, name)} is {in_words(value)}, expected {_KINDS[kind]}")
            if kind is str and not is_text(value):
                raise UserError(f"{self.at(row, name)} is {value[:60]!r}, half a character or an empty byte in it")
            values.append(value)
        return values

    def at(self, row: int, name: str = "") -> str:
        """A record's file and place in it, as ``FILE: images[3].id`` (the first is 0, as in Python and jq)."""
        return f"{self.path}: {self.section}[{row}]" + (f".{name}" if name else "")


def read_sections(
    path: Path, sections: Sequence[str], layout: str, hook: Callable[[dict[str, Any]], Any] | None = None
) -> list[Records]:
    """The lists called ``sections`` of the JSON file ``path``; ``hook`` sees every object of it.

    Raises:
        UserError: no such file, no JSON, or a section that is not there; the message says that ``layout`` is expected.
    """
    if not path.exists():
        raise UserError(f"{path}: missing, expected {layout}")
    try:
        content = json.loads(read_text(path), object_hook=hook)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}: not valid JSON: {error}") from None
    for section in sections:
        if not isinstance(content, dict) or not isinstance(content.get(section), list):
            raise UserError(f"{path}: no list {section!r}, expected {layout}")
    return [Records(path, section, content[section]) for section in sections]


def in_words(value: Any) -> str:
    """A value as it is written and of what type it is, e.g. ``'7', a text``."""
    shown = json.dumps(value, ensure_ascii=False) if isinstance(value, bool | list | dict) else repr(value)
    types = {bool: "true or false", float: "a decimal number", dict: "an object", **_KINDS}
    return "null" if value is None else f"{shown[:60]}, {types[type(value)]}"


def is_text(value: str) -> bool:
    """Whether a string can be written as UTF-8 and holds no zero byte."""
    half = not value.isascii() and any("\ud800" <= letter <= "\udfff" for letter in value)
    return not half and "\0" not in value
