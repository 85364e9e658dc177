"""Experiment: the frozen, validated, hashable description of one run; the scales and the presets it comes in."""

from __future__ import annotations

import json
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from semshare.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Collection

Scale = Literal["smoke", "laptop", "full"]
Preset = Literal["paper", "released"]
PRESETS: tuple[Preset, ...] = get_args(Preset)

# How much machine a scale asks for. It shrinks width, depth, items and epochs and sets the learning rate;
# it never changes the method. "full" is the supplementary's section 2 throughout.
SCALES: dict[str, dict[str, Any]] = {
    "smoke": {"width": 32, "layers": 1, "heads": 4, "feed_forward": 64, "epochs": 2, "learning_rate": 2e-3},
    "laptop": {
        "width": 128, "layers": 2, "heads": 8, "feed_forward": 256, "epochs": 10, "learning_rate": 4e-3,
        "least_steps": 240, "most_steps": 1200, "schedule": "cosine",
    },
    "full": {"width": 768, "layers": 6, "heads": 8, "feed_forward": 3072, "epochs": 45, "learning_rate": 1e-4},
}  # fmt: skip


@dataclass(frozen=True)
class Difference:
    """One thing in which the two presets differ, or in which ``released`` does not follow the released code.

    Attributes:
        field: the experiment's field; of what is refused, a name for it.
        paper: its value under ``paper``; a text where it depends on the data or the device.
        released: its value under ``released``; of what is refused, what the released code does.
        about: what the two values mean, for readers.
        only: where the released value is taken: a scale, a kind of text or a method, all of which must hold;
            everywhere where it is empty.
        within: the preset in which its cost is measured: what does nothing alone is taken back from ``released``.
        refused: why ``released`` does not follow; None where it does.
    """

    field: str
    paper: Any
    released: Any
    about: str
    only: tuple[str, ...] = ()
    within: Preset = "paper"
    refused: str | None = None

    def holds(self, method: str, scale: str, text_kind: str) -> bool:
        """Whether the released value is taken for this method, scale and kind of text."""
        return self.refused is None and set(self.only) <= {method, scale, text_kind}


def _measured_in_released(*parts: Any, only: tuple[str, ...] = ()) -> Difference:
    return Difference(*parts, only=only, within="released")


