"""Files of a store that nothing needs any more: what killed writers left, superseded files, empty folders, old logs.

Never among them: journals (what models answered and people decided), labels of any labeler, receipts, releases.
"""

from __future__ import annotations

import math
import os
import shutil
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from stat import S_ISDIR
from typing import Literal

from coc_assets.logs import FOLDER as LOGS
from coc_assets.releases.building import is_abandoned
from coc_assets.stages import ALL_STAGES_BY_NAME
from resources.receipts import read_receipt
from resources.store import JOURNAL_SUFFIX, LABELER_PREFIX, RECEIPT, RELEASES, TEMPORARY, Store

Kind = Literal["leftover", "superseded", "empty folder", "old log"]
WRITING = timedelta(days=1)
"""A file changed since then may belong to a writer that is alive, on whatever machine."""
_PARTITION = "chunk="


@dataclass(frozen=True)
class Garbage:
    """One file or folder that may go, what it is, and its bytes with all in it."""

    path: Path
    kind: Kind
    size: int


def find_garbage(store: Store, *, settled: datetime, logs_before: datetime, at_work: Collection[str]) -> list[Garbage]:
    """What may go, in an order in which it can be removed.

    Args:
        settled: nothing written since then is touched, so that a writer that is alive keeps what it is writing.
        logs_before: logs last written before then are old.
        at_work: chunks with a run that is not finished; their partitions are left alone.
    """
    found = [*_leftovers(store, settled, at_work)]
    for stage in ALL_STAGES_BY_NAME:
        for folder in sorted((store.root / stage).glob(f"{_PARTITION}*")):
            if folder.name.removeprefix(_PARTITION) not in at_work:
                found += _superseded(store, stage, folder, settled)
                found += _empty_folders(folder, settled)
    return [*found, *_old_logs(store, logs_before)]


def remove(garbage: Garbage) -> None:
    """Removes it; what is gone already is no error, and a folder that is no longer empty stays."""
    if garbage.kind == "empty folder":
        if not any(garbage.path.iterdir()):
            garbage.path.rmdir()
    elif garbage.path.is_dir() and not garbage.path.is_symlink():
        shutil.rmtree(garbage.path, ignore_errors=True)
    else:
        garbage.path.unlink(missing_ok=True)


def _leftovers(store: Store, settled: datetime, at_work: Collection[str]) -> Iterator[Garbage]:
    """Temporary files and folders that no writer can be at work on any more."""
    for path in _temporaries(store.root):
        newest, size = _newest_and_size(path)
        held = path.is_dir() and not is_abandoned(path)
        if newest < settled.timestamp() and not held and _chunk_of(path.relative_to(store.root)) not in at_work:
            yield Garbage(path, "leftover", size)


def _temporaries(root: Path) -> Iterator[Path]:
    """Outermost paths with a temporary name; not inside releases, which are whole, nor in Dagster's instance."""
    for path in sorted(root.iterdir()):
        if path.name.startswith(TEMPORARY):
            yield path
        elif path.is_dir() and path.name == RELEASES:
            yield from sorted(path.glob(f"{TEMPORARY}*"))
        elif path.is_dir() and not path.name.startswith(".") and not path.is_symlink():
            yield from _temporaries(path)


def _chunk_of(path: Path) -> str | None:
    return next((part.removeprefix(_PARTITION) for part in path.parts if part.startswith(_PARTITION)), None)


def _superseded(store: Store, stage: str, folder: Path, settled: datetime) -> Iterator[Garbage]:
    """Files of a finished partition that its receipt does not name."""
    receipt = read_receipt(store, stage, folder.name.removeprefix(_PARTITION))
    if receipt is None or receipt.status != "done":
        return  # the run that makes it knows what it replaces
    named = {folder / name for name in (*receipt.outputs, RECEIPT)}
    for path in _files_below(folder):
        changed, size = _newest_and_size(path)
        if path not in named and not _is_kept(path) and changed < settled.timestamp():
            yield Garbage(path, "superseded", size)


def _is_kept(path: Path) -> bool:
    """Journals and labels are kept though no receipt names them; temporary files are judged apart."""
    temporary = any(part.startswith(TEMPORARY) for part in path.parts)
    return temporary or path.name.endswith(JOURNAL_SUFFIX) or path.name.startswith(LABELER_PREFIX)


def _empty_folders(folder: Path, settled: datetime) -> Iterator[Garbage]:
    """Folders without any file below them, innermost first."""
    for path, _, _ in os.walk(folder, topdown=False):
        changed, _ = _newest_and_size(Path(path))
        if not _files_below(Path(path)) and changed < settled.timestamp():
            yield Garbage(Path(path), "empty folder", 0)


def _old_logs(store: Store, before: datetime) -> Iterator[Garbage]:
    for path in _files_below(store.root / LOGS):
        changed, size = _newest_and_size(path)
        if changed < before.timestamp():
            yield Garbage(path, "old log", size)


def _files_below(folder: Path) -> list[Path]:
    return sorted(Path(path) / name for path, _, names in os.walk(folder) for name in names)


def _newest_and_size(path: Path) -> tuple[float, int]:
    """The newest change of a path and all below it, in seconds of the epoch, and the bytes; gone ones count as new."""
    paths = [path, *(Path(at) / name for at, folders, names in os.walk(path) for name in (*folders, *names))]
    try:
        stats = [each.lstat() for each in paths]
    except FileNotFoundError:  # a writer is at work here
        return math.inf, 0
    return max(stat.st_mtime for stat in stats), sum(stat.st_size for stat in stats if not S_ISDIR(stat.st_mode))
