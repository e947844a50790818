from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from torch.utils.data import DataLoader
from trajdata import AgentType, UnifiedDataset
from trajdata.caching import EnvCache
from trajdata.caching.df_cache import DataFrameCache

import coc_assets.trajdata
from coc_assets.stage import Workspace
from coc_assets.trajdata.agents import STATE_COLUMNS
from coc_assets.trajdata.cache import ChunkTables, write_chunk
from resources import schemas
from resources.receipts import read_receipt
from resources.settings.trajdata import TrajdataSettings
from resources.store import Store
from tests.coc_assets.trajdata.conftest import CHUNKS
from tests.tree import tree

EGO_COLUMNS = {
    "x": "x_m", "y": "y_m", "z": "z_m", "vx": "vx_mps", "vy": "vy_mps", "heading": "heading_rad",
}  # fmt: skip


def ego_states(store: Store) -> Iterator[tuple[pl.DataFrame, DataFrameCache]]:
    """Each clip's rows of `trajectories`, and its scene as trajdata loads it from the cache."""
    location = store.root / "trajdata_cache"
    for chunk in CHUNKS:
        trajectories = store.read_table(schemas.TRAJECTORIES, chunk)
        for clip_id, name in store.read_table(schemas.TRAJDATA_SCENES, chunk).select("clip_id", "scene").iter_rows():
            scene = EnvCache(location).load_scene(f"chunk={chunk}", name, 0.1)
            yield trajectories.filter(clip_id=clip_id), DataFrameCache(location, scene)


def test_cached_ego_states_equal_the_trajectories(store: Store) -> None:
    clips = 0
    for trajectory, cache in ego_states(store):
        states = cache.scene_data_df.loc["ego"]
        assert set(states.dtypes) == {np.dtype("float64")}
        assert states.index.to_list() == trajectory["frame"].to_list()
        for name, column in EGO_COLUMNS.items():
            assert np.abs(states[name].to_numpy() - trajectory[column].to_numpy()).max() <= 1e-6, name
        for name, column in {"ax": "vx_mps", "ay": "vy_mps"}.items():
            backward = np.diff(trajectory[column].to_numpy()) / 0.1
            assert np.abs(states[name].to_numpy() - backward[[0, *range(len(backward))]]).max() <= 1e-6, name
        clips += 1
    assert clips == sum(store.read_table(schemas.CLIPS, chunk).height for chunk in CHUNKS)


def test_every_agent_has_a_state_at_each_step_it_is_present_at(store: Store) -> None:
    for _, cache in ego_states(store):
        rows = set(cache.scene_data_df.index)
        present = {(agent.name, step) for step, agents in enumerate(cache.scene.agent_presence) for agent in agents}
        assert present == rows == set(cache.index_dict)
        assert np.isfinite(cache.scene_data_df.to_numpy()).all()


def test_polars_reads_the_states(store: Store) -> None:
    scenes = store.read_table(schemas.TRAJDATA_SCENES, "0000")
    folder = store.partition("trajdata_cache", "0000") / scenes.item(0, "scene")
    states = pl.scan_ipc(folder / "agent_data_dt0.10.feather").collect()
    assert states.columns == ["agent_id", "scene_ts", *STATE_COLUMNS]
    assert states["agent_id"].n_unique() == scenes.item(0, "agents") > 1


def test_a_store_opens_as_one_dataset_with_every_clip_in_its_split(store: Store) -> None:
    clips = pl.concat([store.read_table(schemas.CLIPS, chunk) for chunk in CHUNKS])
    dataset = coc_assets.trajdata.open_store(store.root)
    assert {scene.data_access_info: scene.data_split for scene in dataset.scenes()} == dict(
        clips.select("clip_id", "split").iter_rows()
    )
    train = coc_assets.trajdata.open_store(store.root, split="train")
    assert train.num_scenes() == clips.filter(split="train").height > 0
    only = coc_assets.trajdata.open_store(store.root, chunks=["0001"])
    assert {scene.env_name for scene in only.scenes()} == {"chunk=0001"}


@pytest.mark.parametrize("query", ["pai", "pai-train", "chunk=0000"])
def test_trajdatas_own_class_opens_it_by_tag(store: Store, query: str) -> None:
    dataset = UnifiedDataset(
        desired_data=[query],
        data_dirs=coc_assets.trajdata.data_dirs(store.root),
        cache_location=str(store.root / "trajdata_cache"),
        desired_dt=0.1,
    )
    wanted = set(query.split("-")) - {"pai"}
    assert dataset.num_scenes() > 0
    assert all(wanted <= {scene.env_name, scene.data_split} for scene in dataset.scenes())


