"""Work spread over processes, with results in the order of the tasks."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from typing import TypeVar

from coc_assets.running import leave_with_parent
from coc_assets.stage import StageError

Task = TypeVar("Task")
Done = TypeVar("Done")


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
    pool = ProcessPoolExecutor(min(jobs, len(tasks)), get_context("spawn"), _start)
    try:
        waiting = [pool.submit(work, task) for task in tasks]
        for done, future in enumerate(as_completed(waiting), start=1):
            future.result()
            progress(done, len(tasks))
        return [future.result() for future in waiting]
    except BrokenProcessPool:
        raise StageError("A process died (out of memory?). Run again, with fewer --jobs.") from None
    except KeyboardInterrupt:
        for process in list(pool._processes.values()):  # 3.14 has kill_workers() for this
            process.kill()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


def _start() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides what an interrupt means
    threading.Thread(target=leave_with_parent, daemon=True).start()
