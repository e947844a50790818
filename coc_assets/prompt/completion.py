"""What could be typed next in a SELECT over the store's views."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from coc_assets.prompt.session import COMMANDS, FORMS
from coc_assets.prompt.statements import is_open, split_statements
from resources import schemas
from resources.sql import VIEWS, duckdb_type, function_names

_KEYWORDS = """
    SELECT FROM WHERE GROUP BY ORDER HAVING QUALIFY LIMIT OFFSET WITH RECURSIVE AS DISTINCT ALL JOIN LEFT
    RIGHT FULL INNER CROSS ANTI SEMI ASOF ON USING UNION INTERSECT EXCEPT EXCLUDE REPLACE CASE WHEN THEN ELSE
    END AND OR NOT IN IS NULL LIKE ILIKE BETWEEN EXISTS ASC DESC NULLS FIRST LAST OVER PARTITION ROWS RANGE
    FILTER WINDOW UNNEST LATERAL CAST TRUE FALSE INTERVAL VALUES PIVOT UNPIVOT DESCRIBE SUMMARIZE SHOW TABLES
"""
KEYWORDS = tuple(_KEYWORDS.split())
_WORD = re.compile(r"(?:(?P<owner>\w+)\.)?(?P<word>\w*)\Z")
_AFTER_FROM = re.compile(
    r"\b(?:from|join|describe|summarize)\s+(?:\w+(?:\s+(?:as\s+)?\w+)?\s*,\s*)*\w*\Z", re.IGNORECASE
)
_SOURCE = re.compile(r'(?:\b(?:from|join)\s+|,\s*)"?(?P<view>\w+)"?(?:\s+(?:as\s+)?(?P<alias>\w+))?', re.IGNORECASE)
_LAST_WORD = re.compile(r"\w*\Z")
_LAST_ARGUMENT = re.compile(r"\S*\Z")
_LEAST_LETTERS = 2  # before functions, and columns of views that the query does not name, are offered


@dataclass(frozen=True)
class Candidate:
    """One thing to type.

    Attributes:
        text: what is put in place of the word. about: a word on it, for people.
    """

    text: str
    about: str


def last_word(before: str) -> str:
    """What a candidate replaces: the letters just before the cursor."""
    pattern = _LAST_ARGUMENT if before.startswith(".") else _LAST_WORD
    return before[pattern.search(before).start() :]  # type: ignore[union-attr]  # both match the empty end


class Vocabulary:
    """Views with their columns, keywords and functions."""

    def __init__(self, views: tuple[schemas.Table, ...] = VIEWS) -> None:
        self.views: Mapping[str, schemas.Table] = {table.name: table for table in views}

    @cached_property
    def functions(self) -> tuple[str, ...]:
        return function_names()

    def candidates(self, before: str, after: str = "") -> list[Candidate]:
        """What could stand in place of the last word, best first, each once.

        Args:
            before: the text up to the cursor. after: from there on; views that it names count as well.
        """
        return self._of_command(before) if before.startswith(".") else self._of_sql(before, after)

    def _of_command(self, before: str) -> list[Candidate]:
        """Meta commands, or what the one at hand takes."""
        name, blank, argument = before.partition(" ")
        if not blank:
            return [Candidate(known, it.about) for known, it in COMMANDS.items() if known.startswith(name)]
        takes = {".schema": self._views(), ".format": (Candidate(form, "format") for form in FORMS)}
        return [it for it in takes.get(name, ()) if it.text.startswith(argument)]

    def _of_sql(self, before: str, after: str) -> list[Candidate]:
        _, statement = split_statements(before)
        if is_open(statement):
            return []
        found = _WORD.search(statement)
        word = found["word"] if found else ""
        offered: Iterable[Candidate]
        if found and found["owner"]:
            offered = self._of_owner(found["owner"], statement + after)
        else:
            offered = self._views() if _AFTER_FROM.search(statement) else self._anything(word, statement + after)
        fitting = {it.text: it for it in offered if it.text.lower().startswith(word.lower())}
        return list(fitting.values())

    def _of_owner(self, owner: str, statement: str) -> list[Candidate]:
        view = self._sources(statement).get(owner.lower())
        return list(_columns(view)) if view else []

    def _anything(self, word: str, statement: str) -> Iterator[Candidate]:
        sources = dict.fromkeys(table.name for table in self._sources(statement).values())
        for name in sources:
            yield from _columns(self.views[name])
        if word and not word.islower():
            yield from _keywords(KEYWORDS)
        elif word:
            yield from _keywords(tuple(keyword.lower() for keyword in KEYWORDS))
        if len(word) >= _LEAST_LETTERS:
            yield from (Candidate(f"{name}(", "function") for name in self.functions)
            if not sources:
                for table in self.views.values():
                    yield from _columns(table)

    def _views(self) -> Iterator[Candidate]:
        return (Candidate(table.name, table.about) for table in self.views.values())

    def _sources(self, statement: str) -> dict[str, schemas.Table]:
        """Views that the statement reads, by name and by alias, in its order."""
        found: dict[str, schemas.Table] = {}
        for source in _SOURCE.finditer(statement):
            table = self.views.get(source["view"].lower())
            if table:
                found[table.name] = table
                if source["alias"] and source["alias"].upper() not in KEYWORDS:
                    found[source["alias"].lower()] = table
        return found


def _columns(table: schemas.Table) -> Iterator[Candidate]:
    for name, column in table.columns.items():
        yield Candidate(name, f"{table.name}: {column.about} ({duckdb_type(column.dtype)})")


def _keywords(words: tuple[str, ...]) -> Iterator[Candidate]:
    return (Candidate(word, "keyword") for word in words)
