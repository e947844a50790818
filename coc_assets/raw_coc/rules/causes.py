"""Which actor makes the ego act.

Source: CoC-label rules, the rules that worked on scripted scenes. A cause must be seen in the history window; what it
does up to a few seconds after the ego begins to act only tells which of the actors in sight it was.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from coc_assets.raw_coc.rules.geometry import FRAME_S, Actors, has_run, last_known, wrap
from coc_assets.raw_coc.rules.motion import Motion, Window
from coc_assets.raw_coc.rules.scene import Scene

CauseKind = Literal[
    "crossing_person",
    "cut_in",
    "crossing_vehicle",
    "stopped_lead",
    "braking_lead",
    "slower_lead",
    "oncoming",
    "lead",
    "blocker",
    "moving_blocker",
]
_STANDING_ANGLE = np.pi  # a standing box may be tracked with its front and back swapped


@dataclass(frozen=True)
class Cause:
    """One actor, by its index among the clip's tracks, and what it does."""

    kind: CauseKind
    track: int


def speed_causes(scene: Scene, motion: Motion) -> list[Cause]:
    """Actors that explain the ego's speed, most important first: people, cut-ins, crossing traffic, leads, oncoming."""
    actors = scene.actors
    if actors is None:
        return []
    seen = scene.seen(motion.window)
    found: list[Cause] = []
    for kind, rule in _SPEED_RULES:
        tracks = np.flatnonzero(rule(scene, actors, motion) & seen)
        found += [Cause(kind, track) for track in _nearest_first(scene, tracks, motion)[:1]]
    lead = _lead(scene, actors, motion, seen)
    found += [lead] if lead else []
    order = [*(kind for kind, _ in _SPEED_RULES[:3]), "stopped_lead", "braking_lead", "slower_lead", "oncoming", "lead"]
    return sorted(found, key=lambda cause: order.index(cause.kind))


def followed_lead(scene: Scene, motion: Motion) -> Cause | None:
    """The lead that an ego which does not slow down keeps its gap to: close ahead, and about as fast.

    An ego that speeds up may follow a faster one.
    """
    if scene.actors is None:
        return None
    settings = scene.settings.lead
    lead = _lead(scene, scene.actors, motion, scene.seen(motion.window))
    if lead is None:
        return None
    known = (scene.actors.vs, scene.gap, scene.clearance)
    speed, gap, clearance = (float(at_last_sight(values, motion.window)[lead.track]) for values in known)
    as_fast = motion.v0 - speed <= settings.slower_mps
    as_fast &= motion.bucket == "speed_up" or speed - motion.v0 <= settings.slower_mps
    close = gap < max(settings.headway_s * motion.v0, settings.min_range_m)
    return Cause("lead", lead.track) if clearance < 0 and as_fast and close else None


def sidestep_cause(scene: Scene, motion: Motion) -> Cause | None:
    """The actor that a nudge gives room to, or the slower one that a lane change passes."""
    if scene.actors is None or motion.manoeuvre is None or motion.manoeuvre.kind == "turn":
        return None
    if motion.manoeuvre.kind == "lane_change":
        return _passed_lead(scene, scene.actors, motion)
    return _blocker(scene, scene.actors, motion)


def at_last_sight(values: np.ndarray, window: Window) -> np.ndarray:
    """(K,) the last values of (K, T) ones that the history has."""
    return last_known(values[:, window.first : window.frame + 1])


def _span(scene: Scene, motion: Motion) -> slice:
    """Frames in which a cause begins: the history, and a few seconds after the onset."""
    delay = round(scene.settings.window.cause_delay_s / FRAME_S)
    return slice(motion.window.first, min(motion.onset + delay, scene.ego.frames - 1) + 1)


def _nearest_first(scene: Scene, tracks: np.ndarray, motion: Motion) -> list[int]:
    """Tracks by their gap at last sight."""
    gap = at_last_sight(scene.gap, motion.window)[tracks]
    return [int(track) for track in tracks[np.argsort(gap, kind="stable")]]


