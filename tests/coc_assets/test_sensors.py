from __future__ import annotations

import shutil
from pathlib import Path

import dagster as dg
import pytest

from coc_assets.dataset_files import dataset_version
from coc_assets.sensors import label_new_chunks, register_chunks
from coc_assets.stage import Workspace
from resources.settings import Settings


def tick(sensor: dg.SensorDefinition, workspace: Workspace, instance: dg.DagsterInstance) -> dg.SensorResult | None:
    context = dg.build_sensor_context(instance=instance, resources={"workspace": workspace})
    return sensor(context)  # type: ignore[return-value]


@pytest.fixture
def dataset(sample: Path, tmp_path: Path) -> Path:
    shutil.copytree(sample, tmp_path / "dataset")
    return tmp_path / "dataset"


def test_chunks_that_arrive_become_partitions(dataset: Path, tmp_path: Path) -> None:
    workspace = Workspace(Settings(dataset=dataset, store=tmp_path / "store"))
    with dg.DagsterInstance.ephemeral() as instance:
        first = tick(register_chunks, workspace, instance)
        assert first.dynamic_partitions_requests[0].partition_keys == ["0000", "0001"]
        instance.add_dynamic_partitions("chunks", ["0000", "0001"])
        assert "All 2 chunks" in tick(register_chunks, workspace, instance).skip_message
        arrived = dataset / "labels/egomotion/egomotion.chunk_0002.zip"
        shutil.copy(dataset / "labels/egomotion/egomotion.chunk_0001.zip", arrived)
        assert tick(register_chunks, workspace, instance).dynamic_partitions_requests[0].partition_keys == ["0002"]


def test_a_missing_dataset_is_a_reason_to_skip(tmp_path: Path) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        for settings in (Settings(), Settings(dataset=tmp_path / "nowhere")):
            for sensor in (register_chunks, label_new_chunks):
                assert tick(sensor, Workspace(settings), instance).skip_message


def test_runs_are_requested_for_chunks_that_are_due(sample: Path, sample_store: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    shutil.copytree(sample_store, store)
    workspace = Workspace(Settings(dataset=sample, store=store))
    with dg.DagsterInstance.ephemeral() as instance:
        assert "fresh" in tick(label_new_chunks, workspace, instance).skip_message
        shutil.rmtree(store / "raw_coc" / "chunk=0001")
        request = tick(label_new_chunks, workspace, instance).run_requests[0]
        assert request.partition_key == "0001"
        assert request.run_key.startswith("0001:")


def test_the_dataset_version_is_of_content(dataset: Path, tmp_path: Path) -> None:
    workspace = Workspace(Settings(dataset=dataset, store=tmp_path / "store"))
    before = dataset_version(workspace, "0000")
    archive = dataset / "labels/egomotion/egomotion.chunk_0000.zip"
    archive.touch()
    assert dataset_version(workspace, "0000") == before
    archive.write_bytes(archive.read_bytes()[:-100])
    assert dataset_version(workspace, "0000") != before
    assert dataset_version(workspace, "0001") == dataset_version(Workspace(workspace.settings), "0001")
