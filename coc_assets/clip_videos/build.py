"""A chunk's videos and evidence segments: which clips have a usable video, and what of it each keyframe is shown.

A clip without usable video goes on without it; what is wrong is said once a clip, in `rejects`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Self

import numpy as np
import polars as pl

from coc_assets.clip_videos.sampling import shown_frames
from coc_assets.clip_videos.segments import cut_segments, window_frames
from coc_assets.sources.egomotion import FRAME_US
from coc_assets.sources.pai import read_camera_timestamps
from coc_assets.sources.video import VideoError, VideoFacts, probe
from resources import schemas
from resources.archives import Archive, MemberError
from resources.dataset import FRAME_TIMESTAMPS, VIDEO, DatasetRoot
from resources.schemas import SegmentStatus
from resources.settings.videos import VideoSettings

Write = Callable[[str, bytes], str]
Progress = Callable[[int, int], None]
Row = dict[str, Any]

_NO_TIMES = np.empty(0, dtype=np.int64)


@dataclass(frozen=True)
class ClipVideo:
    """What became of one clip's video.

    Attributes:
        times_us: (F,) int64 ascending, instants of the frames that can be used, clip clock, µs; empty without a video.
        facts: frame count and size; None without a usable video.
        segments: mp4 bytes by keyframe id, where segments are cut at once.
        problem: why the video cannot be used, or what of the clip it lacks.
    """

    times_us: np.ndarray = field(default_factory=_NO_TIMES.copy)
    facts: VideoFacts | None = None
    segments: Mapping[str, bytes] = field(default_factory=dict)
    problem: VideoError | None = None

    @property
    def undecodable(self) -> bool:
        return self.facts is None and self.problem is not None and self.problem.reason == "video_undecodable"


@dataclass(frozen=True)
class CameraChunk:
    """A camera's archive of one chunk, opened."""

    root: DatasetRoot
    chunk: str
    camera: str
    archive: Archive

    @classmethod
    @contextmanager
    def opened(cls, root: DatasetRoot, chunk: str, camera: str) -> Iterator[Self]:
        with root.open_archive(camera, chunk) as archive:
            yield cls(root, chunk, camera, archive)

    def source(self, alias: str, clip_id: str) -> str:
        """Archive below the root and member, as tables and hints have it."""
        return f"{self.root.relative(self.archive.path)}::{self.root.member_name(self.camera, alias, clip_id)}"

    def times_us(self, clip_id: str) -> np.ndarray:
        """Instants of a clip's frames, (F,) int64 ascending, F > 0, clip clock, µs.

        Raises:
            VideoError: the video or its timestamps are not there, or the timestamps do not ascend.
        """
        self._require(VIDEO, clip_id, "video_missing")
        self._require(FRAME_TIMESTAMPS, clip_id, "timestamps_missing")
        try:
            times = read_camera_timestamps(self.root, self.chunk, self.camera, clip_id)
        except MemberError as error:
            hint = f"{self.source(FRAME_TIMESTAMPS, clip_id)}: {error.problem}"
            raise VideoError("timestamps_unusable", hint) from error
        self._require_ascending(times, clip_id)
        return times

    @contextmanager
    def video(self, clip_id: str) -> Iterator[BinaryIO]:
        """A clip's mp4, read in place; what is wrong with it is raised with its name in front."""
        source = self.source(VIDEO, clip_id)
        try:
            with self.archive.open(self.root.member_name(self.camera, VIDEO, clip_id)) as file:
                yield file
        except MemberError as error:
            raise VideoError("video_undecodable", f"{source}: {error.problem}") from error
        except VideoError as error:
            raise VideoError(error.reason, f"{source}: {error.hint}") from error

    def _require(self, alias: str, clip_id: str, reason: str) -> None:
        if self.root.member_name(self.camera, alias, clip_id) not in self.archive.members:
            where = "lies beyond what is left of the archive" if self.archive.damaged else "is not in the archive"
            hint = f"{self.source(alias, clip_id)} {where}; fetch it again if the clip should have video."
            raise VideoError(reason, hint)

    def _require_ascending(self, times: np.ndarray, clip_id: str) -> None:
        falls = np.flatnonzero(np.diff(times) <= 0)
        if falls.size or not times.size:
            where = f"do not ascend at row {falls[0] + 1} ({times[falls[0] + 1]} µs)" if falls.size else "are none"
            hint = f"{self.source(FRAME_TIMESTAMPS, clip_id)}: its timestamps {where}; fetch the archive again."
            raise VideoError("timestamps_unusable", hint)


