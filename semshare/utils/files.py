"""Files written whole or not at all and read whole or not at all, and what users write in YAML."""

from __future__ import annotations

import errno
import json
import os
import reprlib
import shutil
from contextlib import contextmanager, suppress
from stat import S_ISDIR, S_ISREG
from typing import TYPE_CHECKING, Any

import yaml
from filelock import FileLock, Timeout
from safetensors import SafetensorError, safe_open

from semshare.errors import UserError
from semshare.utils.text_files import read_text

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from torch import Tensor

_FULL = 2**16  # bytes: a disk with no more left is full
_MAY_NOT = {errno.EACCES, errno.EPERM, errno.EROFS}


class ReadOnlyError(UserError):
    """Something may be read and not written; who reads computes what is missing and keeps nothing."""


class DamagedError(UserError):
    """A file of semshare's own is missing, empty, full of zeros or cut; the message names it and what was found."""


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Yield a name beside ``path`` to write to, which takes the place of ``path`` when the block ends without an error.

    File and folder are flushed to the disk before that counts: after a power cut there is the old file or the new one.

    Raises:
        UserError: the disk is full, or ``path`` is not to be written to (a :class:`ReadOnlyError`, if by its rights).
    """
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        part.touch()
        mode = part.stat().st_mode & 0o777
        yield part
        part.chmod(mode)  # safetensors puts a file of its own here, its owner's alone whatever the user's mask says
        _flush(part)
        part.replace(path)
        _flush(path.parent)
    except (OSError, RuntimeError, SafetensorError) as error:  # torch and safetensors have errors of their own
        code = getattr(error, "errno", None)
        full = code == errno.ENOSPC or (path.parent.exists() and shutil.disk_usage(path.parent).free < _FULL)
        with suppress(OSError):
            part.unlink(missing_ok=True)
        if full:
            raise UserError(f"{path}: cannot be written: the disk is full") from None
        if isinstance(error, OSError):
            raise not_written(path, error) from None
        raise
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def write_text(path: Path, text: str) -> None:
    """Write ``text`` to ``path`` as UTF-8 in one move; raises :class:`UserError` as :func:`atomic_write` does."""
    with atomic_write(path) as part:
        part.write_text(text, encoding="utf-8")


def write_json(path: Path, content: Any, indent: int | None = None) -> None:
    """Write ``content`` to ``path`` in one move; raises :class:`UserError` as :func:`atomic_write` does."""
    write_text(path, json.dumps(content, indent=indent) + "\n")


@contextmanager
def written_while(path: Path, text: str) -> Iterator[None]:
    """Write ``text`` to ``path`` for good if the block succeeds; where it fails, what was there before stands again."""
    before = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else None
    write_text(path, text)
    try:
        yield
    except BaseException:
        if before is None:
            path.unlink(missing_ok=True)
        else:
            write_text(path, before)
        raise


def not_written(path: Path, error: OSError, what: str = "written") -> UserError:
    """What to raise where ``path`` cannot be ``what``: a :class:`ReadOnlyError` where the user may not."""
    kind = ReadOnlyError if error.errno in _MAY_NOT else UserError
    return kind(f"{path}: cannot be {what}: {error.strerror or error}")


@contextmanager
def file_lock(path: Path, timeout: float = -1) -> Iterator[None]:
    """Hold the lock file ``path``, which everybody may write whom the user's mask lets write the files beside it.

    Raises:
        ReadOnlyError: the user may not write there.
        filelock.Timeout: another process holds it for longer than ``timeout`` seconds; by default it is waited for.
    """
    lock = FileLock(path)
    try:
        if not path.exists():
            path.touch()  # some versions of FileLock make it their owner's alone, whatever the mask says
        lock.acquire(timeout)
    except Timeout:
        raise
    except OSError as error:
        raise not_written(path, error, "locked") from None
    try:
        yield
    finally:
        lock.release()


def read_json(path: Path) -> Any:
    """The content of a JSON file of semshare's own; raises :class:`DamagedError` where it is missing or no JSON."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise damaged(path, "JSON", error) from None


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file; raises :class:`DamagedError` where it is missing or not whole."""
    from safetensors.torch import load_file  # imports torch, which most who read JSON need not

    try:
        return load_file(path)
    except (OSError, ValueError, SafetensorError) as error:
        raise damaged(path, "safetensors", error) from None


def check_tensors(path: Path) -> None:
    """Raise :class:`DamagedError` where :func:`read_tensors` would, from the file's header and its size alone."""
    try:
        with safe_open(path, "np"):
            pass
    except (OSError, ValueError, SafetensorError) as error:
        raise damaged(path, "safetensors", error) from None


