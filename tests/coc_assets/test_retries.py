"""A stage that fails by disk, mount or network is tried again through Dagster; one with bad data never is."""

from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path

import dagster as dg
import pytest

from coc_assets.instances import open_instance
from coc_assets.meta_actions import spans
from coc_assets.retries import retry_or_failure, wait_s
from coc_assets.running import ChunkPlan, ChunkResult, Worker
from coc_assets.stage import StageError, Workspace
from resources.receipts import read_receipt
from resources.settings import Settings
from resources.settings.operate import OperateSettings, StageRetrySettings

AT_ONCE = OperateSettings(retries=StageRetrySettings(wait_s=0.0))
STAGES = ("trajectory_cache", "meta_actions")


@pytest.fixture
def workspace(sample: Path, tmp_path: Path) -> Workspace:
    return Workspace(Settings(dataset=sample, store=tmp_path / "store", operate=AT_ONCE))


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[int]]:
    """Has `meta_actions` fail so many times first; the list that comes back grows by each attempt."""
    build = spans.build

    def fail(times: int, error: Exception) -> list[int]:
        attempts: list[int] = []

        def failing_at_first(*arguments: object) -> object:
            attempts.append(len(attempts))
            if len(attempts) <= times:
                raise error
            return build(*arguments)

        monkeypatch.setattr(spans, "build", failing_at_first)
        return attempts

    return fail


def run(workspace: Workspace) -> ChunkResult:
    with open_instance(workspace.settings.store) as instance:
        instance.add_dynamic_partitions("chunks", ["0000"])
    return Worker(workspace, "test").run(ChunkPlan("0000", due=STAGES, fresh=()), force=False)


def test_a_stage_that_fails_by_the_disk_twice_succeeds_in_the_same_run(
    workspace: Workspace, failing: Callable[..., list[int]]
) -> None:
    attempts = failing(2, OSError(errno.EIO, "Input/output error"))
    assert run(workspace).ok
    assert len(attempts) == 3
    receipt = read_receipt(workspace.store, "meta_actions", "0000")
    assert receipt is not None and receipt.status == "done" and receipt.checks
    with open_instance(workspace.settings.store) as instance:
        (record,) = instance.get_run_records()
        restarts = instance.get_records_for_run(record.dagster_run.run_id, of_type=dg.DagsterEventType.STEP_RESTARTED)
        assert record.dagster_run.status == dg.DagsterRunStatus.SUCCESS
        assert len(restarts.records) == 2


@pytest.mark.parametrize(
    "error",
    [
        ValueError("frames go backwards"),
        OSError(errno.ENOSPC, "No space left on device"),
        FileNotFoundError(errno.ENOENT, "No such file", "clips.parquet"),
    ],
)
def test_what_another_attempt_cannot_mend_is_not_tried_again(
    workspace: Workspace, failing: Callable[..., list[int]], error: Exception
) -> None:
    attempts = failing(1, error)
    result = run(workspace)
    assert len(attempts) == 1
    assert len(result.failures) == 1 and result.failures[0].startswith("meta_actions of chunk 0000 failed: ")


def test_a_disk_that_stays_broken_fails_the_stage_in_its_own_words(
    workspace: Workspace, failing: Callable[..., list[int]]
) -> None:
    attempts = failing(99, OSError(errno.EIO, "Input/output error"))
    assert run(workspace).failures == ("meta_actions of chunk 0000 failed: [Errno 5] Input/output error",)
    assert len(attempts) == 1 + AT_ONCE.retries.most


def test_a_model_that_is_down_is_not_asked_again_by_dagster() -> None:
    """It has been asked several times, with waits, by the time that this is said."""
    down = StageError("raw_coc of chunk 0000 failed: the server did not answer.")
    down.__cause__ = StageError("The server did not answer.")
    down.__cause__.__cause__ = RuntimeError("down")
    down.__cause__.__cause__.__cause__ = ConnectionRefusedError()
    assert isinstance(retry_or_failure(down, 0, StageRetrySettings()), dg.Failure)


def test_waits_double_and_differ_by_luck() -> None:
    settings = StageRetrySettings(most=3, wait_s=10.0)
    assert [wait_s(attempts, settings, 0.5) for attempts in range(3)] == [10.0, 20.0, 40.0]
    asked = retry_or_failure(OSError(errno.EIO, ""), 1, settings, luck=lambda: 1.0)
    assert isinstance(asked, dg.RetryRequested)
    assert (asked.seconds_to_wait, asked.max_retries) == (30.0, 3)
    assert isinstance(retry_or_failure(OSError(errno.EIO, ""), 3, settings), dg.Failure)
