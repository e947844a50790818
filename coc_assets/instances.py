"""The Dagster instance of a store, opened."""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from resources.instance import prepare_instance

if TYPE_CHECKING:
    import dagster as dg

RUN_TAG = "coc/run"  # the Dagster runs of one `coc run` share its value; the ledger has it too
OWNER_TAG = "coc/owner"  # machine and process of the `coc run` that makes a run
_PARTITION_TAG = "dagster/partition"


def open_instance(store: Path) -> dg.DagsterInstance:
    """The instance at `$DAGSTER_HOME`, else at `<store>/.dagster`, which is made where it is missing."""
    import dagster as dg

    return dg.DagsterInstance.from_config(str(prepare_instance(store)))


def unfinished_runs(instance: dg.DagsterInstance) -> Sequence[dg.DagsterRun]:
    """Runs that are queued or at work."""
    import dagster as dg

    over = (dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED)
    return instance.get_runs(dg.RunsFilter(statuses=[status for status in dg.DagsterRunStatus if status not in over]))


def chunks_under_way(instance: dg.DagsterInstance) -> frozenset[str]:
    """Chunks of which a run is queued or at work, runs of a killed `coc run` on this machine left out."""
    return frozenset(
        run.tags[_PARTITION_TAG]
        for run in unfinished_runs(instance)
        if _PARTITION_TAG in run.tags and not _is_gone(run.tags.get(OWNER_TAG))
    )


def this_process() -> str:
    """What runs that this process makes name as their owner."""
    return f"{socket.gethostname()}:{os.getpid()}"


def _is_gone(owner: str | None) -> bool:
    """Whether an owner was a process of this machine that is no more; others cannot be looked at from here."""
    machine, _, process = (owner or "").rpartition(":")
    if machine != socket.gethostname() or not process.isdigit():
        return False
    try:
        os.kill(int(process), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False  # it is somebody else's, and there
    return False
