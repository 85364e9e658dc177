"""What users write in YAML files: one description, or a list of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml

from semshare.errors import UserError

if TYPE_CHECKING:
    from pathlib import Path


def read(path: Path) -> Any:
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
