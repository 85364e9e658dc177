"""Super-categories beside a collection: read as YAML or JSON, each mistake named."""

from __future__ import annotations

from pathlib import Path

import pytest

from semshare.data.readers.groups import supercategories_beside
from semshare.errors import UserError

LABELS = ("boat", "cat", "dog")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("supercategories.yaml", "animal: [dog, cat]\nvehicle:\n  - boat\n"),
        ("supercategories.yml", "animal: [dog, cat]\nvehicle: [boat]\n"),
        ("supercategories.json", '{"animal": ["dog", "cat"], "vehicle": ["boat"]}'),
    ],
)
def test_groups_are_read(name: str, content: str, tmp_path: Path) -> None:
    assert supercategories_beside(tmp_path, LABELS) == {}
    (tmp_path / name).write_text(content, encoding="utf-8")
    found = supercategories_beside(tmp_path, LABELS)
    assert found == {"dog": "animal", "cat": "animal", "boat": "vehicle"}


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("animal: [dog, cat]\n", "labels in no group: boat"),
        ("animal: [dog, cat, cow]\nvehicle: [boat]\n", "animal: 'cow' is no label here, expected boat, cat, dog"),
        ("animal: [dog, cat]\nvehicle: [boat, dog]\n", "vehicle: 'dog' is in 'animal' already"),
        ("animal: dog\n", "animal: found 'dog', expected a list of labels"),
        ("animal: [1]\n", "animal: found '[1]', expected a list of labels"),
        ("- dog\n", "expected groups, each with a list of labels"),
        ("animal: [dog\n", "no YAML"),
        (f"{'animal' * 20}: [cow]\n", f": {'animal' * 10}: 'cow' is no label here"),
        (f"animal: [{'[' * 80}{']' * 80}]\n", "animal: found '[[[[[[[...]]]]]]]', expected a list of labels"),
        ("!!python/object/apply:os.system [ls]\n", "no YAML"),
    ],
)
def test_a_mistake_is_named(content: str, expected: str, tmp_path: Path) -> None:
    path = tmp_path / "supercategories.yaml"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(UserError) as caught:
        supercategories_beside(tmp_path, LABELS)
    assert str(path) in str(caught.value) and expected in str(caught.value)


def test_aliases_in_aliases_are_refused_before_they_are_written_out(tmp_path: Path) -> None:
    nested = "&a0 [x]"
    for level in range(1, 20):  # 10^19 letters of 700 bytes
        nested = f"&a{level} [{nested}{f', *a{level - 1}' * 9}]"
    (tmp_path / "supercategories.yaml").write_text(f"animal: {nested}\n", encoding="utf-8")
    with pytest.raises(UserError, match=r"supercategories[.]yaml: line 1: \*a0 stands for what is written elsewhere"):
        supercategories_beside(tmp_path, LABELS)


def test_two_files_are_one_too_many(tmp_path: Path) -> None:
    for name in ("supercategories.yaml", "supercategories.json"):
        (tmp_path / name).write_text('{"a": ["boat", "cat", "dog"]}', encoding="utf-8")
    with pytest.raises(UserError, match="expected one of them"):
        supercategories_beside(tmp_path, LABELS)