def _lead(scene: Scene, actors: Actors, motion: Motion, seen: np.ndarray) -> Cause | None:
    """The nearest in-path actor that moves the same way or stands, if it bears on the ego's speed.

    Close or standing, it does; farther off, a plain lead remains that the ego is gaining on.
    """
    settings, span = scene.settings.lead, _span(scene, motion)
    in_path = _in_path(scene, actors)
    followed = in_path & (scene.gap < _lead_range(scene))
    lately = motion.window.frame - round(scene.settings.window.last_seen_s / FRAME_S)
    ready = seen & in_path[:, max(lately, 0) : motion.window.frame + 1].any(axis=1)
    ready &= has_run(followed[:, span], round(settings.min_s / FRAME_S))
    nearest = _nearest_first(scene, np.flatnonzero(ready), motion)
    if not nearest:
        return None
    track = nearest[0]
    if motion.stops and not motion.standing and not _comes_to_crawl(scene, actors, track, motion):
        return None
    counted, gap, ego = followed[track, span], scene.gap[track, span], scene.ego.speed[span]
    closing = ego - actors.vs[track, span]
    still = actors.speed[track, span] < scene.settings.tracks.still_mps
    close = (gap < settings.ttc_s * closing) | (gap < settings.headway_s * ego)
    if (counted & (close | still)).any():
        return Cause(_lead_kind(scene, actors, motion, track, counted, still), track)
    gaining = motion.v0 - float(at_last_sight(actors.vs, motion.window)[track]) > settings.slower_mps
    return Cause("lead", track) if gaining else None


def _comes_to_crawl(scene: Scene, actors: Actors, track: int, motion: Motion) -> bool:
    """Whether the actor is about as slow as the ego when that comes to a stand: a lead that drives on is not why."""
    frames = slice(motion.window.frame, motion.window.complete + 1)
    stands = np.flatnonzero(scene.ego.speed[frames] <= scene.settings.motion.stopped_mps)
    until = motion.window.frame + int(stands[0])
    speed = actors.speed[track, motion.window.first : until + 1]
    return bool(speed[np.isfinite(speed)][-1] <= scene.settings.lead.crawl_mps)


def _lead_kind(
    scene: Scene, actors: Actors, motion: Motion, track: int, counted: np.ndarray, still: np.ndarray
) -> CauseKind:
    settings, span = scene.settings.lead, _span(scene, motion)
    if (counted & still).any():
        return "stopped_lead"
    speed = actors.speed[track, span]
    known = speed[np.isfinite(speed)]
    if float((np.maximum.accumulate(known) - known).max(initial=0.0)) > settings.braking_mps:
        return "braking_lead"
    slower = scene.ego.speed[span] - actors.vs[track, span] > settings.slower_mps
    return "slower_lead" if (counted & slower).any() else "lead"


def _in_path(scene: Scene, actors: Actors) -> np.ndarray:
    """(K, T) box in the swept strip, ahead, moving and facing the same way (facing either way while it stands)."""
    turned = np.abs(actors.facing)
    still = actors.speed < scene.settings.tracks.still_mps
    turned = np.where(still, np.minimum(turned, _STANDING_ANGLE - turned), turned)
    same_way = (turned < scene.settings.lead.heading_rad) & (still | (actors.vs > np.abs(actors.vd)))
    return (scene.clearance < 0) & (scene.gap > -scene.settings.body.front_m) & same_way


def _lead_range(scene: Scene) -> np.ndarray:
    """(T,) how far ahead the ego minds a lead."""
    settings = scene.settings.lead
    return np.minimum(settings.range_m, np.maximum(settings.min_range_m, settings.range_s * scene.ego.speed))


def _cut_in(scene: Scene, actors: Actors, motion: Motion) -> np.ndarray:
    """(K,) actors that come from beside the path into the strip ahead by their own sideways motion."""
    settings = scene.settings.cut_in
    if motion.manoeuvre is not None and motion.manoeuvre.kind in ("turn", "lane_change"):
        return np.zeros(len(actors.s), bool)
    span = _span(scene, motion)
    inside_frames = round(settings.inside_s / FRAME_S)
    outside = np.abs(actors.d) > settings.outside_m
    same_way = np.abs(actors.facing) < settings.heading_rad
    near = (scene.gap < settings.headway_s * scene.ego.speed) | (scene.gap < settings.gap_m)
    entered = (scene.clearance < 0) & (scene.gap > -scene.settings.body.front_m) & same_way & near
    result = np.zeros(len(actors.s), bool)
    for track in np.flatnonzero(outside[:, span].any(axis=1) & (entered[:, span]).any(axis=1)):
        result[track] = any(
            _comes_in(scene, actors, int(track), frame, inside_frames)
            for frame in _entries(scene.clearance[track] < 0, span)
            if entered[track, frame]
        )
    return result


