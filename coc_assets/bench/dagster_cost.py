"""What Dagster adds to a chunk: the run, its events and its asset checks, beside the same stages called directly."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from coc_assets.running import ChunkPlan, Worker
from coc_assets.stage import Workspace, run_stage
from coc_assets.stages import STAGES_BY_NAME
from resources.settings import Settings

_STAGES = ("trajectory_cache", "meta_actions", "keyframe_segments")


def dagster_seconds_per_chunk(settings: Settings, repeat: int = 5) -> float:
    """Seconds that Dagster and the asset checks add to the kinematic stages of a chunk: the difference of the medians.

    Args:
        settings: with a dataset; its first chunk is made, in stores that are thrown away.
        repeat: passes of each kind, taken in turn.
    """
    with tempfile.TemporaryDirectory() as folder:
        plain = Workspace(settings.model_copy(update={"store": Path(folder) / "plain"}))
        chunk = plain.root.chunks()[0]
        worker = Worker(Workspace(settings.model_copy(update={"store": Path(folder) / "dagster"})), "bench")
        worker.instance.add_dynamic_partitions("chunks", [chunk])

        def by_dagster() -> None:
            result = worker.run(ChunkPlan(chunk, due=_STAGES, fresh=()), force=True)
            if not result.ok:
                raise RuntimeError(f"The benchmark's run failed: {result.failures + result.failed_checks}")

        def directly() -> None:
            for name in _STAGES:
                run_stage(STAGES_BY_NAME[name], plain, chunk, force=True)

        by_dagster()  # imports and compiled kernels are not a chunk's cost
        directly()
        passes = [(_seconds(by_dagster), _seconds(directly)) for _ in range(repeat)]
        worker.instance.dispose()
    whole, alone = zip(*passes, strict=True)
    return round(statistics.median(whole) - statistics.median(alone), 3)


def _seconds(work: Callable[[], None]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started
