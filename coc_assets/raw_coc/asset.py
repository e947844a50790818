"""The Dagster asset `raw_coc`."""

import dagster as dg

from coc_assets.chunk_asset import chunk_asset
from coc_assets.materialization import LabelConfig, materialize_stage
from coc_assets.raw_coc.stage import STAGE
from coc_assets.stage import Workspace


def raw_coc_asset(pool: str | None) -> dg.AssetsDefinition:
    """The asset; `pool` is taken where the labeler is a model."""

    @chunk_asset(STAGE, {"polars", "model"} if pool else {"polars"}, pool=pool)
    def raw_coc(
        context: dg.AssetExecutionContext, config: LabelConfig, workspace: dg.ResourceParam[Workspace]
    ) -> dg.MaterializeResult:
        """One Chain-of-Causation record a keyframe: what the car decides and what in the scene causes it."""
        return materialize_stage(context, STAGE, workspace, config)

    return raw_coc
