"""Tasks of the result tables, shared by processes: who did what, and when, changes no result."""

import os
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from typing import TypeVar

__all__ = ["Say", "run_all"]

Say = Callable[[str], object]
_Task = TypeVar("_Task")
_Found = TypeVar("_Found")


def run_all(
    tasks: Sequence[_Task],
    run: Callable[[_Task], _Found],
    text: Callable[[_Task], str],
    *,
    workers: int | None,
    say: Say,
    order: Iterable[int] | None = None,
) -> list[_Found]:
    """Run tasks in processes of their own; return what they found, in the order of the tasks.

    Args:
        tasks: what is to be done; they go to other processes.
        run: does one, a function of a module.
        text: says what a task is.
        workers: processes; 0: none but this one; None: as many as there are cores.
        say: told what was done, a line at a time.
        order: in which processes begin tasks; None: as they stand.
    """
    began = time.perf_counter()

    def tell(count: int, task: _Task) -> None:
        done = f"{count} of {len(tasks)}"
        say(f"{time.perf_counter() - began:7.1f} s  {done}  {text(task)}")

    found: dict[int, _Found] = {}
    if workers == 0:
        for n, task in enumerate(tasks):
            found[n] = run(task)
            tell(len(found), task)
        return list(found.values())
    cores = (os.cpu_count() or 1) if workers is None else workers
    with ProcessPoolExecutor(cores, mp_context=get_context("spawn")) as pool:
        try:
            places = range(len(tasks)) if order is None else order
            waiting = {pool.submit(run, tasks[n]): n for n in places}
            for future in as_completed(waiting):
                found[waiting[future]] = future.result()
                tell(len(found), tasks[waiting[future]])
        finally:
            pool.shutdown(cancel_futures=True)
    return [found[n] for n in range(len(tasks))]
