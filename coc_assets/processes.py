"""Work spread over processes that leave an interrupt to their parent and never outlive it."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import get_context, parent_process
from multiprocessing.connection import wait
from typing import Any, TypeVar

from coc_assets.stage import StageError

DIED = "a process died (out of memory?). Run again, with fewer --jobs."

Task = TypeVar("Task")
Done = TypeVar("Done")


@contextmanager
def process_pool(
    jobs: int, start: Callable[..., None] | None = None, *arguments: object
) -> Iterator[ProcessPoolExecutor]:
    """So many fresh processes; killed when this one is interrupted, and what has not begun is left when one fails.

    Args:
        start: called with the arguments in each process before its first task.
    """
    pool = ProcessPoolExecutor(jobs, get_context("spawn"), _begin, (start, arguments))
    try:
        yield pool
    except KeyboardInterrupt:
        for process in list(pool._processes.values()):  # 3.14 has kill_workers() for this
            process.kill()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


def in_processes(
    work: Callable[[Task], Done], tasks: Sequence[Task], jobs: int, progress: Callable[[int, int], None]
) -> list[Done]:
    """The result of each task, in their order; `jobs` of them at a time, in this process where that is one.

    Args:
        work: a function at the top level of a module; it and the tasks are sent to the processes.
        progress: called with tasks done and tasks in all.

    Raises:
        StageError: a process died.
        Exception: the first that a task raised; what has not begun is left.
    """
    if jobs == 1 or len(tasks) < 2:
        results = []
        for task in tasks:
            results.append(work(task))
            progress(len(results), len(tasks))
        return results
    with process_pool(min(jobs, len(tasks))) as pool:
        waiting = [pool.submit(work, task) for task in tasks]
        try:
            for done, future in enumerate(as_completed(waiting), start=1):
                future.result()
                progress(done, len(tasks))
        except BrokenProcessPool:
            raise StageError(f"{DIED[0].upper()}{DIED[1:]}") from None
        return [future.result() for future in waiting]


def _begin(start: Callable[..., None] | None, arguments: tuple[Any, ...]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides what an interrupt means
    threading.Thread(target=_leave_with_parent, daemon=True).start()
    if start:
        start(*arguments)


def _leave_with_parent() -> None:
    """Ends this process when the run that started it is gone: nobody would take its results, or stop it."""
    parent = parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)
