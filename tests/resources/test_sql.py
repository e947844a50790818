from __future__ import annotations

from pathlib import Path

import pytest

from resources import schemas
from resources.sql import VIEWS, QueryError, query
from resources.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    made = Store(tmp_path / "it's a store")
    for chunk in ("0000", "0012"):
        frame = schemas.rows_to_frame([{"clip_id": f"clip-{chunk}", "frames": 201, "mended": ["x"]}], schemas.CLIPS)
        made.write_table(frame, schemas.CLIPS, made.table_path(schemas.CLIPS, chunk), chunk)
    return made


def test_chunk_keeps_its_leading_zeros(store: Store) -> None:
    assert query(store, "SELECT chunk FROM clips ORDER BY 1")["chunk"].to_list() == ["0000", "0012"]


def test_every_table_is_a_view_with_its_columns_even_without_files(store: Store) -> None:
    for table in VIEWS:
        assert query(store, f'SELECT * FROM "{table.name}" LIMIT 0').columns == list(table.columns)


def test_rejects_of_every_asset_are_one_view(store: Store) -> None:
    for asset in ("trajectory_cache", "clip_videos"):
        frame = schemas.reject_rows([{"stage": asset, "reason": "r"}])
        path = store.table_path(schemas.REJECTS, "0000", asset=asset)
        store.write_table(frame, schemas.REJECTS, path, "0000")
    assert query(store, "SELECT stage FROM rejects ORDER BY 1")["stage"].to_list() == [
        "clip_videos",
        "trajectory_cache",
    ]


def test_labels_of_every_labeler_are_one_view(store: Store) -> None:
    for labeler in ("rules", "qwen"):
        frame = schemas.rows_to_frame([{"label_id": labeler, "labeler": labeler, "components": []}], schemas.RAW_COC)
        store.write_table(frame, schemas.RAW_COC, store.table_path(schemas.RAW_COC, "0000", labeler=labeler), "0000")
    assert query(store, "SELECT labeler FROM raw_coc ORDER BY 1")["labeler"].to_list() == ["qwen", "rules"]


def test_columns_that_older_files_lack_are_null(store: Store) -> None:
    frame = schemas.conform(schemas.empty(schemas.KEYFRAMES), schemas.KEYFRAMES).drop("trainable")
    path = store.table_path(schemas.KEYFRAMES, "0000")
    path.parent.mkdir(parents=True)
    frame.write_parquet(path)
    assert "trainable" in query(store, "SELECT * FROM keyframes").columns


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 1; SELECT 2",
        "CREATE TABLE t (a INT)",
        "COPY clips TO 'out.csv'",
        "INSTALL httpfs",
        "SET threads = 1",
        "ATTACH 'other.db'",
        "DROP VIEW clips",
        "",
    ],
)
def test_anything_but_one_select_is_refused(store: Store, sql: str) -> None:
    with pytest.raises(QueryError, match="exactly one SELECT"):
        query(store, sql)


def test_files_outside_the_store_cannot_be_read(store: Store, tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text("key")
    with pytest.raises(QueryError, match="Permission Error"):
        query(store, f"SELECT * FROM read_text('{tmp_path}/secret.txt')")


def test_an_unknown_table_is_answered_with_the_views(store: Store) -> None:
    with pytest.raises(QueryError, match="Views: clips, trajectories"):
        query(store, "SELECT * FROM clip")
