"""`coc sql`: one SELECT; a prompt where none is given; statements from stdin where that is no terminal."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, TextIO

from coc_assets.commands.common import DONE, UsageError, require_store, stderr, stdout, write_records, write_rows
from resources.settings import load_settings
from resources.sql import QueryError, query
from resources.store import Store

if TYPE_CHECKING:
    import polars as pl

_NARROWEST = 12  # characters a column; a table with less is hard to read, so its rows are shown one below the other


def run(options: argparse.Namespace) -> int:
    """Writes the rows of the query, or asks for queries."""
    settings = load_settings(store=options.store)
    require_store(settings)
    store = Store(settings.store)
    if options.query:
        write_rows(query(store, options.query), options.format)
    elif options.format == "parquet":
        raise UsageError('--format parquet takes one query: coc sql --format parquet "SELECT …" > rows.parquet')
    elif sys.stdin.isatty() and sys.stdout.isatty():
        _converse(store, options.format)
    else:
        run_script(store, sys.stdin, options.format)
    return DONE


def run_script(store: Store, lines: TextIO, form: str) -> None:
    """Runs statements and meta commands as they are read; all rows are written.

    Raises:
        QueryError: one cannot be run; it names the line. What comes after it is not run.
    """
    from coc_assets.prompt.session import Leave, Session

    session = Session(store, write_rows, _say_nothing, form, most=None)
    for line, text in _statements(lines):
        try:
            session.run(text)
        except QueryError as error:
            raise QueryError(f"line {line}: {error}") from None
        except Leave:
            return


def _statements(lines: TextIO) -> Iterator[tuple[int, str]]:
    """Statements and meta commands, each with the line that it begins in; what follows the last semicolon is one."""
    from coc_assets.prompt.session import is_command
    from coc_assets.prompt.statements import is_blank, split_statements

    text, begun = "", 1
    for number, line in enumerate(lines, 1):
        begun = number if is_blank(text) else begun
        text = line if is_blank(text) else text + line
        if is_command(text):
            yield begun, text
            text = ""
            continue
        statements, rest = split_statements(text)
        yield from ((begun, statement) for statement in statements)
        if statements:
            text, begun = rest, number
    if not is_blank(text):
        yield begun, text


def _converse(store: Store, form: str) -> None:
    from coc_assets.prompt.session import Session
    from coc_assets.prompt.terminal import converse, line_editor

    stderr().print(
        f"{store.root}: read-only SQL over every table. End a statement with ; — .tables, .help, Ctrl-D leaves.",
        markup=False,
    )
    converse(Session(store, show_rows, _note, form), _fail, line_editor(os.environ))


def show_rows(rows: pl.DataFrame, form: str) -> None:
    """Rows as a format has them; as a table only where its columns have room, else a row's values below each other."""
    if form == "table" and rows.width * _NARROWEST > stdout().width:
        write_records(rows)
    else:
        write_rows(rows, form)


def _note(text: str) -> None:
    stderr().print(text, style="dim", markup=False, highlight=False)


def _say_nothing(_: str) -> None:
    return


def _fail(text: str) -> None:
    stderr().print(text, style="red", markup=False, highlight=False)
