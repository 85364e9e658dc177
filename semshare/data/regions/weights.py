"""Weights of a detector as one file: fetched from its official place, or handed over, and known by its checksum."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from semshare.data.fetch.download import Remote, fetch
from semshare.errors import UserError
from semshare.utils.files import atomic_write
from semshare.utils.home import cache_folder, home

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_Network = TypeVar("_Network")


@dataclass(frozen=True)
class Weights:
    """A file of weights in the cache's folder ``weights``.

    Attributes:
        remote: where it officially lies. Nobody published a checksum of it.
        seen: the sha256 of the copy that this library was tried with.
    """

    remote: Remote
    seen: str

    @property
    def path(self) -> Path:
        """Where it lies, or would lie."""
        return home() / "weights" / self.remote.name

    def digest(self) -> str:
        """The first 12 digits of the file's sha256; empty where there is no file."""
        return _sha256(self.path)[:12] if self.path.is_file() else ""

    def take(self, file: Path, check: Callable[[], object], say: Callable[[str], None] = print) -> None:
        """Copy ``file`` to where it belongs, if ``check``, which loads it there, raises nothing.

        Raises:
            UserError: it cannot be read, or what ``check`` raises; then what lay there before lies there again.
        """
        before = self.path.read_bytes() if self.path.is_file() else None
        try:
            content = file.read_bytes()
        except OSError as error:
            raise UserError(f"{file}: weights: {error.strerror}") from None
        self._place(content)
        try:
            check()
        except UserError as error:
            if before is None:
                self.path.unlink()
            else:
                self._place(before)
            raise UserError(f"{file}: {str(error).split(';')[0]}") from None
        self._compare(say)

    def _place(self, content: bytes) -> None:
        cache_folder("weights")
        with atomic_write(self.path) as part:
            part.write_bytes(content)

    def fetch(self, say: Callable[[str], None] = print) -> Path:
        """The file, fetched from its official place where it is missing; raises :class:`UserError` where it cannot."""
        if not self.path.is_file():
            try:
                fetch(self.remote, cache_folder("weights"))
            except UserError as error:
                raise UserError(
                    f"{error}; or hand over a copy: semshare data prepare NAME --regions NAME --weights FILE"
                ) from None
            self._compare(say)
        return self.path

    def load(self, read: Callable[[Path], _Network], say: Callable[[str], None] = print) -> _Network:
        """What ``read`` makes of the file, which is fetched first where it is missing.

        Raises:
            UserError: it is missing and cannot be fetched, or ``read`` fails.
        """
        path = self.fetch(say)
        try:
            return read(path)
        except Exception as error:  # a library's own errors: of a file that is none, cut or of another kind
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise UserError(
                f"{path}: these are no weights of {self.remote.name}: {reason}; remove the file, it is then "
                "fetched again, or hand over another one with semshare data prepare and --weights"
            ) from None

    def _compare(self, say: Callable[[str], None]) -> None:
        """Say so where the file is another one than the copy that was tried."""
        if (digest := _sha256(self.path)) != self.seen:
            say(f"{self.path}: sha256 {digest}; semshare was tried with a copy of {self.seen}: results may differ")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


YOLOX_NANO = Weights(
    Remote(
        "https://github.com/Megvii-BaseDetection/YOLOX/releases/download/0.1.1rc0/yolox_nano.onnx", "yolox_nano.onnx"
    ),
    "e8af074932d4ed7e232278e3055cefcdea3edf178874a3694ae292649fb464dd",
)
