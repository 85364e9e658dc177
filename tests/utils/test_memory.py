"""Memory kept between batches."""

from __future__ import annotations

import subprocess
import sys

import pytest

from semshare.utils import memory
from semshare.utils.memory import memory_kept

# Blocks of 64 MB, each written and freed; prints how many pages the system gave before, inside, and afterwards. Then
# those for a block of 4 MB, which glibc adapts to when it was not told anything.
_SCRIPT = """
import ctypes, resource
from semshare.utils.memory import memory_kept

def pages(count, size=2**26):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(count):
        block = (ctypes.c_char * size)()
        ctypes.memset(block, 1, size)
        del block
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

def size():
    return int(open("/proc/self/statm").read().split()[1])

before = pages(8)
with memory_kept():
    with memory_kept():
        pages(1)
    inside, kept = pages(8), size()
after, left = pages(8), size()
pages(2, 2**22)
print(before, inside, after, kept - left, pages(8, 2**22))
"""


@pytest.mark.skipif(memory._glibc() is None, reason="the C library is not glibc")
def test_a_block_inside_costs_no_new_pages_and_all_is_given_back() -> None:
    done = subprocess.run([sys.executable, "-c", _SCRIPT], capture_output=True, encoding="utf-8", check=True)
    before, inside, after, freed, smaller = map(int, done.stdout.split())
    assert inside < before / 10  # before, each of the eight blocks was mapped anew
    assert after > before / 2
    assert smaller < 2**22 / 4096, "smaller blocks are not mapped anew for each, no less than before"
    assert freed * 4096 > 2**25, "the kept block is given back at the end"


def test_where_there_is_no_glibc_nothing_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_glibc", lambda: None)
    with memory_kept():
        pass
    assert memory._users == 0


def test_an_error_inside_ends_it() -> None:
    with pytest.raises(KeyError), memory_kept():
        raise KeyError
    assert memory._users == 0
