"""A clip's own video, with the instants of its frames on the clip's clock."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from coc_assets.clip_videos.build import CameraChunk
from coc_assets.sources.video import VideoError, frames_at_or_before, iterate_frames, probe, rgb
from coc_assets.stage import Workspace

if TYPE_CHECKING:
    from av.video.frame import VideoFrame


@dataclass(frozen=True)
class Footage:
    """A readable video of a clip, while its archive is open.

    Attributes:
        times_us: (V,) int64 ascending, V > 0, instants of its frames, clip clock, µs.
        width, height: pixels.
    """

    camera: CameraChunk
    clip_id: str
    times_us: np.ndarray
    width: int
    height: int

    def frames(self, wanted: Collection[int]) -> Iterator[tuple[int, VideoFrame]]:
        """Decoded frames by index, ascending.

        Raises:
            VideoError: one does not decode.
        """
        with self.camera.video(self.clip_id) as file:
            yield from iterate_frames(file, wanted)

    def mp4(self) -> bytes:
        """The video as the dataset has it."""
        with self.camera.video(self.clip_id) as file:
            return file.read()


@contextmanager
def opened_footage(workspace: Workspace, chunk: str, clip_id: str, camera: str) -> Iterator[Footage]:
    """A clip's video of a camera.

    Raises:
        VideoError: there is none that can be read, and why.
    """
    if workspace.settings.dataset is None:
        raise VideoError("no_dataset", "no dataset is named and the store's own is not there; pass --dataset DIR.")
    archive = workspace.root.archive_path(camera, chunk)
    if not archive.is_file():
        raise VideoError("video_missing", f"{workspace.root.relative(archive)} is not on disk; mirror it.")
    with CameraChunk.opened(workspace.root, chunk, camera) as opened:
        times = opened.times_us(clip_id)
        with opened.video(clip_id) as file:
            facts = probe(file)
        yield Footage(opened, clip_id, times[: facts.frames], facts.width, facts.height)


def pictures_at(footage: Footage | None, asked_us: Sequence[int]) -> tuple[list[np.ndarray | None], VideoError | None]:
    """The picture that was on show at each instant, (H, W, 3) uint8 RGB, None where there was none.

    Returns:
        The pictures, and what kept some from being decoded.
    """
    if footage is None:
        return [None] * len(asked_us), None
    index = frames_at_or_before(footage.times_us, list(asked_us)).tolist()
    decoded: dict[int, np.ndarray] = {}
    problem = None
    try:
        for at, frame in footage.frames([one for one in index if one >= 0]):
            decoded[at] = rgb(frame)
    except VideoError as error:
        problem = error
    return [decoded.get(one) for one in index], problem
