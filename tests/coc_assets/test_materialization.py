from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from coc_assets.instances import open_instance
from coc_assets.keyframe_segments.asset import keyframe_segments
from coc_assets.materialization import report_without_run
from coc_assets.stage import Workspace
from coc_assets.stages import STAGES, STAGES_BY_NAME
from resources import schemas
from resources.receipts import read_receipt
from resources.settings import Settings
from resources.settings.operate import OperateSettings
from resources.store import Store


def latest(store: Path, asset: str) -> dict[str, Any]:
    """Metadata of an asset's latest materialisation."""
    with open_instance(store) as instance:
        event = instance.get_latest_materialization_event(dg.AssetKey(asset))
    assert event is not None and event.asset_materialization is not None
    return dict(event.asset_materialization.metadata)


@pytest.mark.parametrize("asset", list(STAGES_BY_NAME))
def test_a_materialisation_tells_rows_figures_rejects_and_shows_pictures(sample_store: Path, asset: str) -> None:
    told = latest(sample_store, asset)
    receipt = read_receipt(Store(sample_store), asset, "0001")
    assert receipt is not None
    numbers = {name: value.value for name, value in told.items() if isinstance(value.value, int | float)}
    assert {name: numbers[f"rows_{name}"] for name in receipt.counts} == receipt.counts
    assert receipt.figures.items() <= numbers.items() and numbers["duration_s"] == receipt.duration_s
    assert numbers["dagster/partition_row_count"] == receipt.counts[STAGES_BY_NAME[asset].tables[0].name]
    assert isinstance(told["distributions"], dg.MarkdownMetadataValue)
    assert ("contact_sheet" in told) == (asset == "raw_coc")
    left_out = told["rejects"]
    by_reason = {} if isinstance(left_out, dg.TextMetadataValue) else {
        row.data["reason"]: row.data["rows"] for row in left_out.records
    }  # fmt: skip
    assert by_reason == receipt.rejects == {name: numbers[f"rejects_{name}"] for name in receipt.rejects}


def test_rejects_are_told_by_reason_with_an_example_and_as_numbers(sample_store: Path, tmp_path: Path) -> None:
    store = _copy_of(sample_store, tmp_path)
    rejects = [
        {"stage": "keyframe_segments", "clip_id": f"clip-{at}", "severity": "degraded", "feature": "video",
         "reason": "video_missing", "hint": f"camera {at}: fetch it"}
        for at in range(3)
    ]  # fmt: skip
    path = store.table_path(schemas.REJECTS, "0000", asset="keyframe_segments")
    store.write_table(schemas.reject_rows(rejects), schemas.REJECTS, path, "0000")
    (row,) = (record.data for record in _materialize(store, plots=True)["rejects"].records)
    assert row == {
        "severity": "degraded: video", "reason": "video_missing", "rows": 3, "clips": 3,
        "example": "camera 0: fetch it",
    }  # fmt: skip


def test_pictures_can_be_turned_off(sample_store: Path, tmp_path: Path) -> None:
    store = _copy_of(sample_store, tmp_path)
    assert "distributions" in _materialize(store, plots=True)
    assert "distributions" not in _materialize(store, plots=False)


def test_a_partition_that_a_command_changed_is_told_of_by_the_same_names(sample_store: Path, tmp_path: Path) -> None:
    receipt = read_receipt(Store(sample_store), "filtered_coc", "0000")
    assert receipt is not None
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        rejected = receipt.model_copy(update={"rejects": {"no_decision": 2}})
        report_without_run(instance, STAGES_BY_NAME["filtered_coc"], [rejected], "judged anew", judged=3)
        event = instance.get_latest_materialization_event(dg.AssetKey("filtered_coc"))
    assert event is not None and event.asset_materialization is not None
    told = event.asset_materialization.metadata
    assert (told["rows_filtered_coc"].value, told["rejects_no_decision"].value, told["judged"].value) == (
        receipt.counts["filtered_coc"], 2, 3,
    )  # fmt: skip


def test_no_stage_is_shaped_by_what_is_shown() -> None:
    off = Settings(operate=OperateSettings(plots=False))
    assert all(stage.shaping(off) == stage.shaping(Settings()) for stage in STAGES)


def _copy_of(store: Path, folder: Path) -> Store:
    shutil.copytree(store, folder / "store", ignore=shutil.ignore_patterns(".dagster"))
    return Store(folder / "store")


def _materialize(store: Store, *, plots: bool) -> dict[str, Any]:
    """Finds the partition fresh and tells of it."""
    settings = Settings(store=store.root, operate=OperateSettings(plots=plots))
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions("chunks", ["0000"])
        result = dg.materialize(
            [keyframe_segments],
            instance=instance,
            partition_key="0000",
            resources={"workspace": Workspace(settings)},
        )
    (event,) = result.asset_materializations_for_node("keyframe_segments")
    assert event.metadata["fresh"].value
    return dict(event.metadata)
