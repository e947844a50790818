"""The Dagster asset `clip_videos`."""

import dagster as dg

from coc_assets.chunk_asset import chunk_asset
from coc_assets.clip_videos.stage import STAGE
from coc_assets.materialization import StageConfig, materialize_stage
from coc_assets.stage import Workspace


def clip_videos_asset(pool: str | None) -> dg.AssetsDefinition:
    """The asset; `pool` bounds the chunks whose video is cut and decoded at a time, over all runs."""

    @chunk_asset(STAGE, {"ffmpeg"}, pool=pool)
    def clip_videos(
        context: dg.AssetExecutionContext, config: StageConfig, workspace: dg.ResourceParam[Workspace]
    ) -> dg.MaterializeResult:
        """The 8 s of video around each keyframe, and the frames a model is shown."""
        return materialize_stage(context, STAGE, workspace, config)

    return clip_videos
