"""The pictures of a label's page: its evidence segment, and the frames of it that a model is shown."""

from __future__ import annotations

import io
import threading
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from coc_assets.clip_videos.build import ensure_segments
from coc_assets.raw_coc.vlm.media import scaled_size
from coc_assets.review.reading import ChunkTables
from coc_assets.sources.video import VideoError, exact_scaling, iterate_frames, probe
from coc_assets.stage import StageError, Workspace
from resources.store import Store

if TYPE_CHECKING:
    from av.video.frame import VideoFrame

Row = dict[str, Any]

_FRAME_HIGH = 216  # pixels
_JPEG_QUALITY = 80
_KEYFRAMES_KEPT = 16
_SLACK_US = 1_000  # presentation times are rounded to the container's clock
_MICRO = 1e-6
_NO_PICTURES = {
    "no_video": "The clip has no video around this keyframe; the rejects of clip_videos say why.",
    "undecodable": "The clip's video cannot be decoded; the rejects of clip_videos name the file.",
}


def pictures_of(label: Row, segments: pl.DataFrame, camera: str) -> Row:
    """What pictures there are, from the tables alone: begin of the video, instants of the frames, s; or why none."""
    row = _segment(segments, label["keyframe_id"], camera)
    problem = _NO_PICTURES.get(row["status"]) if row else f"clip_videos has no segment of {camera} for this keyframe."
    if row is None or problem:
        return {"problem": problem, "begins_s": None, "frames_s": [], "missing_s": []}
    t0_us = label["t0_us"]
    return {
        "problem": None,
        "begins_s": _relative(row["first_us"], t0_us),
        "frames_s": [_relative(us, t0_us) for us in row["frame_us"]],
        "missing_s": [_relative(us, t0_us) for us in row["missing_us"]],
    }


class Pictures:
    """Segments and frames by keyframe; those that are not in the store are cut into a folder of this object's own."""

    def __init__(self, workspace: Workspace, folder: Path) -> None:
        self._workspace = workspace
        self._cut = Store(folder)
        self._guard = threading.Lock()
        self._frames: OrderedDict[str, list[bytes]] = OrderedDict()

    def segment(self, chunk: str, tables: ChunkTables, keyframe_id: str) -> Path:
        """The mp4 of a keyframe's segment.

        Raises:
            VideoError: there is none, and why.
        """
        row = _segment(tables.segments, keyframe_id, self._workspace.settings.videos.camera)
        if row is None or row["status"] in _NO_PICTURES:
            raise VideoError("no_video", _NO_PICTURES[row["status"]] if row else "clip_videos has no segment of it.")
        in_store = self._workspace.store.root / row["path"] if row["path"] else None
        if in_store and in_store.is_file():
            return in_store
        with self._guard:
            return self._cut_now(chunk, tables, keyframe_id)

    def frames(self, chunk: str, tables: ChunkTables, keyframe_id: str) -> list[bytes]:
        """JPEG of each frame that a model is shown, ascending.

        Raises:
            VideoError: there are none, and why.
        """
        path = self.segment(chunk, tables, keyframe_id)
        with self._guard:  # a page asks for all of them at once; they are decoded once
            if keyframe_id not in self._frames:
                row = _segment(tables.segments, keyframe_id, self._workspace.settings.videos.camera)
                assert row is not None, "it has a segment"
                self._frames[keyframe_id] = _decoded(path, [us - row["first_us"] for us in row["frame_us"]])
            while len(self._frames) > _KEYFRAMES_KEPT:
                self._frames.popitem(last=False)
            return self._frames[keyframe_id]

    def _cut_now(self, chunk: str, tables: ChunkTables, keyframe_id: str) -> Path:
        def write(name: str, data: bytes) -> str:
            self._cut.write_bytes(self._cut.root / name, data)
            return name

        of_keyframe = tables.segments.filter(pl.col("keyframe_id") == keyframe_id)
        waiting = of_keyframe.with_columns(status=pl.lit("on_demand"))
        videos = self._workspace.settings.videos
        try:
            rows = ensure_segments(self._workspace.root, chunk, waiting, [keyframe_id], videos, write)
        except (StageError, OSError) as error:
            raise VideoError("video_missing", f"{error} The segment is cut from the dataset's video.") from error
        row = _segment(rows, keyframe_id, videos.camera)
        if row is None or row["path"] is None:
            raise VideoError("undecodable", _NO_PICTURES["undecodable"])
        return self._cut.root / str(row["path"])


def _decoded(path: Path, after_us: Sequence[int]) -> list[bytes]:
    """JPEGs of the frames that begin at these instants of a video, µs."""
    waiting = list(after_us)
    pictures: list[bytes] = []
    with path.open("rb") as file:
        for _, frame in iterate_frames(file, range(probe(file).frames)):
            now_us = round((frame.time or 0.0) / _MICRO)
            while waiting and now_us >= waiting[0] - _SLACK_US:
                waiting.pop(0)
                pictures.append(_jpeg(frame))
    return pictures


def _jpeg(frame: VideoFrame) -> bytes:
    size = scaled_size(frame.width, frame.height, _FRAME_HIGH)
    out = io.BytesIO()
    frame.reformat(*size, format="rgb24", interpolation=exact_scaling()).to_image().save(
        out, "JPEG", quality=_JPEG_QUALITY
    )
    return out.getvalue()


def _segment(segments: pl.DataFrame, keyframe_id: str, camera: str) -> Row | None:
    of_keyframe = segments.filter((pl.col("keyframe_id") == keyframe_id) & (pl.col("camera") == camera))
    return next(of_keyframe.iter_rows(named=True), None)


def _relative(instant_us: int, t0_us: int) -> float:
    return round((instant_us - t0_us) * _MICRO, 3)
