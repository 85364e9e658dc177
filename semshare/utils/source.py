"""Code compared by what it says: syntax trees without comments, docstrings and formatting, followed through imports.

A *unit* is a module (``"semshare.model"``) or one definition of a module (``"semshare.losses:dscmr"``).
"""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import json
import symtable
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

_PACKAGE = Path(__file__).resolve().parent.parent
# What locks, shows, keeps files or words an error computes nothing, whoever imports it.
QUIET = ("semshare.errors", *(f"semshare.utils.{name}" for name in ("checkout", "files", "home", "progress", "source")))
SHOWS = ("__repr__", "_repr_html_")  # methods by which an object shows itself, which computes nothing either

_Binding = tuple[str, str | None]  # a module, and the name taken from it (None: the module itself)


@dataclass(frozen=True)
class _Module:
    """A module without what does not run: its statements, and what its imports bind."""

    statements: tuple[ast.stmt, ...]
    bindings: Mapping[str, _Binding]
    lazily: Mapping[str, _Binding]  # names under TYPE_CHECKING: what a lazy package hands out

    def defining(self, name: str) -> list[ast.stmt]:
        """The top-level statements that bind ``name``."""
        return [statement for statement in self.statements if name in _bound(statement)]


class Code:
    """The modules of this package, and of packages outside it that are asked for, by what they say.

    Reads sources from disk once; a module is not imported.
    """

    def __init__(self, package: Path = _PACKAGE, shows: bool = False) -> None:
        """``package`` holds the sources of ``semshare``; with ``shows`` the methods of ``SHOWS`` count too."""
        self._package, self._shows = package, shows
        self._modules: dict[str, _Module | None] = {}
        self._names: frozenset[str] = frozenset({"semshare"})
        self._whole: dict[tuple[str, tuple[str, ...]], tuple[str, set[_Binding]]] = {}

    def digest(self, *roots: str, stop: Collection[str] = (), tables: Collection[str] = ()) -> str:
        """Eight hex digits of :meth:`parts`: part of the name of whatever the code makes and keeps."""
        parts = json.dumps(self.parts(roots, stop, tables), sort_keys=True)
        return hashlib.sha256(parts.encode()).hexdigest()[:8]

    def parts(self, roots: Iterable[str], stop: Collection[str] = (), tables: Collection[str] = ()) -> dict[str, str]:
        """Eight hex digits of each unit that ``roots`` import when they run, in functions too, themselves included.

        Args:
            roots: units to begin with. A definition alone counts with what it names.
            stop: modules, folders and definitions that are not followed, beside those of ``QUIET``.
            tables: modules of which those definitions alone count that are named.

        Raises:
            ModuleNotFoundError: a root without a source.
        """
        stop = (*QUIET, *stop)
        self._names = frozenset({"semshare", *(root.partition(".")[0].partition(":")[0] for root in roots)})
        waiting: list[_Binding] = []
        for root in roots:
            module, _, name = root.partition(":")
            if self._module(module) is None:
                raise ModuleNotFoundError(f"no source of {module!r}")
            waiting.append((module, name or None))
        digests: dict[str, str] = {}
        direct = set(waiting)
        while waiting:
            module, name = reference = waiting.pop()
            if reference not in direct:
                module, name = self._resolved(reference)
                if name is not None and module not in tables:
                    name = None
            unit = f"{module}:{name}" if name else module
            if unit in digests or _stopped(unit, stop) or (source := self._module(module)) is None:
                continue
            if name is None:
                digests[module], used = self._of_module(module, source, tuple(tables))
                waiting += used
                if not module.startswith("semshare"):  # this package's own folders run nothing when imported
                    waiting += [(parent, None) for parent in _parents(module)]
                continue
            statements = source.defining(name)
            if not statements and name in source.bindings:  # handed on from elsewhere
                waiting.append(source.bindings[name])
                continue
            if not statements:  # bound in no way that is seen here: the whole module counts
                waiting.append((module, None))
                continue
            # What a module does when it is imported counts for each of its definitions.
            statements = [statement for statement in source.statements if statement in statements or _acts(statement)]
            used = self._used(source, statements, whole=False, tables=tables)
            text = "\n".join(ast.unparse(statement) for statement in statements)
            local = {id for id in _globals(text) if id != name and source.defining(id)}
            waiting += [(module, id) for id in local]
            direct |= {(module, id) for id in local}
            taken = {chain[0] for chain in _chains(statements)} & source.bindings.keys()
            text += "".join(sorted(f"\n{id} is {source.bindings[id]}" for id in taken))
            digests[unit] = hashlib.sha256(text.encode()).hexdigest()[:8]
            waiting += used
        return digests

    def _of_module(self, name: str, source: _Module, tables: tuple[str, ...]) -> tuple[str, set[_Binding]]:
        """The digest of a whole module, and what it takes from others."""
        if (name, tables) not in self._whole:
            text = "\n".join(ast.unparse(statement) for statement in source.statements)
            used = self._used(source, source.statements, whole=True, tables=tables)
            self._whole[name, tables] = hashlib.sha256(text.encode()).hexdigest()[:8], used
        return self._whole[name, tables]

    def followed(self, text: str, stop: Collection[str] = (), tables: Collection[str] = ()) -> dict[str, str]:
        """:meth:`parts` of what the source ``text`` imports, e.g. a notebook's cells."""
        self._names = frozenset({"semshare"})
        source = _parse(text, shows=self._shows)
        used = {self._resolved(module) for module in self._used(source, source.statements, True, tables)}
        roots = [f"{module}:{name}" if name and module in tables else module for module, name in used]
        return self.parts([root for root in roots if self._module(root.partition(":")[0])], stop, tables)

    def _used(
        self, source: _Module, statements: Iterable[ast.stmt], whole: bool, tables: Collection[str]
    ) -> set[_Binding]:
        """What ``statements`` take from other modules; ``whole`` adds what is imported and not named again."""
        used: set[_Binding] = set()
        for chain in _chains(statements):
            if chain[0] in source.bindings:
                used.add(self._along(source.bindings[chain[0]], chain[1:]))
        if whole:
            for module, name in source.bindings.values():
                target, attribute = self._resolved((module, name))
                package = attribute is None and (made := self._module(target)) is not None and made.lazily
                if not package and not (attribute is None and target in tables):
                    used.add((target, attribute))
        return used

    def _along(self, binding: _Binding, chain: Iterable[str]) -> _Binding:
        """What ``a.b.c`` means where ``a`` is bound to ``binding``: submodules first, then a name."""
        module, name = binding
        for part in (*(() if name is None else (name,)), *chain):
            if self._module(f"{module}.{part}") is None:
                return module, part
            module = f"{module}.{part}"
        return module, None

    def _resolved(self, binding: _Binding) -> _Binding:
        """``binding`` with submodules told from names, and a lazy package's names followed to where they are."""
        module, name = self._along(binding, ())
        source = self._module(module)
        if name is not None and source is not None and name in source.lazily:
            return self._resolved(source.lazily[name])
        return module, name

    def _module(self, name: str) -> _Module | None:
        """The module called ``name``; None where it is of a package that is not followed, or has no source."""
        if name.partition(".")[0] not in self._names:
            return None
        if name not in self._modules:
            path = self._path(name)
            package = path is not None and path.name == "__init__.py"
            self._modules[name] = (
                None if path is None else _parse(path.read_text(encoding="utf-8"), package, self._shows)
            )
        return self._modules[name]

    def _path(self, name: str) -> Path | None:
        first, *rest = name.split(".")
        if first == "semshare":
            base = self._package.joinpath(*rest)
            paths = (base / "__init__.py", base.with_name(f"{base.name}.py"))
            return next((path for path in paths if path.is_file()), None)
        try:
            spec = importlib.util.find_spec(name)
        except (ImportError, ValueError):
            return None
        path = Path(spec.origin) if spec and spec.origin else None
        return path if path and path.suffix == ".py" and path.is_file() else None


