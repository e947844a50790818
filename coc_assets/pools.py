"""Dagster pools: which stages take a slot of one while they work on a chunk, and how many slots there are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from coc_assets.filtered_coc.model_judge.judge import judges
from coc_assets.raw_coc.stage import uses_model
from resources.settings import Settings

if TYPE_CHECKING:
    import dagster as dg


def pools_of(settings: Settings) -> Mapping[str, str | None]:
    """The pool of each stage that may take one, by its name; None where it is not bounded.

    Where no limit is set, cutting and packing take no slot: an instance's default for pools would bound them unasked.
    """
    limits, models = settings.operate.pools, settings.models.pool
    return {
        "clip_videos": "clip_videos" if limits.clip_videos else None,
        "raw_coc": models if uses_model(settings) else None,
        "filtered_coc": models if judges(settings) else None,
        "training_shards": "training_shards" if limits.training_shards else None,
    }


def set_limits(instance: dg.DagsterInstance, settings: Settings) -> dict[str, int]:
    """Gives the instance's pools the slots that the settings name, and returns those that had another number before."""
    wanted = _limits(settings)
    if not wanted:
        return {}
    set_so_far = {pool.name: pool.limit for pool in instance.event_log_storage.get_pool_limits()}
    changed = {name: limit for name, limit in wanted.items() if set_so_far.get(name) != limit}
    for name, limit in changed.items():
        instance.event_log_storage.set_concurrency_slots(name, limit)
    return changed


def _limits(settings: Settings) -> dict[str, int]:
    pools = settings.operate.pools
    named = {
        "clip_videos": pools.clip_videos,
        "training_shards": pools.training_shards,
        settings.models.pool: pools.models,
    }
    return {name: limit for name, limit in named.items() if limit is not None}
