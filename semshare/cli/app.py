"""The command line, one command a verb of the README: parse, call, print."""

from __future__ import annotations

import errno
import io
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from semshare import __version__
from semshare.cli import datasets, housekeeping
from semshare.cli.options import (
    BERT,
    AsJson,
    Device,
    Preset,
    PresetName,
    ReadUnder,
    Regions,
    Root,
    Scale,
    ScaleName,
    Tokens,
    Verify,
)
from semshare.errors import UserError
from semshare.utils.home import home, settle
from semshare.utils.progress import printable

app = typer.Typer(
    help="Label-wise image-text retrieval, and the book that rebuilds its supplementary from running code.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,  # a help text is shown as it is written: [ok] is no markup
    pretty_exceptions_enable=False,
)
app.add_typer(datasets.data, name="data")
app.add_typer(housekeeping.runs, name="runs")
app.add_typer(housekeeping.cache, name="cache")


def _print_version(asked: bool) -> None:
    if asked:
        print(f"semshare {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Options before a command's name; the help of the whole is that of ``app``."""


def main() -> None:
    """Run the command line; a user's mistake is one message and exit code 2, never a traceback."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # where the locale cannot show a character
    try:
        settle()
        sys.exit(app(standalone_mode=False))
    except UserError as error:
        _fail(str(error))
    except OSError as error:
        if error.errno in (errno.ENAMETOOLONG, errno.ELOOP):
            _fail(f"{str(error.filename)[:200]}: {error.strerror}")
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES):
            raise
        _fail(f"{error.filename or home()}: {error.strerror}; what was finished is kept")
    except Exception as error:
        if not hasattr(error, "format_message"):  # as Typer's mistakes in a command have, whose classes are private
            raise
        _fail_usage(error)


def _fail_usage(error: Any) -> None:
    """Tell a mistake in what was typed in one line, but a command without any argument its help."""
    message = error.format_message()
    if "\n" in message:
        print(message, file=sys.stderr)
        sys.exit(2)
    _fail(f"{message.rstrip('.')}; see {error.ctx.command_path} --help" if error.ctx else message)


def _fail(message: str) -> None:
    lines = map(printable, message.split("\n"))  # file names are strangers' words
    print("error: " + "\n".join(lines), file=sys.stderr)
    sys.exit(2)


@app.command()
def check() -> None:
    """Check what semshare needs: a line for each thing, ok or fail; exit code 1 on any fail."""
    from semshare.cli.check import findings

    failed = False
    for finding in findings():
        failed |= not finding.ok
        print(f"[{'ok' if finding.ok else 'fail'}] {finding.name}: {finding.detail}", flush=True)
    if failed:
        raise typer.Exit(1)


@app.command()
def train(
    dataset: Annotated[str, typer.Option(help="A name of the catalogue, e.g. scenes-flickr25k or coco.")],
    method: Annotated[str, typer.Option(help="A method; an unknown one lists them all.")] = "ours",
    scale: Scale = ScaleName.laptop,
    preset: Preset = PresetName.paper,
    root: Root = None,
    seed: Annotated[int | None, typer.Option(help="Seed of weights, shuffling, masking and Word2Vec.")] = None,
    splits: Annotated[int, typer.Option(min=1, help="Train on this many random splits (datasets without one).")] = 1,
    split_seed: Annotated[int, typer.Option(help="The first split's seed.")] = 0,
    lam: Annotated[float | None, typer.Option("--lambda", help="Weight of context prediction.")] = None,
    eta: Annotated[float | None, typer.Option(help="Weight of the consistency loss.")] = None,
    epochs: Annotated[int | None, typer.Option(help="Passes over the training pairs.")] = None,
    batch: Annotated[int | None, typer.Option(help="Pairs a step.")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="Adam's learning rate.")] = None,
    label_loss: Annotated[str | None, typer.Option(help="softplus_dot (as released) or bce.")] = None,
    bert: Annotated[str | None, typer.Option(help=BERT)] = None,
    layers: Annotated[int | None, typer.Option(help="Transformer blocks; with --bert, the first of its own.")] = None,
    heads: Annotated[str | None, typer.Option(help="Attention heads; 'checkpoint': as many as --bert has.")] = None,
    device: Device = "auto",
    regions: Regions = None,
    tokens: Tokens = None,
    as_json: AsJson = False,
) -> None:
    """Train a method on a dataset (or find the finished run) and print its measures on test."""
    from semshare import runs
    from semshare.cli import report
    from semshare.utils import processes

    fields = {"root": root, "seed": seed, "lam": lam, "eta": eta, "epochs": epochs, "batch": batch}
    fields |= {"learning_rate": learning_rate, "label_loss": label_loss, "regions": regions, "tokens": tokens}
    fields |= {"bert": bert, "layers": layers, "heads": heads}
    experiments = [
        runs.plan(dataset, method, scale.value, device, preset=preset.value, split_seed=split_seed + number, **fields)
        for number in range(splits)
    ]
    done = runs.get_all(experiments, device, quiet=not processes.is_first())
    if processes.is_first():
        result = report.report(done)
        print(json.dumps(result, indent=2) if as_json else report.as_text(result))


@app.command()
def grid(
    file: Annotated[
        Path | None, typer.Argument(help="YAML: an experiment's fields, each with a value or a list.")
    ] = None,
    dataset: Annotated[str, typer.Option(help="Datasets, e.g. scenes-flickr25k,scenes-coco5k.")] = "",
    method: Annotated[str, typer.Option(help="Methods, e.g. independent,dscmr,ours (default: ours).")] = "",
    lam: Annotated[str, typer.Option("--lambda", help="Weights of context prediction, e.g. 0,0.01,0.1.")] = "",
    eta: Annotated[str, typer.Option(help="Weights of the consistency loss.")] = "",
    seed: Annotated[str, typer.Option(help="Seeds, e.g. 0,1,2.")] = "",
    scale: Annotated[str, typer.Option(help="smoke, laptop (default) or full.")] = "",
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="Any other field: FIELD=VALUE,VALUE (repeatable).")
    ] = None,
    device: Device = "auto",
    scheduler: Annotated[
        str | None, typer.Option(help="A dask scheduler, tcp://HOST:PORT (default: workers of this machine).")
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Runs at once on this machine (default: one a GPU, or one a core).")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="List what is there and what would be trained.")] = False,
    as_json: AsJson = False,
) -> None:
    """Train every combination of a grid's values that is missing, many at once; what a flag says goes before the file.

    Exit code 1 where a run failed. Interrupt it at any time: the next call goes on.
    """
    from semshare.cli import report
    from semshare.runs import grid as grids

    flags = {"dataset": dataset, "method": method, "lam": lam, "eta": eta, "seed": seed, "scale": scale}
    given = grids.from_flags([f"{name}={values}" for name, values in flags.items() if values] + (set_ or []))
    grid_rows = [row | given for row in grids.read(file)] if file else [given]
    experiments = grids.plan(grid_rows, device, scheduler is not None, str(file or ""))
    outcomes = grids.look(experiments) if dry_run else grids.train(experiments, device, scheduler, workers)
    result = report.grid_report(outcomes)
    print(json.dumps(result, indent=2) if as_json else report.grid_as_text(result))
    if "failed" in result["count"]:
        raise typer.Exit(1)


@app.command()
def record(
    study: Annotated[str, typer.Argument(help="A recorded study, transfer or unseen; an unknown one lists them all.")],
    root: Root = None,
    device: Device = "auto",
) -> None:
    """Make what is too long for the book and write book/recorded/STUDY.json; trainings go on where they stopped."""
    from semshare.book.recorders import RECORDERS

    if study not in RECORDERS:
        raise UserError(f"study: unknown {study!r}, expected one of {', '.join(RECORDERS)}")
    print(f"Recorded in {RECORDERS[study](root, device)}")


@app.command("eval")
def evaluate(
    run: Annotated[str, typer.Argument(help="A finished run: its key, the beginning of it, or its folder.")],
    protocol: Annotated[
        list[str] | None, typer.Option(help="How to read it, e.g. ndcg@500 (repeatable; default: every way that fits).")
    ] = None,
    root: Annotated[Path | None, typer.Option(help="The dataset's folder, if it has moved since.")] = None,
    preset: ReadUnder = None,
    as_json: AsJson = False,
) -> None:
    """Read retrieval on test off a finished run, by named protocols."""
    from semshare import runs
    from semshare.cli import report

    result = report.protocol_report(runs.find(run, root, preset and preset.value), protocol or ())
    print(json.dumps(result, indent=2) if as_json else report.protocols_as_text(result))


@app.command()
def export(
    run: Annotated[str, typer.Argument(help="A finished run: its key, the beginning of it, or its folder.")],
    folder: Annotated[Path, typer.Argument(help="The model's folder: a new one, or an older model's.")],
    half: Annotated[
        bool, typer.Option("--half", help="Round the weights to float16: a folder of half the size.")
    ] = False,
    preset: ReadUnder = None,
) -> None:
    """Write a finished run as a model's folder, which needs neither the run nor its data any more."""
    from semshare import runs
    from semshare.search.pretrained import PretrainedModel

    model = PretrainedModel.of_run(runs.find(run, preset=preset and preset.value), "cpu")
    (model.half() if half else model).save_pretrained(folder)
    print(printable(f"{model.title} is at {folder}"))


@app.command()
def search(
    model: Annotated[
        str,
        typer.Argument(
            help="A model's folder, the shipped coco16k, a finished run's key or folder, or user/name on a hub."
        ),
    ],
    images: Annotated[
        Path | None, typer.Option(help="Search among the pictures of this folder and those below.")
    ] = None,
    texts: Annotated[Path | None, typer.Option(help="Search among the lines of this UTF-8 file.")] = None,
    text: Annotated[list[str] | None, typer.Option(help="A text to search for (repeatable).")] = None,
    image: Annotated[list[Path] | None, typer.Option(help="A picture to search for (repeatable).")] = None,
    top: Annotated[int, typer.Option(min=1, help="How many to show.")] = 10,
    index: Annotated[Path | None, typer.Option(help="The index's folder (default: one in the cache).")] = None,
    verify: Verify = False,
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """Search your own pictures or texts; the index is built once, afterwards only what changed is read again."""
    if (images is None) == (texts is None):
        raise UserError(
            f"found {'both --images and' if images else 'neither --images nor'} --texts, expected one of them"
        )
    if not (text or image):
        raise UserError("found neither --text nor --image, expected at least one to search for")
    from semshare.search.retriever import Retriever
    from semshare.search.walk import NO_PICTURE

    retriever = Retriever(model, device)
    held = retriever.add_images(images, index, verify) if texts is None else retriever.add_texts(texts, index)
    answers = [*retriever.search_texts(*(text or ()), top=top), *retriever.search_images(*(image or ()), top=top)]
    if not any(answer.hits for answer in answers):
        raise UserError(
            f"text: no word of {', '.join(map(repr, text or ()))} is known to the model: nothing to rank by"
        )
    if as_json:
        skipped = {id: reason for id, (_, reason) in held.skipped.items() if reason != NO_PICTURE}
        result = {"model": retriever.model.title, "items": len(held), "skipped": skipped}
        result["no_pictures"] = len(held.skipped) - len(skipped)
        print(json.dumps(result | {"queries": [asdict(answer) for answer in answers]}, indent=2))
    else:
        print("\n".join(map(str, answers)))


@app.command()
def verdicts(
    scale: Scale = ScaleName.laptop,
    preset: Preset = PresetName.paper,
    datasets: Annotated[str, typer.Option(help="Datasets to test on, e.g. flickr25k,coco5k (default: drawn).")] = "",
    seeds: Annotated[int | None, typer.Option(min=1, help="How many seeds (default: the scale's: 1, 3, 5).")] = None,
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """Test every claim of the paper: its number, ours with an interval, a verdict; trains the runs that are missing."""
    from semshare.cli import report
    from semshare.paper import plans, reference
    from semshare.paper.verdicts import all_claims

    chosen = _names(datasets) or list(reference.DATASETS.values())
    done = plans.train(plans.everything(chosen, scale.value, preset.value, seeds, device), device)
    claims, runs = all_claims(done), plans.flat(done)
    if as_json:
        print(json.dumps(report.verdicts_report(claims, runs), indent=2))
    else:
        print(report.verdicts_as_text(claims, runs))


@app.command()
def book(
    scale: Scale = ScaleName.laptop,
    preset: Preset = PresetName.paper,
    only: Annotated[list[str] | None, typer.Option(help="Execute only this notebook, by number (repeatable).")] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Execute also notebooks that are up to date.")] = False,
    out: Annotated[Path | None, typer.Option(help="Folder for the HTML (default: _build/html).")] = None,
    device: Device = "auto",
    datasets: Annotated[str, typer.Option(help="Datasets of the pages, e.g. flickr25k,coco5k (default: drawn).")] = "",
    parameters: Annotated[
        Path | None,
        typer.Option(help="YAML: parameters of all notebooks or of each, or a list of such books, each with a name."),
    ] = None,
) -> None:
    """Execute the notebooks with papermill and build the HTML book; what --parameters says goes before the flags."""
    from semshare.book.build import build, declared
    from semshare.book.parameters import Given, read

    books = read(parameters, declared()) if parameters else [Given()]
    for given in books:
        if given.name:
            print(f"Book {given.name}")
        flags = {"datasets": _names(datasets), "preset": preset.value}
        page = build(scale.value, only or (), fresh, out, device, **flags, given=given)
        print(f"The book is at {page}")


def _names(listed: str) -> list[str]:
    """The names in a list with commas, each once."""
    return list(dict.fromkeys(name.strip() for name in listed.split(",") if name.strip()))


if __name__ == "__main__":
    main()
