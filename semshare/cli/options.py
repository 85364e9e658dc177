"""The arguments and options that several commands share."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer


class ScaleName(str, Enum):  # noqa: UP042 - Typer reads str enums
    """How much machine: seconds, a laptop's minutes, or the paper's sizes."""

    smoke = "smoke"
    laptop = "laptop"
    full = "full"


class PresetName(str, Enum):  # noqa: UP042 - Typer reads str enums
    """Which reading of the paper: the supplementary, or the authors' released code."""

    paper = "paper"
    released = "released"


ReadUnder = Annotated[
    PresetName | None, typer.Option("--preset", help="Read under this preset, not the one it was first asked for with.")
]
Preset = Annotated[PresetName, typer.Option(help="The supplementary's reading, or the released code's behaviour.")]
Scale = Annotated[ScaleName, typer.Option(help="How much machine to ask for; it never changes the method.")]
Name = Annotated[str, typer.Argument(help="flickr25k, nuswide, coco16k, or another name: see semshare data list.")]
Root = Annotated[Path | None, typer.Option(help="The dataset's folder (default: where it was prepared).")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON on standard output.")]
Regions = Annotated[
    str | None,
    typer.Option(
        help="grid (offline); yolox-nano or yolox-nano-imagenet (weights of 4 MB, downloaded at first use or handed "
        "over with --weights); fasterrcnn or fasterrcnn-mobilenet (their weights are downloaded at first use); "
        "fasterrcnn-untrained or fasterrcnn-mobilenet-untrained (random weights: they try the pipeline offline, and no "
        "result comes of it); simulated. Default: what the dataset was last prepared with, else its own."
    ),
]
Tokens = Annotated[
    str | None,
    typer.Option(
        help="How texts are cut into words: words (by letters and digits, lower-cased); space (they are cut already, "
        "white space alone separates them); or a fast tokenizer of Hugging Face, by the folder that holds its "
        "tokenizer.json or by its name on the hub. Default: what the dataset was last prepared with, else words."
    ),
]
Verify = Annotated[
    bool, typer.Option("--verify", help="Read every picture again, also where its file looks as before.")
]
Device = Annotated[str, typer.Option(help="cpu, cuda, cuda:1...; auto takes CUDA when present.")]

BERT = "Initial weights: a BERT checkpoint, by name or folder. Its width, first 6 layers and 8 heads at every scale."
