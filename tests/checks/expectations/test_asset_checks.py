from __future__ import annotations

from pathlib import Path

import dagster as dg
import pytest

from checks.expectations import EXPECTATION_CHECKS
from checks.expectations.asset_checks import rows_meet_expectations
from checks.reporting import Partition
from coc_assets.partitions import CHUNKS
from coc_assets.stage import Workspace
from resources import schemas
from resources.receipts import Receipt, read_receipt, write_receipt
from resources.settings import Settings
from tests.checks.expectations.good import BY_MODEL, CHUNK, GOOD, Row, frame


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(Settings(store=tmp_path / "store"))


def write(workspace: Workspace, table: schemas.Table, *rows: Row, asset: str = "", labeler: str | None = None) -> None:
    store = workspace.store
    whole = frame(table, *rows) if rows else schemas.empty(table)
    store.write_table(whole, table, store.table_path(table, CHUNK, asset=asset, labeler=labeler), CHUNK)


def test_a_check_a_table_that_blocks_nothing() -> None:
    specs = [spec for check in EXPECTATION_CHECKS for spec in check.check_specs]
    named = {(spec.asset_key.to_user_string(), spec.name) for spec in specs}
    assert named == {(table.asset, f"{table.name}_meet_expectations") for table in schemas.DATA_TABLES}
    assert not any(spec.blocking for spec in specs)
    assert all(spec.description and "None" not in spec.description for spec in specs)


def test_each_asset_s_rejects_are_judged_once() -> None:
    about_rejects = [
        spec.asset_key.to_user_string()
        for check in EXPECTATION_CHECKS
        for spec in check.check_specs
        if "rejects" in (spec.description or "")
    ]
    assert sorted(about_rejects) == sorted({table.asset for table in schemas.DATA_TABLES})


def test_the_first_table_answers_for_rejects_and_the_second_does_not(workspace: Workspace) -> None:
    write(workspace, schemas.VIDEOS, GOOD["videos"])
    write(workspace, schemas.SEGMENTS, GOOD["segments"])
    write(workspace, schemas.REJECTS, {"stage": "clip_videos", "feature": "lidar"}, asset="clip_videos")
    partition = Partition(workspace, CHUNK)
    claim = rows_meet_expectations(partition, schemas.VIDEOS)
    assert claim.worst.select("table", "column", "value").rows() == [("rejects", "feature", "lidar")]
    assert rows_meet_expectations(partition, schemas.SEGMENTS).passed


def test_labels_of_every_labeler_are_judged(workspace: Workspace) -> None:
    write(workspace, schemas.RAW_COC, GOOD["raw_coc"], labeler="rules")
    write(workspace, schemas.RAW_COC, BY_MODEL | {"label_id": "b" * 16, "status": "invalid"}, labeler="vlm-8b")
    write(workspace, schemas.REJECTS, asset="raw_coc")
    claim = rows_meet_expectations(Partition(workspace, CHUNK), schemas.RAW_COC)
    assert claim.worst.select("row", "column").rows() == [(f"label_id={'b' * 16}", "reason")]


def test_measurements_of_the_set_are_judged_with_the_labels_own(workspace: Workspace) -> None:
    write(workspace, schemas.MEASUREMENTS, GOOD["measurements"])
    write(workspace, schemas.SET_MEASUREMENTS, GOOD["set_measurements"] | {"value": 2.0})
    write(workspace, schemas.REJECTS, asset="filtered_coc")
    claim = rows_meet_expectations(Partition(workspace, CHUNK), schemas.MEASUREMENTS)
    assert claim.worst.select("table", "column", "value").rows() == [("set_measurements", "value", "2.0")]


def test_rows_of_another_chunk_are_found(workspace: Workspace) -> None:
    path = workspace.store.table_path(schemas.TRACKS, CHUNK)
    workspace.store.write_table(frame(schemas.TRACKS), schemas.TRACKS, path, "0008")
    claim = rows_meet_expectations(Partition(workspace, CHUNK), schemas.TRACKS)
    assert claim.worst.select("column", "value").rows() == [("chunk", "0008")]


@pytest.mark.parametrize(
    ("change", "passed", "severity"),
    [
        pytest.param({}, True, "ERROR", id="holds"),
        pytest.param({"x_m": 800.0}, False, "WARN", id="warning"),
        pytest.param({"heading_rad": 9.0}, False, "ERROR", id="critical"),
    ],
)
def test_dagster_and_the_receipt_are_told(workspace: Workspace, change: Row, passed: bool, severity: str) -> None:
    write(workspace, schemas.TRACKS, GOOD["tracks"] | change)
    write_receipt(workspace.store, Receipt(stage="trajectory_cache", chunk=CHUNK, status="done", dataset=None))
    result = _run_check("tracks_meet_expectations", workspace)
    assert (result.passed, result.severity.value) == (passed, severity)
    assert {"figure", "threshold", "worst_rows"} <= result.metadata.keys()
    receipt = read_receipt(workspace.store, "trajectory_cache", CHUNK)
    assert receipt and receipt.checks["tracks_meet_expectations"].passed is passed


def _run_check(name: str, workspace: Workspace) -> dg.AssetCheckEvaluation:
    @dg.asset(partitions_def=CHUNKS)
    def trajectory_cache() -> None: ...

    check = next(check for check in EXPECTATION_CHECKS if next(iter(check.check_specs)).name == name)
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions(CHUNKS.name, [CHUNK])
        run = dg.materialize(
            [trajectory_cache, check], partition_key=CHUNK, instance=instance, resources={"workspace": workspace}
        )
        (evaluation,) = run.get_asset_check_evaluations()
        return evaluation
