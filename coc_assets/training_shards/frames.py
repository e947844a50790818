"""The camera frames of a sample: chosen by timestamps, decoded, and stored as JPEG."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from typing import BinaryIO

import numpy as np

from coc_assets.sources.pai import read_camera_timestamps
from coc_assets.sources.video import VideoError, frames_at_or_before, iterate_frames, rgb
from coc_assets.training_shards.sample import CAMERA_INDEX
from resources.archives import MemberError
from resources.dataset import VIDEO, DatasetRoot
from resources.settings.shards import ShardSettings


@dataclass(frozen=True)
class CameraFrames:
    """What one camera saw around t0.

    Attributes:
        camera_index: the trainers' number of the camera, 0 … 6.
        frame_us: (4,) int64, instants of the frames themselves, clip clock, µs.
        jpegs: the four frames, earliest first.
    """

    camera_index: int
    frame_us: np.ndarray
    jpegs: list[bytes]


@dataclass(frozen=True)
class LostFrames:
    """A camera without frames for a sample; reason and hint become a `degraded` row of rejects."""

    camera: str
    reason: str
    hint: str


@dataclass(frozen=True)
class Seen:
    """What was seen around one t0: the cameras with all four frames, by index, and what was lost of the others."""

    frames: list[CameraFrames]
    lost: list[LostFrames]


FramesOf = Callable[[str, np.ndarray], list[Seen]]
"""Of a clip and (K, 4) asked instants, clip clock, µs: what was seen at each of the K, frames at or before them."""


def dataset_frames(root: DatasetRoot, chunk: str, settings: ShardSettings) -> FramesOf:
    """A reader of a chunk's frames; each camera's video of a clip is decoded once, whatever is asked of it."""
    cameras = sorted(settings.cameras, key=CAMERA_INDEX.__getitem__)
    return partial(_seen_by_cameras, root, chunk, cameras, partial(to_jpeg, settings=settings))


def to_jpeg(picture: np.ndarray, settings: ShardSettings) -> bytes:
    """An (H, W, 3) uint8 RGB picture as JPEG of the settings' height and quality; equal pictures give equal bytes."""
    from PIL import Image

    image = Image.fromarray(picture)
    if settings.frame_height is not None:
        width = max(round(image.width * settings.frame_height / image.height), 1)
        image = image.resize((width, settings.frame_height), Image.Resampling.BICUBIC)
    out = io.BytesIO()
    image.save(out, "JPEG", quality=settings.jpeg_quality)
    return out.getvalue()


def _seen_by_cameras(
    root: DatasetRoot,
    chunk: str,
    cameras: Sequence[str],
    encode: Callable[[np.ndarray], bytes],
    clip_id: str,
    asked_us: np.ndarray,
) -> list[Seen]:
    of_cameras = [_of_camera(root, chunk, camera, encode, clip_id, asked_us) for camera in cameras]
    return [
        Seen(
            [one for one in at_t0 if isinstance(one, CameraFrames)],
            [one for one in at_t0 if isinstance(one, LostFrames)],
        )
        for at_t0 in zip(*of_cameras, strict=True)
    ]


def _of_camera(
    root: DatasetRoot,
    chunk: str,
    camera: str,
    encode: Callable[[np.ndarray], bytes],
    clip_id: str,
    asked_us: np.ndarray,
) -> list[CameraFrames | LostFrames]:
    """One camera's frames at each of the asked K; what is wrong with the clip's files is said of all of them."""
    archive_name = root.relative(root.archive_path(camera, chunk))
    try:
        timestamps_us = camera_timestamps(root, chunk, camera, clip_id)
        with root.open_archive(camera, chunk) as archive:
            member = root.member_name(camera, VIDEO, clip_id)
            found = _frames_at(lambda: archive.open(member), timestamps_us, asked_us, encode)
    except FileNotFoundError:
        lost = LostFrames(camera, "no_video", f"{archive_name} is not on disk; mirror it to train on its frames")
        return [lost] * len(asked_us)
    except MemberError as error:
        where = f"{root.relative(error.archive)}::{error.member}"
        return [LostFrames(camera, "no_video", f"{where}: {error.problem}")] * len(asked_us)
    except VideoError as error:
        found = [error] * len(asked_us)
    where = f"{archive_name}::{root.member_name(camera, VIDEO, clip_id)}"
    return [
        LostFrames(camera, one.reason, f"{where}: {one.hint}")
        if isinstance(one, VideoError)
        else CameraFrames(CAMERA_INDEX[camera], *one)
        for one in found
    ]


def camera_timestamps(root: DatasetRoot, chunk: str, camera: str, clip_id: str) -> np.ndarray:
    """Instants of a clip's frames, (F,) int64 ascending, clip clock, µs.

    Raises:
        FileNotFoundError, MemberError: they are not there. VideoError: they do not ascend.
    """
    timestamps_us = read_camera_timestamps(root, chunk, camera, clip_id)
    if (np.diff(timestamps_us) < 0).any():
        raise VideoError("timestamps_not_ascending", "its frame timestamps run backwards; fetch them again.")
    return timestamps_us


def _frames_at(
    opened: Callable[[], AbstractContextManager[BinaryIO]],
    timestamps_us: np.ndarray,
    asked_us: np.ndarray,
    encode: Callable[[np.ndarray], bytes],
) -> list[tuple[np.ndarray, list[bytes]] | VideoError]:
    """Instants and JPEGs of the frames on show at each of the asked K, or why it has none."""
    at = frames_at_or_before(timestamps_us, asked_us)
    covered = (at >= 0).all(axis=1)
    found: list[tuple[np.ndarray, list[bytes]] | VideoError] = [
        _not_covered(asked, timestamps_us) for asked in asked_us
    ]
    for which, jpegs in zip(np.flatnonzero(covered), _jpegs(opened, at[covered].tolist(), encode), strict=True):
        found[which] = jpegs if isinstance(jpegs, VideoError) else (timestamps_us[at[which]], jpegs)
    return found


def _jpegs(
    opened: Callable[[], AbstractContextManager[BinaryIO]],
    groups: Sequence[Sequence[int]],
    encode: Callable[[np.ndarray], bytes],
) -> list[list[bytes] | VideoError]:
    """JPEGs of each group of frame indices, of one pass over the video; where that breaks, of one pass a group."""
    try:
        with opened() as video:
            wanted = {index for group in groups for index in group}
            jpeg = {index: encode(rgb(frame)) for index, frame in iterate_frames(video, wanted)}
        return [[jpeg[index] for index in group] for group in groups]
    except VideoError as error:
        return [error] if len(groups) == 1 else [one for group in groups for one in _jpegs(opened, [group], encode)]


def _not_covered(asked_us: np.ndarray, timestamps_us: np.ndarray) -> VideoError:
    held = f"{timestamps_us[0]} … {timestamps_us[-1]} µs" if timestamps_us.size else "no instant"
    return VideoError(
        "video_shorter_than_clip", f"frames at {asked_us.tolist()} µs are asked for, the video covers {held}."
    )
