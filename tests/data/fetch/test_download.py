"""Downloads from a server that truncates, corrupts, breaks off, stalls or has nothing."""

from __future__ import annotations

import hashlib
import io
import json
import random
import socket
import zipfile
from collections import namedtuple
from collections.abc import Iterator
from pathlib import Path

import pytest
from webserver import Server, serve

from semshare.data.fetch import download
from semshare.data.fetch.download import MismatchError, Remote, fetch, recorded, verify
from semshare.errors import UserError

CONTENT = random.Random(0).randbytes(3_000_001)
SHA = f"sha256:{hashlib.sha256(CONTENT).hexdigest()}"
MD5 = f"md5:{hashlib.md5(CONTENT).hexdigest()}"


@pytest.fixture
def server() -> Iterator[Server]:
    with serve() as one:
        one.files["/a.bin"] = CONTENT
        yield one


def get(remote: Remote, folder: Path) -> Path:
    """Fetch without waiting long for anything."""
    return fetch(remote, folder, timeout=(1, 0.3), waits=(0, 0, 0), quiet=True)


def remote(server: Server, checksum: str | None = SHA, size: int | None = len(CONTENT)) -> Remote:
    return Remote(f"{server.url}/a.bin", "a.bin", size, checksum)


def left(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def whole_pieces(size: int) -> int:
    """What of ``size`` bytes is written when the connection breaks after them."""
    return size // 65536 * 65536


def archive() -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as file:
        file.writestr("a.txt", "a" * 1000)
    return packed.getvalue()


@pytest.mark.parametrize("checksum", [SHA, MD5])
def test_a_file_arrives_verified_and_is_there_at_once_afterwards(
    checksum: str, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = get(remote(server, checksum), tmp_path)
    assert path.read_bytes() == CONTENT
    assert left(tmp_path) == {"a.bin", "a.bin.checksum.json"}
    assert recorded(tmp_path) == {"a.bin": {"url": f"{server.url}/a.bin", "checksum": checksum, "size": len(CONTENT)}}
    monkeypatch.setattr(download.pooch, "file_hash", lambda *_: pytest.fail("read again"))
    assert get(remote(server, checksum), tmp_path) == path
    assert len(server.asked) == 1


def test_a_broken_connection_goes_on_where_it_broke(server: Server, tmp_path: Path) -> None:
    server.moods["/a.bin"] = ["cut", "cut", "good"]
    assert get(remote(server), tmp_path).read_bytes() == CONTENT
    first = whole_pieces(len(CONTENT) // 2)
    second = first + whole_pieces((len(CONTENT) - first) // 2)
    assert server.asked == [
        ("/a.bin", None, 200),
        ("/a.bin", f"bytes={first}-", 206),
        ("/a.bin", f"bytes={second}-", 206),
    ]


def test_what_arrived_stays_for_the_next_call(server: Server, tmp_path: Path) -> None:
    server.moods["/a.bin"] = ["cut", "503"]
    with pytest.raises(UserError, match=r"503 .*4 attempts.*1,441,792 bytes are kept.*--from-dir") as caught:
        get(remote(server), tmp_path)
    assert "\n" not in str(caught.value)
    assert left(tmp_path) == {"a.bin.part"}
    server.moods["/a.bin"] = ["good"]
    assert get(remote(server), tmp_path).read_bytes() == CONTENT
    assert server.asked[-1] == ("/a.bin", "bytes=1441792-", 206)
    assert left(tmp_path) == {"a.bin", "a.bin.checksum.json"}


@pytest.mark.parametrize("mood", ["no-range", "shifted"])
def test_a_server_without_ranges_begins_anew(mood: str, server: Server, tmp_path: Path) -> None:
    server.moods["/a.bin"] = ["cut", mood, "good"]
    assert get(remote(server), tmp_path).read_bytes() == CONTENT


def test_a_complete_part_needs_no_request(server: Server, tmp_path: Path) -> None:
    (tmp_path / "a.bin.part").write_bytes(CONTENT)
    assert get(remote(server), tmp_path).read_bytes() == CONTENT
    assert server.asked == []
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "a.bin.part").write_bytes(CONTENT)  # of a size nobody knows: the server says it is all
    assert get(remote(server, size=None), tmp_path / "b").read_bytes() == CONTENT
    assert [status for _, _, status in server.asked] == [416]


def test_a_part_larger_than_the_file_begins_anew(server: Server, tmp_path: Path) -> None:
    (tmp_path / "a.bin.part").write_bytes(CONTENT + b"more")
    assert get(remote(server), tmp_path).read_bytes() == CONTENT


def test_a_slow_answer_is_waited_for(server: Server, tmp_path: Path) -> None:
    server.moods["/a.bin"] = ["drip"]
    assert get(remote(server), tmp_path).read_bytes() == CONTENT


def test_a_truncated_file_is_refused_and_deleted(server: Server, tmp_path: Path) -> None:
    server.moods["/a.bin"] = ["short"]
    with pytest.raises(UserError, match=r"http.*/a.bin: expected 3,000,001 bytes, found 1,500,000"):
        get(remote(server), tmp_path)
    assert left(tmp_path) == set()
    assert len(server.asked) == 1


def test_an_answer_without_length_that_ends_early_is_no_file(server: Server, tmp_path: Path) -> None:
    server.moods["/a.bin"] = ["unsized"]
    with pytest.raises(UserError, match=r"the answer ended after 1,500,000 bytes"):
        get(remote(server), tmp_path)
    assert "a.bin" not in left(tmp_path)


def test_more_than_expected_is_refused_as_it_comes(server: Server, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"expected 1,000 bytes, found more"):
        get(remote(server, size=1000), tmp_path)
    assert left(tmp_path) == set()


@pytest.mark.parametrize("checksum", [SHA, MD5])
def test_a_corrupted_file_is_refused_and_deleted(checksum: str, server: Server, tmp_path: Path) -> None:
    server.files["/a.bin"] = CONTENT[:-1] + bytes([CONTENT[-1] ^ 1])
    with pytest.raises(UserError) as caught:
        get(remote(server, checksum), tmp_path)
    kind = checksum.split(":")[0]
    found = hashlib.new(kind, server.files["/a.bin"]).hexdigest()
    assert all(said in str(caught.value) for said in (f"{server.url}/a.bin", checksum, f"{kind}:{found}"))
    assert left(tmp_path) == set()


def test_a_file_that_changed_afterwards_is_noticed(server: Server, tmp_path: Path) -> None:
    path = get(remote(server), tmp_path)
    path.write_bytes(CONTENT[::-1])
    with pytest.raises(UserError, match=r"a.bin: expected sha256:.*found sha256:.*deleted"):
        get(remote(server), tmp_path)
    assert not path.exists()
    assert get(remote(server), tmp_path).read_bytes() == CONTENT


def test_without_a_published_checksum_the_first_download_is_the_measure(server: Server, tmp_path: Path) -> None:
    unknown = remote(server, checksum=None, size=None)
    get(unknown, tmp_path)
    assert json.loads((tmp_path / "a.bin.checksum.json").read_text(encoding="utf-8"))["checksum"] == SHA
    (tmp_path / "a.bin").unlink()
    server.files["/a.bin"] = CONTENT[::-1]
    with pytest.raises(UserError, match=rf"expected {SHA} \(that of the first download here\), found sha256"):
        get(unknown, tmp_path)
    server.files["/a.bin"] = CONTENT
    assert get(unknown, tmp_path).read_bytes() == CONTENT


def test_halves_of_two_files_are_never_joined(server: Server, tmp_path: Path) -> None:
    (tmp_path / "a.bin.part").write_bytes(b"of another day" * 10)
    assert get(remote(server, checksum=None, size=None), tmp_path).read_bytes() == CONTENT
    assert server.asked == [("/a.bin", None, 200)]


def test_a_whole_part_that_nothing_vouches_for_is_fetched_anew(server: Server, tmp_path: Path) -> None:
    (tmp_path / "a.bin.part").write_bytes(CONTENT[::-1])
    assert get(remote(server, checksum=None), tmp_path).read_bytes() == CONTENT


def test_a_line_that_keeps_breaking_gets_there_as_long_as_it_gets_further(server: Server, tmp_path: Path) -> None:
    server.moods["/a.bin"] = ["cut"] * 5 + ["good"]
    assert get(remote(server), tmp_path).read_bytes() == CONTENT
    assert len(server.asked) == 6


def test_a_line_that_breaks_at_the_same_place_is_given_up(server: Server, tmp_path: Path) -> None:
    server.files["/a.bin"] = CONTENT[:100_000]  # half of it is less than a piece: nothing is ever written
    server.moods["/a.bin"] = ["cut"]
    with pytest.raises(UserError, match=r"the answer broke off \(4 attempts\)"):
        get(remote(server), tmp_path)
    assert left(tmp_path) == set()


def test_a_web_page_is_no_archive(server: Server, tmp_path: Path) -> None:
    server.files["/a.zip"] = b"<html>Please sign in</html>"
    with pytest.raises(UserError, match=r"expected a zip archive, found a file that begins with b'<html>"):
        get(Remote(f"{server.url}/a.zip", "a.zip"), tmp_path)
    assert left(tmp_path) == set()
    server.files["/a.zip"] = archive()
    assert get(Remote(f"{server.url}/a.zip", "a.zip"), tmp_path).exists()


def test_a_missing_file_is_one_line_with_a_way_out(server: Server, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"^http://\S*/b.bin: the server answers 404.*--from-dir$") as caught:
        get(Remote(f"{server.url}/b.bin", "b.bin", 1, SHA), tmp_path)
    assert "\n" not in str(caught.value)
    assert len(server.asked) == 1, "a file that is not there was asked for again"
    assert left(tmp_path) == set()


def test_silence_ends_after_the_timeout(server: Server, tmp_path: Path) -> None:
    server.moods["/a.bin"] = ["silent"]
    with pytest.raises(UserError, match=r"nothing came for 0.3 s \(4 attempts\)\. .*--from-dir"):
        get(remote(server), tmp_path)


def test_a_closed_door_is_named(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/a.bin"
    with pytest.raises(UserError, match=rf"^{url}: the connection failed: Connection refused \(4 .*--from-dir"):
        get(Remote(url, "a.bin"), tmp_path)


@pytest.mark.parametrize("url", ["nowhere", "gopher://127.0.0.1/a.bin", "http://"])
def test_an_address_that_is_none_is_named(url: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=rf"^{url}: cannot be fetched"):
        get(Remote(url, "a.bin"), tmp_path)


@pytest.mark.parametrize("size", [len(CONTENT), None])
def test_a_full_disk_is_noticed_before_the_download(
    size: int | None, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(download.shutil, "disk_usage", lambda _: usage(10**9, 10**9 - 1000, 1000))
    with pytest.raises(UserError, match=r"a.bin needs 3,000,001 bytes of disk, 1,000 are free"):
        get(remote(server, size=size), tmp_path)
    assert left(tmp_path) == set()


def test_a_folder_that_cannot_be_made_is_named(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(UserError, match=r"file/data: cannot be written: Not a directory"):
        get(remote(server), tmp_path / "file" / "data")


def test_a_file_at_hand_is_verified_and_never_deleted(server: Server, tmp_path: Path) -> None:
    mine = tmp_path / "a.bin"
    mine.write_bytes(CONTENT[1:])
    with pytest.raises(MismatchError, match=r"expected 3,000,001 bytes, found 3,000,000"):
        verify(mine, remote(server), tmp_path / "records")
    assert mine.exists()
    mine.write_bytes(CONTENT)
    assert verify(mine, remote(server), tmp_path / "records") == SHA


def test_a_damaged_record_is_named(server: Server, tmp_path: Path) -> None:
    (tmp_path / "a.bin.checksum.json").write_text("{}", encoding="utf-8")
    with pytest.raises(UserError, match=r"a.bin.checksum.json: damaged"):
        get(remote(server, checksum=None), tmp_path)


def test_progress_shows_the_bytes(server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    server.moods["/a.bin"] = ["drip"]
    fetch(remote(server), tmp_path)
    lines = capsys.readouterr().err.splitlines()
    assert lines[-1] == "[semshare] a.bin: 3,000,001 of 3,000,001 bytes"
    assert len(lines) > 1


def test_a_checksum_has_a_kind() -> None:
    with pytest.raises(ValueError, match="expected sha256: or md5:"):
        Remote("http://127.0.0.1/a", "a", None, "a23d0a8564ee84cda5622a6c2f947785")
