"""What the book is made with beside this package: a kernel of this interpreter, and jupyter-book 1."""

from __future__ import annotations

import sys
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

from semshare.errors import UserError

OWN_KERNEL = (sys.executable, "-m", "ipykernel_launcher")  # starts a kernel of this interpreter
_INSTALL = "pip install 'semshare[book]'"


def check() -> str:
    """The versions of what makes the book, in a line.

    Raises:
        UserError: ipykernel or jupyter-book is not installed for this interpreter, or jupyter-book is 2 or later,
            which does not read ``_config.yml``.
    """
    if find_spec("ipykernel") is None:
        raise UserError(f"kernel: ipykernel is not installed for {sys.executable}: {_INSTALL}")
    try:
        book = version("jupyter-book")
    except PackageNotFoundError:
        raise UserError(f"jupyter-book: not installed for {sys.executable}: {_INSTALL}") from None
    if int(book.split(".")[0]) != 1:
        raise UserError(
            f"jupyter-book: found {book} for {sys.executable}, expected 1.x, which reads _config.yml: {_INSTALL}"
        )
    if not (tool := jupyter_book()).exists():
        raise UserError(f"jupyter-book: {tool} is missing: {_INSTALL}")
    return f"jupyter-book {book}, ipykernel {version('ipykernel')}"


def jupyter_book() -> Path:
    """The command of this interpreter's environment."""
    return Path(sys.executable).with_name("jupyter-book")


def installed_kernel() -> str:
    """Which interpreter Jupyter and papermill start for a notebook's kernel ``python3``, in a line.

    The book starts its own (``OWN_KERNEL``) all the same.

    Raises:
        UserError: there is no such kernel, or it is another interpreter's.
    """
    from jupyter_client.kernelspec import KernelSpecManager, NoSuchKernel

    try:
        started = KernelSpecManager().get_kernel_spec("python3").argv[0]
    except NoSuchKernel:
        raise UserError(f"kernel: there is none called python3, expected one of {sys.executable}: {_INSTALL}") from None
    here = Path(sys.executable).absolute()
    if started not in ("python", "python3") and Path(started).absolute() != here:
        raise UserError(
            f"kernel: python3 starts {started}, expected {here}; in Jupyter and papermill choose a kernel of it: "
            f"{here} -m ipykernel install --user"
        )
    return f"python3 starts {here}"
