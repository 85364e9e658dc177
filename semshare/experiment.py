"""Experiment: the frozen, validated, hashable description of one run, and the scales it comes in."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from semshare.errors import UserError

Scale = Literal["smoke", "laptop", "full"]

# How much machine a scale asks for. It shrinks width, depth, items and epochs and sets the learning rate;
# it never changes the method. "full" is the supplementary's section 2 throughout.
SCALES: dict[str, dict[str, Any]] = {
    "smoke": {"width": 32, "layers": 1, "heads": 4, "feed_forward": 64, "epochs": 2, "learning_rate": 2e-3},
    "laptop": {
        "width": 128,
        "layers": 2,
        "heads": 8,
        "feed_forward": 256,
        "epochs": 10,
        "least_steps": 240,
        "learning_rate": 5e-4,
    },
    "full": {"width": 768, "layers": 6, "heads": 8, "feed_forward": 3072, "epochs": 45, "learning_rate": 1e-4},
}


class Experiment(BaseModel):
    """Everything that decides a run's result, device and thread count aside.

    ``lam`` is the weight of context prediction and ``eta`` that of the consistency loss (the paper's
    lambda and eta). A dataset so small that ``epochs`` take fewer than ``least_steps`` steps is read more often,
    until they are reached. ``keep`` says which checkpoints stay: the best on dev, or every epoch's (Fig. 1).
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    dataset: str
    root: Path | None = None
    regions: str = "grid"
    split_seed: Annotated[int, Field(ge=0)] = 0
    method: str
    scale: Scale = "laptop"
    seed: Annotated[int, Field(ge=0)] = 0

    lam: Annotated[float, Field(ge=0)] = 0.0
    eta: Annotated[float, Field(ge=0)] = 0.0
    mask_share: Annotated[float, Field(ge=0, lt=1)] = 0.15
    label_loss: Literal["softplus_dot", "bce"] = "softplus_dot"
    similarity: Literal["binary", "count"] = "binary"

    width: Annotated[int, Field(gt=0)]
    layers: Annotated[int, Field(gt=0)]
    heads: Annotated[int, Field(gt=0)]
    feed_forward: Annotated[int, Field(gt=0)]
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.1
    bert: str | None = None

    epochs: Annotated[int, Field(gt=0)]
    least_steps: Annotated[int, Field(ge=0)] = 0
    batch: Annotated[int, Field(gt=0)] = 64
    learning_rate: Annotated[float, Field(gt=0)]
    precision: Literal["float32", "bfloat16"] = "float32"
    keep: Literal["best", "every-epoch"] = "best"

    @model_validator(mode="after")
    def _heads_divide_width(self) -> Experiment:
        if self.width % self.heads:
            raise ValueError(f"width: {self.width} is not a multiple of heads ({self.heads})")
        return self

    @classmethod
    def make(cls, **fields: Any) -> Experiment:
        """An experiment from fields, the scale's sizes filled in where a field is not given.

        Raises:
            UserError: an unknown field, or a value of the wrong type or range; one line names each.
        """
        scale = fields.get("scale", "laptop")
        if scale not in SCALES:
            raise UserError(f"scale: unknown {scale!r}, expected one of {', '.join(SCALES)}")
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

    def change(self, **fields: Any) -> Experiment:
        """A copy with ``fields`` replaced, validated again."""
        return Experiment.make(**{**self.model_dump(), **fields})


def default_precision(device: torch.device) -> Literal["float32", "bfloat16"]:
    """bfloat16 where the device computes in it natively (CUDA; CPUs with AMX or AVX512-BF16), else float32.

    A CPU without those instructions only emulates bfloat16, slowly.
    """
    if device.type == "cuda":
        return "bfloat16"
    native = torch.cpu.get_capabilities()
    return "bfloat16" if native.get("avx512_bf16") or native.get("amx_bf16") else "float32"


def _one_line_each(error: ValidationError) -> str:
    """pydantic's findings, one line a field: what was found and what was expected."""
    lines = []
    for one in error.errors():
        place = ".".join(str(part) for part in one["loc"])
        if one["type"] == "extra_forbidden":
            known = ", ".join(sorted(Experiment.model_fields))
            lines.append(f"{place}: no such field; an experiment has {known}")
        elif place:
            lines.append(f"{place}: {one['msg'][0].lower()}{one['msg'][1:]}, found {one['input']!r}")
        else:
            lines.append(one["msg"].removeprefix("Value error, "))
    return "\n".join(lines)
