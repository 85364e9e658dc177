"""Downloads: files fetched over HTTP, resumed where they broke off, verified before anyone uses them."""

from __future__ import annotations

import re
import shutil
import time
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from zipfile import is_zipfile

import pooch
import requests

from semshare.errors import UserError
from semshare.utils.files import DamagedError, read_json, write_json
from semshare.utils.home import lock
from semshare.utils.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

TIMEOUT = (15.0, 60.0)  # seconds to connect, and between two pieces of an answer
WAITS = (1.0, 3.0, 9.0)  # seconds before each new attempt
_PIECE = 1 << 16  # what a connection that breaks may cost
_TRY_LATER = (408, 429, 500, 502, 503, 504)
_CHECKSUM = re.compile(r"(sha256:[0-9a-f]{64}|md5:[0-9a-f]{32})")


@dataclass(frozen=True)
class Remote:
    """A file on the network.

    Attributes:
        url: where it is.
        name: what it is called here.
        size: its bytes; None where nobody published them.
        checksum: ``sha256:...`` or ``md5:...`` in lower case; None where nobody published one. Then the sha256 of
            the first download is written down and every later copy is compared with it.
    """

    url: str
    name: str
    size: int | None = None
    checksum: str | None = None

    def __post_init__(self) -> None:
        if self.checksum is not None and not _CHECKSUM.fullmatch(self.checksum):
            raise ValueError(f"checksum {self.checksum!r}: expected sha256: or md5: and hex digits")


def fetch(
    remote: Remote,
    folder: Path,
    *,
    timeout: tuple[float, float] = TIMEOUT,
    waits: Sequence[float] = WAITS,
    quiet: bool = False,
) -> Path:
    """The verified file of ``remote`` in ``folder``, downloaded where it is not there yet.

    What has arrived stays in ``NAME.part`` when a connection breaks, and the next attempt or call goes on from
    there. The file gets its name only once its size and checksum are right; a wrong one is deleted.

    Args:
        remote: what to fetch.
        folder: where to; made where missing.
        timeout: seconds to connect, and to wait for the next piece.
        waits: seconds before each new attempt; an attempt that got further than any before starts the count anew.
        quiet: show no progress.

    Raises:
        UserError: too little disk space, no connection, an answer that is not the file, or a wrong size or checksum.
    """
    target, part = folder / remote.name, folder / f"{remote.name}.part"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with lock(target):
            try:
                if not target.exists():
                    _download(remote, part, timeout, waits, Progress(remote.name, quiet))
                    _check(part, remote, folder)
                    part.replace(target)
                verify(target, remote, folder)
            except MismatchError as error:
                part.unlink(missing_ok=True)
                target.unlink(missing_ok=True)
                raise UserError(f"{remote.url}: {error}; the file was deleted, fetch it again") from None
            finally:
                if part.exists() and not part.stat().st_size:
                    part.unlink()
    except OSError as error:
        raise UserError(f"{folder}: cannot be written: {error.strerror or error}") from None
    return target


class MismatchError(UserError):
    """A file is not what was announced; the message says what was expected and what was found."""


def verify(path: Path, remote: Remote, records: Path) -> str:
    """Compare the file at ``path`` with what is known of ``remote``; instant when it was done before.

    The finding is kept in ``records`` as ``NAME.checksum.json``. Where ``remote`` has no checksum, the first
    finding is what later ones must equal.

    Returns:
        The checksum, ``sha256:...`` or ``md5:...``.

    Raises:
        MismatchError: a wrong size or checksum, or no archive where one was expected. The file stays as it is.
    """
    record, stat = _record(records, remote), path.stat()
    state = {"path": str(path.resolve()), "size": stat.st_size, "modified": stat.st_mtime_ns}
    known = remote.checksum or record.get("checksum")
    if known and {**state, "checksum": known}.items() <= record.items():
        return known
    found = _check(path, remote, records)
    records.mkdir(parents=True, exist_ok=True)
    content = {"url": remote.url, "checksum": found, **state}
    write_json(records / f"{remote.name}.checksum.json", content, indent=2)
    return found


