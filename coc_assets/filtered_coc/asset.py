"""The Dagster asset `filtered_coc`."""

import dagster as dg

from coc_assets.chunk_asset import chunk_asset
from coc_assets.filtered_coc.stage import STAGE
from coc_assets.materialization import LabelConfig, materialize_stage
from coc_assets.stage import Workspace


def filtered_coc_asset(pool: str | None) -> dg.AssetsDefinition:
    """The asset; `pool` is taken where a model judges."""

    @chunk_asset(STAGE, {"polars", "model"} if pool else {"polars"}, pool=pool)
    def filtered_coc(
        context: dg.AssetExecutionContext, config: LabelConfig, workspace: dg.ResourceParam[Workspace]
    ) -> dg.MaterializeResult:
        """How far each label agrees with the recorded motion, and whether to keep it."""
        return materialize_stage(context, STAGE, workspace, config)

    return filtered_coc
