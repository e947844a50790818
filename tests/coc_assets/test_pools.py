from __future__ import annotations

from pathlib import Path

import pytest

from coc_assets.definitions import build_definitions
from coc_assets.instances import open_instance
from coc_assets.pools import pools_of, set_limits
from coc_assets.stage import Workspace
from resources.settings import Settings
from resources.settings.models import ModelSettings, ModelsSettings
from resources.settings.operate import OperateSettings, PoolSettings

ALIASES = ModelsSettings(aliases={"mine": ModelSettings(backend="server", model="m")})


def settings_with(**pools: int) -> Settings:
    return Settings(operate=OperateSettings(pools=PoolSettings(**pools)))


@pytest.mark.parametrize(
    ("settings", "taken"),
    [
        (Settings(), {}),
        (settings_with(clip_videos=4), {"clip_videos": "clip_videos"}),
        (settings_with(training_shards=1), {"training_shards": "training_shards"}),
        (Settings(labeler="mine", models=ALIASES), {"raw_coc": "vlm"}),
    ],
)
def test_stages_take_a_slot_of_the_pools_that_bound_them(settings: Settings, taken: dict[str, str]) -> None:
    assert {stage: pool for stage, pool in pools_of(settings).items() if pool} == taken
    steps = build_definitions(Workspace(settings)).resolve_implicit_global_asset_job_def().nodes
    pools = {step.name: pool for step in steps for pool in [step.definition.pool] if pool}
    assert pools == taken


def test_limits_are_set_on_the_instance_once(tmp_path: Path) -> None:
    settings = settings_with(clip_videos=4, models=8)
    with open_instance(tmp_path) as instance:
        instance.event_log_storage.set_concurrency_slots("training_shards", 3)
        assert set_limits(instance, settings) == {"clip_videos": 4, "vlm": 8}
        assert set_limits(instance, settings) == {}
        limits = {pool.name: pool.limit for pool in instance.event_log_storage.get_pool_limits()}
        assert limits == {"clip_videos": 4, "vlm": 8, "training_shards": 3}, "one that nobody names stays as it was"


def test_a_run_sets_the_limits_and_works_within_them(
    sample: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from coc_assets.cli import main

    monkeypatch.setenv("COC_OPERATE__POOLS__CLIP_VIDEOS", "1")
    store = tmp_path / "store"
    assert main(["run", "--dataset", str(sample), "--store", str(store), "--jobs", "2"]) == 0
    with open_instance(store) as instance:
        info = instance.event_log_storage.get_concurrency_info("clip_videos")
        assert (info.slot_count, info.claimed_slots) == (1, [])