def test_batches_hold_ego_and_neighbours(store: Store) -> None:
    dataset = coc_assets.trajdata.open_store(
        store.root, chunks=["0000"], history_sec=(1.6, 1.6), future_sec=(6.4, 6.4), ego_only=True
    )
    batch = next(iter(DataLoader(dataset, batch_size=8, collate_fn=dataset.get_collate_fn())))
    assert set(batch.agent_name) == {"ego"}
    assert batch.agent_hist.shape[:2] == (8, 17)
    assert batch.agent_fut.shape[:2] == (8, 64)
    assert int(batch.num_neigh.max()) > 0


def test_a_clip_is_found_by_a_part_of_its_id_and_types_are_told_apart(store: Store) -> None:
    clip_id = store.read_table(schemas.CLIPS, "0000").item(1, "clip_id")
    dataset = coc_assets.trajdata.open_store(store.root, scene_description_contains=[clip_id[:13].upper()])
    assert [scene.data_access_info for scene in dataset.scenes()] == [clip_id]
    kinds = {agent.type for scene in coc_assets.trajdata.open_store(store.root).scenes() for agent in scene.agents}
    assert {AgentType.VEHICLE, AgentType.PEDESTRIAN} <= kinds


def test_all_files_are_in_the_receipt_and_nothing_else_is_left(store: Store) -> None:
    for chunk in CHUNKS:
        folder = store.partition("trajdata_cache", chunk)
        receipt = read_receipt(store, "trajdata_cache", chunk)
        on_disk = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
        assert on_disk - {"receipt.json"} == set(receipt.outputs)
        assert receipt.counts["trajdata_scenes"] * 3 + 3 == len(receipt.outputs)


def test_a_chunk_without_clips_or_tracks_is_written_and_opens_with_the_others(store: Store, tmp_path: Path) -> None:
    place = Store(tmp_path / "store")
    of = {table.name: store.read_table(table, "0000") for table in (schemas.CLIPS, schemas.TRAJECTORIES)}
    full = ChunkTables(of["clips"], of["trajectories"], schemas.empty(schemas.TRACKS))
    none = ChunkTables(*(schemas.empty(table) for table in (schemas.CLIPS, schemas.TRAJECTORIES, schemas.TRACKS)))
    for chunk, tables in {"0000": full, "0001": none}.items():
        written = write_chunk(place, place.partition("trajdata_cache", chunk), tables, TrajdataSettings())
        assert set(written.scenes["agents"]) <= {1}
    assert written.files == ["scenes_list.dill"]
    dataset = UnifiedDataset(
        desired_data=["pai"],
        data_dirs={"chunk=0000": "", "chunk=0001": ""},
        cache_location=str(place.root / "trajdata_cache"),
    )
    assert len(dataset) == of["trajectories"].height


REMAKE = """
import shutil, sys
from pathlib import Path
from coc_assets.stage import Workspace, run_stage
from coc_assets.trajdata_cache.stage import STAGE
from resources.settings import Settings
old, new = map(Path, sys.argv[1:])
shutil.copytree(old / "trajectory_cache", new / "trajectory_cache")
run_stage(STAGE, Workspace(Settings(store=new)), "0001")
"""


def test_another_process_at_another_place_makes_the_same_bytes(store: Store, tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONHASHSEED": "7"}
    command = [sys.executable, "-c", REMAKE, str(store.root), str(tmp_path / "elsewhere")]
    subprocess.run(command, env=environment, check=True)
    kept = {name: sha for name, sha in tree(store.root).items() if "trajdata_cache/chunk=0001" in name}
    assert kept
    assert {name: sha for name, sha in tree(tmp_path / "elsewhere").items() if name.startswith("trajdata")} == kept


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"chunks": ["0000", "0007"]},
            r"no trajdata cache of chunk 0007. Make it: .* --chunks 7 --select trajdata_cac",
        ),
        ({"rebuild_cache": True}, r"coc run --store .* --chunks 0 --select trajdata_cache --force"),
    ],
)
def test_what_is_not_made_is_named_with_the_command_that_makes_it(store: Store, options, message: str) -> None:
    with pytest.raises(FileNotFoundError, match=message):
        coc_assets.trajdata.open_store(store.root, **options)


def test_an_empty_store_and_a_split_without_clips_are_named(workspace: Workspace, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no trajdata cache of any chunk. Make it: coc run --store"):
        coc_assets.trajdata.open_store(tmp_path)
    with pytest.raises(ValueError, match=r"split='other'; there are: .*train"):
        coc_assets.trajdata.open_store(workspace.settings.store, split="other")
