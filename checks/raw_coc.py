"""Claims about `raw_coc`, of the labeler that ran."""

from __future__ import annotations

from checks import claims
from checks.claims import Claim
from checks.reporting import Partition, partition_check
from resources import schemas

ASSET = "raw_coc"


@partition_check(ASSET, blocking=True)
def labels_are_valid(partition: Partition) -> Claim:
    """Each keyframe has one label, in the closed vocabularies, with a trace wherever it is usable."""
    labeler = partition.workspace.settings.labeler
    return claims.labels_are_valid(partition.labels, partition.read(schemas.KEYFRAMES), labeler)


@partition_check(ASSET, blocking=False)
def labels_are_usable(partition: Partition) -> Claim:
    """Nine in ten keyframes got a label that can be used, instead of a refusal or a failure."""
    return claims.labels_are_usable(partition.labels, partition.workspace.settings.labeler)


@partition_check(ASSET, blocking=True)
def cited_tracks_are_in_the_history(partition: Partition) -> Claim:
    """Every track that a usable label cites has a box in the seconds before its keyframe."""
    history_s = partition.workspace.settings.videos.history_s
    return claims.cited_tracks_are_in_the_history(partition.labels, partition.read(schemas.TRACKS), history_s)
