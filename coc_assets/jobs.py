"""Jobs, named for what people do with a chunk."""

from __future__ import annotations

import dagster as dg

from coc_assets.stages import STAGES_BY_NAME

_STAGES = tuple(STAGES_BY_NAME)


def _from(first: str) -> dg.AssetSelection:
    """The stage and those after it, in flow order, with their checks; nothing optional."""
    return dg.AssetSelection.assets(*_STAGES[_STAGES.index(first) :])


label_chunk = dg.define_asset_job(
    "label_chunk",
    selection=_from("trajectory_cache"),
    description="Makes a chunk from its files to its training shards: all seven assets with their checks, in one run.",
)
relabel_chunk = dg.define_asset_job(
    "relabel_chunk",
    selection=_from("raw_coc"),
    description="Labels a chunk's keyframes with the labeler in force, judges the labels and packs the shards anew.",
)
judge_chunk = dg.define_asset_job(
    "judge_chunk",
    selection=_from("filtered_coc"),
    description="Measures and judges the labels that a chunk has, and packs the shards anew. No label is made.",
)
pack_shards = dg.define_asset_job(
    "pack_shards",
    selection=_from("training_shards"),
    description="Packs a chunk's kept labels into training shards.",
)

refresh_report = dg.define_asset_job(
    "refresh_report",
    selection=dg.AssetSelection.assets("quality_report"),
    description="Writes the quality report over all chunks anew, as things stand now.",
)

JOBS = (label_chunk, relabel_chunk, judge_chunk, pack_shards, refresh_report)
