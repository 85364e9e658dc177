"""Keys: what can change a run's result, and nothing else. Equal keys, equal runs."""

from __future__ import annotations

import ast
import hashlib
import importlib.metadata
import inspect
import json
import sys
import sysconfig
import textwrap
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from semshare import bert, methods
from semshare.data.tokens import SPACE, WORDS
from semshare.errors import UserError
from semshare.experiment import READING
from semshare.utils.source import Code, code_digest, installed, said

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from semshare.experiment import Experiment

_LIBRARIES = ("torch", "transformers", "gensim")

# Where following the imports of what trains ends, and why. All else that is imported counts, a whole module at a time.
STOP = (
    # The data's checksum covers what these make: items, pictures, regions and tokenizers.
    "semshare.data.files",
    "semshare.data.labels",
    "semshare.data.pictures",
    "semshare.data.readers",
    "semshare.data.scenes",
    "semshare.data.scripts",
    "semshare.data.fetch",
    "semshare.data.regions.detector",
    "semshare.data.regions.extract",
    "semshare.data.regions.grid",
    "semshare.data.regions.kept",
    "semshare.data.regions.registry",
    "semshare.data.regions.simulated",
    "semshare.utils.text_files",
    "semshare.data.catalogue:CATALOGUE",
    # The key holds the experiment's fields by value.
    "semshare.experiment",
    # Ranks for the history alone and selects nothing; what is read of a run names its own code (see EVALUATION).
    "semshare.ranking",
)
# Of these modules only the definitions that are named count, since each holds something of every method or dataset.
TABLES = ("semshare.methods", "semshare.losses", "semshare.data.catalogue")
# Likewise where following the imports of what encodes with a trained model ends: the row of its method is a root.
STOP_ENCODING = ("semshare.runs", "semshare.training", "semshare.methods:METHODS", "semshare.methods:get")
_TRAINS = "semshare.runs.trainer"
_STANDARD = {sysconfig.get_path(name) for name in ("stdlib", "platstdlib")}
# Batches are read through these, whose classes the trainer only handles: following imports does not lead there.
_STORES = ("semshare.data.regions.store", "semshare.data.regions.arrays")


def parts(experiment: Experiment, data: str) -> dict[str, Any]:
    """Everything that a run's key is made from, ``data`` being the checksum of its dataset.

    ``run.json`` keeps it, so that one can see what differs.
    """
    made = {
        "experiment": training_fields(experiment),
        "data": data,
        "method": _row_values(experiment.method),
        "code": code_parts(experiment.method),
        "versions": library_versions(),
    }
    if experiment.tokens not in (WORDS, SPACE):
        made["tokenizers"] = importlib.metadata.version("tokenizers")
    return made | ({} if experiment.bert is None else {"bert": bert.digest(experiment.bert)})


def key_of(parts: Mapping[str, Any]) -> str:
    """The 12 digits of the key that ``parts`` make."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:12]


def training_fields(experiment: Experiment) -> dict[str, Any]:
    """The fields that decide what is trained, without those at their default: a new field changes no key by itself.

    Those of ``READING`` only say how a run is read. Where data, a tokenizer and a BERT checkpoint lie decides
    nothing; what they hold is in the key by its checksum.
    """
    return experiment.model_dump(mode="json", exclude={"root", "tokens", "bert", *READING}, exclude_defaults=True)


def code_parts(method: str, code: Code | None = None) -> dict[str, str]:
    """The code that trains ``method``: digests of the shared modules and of what the method's own row names.

    Raises:
        UserError: the source of a function that a notebook or script defines is not to be had.
    """
    functions = _functions(method)
    here = [function for function in functions if not _is_importable(function)]
    named = tuple(map(_unit, filter(_is_importable, functions)))
    if not here:
        return _code_parts((_TRAINS, *_STORES, *named), TABLES, code or installed())
    # A notebook's imports of this package are not followed: all of what methods are made from counts.
    digests, modules = _main_parts(method, here)
    return _code_parts((_TRAINS, *_STORES, *TABLES[:2], *named, *modules), TABLES[2:], code or installed()) | digests


@cache
def _code_parts(roots: tuple[str, ...], tables: tuple[str, ...], code: Code) -> dict[str, str]:
    return code.parts(roots, STOP, tables)


def _functions(method: str) -> list[Callable[..., Any]]:
    """The functions that the row of ``method`` names; its settings are in the experiment's fields."""
    row = methods.get(method)
    named = [row.network, row.terms, row.hide, *([] if row.fit is None else [row.fit])]
    return [function.func if isinstance(function, partial) else function for function in named]


def _unit(function: Callable[..., Any]) -> str:
    return f"{function.__module__}:{function.__qualname__}"


def _is_importable(function: Callable[..., Any]) -> bool:
    return function.__module__ != "__main__"


