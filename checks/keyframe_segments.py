"""Claims about `keyframe_segments`."""

from __future__ import annotations

from checks import claims
from checks.claims import Claim
from checks.reporting import Partition, partition_check
from resources import schemas

ASSET = "keyframe_segments"


@partition_check(ASSET, blocking=True)
def keyframes_lie_inside_their_clips(partition: Partition) -> Claim:
    """Every keyframe and its event lie on frames of a usable clip."""
    return claims.keyframes_lie_inside_their_clips(partition.read(schemas.KEYFRAMES), partition.read(schemas.CLIPS))


@partition_check(ASSET, blocking=True)
def keyframe_ids_match_their_instants(partition: Partition) -> Claim:
    """Each keyframe's id is its clip and its instant, and its instant is its frame's on the clip's clock."""
    return claims.keyframe_ids_match_their_instants(partition.read(schemas.KEYFRAMES), partition.read(schemas.CLIPS))
