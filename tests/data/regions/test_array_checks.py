"""Arrays read to their end: each kind of bad row is named, and a file that was read is not read again."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from semshare.data.regions.array_checks import (
    boxes_outside,
    classes_outside,
    not_finite,
    read_through,
    scores_outside,
)
from semshare.data.regions.arrays import ArrayFile
from semshare.errors import UserError

pytestmark = pytest.mark.usefixtures("own_home")
SIZES = np.array([[100, 40]] * 3)


def _file(path: Path, array: np.ndarray) -> ArrayFile:
    np.save(path, array)
    return ArrayFile(path)


def _with(array: np.ndarray, place: tuple, value: object) -> np.ndarray:
    array = array.copy()
    array[place] = value
    return array


BOXES = np.tile(np.array([0, 0, 10, 10], "f4"), (3, 2, 1))


@pytest.mark.parametrize(
    ("array", "faults", "expected"),
    [
        (_with(np.zeros((3, 2, 4), "f4"), (1, 0, 2), np.nan), not_finite, "row 1: found nan"),
        (_with(np.zeros((3, 2, 4), "f2"), (2, 1, 2), np.inf), not_finite, "row 2: found inf"),
        (_with(np.zeros((3, 2, 4), "f8"), (0, 1, 2), 1e300), not_finite, "row 0: found 1e+300"),
        (_with(BOXES, (1, 1, 2), 101.5), boxes_outside(SIZES), "row 1: box 1 is 0, 0, 101.5, 10, expected"),
        (_with(BOXES, (2, 0, 0), 11), boxes_outside(SIZES), "row 2: box 0 is 11, 0, 10, 10, expected"),
        (_with(BOXES, (2, 0, 0), np.nan), boxes_outside(SIZES), "row 2: box 0 is nan"),
        (BOXES, boxes_outside(None), "divide by its width and height"),
        (_with(np.ones((3, 2)), (1, 1), 1.5), scores_outside, "row 1: found score 1.5"),
        (_with(np.ones((3, 2)), (1, 1), np.nan), scores_outside, "row 1: found score nan"),
        (_with(np.ones((3, 2)), (2,), 0), scores_outside, "row 2: found no score above 0"),
        (_with(np.ones((3, 2), int), (0, 1), -2), classes_outside, "row 0: class -2"),
        (_with(np.ones((3, 2), int), (0, 1), 200_000), classes_outside, "row 0: class 200000"),
    ],
)
def test_a_bad_row_is_named(array: np.ndarray, faults: Callable, expected: str, tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        read_through(_file(tmp_path / "a.npy", array), "some rule", faults)
    assert str(caught.value).startswith(f"{tmp_path / 'a.npy'}, row ") and expected in str(caught.value)
    assert str(caught.value).endswith("rows are counted from 0")


def test_all_bad_rows_are_told_the_first_twenty_by_number(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        read_through(_file(tmp_path / "a.npy", np.full((50, 2), np.nan)), "finite", not_finite)
    lines = str(caught.value).split("\n")
    assert len(lines) == 22 and "row 19" in lines[19] and "30 more rows" in lines[20]


def test_a_box_may_end_a_pixel_outside(tmp_path: Path) -> None:
    array = _with(_with(BOXES, (1, 1, 2), 100.8), (0, 0, 1), -0.5)
    assert read_through(_file(tmp_path / "a.npy", array), "boxes", boxes_outside(SIZES)).sha256


def test_the_checksum_is_of_every_byte_and_of_the_shape(tmp_path: Path) -> None:
    array = np.arange(12, dtype="f4").reshape(3, 4)
    found = read_through(_file(tmp_path / "a.npy", array), "finite", not_finite).sha256
    assert found == hashlib.sha256(json.dumps([[3, 4], "<f4"]).encode() + array.tobytes()).hexdigest()
    for number, other in enumerate((array.reshape(4, 3), array.astype("f8"), _with(array, (2, 3), 12))):
        assert read_through(_file(tmp_path / f"{number}.npy", other), "finite", not_finite).sha256 != found


def test_a_file_is_read_once_until_it_changes_or_somebody_asks(tmp_path: Path) -> None:
    reads = []

    def counted(start: int, block: np.ndarray):
        reads.append(start)
        return not_finite(start, block)

    file = _file(tmp_path / "a.npy", np.zeros((3, 4), "f4"))
    first = read_through(file, "finite", counted)
    assert read_through(file, "finite", counted) == first and len(reads) == 1
    read_through(file, "finite", counted, verify=True)
    read_through(file, "another rule", counted)
    assert len(reads) == 3
    state = file.path.stat()
    other = _file(tmp_path / "a.npy", np.ones((3, 4), "f4"))
    os.utime(file.path, ns=(state.st_atime_ns, state.st_mtime_ns))  # the time is put back, as some tools do
    assert read_through(other, "another rule", counted) != first and len(reads) == 4


def test_the_highest_class_is_found(tmp_path: Path) -> None:
    file = _file(tmp_path / "a.npy", np.array([[1, 7], [-1, 0]]))
    assert read_through(file, "classes", classes_outside, classes=True).highest == 7
    assert read_through(file, "classes", classes_outside, classes=True).highest == 7  # as it is kept


_READ = """
import re, sys
from pathlib import Path
import numpy as np
from semshare.data.regions.array_checks import not_finite, read_through
from semshare.data.regions.arrays import ArrayFile, ArrayStore, RegionArrays

def peak():
    return int(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text(encoding="utf-8"))[1]) / 1000

before = peak()
file = ArrayFile(Path(sys.argv[1]))
read_through(file, "finite", not_finite)
store = ArrayStore([(RegionArrays(file), {str(row): row for row in range(len(file))})], 1, [])
for rows in np.random.default_rng(0).permutation(len(file)).reshape(-1, 50):
    store.read([str(row) for row in rows])
print(peak() - before)
"""


@pytest.mark.slow
def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    path = tmp_path / "features.npy"
    np.lib.format.open_memmap(path, "w+", np.float32, (2000, 36, 2048)).flush()  # 590 MB, of which the disk holds none
    done = subprocess.run([sys.executable, "-c", _READ, path], capture_output=True, text=True, encoding="utf-8")
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) < 150  # MB: two blocks and a batch, beside what is imported
