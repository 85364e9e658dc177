"""Sphinx extension: names that modules import for annotations alone are there when autodoc reads the annotations.

They stand under ``if TYPE_CHECKING:``, so that running a module does not load what only its signatures name.
"""

from __future__ import annotations

import ast
import importlib
import pkgutil
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import semshare

if TYPE_CHECKING:
    from types import ModuleType

    from sphinx.application import Sphinx


def import_annotated_names(module: ModuleType) -> None:
    """Run the imports that ``module`` keeps for type checkers, in its own namespace."""
    source = Path(str(module.__file__)).read_text(encoding="utf-8")
    for node in ast.parse(source).body:
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            exec(compile(ast.Module(node.body, []), str(module.__file__), "exec"), vars(module))


@cache
def prepare() -> None:
    """Import every module, which takes seconds, and what it names for type checkers."""
    names = [found.name for found in pkgutil.walk_packages(semshare.__path__, "semshare.")]
    modules = [importlib.import_module(name) for name in names if not name.endswith("__main__")]
    for module in modules:  # only once all are imported: annotations may name one another in a circle
        import_annotated_names(module)


def read(app: Sphinx, page: str, source: list[str]) -> None:
    """Before the first page that documents modules is read; no other needs them."""
    if "automodule::" in source[0] or "autoclass::" in source[0]:
        prepare()


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("source-read", read)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
