"""Asset checks, a file an asset; each is a claim about one partition."""

from __future__ import annotations

from checks import (
    clip_videos,
    filtered_coc,
    keyframe_segments,
    meta_actions,
    raw_coc,
    training_shards,
    trajectory_cache,
)
from checks.expectations import EXPECTATION_CHECKS

ASSET_CHECKS = [
    trajectory_cache.clips_are_conserved,
    trajectory_cache.tracks_are_in_the_rig_frame,
    trajectory_cache.rejects_stay_few,
    meta_actions.spans_cover_the_clip,
    meta_actions.actions_match_the_motion,
    keyframe_segments.keyframes_lie_inside_their_clips,
    keyframe_segments.keyframe_ids_match_their_instants,
    clip_videos.segments_span_the_window,
    clip_videos.every_keyframe_has_a_segment,
    raw_coc.labels_are_valid,
    raw_coc.labels_are_usable,
    raw_coc.cited_tracks_are_in_the_history,
    filtered_coc.every_ok_label_has_a_verdict,
    filtered_coc.decisions_agree_with_the_motion,
    filtered_coc.reviews_are_of_labels_here,
    filtered_coc.enough_labels_are_kept,
    filtered_coc.no_reason_rejects_too_many,
    filtered_coc.actions_match_the_profile,
    filtered_coc.decisions_match_the_profile,
    filtered_coc.verdicts_match_the_profile,
    filtered_coc.judge_agrees_with_the_motion,
    filtered_coc.text_is_read,
    filtered_coc.turned_motion_is_noticed,
    training_shards.kept_labels_become_samples,
    training_shards.no_clip_is_in_two_splits,
    training_shards.shards_equal_their_manifest,
    *EXPECTATION_CHECKS,
]
