from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from coc_assets.prompt.session import COMMANDS, Leave, Session
from resources import schemas
from resources.sql import VIEWS, QueryError
from resources.store import Store


class Shown:
    """A session, and what it showed and said."""

    def __init__(self, root: Path) -> None:
        self.rows: list[tuple[pl.DataFrame, str]] = []
        self.notes: list[str] = []
        self.session = Session(Store(root), lambda rows, form: self.rows.append((rows, form)), self.notes.append)

    def last(self, text: str) -> list[tuple[object, ...]]:
        self.session.run(text)
        return self.rows[-1][0].rows()


@pytest.fixture
def shown(tmp_path: Path) -> Shown:
    (tmp_path / "store").mkdir()
    return Shown(tmp_path / "store")


def test_every_statement_of_the_text_is_run_and_the_last_needs_no_semicolon(shown: Shown) -> None:
    shown.session.run("SELECT 1; SELECT ';' -- two\n; SELECT 3")
    assert [rows.rows() for rows, _ in shown.rows] == [[(1,)], [(";",)], [(3,)]]


def test_files_that_appear_meanwhile_are_seen(shown: Shown) -> None:
    assert shown.last("SELECT count(*) FROM clips") == [(0,)]
    store = shown.session.store
    for chunk in ("0000", "0001"):
        frame = schemas.rows_to_frame([{"clip_id": chunk}], schemas.CLIPS)
        store.write_table(frame, schemas.CLIPS, store.table_path(schemas.CLIPS, chunk), chunk)
        assert shown.last("SELECT max(chunk) FROM clips") == [(chunk,)]


def test_long_results_are_cut_with_a_count(shown: Shown) -> None:
    assert len(shown.last("SELECT * FROM range(123456)")) == 100
    assert "the first 100 of 123,456 rows" in shown.notes[-1]
    shown.session.run(".rows 7")
    assert shown.last("SELECT * FROM range(8)") == [(n,) for n in range(7)]
    shown.session.run(".rows all")
    assert len(shown.last("SELECT * FROM range(101)")) == 101
    assert shown.notes[-1] == "101 rows"


def test_what_is_refused_leaves_the_session_as_it_was(shown: Shown) -> None:
    for text, message in (
        ("DROP VIEW clips;", "exactly one SELECT"),
        ("SELECT x FROM clips", "x"),
        (".format parquet", "table, csv, json"),
        (".rows -1", "1 or more, or all"),
        (".schema clip", "Did you mean clips"),
        (".tabels", "Did you mean .tables"),
        (".nothing_like_it", "There are: .tables"),
    ):
        with pytest.raises(QueryError, match=message):
            shown.session.run(text)
    assert (shown.session.form, shown.session.most) == ("table", 100)
    assert shown.last("SELECT 1") == [(1,)]


def test_meta_commands(shown: Shown) -> None:
    assert [row[0] for row in shown.last(".tables")] == [table.name for table in VIEWS]
    schema = shown.last(".schema CLIPS;")
    assert schema[0] == ("chunk", "VARCHAR", "clip chunk, four digits: the partition")
    assert [row[0] for row in schema] == list(schemas.CLIPS.columns)
    shown.session.run(".format csv")
    shown.session.run("SELECT 1")
    assert shown.rows[-1][1] == "csv"
    shown.session.run(".help")
    assert all(any(note.startswith(name) for note in shown.notes) for name in COMMANDS)


@pytest.mark.parametrize("text", [".quit", "exit", "QUIT;", "\\q"])
def test_leaving(shown: Shown, text: str) -> None:
    with pytest.raises(Leave):
        shown.session.run(text)
