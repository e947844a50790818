from __future__ import annotations

import shutil
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from coc_assets.cli import main
from coc_assets.instances import open_instance
from coc_assets.running import plan_chunk
from coc_assets.stage import Workspace
from resources import schemas
from resources.receipts import CheckRecord, read_receipt, record_check
from resources.settings import Settings
from resources.store import Store

ASSETS = ("trajectory_cache", "meta_actions", "keyframe_segments")
REQUIRED = {name: frozenset({"claim"}) for name in ASSETS}


@pytest.fixture
def workspace(sample: Path, sample_store: Path, tmp_path: Path) -> Workspace:
    shutil.copytree(sample_store, tmp_path / "store")
    return Workspace(Settings(dataset=sample, store=tmp_path / "store"))


def record(workspace: Workspace, asset: str, *, passed: bool, blocking: bool = True) -> None:
    record_check(
        workspace.store, asset, "0000", "claim", CheckRecord(passed=passed, severity="ERROR", blocking=blocking)
    )


def test_a_partition_whose_checks_were_not_evaluated_is_due(workspace: Workspace) -> None:
    record(workspace, "trajectory_cache", passed=True)
    plan = plan_chunk(workspace, "0000", ASSETS, REQUIRED)
    assert (plan.fresh, plan.due) == (("trajectory_cache",), ("meta_actions", "keyframe_segments"))


@pytest.mark.parametrize(("blocking", "due"), [(True, ("meta_actions", "keyframe_segments")), (False, ())])
def test_a_failed_check_makes_a_partition_due_where_it_blocks(
    workspace: Workspace, blocking: bool, due: tuple[str, ...]
) -> None:
    for asset in ASSETS:
        record(workspace, asset, passed=asset != "meta_actions", blocking=blocking)
    assert plan_chunk(workspace, "0000", ASSETS, REQUIRED).due == due


def test_a_failed_blocking_check_holds_back_what_is_downstream(
    sample: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from coc_assets.meta_actions import spans

    build = spans.build
    monkeypatch.setattr(spans, "build", lambda *arguments: build(*arguments).filter(pl.col("start_frame") > 0))
    store = tmp_path / "store"
    run = ["run", "--dataset", str(sample), "--store", str(store), "--chunks", "0"]
    assert main(run) == 1
    assert "spans_cover_the_clip" in capsys.readouterr().err
    assert read_receipt(Store(store), "meta_actions", "0000").blocked_by() == ["spans_cover_the_clip"]
    assert read_receipt(Store(store), "keyframe_segments", "0000") is None

    monkeypatch.setattr(spans, "build", build)
    assert main([*run, "--force"]) == 0
    assert read_receipt(Store(store), "training_shards", "0000").status == "done"


def test_a_bad_chunk_does_not_stop_the_others(
    sample: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from coc_assets.meta_actions import spans

    build = spans.build

    def failing_on_the_first(trajectories: pl.DataFrame, *rest: object) -> pl.DataFrame:
        if trajectories["chunk"][0] == "0000":
            raise RuntimeError("no room on the disk")
        return build(trajectories, *rest)

    monkeypatch.setattr(spans, "build", failing_on_the_first)
    store = tmp_path / "store"
    assert main(["run", "--dataset", str(sample), "--store", str(store)]) == 1
    assert "chunk 0000: meta_actions of chunk 0000 failed: no room on the disk" in capsys.readouterr().err
    assert read_receipt(Store(store), "training_shards", "0001").status == "done"
    assert Store(store).read_table(schemas.CLIPS, "0000").height == 6


def test_dagster_knows_partitions_versions_and_check_results(sample_store: Path) -> None:
    with open_instance(sample_store) as instance:
        assert instance.get_dynamic_partitions("chunks") == ["0000", "0001"]
        event = instance.get_latest_materialization_event(dg.AssetKey("training_shards"))
        receipt = read_receipt(Store(sample_store), "training_shards", "0001")
        assert event.asset_materialization.partition == "0001"
        assert event.asset_materialization.tags["dagster/data_version"] == receipt.data_version
        assert event.asset_materialization.metadata["dagster/partition_row_count"].value == receipt.counts["samples"]
        runs = instance.get_runs()
        assert {run.status for run in runs} == {dg.DagsterRunStatus.SUCCESS}


def test_only_one_run_works_on_a_store(sample: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import fcntl

    store = tmp_path / "store"
    (store / ".dagster").mkdir(parents=True)
    with (store / ".dagster" / "coc-run.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert main(["run", "--dataset", str(sample), "--store", str(store)]) == 2
    assert "Another `coc run` is at work" in capsys.readouterr().err