def _entries(inside: np.ndarray, span: slice) -> np.ndarray:
    """Frames of the span at which a mask turns true."""
    rising = np.flatnonzero(inside[1:] & ~inside[:-1]) + 1
    return rising[(rising >= span.start) & (rising < span.stop)]


def _comes_in(scene: Scene, actors: Actors, track: int, entry: int, inside_frames: int) -> bool:
    settings = scene.settings.cut_in
    after = scene.clearance[track, entry : entry + inside_frames] < 0
    if after.sum() < settings.inside_share * inside_frames:
        return False
    outside = np.flatnonzero(np.abs(actors.d[track, :entry]) > settings.outside_m)
    if len(outside) < round(settings.outside_s / FRAME_S):
        return False
    settled = min(entry + inside_frames, actors.s.shape[1] - 1)
    begin = max(int(outside[-1]) - round(settings.approach_s / FRAME_S), 0)
    course_frames = round(settings.course_s / FRAME_S)
    return _own_sideways(actors, track, slice(begin, settled + 1), course_frames) > settings.lateral_m


def _own_sideways(actors: Actors, track: int, span: slice, course_frames: int) -> float:
    """Displacement across the course that the actor had over the first frames of the span, m."""
    x, y = actors.x[track, span], actors.y[track, span]
    known = np.flatnonzero(np.isfinite(x))
    if len(known) <= 2:
        return 0.0
    x, y = x[known], y[known]
    settled = min(course_frames, len(x) // 2)
    course = np.arctan2(y[settled] - y[0], x[settled] - x[0])
    across = (y - y[0]) * np.cos(course) - (x - x[0]) * np.sin(course)
    return float(np.abs(across).max())


def _crossing(scene: Scene, actors: Actors, motion: Motion, people: bool) -> np.ndarray:
    """(K,) actors that move across the path ahead and that the ego lets by."""
    settings = scene.settings.crossing
    span = _span(scene, motion)
    course = np.abs(np.arctan2(actors.vd, actors.vs))
    across = (course > settings.min_course_rad) & (course < settings.max_course_rad)
    across &= actors.speed > (settings.person_mps if people else settings.vehicle_mps)
    across &= (scene.gap < settings.range_m) & (scene.gap > -scene.settings.body.front_m)
    if not people:
        across &= ~_goes_along(scene, actors, motion)
    result = has_run(across[:, span], round(settings.min_s / FRAME_S)) & (scene.people == people)
    for track in np.flatnonzero(result):
        result[track] = _lets_by(scene, actors, motion, int(track))
    return result


def _goes_along(scene: Scene, actors: Actors, motion: Motion) -> np.ndarray:
    """(K, T) courses that are the ego's own at the keyframe: traffic that drives on where the ego turns off."""
    course = np.arctan2(actors.vd, actors.vs) + actors.tangent
    return np.abs(wrap(course - scene.ego.heading[motion.window.frame])) < scene.settings.crossing.min_course_rad


def _lets_by(scene: Scene, actors: Actors, motion: Motion, track: int) -> bool:
    """The actor comes into the widened strip before the ego, and the ego comes by soon after or stops."""
    settings, body = scene.settings.crossing, scene.settings.body
    in_zone = scene.clearance[track] < settings.margin_m
    in_zone &= scene.gap[track] > -body.front_m
    frames = np.flatnonzero(in_zone)
    frames = frames[(frames >= motion.window.first) & (frames <= motion.window.complete)]
    if not len(frames) or frames[-1] < motion.window.frame:
        return False
    if motion.bucket == "stopped":
        return True
    leaves = int(frames[-1])
    front = scene.line.ego_s + body.front_m
    reach = actors.s[track, leaves]
    passing = np.flatnonzero(front >= reach)
    if len(passing):
        return (int(passing[0]) - leaves) * FRAME_S < settings.encroachment_s
    rest = (reach - front[-1]) / max(float(scene.ego.speed[-1]), scene.settings.tracks.still_mps)
    return (scene.ego.frames - 1 - leaves) * FRAME_S + rest < settings.encroachment_s


def _crossing_person(scene: Scene, actors: Actors, motion: Motion) -> np.ndarray:
    return _crossing(scene, actors, motion, people=True)


def _crossing_vehicle(scene: Scene, actors: Actors, motion: Motion) -> np.ndarray:
    turns = motion.manoeuvre is not None and motion.manoeuvre.kind == "turn"
    if turns and motion.extreme > scene.settings.crossing.waiting_mps:
        return np.zeros(len(actors.s), bool)  # the turn alone explains that the ego slows
    return _crossing(scene, actors, motion, people=False)


def _oncoming(scene: Scene, actors: Actors, motion: Motion) -> np.ndarray:
    """(K,) actors that come towards the ego inside the strip."""
    settings = scene.settings.oncoming
    span = _span(scene, motion)
    meets = (scene.clearance < 0) & (np.abs(actors.facing) > settings.heading_rad) & (actors.speed > settings.min_mps)
    meets &= (scene.gap > 0) & (scene.gap < settings.ttc_s * (scene.ego.speed - actors.vs))
    return has_run(meets[:, span], round(scene.settings.crossing.min_s / FRAME_S))


_SPEED_RULES: tuple[tuple[CauseKind, Callable[[Scene, Actors, Motion], np.ndarray]], ...] = (
    ("crossing_person", _crossing_person),
    ("cut_in", _cut_in),
    ("crossing_vehicle", _crossing_vehicle),
    ("oncoming", _oncoming),
)


def _passed_lead(scene: Scene, actors: Actors, motion: Motion) -> Cause | None:
    """The slower actor ahead in the lane that the ego leaves, as the history shows it."""
    settings, body = scene.settings.lead, scene.settings.body
    history = slice(motion.window.first, motion.window.frame + 1)
    forward, left = _in_ego_frame(scene, actors, history)
    gaps = forward - actors.half_s[:, history] - body.front_m
    ahead = ((np.abs(left) < settings.lane_half_width_m) & (gaps > 0) & (gaps < settings.range_m)).any(axis=1)
    gap, along = last_known(gaps), at_last_sight(actors.vs, motion.window)
    ahead &= (gap > 0) & (motion.v0 - along > settings.slower_mps) & (along > -scene.settings.oncoming.min_mps)
    tracks = np.flatnonzero(ahead & scene.seen(motion.window))
    return Cause("slower_lead", int(tracks[np.argmin(gap[tracks])])) if len(tracks) else None


def _in_ego_frame(scene: Scene, actors: Actors, frames: slice) -> tuple[np.ndarray, np.ndarray]:
    """(K, frames) forward and left of the rig origin, m."""
    heading = scene.ego.heading[frames]
    dx, dy = actors.x[:, frames] - scene.ego.x[frames], actors.y[:, frames] - scene.ego.y[frames]
    return dx * np.cos(heading) + dy * np.sin(heading), dy * np.cos(heading) - dx * np.sin(heading)


def _blocker(scene: Scene, actors: Actors, motion: Motion) -> Cause | None:
    """The standing, slow or oncoming actor on the other side of a nudge that comes closest to the swept strip."""
    assert motion.manoeuvre is not None
    settings, oncoming = scene.settings.blocker, scene.settings.oncoming
    side = 1 if motion.manoeuvre.direction == "left" else -1
    span = slice(motion.window.first, motion.window.complete + 1)
    begin = slice(motion.window.first, max(motion.manoeuvre.start, motion.window.frame) + 1)
    opposite = (side * actors.d < 0) & (scene.gap > -scene.settings.body.front_m)
    closest = np.where(opposite, scene.clearance, np.inf)[:, span].min(axis=1, initial=np.inf)
    nearest = np.where(opposite, scene.gap, np.inf)[:, begin].min(axis=1, initial=np.inf)
    shown = np.isfinite(actors.speed[:, begin]).any(axis=1) & scene.seen(motion.window)
    speed = np.full(len(actors.s), np.inf)
    speed[shown] = np.nanmedian(actors.speed[shown, begin], axis=1)
    towards = np.zeros(len(actors.s))
    towards[shown] = np.nanmedian(actors.vs[shown, begin], axis=1)
    standing = shown & (speed < scene.settings.tracks.still_mps)
    slow = shown & ~standing & (motion.v0 - towards > settings.slower_mps) & (towards > 0)
    coming = shown & (towards < -oncoming.min_mps) & (closest < oncoming.clearance_m)
    groups: tuple[tuple[CauseKind, np.ndarray, float], ...] = (
        ("blocker", standing, settings.range_m),
        ("moving_blocker", slow, settings.range_m),
        ("moving_blocker", coming, scene.settings.lead.range_m),
    )
    for kind, group, reach in groups:
        tracks = np.flatnonzero(group & (closest < settings.clearance_m) & (nearest < reach))
        if len(tracks):
            return Cause(kind, int(tracks[np.argmin(closest[tracks])]))
    return None
