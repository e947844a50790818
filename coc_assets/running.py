"""Materialising chunks through Dagster: what is due, in how many processes, and what came of it."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

from coc_assets.filtered_coc.model_judge.judge import has_failed
from coc_assets.instances import OWNER_TAG, RUN_TAG, open_instance, this_process
from coc_assets.pools import set_limits
from coc_assets.processes import DIED, process_pool
from coc_assets.profile import levels_in_force
from coc_assets.stage import Stage, StageError, Work, Workspace, standing
from coc_assets.stages import ALL_STAGES_BY_NAME, STAGES, STAGES_BY_NAME
from resources import schemas
from resources.instance import prepare_instance
from resources.receipts import read_receipt
from resources.schemas import LabelStatus
from resources.settings import Settings

if TYPE_CHECKING:
    import dagster as dg

RequiredChecks = Mapping[str, frozenset[str]]
_LISTEN_S = 0.2


@dataclass(frozen=True)
class ChunkPlan:
    """The stages of a chunk that a run would make, and those that it would skip.

    Attributes:
        retry: statuses in which labels, and judgements of labels, are asked for again.
        left_out: never made so far, where only what is out of date is to be made.
    """

    chunk: str
    due: tuple[str, ...]
    fresh: tuple[str, ...]
    retry: tuple[LabelStatus, ...] = ()
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True)
class ChunkResult:
    """What came of a chunk: messages of what failed."""

    chunk: str
    failures: tuple[str, ...] = ()
    failed_checks: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        return not self.failures and not self.failed_checks


def plan_chunk(
    workspace: Workspace,
    chunk: str,
    selected: Sequence[str],
    required: RequiredChecks,
    *,
    force: bool = False,
    stale: bool = False,
) -> ChunkPlan:
    """What is due: the first stage that is not fresh, and every selected one that reads it, directly or not.

    Args:
        stale: only what was made before; what never was is left out, and so is what cannot be made without it.
    """
    due: list[str] = []
    left_out: list[str] = []
    for stage in ALL_STAGES_BY_NAME.values():
        if stage.name not in selected:
            continue
        if stale and not _was_made(workspace, stage, chunk):
            left_out.append(stage.name)
            continue
        reads_due = any(name in due for name in all_upstream(stage))
        if force or reads_due or not _stands(workspace, stage, chunk, required.get(stage.name, frozenset())):
            due.append(stage.name)
    fresh = tuple(name for name in selected if name not in (*due, *left_out))
    return ChunkPlan(chunk, tuple(due), fresh, left_out=tuple(left_out))


def _was_made(workspace: Workspace, stage: Stage, chunk: str) -> bool:
    """Whether the partition and all it reads were made before, by whatever labeler.

    The table says so, not the receipt: a run that is cut off, or fails, has taken the receipt away.
    """
    made_from = [stage, *(STAGES_BY_NAME[name] for name in all_upstream(stage))]
    return all(_has_table(workspace, one, chunk) for one in made_from)


def _has_table(workspace: Workspace, stage: Stage, chunk: str) -> bool:
    if stage.by_labeler:
        return bool(workspace.store.labelers(chunk))
    return workspace.store.table_path(stage.tables[0], chunk, asset=stage.name).is_file()


def plan_retry(workspace: Workspace, chunk: str, retry: tuple[LabelStatus, ...], selected: Sequence[str]) -> ChunkPlan:
    """What is due to ask again for labels and judgements in one of the statuses: their stage and all that reads it.

    Raises:
        StageError: what would be asked again is out of date, or not made.
    """
    asking = [name for name, failed in _FAILED.items() if name in selected and failed(workspace, chunk, retry)]
    for name in asking:
        work = Work(workspace, STAGES_BY_NAME[name], chunk)
        if not standing(work).is_fresh(work):
            raise StageError(
                f"{name} of chunk {chunk} is out of date (prompt, settings, data, or an unfinished run), so --retry "
                "would ask more than that. Run the same command without --retry first."
            )
    due = tuple(
        stage.name
        for stage in STAGES
        if stage.name in selected and (stage.name in asking or not all_upstream(stage).isdisjoint(asking))
    )
    return ChunkPlan(chunk, due, tuple(name for name in selected if name not in due), retry if due else ())


def _labels_failed(workspace: Workspace, chunk: str, retry: Sequence[LabelStatus]) -> bool:
    store, labeler = workspace.store, workspace.settings.labeler
    if labeler not in store.labelers(chunk):
        return False
    statuses = set(store.read_table(schemas.RAW_COC, chunk, labeler=labeler)["status"].to_list())
    return not statuses.isdisjoint(retry)


def _judgements_failed(workspace: Workspace, chunk: str, retry: Sequence[LabelStatus]) -> bool:
    receipt = read_receipt(workspace.store, "filtered_coc", chunk)
    return receipt is not None and receipt.status == "done" and has_failed(workspace, chunk, retry)


_FAILED: Mapping[str, Callable[[Workspace, str, Sequence[LabelStatus]], bool]] = {
    "raw_coc": _labels_failed,
    "filtered_coc": _judgements_failed,
}
"""Stages that ask models, and whether something that a model was asked ended in one of the statuses."""


def run_plans(
    settings: Settings,
    plans: Iterable[ChunkPlan],
    *,
    jobs: int = 1,
    force: bool = False,
    on_result: Callable[[ChunkResult], None],
    on_progress: Callable[[str, str, int, int, str], None] | None = None,
) -> None:
    """Runs each plan as one Dagster run, `jobs` of them at a time, a process each (this one where jobs is 1)."""
    due = [plan for plan in plans if plan.due]
    run = _run_name()
    with only_run_on(settings):
        places = _set_pools(settings)
        if jobs == 1 or len(due) < 2:
            worker = Worker(Workspace(settings, on_progress), run)
            for plan in due:
                on_result(worker.run(plan, force))
            return
        jobs = min(jobs, len(due))
        workspace = Workspace(settings, processes=min(jobs, places or jobs))
        with _heard(on_progress) as saying:
            _run_in_processes(workspace, jobs, run, saying, due, force, on_result)


def _set_pools(settings: Settings) -> int | None:
    """Sets the pools' limits; returns how many chunks that of models lets through, None where nothing bounds them."""
    with open_instance(settings.store) as instance:
        set_limits(instance, settings)
        storage = instance.event_log_storage
        limits = {pool.name: pool.limit for pool in storage.get_pool_limits()}
        return limits.get(settings.models.pool) or storage.get_pool_config().default_pool_limit


