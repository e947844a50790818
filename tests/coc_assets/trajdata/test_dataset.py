from __future__ import annotations

import numpy as np
import pytest
import trajdata.dataset
from trajdata.data_structures import AgentType
from trajdata.data_structures.data_index import DataIndex
from trajdata.utils import env_utils

from coc_assets.trajdata import ChunkDataset
from coc_assets.trajdata.dataset import AGENT_TYPES, is_environment, scene_name, split_tag


@pytest.mark.parametrize(
    ("clip_id", "name"),
    [("2516ac85-e2eb-45e3", "2516ac85_e2eb_45e3"), ("a/../b", "a____b"), ("plain_7", "plain_7")],
)
def test_scene_names_can_be_folders_and_hold_no_dash(clip_id: str, name: str) -> None:
    assert scene_name(clip_id) == name


@pytest.mark.parametrize(
    ("split", "tag"), [("train", "train"), ("val", "val"), ("test", "test"), (None, "other"), ("test-2", "other")]
)
def test_every_split_has_a_tag_without_a_dash(split: str | None, tag: str) -> None:
    assert split_tag(split) == tag


@pytest.mark.parametrize(
    ("name", "ours"), [("chunk=0000", True), ("chunk=3149", True), ("chunk=12345", False), ("nusc_mini", False)]
)
def test_only_chunks_are_opened_by_us(name: str, ours: bool) -> None:
    assert is_environment(name) is ours


def test_trajdata_opens_our_chunks_and_what_it_knew_before() -> None:
    assert isinstance(env_utils.get_raw_dataset("chunk=0000", "store"), ChunkDataset)
    assert type(env_utils.get_raw_dataset("eupeds_eth", "nowhere")).__name__ == "EUPedsDataset"
    with pytest.raises(ValueError, match="'pandaset' is not supported"):
        env_utils.get_raw_dataset("pandaset", "")


def test_the_split_map_stays_empty_because_it_goes_into_every_scene() -> None:
    assert ChunkDataset("chunk=0000", "store").metadata.scene_split_map == {}


@pytest.mark.parametrize(
    ("query", "tags"), [("pai", 4), ("pai-train", 1), ("chunk=0000-val", 1), ("chunk=0001", 0), ("pai-night", 0)]
)
def test_scene_tags_name_the_dataset_the_chunk_and_the_split(query: str, tags: int) -> None:
    assert len(ChunkDataset("chunk=0000", "store").get_matching_scene_tags(set(query.split("-")))) == tags


def test_a_rider_is_on_a_bicycle_and_an_animal_is_unknown() -> None:
    assert AGENT_TYPES["rider"] is AgentType.BICYCLE
    assert "animal" not in AGENT_TYPES


def test_only_the_two_modules_that_need_it_have_the_dropped_numpy_name() -> None:
    assert DataIndex([("a", 2, np.arange(2)), ("b", 1, np.arange(1))])[2] == ("b", 1, 0)
    assert not hasattr(np, "string_")
    assert trajdata.dataset.np is trajdata.utils.arr_utils.np is np
