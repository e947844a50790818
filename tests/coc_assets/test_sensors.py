from __future__ import annotations

import json
import shutil
from pathlib import Path

import dagster as dg
import pytest

from coc_assets.dataset_files import dataset_version
from coc_assets.instances import OWNER_TAG, chunks_under_way, this_process
from coc_assets.sensors import label_new_chunks, register_chunks, sensors
from coc_assets.stage import Workspace
from resources.settings import Settings

NOON = 1_700_000_000.0


class Clock:
    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> float:
        return self.now


class Watched:
    """A sensor with the instance it ticks on, as the daemon would tick it."""

    def __init__(self, settings: Settings, instance: dg.DagsterInstance) -> None:
        self.clock = Clock()
        self.workspace = Workspace(settings)
        self.instance = instance
        self.cursor: str | None = None

    def tick(self, seconds_later: float = 0.0) -> dg.SensorResult | dg.SkipReason:
        self.clock.now += seconds_later
        context = dg.build_sensor_context(
            instance=self.instance, cursor=self.cursor, resources={"workspace": self.workspace}
        )
        result = label_new_chunks(self.workspace.settings, self.clock)(context)
        if isinstance(result, dg.SensorResult):
            self.cursor = result.cursor
            for request in result.dynamic_partitions_requests or ():
                self.instance.add_dynamic_partitions("chunks", list(request.partition_keys))
        return result


def registering(workspace: Workspace, instance: dg.DagsterInstance) -> dg.SensorResult | dg.SkipReason:
    return register_chunks()(dg.build_sensor_context(instance=instance, resources={"workspace": workspace}))


@pytest.fixture
def dataset(sample: Path, tmp_path: Path) -> Path:
    shutil.copytree(sample, tmp_path / "dataset")
    return tmp_path / "dataset"


@pytest.fixture
def instance() -> dg.DagsterInstance:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


def test_chunks_that_arrive_become_partitions(dataset: Path, tmp_path: Path, instance: dg.DagsterInstance) -> None:
    workspace = Workspace(Settings(dataset=dataset, store=tmp_path / "store"))
    first = registering(workspace, instance)
    assert first.dynamic_partitions_requests[0].partition_keys == ["0000", "0001"]
    instance.add_dynamic_partitions("chunks", ["0000", "0001"])
    assert "All 2 chunks" in registering(workspace, instance).skip_message
    arrived = dataset / "labels/egomotion/egomotion.chunk_0002.zip"
    shutil.copy(dataset / "labels/egomotion/egomotion.chunk_0001.zip", arrived)
    assert registering(workspace, instance).dynamic_partitions_requests[0].partition_keys == ["0002"]


def test_a_missing_dataset_is_a_reason_to_skip(tmp_path: Path, instance: dg.DagsterInstance) -> None:
    for settings in (Settings(store=tmp_path), Settings(dataset=tmp_path / "nowhere", store=tmp_path)):
        assert registering(Workspace(settings), instance).skip_message
        assert Watched(settings, instance).tick().skip_message