def damaged(path: Path, expected: str, error: Exception) -> DamagedError:
    """What to raise for a file at ``path`` that is not the ``expected`` thing, since reading it raised ``error``."""
    if isinstance(error, FileNotFoundError):
        return DamagedError(f"{path}: missing")
    if isinstance(error, PermissionError):
        return DamagedError(f"{path}: cannot be read: {error.strerror}")
    with suppress(OSError), path.open("rb") as file:
        start = file.read(4096)
        if not start:
            return DamagedError(f"{path}: damaged: empty, expected {expected}")
        if not start.strip(b"\0"):
            return DamagedError(f"{path}: damaged: full of zeros, expected {expected}")
    return DamagedError(f"{path}: damaged, expected {expected}: {' '.join(str(error).split())[:120]}")


def _flush(path: Path) -> None:
    """Wait until the file or folder at ``path`` is on the disk; a file system that cannot say so is not asked."""
    file = os.open(path, os.O_RDONLY)
    try:
        with suppress(OSError):
            os.fsync(file)
    finally:
        os.close(file)


def check_readable(path: Path, expected: str) -> None:
    """Raise :class:`UserError` where ``path`` is neither a file with a content nor a folder that can be listed."""
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError, ValueError):  # no name holds a zero byte
        raise UserError(f"{path}: missing, expected {expected}") from None
    except OSError as error:
        raise UserError(f"{str(path)[:200]}: {error.strerror}, expected {expected}") from None
    if S_ISDIR(mode):
        check_listed(path)
    elif not S_ISREG(mode):  # a pipe's content is gone when it was read once
        raise UserError(f"{path}: found neither a file nor a folder, expected {expected}")


def check_listed(folder: Path) -> None:
    """Raise :class:`UserError` where ``folder`` cannot be listed: who looks for names in it would find none there."""
    try:
        with os.scandir(folder):
            pass
    except OSError as error:
        raise UserError(f"{folder}: cannot be listed: {error.strerror}") from None


_BRIEF = reprlib.Repr()
_BRIEF.maxstring = _BRIEF.maxother = 60


def in_brief(value: Any) -> str:
    """A stranger's value in quotes, at most 60 letters of it, however large or deep it is."""
    try:
        return repr((value if isinstance(value, str) else _BRIEF.repr(value))[:60])
    except ValueError:  # Python writes no number of more than 4,300 digits
        return repr(type(value).__name__)


_KINDS = {"bool": "true or false", "null": "nothing", "timestamp": "a date", "int": "a whole number"}
_KINDS |= {"float": "a number"}


