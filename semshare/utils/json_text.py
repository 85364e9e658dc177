"""JSON in which a key stands once."""

from __future__ import annotations

import json
from typing import Any


def parse_json(text: str) -> Any:
    """What the JSON ``text`` says; a key that stands twice would lose what it said first.

    Raises:
        ValueError: not valid JSON, nested too deeply, or a key that stands twice in one object.
    """
    try:
        return json.loads(text, object_pairs_hook=_once)
    except RecursionError:
        raise ValueError("not valid JSON: nested too deeply") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"not valid JSON: {error}") from None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    record: dict[str, Any] = {}
    for key, value in pairs:
        if key in record:
            raise ValueError(f"the key {key[:60]!r} stands twice, expected it once")
        record[key] = value
    return record
