"""What the commands share: exit statuses, usage errors, options that many take, and how things are printed."""

from __future__ import annotations

import argparse
import io
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from resources.settings import Settings

if TYPE_CHECKING:
    import polars as pl
    from rich.console import Console
    from rich.progress import Progress, TaskID

DONE, FAILED, USAGE, INTERRUPTED = 0, 1, 2, 130
FORMATS = ("table", "csv", "json", "parquet")
ASSETS = (
    "trajectory_cache",
    "meta_actions",
    "keyframe_segments",
    "clip_videos",
    "raw_coc",
    "filtered_coc",
    "training_shards",
)
OPTIONAL_ASSETS = ("trajdata_cache",)


class UsageError(Exception):
    """The command cannot start as it was given; the message says why and what would work."""


# ---- options --------------------------------------------------------------------------------------------------------


def add_store(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--store", type=Path, metavar="DIR", help="store (else COC_STORE or coc.yaml; default ./store)")


def positive(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"takes a whole number of 1 or more, got {text!r}")
    return int(text)


def parse_chunks(spec: str | None, known: Sequence[str], settings: Settings) -> list[str]:
    """Chunk ids of a specification such as `0-3,7`; all known ones where none is given.

    Raises:
        UsageError: it is malformed, or names chunks that the dataset does not have.
    """
    if spec is None:
        return list(known)
    wanted: list[str] = []
    for part in spec.split(","):
        first, dash, last = part.strip().partition("-")
        if not first.isdigit() or (dash and not last.isdigit()):
            raise UsageError(f"--chunks takes numbers and ranges such as 0-3,7; cannot read {part.strip()!r}.")
        if int(last or first) < int(first):
            raise UsageError(f"--chunks {part.strip()} runs backwards; write {last}-{first}.")
        wanted += [f"{number:04d}" for number in range(int(first), int(last or first) + 1)]
    unknown = sorted(set(wanted) - set(known))
    if unknown:
        has = f"{known[0]} to {known[-1]} ({len(known)})" if len(known) > 8 else ", ".join(known)
        lacks = f"{settings.dataset} has no egomotion for" if settings.dataset else f"{settings.store} has no"
        raise UsageError(f"{lacks} chunk {', '.join(unknown)}. It has: {has}.")
    return sorted(set(wanted))


def require_store(settings: Settings) -> None:
    """Raises:
    UsageError: there is no store.
    """
    if not settings.store.is_dir():
        raise UsageError(f"No store at {settings.store}. Make one: coc run --dataset DIR --store {settings.store}")


# ---- what is printed where ------------------------------------------------------------------------------------------


def write_rows(rows: pl.DataFrame, form: str) -> None:
    if form == "json":
        print(json.dumps(rows.to_dicts(), default=str, ensure_ascii=False))
    elif form == "csv":
        sys.stdout.write(_without_nesting(rows).write_csv())
    elif form == "parquet":
        _write_parquet(rows)
    else:
        stdout().print(_rich_rows(rows))


def _write_parquet(rows: pl.DataFrame) -> None:
    if sys.stdout.isatty():
        raise UsageError(
            "--format parquet writes bytes; send them to a file: coc sql --format parquet … > rows.parquet"
        )
    buffer = io.BytesIO()
    rows.write_parquet(buffer)
    sys.stdout.buffer.write(buffer.getvalue())


def _without_nesting(rows: pl.DataFrame) -> pl.DataFrame:
    """CSV has no lists: they become JSON text."""
    import polars as pl

    nested = [name for name, dtype in rows.schema.items() if dtype.is_nested()]
    as_json = [pl.Series(name, [json.dumps(value, default=str) for value in rows[name].to_list()]) for name in nested]
    return rows.with_columns(as_json)


def _rich_rows(rows: pl.DataFrame) -> object:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    for name, dtype in rows.schema.items():
        table.add_column(name, justify="right" if dtype.is_numeric() else "left", overflow="fold")
    for row in rows.iter_rows():
        table.add_row(*(Text(_cell(value)) for value in row))
    return table


def write_records(rows: pl.DataFrame) -> None:
    """Prints every row as a block of its own, a column a line: for rows of many columns."""
    from rich.table import Table
    from rich.text import Text

    for number, row in enumerate(rows.iter_rows(), 1):
        block = Table(box=None, pad_edge=False, show_header=False, title=f"row {number}", title_justify="left")
        for name, value in zip(rows.columns, row, strict=True):
            block.add_row(Text(name, style="bold"), Text(_cell(value)))
        stdout().print(block)


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, (list, dict)):
        return json.dumps(value, default=str, ensure_ascii=False)
    return "" if value is None else str(value)


_UNLIMITED = 10_000  # columns: what goes to a file or a pipe is not folded


def counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def stdout() -> Console:
    from rich.console import Console

    return Console(highlight=False, width=None if sys.stdout.isatty() else _UNLIMITED)


def stderr() -> Console:
    from rich.console import Console

    return Console(stderr=True, soft_wrap=True, highlight=False)


class progress_bar:
    """A progress bar on stderr with rate and time left; silent where stderr is no terminal."""

    def __init__(self, unit: str) -> None:
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            SpinnerColumn,
            TextColumn,
            TimeElapsedColumn,
            TimeRemainingColumn,
        )

        self._unit = unit
        self._bar = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn(unit),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=stderr(),
            transient=True,
            disable=not sys.stderr.isatty(),
        )

    def __enter__(self) -> tuple[Progress, TaskID]:
        self._bar.__enter__()
        return self._bar, self._bar.add_task(self._unit, total=None)

    def __exit__(self, *exception: object) -> None:
        self._bar.__exit__(*exception)  # type: ignore[arg-type]
