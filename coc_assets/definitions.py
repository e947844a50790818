"""The one Definitions object. It assembles and nothing else."""

from __future__ import annotations

import dagster as dg

from checks import ASSET_CHECKS
from coc_assets.automation import ReceiptIsStale, with_condition
from coc_assets.clip_videos.asset import clip_videos_asset
from coc_assets.dataset_files import dataset_files
from coc_assets.filtered_coc.asset import filtered_coc_asset
from coc_assets.jobs import JOBS
from coc_assets.keyframe_segments.asset import keyframe_segments
from coc_assets.logs import configure_logging
from coc_assets.materialization import with_stage_facts
from coc_assets.meta_actions.asset import meta_actions
from coc_assets.pools import pools_of
from coc_assets.raw_coc.asset import raw_coc_asset
from coc_assets.report.asset import quality_report
from coc_assets.running import required_checks
from coc_assets.schedules import schedules
from coc_assets.sensors import sensors
from coc_assets.stage import Workspace
from coc_assets.stages import ALL_STAGES_BY_NAME
from coc_assets.training_shards.asset import training_shards_asset
from coc_assets.trajdata_cache.asset import trajdata_cache
from coc_assets.trajectory_cache.asset import trajectory_cache
from resources.settings import load_settings

OF_MOTION = (trajectory_cache, meta_actions, keyframe_segments)
OPTIONAL = (trajdata_cache,)  # in no job; `coc run --select` and the UI make them


def build_definitions(workspace: Workspace) -> dg.Definitions:
    """Assets, checks, jobs, sensors and schedules over one workspace."""
    configure_logging(workspace.settings)
    settings = workspace.settings
    pools = pools_of(settings)
    pooled = (
        clip_videos_asset(pools["clip_videos"]),
        raw_coc_asset(pools["raw_coc"]),
        filtered_coc_asset(pools["filtered_coc"]),
        training_shards_asset(pools["training_shards"]),
    )
    condition = ReceiptIsStale(workspace, required_checks(dg.Definitions(asset_checks=ASSET_CHECKS)))
    chain = (*(with_condition(asset, condition) for asset in (*OF_MOTION, *pooled)), *OPTIONAL)
    staged = [with_stage_facts(asset, ALL_STAGES_BY_NAME, settings) for asset in chain]
    return dg.Definitions(
        assets=[dataset_files, *staged, quality_report],
        asset_checks=ASSET_CHECKS,
        jobs=JOBS,
        sensors=sensors(settings),
        schedules=schedules(settings),
        resources={"workspace": workspace},
        executor=dg.in_process_executor,
    )


defs = build_definitions(Workspace(load_settings()))
