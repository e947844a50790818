from __future__ import annotations

import pytest

from coc_assets.showing.columns import column_lineage, column_schema, dataset_schema, description, sources_in_words
from coc_assets.showing.lineage import DATASET, SOURCES, column_sources
from coc_assets.stage import Stage
from coc_assets.stages import OPTIONAL_STAGES, STAGES
from resources import schemas

ALL = (*STAGES, *OPTIONAL_STAGES)
FREE_OF_SOURCES = {
    "mode", "camera", "labeler", "origin", "model", "prompt_version", "parameters", "attempts", "prompt_tokens",
    "cached_tokens", "completion_tokens", "reasoning_tokens", "cost_usd", "latency_s", "answered_at", "passes",
    "instrument", "version", "name", "policy_version",
}  # fmt: skip
"""Columns that settings, models or instruments fill."""


@pytest.mark.parametrize("stage", ALL, ids=lambda stage: stage.name)
def test_every_source_is_a_column_that_dagster_knows_of_an_upstream_asset(stage: Stage) -> None:
    known = {one.name: {column.name for column in column_schema(one).columns} for one in ALL}
    known[DATASET] = {column.name for column in dataset_schema().columns}
    upstream = _all_upstream(stage) | {DATASET}
    lineage = column_lineage(stage).deps_by_column
    assert lineage.keys() <= known[stage.name]
    for column, sources in lineage.items():
        for source in sources:
            asset = source.asset_key.to_user_string()
            assert asset in upstream and source.column_name in known[asset], f"{column} of {stage.name}"


@pytest.mark.parametrize("table", [table for stage in ALL for table in stage.tables], ids=lambda table: table.name)
def test_every_column_has_sources_or_is_known_to_have_none(table: schemas.Table) -> None:
    assert set(table.columns) - set(column_sources(table)) <= FREE_OF_SOURCES
    named = [column for columns in SOURCES[table.name] for column in columns.split()]
    assert len(named) == len(set(named)) and set(named) <= set(table.columns)


def test_derived_columns_name_what_they_are_made_of() -> None:
    acceleration = column_sources(schemas.TRAJECTORIES)["acceleration_mps2"]
    assert (DATASET, "egomotion.vx") in acceleration and (DATASET, "egomotion.timestamp") in acceleration
    action = column_sources(schemas.META_ACTION_SPANS)["action"]
    assert ("trajectory_cache", "trajectories.speed_mps") in action
    assert ("keyframe_segments", "t0_us") in column_sources(schemas.SEGMENTS)["frame_us"]


def test_sources_are_told_in_words_too() -> None:
    meta_actions = STAGES[1]
    rows = sources_in_words(meta_actions).splitlines()[2:]
    assert len(rows) == len(column_lineage(meta_actions).deps_by_column)
    assert "| `clip_id` | trajectory_cache: `trajectories.clip_id` |" in rows


def test_columns_of_every_table_are_told_with_units() -> None:
    columns = {column.name: column for column in column_schema(STAGES[0]).columns}
    assert columns["distance_m"].tags == {"unit": "m"}
    assert columns["trajectories.acceleration_mps2"].tags == {"unit": "m/s²"}
    assert columns["tracks.t_us"].tags == {"unit": "µs"}
    assert columns["rejects.reason"].tags == {}
    assert all(column.description for column in columns.values())


def test_the_description_tells_of_every_table() -> None:
    said = description(STAGES[0], "Ego states.")
    assert said.startswith("Ego states.\n")
    assert all(f"- `{name}`: " in said for name in ("clips", "trajectories", "tracks", "rejects"))


def _all_upstream(stage: Stage) -> set[str]:
    by_name = {one.name: one for one in ALL}
    return {*stage.upstream}.union(*(_all_upstream(by_name[name]) for name in stage.upstream))
