"""``semshare runs`` and ``semshare cache``: what is kept, how large it is, and what of it can go."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from semshare.cli.options import AsJson
from semshare.errors import UserError
from semshare.utils.counts import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from semshare.runs.caches import Kept
    from semshare.runs.inventory import Entry

runs = typer.Typer(
    help="Finished runs: listed, looked at, removed.", invoke_without_command=True, rich_markup_mode=None
)
cache = typer.Typer(
    help="What else is kept: drawn scenes, regions, word vectors, indexes.",
    invoke_without_command=True,
    rich_markup_mode=None,
)

Names = Annotated[list[str], typer.Argument(help="Keys, beginnings of keys, or folders.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="List what would be deleted, and delete nothing.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Delete without asking.")]

_COLUMNS = ("run", "scale", "preset", "seed", "image F1", "text F1", "I2T", "T2I", "read on", "size", "age", "state")


@runs.callback()
def _runs(context: typer.Context) -> None:
    """Finished runs: listed, looked at, removed."""
    if context.invoked_subcommand is None:
        list_runs()


@runs.command("list")
def list_runs(as_json: AsJson = False) -> None:
    """List every run, the latest first; its state says whether today's code would find it."""
    from semshare.runs import inventory

    entries = inventory.entries()
    if as_json:
        print(json.dumps([entry.as_dict() for entry in entries], indent=2))
    else:
        _print_runs(entries)


@runs.command("show")
def show_run(
    name: Annotated[str, typer.Argument(help="A key, the beginning of one, or a folder.")], as_json: AsJson = False
) -> None:
    """Print what a run was made from, and what its key is made of."""
    from semshare.runs import inventory
    from semshare.runs.record import record_of

    (entry,) = inventory.named([name])
    record = record_of(entry.folder)
    if as_json:
        print(json.dumps({"folder": str(entry.folder), "state": entry.state} | record, indent=2))
        return
    print(f"{entry.folder}  ({entry.state}, {inventory.size(entry.bytes)})")
    for field in ("made", "device", "threads", "seconds", "commit", "initial_weights", "data"):
        print(f"  {field}: {record[field]}")
    print(f"  versions: {', '.join(f'{library} {version}' for library, version in record['versions'].items())}")
    print(f"  epochs: {len(record['history'])}")
    if entry.scores:
        print(f"  {entry.scored_on}: {', '.join(f'{measure} {value:.4f}' for measure, value in entry.scores.items())}")
    print("  experiment:")
    for field, value in sorted(record["experiment"].items()):
        print(f"    {field}: {value}")
    print("  the key is made of:")
    for part, value in record["key_parts"].items():
        print(f"    {part}: {json.dumps(value, sort_keys=True)}")


@runs.command("rm")
def remove_runs(names: Names, yes: Yes = False) -> None:
    """Delete the named runs."""
    from semshare.runs import inventory

    _delete_runs(inventory.named(names), yes)


@runs.command("prune")
def prune_runs(dry_run: DryRun = False, yes: Yes = False) -> None:
    """Delete the runs that today's code would not find; never one because its data is not at hand."""
    from semshare.runs import inventory

    stale = [entry for entry in inventory.entries() if entry.state == "stale"]
    if not stale:
        print("Nothing to delete: every finished run is one that today's code finds.")
    elif dry_run:
        _print_runs(stale)
    else:
        _delete_runs(stale, yes)


@cache.callback()
def _cache(context: typer.Context) -> None:
    """What else is kept: drawn scenes, regions, word vectors, indexes."""
    if context.invoked_subcommand is None:
        list_cache()


@cache.command("list")
def list_cache(as_json: AsJson = False) -> None:
    """List what is kept beside runs; its state says whether today's code would use it."""
    from semshare.runs import caches

    kept = caches.kept()
    print(json.dumps([entry.as_dict() for entry in kept], indent=2) if as_json else _cache_table(kept))


@cache.command("prune")
def prune_cache(dry_run: DryRun = False, yes: Yes = False) -> None:
    """Delete what code of before made and today's code would make anew."""
    from semshare.runs import caches

    stale = [entry for entry in caches.kept() if entry.state == "stale"]
    if not stale:
        print("Nothing to delete: today's code would use all that is kept.")
        return
    print(_cache_table(stale))
    if dry_run or not _agreed(len(stale), "item", yes):
        return
    busy = [entry for entry in stale if not caches.remove(entry)]
    print(f"{len(stale) - len(busy)} deleted" + (f", {len(busy)} left: in use" if busy else ""))


def _delete_runs(entries: Sequence[Entry], yes: bool) -> None:
    from semshare.runs import inventory

    _print_runs(entries)
    if not _agreed(len(entries), "run", yes):
        return
    busy = [entry for entry in entries if not inventory.remove(entry)]
    freed = sum(entry.bytes for entry in entries if entry not in busy)
    print(f"{len(entries) - len(busy)} deleted, {inventory.size(freed)} freed")
    if busy:
        raise UserError(f"run: {', '.join(entry.folder.name for entry in busy)}: in use by another process; left")


def _agreed(count: int, what: str, yes: bool) -> bool:
    try:
        return yes or typer.confirm(f"Delete {counted(count, what)}?")
    except typer.Abort:  # interrupted, or nobody is there to answer
        raise UserError("no answer, so nothing is deleted; --yes answers beforehand") from None


def _print_runs(entries: Sequence[Entry]) -> None:
    from semshare.runs.inventory import age, size
    from semshare.runs.quantities import HEADLINE

    rows = [_COLUMNS]
    for entry in entries:
        fields = [str(entry.experiment.get(name, "")) for name in ("scale", "preset", "seed")]
        scores = [f"{entry.scores[name]:.3f}" if entry.scores else "" for name in HEADLINE]
        rows.append(
            (entry.folder.name, *fields, *scores, entry.scored_on, size(entry.bytes), age(entry.made), entry.state)
        )
    print(_table(rows))
    stale = sum(entry.state == "stale" for entry in entries)
    total = size(sum(entry.bytes for entry in entries))
    prunable = f"; {stale} stale: semshare runs prune deletes them" if stale else ""
    print(f"{counted(len(entries), 'run')}, {total}{prunable}")
    if unknown := sum(entry.state == "unknown" for entry in entries):
        why = (
            "of a method or dataset that another program registers, with a BERT checkpoint that is not here, or damaged"
        )
        print(f"{unknown} unknown, {why}: they are kept")


def _cache_table(kept: Sequence[Kept]) -> str:
    from semshare.runs.inventory import age, size

    rows = [("kind", "name", "size", "age", "state")]
    rows += [(entry.kind, entry.path.name, size(entry.bytes), age(entry.made), entry.state) for entry in kept]
    return f"{_table(rows)}\n{counted(len(kept), 'item')}, {size(sum(entry.bytes for entry in kept))}"


def _table(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )
