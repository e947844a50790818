"""Writing a chunk's trajdata cache from the tables of its trajectory cache."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl
from trajdata.caching import EnvCache
from trajdata.caching.df_cache import DataFrameCache
from trajdata.data_structures import SceneMetadata
from trajdata.utils.agent_utils import get_agent_data

from coc_assets.sources.egomotion import FRAME_S
from coc_assets.trajdata.agents import clip_agents
from coc_assets.trajdata.dataset import ChunkDataset, SceneContent, SceneRecord, scene_name, split_tag
from resources import schemas
from resources.settings.trajdata import TrajdataSettings
from resources.store import Store


@dataclass(frozen=True)
class WrittenCache:
    """What was written of a chunk.

    Attributes:
        scenes: the `trajdata_scenes` table without its chunk.
        files: names below the partition, the list of scenes last.
    """

    scenes: pl.DataFrame
    files: list[str]


@dataclass(frozen=True)
class ChunkTables:
    """The chunk's `clips`, `trajectories` and `tracks`."""

    clips: pl.DataFrame
    trajectories: pl.DataFrame
    tracks: pl.DataFrame


def write_chunk(
    store: Store,
    folder: Path,
    tables: ChunkTables,
    settings: TrajdataSettings,
    report: Callable[[int, int], None] = lambda done, total: None,
) -> WrittenCache:
    """Writes a scene a clip and the list of scenes; trajdata's own functions make the files.

    They are made aside and moved to their places one by one, so that a reader never sees half a file.

    Args:
        folder: the partition; its name is the environment's, its parent trajdata's `cache_location`.
        report: told the scenes done and their total.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=".tmp-", dir=folder) as aside:  # a prefix that the store sweeps after a kill
        records = _write_scenes(EnvCache(Path(aside)), folder.name, tables, settings, report)
        files = _publish(store, Path(aside) / folder.name, folder)
    return WrittenCache(schemas.rows_to_frame(records, schemas.TRAJDATA_SCENES).drop("chunk"), files)


def _write_scenes(
    cache: EnvCache,
    environment: str,
    tables: ChunkTables,
    settings: TrajdataSettings,
    report: Callable[[int, int], None],
) -> list[dict[str, object]]:
    dataset = ChunkDataset(environment, data_dir="")
    records, rows = [], []
    for content in _contents(tables, settings):
        record = content.record
        dataset.dataset_obj = {record.name: content}
        scene = SceneMetadata(environment, record.name, FRAME_S, record.data_idx)
        get_agent_data(scene, dataset, cache, True, DataFrameCache, FRAME_S)
        records.append(record)
        rows.append(_row(content))
        report(len(rows), tables.clips.height)
    dataset.cache_all_scenes_list(cache, records)
    return rows


def _contents(tables: ChunkTables, settings: TrajdataSettings) -> Iterator[SceneContent]:
    trajectories, tracks = _by_clip(tables.trajectories), _by_clip(tables.tracks)
    none = tables.tracks.clear()
    for row, (clip_id, split, frames) in enumerate(tables.clips.select("clip_id", "split", "frames").iter_rows()):
        record = SceneRecord(scene_name(clip_id), clip_id, split_tag(split), frames, row)
        yield SceneContent(record, clip_agents(trajectories[clip_id], tracks.get(clip_id, none), settings))


def _by_clip(table: pl.DataFrame) -> dict[str, pl.DataFrame]:
    return {key[0]: rows for key, rows in table.partition_by("clip_id", maintain_order=True, as_dict=True).items()}


def _publish(store: Store, aside: Path, folder: Path) -> list[str]:
    """Moves every file of the environment into the partition; the list of scenes goes last."""
    made = (path.relative_to(aside) for path in aside.rglob("*") if path.is_file())
    names = sorted((path.as_posix() for path in made), key=lambda name: ("/" not in name, name))
    for name in names:
        with store.publish(folder / name) as temporary:
            os.replace(aside / name, temporary)
    return names


def _row(content: SceneContent) -> dict[str, object]:
    record = content.record
    return {
        "clip_id": record.clip_id,
        "scene": record.name,
        "split": record.split,
        "frames": record.frames,
        "agents": len(content.agents),
    }
