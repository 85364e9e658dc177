"""The benchmarks run, at sizes that measure nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"
SCRIPTS = sorted(path.stem for path in BENCHMARKS.glob("*.py") if path.stem != "rows")

# How each is run at small sizes; those that train whole runs, or read data that is not here, are only asked for help.
SMALL = {
    "training": """
training.PAIRS, training.WIDTH, training.LAYERS, training.HEADS, training.FEED_FORWARD = 8, 32, 1, 4, 64
rows = training.measure(1)
""",
    "retrieval": "retrieval.IMAGES, retrieval.SUBSET = 600, {'I2T': 5, 'T2I': 5}\nrows = retrieval.measure(1)",
    "search": "rows = search.measure(1, items=2000, asked=20, with_batches=True)",
    "feature_store": "rows = feature_store.measure(items=200, rounds=1)",
    "feature_files": "rows = feature_files.measure(items=200, rounds=1)",
    "regions": "rows = regions.measure(('grid', 'fasterrcnn-mobilenet-untrained'), count=4)",
}


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_benchmark_says_what_it_takes(script: str) -> None:
    done = _python(str(BENCHMARKS / f"{script}.py"), "--help")
    assert done.stdout.startswith("usage: "), done.stderr


@pytest.mark.parametrize("script", SMALL)
def test_a_benchmark_measures_beside_a_peer(script: str) -> None:
    ask = "assert rows and all(row.ratio > 0 for row in rows), rows"
    done = _python("-c", f"import {script}\nfrom rows import table\n{SMALL[script]}\n{ask}\nprint(table(rows))")
    assert "claim" in done.stdout and "peer" in done.stdout


def test_what_make_bench_measures_is_tried_here() -> None:
    text = (BENCHMARKS / "all.py").read_text(encoding="utf-8")
    assert {name for name in SCRIPTS if f"{name}.measure(" in text} == set(SMALL)


def _python(*arguments: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(BENCHMARKS), str(BENCHMARKS.parent)])}
    done = subprocess.run(
        [sys.executable, *arguments], env=environment, capture_output=True, encoding="utf-8", cwd=BENCHMARKS.parent
    )
    assert done.returncode == 0, done.stderr
    return done
