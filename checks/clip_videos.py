"""Claims about `clip_videos`."""

from __future__ import annotations

from checks import claims
from checks.claims import Claim
from checks.reporting import Partition, partition_check
from resources import schemas

ASSET = "clip_videos"


@partition_check(ASSET, blocking=True)
def segments_span_the_window(partition: Partition) -> Claim:
    """Each segment shows its keyframe's 8 s as far as the video goes, and its frames are those asked for."""
    return claims.segments_span_the_window(
        partition.read(schemas.SEGMENTS),
        partition.read(schemas.KEYFRAMES),
        partition.read(schemas.VIDEOS),
        partition.workspace.settings.videos,
    )


@partition_check(ASSET, blocking=True)
def every_keyframe_has_a_segment(partition: Partition) -> Claim:
    """Each keyframe has its row of evidence, be it that there is no video for it."""
    return claims.every_keyframe_has_a_segment(partition.read(schemas.KEYFRAMES), partition.read(schemas.SEGMENTS))
