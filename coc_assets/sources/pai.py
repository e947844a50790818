"""The PhysicalAI-AV dataset, parsed: its clip list, egomotion, obstacle tracks and camera timestamps.

Members are read in place and decoded in a few threads (decompressing and decoding leave the interpreter free); results
come in the order of the clip list, so they depend neither on the threads nor on the order within an archive.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Self, TypeVar

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from coc_assets.sources.egomotion import NO_TIMESTAMP, ClipRejected, Egomotion
from resources import schemas
from resources.archives import Archive, MemberError
from resources.dataset import EGOMOTION, FRAME_TIMESTAMPS, OBSTACLES, VIDEO, DatasetRoot

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")

RIG = "rig"
_CLIP_ID = "{clip_id}"  # stands in the name of a member until the clip is known
_FETCH = "fetch the archive again."
_READERS = 4  # at most; more only queue for the interpreter

_TIMESTAMP = "timestamp"
_POSITION, _ROTATION, _VELOCITY = ("x", "y", "z"), ("qx", "qy", "qz", "qw"), ("vx", "vy")
_EGOMOTION_COLUMNS = (_TIMESTAMP, *_ROTATION, *_POSITION, *_VELOCITY)
_EGOMOTION_REQUIRED = (_TIMESTAMP, *_ROTATION, *_POSITION)

_OBSTACLE_COLUMNS = {
    "timestamp_us": pa.int64(),
    "track_id": pa.string(),
    "label_class": pa.string(),
    "center_x": pa.float64(),
    "center_y": pa.float64(),
    "center_z": pa.float64(),
    "size_x": pa.float64(),
    "size_y": pa.float64(),
    "size_z": pa.float64(),
    "orientation_x": pa.float64(),
    "orientation_y": pa.float64(),
    "orientation_z": pa.float64(),
    "orientation_w": pa.float64(),
    "reference_frame": pa.string(),
}
_TRACK_NAMES = {
    "timestamp_us": "t_us",
    "center_x": "x_m",
    "center_y": "y_m",
    "center_z": "z_m",
    "size_x": "length_m",
    "size_y": "width_m",
    "size_z": "height_m",
}
_MEASURES = ("x_m", "y_m", "z_m", "length_m", "width_m", "height_m", "heading_rad")


@dataclass(frozen=True)
class Tracks:
    """Obstacle tracks of a chunk.

    Attributes:
        frame: `tracks` rows by (clip_id, track_id, t_us).
        clip_ids: clips whose tracks were read; one may have no rows.
        degraded: reject rows of the clips (or the chunk) that go on without tracks, or without some rows.
    """

    frame: pl.DataFrame
    clip_ids: frozenset[str] = frozenset()
    degraded: list[dict[str, object]] = field(default_factory=list)


def read_clip_list(root: DatasetRoot, chunk: str) -> pl.DataFrame:
    """The chunk's clips: rows of the clip index in its order, then further members of the egomotion archive, sorted.

    Returns:
        clip_id, split, clip_is_valid (null counts as valid), in_index, has_egomotion (a member is there).
    """
    with root.open_archive(EGOMOTION, chunk) as archive:
        return _clip_list(root, chunk, archive)


def iter_egomotion(
    root: DatasetRoot, chunk: str, clip_ids: Collection[str] | None = None
) -> Iterator[tuple[str, Egomotion | ClipRejected]]:
    """Each clip of the chunk's clip list with its egomotion as recorded, or with why it has none.

    Rejections: `clip_invalid`, `egomotion_missing`, `archive_damaged`, `corrupt_member`, `missing_column`,
    `infinite_value` and, for what nobody thought of, `unreadable`.

    Args:
        clip_ids: only these clips; all by default.
    """
    with EgomotionChunk(root, chunk) as opened:
        yield from opened.read(clip_ids)


class EgomotionChunk:
    """A chunk's egomotion archive, opened and listed once; usable while open, as a context manager.

    Attributes:
        clips: the clip list, as `read_clip_list` gives it.
        damage: what is wrong with the archive as a whole, for a hint; None for a sound one.

    Raises:
        FileNotFoundError: the archive is not on disk.
        DatasetError: the dataset's listings cannot be read.
    """

    def __init__(self, root: DatasetRoot, chunk: str) -> None:
        self._archive = root.open_archive(EGOMOTION, chunk)
        self._name = root.relative(self._archive.path)
        self._member = root.member_name(EGOMOTION, EGOMOTION, _CLIP_ID)
        self.damage = _archive_hint(root, self._archive)
        try:
            self.clips = _clip_list(root, chunk, self._archive)
        except BaseException:
            self._archive.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._archive.close()

    def read(self, clip_ids: Collection[str] | None = None) -> Iterator[tuple[str, Egomotion | ClipRejected]]:
        """As `iter_egomotion`."""
        rows = list(self.clips.select("clip_id", "clip_is_valid").iter_rows())
        if clip_ids is not None:
            wanted = set(clip_ids)
            rows = [row for row in rows if row[0] in wanted]
        read = _in_threads(lambda row: self._clip(*row), rows)
        yield from ((clip_id, egomotion) for (clip_id, _), egomotion in zip(rows, read, strict=True))

    def source(self, clip_id: str) -> str:
        """Archive and member of a clip's egomotion, below the root, for hints."""
        return f"{self._name}::{self._member.replace(_CLIP_ID, clip_id)}"

    def _clip(self, clip_id: str, valid: bool | None) -> Egomotion | ClipRejected:
        name, source = self._member.replace(_CLIP_ID, clip_id), self.source(clip_id)
        if valid is False:
            return ClipRejected("clip_invalid", f"clip_index.parquet says clip_is_valid = false for {clip_id}.")
        if name not in self._archive.members:
            left = "what is left of " * self._archive.damaged
            hint = f"{source} is in the clip index, but not in {left}the archive; {_FETCH}"
            return ClipRejected("archive_damaged" if self._archive.damaged else "egomotion_missing", hint)
        try:
            return parse_egomotion(self._archive.read(name), source)
        except MemberError as error:
            return ClipRejected("corrupt_member", f"{source}: {error.problem}")
        except ClipRejected as rejected:
            return rejected
        except Exception as error:  # one clip never takes its chunk down
            return ClipRejected("unreadable", f"{source}: {type(error).__name__}: {error}")


