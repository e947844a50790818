from __future__ import annotations

import os
import signal
import threading
from pathlib import Path

import pytest

from resources import schemas
from resources import sql as sql_module
from resources.journal import BatchEvent, Entry, JournalWriter
from resources.sql import VIEWS, QueryError, answer, query
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


ENTRY = Entry(key="a", keyframe_id="k-01000000", step="see", outcome="answered", text='{"a": 1}\n', cost_usd=0.25)


def write_journal(store: Store, chunk: str, labeler: str, *lines: Entry | BatchEvent) -> Path:
    path = store.journal_path(chunk, labeler)
    with JournalWriter.open(path) as journal:
        journal.append_now(lines)
    return path


def test_requests_are_the_lines_of_every_journal_with_their_chunk_and_labeler(store: Store) -> None:
    again = ENTRY.model_copy(update={"prompt_tokens": 4_000_000_000, "answered_at": "2026-01-31T10:00:00+00:00"})
    write_journal(store, "0007", "qwen3.5_35b", ENTRY, again)
    write_journal(store, "0012", "it's, mine", ENTRY)
    rows = query(store, "SELECT * FROM requests ORDER BY chunk, prompt_tokens NULLS FIRST")
    assert rows.schema == schemas.REQUESTS.schema
    assert rows.to_dicts() == [
        {"chunk": "0007", "labeler": "qwen3.5_35b"} | ENTRY.model_dump(),
        {"chunk": "0007", "labeler": "qwen3.5_35b"} | again.model_dump(),
        {"chunk": "0012", "labeler": "it's, mine"} | ENTRY.model_dump(),
    ]


@pytest.mark.parametrize(
    "damage",
    [
        b'{"key":"b","outc',
        b'{"key":"b","text":"\xc3',
        b"\0" * 4096,
        b"[1]",
        b'{"event":"party","key":"b"}',
        b"\n\n",
        b"",
    ],
)
def test_events_and_what_a_killed_writer_tore_are_no_requests(store: Store, damage: bytes) -> None:
    path = write_journal(store, "0000", "gpt5", BatchEvent(batch_id="b", keys=("a",), state="sent"), ENTRY)
    whole = path.read_bytes()
    for data, read in ((whole + damage, ["a"]), (whole + damage + b"\n" + whole, ["a", "a"]), (damage, [])):
        path.write_bytes(data)
        assert query(store, "SELECT key FROM requests")["key"].to_list() == read


def test_a_journal_beside_the_labels_is_no_file_of_labels(store: Store) -> None:
    write_journal(store, "0000", "gpt5", ENTRY)
    assert query(store, "SELECT * FROM raw_coc").is_empty()


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


def test_columns_that_a_join_gives_twice_are_numbered(store: Store) -> None:
    joined = query(store, "SELECT 1 AS a, 2 AS a, 3 AS a_1, 4 AS a")
    assert joined.rows() == [(1, 2, 3, 4)]
    assert joined.columns == ["a", "a_2", "a_1", "a_3"]


def test_measurements_of_labels_and_of_the_set_are_one_view(store: Store) -> None:
    for table, instrument in ((schemas.MEASUREMENTS, "text"), (schemas.SET_MEASUREMENTS, "human_review")):
        frame = schemas.rows_to_frame([{"label_id": "a", "instrument": instrument}], table)
        store.write_table(frame, table, store.table_path(table, "0012"), "0012")
    rows = query(store, "SELECT chunk, instrument FROM measurements ORDER BY 2").rows()
    assert rows == [("0012", "human_review"), ("0012", "text")]


def test_requests_of_a_judge_are_in_the_view_too(store: Store) -> None:
    judged = ENTRY.model_copy(update={"label_id": "0a", "step": "evidence"})
    with JournalWriter.open(store.judge_journal_path("0012", "gpt5.5")) as journal:
        journal.append_now([judged])
    write_journal(store, "0007", "qwen3.5_35b", ENTRY)
    rows = query(store, "SELECT chunk, labeler, step, label_id FROM requests ORDER BY chunk").rows()
    assert rows == [("0007", "qwen3.5_35b", "see", None), ("0012", "gpt5.5", "evidence", "0a")]


def test_the_first_rows_come_with_the_number_of_all(store: Store) -> None:
    answered = answer(store, "SELECT * FROM range(25000) t(n) ORDER BY n", most=3)
    assert (answered.rows["n"].to_list(), answered.total) == ([0, 1, 2], 25000)
    assert answer(store, "SELECT * FROM clips WHERE false", most=3).rows.columns == list(schemas.CLIPS.columns)


@pytest.mark.parametrize(
    ("sql", "names"),
    [
        ("SELECT * FROM Clips JOIN raw_coc USING (chunk)", ["clips", "raw_coc"]),
        ("SHOW TABLES", [table.name for table in VIEWS]),
        ("SELECT 1", [table.name for table in VIEWS]),
        ("SELECT * FROM duckdb_views() WHERE view_name <> 'clips'", [table.name for table in VIEWS]),
    ],
)
def test_only_views_that_a_query_may_look_at_are_made(sql: str, names: list[str]) -> None:
    assert [table.name for table in sql_module._named_views(sql)] == names


def test_an_error_in_the_middle_of_the_rows_is_one_of_the_query(store: Store) -> None:
    with pytest.raises(QueryError, match="bad"):
        query(store, "SELECT CAST(CASE WHEN n = 20000 THEN 'bad' ELSE '1' END AS INT) FROM range(30000) t(n)")


def test_ctrl_c_stops_a_query_at_work() -> None:
    told = threading.Event()

    def work() -> None:
        os.kill(os.getpid(), signal.SIGINT)
        assert told.wait(60)

    with pytest.raises(KeyboardInterrupt):
        sql_module._interruptible(work, told.set)
    assert told.is_set()
