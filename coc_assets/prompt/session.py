"""A session of `coc sql`: statements and meta commands, one after the other, over one store."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import polars as pl

from coc_assets.prompt.statements import is_blank, split_statements
from resources.sql import VIEWS, QueryError, answer, duckdb_type
from resources.store import Store

FORMS = ("table", "csv", "json")
"""Formats that several results may follow each other in."""
MOST_ROWS = 100
_SPOKEN = {"exit": ".quit", "quit": ".quit", "\\q": ".quit", "help": ".help", "?": ".help", "\\d": ".tables"}
"""What people type who come from other prompts."""


class Leave(Exception):
    """The user wants to go."""


@dataclass
class Session:
    """What the user has set, and where things are shown.

    Attributes:
        show: shows rows in a format. note: says something beside them.
        form: format of rows. most: rows shown of a result; None shows all.
    """

    store: Store
    show: Callable[[pl.DataFrame, str], None]
    note: Callable[[str], None]
    form: str = "table"
    most: int | None = MOST_ROWS

    def run(self, text: str) -> None:
        """Runs a meta command, or every statement of the text; the last one needs no semicolon.

        Raises:
            QueryError: something cannot be run; what comes after it is not.
            Leave: the user wants to go.
        """
        said = text.strip().removesuffix(";").strip()
        command = _SPOKEN.get(said.lower(), said)
        if command.startswith("."):
            self._command(command)
            return
        statements, rest = split_statements(text)
        for statement in [*statements, *([] if is_blank(rest) else [rest])]:
            self._select(statement)

    def _select(self, sql: str) -> None:
        answered = answer(self.store, sql, self.most)
        self.show(answered.rows, self.form)
        if answered.total > answered.rows.height:
            self.note(f"the first {answered.rows.height} of {answered.total:,} rows; .rows all shows every one")
        elif self.form == "table":
            self.note(f"{answered.total} row{'' if answered.total == 1 else 's'}")

    def _command(self, text: str) -> None:
        name, _, argument = text.partition(" ")
        if name not in COMMANDS:
            raise QueryError(f"There is no {name}. {_one_of(name, tuple(COMMANDS))}")
        COMMANDS[name].run(self, argument.strip())


@dataclass(frozen=True)
class Command:
    """A meta command.

    Attributes:
        takes: its argument, for people. about: what it does.
    """

    takes: str
    about: str
    run: Callable[[Session, str], None]


def is_command(text: str) -> bool:
    """Whether the text is a meta command, which ends with its line."""
    return text.lstrip().startswith(".") or text.strip().lower() in _SPOKEN


def _tables(session: Session, _: str) -> None:
    views = [{"view": table.name, "asset": table.asset or "every asset", "rows": table.about} for table in VIEWS]
    session.show(pl.DataFrame(views), session.form)


def _schema(session: Session, name: str) -> None:
    table = next((table for table in VIEWS if table.name == name.lower()), None)
    if table is None:
        raise QueryError(f".schema takes a view, got {name!r}. {_one_of(name, tuple(view.name for view in VIEWS))}")
    columns = [
        {"column": column, "type": duckdb_type(it.dtype), "meaning": it.about} for column, it in table.columns.items()
    ]
    session.show(pl.DataFrame(columns), session.form)
    session.note(f"{table.about} Unique by {', '.join(table.key)}.")


def _format(session: Session, form: str) -> None:
    if form not in FORMS:
        raise QueryError(f".format takes {', '.join(FORMS)}, got {form!r}. It is {session.form} now.")
    session.form = form


def _rows(session: Session, most: str) -> None:
    if most != "all" and not (most.isdigit() and int(most)):
        shown = "all" if session.most is None else session.most
        raise QueryError(f".rows takes a whole number of 1 or more, or all; got {most!r}. It is {shown} now.")
    session.most = None if most == "all" else int(most)


def _help(session: Session, _: str) -> None:
    width = max(len(f"{name} {command.takes}") for name, command in COMMANDS.items())
    for name, command in COMMANDS.items():
        session.note(f"{f'{name} {command.takes}':<{width}}  {command.about}")
    session.note("Anything else is SQL: one or more SELECT, each ended by a semicolon. Tab completes.")


def _quit(session: Session, _: str) -> None:
    raise Leave


COMMANDS: Mapping[str, Command] = {
    ".tables": Command("", "the views, and what a row of each is", _tables),
    ".schema": Command("VIEW", "its columns: type, unit and meaning", _schema),
    ".format": Command("|".join(FORMS), "how rows are shown", _format),
    ".rows": Command("N|all", f"rows shown of a result ({MOST_ROWS})", _rows),
    ".help": Command("", "this list", _help),
    ".quit": Command("", "leave, as Ctrl-D does", _quit),
}


def _one_of(name: str, known: tuple[str, ...]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    return f"Did you mean {near[0]}?" if near else f"There are: {', '.join(known)}."