def egomotion_source(root: DatasetRoot, chunk: str, clip_id: str) -> str:
    """Archive and member of a clip's egomotion, below the root, for hints."""
    archive = root.relative(root.archive_path(EGOMOTION, chunk))
    return f"{archive}::{root.member_name(EGOMOTION, EGOMOTION, clip_id)}"


def parse_egomotion(content: bytes, source: str) -> Egomotion:
    """Egomotion from a member's bytes, rows as recorded; rows with a null timestamp have `NO_TIMESTAMP`.

    Raises:
        ClipRejected: `corrupt_member`, `missing_column` or `infinite_value`.
    """
    try:
        columns = _read_columns(content, _EGOMOTION_COLUMNS)
        if _TIMESTAMP not in columns:
            columns = _with_pandas_index(content)
        if missing := [name for name in _EGOMOTION_REQUIRED if name not in columns]:
            raise ClipRejected("missing_column", f"{source} lacks the columns {missing}; export the clip with them.")
        return Egomotion(
            t_us=_timestamps(columns[_TIMESTAMP], source),
            xyz=_floats(columns, _POSITION),
            quaternion=_floats(columns, _ROTATION),
            velocity=_floats(columns, _VELOCITY) if all(name in columns for name in _VELOCITY) else None,
        )
    except (pa.ArrowException, OSError, ValueError, TypeError) as error:
        raise ClipRejected("corrupt_member", f"{source} is no egomotion ({error}); {_FETCH}") from error


def read_tracks(root: DatasetRoot, chunk: str, clip_ids: Sequence[str] | None = None) -> Tracks:
    """Obstacle boxes of a chunk's clips at their native instants, rig frame.

    Clips go on without tracks for `tracks_missing`, `tracks_unreadable` or `tracks_not_in_rig_frame`; a chunk without
    an obstacle archive gets one row for all its clips. `tracks_rows_dropped` counts boxes that are not numbers or
    repeat an instant of their track; the clip keeps the others. Unknown classes are kept.

    Args:
        clip_ids: only these clips; the whole clip list by default.
    """
    wanted = list(read_clip_list(root, chunk)["clip_id"]) if clip_ids is None else list(clip_ids)
    archive_path = root.archive_path(OBSTACLES, chunk)
    if not archive_path.is_file():
        hint = f"{root.relative(archive_path)} is not on disk; mirror it if labels should know about other actors."
        return Tracks(schemas.empty(schemas.TRACKS), degraded=[_degraded(None, "tracks_missing", hint)])
    with root.open_archive(OBSTACLES, chunk) as archive:
        read = list(_in_threads(lambda clip_id: _clip_obstacles(root, archive, clip_id), wanted))
        damage = _archive_hint(root, archive)
        name = root.relative(archive.path)
    degraded = [_degraded(None, "archive_damaged", damage)] if damage else []
    degraded += [row for row in read if isinstance(row, dict)]
    boxes = {clip_id: table for clip_id, table in zip(wanted, read, strict=True) if isinstance(table, pa.Table)}
    frame, more = _tracks_of_boxes(boxes, name)
    lost = {row["clip_id"] for row in more if row["reason"] == "tracks_not_in_rig_frame"}
    return Tracks(frame, frozenset(boxes) - lost, degraded + more)


