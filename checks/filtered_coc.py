"""Claims about `filtered_coc`, over the labels of every labeler."""

from __future__ import annotations

from checks import claims
from checks.claims import Claim
from checks.reporting import Partition, partition_check
from resources import schemas

ASSET = "filtered_coc"


@partition_check(ASSET, blocking=True)
def every_ok_label_has_a_verdict(partition: Partition) -> Claim:
    """Each usable label is judged once, and no other is."""
    return claims.every_ok_label_has_a_verdict(partition.all_labels, partition.read(schemas.VERDICTS))


@partition_check(ASSET, blocking=False)
def decisions_agree_with_the_motion(partition: Partition) -> Claim:
    """Most labels of this run's labeler agree with the recorded motion on both axes."""
    labeler = partition.workspace.settings.labeler
    return claims.decisions_agree_with_the_motion(partition.read(schemas.MEASUREMENTS), partition.all_labels, labeler)


@partition_check(ASSET, blocking=False)
def enough_labels_are_kept(partition: Partition) -> Claim:
    """The policy keeps a fair part of the labels."""
    return claims.enough_labels_are_kept(partition.read(schemas.VERDICTS))
