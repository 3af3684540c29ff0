"""Pools of a simulation: real processes and clusters whose workers die, and nothing is lost."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from runners.errors import EX_TEMPFAIL, EX_UNAVAILABLE, EX_USAGE, ConfigError
from runners.simulate_pool import cluster_pool, local_pool
from telemetry.errors import MissingExtraError

ROOT = Path(__file__).parents[2]


def square(number: int) -> int:
    return number * number


def refuse_seven(number: int) -> int:
    if number == 7:
        message = "seven is not for squaring"
        raise ValueError(message)
    return number * number


def die_once(task: tuple[int, str]) -> int:
    """Kill this process at number 5, the first time."""
    number, folder = task
    mark = Path(folder) / "died"
    if number == 5 and not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return number * number


def die(number: int) -> int:
    os.kill(os.getpid(), signal.SIGKILL)
    return number


def threads_of(_number: int) -> tuple[str, str]:
    """Return what a worker is told, and whether it leaves Ctrl-C alone."""
    ignored = signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    return os.environ["NUMBA_NUM_THREADS"], "ignored" if ignored else "met"


def tell_and_sleep(folder: str) -> None:
    """Leave this process' id in a folder, and stay."""
    (Path(folder) / str(os.getpid())).touch()
    time.sleep(600.0)


class Counted:
    """Numbers 0 to n, and how many were taken."""

    def __init__(self, count: int) -> None:
        self.count, self.taken = count, 0

    def __iter__(self) -> Iterator[int]:
        for number in range(self.count):
            self.taken += 1
            yield number


def until(true: Callable[[], bool], seconds: float = 30.0) -> bool:
    """Wait for something to become true."""
    end = time.monotonic() + seconds
    while not true() and time.monotonic() < end:
        time.sleep(0.05)
    return true()


def test_one_worker_is_this_process() -> None:
    tasks, ahead = Counted(20), 0
    with local_pool(1) as pool:
        found = []
        for value in pool.finished(square, tasks):
            found.append(value)
            ahead = max(ahead, tasks.taken - len(found))
    assert found == [n * n for n in range(20)]
    assert ahead == 0


@pytest.mark.integration
def test_processes_take_few_tasks_ahead() -> None:
    tasks, found, ahead = Counted(30), [], 0
    with local_pool(2) as pool:
        for value in pool.finished(square, tasks):
            found.append(value)
            ahead = max(ahead, tasks.taken - len(found))
        again = list(pool.finished(square, [2, 3]))
    assert sorted(found) == [n * n for n in range(30)]
    assert ahead < 4
    assert sorted(again) == [4, 9]


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.integration)])
def test_an_error_of_a_task_is_that_of_the_caller(workers: int) -> None:
    with local_pool(workers) as pool, pytest.raises(ValueError, match="seven is not for squaring"):
        list(pool.finished(refuse_seven, range(100)))


@pytest.mark.integration
def test_what_a_dead_worker_had_is_done_again(tmp_path: Path) -> None:
    tasks = [(number, str(tmp_path)) for number in range(20)]
    with local_pool(2) as pool:
        found = sorted(pool.finished(die_once, tasks))
    assert (tmp_path / "died").exists()
    assert found == [n * n for n in range(20)]


@pytest.mark.integration
def test_workers_that_die_again_and_again_end_the_run() -> None:
    said = r"2 processes: gave up: .*terminated abruptly.*run the same again to go on from there"
    with local_pool(2) as pool, pytest.raises(ConfigError, match=said) as refused:
        list(pool.finished(die, range(4)))
    assert refused.value.exit_code == EX_TEMPFAIL


@pytest.mark.integration
def test_workers_compute_with_one_thread_unless_the_user_says_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("NUMBA_NUM_THREADS", raising=False)
    with local_pool(2) as pool:
        assert list(pool.finished(threads_of, [0])) == [("1", "ignored")]
    assert "NUMBA_NUM_THREADS" not in os.environ
    monkeypatch.setenv("NUMBA_NUM_THREADS", "2")
    with local_pool(2) as pool:
        assert list(pool.finished(threads_of, [0])) == [("2", "ignored")]
    assert os.environ["NUMBA_NUM_THREADS"] == "2"


PARENT = """
import sys
from runners.simulate_pool import local_pool
from tests.runners.test_simulate_pool import tell_and_sleep
if __name__ == "__main__":
    with local_pool(2) as pool:
        list(pool.finished(tell_and_sleep, [sys.argv[1]] * 4))
"""


def is_alive(pid: int) -> bool:
    """Say whether a process runs; one that has ended and waits for its parent does not."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text("utf-8")
    except (FileNotFoundError, ProcessLookupError):
        return False
    return text.rpartition(")")[2].split()[0] != "Z"


@pytest.mark.integration
def test_no_worker_outlives_a_killed_parent(tmp_path: Path) -> None:
    script, pids = tmp_path / "parent.py", tmp_path / "pids"
    script.write_text(PARENT, "utf-8")
    pids.mkdir()
    with subprocess.Popen(
        [sys.executable, str(script), str(pids)],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stderr=subprocess.DEVNULL,
    ) as parent:
        try:
            assert until(lambda: len(list(pids.iterdir())) == 2)
        finally:
            parent.kill()
    workers = [int(path.name) for path in pids.iterdir()]
    assert until(lambda: not any(map(is_alive, workers)))


# --- a cluster ---------------------------------------------------------------------------------


@pytest.mark.parametrize("address", ["nas:8786", "http://nas:8786", ""])
def test_what_is_no_scheduler_is_refused(address: str) -> None:
    with (
        pytest.raises(ConfigError, match="is no address of a scheduler") as refused,
        cluster_pool(address),
    ):
        pass
    assert refused.value.exit_code == EX_USAGE


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    said = r"--scheduler needs distributed, .*pip install 'darkstar-energy\[cluster\]'"
    with pytest.raises(MissingExtraError, match=said), cluster_pool("tcp://127.0.0.1:8786"):
        pass


@pytest.mark.integration
def test_a_scheduler_that_is_not_there_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runners.simulate_pool._ANSWER_SECONDS", 1.0)
    said = r"--scheduler: tcp://127\.0\.0\.1:1 does not answer \(.+\)"
    with pytest.raises(ConfigError, match=said) as refused, cluster_pool("tcp://127.0.0.1:1"):
        pass
    assert refused.value.exit_code == EX_UNAVAILABLE


@pytest.mark.integration
def test_a_cluster_without_workers_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runners.simulate_pool._PATIENCE_SECONDS", 0.5)
    distributed = pytest.importorskip(
        "distributed", reason="pip install 'darkstar-energy[cluster]'"
    )
    said = r"the cluster of tcp://.*: gave up: it has no worker any more; finished days are kept"
    with (
        distributed.LocalCluster(
            n_workers=1, threads_per_worker=1, processes=True, dashboard_address=None
        ) as running,
        cluster_pool(running.scheduler_address) as pool,
    ):
        pool.workers = 2  # so that the second task is asked for

        def tasks() -> Iterator[str]:
            yield str(tmp_path)
            assert until(lambda: bool(list(tmp_path.iterdir())))
            running.scale(0)

        with pytest.raises(ConfigError, match=said) as refused:
            list(pool.finished(tell_and_sleep, tasks()))
    assert refused.value.exit_code == EX_TEMPFAIL
