"""The rows of a JSONL or CSV file that describes a collection, each with its line."""

from __future__ import annotations

import ast
import csv
from typing import TYPE_CHECKING, Any, cast, get_args

from semshare.data.text_kinds import TextKind
from semshare.utils.json_text import parse_json
from semshare.utils.text_files import read_lines, stream_lines

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

TEXTS = ("texts", *get_args(TextKind))  # what the field of the texts may be called
_DELIMITERS = ",;\t"
_NO_LIST = dict.fromkeys(TEXTS, "one text (JSONL takes several)") | {"labels": "labels separated by ;"}
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
            record = parse_json(text)
        except ValueError as error:
            fault(line, str(error))
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
        header = columns(next(rows, []))
        missing = [name for name in fields[:3] if not _has(header, name)]
        if missing or len(set(header)) != len(header):
            wrong = f"no column {missing[0]!r}" if missing else "a column twice"
            there = ", ".join(name[:40] for name in header) or "nothing"
            names = [" or ".join(TEXTS) if name == "texts" else name for name in fields[:3]]
            optional = " and ".join(fields[3:])
            fault(1, f"{wrong} in the header, found {there}; expected {', '.join(names)}, and {optional} if you like")
            return
        if unknown := [name for name in header if name not in (*fields, *TEXTS)]:
            listed = ", ".join(repr(name[:60]) for name in unknown)
            fault(1, f"unknown column {listed} in the header, expected {', '.join(fields)}; take it out")
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
                record: dict[str, Any] = {
                    name: value for name, value in zip(header, values, strict=True) if name not in unknown
                }
                for name in filter(record.keys().__contains__, _NO_LIST):
                    if _is_list(cell := record[name].strip()):
                        fault(line, f"{name}: found {cell[:60]!r}, expected {_NO_LIST[name]}")
                record["labels"] = [label for label in record["labels"].split(";") if label.strip()]
                yield line, record
            line = rows.line_num + 1
    except csv.Error as error:
        fault(line, f"not valid CSV: {error}")


def _is_list(cell: str) -> bool:
    """Whether a cell is a list as Python, JSON or numpy print one; what is just a text may stand in brackets too."""
    if not (cell.startswith("[") and cell.endswith("]")):
        return False
    try:
        listed = ast.literal_eval(cell)
        return len(listed) != 1 or isinstance(listed[0], str)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return False


def columns(header: Iterable[str]) -> list[str]:
    """The names of a header's columns, whatever spaces, quotes and capitals they were written with."""
    return [name.strip().strip('"').strip().lower() for name in header]


def _has(named: Sequence[str], name: str) -> bool:
    """Whether there is a column ``name``; that of the texts has several names."""
    return any(column in named for column in (TEXTS if name == "texts" else (name,)))


def _delimiter(lines: Sequence[str], needed: Sequence[str]) -> str:
    """What separates the columns, by the header: a comma, or a semicolon or tab where that finds more columns."""

    def count(delimiter: str) -> int:
        named = columns(header.split(delimiter))
        return sum(_has(named, name) for name in needed)

    header = lines[0] if lines else ""
    return max(_DELIMITERS, key=count)  # the first of those that find as many


def describes_pictures(path: Path) -> bool:
    """Whether the header of the CSV file at ``path`` has a column of pictures; no other table does."""
    header = next(stream_lines(path), b"").decode("utf-8", "replace")
    return any("image" in columns(header.split(mark)) for mark in _DELIMITERS)
