"""Places where chunk files arrive, a folder or any fsspec URL: what lies there by size and time, and copies of it.

Listing reads no file. Names are paths below the dataset's root, with slashes, as `features.csv` has them. Credentials
are the driver's own business (its environment variables and files); none that stands in a URL is ever shown.
"""

from __future__ import annotations

import errno
import os
import re
import shutil
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from resources.archives import directory_damage
from resources.dataset import SAMPLE_MARK
from resources.store import TEMPORARY, Store

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

_LISTINGS = ("features.csv", "clip_index.parquet", SAMPLE_MARK)
_LISTINGS_FOLDER = "metadata"
_MODIFIED = ("mtime", "LastModified", "last_modified", "modified", "updated", "created")
"""Keys under which drivers tell when a file was written, the most telling first."""
_TAGS = ("ETag", "etag", "md5Hash", "checksum")
_BLOCK = 1 << 16  # bytes asked for at a time: a zip's directory is a few tens of KiB at its end
_CREDENTIALS = re.compile(r"(?<=//)[^/@\s]*@|\?\S*")
_NS = 10**9
_OURS_TO_MEND = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS})
"""Errors of the disk that is copied to, while a driver copies."""


class PlaceError(ConnectionError):
    """Files at a place cannot be listed or copied now; the message names the place and the mend."""


@dataclass(frozen=True, slots=True)
class FileState:
    """What tells one version of a file from another without reading it.

    Attributes:
        size: bytes; None where the place does not tell.
        mtime_ns: when it was written, ns since 1970, at a URL to the whole second; None where the place does not tell.
        tag: the place's own name of the version, empty where it has none.
    """

    size: int | None
    mtime_ns: int | None = None
    tag: str = ""

    def agrees(self, size: int, mtime_ns: int) -> bool:
        """Whether a file of that size and time is this version, as far as the place tells."""
        return self.size in (None, size) and self.mtime_ns in (None, mtime_ns)

    def is_at(self, path: Path) -> bool:
        """Whether the file on disk is this version, as far as the place tells."""
        with suppress(FileNotFoundError):
            stat = path.stat()
            return self.agrees(stat.st_size, stat.st_mtime_ns)
        return False


class Place(ABC):
    """A dataset's root that is only listed, looked into and copied from.

    Attributes:
        shown: its name in messages.
    """

    shown: str

    @abstractmethod
    def files(self, folder: str) -> dict[str, FileState]:
        """Files in a folder by name, without its sub-folders; none where there is no such folder.

        Raises:
            PlaceError: the place cannot be reached.
        """

    @abstractmethod
    def state(self, path: str) -> FileState | None:
        """One file; None where there is none."""

    @abstractmethod
    def open(self, path: str) -> BinaryIO:
        """A file to read from, seekable."""

    @abstractmethod
    def copy(self, path: str, target: Path) -> None:
        """Writes a file's content to a local path."""

    def damage(self, path: str) -> str | None:
        """What is wrong with a zip's member directory; None for one that reads, and for files that are no zips."""
        if not path.endswith(".zip"):
            return None
        with self.open(path) as file:
            return directory_damage(file)


