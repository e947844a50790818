"""The video of a sample, for forms that carry one: the seconds that end at t0, cut anew of the clip's own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from coc_assets.sources.video import VideoError
from coc_assets.training_shards.forms.media import sample_video
from coc_assets.training_shards.frames import camera_timestamps
from coc_assets.training_shards.selection import Row
from resources.archives import MemberError
from resources.dataset import VIDEO, DatasetRoot
from resources.settings.shards import ShardSettings
from resources.store import Store


def dataset_videos(root: DatasetRoot, chunk: str, settings: ShardSettings) -> Callable[[Row, Path], bool]:
    """Puts a sample's video at a path, of the first of the settings' cameras; False where it has none."""
    camera = settings.cameras[0]

    def put(row: Row, path: Path) -> bool:
        member = root.member_name(camera, VIDEO, row["clip_id"])
        try:
            timestamps_us = camera_timestamps(root, chunk, camera, row["clip_id"])
            with root.open_archive(camera, chunk) as archive, archive.open(member) as video:
                content = sample_video(video, timestamps_us, row["t0_us"], settings)
        except (FileNotFoundError, MemberError, VideoError):
            return False  # counted by the form; the stage says what is wrong with the clip's video
        Store(path.parent).write_bytes(path, content)
        return True

    return put