@contextmanager
def _heard(on_progress: Callable[[str, str, int, int, str], None] | None) -> Iterator[Any]:
    """An end of a pipe for the workers' progress, which a thread passes on.

    They share it without a lock, which a killed worker might never give back: messages this short are written at once.
    """
    hearing, saying = get_context("spawn").Pipe(duplex=False)
    over = threading.Event()

    def pass_on() -> None:
        while not over.is_set():
            if hearing.poll(_LISTEN_S) and on_progress:
                on_progress(*hearing.recv())

    listener = threading.Thread(target=pass_on, daemon=True)
    listener.start()
    try:
        yield saying
    finally:
        over.set()
        listener.join()


def _run_in_processes(
    workspace: Workspace,
    jobs: int,
    run: str,
    saying: Any,
    due: Sequence[ChunkPlan],
    force: bool,
    on_result: Callable[[ChunkResult], None],
) -> None:
    with process_pool(jobs, _start_worker, workspace, run, saying) as pool:
        chunks = {pool.submit(_run_in_worker, plan, force): plan.chunk for plan in due}
        for future in as_completed(chunks):
            try:
                on_result(future.result())
            except BrokenProcessPool:
                on_result(ChunkResult(chunks[future], failures=(f"Not finished: {DIED}",)))


def required_checks(definitions: dg.Definitions) -> RequiredChecks:
    """Names of the checks of each asset, from the definitions."""
    names: dict[str, set[str]] = {}
    for checks in definitions.asset_checks or ():
        for key in checks.check_keys:
            names.setdefault(key.asset_key.to_user_string(), set()).add(key.name)
    return {asset: frozenset(of_asset) for asset, of_asset in names.items()}


def all_upstream(stage: Stage) -> set[str]:
    """Names of the stages that it reads, directly or not."""
    direct = set(stage.upstream)
    return direct.union(*(all_upstream(STAGES_BY_NAME[name]) for name in direct))


def _stands(workspace: Workspace, stage: Stage, chunk: str, required: frozenset[str]) -> bool:
    """Whether the partition is fresh, every check was evaluated by the levels in force, and none that blocks failed."""
    work = Work(workspace, stage, chunk)
    now = standing(work)
    if now.receipt is None or not now.is_fresh(work):
        return False
    evaluated = now.receipt.evaluated(levels_in_force(workspace.settings.quality))
    return required <= evaluated and not now.receipt.blocked_by()