class Folder(Place):
    """A folder on a local or mounted disk."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.shown = str(root)

    def files(self, folder: str) -> dict[str, FileState]:
        try:
            entries = os.scandir(self.root / folder)
        except (FileNotFoundError, NotADirectoryError):
            return {}
        found = {}
        with entries:
            for entry in entries:
                with suppress(FileNotFoundError):  # gone since it was listed
                    if entry.is_file():
                        stat = entry.stat()
                        found[entry.name] = FileState(stat.st_size, stat.st_mtime_ns)
        return found

    def state(self, path: str) -> FileState | None:
        with suppress(FileNotFoundError):
            stat = (self.root / path).stat()
            return FileState(stat.st_size, stat.st_mtime_ns)
        return None

    def open(self, path: str) -> BinaryIO:
        return (self.root / path).open("rb")

    def copy(self, path: str, target: Path) -> None:
        shutil.copyfile(self.root / path, target)


class Remote(Place):
    """An fsspec URL. The driver is loaded when it is first asked for something."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.shown = without_credentials(url)

    def files(self, folder: str) -> dict[str, FileState]:
        with self._reached():
            system, root = self._opened
            path = f"{root}/{folder}"
            system.invalidate_cache()  # drivers remember listings, and this one is about what has changed
            try:
                entries = system.ls(path, detail=True)
            except (FileNotFoundError, NotADirectoryError):
                return {}
            return {_name(entry): _state(entry) for entry in entries if entry["type"] != "directory"}

    def state(self, path: str) -> FileState | None:
        with self._reached():
            system, root = self._opened
            try:
                return _state(system.info(f"{root}/{path}"))
            except FileNotFoundError:
                return None

    def open(self, path: str) -> BinaryIO:
        with self._reached():
            system, root = self._opened
            file: BinaryIO = system.open(f"{root}/{path}", "rb", block_size=_BLOCK)
            return file

    def copy(self, path: str, target: Path) -> None:
        with self._reached():
            system, root = self._opened
            system.get_file(f"{root}/{path}", str(target))

    def damage(self, path: str) -> str | None:
        with self._reached():  # what reading raises is the driver's too
            return super().damage(path)

    @cached_property
    def _opened(self) -> tuple[AbstractFileSystem, str]:
        """The file system, and the root in its terms."""
        from fsspec.core import url_to_fs

        system, root = url_to_fs(self.url)
        return system, root.rstrip("/")

    @contextmanager
    def _reached(self) -> Iterator[None]:
        """Drivers raise what they like: it all means that the place cannot be read now."""
        try:
            yield
        except PlaceError:
            raise
        except ImportError as error:
            raise PlaceError(f"{self.shown} needs a driver that is not installed: {error}") from None
        except Exception as error:
            if isinstance(error, OSError) and error.errno in _OURS_TO_MEND:
                raise
            said = without_credentials(f"{type(error).__name__}: {error}")
            raise PlaceError(
                f"{self.shown} cannot be read ({said}). Check arrivals.url, the network, and the credentials in the "
                "environment (docs/arrivals.md)."
            ) from None


def place_of(dataset: Path, url: str | None) -> Place:
    """Where chunk files come from: the URL where one is named, else the dataset's own folder."""
    return Remote(url) if url else Folder(dataset)


def without_credentials(text: str) -> str:
    """A URL, or a message about one, without user, password and query."""
    return _CREDENTIALS.sub("", text)


def listings(place: Place) -> list[str]:
    """Paths of the files there that speak of the dataset as a whole."""
    return [
        *(name for name in _LISTINGS if place.state(name)),
        *(f"{_LISTINGS_FOLDER}/{name}" for name in sorted(place.files(_LISTINGS_FOLDER))),
    ]


def fetch(place: Place, path: str, root: Path) -> bool:
    """Copies a file below a local root, with its time; it appears there whole or not at all.

    Returns:
        Whether it was copied: not where it is not at the place, nor where it is here already.

    Raises:
        PlaceError: the place cannot be read, or the file changed meanwhile.
    """
    target = root / path
    state = place.state(path)
    if state is None or state.is_at(target):
        return False
    with Store(root).publish(target) as temporary:
        place.copy(path, temporary)
        if state.size not in (None, temporary.stat().st_size):
            raise PlaceError(
                f"{place.shown}/{path} changed while it was copied; it is copied again when it has settled."
            )
        if state.mtime_ns is not None:
            os.utime(temporary, ns=(state.mtime_ns, state.mtime_ns))
    return True


def sweep(path: Path) -> None:
    """Removes what killed processes left of a file that nobody else copies now."""
    for left in path.parent.glob(f"{TEMPORARY}*-{path.name}"):
        left.unlink(missing_ok=True)


def _name(entry: Mapping[str, Any]) -> str:
    return str(entry["name"]).rstrip("/").rpartition("/")[2]


def _state(entry: Mapping[str, Any]) -> FileState:
    modified = next((entry[key] for key in _MODIFIED if entry.get(key)), None)
    tag = next((str(entry[key]) for key in _TAGS if entry.get(key)), "")
    return FileState(entry.get("size"), _whole_seconds_ns(modified), tag)


def _whole_seconds_ns(modified: object) -> int | None:
    """Drivers give numbers, datetimes or text, and listings finer times than single files do."""
    if isinstance(modified, str):
        with suppress(ValueError):
            modified = datetime.fromisoformat(modified)
    if isinstance(modified, datetime):
        modified = modified.timestamp()
    return int(modified) * _NS if isinstance(modified, (int, float)) else None
