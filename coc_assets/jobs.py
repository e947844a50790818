"""Jobs, named for what people do with a chunk."""

from __future__ import annotations

from typing import TYPE_CHECKING

import dagster as dg

from coc_assets.stages import STAGES_BY_NAME

if TYPE_CHECKING:
    from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

_STAGES = tuple(STAGES_BY_NAME)


def _from(first: str, name: str, about: str) -> UnresolvedAssetJobDefinition:
    """The job that makes a stage and those after it, in flow order, with their checks; nothing optional."""
    selection = dg.AssetSelection.assets(*_STAGES[_STAGES.index(first) :])
    return dg.define_asset_job(name, selection=selection, description=about)


label_chunk = _from(
    "trajectory_cache",
    "label_chunk",
    "Makes a chunk from its files to its training shards: all seven assets with their checks, in one run.",
)
relabel_chunk = _from(
    "raw_coc",
    "relabel_chunk",
    "Labels a chunk's keyframes with the labeler in force, judges the labels and packs the shards anew.",
)
judge_chunk = _from(
    "filtered_coc",
    "judge_chunk",
    "Measures and judges the labels that a chunk has, and packs the shards anew. No label is made.",
)
pack_shards = _from("training_shards", "pack_shards", "Packs a chunk's kept labels into training shards.")

refresh_report = dg.define_asset_job(
    "refresh_report",
    selection=dg.AssetSelection.assets("quality_report"),
    description="Writes the quality report over all chunks anew, as things stand now.",
)

JOBS = (label_chunk, relabel_chunk, judge_chunk, pack_shards, refresh_report)
