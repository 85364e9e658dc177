"""Unpacking: good archives land whole, hostile and damaged ones leave nothing behind."""

from __future__ import annotations

import io
import stat
import tarfile
import zipfile
from collections import namedtuple
from pathlib import Path

import pytest

from semshare.data.fetch import unpack as module
from semshare.data.fetch.unpack import unpack
from semshare.errors import UserError

FILES = {"one.txt": b"one" * 1000, "deep/er/two.txt": b"two"}


def zipped(path: Path, files: dict[str, bytes], odd: zipfile.ZipInfo | None = None) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
        if odd:
            archive.writestr(odd, "/etc/passwd")
    return path


def tarred(path: Path, files: dict[str, bytes], odd: tarfile.TarInfo | None = None) -> Path:
    with tarfile.open(path, "w:gz" if path.suffix == ".gz" else "w") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
        if odd:
            archive.addfile(odd)
    return path


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def pack(kind: str, folder: Path, files: dict[str, bytes]) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / f"a{kind}"
    return zipped(path, files) if kind == ".zip" else tarred(path, files)


@pytest.mark.parametrize("kind", [".zip", ".tar", ".tar.gz"])
@pytest.mark.parametrize("wrap", ["", "new/", "./new/"])
def test_an_archive_lands_whole_with_or_without_its_own_folder(kind: str, wrap: str, tmp_path: Path) -> None:
    archive = pack(kind, tmp_path / "in", {wrap + name: data for name, data in FILES.items()})
    assert unpack(archive, tmp_path / "out" / "new", quiet=True) == 2
    assert content(tmp_path / "out") == {f"new/{name}": data for name, data in FILES.items()}
    assert archive.exists()


def test_a_folder_of_another_name_stays(tmp_path: Path) -> None:
    unpack(zipped(tmp_path / "a.zip", {"other/one.txt": b"1"}), tmp_path / "out", quiet=True)
    assert content(tmp_path / "out") == {"other/one.txt": b"1"}


def test_what_is_there_already_stays(tmp_path: Path) -> None:
    out = tmp_path / "out"
    (out / "deep").mkdir(parents=True)
    (out / "deep" / "mine.txt").write_bytes(b"mine")
    (out / "one.txt").write_bytes(b"half of it")
    unpack(zipped(tmp_path / "a.zip", FILES), out, quiet=True)
    assert content(out) == {**FILES, "deep/mine.txt": b"mine"}


def test_a_new_folder_appears_in_one_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module.Path, "replace", lambda *_: pytest.fail("moved file by file"))
    unpack(zipped(tmp_path / "a.zip", FILES), tmp_path / "out", quiet=True)
    assert content(tmp_path / "out") == FILES


def test_only_some_files_land_flat(tmp_path: Path) -> None:
    archive = zipped(tmp_path / "a.zip", {**FILES, "deep/__MACOSX/x": b""})
    assert unpack(archive, tmp_path / "out", only=["two.txt"], quiet=True) == 1
    assert content(tmp_path / "out") == {"two.txt": b"two"}
    with pytest.raises(UserError, match=r"a.zip: holds no file called three.txt"):
        unpack(archive, tmp_path / "out", only=["three.txt"], quiet=True)


def refused(archive: Path, place: Path, match: str) -> None:
    """The archive is refused with one line, and the folder around its target stays empty."""
    place.mkdir()
    with pytest.raises(UserError, match=match) as caught:
        unpack(archive, place / "out", quiet=True)
    assert "\n" not in str(caught.value) and archive.name in str(caught.value)
    assert not list(place.iterdir())