# Every difference between the supplementary and the authors' released code that is not the data's, the refused ones
# last. The preset "paper" is what the fields' defaults and the scales say. Of two rows of one field the later holds.
DIFFERENCES = (
    Difference("block", "post-ln", "pre-ln", "normalisation after each sub-layer (BERT), or before it"),
    Difference("padding", "masked", "read", "whether padding is masked, or attended to and averaged like a segment"),
    Difference("box_weight", 1.0, 1e-4, "weight of a region's box beside its feature"),
    Difference("place_weight", 1.0, 1e-5, "weight of a word's place beside its vector"),
    Difference("masked_word", "mask", "unk", "what a hidden word shows: its own symbol, or the unknown word's"),
    Difference("masked_region", "replaced", "kept", "what a hidden region shows: a learnt vector, or itself"),
    Difference("context_scores", "raw", "sigmoid", "what context prediction's cross-entropy reads"),
    Difference("lam", "0.1 on tags, 0.01 on captions", 5e-4, "weight of context prediction"),
    Difference("similarity", "binary", "count", "whether the consistency loss asks if, or how many, labels are shared"),
    Difference("label_loss", "softplus_dot", "bce", "Independent's label prediction loss", ("independent",)),
    Difference("text_clip", None, 2.0, "largest norm of the text segment encoder's gradient"),
    Difference("ranking", "cosine", "dot", "how retrieval compares two embeddings; DSCMR's by cosine", ("captions",)),
    Difference("gallery", "texts-and-labels", "texts", "what makes two tag sets one item of the gallery"),
    Difference("width", 768, 1024, "width of the encoder", ("full",)),
    Difference("feed_forward", 3072, 2048, "width of its feed-forward layers", ("full",)),
    Difference("learning_rate", 1e-4, 2e-4, "Adam's learning rate", ("full",)),
    Difference("epochs", 45, 35, "passes over the training pairs", ("full",)),
    Difference("epochs", 45, 500, "DSCMR's passes over the training pairs", ("full", "dscmr")),
    _measured_in_released(
        "segment_sum", "sum", "mean", "a segment is the sum of what it is and where it is, or half of that"
    ),
    _measured_in_released(
        "layer_norm", "variance", "deviation",
        "what normalisation divides by: sqrt(variance + 1e-5), or the unbiased standard deviation + 1e-6",
    ),
    _measured_in_released(
        "word_places", "in-order", "first", "words take places 0, 1, 2..., or all take place 0, which is not trained"
    ),
    _measured_in_released(
        "boxes", "own", "first",
        "an image's regions have its own boxes, or those of the split's first image, whose layer is not trained",
    ),
    _measured_in_released(
        "evaluation_batches", "by-length", "in-order",
        "texts are read with others of their length, or 64 at a time as the split has them: padding that is read "
        "makes an embedding depend on its batch",
    ),
    _measured_in_released(
        "caption_mean", "batch", "split",
        "in evaluation a caption's mean is over its batch's longest, or over the split's with zeros in what is left",
        only=("captions",),
    ),
    _measured_in_released(
        "context_items", "all", "longest",
        "context prediction counts all B pairs of a batch, or the min(B, L) with the longest texts, L being the "
        "modality's segments",
    ),
    _measured_in_released(
        "context_words", "known", "all",
        "context prediction hides known words and may answer <mask>, or hides <unk> too and may not",
    ),
    _measured_in_released(
        "text_queries", "all", "distinct",
        "every tag set asks, or each item of the text gallery once, with its first label vector", only=("tags",),
    ),
    _measured_in_released(
        "initial_words", "word2vec", "uniform", "word vectors begin with Word2Vec's, or uniform in ±0.1"
    ),
    _measured_in_released(
        "initial_layers", "own", "xavier",
        "the image layer and attention's queries, keys and values begin as the libraries have it, or each by Xavier",
    ),
    _measured_in_released(
        "checkpoint", "dev", "lowest-loss",
        "the kept weights are of the best epoch on dev, or of the lowest training loss of every tenth batch",
    ),
    _measured_in_released(
        "epoch_pairs", "images", "captions",
        "an epoch sees each image once with one of its captions, or once with each", only=("captions",),
    ),
    _measured_in_released("precision", "the device's own", "float32", "what networks compute in"),
    Difference(
        "dev split", "part of the training pairs", "the test split", "what is looked at during training",
        ("tags",), refused="not followed: it would select on test",
    ),
    Difference(
        "DSCMR's distances", "mean norm of the rows", "norm of the batch",
        "what its label error and paired distance are", ("dscmr",),
        refused="not followed: where a prediction is exact its gradient is not a number, and training ends",
    ),
)  # fmt: skip

# Fields that only say how a finished run is read or what it is called. They train nothing and are in no run's key.
READING = frozenset({"preset", "ranking", "gallery", "text_queries"})