def recorded(folder: Path) -> dict[str, dict[str, Any]]:
    """What :func:`verify` wrote down in ``folder``: url, checksum and size by the file's name."""
    states = {}
    for path in sorted(folder.glob("*.checksum.json")):
        record = _read(path)
        states[path.name.removesuffix(".checksum.json")] = {
            name: record.get(name) for name in ("url", "checksum", "size")
        }
    return states


def _record(records: Path, remote: Remote) -> dict[str, Any]:
    """The record of this remote; one of another URL says nothing about it."""
    path = records / f"{remote.name}.checksum.json"
    record = _read(path) if path.exists() else {}
    return record if record.get("url") == remote.url else {}


def _read(path: Path) -> dict[str, Any]:
    try:
        record = read_json(path)
        if not _CHECKSUM.fullmatch(record["checksum"]):
            raise ValueError
    except (DamagedError, ValueError, KeyError, TypeError):
        raise UserError(f"{path}: damaged, expected the JSON record of a checksum; delete it to begin anew") from None
    return record


def _check(path: Path, remote: Remote, records: Path) -> str:
    """The checksum of the file at ``path``, once size and checksum are right; raises :class:`MismatchError`."""
    size = path.stat().st_size
    if remote.size is not None and size != remote.size:
        raise MismatchError(f"expected {remote.size:,} bytes, found {size:,} in {path.name}")
    known = remote.checksum or _record(records, remote).get("checksum")
    if not known and remote.name.endswith(".zip") and not is_zipfile(path):
        start = path.open("rb").read(40)
        raise MismatchError(f"expected a zip archive, found a file that begins with {start!r}")
    algorithm = known.split(":")[0] if known else "sha256"
    found = f"{algorithm}:{pooch.file_hash(str(path), algorithm)}"
    if known and found != known:
        of_first = "" if remote.checksum else " (that of the first download here)"
        raise MismatchError(f"expected {known}{of_first}, found {found} in {path.name}")
    return found


def check_space(folder: Path, needed: int, what: str) -> None:
    """Raise :class:`UserError` when the disk of ``folder`` has less than ``needed`` free bytes for ``what``."""
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise UserError(f"{folder}: {what} needs {needed:,} bytes of disk, {free:,} are free")


def _download(
    remote: Remote, part: Path, timeout: tuple[float, float], waits: Sequence[float], progress: Progress
) -> None:
    """Fill ``part``; returns when the server has sent all it has, or all that was expected is there."""
    if remote.checksum is None:
        part.unlink(missing_ok=True)  # nothing could tell whether two halves belong to one file
    furthest, failures, answer = _size(part), 0, _Answer(remote, part, progress)
    while remote.size is None or _size(part) != remote.size:
        if remote.size is not None and _size(part) > remote.size:
            part.unlink()
        if remote.size is not None:
            check_space(part.parent, remote.size - _size(part), remote.name)
        try:
            if answer.receive(timeout):
                return
            problem = f"the answer ended after {_size(part):,} bytes"
        except requests.RequestException as error:
            problem = _problem(remote, error, timeout)
        if _size(part) > furthest:
            furthest, failures = _size(part), 0
        if failures == len(waits):
            kept = f"; {_size(part):,} bytes are kept, the next call goes on from there" if _size(part) else ""
            raise UserError(f"{remote.url}: {problem} ({failures + 1} attempts){kept}. {_hint(remote)}")
        time.sleep(waits[failures])
        failures += 1


