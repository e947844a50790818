"""Claims about `trajectory_cache`."""

from __future__ import annotations

from checks import claims
from checks.claims import Claim
from checks.reporting import Partition, partition_check
from coc_assets.sources.pai import read_clip_list
from resources import schemas

ASSET = "trajectory_cache"


@partition_check(ASSET, blocking=True)
def clips_are_conserved(partition: Partition) -> Claim:
    """Every clip of the index and of the archive is either usable or rejected, once."""
    listed = read_clip_list(partition.workspace.root, partition.chunk)["clip_id"]
    return claims.clips_are_conserved(listed, partition.read(schemas.CLIPS), partition.rejects(ASSET))


@partition_check(ASSET, blocking=False)
def tracks_are_in_the_rig_frame(partition: Partition) -> Claim:
    """No clip lost its obstacle tracks because they came in another frame than the rig's."""
    return claims.tracks_are_in_the_rig_frame(partition.rejects(ASSET))


@partition_check(ASSET, blocking=False)
def rejects_stay_few(partition: Partition) -> Claim:
    """Most clips of the chunk are usable."""
    return claims.rejects_stay_few(partition.read(schemas.CLIPS), partition.rejects(ASSET))
