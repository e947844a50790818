"""The Dagster asset `meta_actions`."""

import dagster as dg

from coc_assets.chunk_asset import chunk_asset
from coc_assets.materialization import StageConfig, materialize_stage
from coc_assets.meta_actions.stage import STAGE
from coc_assets.stage import Workspace


@chunk_asset(STAGE, {"numba"})
def meta_actions(
    context: dg.AssetExecutionContext, config: StageConfig, workspace: dg.ResourceParam[Workspace]
) -> dg.MaterializeResult:
    """What the ego does, as named spans of frames."""
    return materialize_stage(context, STAGE, workspace, config)
