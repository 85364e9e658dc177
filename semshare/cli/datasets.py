"""``semshare data``: real datasets made ready and looked at."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from semshare.cli.options import AsJson, Device, Name, OwnName, Regions, Root, Scale, ScaleName, Tokens, Verify
from semshare.errors import UserError

data = typer.Typer(
    help="Real datasets: made ready once, looked at any time.", no_args_is_help=True, rich_markup_mode=None
)


@data.command("prepare")
def data_prepare(
    name: OwnName,
    root: Root = None,
    from_dir: Annotated[Path | None, typer.Option(help="A folder of archives that need not be fetched.")] = None,
    regions: Regions = None,
    tokens: Tokens = None,
    verify: Verify = False,
    device: Device = "auto",
    manifest: Annotated[
        Path | None,
        typer.Option(help="A JSON file of COCO ids with their split: they become a dataset of the name it gives."),
    ] = None,
    text: Annotated[
        str | None,
        typer.Option(
            help="captions or tags: what the texts of a collection of your own are. Default: as its file says, else "
            "guessed."
        ),
    ] = None,
    field: Annotated[
        list[str] | None,
        typer.Option(
            help="ROLE=NAME, once for each: the field of a COCO-like export that holds the texts (texts=caption, "
            "texts=attributes.caption), or a column of a Hugging Face dataset (image=, texts=, labels=)."
        ),
    ] = None,
    weights: Annotated[
        Path | None, typer.Option(help="The file of the region extractor's weights, where it cannot be fetched.")
    ] = None,
) -> None:
    """Fetch or find a dataset's files, verify and unpack them, extract regions and train word vectors.

    What is given with --root, --regions and --tokens is remembered: training, notebooks and the book
    then take it without being told.
    """
    from semshare.cli.report import what_follows
    from semshare.data import prepare
    from semshare.data.collections import named_fields

    made = prepare.prepare(
        name,
        root,
        from_dir,
        regions,
        device,
        verify=verify,
        tokens=tokens,
        manifest=manifest,
        text=text,
        fields=named_fields(field or []),
        weights=weights,
    )
    print(prepare.as_text(made))
    print(what_follows(made["dataset"], made["words"]))


@data.command("forget")
def data_forget(name: Name) -> None:
    """Forget a collection of your own, or where another dataset lies; files, regions and runs stay."""
    from semshare.data.links import forget

    print("\n".join(forget(name)))


@data.command("show")
def data_show(
    name: Name,
    root: Root = None,
    scale: Scale = ScaleName.laptop,
    tokens: Tokens = None,
    texts: Annotated[
        int, typer.Option(min=0, help="Show the texts of this many items, as they stand and as words.")
    ] = 0,
    as_json: AsJson = False,
) -> None:
    """Print a dataset's counts, labels, splits, checksums and licence, and what texts became."""
    from semshare.data import prepare

    described = prepare.describe(name, root, scale.value, tokens, texts)
    print(json.dumps(described, indent=2) if as_json else prepare.as_text(described))


@data.command("list")
def data_list(as_json: AsJson = False) -> None:
    """List the datasets: what their texts are and where each lies."""
    from semshare.data import catalogue

    rows = []
    for name in catalogue.names():
        try:
            entry = catalogue.entry(name)
            root = catalogue.stored(entry.folders)
        except UserError as error:  # a damaged note, a link that leads nowhere: the others are listed all the same
            rows.append({"dataset": name, "texts": "?", "root": str(error)})
            continue
        where = "not prepared" if "root" in entry.reads else "needs no files"
        rows.append({"dataset": name, "texts": entry.text_kind, "root": str(root.resolve()) if root else where})
    lines = (f"{row['dataset']:20} {row['texts']:9} {row['root']}" for row in rows)
    print(json.dumps(rows, indent=2) if as_json else "\n".join(lines))