class _Answer:
    """What pooch writes into: ``NAME.part``, continued or begun anew as the server's answer says."""

    def __init__(self, remote: Remote, part: Path, progress: Progress) -> None:
        self._remote, self._part, self._progress = remote, part, progress
        self._version: str | None = None  # the server's own name for this state of the file
        self._total: int | None = None

    def receive(self, timeout: tuple[float, float]) -> bool:
        """One request; whether all the server has is there. Raises what requests raises, and :class:`UserError`."""
        headers = {"Accept-Encoding": "identity"}
        if (have := _size(self._part)) and (self._remote.checksum or self._version):
            headers["Range"] = f"bytes={have}-"
            if self._version:
                headers["If-Range"] = self._version
        download = pooch.HTTPDownloader(
            chunk_size=_PIECE, timeout=timeout, headers=headers, hooks={"response": self._begin}
        )
        self._total, self._advance = None, None
        with self._part.open("ab") as self._file, ExitStack() as self._bar:
            try:
                download(self._remote.url, self, None)
            except requests.HTTPError as error:
                if error.response.status_code != 416:
                    raise
                whole = re.fullmatch(r"bytes \*/(\d+)", error.response.headers.get("Content-Range", ""))
                if whole and int(whole[1]) == have:
                    return True
                self._file.truncate(0)
                return False
        return _size(self._part) == self._total or (self._total is None and self._remote.size is None)

    def write(self, piece: bytes) -> None:
        self._file.write(piece)
        if self._remote.size is not None and self._file.tell() > self._remote.size:
            raise MismatchError(f"expected {self._remote.size:,} bytes, found more")
        self._advance(len(piece))

    def flush(self) -> None:
        self._file.flush()

    def _begin(self, response: requests.Response, **_: Any) -> None:
        """Called with every answer, before its content is read."""
        if response.status_code not in (200, 206):
            return
        length = response.headers.get("Content-Length", "")
        if length and not length.isdecimal():
            raise requests.ConnectionError(f"an answer of length {length!r}")
        done = self._file.tell()
        if response.status_code == 206:
            span = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("Content-Range", ""))
            if not span or int(span[1]) != done:
                self._file.truncate(0)
                raise requests.ConnectionError("a part that was not asked for")
            self._total = None if span[2] == "*" else int(span[2])
        else:
            self._file.truncate(0)
            done, self._total = 0, int(length) if length else None
        version = response.headers.get("ETag", "")
        self._version = version if version.startswith('"') else response.headers.get("Last-Modified")
        check_space(self._part.parent, (self._total or self._remote.size or 0) - done, self._remote.name)
        bar = self._progress.transfer(self._remote.size or self._total, done)
        self._advance = self._bar.enter_context(bar)


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _hint(remote: Remote) -> str:
    return f"If you have {remote.name}, name its folder with --from-dir"


def _problem(remote: Remote, error: requests.RequestException, timeout: tuple[float, float]) -> str:
    """What went wrong, where trying again may help; raises :class:`UserError` where it cannot."""
    if isinstance(error, requests.HTTPError):
        status = f"the server answers {error.response.status_code} {error.response.reason}".rstrip()
        if error.response.status_code in _TRY_LATER:
            return status
        raise UserError(f"{remote.url}: {status}, expected {remote.name}. {_hint(remote)}") from None
    if isinstance(error, requests.ConnectTimeout):
        return f"no connection within {timeout[0]:g} s"
    if isinstance(error, requests.ReadTimeout) or "timed out" in str(error):
        return f"nothing came for {timeout[1]:g} s"
    if isinstance(error, requests.exceptions.ChunkedEncodingError):
        return "the answer broke off"
    if isinstance(error, requests.ConnectionError):
        return f"the connection failed: {_cause(error)}"
    raise UserError(f"{remote.url}: cannot be fetched: {_cause(error)}. {_hint(remote)}") from None


def _cause(error: BaseException) -> str:
    """The operating system's words at the bottom of a chain of exceptions, or the exception's own first line."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror
        cause = cause.__cause__ or cause.__context__
    return (str(error).splitlines() or [type(error).__name__])[0][:120]