@cache
def installed(shows: bool = False) -> Code:
    """The code that runs here, with how its objects show themselves or without."""
    return Code(shows=shows)


def code_digest(*roots: str, stop: Collection[str] = ()) -> str:
    """:meth:`Code.digest` of the code that runs here."""
    return _digest(roots, tuple(stop))


@cache
def _digest(roots: tuple[str, ...], stop: tuple[str, ...]) -> str:
    return installed().digest(*roots, stop=stop)


class _Plain(ast.NodeTransformer):
    """A tree without docstrings, annotations of functions, and blocks for type checkers."""

    def __init__(self, shows: bool) -> None:
        """``shows``: the methods of ``SHOWS`` stay."""
        self._left_out = () if shows else SHOWS

    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
        return None if isinstance(node.value, ast.Constant) and isinstance(node.value.value, str) else node

    def visit_If(self, node: ast.If) -> ast.AST | list[ast.stmt]:
        self.generic_visit(node)
        return node.orelse if _for_checkers(node) else node

    def visit_arg(self, node: ast.arg) -> ast.AST:
        node.annotation = None
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        return self._body(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        return self._body(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        node.body = [part for part in node.body if getattr(part, "name", "") not in self._left_out]
        return self._body(node)

    def _body(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> ast.AST:
        self.generic_visit(node)
        if not isinstance(node, ast.ClassDef):
            node.returns = None
        node.body = node.body or [ast.Pass()]
        return node


@lru_cache(maxsize=1024)
def _parse(text: str, package: bool = False, shows: bool = False) -> _Module:
    tree = ast.parse(text)
    checked = [node for node in ast.walk(tree) if isinstance(node, ast.If) and _for_checkers(node)]
    lazily = _bindings(statement for block in checked for statement in block.body) if package else {}
    plain = ast.fix_missing_locations(_Plain(shows).visit(tree))
    return _Module(tuple(plain.body), _bindings(plain.body), lazily)


def said(text: str) -> str:
    """What ``text`` says, without comments, docstrings and formatting."""
    return "\n".join(ast.unparse(statement) for statement in _parse(text).statements)


def _for_checkers(node: ast.If) -> bool:
    return ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING")


def _bindings(statements: Iterable[ast.stmt]) -> dict[str, _Binding]:
    """What every import in ``statements`` binds, those in functions too."""
    bound: dict[str, _Binding] = {}
    for statement in statements:
        for node in ast.walk(statement):
            if isinstance(node, ast.ImportFrom) and not node.level and node.module:
                bound |= {alias.asname or alias.name: (node.module, alias.name) for alias in node.names}
            elif isinstance(node, ast.Import):
                for alias in node.names:
                    first = alias.name.partition(".")[0]
                    bound[alias.asname or first] = (alias.name if alias.asname else first, None)
                    if not alias.asname and first != alias.name:
                        bound[alias.name] = (alias.name, None)  # runs, whatever is named of it
    return bound


def _bound(statement: ast.stmt) -> set[str]:
    """The top-level names that ``statement`` binds other than by an import."""
    if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        return {statement.name}
    if isinstance(statement, (ast.Import, ast.ImportFrom)):
        return set()
    return {node.id for node in ast.walk(statement) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}


def _acts(statement: ast.stmt) -> bool:
    """Whether a top-level ``statement`` does something that no name stands for."""
    kept = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom, ast.Assign, ast.AnnAssign)
    return not isinstance(statement, (*kept, ast.AugAssign))


def _chains(statements: Iterable[ast.stmt]) -> Iterator[tuple[str, ...]]:
    """Every name that is read, with the attributes taken of it: ``a.b.c`` is ``("a", "b", "c")``."""

    def walk(node: ast.AST) -> Iterator[tuple[str, ...]]:
        parts: list[str] = []
        inner = node
        while isinstance(inner, ast.Attribute):
            parts.insert(0, inner.attr)
            inner = inner.value
        if isinstance(inner, ast.Name):
            yield (inner.id, *parts)
            return
        for child in ast.iter_child_nodes(node):
            yield from walk(child)

    for statement in statements:
        yield from walk(statement)


def _globals(text: str) -> set[str]:
    """The names of its module that the source ``text`` reads: a function's own variables are none."""
    tables, names = [symtable.symtable(text, "", "exec")], set()
    while tables:
        table = tables.pop()
        tables += table.get_children()
        function = table.get_type() == "function"
        names |= {
            symbol.get_name()
            for symbol in table.get_symbols()
            if symbol.is_referenced() and (symbol.is_global() or not function)
        }
    return names


def _parents(module: str) -> list[str]:
    """``a.b`` and ``a`` of ``a.b.c``."""
    parts = module.split(".")
    return [".".join(parts[:count]) for count in range(1, len(parts))]


def _stopped(unit: str, stop: Iterable[str]) -> bool:
    """Whether ``unit`` is one of ``stop``, or lies in a module or folder of it."""
    return any(unit == name or unit.startswith((f"{name}.", f"{name}:")) for name in stop)
