"""What Dagster adds to a chunk: the run, its events and its asset checks, beside the same stages called directly."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from coc_assets.bench.tables import figures_table
from coc_assets.running import ChunkPlan, Worker
from coc_assets.stage import Workspace, run_stage
from coc_assets.stages import STAGES, STAGES_BY_NAME
from resources.settings import Settings

if TYPE_CHECKING:
    import dagster as dg
    from rich.table import Table

_OF_MOTION = ("trajectory_cache", "meta_actions", "keyframe_segments")
_ALL = tuple(stage.name for stage in STAGES)


@dataclass(frozen=True)
class _Bench:
    """A chunk with two stores of its own: one for the stages alone, one for those that Dagster runs."""

    plain: Workspace
    worker: Worker
    unchecked: Worker
    chunk: str
    stages: Sequence[str]

    def directly(self, *, force: bool) -> None:
        for name in self.stages:
            run_stage(STAGES_BY_NAME[name], self.plain, self.chunk, force=force)

    def by_dagster(self, *, force: bool, checks: bool = False) -> None:
        worker = self.worker if checks else self.unchecked
        result = worker.run(ChunkPlan(self.chunk, due=tuple(self.stages), fresh=()), force)
        if result.failures:
            raise RuntimeError(f"The benchmark's run failed: {result.failures}")


_Pass = Callable[[_Bench], None]


def dagster_seconds_per_chunk(settings: Settings, repeat: int = 5) -> float:
    """Seconds that Dagster and the asset checks add to the kinematic stages of a chunk: the difference of the medians.

    Args:
        settings: with a dataset; its first chunk is made, in stores that are thrown away.
        repeat: passes of each kind, taken in turn.
    """
    seconds = _measured(
        settings,
        _OF_MOTION,
        {
            "whole": lambda bench: bench.by_dagster(force=True, checks=True),
            "alone": lambda bench: bench.directly(force=True),
        },
        repeat,
    )
    return round(seconds["whole"] - seconds["alone"], 3)


def run_dagster_bench(settings: Settings, repeat: int = 5) -> dict[str, object]:
    """What Dagster takes for one chunk through all seven stages, in figures fit for JSON, seconds.

    `dagster_s_per_chunk`: a run that finds all stages fresh, less what finding that out takes by itself; no work blurs
    it. `checks_s_per_chunk`: what the asset checks add to that run. `stages_s`: making the stages anew, called
    directly. `ratio`: a chunk with Dagster, without checks, to one without.

    Args:
        settings: with a dataset; its first chunk is made, in stores that are thrown away.
        repeat: passes of each kind, taken in turn; medians count. The stages are made anew in one of them.
    """
    seconds = _measured(
        settings,
        _ALL,
        {
            "fresh": lambda bench: bench.directly(force=False),
            "by dagster": lambda bench: bench.by_dagster(force=False),
            "with checks": lambda bench: bench.by_dagster(force=False, checks=True),
        },
        repeat,
        once={"stages": lambda bench: bench.directly(force=True)},
    )
    dagster_s = seconds["by dagster"] - seconds["fresh"]
    return {
        "dagster_s_per_chunk": round(dagster_s, 3),
        "checks_s_per_chunk": round(seconds["with checks"] - seconds["by dagster"], 3),
        "stages_s": round(seconds["stages"], 3),
        "ratio": round(1 + dagster_s / seconds["stages"], 3),
        "passes": repeat,
    }


def dagster_table(figures: Mapping[str, object]) -> Table:
    """The figures for a terminal, a row each."""
    return figures_table("One chunk through all stages, with and without Dagster", figures)


def _measured(
    settings: Settings,
    stages: Sequence[str],
    passes: Mapping[str, _Pass],
    repeat: int,
    once: Mapping[str, _Pass] | None = None,
) -> dict[str, float]:
    """Median seconds of each pass, one untimed round first: imports and compiled kernels are not a chunk's cost.

    Args:
        once: passes that are too long to be repeated, made after the others.
    """
    with tempfile.TemporaryDirectory() as folder:
        plain = Workspace(settings.model_copy(update={"store": Path(folder) / "plain"}))
        workspace = Workspace(settings.model_copy(update={"store": Path(folder) / "dagster"}))
        worker, unchecked = Worker(workspace, "bench"), Worker(workspace, "bench")
        unchecked.job = _without_checks(workspace)
        chunk = plain.root.chunks()[0]
        worker.instance.add_dynamic_partitions("chunks", [chunk])
        bench = _Bench(plain, worker, unchecked, chunk, stages)
        rounds = [{name: _seconds(run, bench) for name, run in passes.items()} for _ in range(repeat + 1)]
        single = {name: _seconds(run, bench) for name, run in (once or {}).items()}
        for one in (worker, unchecked):
            one.instance.dispose()
    return {name: statistics.median(each[name] for each in rounds[1:]) for name in passes} | single


def _without_checks(workspace: Workspace) -> dg.JobDefinition:
    import dagster as dg

    from coc_assets.definitions import build_definitions

    whole = build_definitions(workspace)
    assets = dg.Definitions(assets=whole.assets, resources=whole.resources, executor=whole.executor)
    return assets.resolve_implicit_global_asset_job_def()


def _seconds(run: _Pass, bench: _Bench) -> float:
    started = time.perf_counter()
    run(bench)
    return time.perf_counter() - started
