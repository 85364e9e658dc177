"""A notebook as somebody reads it who has no book: its text without code and mathematics, in HTML or Markdown."""

from __future__ import annotations

import ast
import re

from bs4 import BeautifulSoup
from nbconvert import HTMLExporter, MarkdownExporter
from nbformat import NotebookNode

# Roles and fields that nobody filled, directives, targets, labels after a formula.
_RAW = re.compile(r"\{[a-zA-Z][\w:+.-]*\}|^:::.*|^```\{.*|^\([\w-]+\)=|\$\$ *\([\w-]+\)", re.MULTILINE)
_MATHEMATICS = re.compile(r"\$\$.*?\$\$|\$[^$\n]+\$", re.DOTALL)
_STYLE = re.compile(r"<style>.*?</style>", re.DOTALL)  # of an object that shows itself
_CODE = re.compile(r"^```[^{\n]*\n.*?^```$|^(?: {4}[^\n]*\n)+", re.DOTALL | re.MULTILINE)


def page(notebook: NotebookNode) -> BeautifulSoup:
    """What nbconvert makes of ``notebook``, without its code."""
    html, _ = HTMLExporter(exclude_input=False, embed_images=True).from_notebook_node(notebook)
    found = BeautifulSoup(html, "html.parser").select_one("main")
    assert found is not None
    for unread in found.select("script, style, .jp-CodeCell .jp-InputArea, .jp-CodeCell .jp-Cell-inputWrapper"):
        unread.decompose()
    return found


def markdown(notebook: NotebookNode) -> str:
    """The same in Markdown."""
    text, _ = MarkdownExporter().from_notebook_node(notebook)
    return _CODE.sub("", _STYLE.sub("", text))


def raw_markup(text: str) -> list[str]:
    """What of ``text`` only MyST would have understood."""
    without = _MATHEMATICS.sub(lambda formula: "$$" if formula[0].startswith("$$") else "", text)
    return _RAW.findall(without)


def plain(text: str) -> str:
    """``text`` without marks of Markdown, in one line."""
    return " ".join(re.sub(r"[*`\\]", "", text).split())


def strings_shown(notebook: NotebookNode, *names: str) -> list[str]:
    """The strings that code cells show: what ``provenance.say`` says, and arguments by name as ``caption``."""
    calls = [
        node
        for cell in notebook.cells
        if cell.cell_type == "code"
        for node in ast.walk(ast.parse(cell.source))
        if isinstance(node, ast.Call)
    ]
    found = [call.args[0] for call in calls if "say" in names and ast.unparse(call.func) == "provenance.say"]
    found += [word.value for call in calls for word in call.keywords if word.arg in names]
    return [node.value for node in found if isinstance(node, ast.Constant)]
