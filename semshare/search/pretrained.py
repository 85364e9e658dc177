"""A trained model by itself: it needs neither its run nor its data, reads pictures and texts, goes to and from a hub.

Its folder is described in :mod:`semshare.search.folder`.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import torch
from huggingface_hub import ModelHubMixin, snapshot_download
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn.functional import normalize

from semshare import methods, runs
from semshare.data.dataset import pad_words
from semshare.data.regions.base import RegionExtractor, Regions
from semshare.data.regions.registry import EXTRACTORS
from semshare.data.words import MAX_LENGTH, SPECIAL, Vocabulary
from semshare.errors import UserError
from semshare.metrics import above
from semshare.runs import cards, keys, store
from semshare.search.folder import (
    CARD,
    CONFIG,
    FILES,
    TOKENIZER,
    WEIGHTS,
    WORDS,
    Config,
    as_stored,
    check_free,
    digest_of_weights,
    digest_of_words,
    halved,
    put,
    read_config,
    read_network,
    read_tokenizer,
    read_words,
    shipped,
)
from semshare.utils import hub
from semshare.utils.devices import default_precision, find_device
from semshare.utils.files import atomic_write, write_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from PIL import Image

    from semshare.data.segments import Segments
    from semshare.data.tokens import Tokenizer
    from semshare.model import Modality
    from semshare.runs.store import Run

_HUB_ID = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*")
_BATCH = 256  # items a forward pass, as an evaluation reads them


class Encoded(NamedTuple):
    """N items as the network sees them: ``embedding`` [N, E] and ``scores`` [N, C], float32 on the CPU."""

    embedding: Tensor
    scores: Tensor


class PretrainedModel(ModelHubMixin):
    """A trained network with all that it takes to read pictures and texts.

    ``save_pretrained``, ``push_to_hub`` and ``from_pretrained`` are those of ``huggingface_hub``. Nothing in a folder
    is executed or unpickled.
    """

    _hub_mixin_config: dict[str, Any] = {}  # noqa: RUF012 - config.json is written here, the mixin adds none of its own

    def __init__(
        self,
        config: Config,
        network: nn.Module,
        vocabulary: Vocabulary,
        tokenizer: Tokenizer,
        documents: Mapping[str, str],
        device: str = "auto",
    ) -> None:
        """Put together what :func:`load`, :meth:`of_run` and :meth:`from_pretrained` found; ``documents`` are cards."""
        self.config = config
        self.device = find_device(device)
        self.network = network.to(self.device).eval()
        self.vocabulary = vocabulary
        self.tokenizer = tokenizer
        self.documents = dict(documents)
        self._known = frozenset(vocabulary.words) - set(SPECIAL)

    @classmethod
    def of_run(cls, run: Run, device: str = "auto") -> Self:
        """The model that ``run`` kept, with its cards; no folder of this machine is named in it."""
        dataset, network = run.dataset, run.network()
        tokenizer = dataset.tokenizer
        if tokenizer.content:
            tokenizer = replace(tokenizer, name=tokenizer.short_name)
        config = Config(
            library="semshare",
            format=1,
            run=run.key,
            status=dataset.status,
            experiment=run.experiment.change(root=None, bert=None, tokens=tokenizer.name),
            regions=dataset.regions,
            feature_size=dataset.feature_size,
            region_classes=dataset.region_classes,
            word_size=dataset.vectors.shape[1],
            label_names=dataset.label_names,
            thresholds=run.thresholds,
            weights=digest_of_weights(network.state_dict()),
            vocabulary=digest_of_words(dataset.vocabulary.words),
            tokenizer=tokenizer.digest if tokenizer.content else None,
        )
        texts = run.card_texts()
        documents = {
            CARD: texts[cards.MODEL] + _HOW_TO_USE,
            cards.DATA: texts[cards.DATA].replace(f"[{cards.MODEL}]({cards.MODEL})", f"[model card]({CARD})"),
        }
        return cls(config, network, dataset.vocabulary, tokenizer, documents, device)

    def half(self) -> Self:
        """This model with its weights rounded to float16, as its folder then keeps them, in half the size.

        It still computes in float32, so that it runs wherever the whole one does.

        Raises:
            UserError: a weight that float16 does not reach.
        """
        config, network = halved(self.config, self.network)
        documents = self.documents | {CARD: self.documents.get(CARD, "") + _ROUNDED}
        return type(self)(config, network, self.vocabulary, self.tokenizer, documents, str(self.device))

    @classmethod
    def from_pretrained(
        cls, pretrained_model_name_or_path: str | Path, *, device: str = "auto", **options: Any
    ) -> Self:
        """The model in a folder, or on the hub under ``"user/name"``.

        Args:
            pretrained_model_name_or_path: the folder, or the hub's name.
            device: where it computes.
            options: for the hub: ``revision``, ``token``, ``cache_dir``, ``force_download``, ``local_files_only``.

        Raises:
            UserError: nothing there, another program's folder, or a damaged file: its name, the field, what was found.
        """
        folder, again = Path(pretrained_model_name_or_path), ""
        if not folder.is_dir():
            name = str(pretrained_model_name_or_path)
            folder, again = _download(name, options), f"; {hub.again(name, *_where(options))}"
        try:
            config = read_config(folder / CONFIG)
            vocabulary = read_words(folder / WORDS, config)
            tokenizer = read_tokenizer(folder / TOKENIZER, config)
            network = read_network(folder / WEIGHTS, config, vocabulary)
        except UserError as error:
            raise UserError(f"{error}{again}") from None
        documents = {
            name: (folder / name).read_text("utf-8", "replace")
            for name in (CARD, cards.DATA)
            if (folder / name).exists()
        }
        return cls(config, network, vocabulary, tokenizer, documents, device)

    def save_pretrained(
        self, save_directory: str | Path, *, push_to_hub: bool = False, repo_id: str | None = None, **options: Any
    ) -> str | None:
        """Write the folder in one move: a new one, or in the place of an older model.

        Args:
            save_directory: the folder.
            push_to_hub: whether to upload it as well, as ``repo_id`` (the folder's name by default).
            options: for ``push_to_hub``.

        Raises:
            UserError: the folder holds something else, or cannot be written; what was there stays.
        """
        target = Path(save_directory).absolute()
        check_free(target)
        part = target.with_name(f".{target.name}.{os.getpid()}.part")
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            super().save_pretrained(part)
            put(part, target)
        except UserError as error:  # of a file in the folder's other name
            raise UserError(str(error).replace(str(part), str(target))) from None
        except (OSError, SafetensorError) as error:
            raise UserError(f"{target}: cannot be written: {getattr(error, 'strerror', None) or error}") from None
        finally:
            shutil.rmtree(part, ignore_errors=True)
        return self.push_to_hub(repo_id or target.name, **options) if push_to_hub else None

    def _save_pretrained(self, save_directory: Path) -> None:
        weights = as_stored(self.network, self.config.weights_type)
        with atomic_write(save_directory / WEIGHTS) as part:
            save_file(weights, part, metadata={"format": "pt"})
        words = "".join(f"{word}\n" for word in self.vocabulary.words)
        tokenizer = {TOKENIZER: self.tokenizer.content} if self.tokenizer.content else {}
        for name, text in {
            WORDS: words,
            **tokenizer,
            **self.documents,
            CONFIG: self.config.model_dump_json(indent=2) + "\n",
        }.items():
            write_text(save_directory / name, text)

    @property
    def title(self) -> str:
        """The method, the data it was trained on, and the run's key."""
        experiment = self.config.experiment
        return f"{methods.get(experiment.method).title} on {experiment.dataset} (run {self.config.run})"

    @cached_property
    def fingerprint(self) -> str:
        """64 hex digits that stand for all that decides an embedding; other weights or words, other digits."""
        # The same weights say something else once the code that reads pictures and words with them changes.
        return hashlib.sha256(f"{self.config.model_dump_json()} {self.code}".encode()).hexdigest()

    @property
    def code(self) -> str:
        """The method, and the digest of the code that reads pictures and words with its weights."""
        method = self.config.experiment.method
        return f"{method}:{keys.encoding_code(method)}"

    def words_of(self, text: str) -> tuple[list[str], list[str]]:
        """The words of ``text``, as many as are read of it, that the model knows, and those that it does not."""
        known, unknown = [], []
        for word in self.tokenizer.cut(text)[: MAX_LENGTH - 2]:
            (known if word in self._known else unknown).append(word)
        return known, unknown

    def encode_texts(self, texts: Sequence[str]) -> Encoded:
        """Read ``texts``, those of equal length together; a word that is not known is read as ``<unk>``."""
        ids = [self.vocabulary.encode(self.tokenizer.cut(text)) for text in texts]
        order = sorted(range(len(ids)), key=lambda row: len(ids[row]))
        encoded = [self._read("text", pad_words([ids[row] for row in rows])) for rows in self._batches(order, ids)]
        back = torch.tensor(order, dtype=torch.long).argsort()
        return Encoded(*(torch.cat(parts)[back] for parts in zip(*encoded, strict=True)))

    def encode_pictures(self, pictures: Sequence[Image.Image]) -> Encoded:
        """Read RGB ``pictures`` of any size through the model's own :attr:`extractor`; raises where it has none."""
        return self.encode_regions(torch.from_numpy(self.extractor.extract(pictures).rows()))

    def encode_regions(self, rows: Tensor) -> Encoded:
        """Read ``rows`` [N, 36, D] of the model's own extractor, rounded as a store keeps them."""
        parts = [self._read("image", Regions.of_rows(part).segments()) for part in rows.split(_BATCH)]
        return Encoded(*map(torch.cat, zip(*parts, strict=True)))

    @cached_property
    def extractor(self) -> RegionExtractor:
        """What makes the model's regions; raises :class:`UserError` for regions that come from no picture."""
        if self.config.regions not in EXTRACTORS:
            raise UserError(
                f"model: {self.title} was trained on {self.config.regions} regions, which come from labels, not from "
                f"pictures, so it cannot read pictures; expected one of {', '.join(EXTRACTORS)}"
            )
        return EXTRACTORS[self.config.regions].make(self.device)

    def comparable(self, embedding: Tensor) -> Tensor:
        """``embedding`` [N, E] as its inner products rank: of length 1, unless the experiment ranks by plain ones."""
        return normalize(embedding, dim=1) if self.config.experiment.ranking == "cosine" else embedding

    def predicted(self, modality: Modality, scores: Tensor) -> list[tuple[str, ...]]:
        """The labels of each row of ``scores`` [N, C] at least as high as the threshold tuned on dev."""
        chosen = above(scores, getattr(self.config.thresholds, modality))
        return [tuple(self.config.label_names[column] for column in row.nonzero().flatten()) for row in chosen]

    def _batches(self, order: list[int], ids: Sequence[Sequence[int]]) -> list[list[int]]:
        """``order`` in batches; of one length each where a network reads padding, so that no text moves another."""
        if self.config.experiment.padding == "masked":
            return [order[start : start + _BATCH] for start in range(0, len(order), _BATCH)]
        lengths: dict[int, list[int]] = {}
        for row in order:
            lengths.setdefault(len(ids[row]), []).append(row)
        return [rows[start : start + _BATCH] for rows in lengths.values() for start in range(0, len(rows), _BATCH)]

    @torch.inference_mode()
    def _read(self, modality: Modality, items: Segments) -> Encoded:
        bfloat16 = self.config.experiment.precision == default_precision(self.device) == "bfloat16"  # not emulated
        with torch.autocast(self.device.type, torch.bfloat16, enabled=bfloat16):
            output = self.network(modality, items.to(self.device))
        return Encoded(output.embedding.float().cpu(), output.scores.float().cpu())


def load(name: str | Path, device: str = "auto") -> PretrainedModel:
    """The model called ``name``: a folder, a shipped model, a run, or a hub's ``user/name``.

    A folder of that name comes first if it holds a model; a run is named as :func:`semshare.runs.finding.find` has it.

    Raises:
        UserError: none of them, or a damaged one.
    """
    folder = Path(name)
    if not (folder / CONFIG).is_file():
        folder = shipped().get(str(name), folder)
    if (folder / CONFIG).is_file() or (_HUB_ID.fullmatch(str(name)) and not folder.exists()):
        return PretrainedModel.from_pretrained(folder, device=device)
    if folder.is_dir() and not store.is_run(folder):
        raise UserError(f"{folder}: found neither {CONFIG} nor run.json, expected a model's folder or a run's")
    return PretrainedModel.of_run(runs.find(str(name)), device)


def _download(name: str, options: Mapping[str, Any]) -> Path:
    """The folder that the hub's files of ``name`` were fetched into."""
    try:
        return Path(snapshot_download(name, allow_patterns=[*FILES, TOKENIZER], **{**hub.where_to_look(), **options}))
    except Exception as error:  # no network, no such name, no access, no name at all: nothing to load in any case
        if _HUB_ID.fullmatch(name) and (lacking := hub.lacks(name, [[CONFIG], [WEIGHTS]], *_where(options))):
            raise UserError(f"model: {name!r}: the hub's cache holds a part of it: {lacking}") from None
        absent = _HUB_ID.fullmatch(name) and hub.absent(name, options.get("cache_dir"))
        reason = absent or f"not to be had from the hub: {next(iter(str(error).splitlines()), type(error).__name__)}"
        raise UserError(f"model: {name!r}: no such folder, and {reason}") from None


def _where(options: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """The cache and the revision among the options for the hub."""
    return options.get("cache_dir"), options.get("revision")


_ROUNDED = """
The weights in this folder are rounded to float16. The measures above were taken before.
"""
_HOW_TO_USE = f"""
## Use

In a model's folder the weights are `{WEIGHTS}`, the run's `best.safetensors`; `{WORDS}` lists the words that it knows.

```python
from semshare.search.retriever import Retriever

retriever = Retriever("FOLDER or user/name")
retriever.add_images("pictures")
for found in retriever.search_texts("two dogs on a beach"):
    print(found)
```
"""
