from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from resources import schemas
from resources.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def test_a_table_comes_back_with_its_chunk_and_types(store: Store) -> None:
    frame = schemas.rows_to_frame([{"clip_id": "a", "frames": 201, "mended": []}], schemas.CLIPS)
    store.write_table(frame, schemas.CLIPS, store.table_path(schemas.CLIPS, "0007"), "0007")
    read = store.read_table(schemas.CLIPS, "0007")
    assert read["chunk"].to_list() == ["0007"]
    assert read.schema == schemas.CLIPS.schema


def test_equal_frames_give_equal_bytes(store: Store) -> None:
    frame = schemas.rows_to_frame([{"clip_id": str(i), "frames": i} for i in range(1000)], schemas.CLIPS)
    paths = [store.root / name for name in ("a.parquet", "b.parquet")]
    for path in paths:
        store.write_table(frame, schemas.CLIPS, path, "0000")
    assert paths[0].read_bytes() == paths[1].read_bytes()


def test_a_failed_write_leaves_the_old_file_and_no_temporary(store: Store) -> None:
    path = store.root / "x" / "file"
    store.write_bytes(path, b"old")
    with pytest.raises(RuntimeError), store.publish(path) as temporary:
        temporary.write_bytes(b"half")
        raise RuntimeError
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in path.parent.iterdir()] == ["file"]


def test_sweep_removes_what_a_killed_writer_left_and_nothing_else(store: Store) -> None:
    store.write_bytes(store.root / "p" / "whole", b"1")
    (store.root / "p" / ".tmp-99-half").write_bytes(b"2")
    store.sweep(store.root / "p")
    assert [entry.name for entry in (store.root / "p").iterdir()] == ["whole"]


def test_keep_only_drops_files_of_an_earlier_plan_but_not_the_receipt(store: Store) -> None:
    for name in ("kept", "dropped", "receipt.json", "deep/dropped"):
        store.write_bytes(store.root / "p" / name, b"1")
    store.keep_only(store.root / "p", ["kept"])
    assert sorted(entry.name for entry in (store.root / "p").rglob("*")) == ["kept", "receipt.json"]


def test_keep_only_never_drops_what_was_paid_for(store: Store) -> None:
    journal = store.journal_path("0000", "gpt5.5")
    store.write_bytes(journal, b"{}")
    store.keep_only(journal.parent, [])
    assert journal.read_bytes() == b"{}"


def test_journals_are_no_labelers(store: Store) -> None:
    journal = store.journal_path("0000", "gpt5.5")
    store.write_bytes(journal, b"{}")
    assert store.relative(journal) == "raw_coc/chunk=0000/labeler=gpt5.5.journal.jsonl"
    assert store.labelers("0000") == []
    assert store.read_labels("0000").is_empty()


def test_labels_lie_in_one_file_a_labeler(store: Store) -> None:
    for labeler in ("rules", "qwen"):
        frame = schemas.rows_to_frame([{"label_id": labeler, "labeler": labeler}], schemas.RAW_COC)
        store.write_table(frame, schemas.RAW_COC, store.table_path(schemas.RAW_COC, "0000", labeler=labeler), "0000")
    assert store.labelers("0000") == ["qwen", "rules"]
    assert store.read_labels("0000")["label_id"].to_list() == ["qwen", "rules"]
    assert store.read_labels("0001").equals(pl.DataFrame(schema=schemas.RAW_COC.schema))
