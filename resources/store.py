"""The store: where every table and file lies, and how it is written.

Layout: `<store>/<asset>/chunk=NNNN/<table>.parquet`, one file a labeler in raw_coc (`labeler=<name>.parquet`). Files
are written under a temporary name and renamed, so a reader sees a whole file or none, and a killed writer leaves only a
temporary that the next run sweeps away. Journals (`….journal.jsonl`) alone are appended to (`resources.journal`), and
nothing here removes one: a labeler's and a judge's hold what was paid for, the reviews' what people decided.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import polars as pl

from resources import schemas

TEMPORARY = ".tmp-"
"""Begins the name of a file or folder that is being made, or that a killed writer left."""
LABELER_PREFIX = "labeler="
JUDGE_PREFIX = "judge="
JOURNAL_SUFFIX = ".journal.jsonl"
RECEIPT = "receipt.json"
REVIEWS = f"reviews{JOURNAL_SUFFIX}"
RELEASES = "releases"
_ZSTD_LEVEL = 1  # higher ones take twice the time and save nothing on floats


class Store:
    """Paths and whole-file writes below one store folder."""

    def __init__(self, root: Path) -> None:
        self.root = Path(root)

    @property
    def dagster_home(self) -> Path:
        return self.root / ".dagster"

    def partition(self, asset: str, chunk: str) -> Path:
        return self.root / asset / f"chunk={chunk}"

    def table_path(self, table: schemas.Table, chunk: str, *, asset: str = "", labeler: str | None = None) -> Path:
        """Where a table of a partition lies; `rejects` needs the asset, `raw_coc` the labeler."""
        name = f"{LABELER_PREFIX}{labeler}" if table is schemas.RAW_COC else table.name
        return self.partition(table.asset or asset, chunk) / f"{name}.parquet"

    def write_table(self, frame: pl.DataFrame, table: schemas.Table, path: Path, chunk: str) -> None:
        """Writes the frame with the table's exact types and its `chunk` column; equal frames give equal bytes."""
        whole = schemas.conform(frame.with_columns(chunk=pl.lit(chunk, pl.String)), table)
        with self.publish(path) as temporary:
            whole.write_parquet(temporary, compression="zstd", compression_level=_ZSTD_LEVEL, statistics=True)

    def read_table(
        self, table: schemas.Table, chunk: str, *, asset: str = "", labeler: str | None = None
    ) -> pl.DataFrame:
        path = self.table_path(table, chunk, asset=asset, labeler=labeler)
        return schemas.conform(pl.read_parquet(path, hive_partitioning=False), table)

    def labelers(self, chunk: str) -> list[str]:
        """Labelers whose file this chunk holds, sorted."""
        files = self.partition("raw_coc", chunk).glob(f"{LABELER_PREFIX}*.parquet")
        return sorted(file.stem.removeprefix(LABELER_PREFIX) for file in files)

    def journal_path(self, chunk: str, labeler: str) -> Path:
        """Where the answers of a model labeler to a chunk are kept."""
        return self.partition("raw_coc", chunk) / f"{LABELER_PREFIX}{labeler}{JOURNAL_SUFFIX}"

    def judge_journal_path(self, chunk: str, judge: str) -> Path:
        """Where the answers of a model that judges labels of a chunk are kept."""
        return self.partition("filtered_coc", chunk) / f"{JUDGE_PREFIX}{judge}{JOURNAL_SUFFIX}"

    def reviews_path(self, chunk: str) -> Path:
        """Where people's decisions about labels of a chunk are kept."""
        return self.partition("filtered_coc", chunk) / REVIEWS

    def read_labels(self, chunk: str) -> pl.DataFrame:
        """Labels of every labeler of a chunk, by labeler and in file order."""
        frames = [self.read_table(schemas.RAW_COC, chunk, labeler=name) for name in self.labelers(chunk)]
        return pl.concat(frames) if frames else schemas.empty(schemas.RAW_COC)

    def release(self, name: str) -> Path:
        """Where the release of that name lies, or would."""
        return self.root / RELEASES / name

    def chunks(self) -> list[str]:
        """Chunks of which any asset holds a partition, sorted."""
        return sorted({path.name.removeprefix("chunk=") for path in self.root.glob("*/chunk=*") if path.is_dir()})

    @property
    def budget_path(self) -> Path:
        """What processes that label by models have spent and set aside, where there is a budget."""
        return self.root / "raw_coc" / "budget.json"

    def relative(self, path: Path) -> str:
        return path.relative_to(self.root).as_posix()

    @contextmanager
    def publish(self, path: Path) -> Iterator[Path]:
        """A temporary path beside `path`; on success it is flushed to disk and renamed to it, on failure removed."""
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f"{TEMPORARY}{os.getpid()}-{path.name}")
        try:
            yield temporary
            flush(temporary)
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)

    def write_bytes(self, path: Path, data: bytes) -> None:
        with self.publish(path) as temporary:
            temporary.write_bytes(data)

    def sweep(self, folder: Path) -> None:
        """Removes what a killed writer left in a partition."""
        for leftover in folder.rglob(f"{TEMPORARY}*"):
            shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink(missing_ok=True)

    def keep_only(self, folder: Path, names: Iterable[str]) -> None:
        """Removes files of an earlier run that the present one no longer makes, but no receipt and no journal.

        Args:
            names: what the present run makes, relative to the folder.
        """
        wanted = {folder / name for name in names} | {folder / RECEIPT}
        for path in sorted(folder.rglob("*"), reverse=True):
            if path.is_dir():
                _remove_if_empty(path)
            elif path not in wanted and not path.name.endswith(JOURNAL_SUFFIX):
                path.unlink()


def sha256_of_file(path: Path) -> str:
    """sha256 of a file's content, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_range(path: Path, offset: int, size: int) -> bytes:
    """Bytes of a file from an offset on, fewer where it ends before."""
    with open(path, "rb", buffering=0) as file:
        return os.pread(file.fileno(), size, offset)


def flush(path: Path) -> None:
    """Waits until a file's content, or a folder's list of files, is on disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove_if_empty(folder: Path) -> None:
    if not any(folder.iterdir()):
        folder.rmdir()
