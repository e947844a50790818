"""What a chunk's tables say about each keyframe, as a model is told it; no video is decoded for it."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

import polars as pl

from coc_assets.clip_videos.sampling import asked_instants
from coc_assets.raw_coc.vlm.lanes import measured_lanes
from coc_assets.raw_coc.vlm.view import KeyframeView, ShownFrame, SpeedRow, TimelineRow
from coc_assets.sources.egomotion import FRAME_US
from coc_assets.stage import Workspace
from resources import schemas
from resources.archives import Member
from resources.dataset import FRAME_TIMESTAMPS, VIDEO, DatasetRoot
from resources.settings.labels import RulesSettings
from resources.settings.videos import VideoSettings

Row = dict[str, Any]

# −2.0 … 6.0 s at 2 Hz: frames after the keyframe's, and the instants they stand for, s.
_TOLD = tuple((5 * half, 5 * half * FRAME_US / 1e6) for half in range(-4, 13))
_DIGEST_DIGITS = 16
_UNUSABLE = {
    "no_video": "no_video: {camera} shows nothing around this keyframe; the rejects of clip_videos say why",
    "undecodable": "undecodable: the video of {camera} cannot be decoded; the rejects of clip_videos name the file",
}
_NO_HISTORY = "no_history_frames: the video of {camera} begins after the keyframe, or ends long before it"


class _Motion(NamedTuple):
    """Ego state at one frame: heading in the local frame, rad; velocities, m/s."""

    heading_rad: float
    vx_mps: float
    vy_mps: float
    along_mps: float


class _Clip(NamedTuple):
    """One clip by its 10 Hz frames: ego states, and each axis's meta-action."""

    motion: dict[int, _Motion]
    longitudinal: dict[int, str]
    lateral: dict[int, str]
    lane: dict[int, str]


class _Shown(NamedTuple):
    """The frames part of a view."""

    history: tuple[ShownFrame, ...]
    future: tuple[ShownFrame, ...]
    missing_s: tuple[float, ...]
    problem: str | None


def keyframe_views(
    keyframes: pl.DataFrame,
    segments: pl.DataFrame,
    spans: pl.DataFrame,
    trajectories: pl.DataFrame,
    videos_by_clip: Mapping[str, str],
    settings: VideoSettings,
    rules: RulesSettings | None = None,
) -> list[KeyframeView]:
    """One view a keyframe, in the keyframes' order.

    `problem` begins with `no_video`, `undecodable` or `no_history_frames`.

    Args:
        keyframes, segments, spans, trajectories: the chunk's rows of KEYFRAMES, SEGMENTS, META_ACTION_SPANS,
            TRAJECTORIES.
        videos_by_clip: what `video_digests` gives.
        settings: those that the segments were made with.
        rules: measures lane manoeuvres of clips whose spans name none; None leaves them out.

    Raises:
        ValueError: a keyframe lies outside its clip, or its segment is of other settings.
    """
    clips = _clips(spans, trajectories)
    measured = measured_lanes(keyframes, trajectories, rules) if rules else {}
    of_camera = segments.filter(pl.col("camera") == settings.camera)
    segment_of = {row["keyframe_id"]: row for row in of_camera.iter_rows(named=True)}
    views = []
    for keyframe_id, clip_id, frame, t0_us in keyframes.select("keyframe_id", "clip_id", "frame", "t0_us").iter_rows():
        clip = clips.get(clip_id)
        if clip is None or frame not in clip.motion:
            at = f"frame {frame} of clip {clip_id}, which the trajectories lack"
            raise ValueError(f"Keyframe {keyframe_id} lies at {at}. Run keyframe_segments again.")
        shown = _shown(keyframe_id, segment_of.get(keyframe_id), t0_us, settings)
        views.append(
            KeyframeView(
                keyframe_id,
                clip_id,
                t0_us,
                history=shown.history,
                future=shown.future,
                missing_s=shown.missing_s,
                timeline=_timeline(clip, clip.lane or measured.get(keyframe_id, {}), frame),
                speeds=_speeds(clip.motion, frame),
                video=videos_by_clip.get(clip_id),
                problem=shown.problem,
            )
        )
    return views


def chunk_views(workspace: Workspace, chunk: str, keyframes: pl.DataFrame) -> list[KeyframeView]:
    """One view a keyframe of the chunk, from the store's tables and what the dataset lists; decodes nothing.

    Args:
        keyframes: rows of KEYFRAMES.
    """
    store, settings = workspace.store, workspace.settings
    return keyframe_views(
        keyframes,
        store.read_table(schemas.SEGMENTS, chunk),
        store.read_table(schemas.META_ACTION_SPANS, chunk),
        store.read_table(schemas.TRAJECTORIES, chunk),
        video_digests(workspace.root, chunk, settings.videos.camera, sorted(set(keyframes["clip_id"]))),
        settings.videos,
        settings.labels.rules,
    )


