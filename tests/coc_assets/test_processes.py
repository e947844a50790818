from __future__ import annotations

import os

import pytest

from coc_assets.processes import in_processes
from coc_assets.stage import StageError


def double(number: int) -> int:
    if number < 0:
        raise ValueError(f"{number} is below 0")
    return 2 * number


def die(_: int) -> int:
    os._exit(1)


@pytest.mark.parametrize("jobs", [1, 2])
def test_results_come_in_the_order_of_the_tasks(jobs: int) -> None:
    told: list[tuple[int, int]] = []
    assert in_processes(double, range(7), jobs, lambda done, total: told.append((done, total))) == [*range(0, 14, 2)]
    assert told == [(done, 7) for done in range(1, 8)]
    assert in_processes(double, [], jobs, lambda done, total: None) == []


@pytest.mark.parametrize("jobs", [1, 2])
def test_what_a_task_raises_is_raised(jobs: int) -> None:
    with pytest.raises(ValueError, match="-1 is below 0"):
        in_processes(double, [3, -1, 4], jobs, lambda done, total: None)


def test_a_process_that_dies_is_said() -> None:
    with pytest.raises(StageError, match="A process died"):
        in_processes(die, [1, 2], 2, lambda done, total: None)
