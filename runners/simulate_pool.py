"""Where the days of a simulation are computed: here, in processes of this machine, on a cluster.

    with local_pool(2) as pool:                       # or cluster_pool("tcp://nas:8786")
        for result in pool.finished(run_day, tasks):  # as they finish, in any order

Tasks are taken one by one and only a few are under way, so that a year of them needs no more memory
than a week. A worker that dies (killed, out of memory) takes nothing with it: what was under way is
done again by new workers. Local workers end with the process that started them, however it ends,
and leave Ctrl-C to it.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import (
    FIRST_COMPLETED,
    BrokenExecutor,
    Executor,
    Future,
    ProcessPoolExecutor,
    wait,
)
from contextlib import contextmanager
from itertools import islice
from multiprocessing import get_context
from typing import ParamSpec, TypeVar, final

from runners.errors import EX_TEMPFAIL, EX_UNAVAILABLE, EX_USAGE, ConfigError, Problem
from telemetry.errors import MissingExtraError

__all__ = ["Pool", "cluster_pool", "local_pool"]

P = ParamSpec("P")
T = TypeVar("T")
R = TypeVar("R")

_AHEAD = 2
"""Tasks under way for each worker: one is computed while the next one waits beside it."""
_RENEWALS = 3
"""How often dead workers are replaced in a run before it gives up; Dask has such a limit itself."""
_ANSWER_SECONDS = 5.0
"""How long a scheduler may take to answer, and then to show a worker."""
_PATIENCE_SECONDS = 60.0
"""How long nothing may finish before somebody looks whether there are workers at all."""
_SCHEMES = ("tcp://", "tls://")
_ONE_THREAD = ("NUMBA_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")
_PR_SET_PDEATHSIG = 1


@final
class Pool:
    """Runs tasks on an executor, a few at a time; made by ``local_pool`` and ``cluster_pool``.

    Attributes:
        workers: how many compute at the same time.
        where: in words, for reports.
    """

    def __init__(
        self,
        make: Callable[[], Executor],
        *,
        workers: int,
        where: str,
        lost: tuple[type[BaseException], ...] = (BrokenExecutor,),
        renewals: int = 0,
        is_staffed: Callable[[], bool] = lambda: True,
    ) -> None:
        """Prepare one.

        Args:
            make: makes an executor.
            workers: how many of them compute at the same time.
            where: in words.
            lost: errors of an executor that is no more.
            renewals: how often it is made anew then.
            is_staffed: says whether it has a worker at all.
        """
        self._make, self._lost, self._renewals = make, lost, renewals
        self._is_staffed = is_staffed
        self._executor: Executor | None = None
        self.workers, self.where = workers, where

    def finished(self, work: Callable[[T], R], tasks: Iterable[T]) -> Iterator[R]:
        """Yield ``work(task)`` of every task, in the order in which they finish.

        Raises:
            ConfigError: workers died too often, or the cluster is gone.
            Exception: whatever ``work`` raises.
        """
        source, again = iter(tasks), deque[T]()
        under_way: dict[Future[R], T] = {}
        at_once = self.workers if self.workers == 1 else _AHEAD * self.workers
        try:
            while True:
                for task in islice(_both(again, source), max(0, at_once - len(under_way))):
                    under_way[self._submit(work, task)] = task
                if not under_way:
                    return
                done, fault = self._wait(under_way), ""
                for future in done:
                    if lost := self._loss(future):
                        fault = lost
                        continue
                    del under_way[future]
                    yield future.result()
                if fault:
                    self._renew(fault)
                    again.extend(under_way.values())
                    under_way.clear()
        finally:
            for future in under_way:
                future.cancel()

    def close(self) -> None:
        """Let go of the workers."""
        if self._executor is not None:
            self._executor.shutdown()
            self._executor = None

    def _wait(self, under_way: dict[Future[R], T]) -> set[Future[R]]:
        """Return the futures that are done, as soon as one is.

        Raises:
            ConfigError: all workers are gone.
        """
        while True:
            done = wait(under_way, _PATIENCE_SECONDS, FIRST_COMPLETED).done
            if done:
                return done
            if not self._is_staffed():
                raise self._given_up("it has no worker any more")

    def _submit(self, work: Callable[[T], R], task: T) -> Future[R]:
        """Hand in one task; one that a dying executor refuses is lost like the others."""
        if self._executor is None:
            self._executor = self._make()
        try:
            return self._executor.submit(work, task)
        except self._lost as err:
            refused: Future[R] = Future()
            refused.set_exception(err)
            return refused

    def _loss(self, future: Future[R]) -> str:
        """Return what happened to a task whose worker is gone, "" to any other."""
        if future.cancelled():
            return "its task was cancelled"
        fault = future.exception()
        said = " ".join(str(fault).split()) or type(fault).__name__
        return said if isinstance(fault, self._lost) else ""

    def _renew(self, fault: str) -> None:
        """Drop an executor whose workers are gone; the next task makes another.

        Raises:
            ConfigError: that has been done often enough.
        """
        if self._renewals == 0:
            raise self._given_up(fault)
        self._renewals -= 1
        self.close()

    def _given_up(self, fault: str) -> ConfigError:
        """Return the error of a pool that cannot go on."""
        message = (
            f"gave up: {fault}; finished days are kept, run the same again to go on from there "
            "(with fewer --workers where memory is short)"
        )
        return ConfigError(self.where, [Problem("", "", message)], exit_code=EX_TEMPFAIL)


def _both(again: deque[T], source: Iterator[T]) -> Iterator[T]:
    """Yield what is to be done again, then what is new, taken out as it is asked for."""
    while again:
        yield again.popleft()
    for task in source:  # noqa: UP028 - `yield from` would close it with this generator
        yield task


@final
class _Inline(Executor):
    """Computes at once, in the caller's own thread."""

    def submit(self, fn: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> Future[R]:
        """Return the finished future; Ctrl-C goes to the caller."""
        done: Future[R] = Future()
        try:
            done.set_result(fn(*args, **kwargs))
        except Exception as err:
            done.set_exception(err)
        return done


@contextmanager
def local_pool(workers: int) -> Iterator[Pool]:
    """Yield a pool of processes on this machine; one worker is this process itself.

    A process is started when the first task is there for it, and computes with one thread.
    """
    if workers == 1:
        yield Pool(_Inline, workers=1, where="this process")
        return
    where = f"{workers} processes"
    pool = Pool(lambda: _processes(workers), workers=workers, where=where, renewals=_RENEWALS)
    with _one_thread_each():
        try:
            yield pool
        finally:
            pool.close()


def _processes(workers: int) -> ProcessPoolExecutor:
    """Return an executor of fresh processes: none shares a lock or a connection with this one."""
    return ProcessPoolExecutor(
        workers, get_context("spawn"), initializer=_begin_worker, initargs=(os.getpid(),)
    )


def _begin_worker(parent: int) -> None:
    """Make a worker that ends with its parent (elsewhere than on Linux: with its pipe)."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it ended before this line
            os._exit(1)


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """Let processes that are started inside compute with one thread, unless the user says more."""
    added = [name for name in _ONE_THREAD if name not in os.environ]
    os.environ.update(dict.fromkeys(added, "1"))
    try:
        yield
    finally:
        for name in added:
            del os.environ[name]


@contextmanager
def cluster_pool(address: str) -> Iterator[Pool]:
    """Yield a pool of the workers of a Dask scheduler.

    Args:
        address: such as ``tcp://nas:8786``; its workers have this program installed.

    Raises:
        MissingExtraError: ``distributed`` is not installed.
        ConfigError: the address is none, nobody answers there, or there is no worker.
    """
    if not address.startswith(_SCHEMES):
        message = "is no address of a scheduler; write e.g. tcp://127.0.0.1:8786"
        problem = Problem("", "", f"{address!r} {message}")
        raise ConfigError("--scheduler", [problem], exit_code=EX_USAGE)
    try:
        import distributed  # noqa: PLC0415 - an extra, and slow to import
        from distributed.comm import CommClosedError  # noqa: PLC0415 - likewise
    except ImportError:
        raise MissingExtraError("distributed", "cluster", "--scheduler") from None
    try:
        client = distributed.Client(address, timeout=_ANSWER_SECONDS, set_as_default=False)
    except (OSError, ValueError) as err:
        fault = " ".join(str(err).split()) or type(err).__name__
        raise _unreachable(address, f"does not answer ({fault})") from None
    with client:
        try:
            client.wait_for_workers(1, timeout=_ANSWER_SECONDS)
        except TimeoutError:
            message = "has no worker; start one: dask worker " + address
            raise _unreachable(address, message) from None
        yield Pool(
            lambda: client.get_executor(pure=False),
            workers=max(1, sum(client.nthreads().values())),
            where=f"the cluster of {address}",
            lost=(distributed.KilledWorker, CommClosedError),
            is_staffed=lambda: bool(client.scheduler_info()["workers"]),
        )


def _unreachable(address: str, message: str) -> ConfigError:
    """Return the error of a scheduler that cannot be used now."""
    problem = Problem("", "", f"{address} {message}")
    return ConfigError("--scheduler", [problem], exit_code=EX_UNAVAILABLE)