def camera_members(root: DatasetRoot, chunk: str, camera: str) -> set[str]:
    """Clips whose video and frame timestamps the chunk's camera archive both lists; none without the archive."""
    if not root.archive_path(camera, chunk).is_file():
        return set()
    with root.open_archive(camera, chunk) as archive:
        videos = root.clip_ids_of(archive.members, camera, VIDEO)
        return set(videos) & set(root.clip_ids_of(archive.members, camera, FRAME_TIMESTAMPS))


def read_camera_timestamps(root: DatasetRoot, chunk: str, camera: str, clip_id: str) -> np.ndarray:
    """Instants of a clip's video frames, (F,) int64, clip clock, µs, as recorded.

    Raises:
        FileNotFoundError: the camera has no archive of this chunk.
        MemberError: the member is missing, damaged, or holds no whole `timestamp` column.
    """
    name = root.member_name(camera, FRAME_TIMESTAMPS, clip_id)
    with root.open_archive(camera, chunk) as archive:
        content = archive.read(name)
        try:
            column = _read_columns(content, (_TIMESTAMP,))[_TIMESTAMP]
            if column.null_count:
                raise ValueError(f"{column.null_count} timestamps are null")
            return column.to_numpy().astype(np.int64)
        except (pa.ArrowException, OSError, KeyError, ValueError, TypeError) as error:
            raise MemberError(archive.path, name, f"it holds no frame timestamps ({error}); {_FETCH}") from error


def _clip_list(root: DatasetRoot, chunk: str, archive: Archive) -> pl.DataFrame:
    members = set(root.clip_ids_of(archive.members, EGOMOTION, EGOMOTION))
    index = root.clip_index().filter(pl.col("chunk") == chunk).drop("chunk")
    extra = sorted(members - set(index["clip_id"]))
    listed = index.with_columns(in_index=pl.lit(True))
    unlisted = pl.DataFrame({"clip_id": extra}, schema={"clip_id": pl.String}).with_columns(in_index=pl.lit(False))
    both = pl.concat([listed, unlisted], how="diagonal")
    return both.with_columns(has_egomotion=pl.col("clip_id").is_in(sorted(members)))


def _clip_obstacles(root: DatasetRoot, archive: Archive, clip_id: str) -> pa.Table | dict[str, object]:
    name = root.member_name(OBSTACLES, OBSTACLES, clip_id)
    source = f"{root.relative(archive.path)}::{name}"
    if name not in archive.members:
        return _degraded(clip_id, "tracks_missing", f"{source} is not in the archive; the clip has no obstacle tracks.")
    try:
        columns = _read_columns(archive.read(name), tuple(_OBSTACLE_COLUMNS))
        if missing := [column for column in _OBSTACLE_COLUMNS if column not in columns]:
            return _degraded(clip_id, "tracks_unreadable", f"{source} lacks the columns {missing}; {_FETCH}")
        return pa.table({name: columns[name].cast(dtype) for name, dtype in _OBSTACLE_COLUMNS.items()})
    except MemberError as error:
        return _degraded(clip_id, "tracks_unreadable", f"{source}: {error.problem}")
    except Exception as error:  # one clip never takes its chunk down
        return _degraded(clip_id, "tracks_unreadable", f"{source} holds no tracks ({error}); {_FETCH}")


def _tracks_of_boxes(boxes: dict[str, pa.Table], archive: str) -> tuple[pl.DataFrame, list[dict[str, object]]]:
    """The `tracks` rows of all clips' boxes, and what was left out of them."""
    if not boxes:
        return schemas.empty(schemas.TRACKS), []
    clips = pl.Series("clip_id", sorted(boxes), pl.String)
    tables = [boxes[clip_id] for clip_id in clips]
    clip_of_row = np.repeat(np.arange(len(tables), dtype=np.uint32), [table.num_rows for table in tables])
    rows = pl.DataFrame(pa.concat_tables(tables)).with_columns(clips.gather(clip_of_row), clip=clip_of_row)
    astray = rows.filter(pl.col("reference_frame").ne_missing(RIG)).select("clip_id", "reference_frame")
    rows = rows.filter(~pl.col("clip_id").is_in(astray["clip_id"].unique().implode())).rename(_TRACK_NAMES)
    rows = rows.with_columns(heading_rad=_yaw(rows))
    key = ("clip", "track_id", "t_us")  # clips are numbered in the order of their ids, and numbers sort faster
    sound = rows.filter(
        pl.all_horizontal(pl.col(*key).is_not_null()),
        pl.all_horizontal(pl.col(name).is_finite() & pl.col(name).is_not_null() for name in _MEASURES),
    ).sort(key, maintain_order=True)
    sound = sound.filter(pl.any_horizontal(pl.col(name).ne_missing(pl.col(name).shift()) for name in key))
    degraded = _astray_rows(astray, archive) + _dropped_rows(rows, sound, archive)
    frame = sound.select("clip_id", "track_id", "t_us", "label_class", *_MEASURES)
    return schemas.conform(frame, schemas.TRACKS), degraded


