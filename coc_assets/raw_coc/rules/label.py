"""The `rules` labeler: ego motion and obstacle tracks of a chunk to one label record a keyframe."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from coc_assets.raw_coc.records import LabelRecord, canonical_json, records_frame
from coc_assets.raw_coc.rules.decisions import decide
from coc_assets.raw_coc.rules.geometry import FRAME_S
from coc_assets.raw_coc.rules.motion import motion_at, window_at
from coc_assets.raw_coc.rules.scene import Scene, scene_of
from coc_assets.raw_coc.rules.text import components_of, facts_of, words_of
from resources import schemas
from resources.settings import settings_hash
from resources.settings.labels import RulesSettings

LABELER = "rules"
RULES_VERSION = "rules-2"
_HASH_DIGITS = 12


@dataclass(frozen=True)
class _Unlabelled:
    """Why there is no label: its status, and a reason that begins with a countable word."""

    status: schemas.LabelStatus
    reason: str


def label_keyframes(
    clips: pl.DataFrame,
    trajectories: pl.DataFrame,
    tracks: pl.DataFrame,
    keyframes: pl.DataFrame,
    spans: pl.DataFrame,
    settings: RulesSettings,
) -> pl.DataFrame:
    """One label a keyframe, whatever becomes of it, in the keyframes' order.

    Args:
        clips, trajectories, tracks, keyframes, spans: the chunk's tables; every labeler is handed them all, this one
            decides from motion and tracks and leaves the meta-action spans unread.

    Returns:
        Rows of `raw_coc`. Status is `invalid` where the clip has too little motion after the keyframe and `error` where
        its tables cannot be used; `reason` begins with a countable word. A clip that fails takes no other with it.
    """
    rows_of = {name: _by_clip(frame) for name, frame in (("trajectories", trajectories), ("tracks", tracks))}
    tracked = set(clips.filter(pl.col("has_tracks"))["clip_id"].to_list())
    parameters = parameters_of(settings)
    scenes: dict[str, Scene | _Unlabelled] = {}
    records = []
    for keyframe in keyframes.select("keyframe_id", "clip_id", "frame", "t0_us").iter_rows(named=True):
        clip_id = keyframe["clip_id"]
        if clip_id not in scenes:
            own_tracks = rows_of["tracks"].get(clip_id) if clip_id in tracked else None
            scenes[clip_id] = _scene(clip_id, rows_of["trajectories"].get(clip_id), own_tracks, settings)
        records.append(_label(keyframe, scenes[clip_id], parameters))
    return records_frame(records)


def parameters_of(settings: RulesSettings) -> str:
    """What shapes a `rules` label besides the rule set's version: a hash of its thresholds, as canonical JSON."""
    return canonical_json({"thresholds": settings_hash(settings.model_dump())[:_HASH_DIGITS]})


def _by_clip(frame: pl.DataFrame) -> Mapping[str, pl.DataFrame]:
    return {str(key[0]): rows for key, rows in frame.partition_by("clip_id", as_dict=True).items()}


def _scene(
    clip_id: str, trajectory: pl.DataFrame | None, tracks: pl.DataFrame | None, settings: RulesSettings
) -> Scene | _Unlabelled:
    if trajectory is None:
        return _Unlabelled("error", f"no_trajectory: clip {clip_id} has keyframes but no trajectory; redo its chunk")
    try:
        return scene_of(trajectory, tracks, settings)
    except Exception as error:  # one bad clip must not take its chunk down
        return _failure(clip_id, error)


def _label(keyframe: Mapping[str, Any], scene: Scene | _Unlabelled, parameters: str) -> LabelRecord:
    """The keyframe's record, whose status says so where there is no label."""
    try:
        found = _content(keyframe, scene) if isinstance(scene, Scene) else scene
        if isinstance(found, dict):
            return _record(keyframe, parameters, **found)
    except Exception as error:  # one bad clip must not take its chunk down
        found = _failure(keyframe["clip_id"], error)
    return _record(keyframe, parameters, status=found.status, reason=found.reason)


def _record(keyframe: Mapping[str, Any], parameters: str, **content: Any) -> LabelRecord:
    return LabelRecord(
        keyframe_id=keyframe["keyframe_id"],
        clip_id=keyframe["clip_id"],
        t0_us=keyframe["t0_us"],
        labeler=LABELER,
        prompt_version=RULES_VERSION,
        parameters=parameters,
        **content,
    )


def _content(keyframe: Mapping[str, Any], scene: Scene) -> dict[str, Any] | _Unlabelled:
    window = window_at(keyframe["frame"], scene.ego, scene.settings)
    least = scene.settings.window.min_future_s
    if window.future_s < least - FRAME_S / 2:
        return _Unlabelled(
            "invalid",
            f"future_too_short: keyframe {keyframe['keyframe_id']} has {window.future_s:.1f} s of motion after it, "
            f"less than labels.rules.window.min_future_s = {least}",
        )
    motion = motion_at(window, scene.ego, scene.settings)
    decision = decide(scene, motion)
    facts = facts_of(scene, motion, decision)
    return {
        "scenario": decision.scenario,
        "longitudinal_decision": decision.longitudinal,
        "lateral_decision": decision.lateral,
        "lateral_direction": decision.direction,
        "components": components_of(facts),
        "text": words_of(facts),
    }


def _failure(clip_id: str, error: Exception) -> _Unlabelled:
    return _Unlabelled(
        "error",
        f"labeler_failed: clip {clip_id}: {type(error).__name__}: {error}; its tables break what the rules rely on, "
        "redo its chunk from trajectory_cache on",
    )
