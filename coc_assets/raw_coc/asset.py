"""The Dagster asset `raw_coc`."""

import dagster as dg

from coc_assets.pooled_asset import pooled_asset
from coc_assets.raw_coc.stage import STAGE


def raw_coc_asset(pool: str | None) -> dg.AssetsDefinition:
    """The asset; `pool` is taken where the labeler is a model."""
    about = "One Chain-of-Causation record a keyframe: what the car decides and what in the scene causes it."
    return pooled_asset(STAGE, about, pool)
