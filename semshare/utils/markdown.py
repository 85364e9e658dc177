"""Markdown that holds strangers' words: one line of text that shows just that, tables, lists, YAML in front."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_SPECIAL = {ord(letter): f"\\{letter}" for letter in "\\`*_{}[]#|~$!^="}
_SPECIAL |= {ord(letter): f"&#{ord(letter)};" for letter in "<>&\"'@"}


def text(value: object) -> str:
    """Anything as one line of Markdown that shows just that: no markup, no HTML, no link, no list."""
    line = " ".join("".join(letter if letter.isprintable() else " " for letter in str(value)).split())
    line = line.translate(_SPECIAL).replace("://", "&#58;//").replace("www.", "www&#46;")
    return re.sub(r"^(\d*)([-+.)])", r"\1\\\2", line)


def anchor(heading: str) -> str:
    """What Jupyter calls a heading in links to it: ``notebook.ipynb#What-was-found``."""
    return heading.replace(" ", "-")


def distinct(values: Iterable[object], none: str = "none") -> str:
    """The different ones of ``values`` as text, sorted, with commas; ``none`` where there are no values."""
    return ", ".join(sorted({str(value) for value in values})) or none


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of cells that are Markdown already."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def bullets(lines: Iterable[str]) -> str:
    """A list of lines that are Markdown already."""
    return "\n".join(f"- {line}" for line in lines)


class _QuotingDumper(yaml.SafeDumper):
    """YAML that every reader reads alike: what only YAML 1.2, or only strict YAML 1.1, takes for more is quoted too."""


_NUMBER_12 = r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|0o[0-7]+|0x[0-9a-fA-F]+"  # 1e3, 0o10, 08
_QuotingDumper.add_implicit_resolver("tag:yaml.org,2002:float", re.compile(f"^({_NUMBER_12})$"), list("-+.0123456789"))
_QuotingDumper.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile("^[yYnN]$"), list("yYnN"))


def page(facts: Mapping[str, Any], blocks: Iterable[str]) -> str:
    """``facts`` as YAML in front (plain values alone: raises ``yaml.YAMLError`` for an object), then the blocks."""
    front = yaml.dump(dict(facts), Dumper=_QuotingDumper, sort_keys=False, allow_unicode=True, width=1 << 20)
    return "\n\n".join([f"---\n{front}---", *filter(None, blocks)]) + "\n"
