"""The camera frames of a sample: chosen by timestamps, decoded, and stored as JPEG."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from coc_assets.sources.pai import read_camera_timestamps
from coc_assets.sources.video import VideoError, decode_frames, frames_at_or_before
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


FramesOf = Callable[[str, np.ndarray], tuple[list[CameraFrames], list[LostFrames]]]


def dataset_frames(root: DatasetRoot, chunk: str, settings: ShardSettings) -> FramesOf:
    """A reader of a chunk's frames: of a clip, the frames of every camera at or before the asked instants.

    It gives the cameras that have all four frames, ordered by index, and what was lost of the others.
    """
    cameras = sorted(settings.cameras, key=CAMERA_INDEX.__getitem__)
    return partial(_frames_of_cameras, root, chunk, cameras, partial(to_jpeg, settings=settings))


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


def _frames_of_cameras(
    root: DatasetRoot,
    chunk: str,
    cameras: Sequence[str],
    encode: Callable[[np.ndarray], bytes],
    clip_id: str,
    asked_us: np.ndarray,
) -> tuple[list[CameraFrames], list[LostFrames]]:
    found, lost = [], []
    for camera in cameras:
        try:
            found.append(_camera_frames(root, chunk, camera, encode, clip_id, asked_us))
        except FileNotFoundError:
            hint = f"{root.relative(root.archive_path(camera, chunk))} is not on disk; mirror it to train on its frames"
            lost.append(LostFrames(camera, "no_video", hint))
        except MemberError as error:
            where = f"{root.relative(error.archive)}::{error.member}"
            lost.append(LostFrames(camera, "no_video", f"{where}: {error.problem}"))
        except VideoError as error:
            where = f"{root.relative(root.archive_path(camera, chunk))}::{root.member_name(camera, VIDEO, clip_id)}"
            lost.append(LostFrames(camera, error.reason, f"{where}: {error.hint}"))
    return found, lost


def _camera_frames(
    root: DatasetRoot,
    chunk: str,
    camera: str,
    encode: Callable[[np.ndarray], bytes],
    clip_id: str,
    asked_us: np.ndarray,
) -> CameraFrames:
    timestamps_us = read_camera_timestamps(root, chunk, camera, clip_id)
    if (np.diff(timestamps_us) < 0).any():
        raise VideoError("timestamps_not_ascending", "its frame timestamps run backwards; fetch them again.")
    at = frames_at_or_before(timestamps_us, asked_us)
    if (at < 0).any():
        held = f"{timestamps_us[0]} … {timestamps_us[-1]} µs" if timestamps_us.size else "no instant"
        raise VideoError(
            "video_shorter_than_clip", f"frames at {asked_us.tolist()} µs are asked for, the video covers {held}."
        )
    with root.open_archive(camera, chunk) as archive, archive.open(root.member_name(camera, VIDEO, clip_id)) as video:
        pictures = decode_frames(video, at.tolist())
    return CameraFrames(CAMERA_INDEX[camera], timestamps_us[at], [encode(pictures[index]) for index in at.tolist()])