class _PlainLoader(yaml.SafeLoader):
    """YAML without its surprises: what would be read as something else than it looks like is refused, with its line.

    So is an alias: a few of them in each other make millions of values of a few bytes.
    """

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            alias = self.peek_event()
            raise _unclear(alias, f"*{alias.anchor[:60]} stands for what is written elsewhere", "write it here again")
        return super().compose_node(parent, index)

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep)
        except ValueError as error:
            raise ValueError(f"{error}, in line {node.start_mark.line + 1}") from None
        except (AttributeError, LookupError):  # how PyYAML says that a value does not fit its tag
            kind = node.tag.rpartition(":")[2]
            found = f"{_written(node)} cannot be read as {_KINDS.get(kind, kind)[:60]}"
            raise _unclear(node, found, "quote it, and write no tag before it") from None

    def construct_scalar(self, node: yaml.ScalarNode) -> str:
        text = super().construct_scalar(node)
        if text.isascii() or not any("\ud800" <= letter <= "\udfff" for letter in text):
            return text
        try:  # JSON writes a rare character as two halves
            return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le")
        except UnicodeDecodeError:
            raise _unclear(node, f"half a character in {text[:60]!r}", "write all of it") from None

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        if not isinstance(node, yaml.MappingNode):
            return super().construct_mapping(node, deep)  # says so
        seen = set()
        for key, _ in node.value:
            kind = key.tag.rpartition(":")[2]
            if kind == "merge":
                continue
            if kind in ("int", "float") and isinstance(key, yaml.ScalarNode):
                key.tag = "tag:yaml.org,2002:str"  # 05 is what was written, and names a notebook
            elif kind != "str" or not isinstance(key, yaml.ScalarNode):
                raise _unclear(key, f"YAML reads the key {_written(key)} as {_KINDS.get(kind, 'no text')}", "quote it")
            if key.value in seen:
                raise _unclear(key, f"the key {key.value[:60]!r} stands twice", "keep one of them")
            seen.add(key.value)
        return super().construct_mapping(node, deep)

    def bool_(self, node: yaml.ScalarNode) -> bool:
        if node.value.lower() not in ("true", "false"):
            meant = "true" if self.construct_yaml_bool(node) else "false"
            raise _unclear(node, f"YAML reads {_written(node)} as {meant}", f"quote it, or write {meant}")
        return self.construct_yaml_bool(node)

    def int_(self, node: yaml.ScalarNode) -> int:
        number = self.construct_yaml_int(node)
        if node.value.lstrip("+-") != str(abs(number)):
            shown = str(number)[:60]
            raise _unclear(node, f"YAML reads {_written(node)} as {shown}", f"quote it, or write {shown}")
        return number

    def date(self, node: yaml.ScalarNode) -> None:
        raise _unclear(node, f"YAML reads {_written(node)} as a date", "quote it")


_PlainLoader.add_constructor("tag:yaml.org,2002:bool", _PlainLoader.bool_)
_PlainLoader.add_constructor("tag:yaml.org,2002:int", _PlainLoader.int_)
_PlainLoader.add_constructor("tag:yaml.org,2002:timestamp", _PlainLoader.date)


def _written(node: yaml.Node) -> str:
    return (node.value[:60] or "an empty text") if isinstance(node, yaml.ScalarNode) else "a list or mapping"


def _unclear(node: yaml.Node | yaml.Event, found: str, remedy: str) -> UserError:
    return UserError(f"line {node.start_mark.line + 1}: {found}; {remedy}")


def parse_yaml(text: str) -> Any:
    """The content of YAML ``text``, read safely and as it looks.

    Raises:
        UserError: a key that is no text or stands twice in one mapping, an alias, or a value that YAML reads as
            something else than it looks like: ``no`` as false, ``010`` as 8, ``2024-01-01`` as a date. The message
            names the line.
        ValueError: no YAML; PyYAML has errors of its own besides.
    """
    try:
        return yaml.load(text, _PlainLoader)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    except OverflowError:  # "\UFFFFFFFF"
        raise ValueError("an escape of no character") from None


def read_yaml(path: Path) -> Any:
    """The content of a YAML file, read safely and as it looks (:func:`parse_yaml`).

    Raises:
        UserError: no such file, one in another encoding, no YAML, or something unclear in it; the line is named.
    """
    text = read_text(path)
    try:
        return parse_yaml(text)
    except UserError as error:
        raise UserError(f"{path}: {error}") from None
    except (yaml.YAMLError, ValueError) as error:
        raise UserError(f"{path}: no YAML: {' '.join(str(error).split())}") from None