@pytest.mark.parametrize("kind", [".zip", ".tar", ".tar.gz"])
@pytest.mark.parametrize("name", ["../out.txt", "/tmp/out.txt", "a/../../out.txt", "C:/out.txt", "a\\..\\out.txt"])
def test_a_path_that_leads_out_is_refused(kind: str, name: str, tmp_path: Path) -> None:
    archive = pack(kind, tmp_path / "in", {**FILES, name: b"out"})
    refused(archive, tmp_path / "place", r"a path that leads out of its folder; nothing was unpacked")
    assert not (tmp_path / "out.txt").exists()


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_in_a_tar_are_refused(kind: bytes, tmp_path: Path) -> None:
    odd = tarfile.TarInfo("link")
    odd.type, odd.linkname = kind, "/etc/passwd"
    refused(tarred(tmp_path / "a.tar", FILES, odd), tmp_path / "place", r"'link' is a link or device")


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFCHR])
def test_links_and_devices_in_a_zip_are_refused(kind: int, tmp_path: Path) -> None:
    odd = zipfile.ZipInfo("link")
    odd.create_system, odd.external_attr = 3, (kind | 0o777) << 16
    refused(zipped(tmp_path / "a.zip", FILES, odd), tmp_path / "place", r"'link' is a link or device")


@pytest.mark.parametrize("kind", [".zip", ".tar.gz"])
def test_more_than_the_disk_holds_is_refused_before_a_byte_is_written(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = pack(kind, tmp_path / "in", {"bomb": bytes(1_000_000), **FILES})
    assert archive.stat().st_size < 50_000
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(module.shutil, "disk_usage", lambda _: usage(10**9, 0, 999_999))
    monkeypatch.setattr(module, "_write", lambda *_: pytest.fail("written"))
    refused(archive, tmp_path / "place", r"unpacks to 1,000,000 bytes or more, 999,999 are free")


def test_a_zip_that_lies_about_its_size_is_refused(tmp_path: Path) -> None:
    archive = zipped(tmp_path / "a.zip", {"bomb": bytes(1_000_000)})
    packed = archive.read_bytes()
    assert packed.count((1_000_000).to_bytes(4, "little")) == 2
    archive.write_bytes(packed.replace((1_000_000).to_bytes(4, "little"), (10).to_bytes(4, "little")))
    refused(archive, tmp_path / "place", r"damaged, expected a zip or tar archive: .*CRC")


@pytest.mark.parametrize("kind", [".zip", ".tar", ".tar.gz"])
def test_a_truncated_archive_is_refused(kind: str, tmp_path: Path) -> None:
    archive = pack(kind, tmp_path / "in", {"long.bin": bytes(range(256)) * 4000, **FILES})
    archive.write_bytes(archive.read_bytes()[:2000])
    refused(archive, tmp_path / "place", r"damaged, expected a zip or tar archive")


def test_a_flipped_bit_is_noticed(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_STORED) as file:
        file.writestr("one.txt", b"z" * 5000)
    packed = bytearray((tmp_path / "a.zip").read_bytes())
    packed[2500] ^= 1
    (tmp_path / "a.zip").write_bytes(packed)
    refused(tmp_path / "a.zip", tmp_path / "place", r"damaged, .*CRC")


def test_an_encrypted_archive_is_named(tmp_path: Path) -> None:
    archive = zipped(tmp_path / "a.zip", {"one.txt": b"secret"})
    packed = bytearray(archive.read_bytes())
    packed[packed.find(b"PK\x01\x02") + 8] |= 1  # the flag in the directory at the end
    archive.write_bytes(packed)
    refused(archive, tmp_path / "place", r"'one.txt' is encrypted")


def test_two_files_of_one_name_are_refused(tmp_path: Path) -> None:
    refused(tarred(tmp_path / "a.tar", {"a": b"1", "./a": b"2"}), tmp_path / "place", r"two files in the place of .*/a")
    refused(tarred(tmp_path / "b.tar", {"a": b"1", "a/b": b"2"}), tmp_path / "other", r"two files in the place of .*/a")


@pytest.mark.parametrize("found", [b"", b"<html>not an archive</html>"])
def test_no_archive_is_named(found: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(found)
    refused(tmp_path / "a.zip", tmp_path / "place", r"damaged, expected a zip or tar archive")


def test_an_archive_that_is_not_there_is_named(tmp_path: Path) -> None:
    refused(tmp_path / "a.zip", tmp_path / "place", r"a.zip: No such file")
