from __future__ import annotations

import polars as pl
import pytest

from resources import schemas


def test_every_table_has_a_chunk_column_first_and_its_key_among_its_columns() -> None:
    for table in (*schemas.DATA_TABLES, schemas.REJECTS, schemas.REQUESTS):
        assert next(iter(table.columns)) == "chunk"
        assert set(table.key) <= set(table.columns), table.name
        assert all(column.about for column in table.columns.values())


def test_conform_orders_types_and_fills() -> None:
    frame = pl.DataFrame({"frame": [3], "clip_id": ["a"]})
    whole = schemas.conform(frame, schemas.TRAJECTORIES)
    assert whole.schema == schemas.TRAJECTORIES.schema
    assert whole["frame"].to_list() == [3]
    assert whole["x_m"].to_list() == [None]


def test_conform_names_a_column_that_the_table_does_not_know() -> None:
    with pytest.raises(ValueError, match=r"'clips' has no columns \['colour'\]"):
        schemas.conform(pl.DataFrame({"colour": ["red"]}), schemas.CLIPS)


def test_empty_list_columns_keep_their_struct_type() -> None:
    row = schemas.rows_to_frame([{"label_id": "a", "components": []}], schemas.RAW_COC)
    assert row.schema["components"] == pl.List(schemas.COMPONENT)


def test_vocabularies_of_meta_actions_are_disjoint() -> None:
    groups = (schemas.LONGITUDINAL_ACTIONS, schemas.LATERAL_ACTIONS, schemas.LANE_ACTIONS)
    assert len(schemas.META_ACTIONS) == sum(map(len, groups)) == len(set().union(*groups))
