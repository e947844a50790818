"""A dataset whose camera burns numbers into its frames, for the clip of `made`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from coc_assets.stage import Workspace
from coc_assets.view.footage import Footage, opened_footage
from resources.settings import load_settings
from tests.coc_assets.clip_videos.burnt import clip_mp4
from tests.coc_assets.clip_videos.test_build import CAMERA, TIMES, dataset, timestamps_file
from tests.coc_assets.view.made import CHUNK, CLIP


@contextmanager
def footage_of(folder: Path, mp4: bytes | None = None) -> Iterator[Footage]:
    """The clip's video: 90 frames at irregular instants, frame k shows k."""
    root = dataset(folder, {CLIP: (mp4 or clip_mp4(90, width=320, height=180), timestamps_file(TIMES))})
    workspace = Workspace(load_settings(dataset=root.path, store=folder / "store"))
    with opened_footage(workspace, CHUNK, CLIP, CAMERA) as footage:
        yield footage
