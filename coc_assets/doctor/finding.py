"""What a check finds, and what it looks at."""

from __future__ import annotations

import os
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal

from resources.dataset import DatasetError, DatasetRoot
from resources.settings import Settings, SettingsError
from resources.store import Store

Level = Literal["ok", "warn", "problem"]
Fetch = Callable[[urllib.request.Request], tuple[int, bytes]]
NAMED = 3
"""Of many, that a finding names; it counts the rest."""


@dataclass(frozen=True)
class Finding:
    """One thing that a check found.

    Attributes:
        level: `warn` runs on with something lacking; with a `problem` runs fail.
        said: what was found. mend: the command or setting that mends it; empty where it is ok.
    """

    level: Level
    said: str
    mend: str = ""


def ok(said: str) -> Finding:
    return Finding("ok", said)


def warn(said: str, mend: str) -> Finding:
    return Finding("warn", said, mend)


def problem(said: str, mend: str) -> Finding:
    return Finding("problem", said, mend)


def told_by(error: Exception, mend: str) -> Finding:
    """A problem that an error tells of; ours say the mend after the first sentence.

    Args:
        mend: for one that does not.
    """
    said, _, own = " ".join(str(error).split()).partition(". ")
    return problem(said.removesuffix("."), own or mend)


@dataclass(frozen=True)
class Disk:
    """What is left on a disk.

    Attributes:
        free: bytes. inodes: files that may still be made; None where the file system does not count them.
    """

    free: int
    inodes: int | None


def disk_of(folder: Path) -> Disk:
    """What is left where a folder lies, for a user without privileges."""
    left = os.statvfs(folder)
    return Disk(left.f_bavail * left.f_frsize, left.f_favail if left.f_files else None)


def installed_version(package: str) -> str | None:
    """The version of an installed package; None where it is not."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


@dataclass(frozen=True)
class Setup:
    """What is looked at, and by what means.

    Attributes:
        settings: in force; where these cannot be read, the defaults with the paths from the command line.
        unreadable: why they cannot be read.
        environ: environment variables.
        thorough: look at every file, not at a sample.
        version_of, disk_of: what tells of packages and of disks.
    """

    settings: Settings
    environ: Mapping[str, str] = field(repr=False)
    unreadable: SettingsError | None = None
    thorough: bool = False
    version_of: Callable[[str], str | None] = installed_version
    disk_of: Callable[[Path], Disk] = disk_of

    @property
    def store(self) -> Store:
        return Store(self.settings.store)

    @cached_property
    def root(self) -> DatasetRoot | None:
        return DatasetRoot(self.settings.dataset) if self.settings.dataset else None

    @cached_property
    def chunks(self) -> list[str]:
        """The dataset's chunks; none where it cannot be read, which a check of its own tells of."""
        try:
            return self.root.chunks() if self.root else []
        except (DatasetError, OSError):
            return []

    @property
    def standing_folder(self) -> Path:
        """The store, or the nearest folder above it that is there."""
        store = self.settings.store.absolute()
        return next(folder for folder in (store, *store.parents) if folder.is_dir())
