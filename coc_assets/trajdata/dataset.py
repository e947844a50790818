"""A chunk as trajdata sees it: an environment `chunk=NNNN`, a scene a clip, scene steps that are our frames.

Environments carry the tags `pai` and the clip's split, so that `pai-train` means the training clips of every chunk.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from trajdata.caching import EnvCache, SceneCache
from trajdata.data_structures import AgentMetadata, AgentType, EnvMetadata, FixedExtent, Scene, SceneMetadata, SceneTag
from trajdata.dataset_specific import RawDataset

from coc_assets.sources.egomotion import FRAME_S
from coc_assets.trajdata.agents import EGO, STATE_COLUMNS, ClipAgent

PAI = "pai"
SPLITS = ("train", "val", "test")
OTHER_SPLIT = "other"  # clips that the index gives no split, or one of another name
_ENVIRONMENT = re.compile(r"chunk=\d{4}")
_NO_MAP = "none"

AGENT_TYPES = {
    "automobile": AgentType.VEHICLE,
    "other_vehicle": AgentType.VEHICLE,
    "trailer": AgentType.VEHICLE,
    "person": AgentType.PEDESTRIAN,
    "stroller": AgentType.PEDESTRIAN,
    "rider": AgentType.BICYCLE,
}
"""Classes that trajdata has a type for; protruding objects, animals and unknown classes are `UNKNOWN`."""


class SceneRecord(NamedTuple):
    """A clip in its chunk's list of scenes."""

    name: str
    clip_id: str
    split: str
    frames: int
    data_idx: int


@dataclass(frozen=True)
class SceneContent:
    """A scene that is to be written."""

    record: SceneRecord
    agents: list[ClipAgent]


def is_environment(name: str) -> bool:
    """Whether trajdata's dataset name means a chunk of ours."""
    return _ENVIRONMENT.fullmatch(name) is not None


def scene_name(clip_id: str) -> str:
    """The clip's name in trajdata, which splits names at `-` and makes folders of them."""
    return re.sub(r"\W", "_", clip_id, flags=re.ASCII)


def split_tag(split: str | None) -> str:
    return split if split in SPLITS else OTHER_SPLIT


class ChunkDataset(RawDataset):
    """The clips of one chunk; it opens the cache that `trajdata_cache` made and never makes one while reading."""

    dataset_obj: dict[str, SceneContent] | None

    def __init__(self, env_name: str, data_dir: str) -> None:
        super().__init__(env_name, data_dir, parallelizable=False, has_maps=False)

    def compute_metadata(self, env_name: str, data_dir: str) -> EnvMetadata:
        tags: list[tuple[str, ...]] = [(PAI,), (*SPLITS, OTHER_SPLIT)]
        return EnvMetadata(env_name, data_dir, FRAME_S, parts=tags, scene_split_map={})

    def load_dataset_obj(self, verbose: bool = False) -> None:
        """Reached where trajdata misses something in the cache, or was asked to rebuild it.

        Raises:
            FileNotFoundError: always; it names the command that makes the chunk's cache.
        """
        chunk = int(self.name.removeprefix("chunk="))
        raise FileNotFoundError(
            f"The cache of {self.name} is not whole, or was asked to be rebuilt, which only `coc run` does: "
            f"coc run --store {self.metadata.data_dir} --chunks {chunk} --select trajdata_cache --force. "
            "Where it is made, cache_location must be the store's trajdata_cache folder."
        )

    def _get_matching_scenes_from_cache(
        self, scene_tag: SceneTag, scene_desc_contains: list[str] | None, env_cache: EnvCache
    ) -> list[Scene]:
        records: list[SceneRecord] = env_cache.load_env_scenes_list(self.name)
        return [
            _scene(self.metadata, record)
            for record in records
            if record.split in scene_tag and _is_described(record, scene_desc_contains)
        ]

    def get_scene(self, scene_info: SceneMetadata) -> Scene:
        return _scene(_portable(self.metadata), self._content(scene_info.name).record)

    def get_agent_info(
        self, scene: Scene, cache_path: Path, cache_class: type[SceneCache]
    ) -> tuple[list[AgentMetadata], list[list[AgentMetadata]]]:
        agents = self._content(scene.name).agents
        cache_class.save_agent_data(state_frame(agents), cache_path, scene)
        described = [_described(agent) for agent in agents]
        presence = [
            [agent for agent in described if agent.first_timestep <= frame <= agent.last_timestep]
            for frame in range(scene.length_timesteps)
        ]
        return described, presence

    def cache_maps(self, cache_path: Path, map_cache_class: type[SceneCache], map_params: dict[str, Any]) -> None:
        """The dataset has no maps."""

    def _content(self, name: str) -> SceneContent:
        assert self.dataset_obj is not None, "only the writer reads scenes, and it sets them"
        return self.dataset_obj[name]


def state_frame(agents: list[ClipAgent]) -> pd.DataFrame:
    """States of all agents, float64, indexed by (agent_id, scene_ts): the content of trajdata's feather file."""
    states = pd.DataFrame(np.concatenate([agent.states for agent in agents]), columns=list(STATE_COLUMNS))
    states["agent_id"] = np.repeat([agent.name for agent in agents], [len(agent.states) for agent in agents])
    states["scene_ts"] = np.concatenate([np.arange(agent.first_frame, agent.last_frame + 1) for agent in agents])
    return states.set_index(["agent_id", "scene_ts"])


def _described(agent: ClipAgent) -> AgentMetadata:
    kind = AgentType.VEHICLE if agent.name == EGO else AGENT_TYPES.get(agent.label_class or "", AgentType.UNKNOWN)
    return AgentMetadata(agent.name, kind, agent.first_frame, agent.last_frame, FixedExtent(*agent.size_m))


def _scene(metadata: EnvMetadata, record: SceneRecord) -> Scene:
    return Scene(
        metadata,
        record.name,
        location=_NO_MAP,
        data_split=record.split,
        length_timesteps=record.frames,
        raw_data_idx=record.data_idx,
        data_access_info=record.clip_id,
        description=record.clip_id,
    )


def _portable(metadata: EnvMetadata) -> EnvMetadata:
    """The metadata without absolute paths and sets of text: pickled into each scene, they would differ by machine."""
    portable = EnvMetadata(metadata.name, "", metadata.dt, parts=[], scene_split_map={})
    portable.data_dir = Path()
    return portable


def _is_described(record: SceneRecord, contains: list[str] | None) -> bool:
    return contains is None or any(text in record.clip_id.lower() for text in contains)
