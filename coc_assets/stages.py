"""The seven stages in flow order, the life of a clip, and the optional ones that only run when asked for by name."""

from __future__ import annotations

from coc_assets.clip_videos.stage import STAGE as CLIP_VIDEOS
from coc_assets.filtered_coc.stage import STAGE as FILTERED_COC
from coc_assets.keyframe_segments.stage import STAGE as KEYFRAME_SEGMENTS
from coc_assets.meta_actions.stage import STAGE as META_ACTIONS
from coc_assets.raw_coc.stage import STAGE as RAW_COC
from coc_assets.stage import Stage
from coc_assets.training_shards.stage import STAGE as TRAINING_SHARDS
from coc_assets.trajdata_cache.stage import STAGE as TRAJDATA_CACHE
from coc_assets.trajectory_cache.stage import STAGE as TRAJECTORY_CACHE

STAGES: tuple[Stage, ...] = (
    TRAJECTORY_CACHE,
    META_ACTIONS,
    KEYFRAME_SEGMENTS,
    CLIP_VIDEOS,
    RAW_COC,
    FILTERED_COC,
    TRAINING_SHARDS,
)
STAGES_BY_NAME = {stage.name: stage for stage in STAGES}
OPTIONAL_STAGES: tuple[Stage, ...] = (TRAJDATA_CACHE,)
ALL_STAGES_BY_NAME = {stage.name: stage for stage in (*STAGES, *OPTIONAL_STAGES)}
