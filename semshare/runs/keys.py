"""Keys: what can change a run's result, and nothing else. Equal keys, equal runs."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
from functools import cache
from typing import TYPE_CHECKING, Any

from semshare import bert, methods
from semshare.experiment import READING
from semshare.utils.source import Code, code_digest, installed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from semshare.experiment import Experiment

_LIBRARIES = ("torch", "transformers", "gensim")

# Where following the imports of what trains ends, and why. All else that is imported counts, a whole module at a time.
STOP = (
    # The data's checksum covers what these make: items, pictures and regions.
    "semshare.data.pictures",
    "semshare.data.readers",
    "semshare.data.scenes",
    "semshare.data.fetch",
    "semshare.data.regions.detector",
    "semshare.data.regions.extract",
    "semshare.data.regions.grid",
    "semshare.data.regions.kept",
    "semshare.data.regions.registry",
    "semshare.data.regions.simulated",
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
    return made | ({} if experiment.bert is None else {"bert": bert.digest(experiment.bert)})


def key_of(parts: Mapping[str, Any]) -> str:
    """The 12 digits of the key that ``parts`` make."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:12]


def training_fields(experiment: Experiment) -> dict[str, Any]:
    """The fields that decide what is trained, without those at their default: a new field changes no key by itself.

    Those of ``READING`` only say how a run is read. Where data and a BERT checkpoint lie decides nothing; what they
    hold is in the key by its checksum.
    """
    return experiment.model_dump(mode="json", exclude={"root", "bert", *READING}, exclude_defaults=True)


def code_parts(method: str, code: Code | None = None) -> dict[str, str]:
    """The code that trains ``method``: digests of the shared modules and of what the method's own row names."""
    return _code_parts(_named(method), code or installed())


@cache
def _code_parts(named: tuple[str, ...], code: Code) -> dict[str, str]:
    return code.parts((_TRAINS, *named), STOP, TABLES)


def _named(method: str) -> tuple[str, ...]:
    """The definitions that the row of ``method`` names; its settings are in the experiment's fields."""
    row = methods.get(method)
    functions = (row.network, row.terms, row.hide, row.fit)
    return tuple(f"{function.__module__}:{function.__qualname__}" for function in functions if function is not None)


def _row_values(method: str) -> dict[str, Any]:
    """What the row of ``method`` says beside what it names."""
    row = methods.get(method)
    return {"selection": row.selection, "betas": list(row.betas)}


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


def encoding_code(method: str, code: Code | None = None) -> str:
    """Eight hex digits of the code with which a trained model of ``method`` reads pictures and texts."""
    return _encoding_code(_named(method)[0], code or installed())


@cache
def _encoding_code(network: str, code: Code) -> str:
    stop = (*STOP_ENCODING, "semshare.experiment")
    return code.digest("semshare.search.pretrained", network, stop=stop, tables=TABLES)


def library_versions() -> dict[str, str]:
    """The versions of the libraries that decide a result."""
    return {name: importlib.metadata.version(name) for name in _LIBRARIES}
