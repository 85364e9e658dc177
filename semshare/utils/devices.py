"""Where a run computes: the device by its name, and the cores and threads of a CPU."""

from __future__ import annotations

import os
import platform
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal

import torch

from semshare.errors import UserError
from semshare.utils import processes

if TYPE_CHECKING:
    from collections.abc import Iterator


def find_device(name: str = "auto") -> torch.device:
    """``auto`` is CUDA when present, else the CPU; of several GPUs, a process launched with others has its own.

    Raises:
        UserError: a device that is not there.
    """
    launched = processes.state()
    if name == "auto":
        if launched is not None:
            return launched.device
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise UserError(f"device: {name!r} cannot be used: {str(error).splitlines()[0]}") from None
    if name != "cuda":
        return device
    # With its number: which GPU a bare "cuda" means is a thread's own matter.
    return launched.device if launched is not None else torch.device("cuda", torch.cuda.current_device())


def default_precision(device: torch.device) -> Literal["float32", "bfloat16"]:
    """bfloat16 where the device computes in it natively (CUDA; CPUs with AMX or AVX512-BF16), else float32.

    A CPU without those instructions only emulates bfloat16, slowly.
    """
    if device.type == "cuda":
        return "bfloat16"
    native = torch.cpu.get_capabilities()
    return "bfloat16" if native.get("avx512_bf16") or native.get("amx_bf16") else "float32"


def describe_device(device: torch.device) -> str:
    """The device with its name, e.g. ``cpu (AMD EPYC, 2 threads)``."""
    if device.type == "cuda":
        return f"{device} ({torch.cuda.get_device_name(device)})"
    cpu = torch.cpu.get_capabilities().get("cpu_name") or platform.machine()
    count = torch.get_num_threads()
    return f"cpu ({cpu}, {count} {'thread' if count == 1 else 'threads'})"


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0))


@contextmanager
def threads(count: int | None) -> Iterator[None]:
    """torch with ``count`` threads inside (None: as it is): sums of floats depend on how many they are shared among."""
    before = torch.get_num_threads()
    torch.set_num_threads(count or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)
