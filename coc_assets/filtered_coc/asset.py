"""The Dagster asset `filtered_coc`."""

import dagster as dg

from coc_assets.filtered_coc.stage import STAGE
from coc_assets.materialization import StageConfig, materialize_stage
from coc_assets.partitions import CHUNKS
from coc_assets.stage import Workspace


@dg.asset(partitions_def=CHUNKS, deps=STAGE.upstream, group_name="coc", kinds={"polars"}, owners=["team:data"])
def filtered_coc(
    context: dg.AssetExecutionContext, config: StageConfig, workspace: dg.ResourceParam[Workspace]
) -> dg.MaterializeResult:
    """How far each label agrees with the recorded motion, and whether to keep it."""
    return materialize_stage(context, STAGE, workspace, config)
