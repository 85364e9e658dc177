"""A BERT checkpoint as the shared encoder's initial weights: its sizes, what is loaded of it and what is not."""

from __future__ import annotations

import hashlib
import json
import re
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from pickle import UnpicklingError
from typing import TYPE_CHECKING, Any

import torch

from semshare.data.words import MAX_LENGTH
from semshare.errors import UserError
from semshare.experiment import SCALES, Experiment
from semshare.utils import hub

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from transformers import BertConfig, BertModel

OWN_HEADS = "checkpoint"  # given as ``heads``: the checkpoint's own number

_HUB_ID = re.compile(r"([\w-][\w.-]*/)?[\w-][\w.-]*")
_WEIGHTS = ("model.safetensors", "pytorch_model.bin", "model.safetensors.index.json", "pytorch_model.bin.index.json")

# What the shared encoder's blocks compute with: a checkpoint that was trained otherwise is not what they would make it.
_FIXED = {"hidden_act": "gelu", "layer_norm_eps": 1e-12, "position_embedding_type": "absolute", "is_decoder": False}


def sizes(source: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """The experiment's ``width``, ``layers``, ``heads`` and ``feed_forward`` with the checkpoint ``source``.

    Those in ``given`` stay. Else width and feed-forward size are the checkpoint's, and the other two the paper's at
    every scale: the first 6 layers (all, where it has fewer) with 8 heads. ``heads = "checkpoint"`` is the
    checkpoint's own number, with which alone its layers compute what they were trained to. Reads no weights.

    Raises:
        UserError: there is no BERT checkpoint ``source``, or the paper's number of heads does not divide its width.
    """
    config, paper = _config(source), SCALES["full"]
    own = {
        "width": config.hidden_size,
        "layers": min(paper["layers"], config.num_hidden_layers),
        "heads": paper["heads"],
        "feed_forward": config.intermediate_size,
    }
    chosen = {field: given.get(field, value) for field, value in own.items()}
    if chosen["heads"] == OWN_HEADS:
        chosen["heads"] = config.num_attention_heads
    elif "heads" not in given and config.hidden_size % paper["heads"]:
        raise UserError(
            f"heads: the paper's {paper['heads']} do not divide the width {config.hidden_size} of bert {source!r}; "
            f"give another number, or {OWN_HEADS!r} for its own {config.num_attention_heads}"
        )
    return chosen


def check(experiment: Experiment) -> BertConfig:
    """The sizes of the experiment's checkpoint, which must fit the experiment. Reads no weights.

    Raises:
        UserError: there is no such BERT checkpoint; its width, feed-forward size, depth or number of positions does
            not fit; or its blocks compute with something else than the shared encoder's.
    """
    source, config = experiment.bert, _config(experiment.bert)
    for field, size in (("width", config.hidden_size), ("feed_forward", config.intermediate_size)):
        if size != getattr(experiment, field):
            raise UserError(f"{field}: found {getattr(experiment, field)}, expected {size}, that of bert {source!r}")
    if experiment.layers > config.num_hidden_layers:
        raise UserError(
            f"layers: found {experiment.layers}, expected at most the {config.num_hidden_layers} of bert {source!r}"
        )
    if config.max_position_embeddings < MAX_LENGTH:
        raise UserError(
            f"bert: {source!r} has {config.max_position_embeddings} positions, expected at least {MAX_LENGTH}"
        )
    for key, expected in _FIXED.items():
        if (value := getattr(config, key, expected)) != expected:
            raise UserError(f"bert: {source!r} has {key} {value!r}, expected {expected!r}")
    return config


def load(encoder: BertModel, experiment: Experiment) -> None:
    """Begin ``encoder`` with the checkpoint's first layers, positions and the normalisation after them.

    The checkpoint adds the vector of token type 0 to every segment; here token types are none, so that vector
    goes into those of the positions, and the sum stays what it was.

    Raises:
        UserError: as :func:`check` does, or the weights cannot be read or are not whole.
    """
    check(experiment)
    checkpoint = _read(experiment.bert)
    for mine, theirs in zip(encoder.encoder.layer, checkpoint.encoder.layer, strict=False):
        mine.load_state_dict(theirs.state_dict())
    encoder.embeddings.LayerNorm.load_state_dict(checkpoint.embeddings.LayerNorm.state_dict())
    with torch.no_grad():
        positions = checkpoint.embeddings.position_embeddings.weight[:MAX_LENGTH]
        encoder.embeddings.position_embeddings.weight.copy_(
            positions + checkpoint.embeddings.token_type_embeddings.weight[0]
        )


def describe(experiment: Experiment) -> str:
    """What the shared encoder of ``experiment`` begins with, for its record and its reader; raises as :func:`load`."""
    if experiment.bert is None:
        return "random"
    config = check(experiment)
    left = ["word embeddings", "other token types", "pooler"]
    if experiment.layers < config.num_hidden_layers:
        left.insert(0, "later layers")
    heads = f"{experiment.heads} heads as trained"
    if experiment.heads != config.num_attention_heads:
        theirs, mine = (
            f"{count} heads of {experiment.width / count:g}" for count in (config.num_attention_heads, experiment.heads)
        )
        heads = f"{theirs} regrouped as {mine}, so the pre-trained function is not preserved"
    return (
        f"{name(experiment.bert)} (sha256 {digest(experiment.bert)[:12]}): the first {experiment.layers} of "
        f"{config.num_hidden_layers} layers, {MAX_LENGTH} of {config.max_position_embeddings} positions with token "
        f"type 0 added, and their normalisation; {heads}; not loaded: {', '.join(left)}"
    )


def name(source: str) -> str:
    """What the checkpoint is called where its place does not matter: the last two parts of its name or folder."""
    return "/".join(Path(source).parts[-2:])


def digest(source: str) -> str:
    """sha256 of the checkpoint's weights: its name or folder may come to mean another one.

    Raises:
        UserError: there is no BERT checkpoint ``source``, or its weights cannot be read or are not whole.
    """
    folder = Path(_place(source))
    files = sorted(folder.iterdir()) if folder.is_dir() else []
    return _digest(source, tuple((file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in files))


@lru_cache(maxsize=8)
def _digest(source: str, files: tuple[tuple[str, int, int], ...]) -> str:
    """:func:`digest`, computed once a process while the folder's ``files`` keep their sizes and times."""
    total = hashlib.sha256()
    for key, tensor in sorted(_read(source).state_dict().items()):
        total.update(key.encode() + tensor.contiguous().numpy().tobytes())
    return total.hexdigest()


def _place(source: str) -> str:
    """``source``, or the folder inside it where a sentence-transformers folder keeps its transformer."""
    root = Path(source)
    modules = root / "modules.json"
    if (root / "config.json").exists() or not modules.is_file():
        return source
    try:
        paths = [root / module["path"] for module in json.loads(modules.read_text(encoding="utf-8"))]
    except (ValueError, TypeError, KeyError) as error:
        raise _unreadable(source, f"modules.json: {error}") from None
    inside = [path for path in paths if path.resolve().is_relative_to(root.resolve())]
    return str(next((path for path in inside if (path / "config.json").exists()), root))


def _config(source: str) -> BertConfig:
    """The checkpoint's ``config.json``."""
    from transformers import BertConfig  # takes seconds to import, and only a checkpoint needs it

    try:
        own, _ = BertConfig.get_config_dict(_place(source), local_files_only=_only_cached(source))
        if (kind := own.get("model_type")) != "bert":
            reason = f"model_type is {kind!r}, expected 'bert'" if kind else "it has no config.json with a model_type"
            raise _unreadable(source, reason)
        return BertConfig.from_dict(own)
    except UserError:
        raise
    except Exception as error:  # a stranger's file: the libraries answer it with errors of many kinds
        if lacking := _lacking(source, [["config.json"]]):
            raise _unreadable(source, lacking) from None
        missing = "" if Path(source).exists() else "no such folder, nor a name that can be had: "
        if _is_hub_name(source) and (absent := hub.absent(source)):
            raise _unreadable(source, f"no such folder, and {absent}") from None
        raise _unreadable(source, f"{missing}{error}") from None


def _read(source: str) -> BertModel:
    """The checkpoint in float32, every weight of it the file's: a missing one would silently be random."""
    from transformers import BertModel

    _config(source)
    try:
        with _quiet_transformers():
            checkpoint, report = BertModel.from_pretrained(
                _place(source),
                add_pooling_layer=False,
                output_loading_info=True,
                ignore_mismatched_sizes=True,
                dtype=torch.float32,
                weights_only=True,
                local_files_only=_only_cached(source),
            )
    except UnpicklingError:
        raise _unreadable(source, f"its pickle file is damaged, or holds more than tensors{_again(source)}") from None
    except Exception as error:  # as above
        if lacking := _lacking(source, [["config.json"], _WEIGHTS]):
            raise _unreadable(source, lacking) from None
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise _unreadable(source, f"damaged, or of another format: {reason}{_again(source)}") from None
    if other := sorted(key for key, *_ in report["mismatched_keys"]):
        raise _unreadable(source, f"{len(other)} weights have other sizes than config.json says, among them {other[0]}")
    if lacking := sorted(report["missing_keys"]):
        raise _unreadable(source, f"{len(lacking)} weights are missing, among them {lacking[0]}")
    if broken := [key for key, weight in checkpoint.named_parameters() if not weight.isfinite().all()]:
        raise _unreadable(source, f"{len(broken)} weights are not finite, among them {broken[0]}")
    return checkpoint


def _is_hub_name(source: str) -> bool:
    return not Path(source).exists() and _HUB_ID.fullmatch(source) is not None


def _only_cached(source: str) -> bool:
    """Whether ``source`` can only come from the hub's cache."""
    return _is_hub_name(source) and bool(hub.unreachable())


def _lacking(source: str, needed: Sequence[Sequence[str]]) -> str:
    """What the hub's cache lacks of ``source``, where that is a hub's name and no folder."""
    return hub.lacks(source, needed) if _is_hub_name(source) else ""


def _again(source: str) -> str:
    """How to fetch ``source`` again, where that is a hub's name and no folder."""
    return f"; {hub.again(source)}" if _is_hub_name(source) else ""


def _unreadable(source: str, reason: str) -> UserError:
    return UserError(f"bert: cannot read a BERT checkpoint from {source!r}: {reason.splitlines()[0]}")


@contextmanager
def _quiet_transformers() -> Iterator[None]:
    """transformers without its bar and its table of keys: what is loaded and what is not is said by semshare."""
    from transformers.utils import logging

    level, bar = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bar:
            logging.enable_progress_bar()
