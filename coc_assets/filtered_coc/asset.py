"""The Dagster asset `filtered_coc`."""

import dagster as dg

from coc_assets.filtered_coc.stage import STAGE
from coc_assets.pooled_asset import pooled_asset


def filtered_coc_asset(pool: str | None) -> dg.AssetsDefinition:
    """The asset; `pool` is taken where a model judges."""
    return pooled_asset(STAGE, "How far each label agrees with the recorded motion, and whether to keep it.", pool)
