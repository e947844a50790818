from __future__ import annotations

import pytest

from coc_assets.prompt.completion import Vocabulary, last_word
from resources import schemas
from resources.sql import VIEWS

VOCABULARY = Vocabulary()


def texts(before: str, after: str = "") -> list[str]:
    return [candidate.text for candidate in VOCABULARY.candidates(before, after)]


@pytest.mark.parametrize("before", ["SELECT * FROM ", "SELECT * FROM clips JOIN ", "FROM clips c, ", "DESCRIBE "])
def test_views_follow_from_and_join(before: str) -> None:
    assert texts(before) == [table.name for table in VIEWS]


def test_columns_are_those_of_the_views_in_the_from_which_may_stand_behind_the_cursor() -> None:
    offered = texts("SELECT ", " FROM clips")
    assert offered == list(schemas.CLIPS.columns)
    assert "longitudinal_decision" in texts("SELECT * FROM clips, raw_coc WHERE lon")
    assert "longitudinal_decision" not in texts("SELECT * FROM clips WHERE lon")


def test_an_alias_stands_for_its_view_and_where_is_no_alias() -> None:
    sql = "SELECT * FROM raw_coc r JOIN filtered_coc AS f USING (label_id) WHERE "
    assert texts(f"{sql}f.") == list(schemas.VERDICTS.columns)
    assert texts(f"{sql}r.tra") == ["trace"]
    assert texts(f"{sql}x.") == []
    assert texts("SELECT * FROM clips WHERE where.") == []


def test_keywords_come_as_they_are_begun_and_functions_with_their_bracket() -> None:
    assert "SELECT" in texts("SEL")
    assert "select" in texts("sel")
    assert "quantile_cont(" in texts("SELECT quan")
    assert not [text for text in texts("SELECT p") if text.startswith("pg_")]


def test_columns_of_every_view_are_offered_until_one_is_named() -> None:
    assert "mean_speed_mps" in texts("SELECT mean_s")


def test_nothing_is_offered_inside_strings_and_remarks() -> None:
    assert texts("SELECT * FROM clips WHERE split = 'tr") == []
    assert texts("SELECT 1 -- cl") == []


def test_a_statement_before_does_not_count() -> None:
    assert "trace" not in texts("SELECT * FROM raw_coc; SELECT ", " FROM clips")


@pytest.mark.parametrize(
    ("before", "offered", "word"),
    [
        (".sch", [".schema"], ".sch"),
        (".schema rev", ["reviews"], "rev"),
        (".format c", ["csv"], "c"),
        (".quit ", [], ""),
    ],
)
def test_meta_commands_and_what_they_take(before: str, offered: list[str], word: str) -> None:
    assert texts(before) == offered
    assert last_word(before) == word
