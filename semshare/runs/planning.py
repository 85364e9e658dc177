"""From a few words to an Experiment: the scale's sizes, the method's settings, the preset's, then what was asked."""

from __future__ import annotations

from os import PathLike
from typing import Any

from semshare import bert, methods
from semshare.data import catalogue, tokens
from semshare.errors import UserError
from semshare.experiment import Experiment, known_scale, preset_fields
from semshare.utils.devices import default_precision, find_device


def plan(dataset: str, method: str, scale: str = "laptop", device: str = "auto", **fields: Any) -> Experiment:
    """The experiment of ``method`` on ``dataset``: scale's sizes, method's settings, the preset's, then ``fields``.

    Precision is the device's own (:func:`semshare.utils.devices.default_precision`) unless given. With ``bert``, sizes
    that are not given are those of :func:`semshare.bert.sizes`, and ``heads`` may be ``"checkpoint"``.

    Raises:
        UserError: an unknown dataset, method, scale or field, a value out of range, or a field that the
            method or the dataset does not read; a BERT checkpoint that is not there or does not fit.
    """
    catalogue.entry(dataset)
    chosen = methods.get(method)
    known_scale(scale)
    text_kind = catalogue.entry(dataset).text_kind
    given = {name: value for name, value in fields.items() if value is not None}
    for name in ("tokens", "bert", "root"):
        if not isinstance(given.get(name, ""), str | PathLike):
            raise UserError(f"{name}: found {given[name]!r}, expected a name or folder, in quotes where it is a number")
    read = catalogue.entry(dataset).reads
    for name in ("root", "split_seed"):
        if given.get(name) and name not in read:
            raise UserError(f"{name}: dataset {dataset!r} does not read it")
    if ignored := sorted(given.keys() & chosen.unread):
        raise UserError(f"{ignored[0]}: method {method!r} does not read it")
    own = {"precision": default_precision(find_device(device)), "regions": catalogue.regions_of(dataset)}
    tokenizer = tokens.find(given["tokens"]) if "tokens" in given else catalogue.tokens_of(dataset)
    given["tokens"] = tokenizer.name
    preset = preset_fields(given.get("preset", "paper"), method, scale, text_kind, chosen.unread | chosen.fixed)
    settings = own | chosen.settings(text_kind, scale) | preset
    if "bert" in given:
        given |= bert.sizes(given["bert"], given)
    elif given.get("heads") == bert.OWN_HEADS:
        raise UserError(f"heads: {bert.OWN_HEADS!r} is a BERT checkpoint's own number, and bert names none")
    experiment = Experiment.make(dataset=dataset, method=method, scale=scale, **(settings | given))
    if experiment.bert is not None:
        bert.check(experiment)
    return experiment