def build(
    root: DatasetRoot,
    chunk: str,
    clips: pl.DataFrame,
    keyframes: pl.DataFrame,
    settings: VideoSettings,
    cut: bool,
    write: Write,
    progress: Progress | None = None,
) -> dict[str, pl.DataFrame]:
    """The tables `videos`, `segments` and `rejects` of a chunk.

    Reasons in `rejects`, all degraded and at most one a clip: `video_missing`, `timestamps_missing`,
    `timestamps_unusable`, `video_undecodable`, `video_shorter_than_clip`, `timestamps_shorter_than_video`; for the
    chunk as a whole `video_missing` (one row then stands for all clips) or `archive_damaged`.

    Args:
        clips: rows of CLIPS.
        keyframes: rows of KEYFRAMES of these clips; each gets a segment row, in their order.
        cut: cut segments now, and decode every video in full; else only header and first frame are looked at.
        write: publishes a file under a name and returns its path relative to the store.
        progress: called with clips done and in total.
    """
    moments = _moments_by_clip(keyframes)
    videos: list[Row] = []
    segments: dict[str, Row] = {}
    present = root.archive_path(settings.camera, chunk).is_file()
    with CameraChunk.opened(root, chunk, settings.camera) if present else nullcontext() as camera:
        rejects = _chunk_problems(root, chunk, camera, settings)
        for done, clip in enumerate(clips.iter_rows(named=True), start=1):
            clip_id = clip["clip_id"]
            asked = moments.get(clip_id, {})
            video = _read_clip(camera, clip, asked, settings, cut) if camera else ClipVideo()
            if camera and video.facts:
                videos.append(_video_row(camera, clip_id, video, video.facts))
            if video.problem:
                rejects.append(_degraded(clip_id, video.problem))
            paths = {id_: write(segment_name(id_, settings.camera), mp4) for id_, mp4 in video.segments.items()}
            for keyframe_id, t0_us in asked.items():
                segment = _segment_row(video, t0_us, paths.get(keyframe_id), settings)
                segments[keyframe_id] = {"keyframe_id": keyframe_id, "clip_id": clip_id} | segment
            if progress:
                progress(done, clips.height)
    return {
        "videos": _table(videos, schemas.VIDEOS, chunk),
        "segments": _table([segments[id_] for id_ in keyframes["keyframe_id"]], schemas.SEGMENTS, chunk),
        "rejects": _table(rejects, schemas.REJECTS, chunk),
    }


def ensure_segments(
    root: DatasetRoot,
    chunk: str,
    segments: pl.DataFrame,
    keyframe_ids: Collection[str],
    settings: VideoSettings,
    write: Write,
) -> pl.DataFrame:
    """The segment rows of some keyframes, with those `on_demand` cut now; the bytes are those of cutting at once.

    A video that turns out damaged makes its rows `undecodable`, without frames.

    Args:
        segments: rows of SEGMENTS of this chunk.
        keyframe_ids: keyframes whose segments are needed.
        write: publishes a file under a name and returns its path relative to the store.
    """
    rows = segments.filter(pl.col("keyframe_id").is_in(list(keyframe_ids))).to_dicts()
    waiting = [row for row in rows if row["status"] == "on_demand"]
    if waiting:
        with CameraChunk.opened(root, chunk, settings.camera) as camera:
            for clip_id in dict.fromkeys(row["clip_id"] for row in waiting):
                _cut_rows(camera, clip_id, [row for row in waiting if row["clip_id"] == clip_id], settings, write)
    return schemas.rows_to_frame(rows, schemas.SEGMENTS)


def segment_name(keyframe_id: str, camera: str) -> str:
    """File name of a keyframe's segment."""
    return f"{keyframe_id}.{camera}.mp4"


def _moments_by_clip(keyframes: pl.DataFrame) -> dict[str, dict[str, int]]:
    """t0_us by keyframe id, by clip."""
    moments: dict[str, dict[str, int]] = {}
    for clip_id, keyframe_id, t0_us in keyframes.select("clip_id", "keyframe_id", "t0_us").iter_rows():
        moments.setdefault(clip_id, {})[keyframe_id] = t0_us
    return moments


def _read_clip(
    camera: CameraChunk, clip: Row, moments: Mapping[str, int], settings: VideoSettings, cut: bool
) -> ClipVideo:
    try:
        times = camera.times_us(clip["clip_id"])
        with camera.video(clip["clip_id"]) as file:
            facts = probe(file)
            usable = times[: facts.frames]
            windows = {id_: window_frames(usable, t0_us, settings) for id_, t0_us in moments.items()}
            filled = {id_: window for id_, window in windows.items() if window}
            segments = cut_segments(file, usable, filled, settings, decode_all=True) if cut else {}
    except VideoError as problem:
        return ClipVideo(problem=problem)
    lack = _shortfall(clip, times, facts, settings)
    named = VideoError(lack.reason, f"{camera.source(VIDEO, clip['clip_id'])} {lack.hint}") if lack else None
    return ClipVideo(usable, facts, segments, named)


