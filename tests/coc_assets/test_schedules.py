from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest

from coc_assets.schedules import make_missing_and_stale, schedules
from coc_assets.stage import Workspace
from resources.receipts import Receipt, write_receipt
from resources.settings import Settings
from resources.store import Store

NIGHT = datetime(2026, 3, 1, 2, 0, tzinfo=UTC)


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.instance_for_test() as instance:  # contexts of schedules open one anew from its folder
        yield instance


@pytest.fixture
def settings(sample: Path, sample_store: Path, tmp_path: Path) -> Settings:
    """Two chunks, labelled and fresh."""
    shutil.copytree(sample, tmp_path / "dataset")
    shutil.copytree(sample_store, tmp_path / "store")
    return Settings(dataset=tmp_path / "dataset", store=tmp_path / "store")


def tick(
    settings: Settings, instance: dg.DagsterInstance, when: datetime = NIGHT
) -> list[dg.RunRequest] | dg.SkipReason:
    context = dg.build_schedule_context(
        instance=instance, scheduled_execution_time=when, resources={"workspace": Workspace(settings)}
    )
    return make_missing_and_stale(settings)(context)


def chunks(requests: object) -> list[str | None]:
    assert isinstance(requests, list), requests
    return [request.partition_key for request in requests]


def test_where_all_is_fresh_nothing_is_asked_for(settings: Settings, instance: dg.DagsterInstance) -> None:
    skipped = tick(settings, instance)
    assert isinstance(skipped, dg.SkipReason) and "All 2 chunks weighed" in str(skipped.skip_message)


def test_missing_and_changed_chunks_are_asked_for_once_a_night(
    settings: Settings, instance: dg.DagsterInstance
) -> None:
    assert settings.dataset
    os.utime(settings.dataset / "labels/egomotion/egomotion.chunk_0000.zip", ns=(0, 0))
    shutil.rmtree(settings.store / "filtered_coc/chunk=0001")
    first, again = tick(settings, instance), tick(settings, instance)
    assert chunks(first) == ["0000", "0001"]
    assert (
        [request.run_key for request in first]
        == [request.run_key for request in again]
        == [
            "2026-03-01:0000",
            "2026-03-01:0001",
        ]
    )
    assert tick(settings, instance, NIGHT.replace(day=2))[0].run_key == "2026-03-02:0000"
    assert instance.get_dynamic_partitions("chunks") == ["0000", "0001"]


def test_chunks_that_a_new_threshold_makes_stale_are_asked_for(
    settings: Settings, instance: dg.DagsterInstance
) -> None:
    keyframes = settings.keyframes.model_copy(update={"cooldown": 40})
    assert chunks(tick(settings.model_copy(update={"keyframes": keyframes}), instance)) == ["0000", "0001"]


def test_what_failed_before_comes_after_the_rest(settings: Settings, instance: dg.DagsterInstance) -> None:
    write_receipt(Store(settings.store), Receipt(stage="raw_coc", chunk="0000", status="failed"))
    shutil.rmtree(settings.store / "filtered_coc/chunk=0001")
    assert chunks(tick(settings, instance)) == ["0001", "0000"]
    arrivals = settings.arrivals.model_copy(update={"runs_a_tick": 1})
    assert chunks(tick(settings.model_copy(update={"arrivals": arrivals}), instance)) == ["0001"]


def test_a_chunk_without_egomotion_is_left_alone(settings: Settings, instance: dg.DagsterInstance) -> None:
    assert settings.dataset
    (settings.dataset / "labels/egomotion/egomotion.chunk_0001.zip").unlink()
    assert isinstance(tick(settings, instance), dg.SkipReason)


def test_the_chunks_that_one_night_leaves_the_next_begins_with(
    settings: Settings, instance: dg.DagsterInstance
) -> None:
    shutil.rmtree(settings.store / "filtered_coc")
    arrivals = settings.arrivals.model_copy(update={"runs_a_tick": 1})
    bounded = settings.model_copy(update={"arrivals": arrivals})
    nights = [chunks(tick(bounded, instance, NIGHT.replace(day=day))) for day in (1, 2)]
    assert sorted(nights) == [["0000"], ["0001"]]


def test_it_runs_when_the_settings_say_and_only_where_it_costs_nothing_or_is_bounded() -> None:
    def nightly(**changed: object) -> dg.ScheduleDefinition:
        return next(one for one in schedules(Settings(**changed)) if one.name == "make_missing_and_stale")  # type: ignore[arg-type]

    assert nightly(operate={"nightly": "30 4 * * 0"}).cron_schedule == "30 4 * * 0"
    assert nightly().default_status == dg.DefaultScheduleStatus.RUNNING
    assert nightly(labeler="gpt5").default_status == dg.DefaultScheduleStatus.STOPPED


def test_a_missing_dataset_is_a_reason_to_skip(tmp_path: Path, instance: dg.DagsterInstance) -> None:
    assert isinstance(tick(Settings(store=tmp_path, dataset=tmp_path / "nowhere"), instance), dg.SkipReason)
