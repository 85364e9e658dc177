"""The rows of a JSONL or CSV file that describes a collection, each with its line."""

from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING, Any, cast, get_args

from semshare.data.text_kinds import TextKind
from semshare.utils.text_files import read_lines

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

TEXTS = ("texts", *get_args(TextKind))  # what the field of the texts may be called
_KIND = "text"  # the only field of a first line that says what the texts are


def jsonl_rows(
    path: Path, fault: Callable[[int, str], None], say_kind: Callable[[int, TextKind], None]
) -> Iterator[tuple[int, dict[str, Any]]]:
    """The objects of a JSONL file.

    Args:
        path: the file.
        fault: receives a line and what is wrong there.
        say_kind: receives the line that says what the texts are, and what it says.
    """
    first = True
    for line, text in enumerate(read_lines(path), 1):
        if not text.strip():
            continue
        try:
            record = json.loads(text)
        except (ValueError, RecursionError) as error:
            fault(line, f"not valid JSON: {error}")
            continue
        if not isinstance(record, dict):
            fault(line, f"found {text.strip()[:60]!r}, expected an object {{...}}")
        elif record.keys() != {_KIND}:
            yield line, record
        elif not first or record[_KIND] not in get_args(TextKind):
            expected = " or ".join(f'{{"{_KIND}": "{kind}"}}' for kind in get_args(TextKind))
            fault(line, f"found {text.strip()[:60]!r}, expected {expected} in the first line, or a row")
        else:
            say_kind(line, record[_KIND])
        first = False


def csv_rows(
    path: Path,
    fields: Sequence[str],
    fault: Callable[[int, str], None],
    say_kind: Callable[[int, TextKind], None],
) -> Iterator[tuple[int, dict[str, Any]]]:
    """The rows under the header of a CSV file; the line of a row is where it begins.

    ``fields`` are the columns that there may be, of which the first three must; the others as in :func:`jsonl_rows`.
    """
    lines = read_lines(path)
    rows = csv.reader((f"{line}\n" for line in lines), strict=True, delimiter=_delimiter(lines, fields[:3]))
    line = 1
    try:
        header = [name.strip() for name in next(rows, [])]
        missing = [name for name in fields[:3] if not _has(header, name)]
        if missing or len(set(header)) != len(header):
            wrong = f"no column {missing[0]!r}" if missing else "a column twice"
            fault(1, f"{wrong} in the header, expected {', '.join(fields)} (the last two optional)")
            return
        for kind in get_args(TextKind):
            if kind in header:
                say_kind(1, cast(TextKind, kind))
        line = rows.line_num + 1
        for values in rows:
            if not values:
                pass
            elif len(values) != len(header):
                fault(line, f"{len(values)} values, expected {len(header)} as in the header")
            else:
                record: dict[str, Any] = dict(zip(header, values, strict=True))
                record["labels"] = [label for label in record["labels"].split(";") if label.strip()]
                yield line, record
            line = rows.line_num + 1
    except csv.Error as error:
        fault(line, f"not valid CSV: {error}")


def _has(columns: Sequence[str] | set[str], name: str) -> bool:
    """Whether there is a column ``name``; that of the texts has several names."""
    return any(column in columns for column in (TEXTS if name == "texts" else (name,)))


def _delimiter(lines: Sequence[str], needed: Sequence[str]) -> str:
    """What separates the columns, by the header: a comma, or a semicolon or tab where that finds the columns."""

    def columns(delimiter: str) -> set[str]:
        return {name.strip().strip('"') for name in header.split(delimiter)}

    header = lines[0] if lines else ""
    return next((mark for mark in ",;\t" if all(_has(columns(mark), name) for name in needed)), ",")