def test_new_chunks_get_partitions_and_once_settled_a_run_each(
    dataset: Path, tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    watched = Watched(Settings(dataset=dataset, store=tmp_path / "store"), instance)
    first = watched.tick()
    assert first.dynamic_partitions_requests[0].partition_keys == ["0000", "0001"]
    assert not first.run_requests and "just seen: 0000, 0001" in first.skip_reason.skip_message
    second = watched.tick(30)
    assert [request.partition_key for request in second.run_requests] == ["0000", "0001"]
    assert all(request.run_key.startswith(request.partition_key) for request in second.run_requests)
    assert not watched.tick(30).run_requests


def test_the_cursor_is_a_number_whatever_there_is_to_remember(
    dataset: Path, tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    watched = Watched(Settings(dataset=dataset, store=tmp_path / "store"), instance)
    for _ in range(4):
        watched.tick(30)
    assert watched.cursor == "2"  # one generation when they were seen, one when runs were asked for
    files = sorted((tmp_path / "store/.dagster/arrivals").iterdir())
    assert [file.name for file in files] == ["1.json", "2.json"]
    assert list(json.loads(files[-1].read_bytes())) == ["0000", "0001"]


def test_a_tick_that_was_not_committed_asks_again_by_the_same_keys(
    dataset: Path, tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    watched = Watched(Settings(dataset=dataset, store=tmp_path / "store"), instance)
    watched.tick()
    cursor = watched.cursor
    lost = watched.tick(30)
    watched.cursor = cursor  # the daemon was killed before it stored the new one
    again = watched.tick(30)
    assert [request.run_key for request in lost.run_requests] == [request.run_key for request in again.run_requests]


def test_what_was_remembered_and_is_lost_is_found_again(
    dataset: Path, tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    watched = Watched(Settings(dataset=dataset, store=tmp_path / "store"), instance)
    watched.tick()
    watched.tick(30)
    for file in (tmp_path / "store/.dagster/arrivals").iterdir():
        file.write_bytes(b"half a fi")
    assert "just seen" in watched.tick(30).skip_reason.skip_message
    assert [request.partition_key for request in watched.tick(30).run_requests] == ["0000", "0001"]


def test_a_chunk_whose_egomotion_vanished_keeps_its_partition(
    dataset: Path, tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    watched = Watched(Settings(dataset=dataset, store=tmp_path / "store"), instance)
    watched.tick()
    (dataset / "labels/egomotion/egomotion.chunk_0001.zip").unlink()
    result = watched.tick(30)
    assert [request.partition_key for request in result.run_requests] == ["0000"]
    assert "Egomotion gone, labels kept, no runs: 0001" in watched.tick(30).skip_reason.skip_message
    assert instance.get_dynamic_partitions("chunks") == ["0000", "0001"]


@pytest.mark.parametrize(
    "changed, running",
    [
        ({}, True),
        ({"labeler": "gpt5"}, False),
        ({"labeler": "gpt5", "models": {"budget_usd": 5}}, True),
        ({"filtering": {"judge": {"model": "gpt5"}}}, False),
    ],
)
def test_labelling_starts_by_itself_only_where_it_costs_nothing_or_is_bounded(changed: dict, running: bool) -> None:
    statuses = {sensor.name: sensor.default_status for sensor in sensors(Settings(**changed))}
    assert (statuses["label_new_chunks"] == dg.DefaultSensorStatus.RUNNING) is running
    assert statuses["register_chunks"] == dg.DefaultSensorStatus.RUNNING
    assert statuses["make_stale_partitions"] == dg.DefaultSensorStatus.STOPPED


def test_chunks_under_way_are_those_of_runs_that_are_not_over(instance: dg.DagsterInstance) -> None:
    @dg.op
    def nothing() -> None: ...

    @dg.job
    def job() -> None:
        nothing()

    def run(chunk: str, status: dg.DagsterRunStatus, **tags: str) -> None:
        instance.create_run_for_job(job, status=status, tags={"dagster/partition": chunk, **tags})

    run("0000", dg.DagsterRunStatus.STARTING)
    run("0001", dg.DagsterRunStatus.SUCCESS)
    run("0002", dg.DagsterRunStatus.STARTED, **{OWNER_TAG: this_process()})
    machine = this_process().partition(":")[0]
    run("0003", dg.DagsterRunStatus.STARTED, **{OWNER_TAG: f"{machine}:{2**22 + 1}"})  # beyond any process id
    run("0004", dg.DagsterRunStatus.STARTED, **{OWNER_TAG: "elsewhere:1"})
    assert chunks_under_way(instance) == {"0000", "0002", "0004"}


def test_the_dataset_version_is_of_content(dataset: Path, tmp_path: Path) -> None:
    workspace = Workspace(Settings(dataset=dataset, store=tmp_path / "store"))
    before = dataset_version(workspace, "0000")
    archive = dataset / "labels/egomotion/egomotion.chunk_0000.zip"
    archive.touch()
    assert dataset_version(workspace, "0000") == before
    archive.write_bytes(archive.read_bytes()[:-100])
    assert dataset_version(workspace, "0000") != before
    assert dataset_version(workspace, "0001") == dataset_version(Workspace(workspace.settings), "0001")
