"""Files written whole or not at all, and YAML that is read as it looks."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from safetensors.torch import save_file

from semshare.errors import UserError
from semshare.utils import files
from semshare.utils.files import atomic_write, check_readable, in_brief, parse_yaml, read_yaml, write_json

REMEDY = "quote it, and write no tag before it"


def test_a_file_appears_when_it_is_whole_and_the_old_one_stays_until_then(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_json(path, {"é": 1})
    with pytest.raises(KeyError), atomic_write(path) as part:
        part.write_text("half", encoding="utf-8")
        raise KeyError
    assert path.read_text(encoding="utf-8") == '{"\\u00e9": 1}\n' and list(tmp_path.iterdir()) == [path]


def test_file_and_folder_are_on_the_disk_before_and_after_the_rename(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []
    real_sync, real_replace = os.fsync, Path.replace
    monkeypatch.setattr(os, "fsync", lambda file: (calls.append(os.readlink(f"/proc/self/fd/{file}")), real_sync(file)))
    monkeypatch.setattr(Path, "replace", lambda old, new: (calls.append("rename"), real_replace(old, new)))
    write_json(tmp_path / "a.json", 1)
    assert calls == [f"{tmp_path / 'a.json'}.{os.getpid()}.part", "rename", str(tmp_path)]


def test_weights_are_readable_as_the_mask_says(tmp_path: Path) -> None:
    before = os.umask(0o002)
    try:
        with atomic_write(tmp_path / "weights") as part:
            save_file({"a": torch.zeros(1)}, part)
    finally:
        os.umask(before)
    assert (tmp_path / "weights").stat().st_mode & 0o777 == 0o664


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("a: 1\nno: 2", "line 2: YAML reads the key no as true or false; quote it"),
        ("on: 1", "line 1: YAML reads the key on as true or false; quote it"),
        ("~: 1", "line 1: YAML reads the key ~ as nothing; quote it"),
        ("null: 1", "line 1: YAML reads the key null as nothing; quote it"),
        ("2024-01-01: 1", "line 1: YAML reads the key 2024-01-01 as a date; quote it"),
        ("[1, 2]: 1", "line 1: YAML reads the key a list or mapping as no text; quote it"),
        ("a: 1\nb: {c: 1, c: 2}", "line 2: the key 'c' stands twice; keep one of them"),
        ("seed: [0, 010]", "line 1: YAML reads 010 as 8; quote it, or write 8"),
        ("a: 1:30", "line 1: YAML reads 1:30 as 90; quote it, or write 90"),
        ("name: no", "line 1: YAML reads no as false; quote it, or write false"),
        ("a:\n- yes", "line 2: YAML reads yes as true; quote it, or write true"),
        ("a: 2024-01-01", "line 1: YAML reads 2024-01-01 as a date; quote it"),
        ("a: !!timestamp {a: b}", "line 1: YAML reads a list or mapping as a date; quote it"),
        ("!!str [a]: 1", "line 1: YAML reads the key a list or mapping as no text; quote it"),
        ("!!int [1]: 1", "line 1: YAML reads the key a list or mapping as a whole number; quote it"),
        ("base: &b {x: 1}\nmore: {<<: *b}", "line 2: *b stands for what is written elsewhere; write it here again"),
        ("&a {x: *a}", "line 1: *a stands for what is written elsewhere; write it here again"),
        ("a: 1\nb: !!bool x", f"line 2: x cannot be read as true or false; {REMEDY}"),
        ("a: !!bool {a: b}", f"line 1: a list or mapping cannot be read as true or false; {REMEDY}"),
        ("a: !!int ''", f"line 1: an empty text cannot be read as a whole number; {REMEDY}"),
        ("a: !!int {=: 5}", f"line 1: a list or mapping cannot be read as a whole number; {REMEDY}"),
        ("a: !!float ''", f"line 1: an empty text cannot be read as a number; {REMEDY}"),
        (
            f"a: 0x{'1' * 1000}",
            f"line 1: YAML reads 0x{'1' * 58} as {str(16**1000 // 15)[:60]}; quote it, or write "
            f"{str(16**1000 // 15)[:60]}",
        ),
        (f"{{{'b' * 99}: 1, {'b' * 99}: 2}}", f"line 1: the key '{'b' * 60}' stands twice; keep one of them"),
        ('a: "\\ud83d"', "line 1: half a character in '\\ud83d'; write all of it"),
    ],
)
def test_what_yaml_reads_otherwise_than_it_looks_is_refused_with_its_line(
    text: str, named: str, tmp_path: Path
) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UserError) as caught:
        read_yaml(path)
    assert str(caught.value) == f"{path}: {named}"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("{a: 1, b: [0.1, true, null, text], '010': '010'}", {"a": 1, "b": [0.1, True, None, "text"], "010": "010"}),
        ("05: -3", {"05": -3}),
        ("more: {<<: {x: 1}, y: 2}", {"more": {"x": 1, "y": 2}}),
        ('{"a": "\\ud83d\\ude00"}', {"a": "😀"}),  # as JSON writes it
        ("", None),
    ],
)
def test_plain_yaml_is_what_it_looks_like(text: str, value: Any) -> None:
    assert parse_yaml(text) == value


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("a: " + "[" * 3000, "nested too deeply"),
        ("- " * 3000, "nested too deeply"),
        ("{" * 900, "nested too deeply"),
        ('a: "\\UFFFFFFFF"', "an escape of no character"),
        ("a: !!map [x]", "expected a mapping node, but found sequence"),
        ("a: 1\nb: !!int x", "invalid literal for int() with base 10: 'x', in line 2"),
        ("a: 1\nb: " + "9" * 5000, "Exceeds the limit (4300 digits) for integer string conversion: value has 5000"),
        ("a: !!set x", "expected a mapping node, but found scalar"),
    ],
)
def test_what_pyyaml_stumbles_over_is_no_yaml(text: str, named: str, tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UserError) as caught:
        read_yaml(path)
    assert str(caught.value).startswith(f"{path}: no YAML: {named}")
    with pytest.raises((yaml.YAMLError, ValueError)):
        parse_yaml(text)


def test_a_value_is_named_in_brief_however_large_it_is() -> None:
    shared: list[Any] = ["x"] * 9
    for _ in range(40):
        shared = [shared] * 9  # 9^41 letters in full
    itself: list[Any] = []
    itself.append(itself)
    for value in (shared, itself, {"a": shared}, "x" * 10**6, "é" * 99):
        assert len(in_brief(value)) <= 62
    assert [in_brief(value) for value in (3, [1], "drawn", 10**5000)] == ["'3'", "'[1]'", "'drawn'", "'int'"]


def test_a_path_that_cannot_be_read_is_told_as_that(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "file").touch()
    for name, expected in {
        "pipe": "pipe: found neither a file nor a folder, expected a list",
        "loop": "loop: Too many levels of symbolic links, expected a list",
        "gone": "gone: missing, expected a list",
        "file/in": "file/in: missing, expected a list",
        "a\0b": "a\0b: missing, expected a list",
        "x" * 300: "x: File name too long, expected a list",
    }.items():
        with pytest.raises(UserError) as caught:
            check_readable(tmp_path / name, "a list")
        assert str(caught.value).endswith(expected)
    check_readable(tmp_path, "a list")
    check_readable(tmp_path / "file", "a list")
    monkeypatch.setattr(files.os, "scandir", _refuse)
    with pytest.raises(UserError, match=r": cannot be listed: Permission denied$"):
        check_readable(tmp_path, "a list")


def _refuse(path: Path) -> None:
    raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))  # root may list every folder


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32"])
def test_yaml_is_opened_as_every_text_file_is(encoding: str, end: str, tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_bytes(f"# größer{end}name: 犬{end}seed: [0, 1]{end}".encode(encoding))
    assert read_yaml(path) == {"name": "犬", "seed": [0, 1]}
    path.write_bytes(f"# größer{end}name: 犬{end}on: 1{end}".encode(encoding))
    with pytest.raises(UserError, match="line 3: YAML reads the key on"):
        read_yaml(path)


def test_yaml_of_another_encoding_is_named_by_line_and_byte(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_bytes("dataset: custom\nname: größer\n".encode("latin-1"))
    with pytest.raises(UserError, match=r"a\.yaml, line 2: byte 0xf6 at offset 24 is no UTF-8 text; convert the file"):
        read_yaml(path)
    with pytest.raises(UserError, match=r"b\.yaml: missing"):
        read_yaml(tmp_path / "b.yaml")


def test_nothing_is_built_from_tags() -> None:
    with pytest.raises(yaml.YAMLError):
        parse_yaml("!!python/object/apply:os.system ['true']")


def test_a_file_system_that_cannot_flush_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(file: int) -> None:
        raise OSError(22, "Invalid argument")

    monkeypatch.setattr(files.os, "fsync", refuse)
    write_json(tmp_path / "a.json", 1)
    assert (tmp_path / "a.json").exists()
