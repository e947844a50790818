from __future__ import annotations

import pytest

from coc_assets.prompt.statements import is_blank, is_open, split_statements


@pytest.mark.parametrize(
    ("text", "statements", "rest"),
    [
        ("SELECT 1", [], "SELECT 1"),
        ("SELECT 1;\nSELECT 2; SELECT", ["SELECT 1", "SELECT 2"], " SELECT"),
        ("SELECT ';''; ' || \"a;\"\"b\";", ["SELECT ';''; ' || \"a;\"\"b\""], ""),
        ("SELECT 1 -- not; here\n;", ["SELECT 1 -- not; here"], ""),
        ("SELECT /* a; b */ 1;", ["SELECT /* a; b */ 1"], ""),
        ("SELECT $$ a;b $$, $t$ $$; $t$;", ["SELECT $$ a;b $$, $t$ $$; $t$"], ""),
        (r"SELECT E'it\'s; so';", [r"SELECT E'it\'s; so'"], ""),
        (";; -- nothing\n;", [], ""),
        ("SELECT 'open; ", [], "SELECT 'open; "),
    ],
)
def test_only_a_semicolon_of_its_own_ends_a_statement(text: str, statements: list[str], rest: str) -> None:
    assert split_statements(text) == (statements, rest)


@pytest.mark.parametrize("text", ["", " \n", "-- a remark", "/* a\n remark */ -- and one more"])
def test_remarks_are_no_statement(text: str) -> None:
    assert is_blank(text)
    assert not is_blank(f"{text}\nSELECT 1")


@pytest.mark.parametrize("text", ["SELECT 'a", 'SELECT "a', "SELECT 1 -- a", "SELECT /* a", "SELECT $$ a"])
def test_strings_and_remarks_that_go_on_are_open(text: str) -> None:
    assert is_open(text)
    assert not is_open("SELECT 'a', \"b\" /* c */ FROM d")
