"""The folder of a trained model: what its files are, how they are checked, and how one takes the place of another.

========================  ==========================================================================================
``config.json``           experiment, label names, thresholds, region extractor, sizes, checksums of the files below
``model.safetensors``     the weights, the Word2Vec vectors among them (the network's word embedding)
``vocab.txt``             the words in the order of their ids, one a line
``tokenizer.json``        the tokenizer that cut its texts into words, where that was one of others
``README.md``             the model card; ``DATA_CARD.md`` describes what it was trained on
========================  ==========================================================================================
"""

from __future__ import annotations

import copy
import hashlib
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
import torch
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from semshare import methods
from semshare.data import tokens
from semshare.data.about import Status
from semshare.data.regions.registry import known_regions
from semshare.data.tokens import Tokenizer
from semshare.data.words import Vocabulary
from semshare.errors import UserError
from semshare.evaluation import Thresholds
from semshare.experiment import Experiment
from semshare.runs import cards
from semshare.utils.text_files import read_bytes, read_lines, read_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

CONFIG, WEIGHTS, WORDS, CARD = "config.json", "model.safetensors", "vocab.txt", "README.md"
TOKENIZER = tokens.FILE
FILES = (CONFIG, WEIGHTS, WORDS, CARD, cards.DATA)
_SHIPPED = Path(__file__).parent / "models"  # part of the package, with their cards
_Size = Annotated[int, Field(gt=0)]
_Digest = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


def _known(regions: str) -> str:
    try:
        return known_regions(regions)
    except UserError as error:
        raise ValueError(str(error)) from None


class Config(BaseModel):
    """What ``config.json`` says; ``weights``, ``vocabulary`` and ``tokenizer`` are checksums of what other files hold.

    Where ``tokenizer`` is None there is no such file: the experiment's ``tokens`` are ``words`` or ``space``.
    ``weights_type`` is how the file keeps the weights; the network computes in float32 all the same.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    library: Literal["semshare"]
    format: Literal[1]
    run: str
    status: Status
    experiment: Experiment
    regions: Annotated[str, AfterValidator(_known)]
    feature_size: _Size
    region_classes: _Size
    word_size: _Size
    label_names: Annotated[tuple[str, ...], Field(min_length=1)]
    thresholds: Thresholds
    weights: _Digest
    weights_type: Literal["float32", "float16"] = "float32"
    vocabulary: _Digest
    tokenizer: _Digest | None = None


def shipped() -> dict[str, Path]:
    """The folders of the models that come with the package, by name."""
    return {path.parent.name: path.parent for path in sorted(_SHIPPED.glob(f"*/{CONFIG}"))}


def read_config(path: Path) -> Config:
    """What a ``config.json`` says; raises :class:`UserError` for the first field that is wrong."""
    try:
        return Config.model_validate_json(read_bytes(path))
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"])) or "the file"
        found = "nothing" if first["type"] == "missing" else repr(first["input"])[:60]
        raise UserError(
            f"{path}: {field}: found {found}, expected otherwise: {first['msg'].split(chr(10))[0]}"
        ) from None


def read_words(path: Path, config: Config) -> Vocabulary:
    """The words at ``path``, if they are those of the configuration; raises :class:`UserError`."""
    listed = tuple(read_lines(path))
    if (found := digest_of_words(listed)) != config.vocabulary:
        raise UserError(
            f"{path}: found {len(listed):,} words of checksum {found[:12]}, expected {config.vocabulary[:12]} as "
            f"{CONFIG} says: damaged, or of another model"
        )
    try:
        return Vocabulary(listed)
    except ValueError as error:
        raise UserError(f"{path}: {error}") from None


def read_tokenizer(path: Path, config: Config) -> Tokenizer:
    """What cuts a model's texts: the tokenizer at ``path``, or one that needs no file; raises :class:`UserError`."""
    named, own = config.experiment.tokens, (tokens.WORDS, tokens.SPACE)
    if (config.tokenizer is None) != (named in own):
        raise UserError(
            f"{path.with_name(CONFIG)}: experiment.tokens: found {named!r}, expected {' or '.join(own)} where "
            "tokenizer has no checksum, and a tokenizer's name where it has one"
        )
    if config.tokenizer is None:
        return Tokenizer(named)
    tokenizer = Tokenizer(named, read_text(path))
    if tokenizer.digest != config.tokenizer:
        raise UserError(
            f"{path}: found a tokenizer of checksum {tokenizer.digest[:12]}, expected {config.tokenizer[:12]} as "
            f"{CONFIG} says: damaged, or of another model"
        )
    tokenizer.check(path)
    return tokenizer


