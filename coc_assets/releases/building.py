"""A folder that appears whole or not at all."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from resources.store import TEMPORARY, flush


class FolderExistsError(Exception):
    """There is something where the folder is to be; the message names it."""


@contextmanager
def building(target: Path) -> Iterator[Path]:
    """A folder beside `target` to be filled; on success it is renamed to it, on failure removed with all in it.

    What killed commands left beside it is removed too; what one that is alive is filling is locked, and stays.

    Raises:
        FolderExistsError: the target is there already.
    """
    _require_free(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    _sweep(target.parent)
    folder = target.with_name(f"{TEMPORARY}{os.getpid()}-{target.name}")
    folder.mkdir()
    lock = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield folder
        _require_free(target)
        os.rename(folder, target)
        flush(target.parent)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def _require_free(target: Path) -> None:
    if target.is_symlink() or (target.exists() and not (target.is_dir() and not any(target.iterdir()))):
        raise FolderExistsError(f"{target} is there already.")


def _sweep(folder: Path) -> None:
    """Removes folders that nobody is filling any more."""
    for left in folder.glob(f"{TEMPORARY}*"):
        if left.is_dir() and not left.is_symlink() and is_abandoned(left):
            shutil.rmtree(left, ignore_errors=True)


def is_abandoned(folder: Path) -> bool:
    """Whether no living command is filling the folder: whoever does holds its lock."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    else:
        return True
    finally:
        os.close(descriptor)
