"""What the Dagster assets of all stages have in common."""

from __future__ import annotations

from collections.abc import Callable

import dagster as dg

from coc_assets.partitions import CHUNKS
from coc_assets.stage import Stage


def chunk_asset(
    stage: Stage, kinds: set[str], *, group: str = "coc", pool: str | None = None
) -> Callable[[Callable[..., dg.MaterializeResult]], dg.AssetsDefinition]:
    """Makes a stage's asset, a partition a chunk, of a function that materialises it; its docstring is the description.

    Args:
        kinds: what the UI shows it is made with.
        pool: it takes a slot of this pool while it works on a chunk; None where chunks at a time are not bounded.
    """
    return dg.asset(
        name=stage.name,
        partitions_def=CHUNKS,
        deps=[*(["dataset_files"] if stage.reads_dataset else []), *stage.upstream],
        group_name=group,
        kinds=kinds,
        owners=["team:data"],
        pool=pool,
    )
