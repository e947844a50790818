from __future__ import annotations

from pathlib import Path

from resources.schema_reference import reference

PAGE = Path(__file__).resolve().parents[2] / "docs" / "tables.md"


def test_the_page_lists_the_tables_as_they_are() -> None:
    assert PAGE.read_text() == reference(), "run: python -m resources.schema_reference > docs/tables.md"
