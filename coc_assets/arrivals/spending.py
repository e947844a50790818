"""Whether runs may be asked for without a person: labels by models cost money."""

from __future__ import annotations

from coc_assets.filtered_coc.model_judge.judge import judges
from coc_assets.raw_coc.stage import uses_model
from resources.settings import Settings


def may_start_by_itself(settings: Settings) -> bool:
    """Whether labelling asks no model, or a budget bounds what it may cost."""
    asks = uses_model(settings) or judges(settings)
    return not asks or settings.models.budget_usd is not None