class Experiment(BaseModel):
    """Everything that decides a run's result, device and thread count aside.

    ``lam`` is the weight of context prediction and ``eta`` that of the consistency loss (the paper's lambda and eta).
    What the fields of ``DIFFERENCES`` mean is said there. ``tokens`` name what cuts texts into words. ``pairing``
    trains on an image's own text, or on a random text of the same label vector. ``missing_regions`` and
    ``missing_words`` are the shares of segments withheld from every split, ``train_items`` keeps the first training
    pairs only: for studies of how much a modality knows. An epoch is a pass over the training pairs, after which dev is
    read; where all ``epochs`` together would take fewer than ``least_steps`` steps, or more than ``most_steps``, it is
    their equal part of that budget. ``schedule`` holds the learning rate, or raises it over the first tenth of the
    steps and lowers it along a cosine to 0 at the last. ``keep`` says which checkpoints stay: the one that
    ``checkpoint`` selects, or every epoch's too (Fig. 1).
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    dataset: str
    root: Path | None = None
    regions: str = "grid"
    tokens: str = "words"
    split_seed: Annotated[int, Field(ge=0)] = 0
    missing_regions: Annotated[float, Field(ge=0, lt=1)] = 0.0
    missing_words: Annotated[float, Field(ge=0, lt=1)] = 0.0
    train_items: Annotated[int, Field(gt=0)] | None = None
    pairing: Literal["aligned", "same-labels"] = "aligned"
    method: str
    preset: Preset = "paper"
    scale: Scale = "laptop"
    seed: Annotated[int, Field(ge=0)] = 0

    lam: Annotated[float, Field(ge=0)] = 0.0
    eta: Annotated[float, Field(ge=0)] = 0.0
    mask_share: Annotated[float, Field(ge=0, lt=1)] = 0.15
    label_loss: Literal["softplus_dot", "bce"] = "softplus_dot"
    similarity: Literal["binary", "count"] = "binary"
    context_scores: Literal["raw", "sigmoid"] = "raw"
    masked_word: Literal["mask", "unk"] = "mask"
    masked_region: Literal["replaced", "kept"] = "replaced"
    context_items: Literal["all", "longest"] = "all"
    context_words: Literal["known", "all"] = "known"

    width: Annotated[int, Field(gt=0)]
    layers: Annotated[int, Field(gt=0)]
    heads: Annotated[int, Field(gt=0)]
    feed_forward: Annotated[int, Field(gt=0)]
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.1
    block: Literal["post-ln", "pre-ln"] = "post-ln"
    padding: Literal["masked", "read"] = "masked"
    box_weight: Annotated[float, Field(ge=0)] = 1.0
    place_weight: Annotated[float, Field(ge=0)] = 1.0
    segment_sum: Literal["sum", "mean"] = "sum"
    layer_norm: Literal["variance", "deviation"] = "variance"
    word_places: Literal["in-order", "first"] = "in-order"
    boxes: Literal["own", "first"] = "own"
    initial_words: Literal["word2vec", "uniform"] = "word2vec"
    initial_layers: Literal["own", "xavier"] = "own"
    bert: str | None = None

    epochs: Annotated[int, Field(gt=0)]
    least_steps: Annotated[int, Field(ge=0)] = 0
    most_steps: Annotated[int, Field(gt=0)] | None = None
    epoch_pairs: Literal["images", "captions"] = "images"
    batch: Annotated[int, Field(gt=0)] = 64
    learning_rate: Annotated[float, Field(gt=0)]
    schedule: Literal["constant", "cosine"] = "constant"
    text_clip: Annotated[float, Field(gt=0)] | None = None
    precision: Literal["float32", "bfloat16"] = "float32"
    checkpoint: Literal["dev", "lowest-loss"] = "dev"
    keep: Literal["best", "every-epoch"] = "best"

    evaluation_batches: Literal["by-length", "in-order"] = "by-length"
    caption_mean: Literal["batch", "split"] = "batch"
    ranking: Literal["cosine", "dot"] = "cosine"
    gallery: Literal["texts-and-labels", "texts"] = "texts-and-labels"
    text_queries: Literal["all", "distinct"] = "all"

    @model_validator(mode="after")
    def _fits(self) -> Experiment:
        if self.width % self.heads:
            raise ValueError(f"width: {self.width} is not a multiple of heads ({self.heads})")
        if self.most_steps is not None and self.most_steps < max(self.least_steps, self.epochs):
            least = max(self.least_steps, self.epochs)
            raise ValueError(f"most_steps: {self.most_steps} is below {least}, the larger of least_steps and epochs")
        if self.bert is not None and self.block != "post-ln":
            raise ValueError(f"bert: a BERT checkpoint has post-ln blocks, found block {self.block!r}")
        return self

    @classmethod
    def make(cls, **fields: Any) -> Experiment:
        """An experiment from fields, the scale's sizes filled in where a field is not given.

        Raises:
            UserError: an unknown field, or a value of the wrong type or range; one line names each.
        """
        scale = fields.get("scale", "laptop")
        known_scale(scale)
        try:
            return cls(**{**SCALES[scale], **fields})
        except ValidationError as error:
            raise UserError(_one_line_each(error)) from None

    @classmethod
    def from_json(cls, text: str) -> Experiment:
        """The inverse of :meth:`to_json`; raises :class:`UserError` as :meth:`make` does."""
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            raise UserError(_one_line_each(error)) from None

    def to_json(self) -> str:
        """One line of JSON with sorted keys: equal experiments give equal text."""
        return json.dumps(self.model_dump(mode="json"), sort_keys=True)

    def __repr__(self) -> str:
        return f"Experiment.make({', '.join(f'{name}={value!r}' for name, value in self.said().items())})"

    def _repr_html_(self) -> str:
        from semshare.utils import html

        every = html.folded("Every field", html.facts(self.model_dump(mode="json")))
        return html.shown(f"{self.method} on {self.dataset}", html.facts(self.said()), every)

    def said(self) -> dict[str, Any]:
        """The fields that are not as the scale and the defaults have them, and which method, data, scale and seed."""
        usual = {name: field.default for name, field in type(self).model_fields.items()} | SCALES[self.scale]
        named = ("dataset", "method", "scale", "seed")
        return {name: value for name, value in self if name in named or value != usual[name]}

    def reading(self) -> dict[str, Any]:
        """The fields of ``READING``, as JSON has them."""
        return self.model_dump(mode="json", include=set(READING))

    def plainly_read(self) -> Experiment:
        """A copy that is read in the one way that histories are, whatever was asked: every such field at its default.

        Retrieval ranks by cosine, and the gallery of a tag set tells texts with other labels apart.
        """
        return self.change(**{name: type(self).model_fields[name].default for name in READING})

    def steps_in_epoch(self, pairs: int) -> int:
        """How many steps an epoch takes where ``pairs`` are read in a pass: a pass, or a part of the budget."""
        steps = max(self.epochs * -(-pairs // self.batch), self.least_steps)
        if self.most_steps is not None:
            steps = min(steps, self.most_steps)
        return -(-steps // self.epochs)

    def change(self, **fields: Any) -> Experiment:
        """A copy with ``fields`` replaced, validated again."""
        return Experiment.make(**{**self.model_dump(), **fields})


def known_scale(scale: str) -> None:
    """Raise :class:`UserError` for a scale that does not exist."""
    if scale not in SCALES:
        raise UserError(f"scale: unknown {scale!r}, expected one of {', '.join(SCALES)}")


def preset_fields(
    preset: str, method: str, scale: str, text_kind: str, own: Collection[str] = frozenset()
) -> dict[str, Any]:
    """The fields that ``preset`` sets for a method, scale and kind of text; none for ``paper``.

    The method's ``own`` fields are set by differences of that method alone.

    Raises:
        UserError: an unknown preset.
    """
    if preset not in PRESETS:
        raise UserError(f"preset: unknown {preset!r}, expected one of {', '.join(PRESETS)}")
    if preset == "paper":
        return {}
    held = [row for row in DIFFERENCES if row.holds(method, scale, text_kind)]
    return {row.field: row.released for row in held if method in row.only or row.field not in own}


def no_such_field(name: str) -> str:
    """What to say of a field that an experiment does not have: which was perhaps meant, and which there are."""
    near = get_close_matches(name, Experiment.model_fields, 1)
    meant = f", perhaps {near[0]}" if near else ""
    return f"{name}: no such field{meant}; an experiment has {', '.join(sorted(Experiment.model_fields))}"


def _one_line_each(error: ValidationError) -> str:
    """pydantic's findings, one line a field: what was found and what was expected."""
    lines = []
    for problem in error.errors():
        field = ".".join(str(part) for part in problem["loc"])
        if problem["type"] == "extra_forbidden":
            lines.append(no_such_field(field))
        elif field:
            lines.append(f"{field}: {problem['msg'][0].lower()}{problem['msg'][1:]}, found {problem['input']!r}")
        else:
            lines.append(problem["msg"].removeprefix("Value error, "))
    return "\n".join(lines)
