"""Jobs: the whole chain on one chunk."""

from __future__ import annotations

import dagster as dg

from coc_assets.stages import STAGES_BY_NAME

label_chunk = dg.define_asset_job(
    "label_chunk",
    selection=dg.AssetSelection.assets(*STAGES_BY_NAME),
    description="All seven assets of a chunk with their checks, in one run.",
)

JOBS = (label_chunk,)
