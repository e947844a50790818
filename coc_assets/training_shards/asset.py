"""The Dagster asset `training_shards`."""

import dagster as dg

from coc_assets.chunk_asset import chunk_asset
from coc_assets.materialization import StageConfig, materialize_stage
from coc_assets.stage import Workspace
from coc_assets.training_shards.stage import STAGE


def training_shards_asset(pool: str | None) -> dg.AssetsDefinition:
    """The asset; `pool` bounds the chunks that are packed at a time, over all runs."""

    @chunk_asset(STAGE, {"tar"}, pool=pool)
    def training_shards(
        context: dg.AssetExecutionContext, config: StageConfig, workspace: dg.ResourceParam[Workspace]
    ) -> dg.MaterializeResult:
        """WebDataset shards of frames, ego trajectory and reasoning text."""
        return materialize_stage(context, STAGE, workspace, config)

    return training_shards