def read_network(path: Path, config: Config, vocabulary: Vocabulary) -> nn.Module:
    """A network of the configuration's sizes with the weights at ``path``, each checked by name and shape.

    Raises:
        UserError: a missing or damaged file, or weights that are not those of the configuration.
    """
    if not path.is_file():
        raise UserError(f"{path}: missing")
    try:
        state = load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise UserError(f"{path}: damaged: {error}") from None
    sizes = SimpleNamespace(
        feature_size=config.feature_size,
        region_classes=config.region_classes,
        vectors=np.zeros((len(vocabulary), config.word_size), np.float32),
        label_names=config.label_names,
    )
    try:
        # The weights are all here: a checkpoint that a stranger's file names is never looked for.
        network = methods.get(config.experiment.method).network(config.experiment.change(bert=None), sizes)
    except (UserError, RuntimeError, MemoryError, ValueError) as error:
        raise UserError(f"{path.with_name(CONFIG)}: experiment: {str(error).split(chr(10))[0]}") from None
    shapes = [
        {name: tuple(tensor.shape) for name, tensor in weights.items()} for weights in (state, network.state_dict())
    ]
    for name in sorted(shapes[0].keys() | shapes[1].keys()):
        found, expected = (of_side.get(name, "no such weight") for of_side in shapes)
        if found != expected:
            raise UserError(f"{path}: {name}: found {found}, expected {expected} as {CONFIG} says")
    if (digest := digest_of_weights(state)) != config.weights:
        raise UserError(
            f"{path}: found weights of checksum {digest[:12]}, expected {config.weights[:12]} as {CONFIG} says"
        )
    network.load_state_dict(state)
    return network


def check_free(target: Path) -> None:
    """Raise :class:`UserError` where ``target`` is something that a model's folder may not take the place of."""
    if target.is_symlink() or (target.exists() and not target.is_dir()):
        raise UserError(f"{target}: found a file or a link, expected a new folder or an older model's")
    others = [path.name for path in target.iterdir() if path.name not in (*FILES, TOKENIZER)] if target.is_dir() else []
    if others:
        raise UserError(f"{target}: holds {sorted(others)[0]!r}, expected a new folder or an older model's")
    if (target / CONFIG).exists():
        read_config(target / CONFIG)
    elif target.is_dir() and any(target.iterdir()):
        raise UserError(f"{target}: holds files but no {CONFIG}, expected a new folder or an older model's")


def put(part: Path, target: Path) -> None:
    """Give ``part`` the name ``target``; an older model there goes last."""
    if not target.exists():
        part.rename(target)
        return
    old = part.with_suffix(".old")
    target.rename(old)
    try:
        part.rename(target)
    except OSError:
        old.rename(target)
        raise
    shutil.rmtree(old)


def as_stored(network: nn.Module, weights_type: str) -> dict[str, Tensor]:
    """The network's weights on the CPU as its file keeps them; whole numbers keep their type."""
    kept = getattr(torch, weights_type)
    return {
        name: tensor.cpu().to(kept if tensor.is_floating_point() else tensor.dtype).contiguous()
        for name, tensor in network.state_dict().items()
    }


def halved(config: Config, network: nn.Module) -> tuple[Config, nn.Module]:
    """A copy of ``network`` with its weights rounded to float16, and the configuration of its folder.

    Raises:
        UserError: a weight that float16 does not reach.
    """
    state = as_stored(network, "float16")
    if beyond := [name for name, tensor in state.items() if not tensor.isfinite().all()]:
        raise UserError(f"{beyond[0]}: holds a number beyond 65,504, the largest of float16; keep float32")
    rounded = copy.deepcopy(network)
    rounded.load_state_dict(state)
    return config.model_copy(update={"weights": digest_of_weights(state), "weights_type": "float16"}), rounded


def digest_of_weights(state: Mapping[str, Tensor]) -> str:
    """sha256 of every weight's name, type, shape and numbers."""
    digest = hashlib.sha256()
    for name, tensor in sorted(state.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
    return digest.hexdigest()


def digest_of_words(listed: Sequence[str]) -> str:
    """sha256 of the words in their order."""
    return hashlib.sha256("\n".join(listed).encode()).hexdigest()
