"""A chunk's tables as the review reads them: once, and again only where a file was replaced."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, TypeVar

import polars as pl

from resources import schemas
from resources.reviews import Review, read_reviews
from resources.store import Store

Content = TypeVar("Content")
_Stamp = tuple[tuple[int, int] | None, ...]

_CHUNKS_KEPT = 4
_JOURNALS_KEPT = 4096


@dataclass(frozen=True)
class ChunkTables:
    """Tables of one chunk; `measurements` holds those of the set and of people too."""

    labels: pl.DataFrame
    verdicts: pl.DataFrame
    measurements: pl.DataFrame
    keyframes: pl.DataFrame
    segments: pl.DataFrame
    clips: pl.DataFrame
    trajectories: pl.DataFrame
    tracks: pl.DataFrame
    spans: pl.DataFrame


@dataclass
class Kept(Generic[Content]):
    """What files hold, kept while they stay the same; the least used is dropped.

    Attributes:
        files: those that a key's content is read from.
        read: reads it.
        most: contents kept at most.
    """

    files: Callable[[str], Sequence[Path]]
    read: Callable[[str], Content]
    most: int
    _kept: OrderedDict[str, tuple[_Stamp, Content]] = field(default_factory=OrderedDict, repr=False)
    _guard: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def get(self, key: str) -> Content:
        with self._guard:
            stamp = tuple(_stamp(path) for path in self.files(key))
            if key not in self._kept or self._kept[key][0] != stamp:
                self._kept[key] = (stamp, self.read(key))
            self._kept.move_to_end(key)
            while len(self._kept) > self.most:
                self._kept.popitem(last=False)
            return self._kept[key][1]


def chunk_tables(store: Store) -> Kept[ChunkTables]:
    """The tables of chunks by chunk."""
    return Kept(lambda chunk: _table_files(store, chunk), lambda chunk: read_chunk(store, chunk), _CHUNKS_KEPT)


def chunk_reviews(store: Store) -> Kept[list[Review]]:
    """Every line of people's decisions by chunk."""
    return Kept(
        lambda chunk: [store.reviews_path(chunk)], lambda chunk: read_reviews(store.reviews_path(chunk)), _JOURNALS_KEPT
    )


def read_chunk(store: Store, chunk: str) -> ChunkTables:
    def of(table: schemas.Table) -> pl.DataFrame:
        return store.read_table(table, chunk) if store.table_path(table, chunk).is_file() else schemas.empty(table)

    return ChunkTables(
        labels=store.read_labels(chunk),
        verdicts=of(schemas.VERDICTS),
        measurements=pl.concat([of(schemas.MEASUREMENTS), of(schemas.SET_MEASUREMENTS)]),
        keyframes=of(schemas.KEYFRAMES),
        segments=of(schemas.SEGMENTS),
        clips=of(schemas.CLIPS),
        trajectories=of(schemas.TRAJECTORIES),
        tracks=of(schemas.TRACKS),
        spans=of(schemas.META_ACTION_SPANS),
    )


_READ = (
    schemas.VERDICTS,
    schemas.MEASUREMENTS,
    schemas.SET_MEASUREMENTS,
    schemas.KEYFRAMES,
    schemas.SEGMENTS,
    schemas.CLIPS,
    schemas.TRAJECTORIES,
    schemas.TRACKS,
    schemas.META_ACTION_SPANS,
)


def _table_files(store: Store, chunk: str) -> list[Path]:
    labels = [store.table_path(schemas.RAW_COC, chunk, labeler=name) for name in store.labelers(chunk)]
    return [*labels, *(store.table_path(table, chunk) for table in _READ)]


def _stamp(path: Path) -> tuple[int, int] | None:
    """What changes when a file is replaced or grows; None where there is none."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_mtime_ns, found.st_size
