"""Workers that train a grid's runs: processes of this machine, or those of a dask scheduler somewhere."""

from __future__ import annotations

import tempfile
import time
from concurrent.futures import CancelledError
from contextlib import contextmanager
from logging import CRITICAL
from typing import TYPE_CHECKING

from semshare.errors import UserError
from semshare.runs.parallel import places
from semshare.runs.trainer import thread_count
from semshare.utils.devices import cores, find_device
from semshare.utils.extras import extra

with extra("grid"):
    import dask
    from distributed import Client, Nanny, Scheduler, SpecCluster, wait
    from distributed import TimeoutError as DaskTimeoutError
    from distributed.utils import silence_logging_cmgr

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from distributed import Future

    from semshare.experiment import Experiment

PATIENCE = 60.0  # seconds without a finished run after which a cluster without workers is told
DEATHS = 5  # how many workers may die of one run before it counts as failed
_WAIT = "10s"  # for an answer of somebody else's scheduler
_NO_INTERRUPT = "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\n"  # Ctrl-C is the main process's alone
# What a site's configuration says of its own cluster is not for processes of one machine. A worker holds one run and no
# more, so that none waits behind a long one.
_OWN_CONFIG = {
    "distributed.scheduler.worker-saturation": 1.0,
    "distributed.nanny.pre-spawn-environ": {},
    "distributed.comm.require-encryption": False,
    "distributed.comm.default-scheme": "tcp",
    **{f"distributed.{part}.preload{argv}": [] for part in ("scheduler", "nanny", "worker") for argv in ("", "-argv")},
}


def as_completed(
    client: Client, futures: list[Future], scheduler: str | None, say: Callable[[str], None]
) -> Iterator[Future]:
    """Yield each of ``futures`` when it is done; say so every ``PATIENCE`` seconds while there is no worker.

    Raises:
        UserError: the scheduler is gone.
    """
    began = time.monotonic()
    while futures:
        try:
            done = wait(futures, timeout=PATIENCE, return_when="FIRST_COMPLETED").done
        except (TimeoutError, DaskTimeoutError):
            done = set()
        except (CancelledError, OSError):
            done = {future for future in futures if future.cancelled()}
        if client.status != "running" or any(future.cancelled() for future in done):
            raise UserError(
                f"scheduler: {scheduler or 'of this machine'} was lost; what was finished is kept, and the same "
                "command goes on once a scheduler answers"
            )
        if not done and not client.scheduler_info(n_workers=-1)["workers"]:
            waited = f"{(time.monotonic() - began) / 60:.0f} min"
            say(f"no worker of {scheduler} after {waited}: they need this environment; what do their own logs say?")
        yield from done
        futures = [future for future in futures if future not in done]


@contextmanager
def remote(scheduler: str) -> Iterator[Client]:
    """A client of the scheduler at an address; raises :class:`UserError` where none answers."""
    with silence_logging_cmgr(CRITICAL):  # dask's own words stay off the terminal
        try:
            client = Client(scheduler, timeout=_WAIT)
        except (OSError, ValueError) as error:
            text = " ".join(str(error).split())
            raise UserError(f"scheduler: {scheduler!r} does not answer ({text}), expected tcp://HOST:PORT") from None
        with client:
            yield client


@contextmanager
def local(missing: Sequence[Experiment], device: str, workers: int | None) -> Iterator[Client]:
    """A client of worker processes of this machine."""
    with (
        silence_logging_cmgr(CRITICAL),
        tempfile.TemporaryDirectory(prefix="semshare-grid-") as scratch,
        _cluster(environments(missing, device, workers), scratch) as cluster,
        Client(cluster) as client,
    ):
        yield client


def environments(missing: Sequence[Experiment], device: str, workers: int | None) -> list[dict[str, str]]:
    """What each worker of this machine has in its environment: its GPU, or how many threads it computes with."""
    whole = find_device(device).type == "cuda" or not all(thread_count(experiment) for experiment in missing)
    threads = str(cores()) if whole else "1"
    return [
        {"CUDA_VISIBLE_DEVICES": card} if card else {"OMP_NUM_THREADS": threads}
        for card in places(missing, device, workers)
    ]


@contextmanager
def _cluster(environments: Sequence[Mapping[str, str]], scratch: str) -> Iterator[SpecCluster]:
    """Worker processes of one thread each, on this machine and reachable from it alone."""
    here = {"host": "127.0.0.1", "dashboard": False, "dashboard_address": "127.0.0.1:0"}
    worker = {"nthreads": 1, "memory_limit": 0, "silence_logs": CRITICAL, "local_directory": scratch}
    with (
        dask.config.set(_OWN_CONFIG),
        SpecCluster(
            scheduler={"cls": Scheduler, "options": here | {"port": 0, "allowed_failures": DEATHS}},
            workers={
                number: {
                    "cls": Nanny,
                    "options": here | worker | {"env": dict(environment), "preload": [_NO_INTERRUPT]},
                }
                for number, environment in enumerate(environments)
            },
            silence_logs=CRITICAL,
        ) as cluster,
    ):
        yield cluster