class Worker:
    """One process's definitions and instance, loaded once for all its chunks."""

    def __init__(self, workspace: Workspace, run: str) -> None:
        from coc_assets.definitions import build_definitions

        self.workspace = workspace
        self.run_name = run
        self.instance = open_instance(workspace.settings.store)
        self.job = build_definitions(self.workspace).resolve_implicit_global_asset_job_def()

    def run(self, plan: ChunkPlan, force: bool) -> ChunkResult:
        import dagster as dg

        result = self.job.execute_in_process(
            run_config={
                "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
                "ops": {name: {"config": _config(name, plan, force)} for name in plan.due},
            },
            instance=self.instance,
            partition_key=plan.chunk,
            asset_selection=[dg.AssetKey(name) for name in plan.due],
            tags={OWNER_TAG: this_process(), RUN_TAG: self.run_name},
            raise_on_error=False,
        )
        if _was_interrupted(result):
            raise KeyboardInterrupt
        return ChunkResult(
            chunk=plan.chunk,
            failures=tuple(_failures(result, plan)),
            failed_checks=tuple(self._failed_checks(plan)),
        )

    def _failed_checks(self, plan: ChunkPlan) -> list[str]:
        receipts = [read_receipt(self.workspace.store, name, plan.chunk) for name in plan.due]
        return [
            f"{receipt.stage}: {name}: {receipt.checks[name].description}"
            for receipt in receipts
            if receipt
            for name in receipt.failed_checks()
        ]


_worker: Worker | None = None


def _start_worker(workspace: Workspace, run: str, saying: Any) -> None:

    global _worker
    _worker = Worker(replace(workspace, progress=lambda *said: saying.send(said)), run)


def _config(stage: str, plan: ChunkPlan, force: bool) -> dict[str, Any]:
    return {"force": force} | ({"retry": list(plan.retry)} if stage in _FAILED else {})


def _run_in_worker(plan: ChunkPlan, force: bool) -> ChunkResult:
    assert _worker is not None, "the pool's initializer has run"
    return _worker.run(plan, force)


def _was_interrupted(result: Any) -> bool:
    """Dagster catches Ctrl-C and makes a failed step of it."""
    return any(
        event.step_failure_data.error_source is not None and event.step_failure_data.error_source.name == "INTERRUPT"
        for event in result.all_events
        if event.is_step_failure
    )


def _failures(result: Any, plan: ChunkPlan) -> list[str]:
    """One message a step that failed, in the stage's own words; blocking checks are told by their receipts."""
    failed = [event for event in result.all_events if event.is_step_failure]
    if not result.success and not failed:
        return [f"The run of chunk {plan.chunk} failed; see it in the UI: coc-assets' `make ui`."]
    return [_failure(event, plan.chunk) for event in failed if not _is_blocking_check(event.step_failure_data.error)]


def _failure(event: Any, chunk: str) -> str:
    data = event.step_failure_data
    if data.user_failure_data and data.user_failure_data.description:
        return str(data.user_failure_data.description)
    cause = _root_cause(data.error)
    return f"{event.step_key} of chunk {chunk} failed: {cause.message.strip() if cause else 'unknown'}"


def _is_blocking_check(error: Any) -> bool:
    cause = _root_cause(error)
    return cause is not None and cause.cls_name == "DagsterAssetCheckFailedError"


def _root_cause(error: Any) -> Any:
    while error is not None and error.cause is not None:
        error = error.cause
    return error


def _run_name() -> str:
    """What the ledger calls this run: when it began, and a few letters that tell it from others of that second."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(2)}"


@contextmanager
def only_run_on(settings: Settings) -> Iterator[None]:
    """One `coc run` or `coc judge` a store at a time; runs that a killed one left open are closed."""
    import fcntl

    home = prepare_instance(settings.store)
    with (home / "coc-run.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StageError(
                f"Another `coc run` is at work on {settings.store}. Wait for it, or name another --store."
            ) from None
        _close_abandoned_runs(settings.store)
        yield


def _close_abandoned_runs(store: Path) -> None:
    import dagster as dg

    instance = open_instance(store)
    open_runs = instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.STARTING]))
    for run in open_runs:
        if OWNER_TAG in run.tags:  # ours, and its process is gone: we hold the lock
            instance.report_run_failed(
                run, "The `coc run` that made this run was killed; `coc run` again continues it."
            )
            instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)  # else its pool slot stays taken
