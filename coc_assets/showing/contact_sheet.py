"""A chunk's labels at a glance: one small picture with frames at some keyframes, and what was said of each."""

from __future__ import annotations

import io
import textwrap
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import polars as pl

from coc_assets.clip_videos.build import CameraChunk
from coc_assets.sources.video import VideoError, iterate_frames
from resources.dataset import DatasetRoot

if TYPE_CHECKING:
    from PIL.Image import Image

MOST_PICTURES = 6
MOST_BYTES = 33_000
"""Of a sheet; as base64 in Dagster's event log a third more."""
_SECONDS = 0.12
"""After this no further frame is decoded, so that large videos do not hold up a run."""

_COLUMNS = 3
_TILE_WIDE, _TILE_HIGH = 236, 133
_GAP = 8
_LINE, _TRACE_LINES, _LINE_CHARACTERS = 13, 3, 42
_SIZE, _HEAD_SIZE = 10, 11  # of the letters, pixels
_QUALITIES = (70, 55, 40, 25)
_INK, _FAINT, _GROUND = "#222222", "#777777", "white"
_MICRO = 1e-6


@dataclass(frozen=True)
class Moment:
    """One keyframe on the sheet.

    Attributes:
        source_frame: index in the clip's video of the frame on show at the keyframe.
        t0_s: the keyframe's instant, clip clock, s.
        action: its meta-action.
        said: the label's decisions, or what became of it.
        trace: the label's sentence.
    """

    clip_id: str
    source_frame: int
    t0_s: float
    action: str
    said: str
    trace: str


def moments(
    keyframes: pl.DataFrame, segments: pl.DataFrame, labels: pl.DataFrame, most: int = MOST_PICTURES
) -> list[Moment]:
    """Keyframes with video, as evenly over the actions as their number allows; the same ones whenever asked.

    Args:
        keyframes: `keyframes`. segments: `segments`. labels: `raw_coc`, of one labeler.
    """
    shown = segments.filter(pl.col("status").is_in(["cut", "on_demand"]), pl.col("source_frame").list.len() > 0)
    rows = (
        shown.select("keyframe_id", "frame_us", "source_frame")
        .unique("keyframe_id")
        .join(keyframes.select("keyframe_id", "clip_id", "t0_us", "action"), on="keyframe_id")
        .join(labels.select("keyframe_id", "status", *_DECISIONS, "trace"), on="keyframe_id", how="left")
        .sort("action", "keyframe_id")
    )
    count = min(most, rows.height)
    return [_moment(row) for row in rows[[at * rows.height // count for at in range(count)]].to_dicts()]


_DECISIONS = ("longitudinal_decision", "lateral_decision", "lateral_direction")


def _moment(row: dict[str, Any]) -> Moment:
    before = [index for us, index in zip(row["frame_us"], row["source_frame"], strict=True) if us <= row["t0_us"]]
    decisions = " · ".join(row[name] for name in _DECISIONS if row[name])
    return Moment(
        clip_id=row["clip_id"],
        source_frame=before[-1] if before else row["source_frame"][0],
        t0_s=row["t0_us"] * _MICRO,
        action=row["action"],
        said=(decisions or "no decision") if row["status"] == "ok" else (row["status"] or "no label"),
        trace=row["trace"] or "",
    )


def frames_at(
    root: DatasetRoot,
    chunk: str,
    camera: str,
    chosen: Sequence[Moment],
    seconds: float = _SECONDS,
    clock: Callable[[], float] = time.thread_time,
) -> Iterator[tuple[Moment, Image]]:
    """Each moment with its frame, tile-sized, until the time is used up; a video that does not decode is passed over.

    Args:
        seconds: of the clock, after the first picture.
        clock: by default this thread's processor time, so that a busy machine shows no fewer.

    Raises:
        FileNotFoundError: the camera's archive of the chunk is not on disk.
    """
    with CameraChunk.opened(root, chunk, camera) as source:
        since: float | None = None
        for moment in chosen:
            if since is not None and clock() - since > seconds:
                return
            try:
                with source.video(moment.clip_id) as file:
                    for _, frame in iterate_frames(file, [moment.source_frame]):
                        yield moment, frame.reformat(_TILE_WIDE, _TILE_HIGH, format="rgb24").to_image()
            except VideoError:
                continue
            since = since if since is not None else clock()  # what the first picture loads is paid once a process


def sheet(tiles: Sequence[tuple[Moment, Image]]) -> bytes:
    """The pictures in rows with their labels below, JPEG, as fine as the bytes that it may have allow."""
    from PIL import Image, ImageDraw, ImageFont

    across, down = min(_COLUMNS, len(tiles)), -(-len(tiles) // _COLUMNS)
    high = _TILE_HIGH + (2 + _TRACE_LINES) * _LINE + _GAP
    page = Image.new("RGB", (across * (_TILE_WIDE + _GAP) + _GAP, down * (high + _GAP) + _GAP), _GROUND)
    pen, fonts = ImageDraw.Draw(page), (ImageFont.load_default(_HEAD_SIZE), ImageFont.load_default(_SIZE))
    for at, (moment, picture) in enumerate(tiles):
        x, y = _GAP + at % _COLUMNS * (_TILE_WIDE + _GAP), _GAP + at // _COLUMNS * (high + _GAP)
        page.paste(picture, (x, y))
        _write(pen, x, y + _TILE_HIGH + 2, moment, fonts)
    return _within_bytes(page)


def _write(pen: Any, x: int, y: int, moment: Moment, fonts: tuple[Any, Any]) -> None:
    head, small = fonts
    pen.text((x, y), f"{moment.action}  at {moment.t0_s:.1f} s", fill=_INK, font=head)
    pen.text((x, y + _LINE), moment.said, fill=_INK, font=small)
    for at, line in enumerate(textwrap.wrap(moment.trace, _LINE_CHARACTERS, max_lines=_TRACE_LINES, placeholder=" …")):
        pen.text((x, y + (2 + at) * _LINE), line, fill=_FAINT, font=small)


def _within_bytes(page: Image) -> bytes:
    """The page as JPEG in the best quality that keeps to the bytes; where none does, at half its size."""
    for quality in _QUALITIES:
        data = _jpeg(page, quality)
        if len(data) <= MOST_BYTES:
            return data
    return _jpeg(page.reduce(2), _QUALITIES[-1])


def _jpeg(page: Image, quality: int) -> bytes:
    out = io.BytesIO()
    page.save(out, "JPEG", quality=quality)
    return out.getvalue()
