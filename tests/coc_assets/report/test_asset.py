"""The asset in Dagster: what it tells, and when it is asked for by itself."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from coc_assets.definitions import build_definitions
from coc_assets.report.asset import NAME
from coc_assets.stage import Workspace
from tests.coc_assets.review.made import copied, workspace_of

REPORT = dg.AssetSelection.assets(NAME)


@pytest.fixture
def look(sample: Path, sample_store: Path, tmp_path: Path) -> Workspace:
    return workspace_of(sample, copied(sample_store, tmp_path))


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as made:
        made.add_dynamic_partitions("chunks", ["0000", "0001"])
        yield made


def made_by_job(look: Workspace, instance: dg.DagsterInstance) -> dg.AssetMaterialization:
    job = build_definitions(look).resolve_job_def("refresh_report")
    assert job.execute_in_process(instance=instance).success
    event = instance.get_latest_materialization_event(dg.AssetKey(NAME))
    assert event and event.asset_materialization
    return event.asset_materialization


def test_it_writes_the_page_and_tells_its_figures_a_summary_and_where_it_is(
    look: Workspace, instance: dg.DagsterInstance
) -> None:
    told = {name: value.value for name, value in made_by_job(look, instance).metadata.items()}
    page = look.store.root / "report" / "index.html"
    assert told["page"] == str(page) and page.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    assert (told["chunks"], told["chunks_complete"], told["findings"], told["health"]) == (2, 2, 0, "good")
    assert "**2 of 2 chunks done**" in told["summary"] and "Nothing to mend" in told["summary"]
    assert told["link"] == "http://127.0.0.1:3001/report"


def test_what_is_to_be_mended_is_in_the_summary(look: Workspace, instance: dg.DagsterInstance) -> None:
    (look.store.partition("clip_videos", "0001") / "receipt.json").unlink()
    summary = str(made_by_job(look, instance).metadata["summary"].value)
    assert "| missing | clip_videos | 1 |" in summary and "--chunks 1" in summary


def test_it_is_asked_for_once_labels_or_shards_changed_and_not_again(
    look: Workspace, instance: dg.DagsterInstance
) -> None:
    definitions = build_definitions(look)
    requested = []
    cursor = None
    for changed in (None, None, "filtered_coc", None, "training_shards", "trajectory_cache"):
        if changed:
            instance.report_runless_asset_event(dg.AssetMaterialization(changed, partition="0001"))
        found = dg.evaluate_automation_conditions(definitions, instance, asset_selection=REPORT, cursor=cursor)
        requested.append(found.total_requested)
        cursor = found.cursor
    assert requested == [0, 0, 1, 0, 1, 0]


def test_a_sensor_asks_for_it_unless_switched_off(look: Workspace) -> None:
    sensor = build_definitions(look).resolve_sensor_def("keep_report_current")
    assert sensor.default_status == dg.DefaultSensorStatus.RUNNING
    assert sensor.asset_selection == REPORT
