"""Files written whole or not at all, and what users write in YAML."""

from __future__ import annotations

import errno
import json
import os
import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import yaml
from safetensors import SafetensorError

from semshare.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_FULL = 2**16  # bytes: a disk with no more left is full


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """A name beside ``path`` to write to: it takes the place of ``path`` when it is complete, else nothing is left.

    Raises:
        UserError: the disk is full, or ``path`` is not to be written to.
    """
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        part.touch()
        mode = part.stat().st_mode & 0o777
        yield part
        part.chmod(mode)  # safetensors puts a file of its own here, its owner's alone whatever the user's mask says
        part.replace(path)
    except (OSError, RuntimeError, SafetensorError) as error:  # torch and safetensors have errors of their own
        full = shutil.disk_usage(path.parent).free < _FULL or getattr(error, "errno", None) == errno.ENOSPC
        part.unlink(missing_ok=True)
        if full:
            raise UserError(f"{path}: cannot be written: the disk is full") from None
        if isinstance(error, OSError):
            raise UserError(f"{path}: cannot be written: {error.strerror}") from None
        raise
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def write_json(path: Path, content: Any, indent: int | None = None) -> None:
    """Write ``content`` to ``path`` in one move; raises :class:`UserError` as :func:`atomic_write` does."""
    with atomic_write(path) as part:
        part.write_text(json.dumps(content, indent=indent) + "\n")


def read_yaml(path: Path) -> Any:
    """The content of a YAML file, read safely.

    Raises:
        UserError: no such file, or no YAML.
    """
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None
    except (yaml.YAMLError, ValueError) as error:  # PyYAML lets an impossible date through as a ValueError
        raise UserError(f"{path}: no YAML: {' '.join(str(error).split())}") from None