def _yaw(boxes: pl.DataFrame) -> pl.Series:
    """Heading of each box about the rig's vertical, (−π, π]; NaN where the rotation has no length."""
    x, y, z, w = (boxes[f"orientation_{axis}"].cast(pl.Float64).to_numpy() for axis in "xyzw")
    with np.errstate(all="ignore"):
        yaw = np.arctan2(2.0 * (w * z + x * y), w * w + x * x - y * y - z * z)
        return pl.Series(np.where(x * x + y * y + z * z + w * w > 0.0, yaw, np.nan))


def _astray_rows(astray: pl.DataFrame, archive: str) -> list[dict[str, object]]:
    found = astray.group_by("clip_id", maintain_order=True).agg(pl.len(), pl.col("reference_frame").first())
    hint = "{} gives {} boxes of {} in frame {!r} instead of 'rig', which is not guessed at; fetch or export it again."
    return [
        _degraded(clip_id, "tracks_not_in_rig_frame", hint.format(archive, boxes, clip_id, frame))
        for clip_id, boxes, frame in found.iter_rows()
    ]


def _dropped_rows(rows: pl.DataFrame, sound: pl.DataFrame, archive: str) -> list[dict[str, object]]:
    kept = dict(sound.group_by("clip_id").len().iter_rows())
    had = rows.group_by("clip_id", maintain_order=True).len()
    hint = "{} of {} boxes of {} in {} are not numbers or repeat an instant of their track; the others are used."
    return [
        _degraded(clip_id, "tracks_rows_dropped", hint.format(count - kept.get(clip_id, 0), count, clip_id, archive))
        for clip_id, count in had.iter_rows()
        if count > kept.get(clip_id, 0)
    ]


def _degraded(clip_id: str | None, reason: str, hint: str) -> dict[str, object]:
    return {"clip_id": clip_id, "severity": "degraded", "feature": "tracks", "reason": reason, "hint": hint}


def _archive_hint(root: DatasetRoot, archive: Archive) -> str | None:
    return f"{root.relative(archive.path)} {archive.damage}" if archive.damage else None


def _in_threads(task: Callable[[_Item], _Result], items: Iterable[_Item]) -> Iterator[_Result]:
    readers = min(_READERS, _cores())
    if readers == 1:
        yield from map(task, items)
        return
    with ThreadPoolExecutor(readers) as pool:
        yield from pool.map(task, items)


def _cores() -> int:
    """Cores that this process may use; not every system can be asked."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _read_columns(content: bytes, wanted: Sequence[str]) -> dict[str, pa.ChunkedArray]:
    """Those of the columns that a member's Parquet has; one by one, which is faster than a table of them.

    Raises:
        ArrowException, OSError, ValueError: the bytes are no Parquet file, or its columns differ in length.
    """
    file = pq.ParquetFile(pa.BufferReader(content), pre_buffer=False)
    columns = {}
    for name in wanted:
        with suppress(KeyError):
            columns[name] = file.reader.read_column(file.reader.column_name_idx(name))
    rows = file.metadata.num_rows
    if wrong := {name: len(column) for name, column in columns.items() if len(column) != rows}:
        raise ValueError(f"{rows} rows, but columns of another length: {wrong}")
    return columns


def _with_pandas_index(content: bytes) -> dict[str, pa.ChunkedArray]:
    """All columns, what pandas keeps as its index (a range it does not even write) among them."""
    frame = pq.ParquetFile(pa.BufferReader(content)).read(use_threads=False).to_pandas().reset_index()
    table = pa.Table.from_pandas(frame, preserve_index=False)
    return dict(zip(table.column_names, table.columns, strict=True))


def _timestamps(column: pa.ChunkedArray, source: str) -> np.ndarray:
    if pa.types.is_integer(column.type):
        whole = column.fill_null(NO_TIMESTAMP) if column.null_count else column
        return whole.to_numpy().astype(np.int64, copy=False)
    values = column.to_numpy().astype(np.float64)
    if np.isinf(values).any():
        raise ClipRejected("infinite_value", f"{source} holds an infinite timestamp; {_FETCH}")
    return np.where(np.isnan(values), NO_TIMESTAMP, np.rint(np.nan_to_num(values))).astype(np.int64)


def _floats(columns: dict[str, pa.ChunkedArray], names: Sequence[str]) -> np.ndarray:
    """(N, len(names)), each column contiguous: filling and reading whole columns is most of what is done with it."""
    rows = np.empty((len(names), len(columns[names[0]])))
    for row, name in zip(rows, names, strict=True):
        row[:] = columns[name].to_numpy().astype(np.float64, copy=False)
    rows.flags.writeable = False
    return rows.T