def video_digests(root: DatasetRoot, chunk: str, camera: str, clip_ids: Collection[str]) -> dict[str, str]:
    """Identity of each clip's video and its timestamps by what the archive lists: 16 hexadecimal digits by clip.

    Equal content gives equal digests wherever it lies. Clips that lack either member are left out; without the
    archive, all are.
    """
    if not root.archive_path(camera, chunk).is_file():
        return {}
    digests = {}
    with root.open_archive(camera, chunk) as archive:
        for clip_id in clip_ids:
            names = [root.member_name(camera, alias, clip_id) for alias in (VIDEO, FRAME_TIMESTAMPS)]
            if all(name in archive.members for name in names):
                digests[clip_id] = _digest([archive.members[name] for name in names])
    return digests


def _digest(members: list[Member]) -> str:
    listed = " ".join(f"{member.crc:08x}:{member.size}" for member in members)
    return hashlib.sha256(listed.encode()).hexdigest()[:_DIGEST_DIGITS]


def _clips(spans: pl.DataFrame, trajectories: pl.DataFrame) -> dict[str, _Clip]:
    states = trajectories.select(
        "clip_id", "frame", "heading_rad", "vx_mps", "vy_mps", "speed_along_heading_mps"
    ).iter_rows()
    clips: dict[str, _Clip] = {}
    for clip_id, frame, *state in states:
        if clip_id not in clips:
            clips[clip_id] = _Clip({}, {}, {}, {})
        clips[clip_id].motion[frame] = _Motion(*state)
    for clip_id, axis, action, start, end in spans.select(
        "clip_id", "axis", "action", "start_frame", "end_frame"
    ).iter_rows():
        if clip_id in clips:
            getattr(clips[clip_id], axis).update(dict.fromkeys(range(start, end), action))
    return clips


def _shown(keyframe_id: str, segment: Row | None, t0_us: int, settings: VideoSettings) -> _Shown:
    asked = asked_instants(t0_us, settings).tolist()
    if segment is None:
        raise _other_settings(keyframe_id, f"no row of {settings.camera}")
    if segment["status"] in _UNUSABLE:
        return _Shown((), (), _relative(asked, t0_us), _UNUSABLE[segment["status"]].format(camera=settings.camera))
    missing = segment["missing_us"]
    covered = [us for us in asked if us not in missing]
    if not set(missing) <= set(asked) or len(covered) != len(segment["frame_us"]):
        listed = f"{len(segment['frame_us'])} frames and {len(missing)} missing instants"
        raise _other_settings(keyframe_id, f"{listed} for {len(asked)} asked instants")
    pairs = zip(_relative(covered, t0_us), segment["frame_us"], segment["source_frame"], strict=True)
    frames = [ShownFrame(*pair) for pair in pairs]
    history = tuple(frame for frame in frames if frame.asked_s <= 0)
    future = tuple(frame for frame in frames if frame.asked_s > 0)
    problem = None if history else _NO_HISTORY.format(camera=settings.camera)
    return _Shown(history, future, _relative(missing, t0_us), problem)


def _other_settings(keyframe_id: str, has: str) -> ValueError:
    return ValueError(f"The segments table has {has} at keyframe {keyframe_id}. Run clip_videos with these settings.")


def _relative(instants_us: list[int], t0_us: int) -> tuple[float, ...]:
    return tuple((us - t0_us) / 1e6 for us in instants_us)


def _timeline(clip: _Clip, lane: Mapping[int, str], at: int) -> tuple[TimelineRow, ...]:
    axes = clip.longitudinal.get, clip.lateral.get, lane.get
    return tuple(
        TimelineRow(asked_s, *(action(at + after) for action in axes))
        for after, asked_s in _TOLD
        if at + after in clip.motion
    )


def _speeds(motion: Mapping[int, _Motion], at: int) -> tuple[SpeedRow, ...]:
    """Left is the heading at t0 turned a quarter counter-clockwise."""
    left_x, left_y = -math.sin(motion[at].heading_rad), math.cos(motion[at].heading_rad)
    told = ((asked_s, motion.get(at + after)) for after, asked_s in _TOLD)
    return tuple(
        SpeedRow(asked_s, ego.along_mps, ego.vx_mps * left_x + ego.vy_mps * left_y) for asked_s, ego in told if ego
    )
