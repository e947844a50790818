"""The Dagster asset `filtered_coc`."""

import dagster as dg

from coc_assets.filtered_coc.stage import STAGE
from coc_assets.materialization import LabelConfig, materialize_stage
from coc_assets.partitions import CHUNKS
from coc_assets.stage import Workspace


def filtered_coc_asset(pool: str | None) -> dg.AssetsDefinition:
    """The asset; where a model judges it takes a slot of a pool, so that chunks at a time are bounded over all runs."""

    @dg.asset(
        name=STAGE.name,
        partitions_def=CHUNKS,
        deps=STAGE.upstream,
        group_name="coc",
        kinds={"polars"},
        owners=["team:data"],
        pool=pool,
    )
    def filtered_coc(
        context: dg.AssetExecutionContext, config: LabelConfig, workspace: dg.ResourceParam[Workspace]
    ) -> dg.MaterializeResult:
        """How far each label agrees with the recorded motion, and whether to keep it."""
        return materialize_stage(context, STAGE, workspace, config)

    return filtered_coc