def _main_parts(method: str, functions: Sequence[Callable[..., Any]]) -> tuple[dict[str, str], tuple[str, ...]]:
    """Digests of functions of a notebook or script, with the functions and plain values of theirs that they name.

    Beside them the modules of the user's own that they name something of.
    """
    digests: dict[str, str] = {}
    modules: set[str] = set()
    waiting = list(functions)
    while waiting:
        function = waiting.pop()
        try:
            source = textwrap.dedent(inspect.getsource(function))
        except (OSError, TypeError):
            raise UserError(
                f"method: {method!r}: the source of {function!r} is not to be had, and a run's key covers it; define "
                "it in a module"
            ) from None
        used = {name: value for name, value in vars(sys.modules["__main__"]).items() if name in _names(function)}
        plain = {name: _said_plainly(value) for name, value in used.items() if _is_plain(value)}
        modules |= {module for value in used.values() if (module := _own_module(value))}
        digests[_unit(function)] = hashlib.sha256(f"{said(source)} {sorted(plain.items())}".encode()).hexdigest()[:8]
        inner = [value for value in used.values() if inspect.isfunction(value) or inspect.isclass(value)]
        waiting += [value for value in inner if not _is_importable(value) and _unit(value) not in digests]
    return digests, tuple(sorted(modules))


def _is_plain(value: Any, deepest: int = 20) -> bool:
    """Whether ``value`` is made of numbers, texts and collections of them alone, none too deep."""
    if deepest == 0:
        return False
    if isinstance(value, dict):
        return all(_is_plain(part, deepest - 1) for pair in value.items() for part in pair)
    if isinstance(value, (tuple, list, set, frozenset)):
        return all(_is_plain(part, deepest - 1) for part in value)
    return value is None or isinstance(value, (bool, int, float, str))


def _said_plainly(value: Any) -> Any:
    """A plain ``value`` whose text is the same in every process: a set has no order of its own."""
    if isinstance(value, dict):
        return {key: _said_plainly(part) for key, part in value.items()}
    if isinstance(value, (set, frozenset)):
        return sorted(map(_said_plainly, value), key=repr)
    if isinstance(value, list):
        return [_said_plainly(part) for part in value]
    return tuple(map(_said_plainly, value)) if isinstance(value, tuple) else value  # a named tuple too


def _own_module(value: Any) -> str | None:
    """The module of the user's own that ``value`` is or comes from; none for libraries, this package and notebooks."""
    named = value if inspect.ismodule(value) else sys.modules.get(getattr(value, "__module__", None) or "")
    path = getattr(named, "__file__", None)
    if named is None or path is None or named.__name__.partition(".")[0] in ("__main__", "semshare"):
        return None
    installed = {"site-packages", "dist-packages"} & set(Path(path).parts)
    library = installed or any(Path(path).is_relative_to(folder) for folder in _STANDARD)
    return named.__name__ if path.endswith(".py") and not library else None


def _names(function: Callable[..., Any]) -> set[str]:
    """The names in the source of a function or class."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}


def _row_values(method: str) -> dict[str, Any]:
    """What the row of ``method`` says beside what it names."""
    row = methods.get(method)
    given = [
        [repr(function.args), repr(sorted(function.keywords.items()))]
        for function in (row.network, row.terms, row.hide, row.fit)
        if isinstance(function, partial)
    ]
    return {"selection": row.selection, "betas": list(row.betas)} | ({"given": given} if given else {})


def evaluation_code(code: Code | None = None) -> str:
    """Eight hex digits of the code that evaluates a reading: part of the names of the files that keep evaluations."""
    return _digest(("semshare.evaluation",), code)


def retrieval_code(code: Code | None = None) -> str:
    """Likewise of the code that reads retrieval by protocols."""
    return _digest(("semshare.runs.protocols",), code)


def _digest(roots: tuple[str, ...], code: Code | None) -> str:
    return code_digest(*roots) if code is None else code.digest(*roots)


def reading_digest(experiment: Experiment) -> str:
    """Eight hex digits of how ``experiment`` is read, the preset's name aside; empty where plainly."""
    fields = experiment.model_dump(mode="json", include=set(READING) - {"preset"}, exclude_defaults=True)
    return hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()[:8] if fields else ""


def reading_key(key: str, experiment: Experiment) -> str:
    """A name for the run ``key`` as ``experiment`` reads it: the key itself where plainly, else with how behind it."""
    return f"{key}{reading_digest(experiment)}"


def evaluation_suffix(experiment: Experiment) -> str:
    """The end of the names of the files that keep evaluations: the code that read, and how it read."""
    return f".{evaluation_code()}{reading_digest(experiment)}.evaluation"


def retrieval_suffix(experiment: Experiment) -> str:
    """Likewise of those that keep what a protocol read."""
    return f".{retrieval_code()}{reading_digest(experiment)}.retrieval"


def encoding_code(method: str, code: Code | None = None) -> str:
    """Eight hex digits of the code with which a trained model of ``method`` reads pictures and texts."""
    network, *_ = _functions(method)
    if _is_importable(network):
        return _encoding_code((_unit(network),), code or installed())
    digests, modules = _main_parts(method, [network])
    parts = json.dumps(digests, sort_keys=True)
    return hashlib.sha256(f"{_encoding_code(modules, code or installed())} {parts}".encode()).hexdigest()[:8]


@cache
def _encoding_code(network: tuple[str, ...], code: Code) -> str:
    stop = (*STOP_ENCODING, "semshare.experiment")
    return code.digest("semshare.search.pretrained", *network, stop=stop, tables=TABLES)


def library_versions() -> dict[str, str]:
    """The versions of the libraries that decide a result."""
    return {name: importlib.metadata.version(name) for name in _LIBRARIES}
