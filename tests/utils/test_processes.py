"""Which processes train together, and what is only left over in the environment."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

CODE = "from semshare.utils import processes; print(processes.count(), processes.rank(), processes.is_first())"


def _run(code: str, **variables: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("ACCELERATE_", "RANK"))}
    return subprocess.run(
        [sys.executable, "-c", code], env=clean | variables, capture_output=True, text=True, encoding="utf-8"
    )


@pytest.mark.parametrize("left_over", [{"WORLD_SIZE": "4"}, {"WORLD_SIZE": "4", "RANK": "3"}, {"WORLD_SIZE": ""}])
def test_what_accelerate_did_not_launch_is_alone(left_over: dict[str, str]) -> None:
    assert _run(CODE, **left_over).stdout == "1 0 True\n"


def test_a_missing_peer_is_told() -> None:
    launched = {"WORLD_SIZE": "2", "RANK": "0", "LOCAL_RANK": "0", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "0"}
    launched |= {"ACCELERATE_MIXED_PRECISION": "no", "ACCELERATE_USE_CPU": "true"}
    code = "from datetime import timedelta\nfrom semshare.utils import processes\n"
    code += "processes.PATIENCE = timedelta(seconds=2)\ntry:\n    processes.count()\n"
    code += "except Exception as error:\n    print(type(error).__name__, error)"
    said = _run(code, **launched).stdout
    assert said.startswith("UserError processes: WORLD_SIZE is 2, and not all of them came within 2 s"), said
