"""Claims about `filtered_coc`, over the labels of every labeler.

Those about the quality of labels go by the levels in the settings (section `quality`). An error level, where one is
set, keeps the chunk's labels from becoming training shards.
"""

from __future__ import annotations

from collections.abc import Callable

import dagster as dg
import polars as pl

from checks import claims, quality
from checks.claims import Claim
from checks.reporting import Partition, partition_check
from coc_assets.filtered_coc.motion import motion_after
from coc_assets.filtered_coc.self_test import sensitivity
from coc_assets.profile import reference_profile
from coc_assets.raw_coc.imported.keyframes import with_keyframes_of
from resources import schemas
from resources.journal import lines_of
from resources.reviews import read_reviews

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
def reviews_are_of_labels_here(partition: Partition) -> Claim:
    """What people decided can be read and speaks of labels that are still there."""
    path = partition.workspace.store.reviews_path(partition.chunk)
    return quality.reviews_are_of_labels_here(read_reviews(path), len(list(lines_of(path))), partition.all_labels)


def quality_check(state: Callable[[Partition], Claim]) -> dg.AssetChecksDefinition:
    """A check by the levels in the settings; it blocks, where somebody has set an error level."""
    return partition_check(ASSET, blocking=True, by_levels=True)(state)


@quality_check
def enough_labels_are_kept(partition: Partition) -> Claim:
    """The policy keeps a fair part of each labeler's labels."""
    return quality.enough_labels_are_kept(partition.read(schemas.VERDICTS), partition.workspace.settings.quality)


@quality_check
def no_reason_rejects_too_many(partition: Partition) -> Claim:
    """No single rule of the policy rejects a large part of a labeler's labels."""
    return quality.no_reason_rejects_too_many(partition.read(schemas.VERDICTS), partition.workspace.settings.quality)


@quality_check
def actions_match_the_profile(partition: Partition) -> Claim:
    """The keyframes' actions are spread as in the reference profile (quality.profile)."""
    levels = partition.workspace.settings.quality
    return quality.actions_match_the_profile(partition.read(schemas.KEYFRAMES), reference_profile(levels), levels)


@quality_check
def decisions_match_the_profile(partition: Partition) -> Claim:
    """Each labeler's decisions and their sides are spread as in the reference profile (quality.profile)."""
    levels = partition.workspace.settings.quality
    return quality.decisions_match_the_profile(partition.all_labels, reference_profile(levels), levels)


@quality_check
def verdicts_match_the_profile(partition: Partition) -> Claim:
    """Verdicts on each labeler's labels are spread as in the reference profile (quality.profile)."""
    levels = partition.workspace.settings.quality
    return quality.verdicts_match_the_profile(partition.read(schemas.VERDICTS), reference_profile(levels), levels)


@quality_check
def judge_agrees_with_the_motion(partition: Partition) -> Claim:
    """The judging model and the recorded motion mostly say the same of a label's behaviour."""
    measurements, levels = partition.read(schemas.MEASUREMENTS), partition.workspace.settings.quality
    return quality.judge_agrees_with_the_motion(measurements, partition.all_labels, levels)


@quality_check
def text_is_read(partition: Partition) -> Claim:
    """The text parser reads a claim from most texts, so that its agreement with the motion means something."""
    measurements, levels = partition.read(schemas.MEASUREMENTS), partition.workspace.settings.quality
    return quality.text_is_read(measurements, partition.all_labels, levels)


@quality_check
def turned_motion_is_noticed(partition: Partition) -> Claim:
    """Had the ego driven the other way, the text parser would disagree where it agrees."""
    settings, labels = partition.workspace.settings, partition.all_labels.filter(pl.col("status") == "ok")
    keyframes = with_keyframes_of(
        partition.read(schemas.KEYFRAMES), labels, partition.read(schemas.CLIPS), settings.keyframes
    )
    motion = motion_after(keyframes, partition.read(schemas.TRAJECTORIES), settings.filtering)
    return quality.turned_motion_is_noticed(sensitivity(labels, motion, settings.filtering.agreement), settings.quality)