def _shortfall(clip: Row, times: np.ndarray, facts: VideoFacts, settings: VideoSettings) -> VideoError | None:
    """What a readable video lacks: frames, timestamps, or parts of the clip."""
    start_us, slack_us = clip["first_us"], round(settings.clip_slack_s * 1e6)
    end_us = start_us + (clip["frames"] - 1) * FRAME_US
    usable = times[: facts.frames]
    if facts.frames < times.size:
        ends = f"has {facts.frames} frames for {times.size} timestamps; it ends at {usable[-1] / 1e6:.2f} s"
        return VideoError("video_shorter_than_clip", f"{ends} and is used up to there. Fetch it again.")
    if usable[0] > start_us + slack_us or usable[-1] < end_us - slack_us:
        covers = f"covers {usable[0] / 1e6:.2f} to {usable[-1] / 1e6:.2f} s"
        of_clip = f"of a clip from {start_us / 1e6:.2f} to {end_us / 1e6:.2f} s"
        return VideoError("video_shorter_than_clip", f"{covers} {of_clip}; the rest has no frames. Fetch it again.")
    if facts.frames > times.size:
        more = f"has {facts.frames} frames and {times.size} timestamps; frames after the last timestamp are not used."
        return VideoError("timestamps_shorter_than_video", f"{more} Fetch the archive again.")
    return None


def _chunk_problems(root: DatasetRoot, chunk: str, camera: CameraChunk | None, settings: VideoSettings) -> list[Row]:
    name = root.relative(root.archive_path(settings.camera, chunk))
    if camera is None:
        hint = f"{name} is not on disk; mirror it if this chunk's samples should have video."
        return [_degraded(None, VideoError("video_missing", hint))]
    if camera.archive.damage:
        return [_degraded(None, VideoError("archive_damaged", f"{name} {camera.archive.damage}"))]
    return []


def _degraded(clip_id: str | None, problem: VideoError) -> Row:
    row = {"stage": schemas.VIDEOS.asset, "clip_id": clip_id, "severity": "degraded", "feature": "video"}
    return row | {"reason": problem.reason, "hint": problem.hint}


def _video_row(camera: CameraChunk, clip_id: str, video: ClipVideo, facts: VideoFacts) -> Row:
    times = video.times_us
    span_us = int(times[-1] - times[0])
    return {
        "clip_id": clip_id,
        "camera": camera.camera,
        "path": camera.source(VIDEO, clip_id),
        "frames": times.size,
        "fps": (times.size - 1) * 1e6 / span_us if span_us else None,
        "width": facts.width,
        "height": facts.height,
        "first_us": int(times[0]),
        "last_us": int(times[-1]),
    }


def _segment_row(video: ClipVideo, t0_us: int, path: str | None, settings: VideoSettings) -> Row:
    window = window_frames(video.times_us, t0_us, settings)
    shown = shown_frames(video.times_us, t0_us, settings)
    return {
        "camera": settings.camera,
        "path": path,
        "first_us": int(video.times_us[window.start]) if window else None,
        "last_us": int(video.times_us[window.stop - 1]) if window else None,
        "frame_us": shown.frame_us.tolist(),
        "source_frame": shown.source_frame.tolist(),
        "missing_us": shown.missing_us.tolist(),
        "status": _status(video, window, path),
    }


def _status(video: ClipVideo, window: range, path: str | None) -> SegmentStatus:
    if video.undecodable:
        return "undecodable"
    if not window:
        return "no_video"
    return "cut" if path else "on_demand"


def _cut_rows(camera: CameraChunk, clip_id: str, rows: list[Row], settings: VideoSettings, write: Write) -> None:
    """Cuts one clip's segments and notes in the rows where they lie."""
    try:
        times = camera.times_us(clip_id)
        windows = {row["keyframe_id"]: _window_of_row(row, times) for row in rows}
        with camera.video(clip_id) as file:
            segments = cut_segments(file, times, windows, settings)
    except VideoError:
        lost: Row = {"status": "undecodable", "first_us": None, "last_us": None, "frame_us": [], "source_frame": []}
        for row in rows:
            row.update(lost)
        return
    for row in rows:
        name = segment_name(row["keyframe_id"], camera.camera)
        row.update(status="cut", path=write(name, segments[row["keyframe_id"]]))


def _window_of_row(row: Row, times: np.ndarray) -> range:
    first, last = np.searchsorted(times, [row["first_us"], row["last_us"]])
    return range(int(first), int(last) + 1)


def _table(rows: list[Row], table: schemas.Table, chunk: str) -> pl.DataFrame:
    whole: list[dict[str, object]] = [{"chunk": chunk, **row} for row in rows]
    return schemas.rows_to_frame(whole, table)
