"""A cluster as sites have it: other people's configuration, schedulers that go, workers that never come."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator

import dask
import pytest
from distributed import Client, Scheduler, SpecCluster

from semshare.errors import UserError
from semshare.experiment import Experiment
from semshare.runs import cluster, grid

pytestmark = pytest.mark.slow


@pytest.fixture
def empty_scheduler() -> Iterator[SpecCluster]:
    """A scheduler without workers."""
    options = {"host": "127.0.0.1", "port": 0, "dashboard": False}
    with SpecCluster(scheduler={"cls": Scheduler, "options": options}, workers={}) as started:
        yield started


def test_a_sites_configuration_does_not_touch_the_workers_of_this_machine() -> None:
    site = {"distributed.comm.require-encryption": True, "distributed.comm.default-scheme": "tls"}
    site |= {f"distributed.{part}.preload": ["no_such_module"] for part in ("scheduler", "nanny", "worker")}
    experiments = [Experiment.make(dataset="scenes-flickr25k", method="ours", scale="smoke")]
    with dask.config.set(site), cluster.local(experiments, "cpu", 1) as client:
        assert client.submit(sum, [1, 2]).result(timeout=30) == 3


def test_a_scheduler_is_called_before_data_is_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "_WAIT", "1s")
    monkeypatch.setattr(grid, "look", lambda _: pytest.fail("data was drawn"))
    with pytest.raises(UserError, match="does not answer"):
        grid.train([], "cpu", scheduler="tcp://127.0.0.1:9")


def test_workers_that_never_come_are_told(empty_scheduler: SpecCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "PATIENCE", 0.2)
    said: list[str] = []

    class EnoughError(Exception):
        pass

    def say(line: str) -> None:
        said.append(line)
        if len(said) == 2:
            raise EnoughError

    with Client(empty_scheduler) as client, pytest.raises(EnoughError):
        list(cluster.as_completed(client, [client.submit(sum, [1])], "tcp://there:1", say))
    assert all(line.startswith("no worker of tcp://there:1 after ") and "environment" in line for line in said)


def test_a_lost_scheduler_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "PATIENCE", 0.5)
    code = "import time; from distributed import LocalCluster\n"
    code += "if __name__ == '__main__':\n"
    code += "    c = LocalCluster(n_workers=1, processes=False, protocol='tcp://', dashboard_address=None)\n"
    code += "    print(c.scheduler_address, flush=True); time.sleep(60)"
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, encoding="utf-8")
    try:
        assert process.stdout is not None
        with cluster.remote(process.stdout.readline().strip()) as client:
            future = client.submit(time.sleep, 60)
            process.kill()
            with pytest.raises(UserError, match=r"^scheduler: tcp://x was lost; what was finished is kept"):
                list(cluster.as_completed(client, [future], "tcp://x", lambda line: None))
    finally:
        process.kill()
        process.wait()


def test_a_worker_without_semshare_is_told() -> None:
    class Failed:
        def result(self) -> str:
            raise ModuleNotFoundError("No module named 'semshare'", name="semshare")

    assert grid._reason(Failed()) == "a worker lacks semshare: workers, and the scheduler, need this environment"
