"""Claims about `meta_actions`."""

from __future__ import annotations

from checks import claims
from checks.claims import Claim
from checks.reporting import Partition, partition_check
from resources import schemas

ASSET = "meta_actions"


@partition_check(ASSET, blocking=True)
def spans_cover_the_clip(partition: Partition) -> Claim:
    """Longitudinal spans cover each clip, and so do lateral spans and stops together, to within a tick."""
    return claims.spans_cover_the_clip(partition.read(schemas.META_ACTION_SPANS), partition.read(schemas.CLIPS))


@partition_check(ASSET, blocking=False)
def actions_match_the_motion(partition: Partition) -> Claim:
    """The recorded motion over each span goes the way that the span's name says."""
    spans, trajectories = partition.read(schemas.META_ACTION_SPANS), partition.read(schemas.TRAJECTORIES)
    return claims.actions_match_the_motion(spans, trajectories)
