from __future__ import annotations

import fcntl
import os
import shutil
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from coc_assets.cli import main
from coc_assets.collecting.collect import Collected, collect
from coc_assets.collecting.databases import sqlite_files
from coc_assets.collecting.job import collect_garbage, collect_garbage_daily
from coc_assets.definitions import build_definitions
from coc_assets.instances import open_instance
from coc_assets.stage import Workspace
from coc_assets.stages import STAGES
from resources.settings import Settings
from tests.coc_assets.collecting.histories import labels
from tests.tree import tree

LATER = datetime.now(UTC) + timedelta(days=31)


@pytest.fixture(scope="module")
def twice_made(sample: Path, sample_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of which one partition was made twice more: nothing rests on the first of these. Not to be changed."""
    store = tmp_path_factory.mktemp("twice") / "store"
    shutil.copytree(sample_store, store)
    arguments = ["--dataset", str(sample), "--store", str(store), "--chunks", "0", "--force"]
    for _ in range(2):
        assert main(["run", *arguments, "--select", "meta_actions"]) == 0
    return store


@pytest.fixture
def store(twice_made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(twice_made, tmp_path / "store")
    return tmp_path / "store"


def collected(store: Path, instance: dg.DagsterInstance, dry_run: bool = False) -> Collected:
    return collect(Settings(store=store), instance, now=LATER, dry_run=dry_run)


def content(store: Path) -> dict[str, str]:
    return {name: digest for name, digest in tree(store).items() if not name.startswith(".dagster")}


def test_a_run_that_was_superseded_goes_and_every_partition_stays_made(store: Path) -> None:
    before = content(store)
    with open_instance(store) as instance:
        assert len(instance.get_runs()) == 4
        assert collected(store, instance, dry_run=True).runs == 1
        assert len(instance.get_runs()) == 4
        found = collected(store, instance)
        assert (found.runs, found.left) == (1, [])
        assert found.run_bytes > 100_000
        assert len(instance.get_runs()) == 3
        for stage in STAGES:
            assert instance.get_materialized_partitions(dg.AssetKey(stage.name)) == {"0000", "0001"}
        assert collected(store, instance).runs == 0
    assert content(store) == before


def test_what_was_collected_is_logged(store: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO", "coc_assets"), open_instance(store) as instance:
        collected(store, instance, dry_run=True)
        assert caplog.messages == []
        found = collected(store, instance)
    assert caplog.messages[-1] == f"gc runs=1 ticks=0 files=0 bytes={found.size}"


def test_a_young_run_stays(store: Path) -> None:
    with open_instance(store) as instance:
        assert collect(Settings(store=store), instance, now=datetime.now(UTC) + timedelta(days=29)).runs == 0


def test_files_are_left_alone_while_a_command_is_at_work_and_runs_still_go(store: Path) -> None:
    leftover = store / "raw_coc/.tmp-1-budget.json"
    leftover.touch()
    with open_instance(store) as instance:
        with (store / ".dagster/coc-run.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            found = collected(store, instance)
        assert (found.runs, list(found.files)) == (1, [])
        assert "a command is at work" in found.left[0]
        assert [garbage.path for garbage in collected(store, instance).files] == [leftover]
    assert not leftover.exists()


def test_free_space_of_databases_is_given_back_only_when_no_run_would_wait(store: Path) -> None:
    with open_instance(store) as instance:
        index = sqlite_files(instance)[0]
        with sqlite3.connect(index) as connection:
            connection.execute("CREATE TABLE filler AS SELECT randomblob(4000000) AS bytes")
            connection.execute("DROP TABLE filler")
        connection.close()
        job = dg.Definitions(assets=[labels]).resolve_implicit_global_asset_job_def()
        open_run = instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED)
        assert "databases were not made smaller" in collected(store, instance).left[0]
        before = os.path.getsize(index)
        found = collect(Settings(store=store), instance, now=LATER, this_run=open_run.run_id)
        assert found.left == []
        assert found.database_bytes == before - os.path.getsize(index) > 3_000_000


def test_the_job_collects_and_says_what(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    leftover = store / "raw_coc/.tmp-1-budget.json"
    leftover.touch()
    os.utime(leftover, (0, 0))
    with open_instance(store) as instance:
        resources = {"workspace": Workspace(Settings(store=store))}
        result = collect_garbage.execute_in_process(instance=instance, resources=resources)
        (output,) = [event for event in result.all_events if event.is_successful_output]
        metadata = output.step_output_data.metadata
    assert metadata["leftover"].value == 1
    assert not leftover.exists()


def test_the_daily_schedule_is_on_and_names_the_job(tmp_path: Path) -> None:
    definitions = build_definitions(Workspace(Settings(store=tmp_path)))
    schedule = definitions.resolve_schedule_def("collect_garbage_daily")
    assert schedule.job_name == "collect_garbage"
    assert schedule.default_status is dg.DefaultScheduleStatus.RUNNING
    context = dg.build_schedule_context(scheduled_execution_time=datetime(2026, 1, 2, 4, 30, tzinfo=UTC))
    assert len(collect_garbage_daily.evaluate_tick(context).run_requests) == 1


def test_the_command_says_what_and_how_many_bytes(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    leftover = store / "raw_coc/.tmp-1-budget.json"
    leftover.write_bytes(b"x" * 1500)
    os.utime(leftover, (0, 0))
    assert main(["gc", "--store", str(store), "--dry-run"]) == 0
    said = capsys.readouterr().out
    assert "leftover: raw_coc/.tmp-1-budget.json  1.5 kB" in said
    assert "would remove:" in said
    assert leftover.exists()
    assert main(["gc", "--store", str(store), "--keep-days", "7"]) == 0
    said = capsys.readouterr().out
    assert "0 runs older than 7 days" in said
    assert "1.5 kB in all" in said
    assert not leftover.exists()


def test_there_must_be_a_store(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["gc", "--store", str(tmp_path / "none")]) == 2
    assert not (tmp_path / "none").exists()
    assert "No store at" in capsys.readouterr().err
