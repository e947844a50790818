"""What the ego does after a keyframe: the longitudinal bucket, when it begins to act, and its lateral manoeuvre.

Source: CoC-label rules, Consistency with the trajectory, and the rules that worked on scripted scenes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from coc_assets.raw_coc.rules.geometry import FRAME_S, Ego
from resources.schemas import Side
from resources.settings.labels import ManoeuvreSettings, MotionSettings, RulesSettings

Bucket = Literal["reverse", "stopped", "slow_down", "speed_up", "steady"]
ManoeuvreKind = Literal["turn", "lane_change", "nudge"]
Drift = Literal["falls", "rises"]


@dataclass(frozen=True)
class Window:
    """The frames that one keyframe looks at.

    Attributes:
        frame: the keyframe's.
        first: first frame of the history.
        last: last frame of the future.
        complete: last frame up to which a manoeuvre begun in the future is followed.
    """

    frame: int
    first: int
    last: int
    complete: int

    @property
    def future_s(self) -> float:
        return (self.last - self.frame) * FRAME_S


@dataclass(frozen=True)
class Manoeuvre:
    """A lateral manoeuvre, with what was measured of it.

    Attributes:
        start: frame at which the heading begins to leave the continued path.
        offset_m: greatest lateral offset of a lane change or nudge, >= 0.
        heading_rad: heading change of a turn, >= 0.
        returned: the offset is given back within the clip.
        finishing: most of it lies before the keyframe already: it is carried on, not decided any more.
    """

    kind: ManoeuvreKind
    direction: Side
    start: int
    offset_m: float = 0.0
    heading_rad: float = 0.0
    returned: bool = False
    finishing: bool = False


@dataclass(frozen=True)
class Bend:
    """The driven route's bend after a keyframe.

    Attributes:
        heading_rad: heading change, >= 0.
        radius_m: tightest radius.
        begins_m: driven distance from the keyframe to where it begins; 0 if the ego is in it already.
        curvature_before: curvature driven just before the keyframe, towards the bend's side, 1/m.
    """

    direction: Side
    heading_rad: float
    radius_m: float
    begins_m: float
    curvature_before: float


@dataclass(frozen=True)
class Motion:
    """The ego's motion around one keyframe.

    Attributes:
        v0: mean speed just before the keyframe, m/s.
        onset: frame at which the speed begins to leave v0; the keyframe's where it does not.
        drift: where a steady speed goes when it leaves v0 by less than its bucket allows; None where it hardly does.
        extreme: lowest (slowing, stopped, drift falls) or highest speed of the future, m/s; its last speed when it is
            held.
        change_s: time from the keyframe to that extreme, s.
        late: the speed rises, and begins to only after the ego held or lowered it for a while.
        held_mps: lowest and highest speed from the keyframe to the onset.
        standing: the ego stands at the keyframe.
        stops: it slows to a stand within the time in which manoeuvres are followed, or keeps standing.
    """

    window: Window
    bucket: Bucket
    v0: float
    onset: int
    drift: Drift | None
    extreme: float
    change_s: float
    late: bool
    held_mps: tuple[float, float]
    standing: bool
    stops: bool
    manoeuvre: Manoeuvre | None
    bend: Bend | None

    @property
    def hold_s(self) -> float:
        """Time from the keyframe to the onset, s."""
        return (self.onset - self.window.frame) * FRAME_S


def window_at(frame: int, ego: Ego, settings: RulesSettings) -> Window:
    """The frames around a keyframe, cut to what the clip has."""
    history, future, more = (
        round(seconds / FRAME_S)
        for seconds in (settings.window.history_s, settings.window.future_s, settings.manoeuvre.completion_s)
    )
    last = min(frame + future, ego.frames - 1)
    return Window(frame, max(frame - history, 0), last, min(last + more, ego.frames - 1))


def motion_at(window: Window, ego: Ego, settings: RulesSettings) -> Motion:
    """Everything the rules need to know of the ego's motion around one keyframe."""
    back = round(settings.motion.initial_speed_s / FRAME_S)
    v0 = float(ego.speed[max(window.frame - back, 0) : window.frame + 1].mean())
    bucket, onset = _bucket(window, ego, v0, settings.motion)
    future = ego.speed[window.frame + 1 : window.last + 1]
    drift = _drift(future, v0, settings.motion) if bucket == "steady" else None
    if bucket == "steady" and drift is None:
        at = len(future) - 1
    else:
        at = int(future.argmax() if bucket == "speed_up" or drift == "rises" else future.argmin())
    held = ego.speed[window.frame : onset + 1]
    return Motion(
        window=window,
        bucket=bucket,
        v0=v0,
        onset=onset,
        drift=drift,
        extreme=float(future[at]),
        change_s=(at + 1) * FRAME_S,
        late=bucket == "speed_up" and (onset - window.frame) * FRAME_S > settings.motion.late_rise_s,
        held_mps=(float(held.min()), float(held.max())),
        standing=v0 <= settings.motion.standing_mps,
        stops=bucket == "stopped" or (bucket == "slow_down" and _comes_to_stand(window, ego, settings.motion)),
        manoeuvre=_manoeuvre(window, ego, settings.manoeuvre),
        bend=_bend(window, ego, settings),
    )


def _bucket(window: Window, ego: Ego, v0: float, settings: MotionSettings) -> tuple[Bucket, int]:
    """The bucket, and the frame of the onset."""
    speed = ego.speed[window.frame + 1 : window.last + 1]
    along = ego.along[window.frame + 1 : window.last + 1]
    change = max(settings.min_change_mps, settings.min_change_share * v0)
    fell, rose = speed <= v0 - change, speed >= v0 + change
    fall, rise = _first(fell), _first(rose)
    if _mean_below(along, -settings.reverse_mps, round(settings.reverse_s / FRAME_S)):
        return "reverse", window.frame
    stands = _longest_run(speed <= settings.stopped_mps) >= round(settings.stopped_s / FRAME_S)
    if stands and not (v0 <= settings.standing_mps and rose.any()):
        return "stopped", _onset(window, ego, v0, -1, _first(speed <= settings.stopped_mps), settings)
    if fall < rise:
        return "slow_down", _onset(window, ego, v0, -1, fall, settings)
    if rise < fall:
        return "speed_up", _onset(window, ego, v0, 1, rise, settings)
    return "steady", window.frame


def _drift(future: np.ndarray, v0: float, settings: MotionSettings) -> Drift | None:
    """The side to which a steady speed leaves v0 first for good, by a change worth a word."""
    span = round(settings.slight_s / FRAME_S)
    fall = _first_run(future <= v0 - settings.slight_change_mps, span)
    rise = _first_run(future >= v0 + settings.slight_change_mps, span)
    if fall == rise:
        return None
    return "falls" if fall < rise else "rises"


def _comes_to_stand(window: Window, ego: Ego, settings: MotionSettings) -> bool:
    speed = ego.speed[window.frame : window.complete + 1]
    return bool((speed <= settings.stopped_mps).any())


def _onset(window: Window, ego: Ego, v0: float, sign: int, reached: int, settings: MotionSettings) -> int:
    """Last frame before `reached` (counted from the keyframe) at which the speed was still v0."""
    until = ego.speed[window.frame : window.frame + 1 + reached]
    unchanged = np.flatnonzero(sign * (until - v0) < settings.onset_change_mps)
    return window.frame + (int(unchanged[-1]) if len(unchanged) else 0)


def _first(mask: np.ndarray) -> int:
    """Index of the first true value, the length where there is none."""
    return int(mask.argmax()) if mask.any() else len(mask)


def _first_run(mask: np.ndarray, span: int) -> int:
    """Index at which the first run of at least `span` true values begins, the length where there is none."""
    if len(mask) < span:
        return len(mask)
    runs = np.lib.stride_tricks.sliding_window_view(mask, span).all(axis=1)
    return int(runs.argmax()) if runs.any() else len(mask)


def _longest_run(mask: np.ndarray) -> int:
    edges = np.flatnonzero(np.diff(np.concatenate([[0], mask.astype(int), [0]])))
    return int((edges[1::2] - edges[::2]).max()) if len(edges) else 0


def _mean_below(values: np.ndarray, bound: float, span: int) -> bool:
    if len(values) < span:
        return False
    sums = np.cumsum(np.concatenate([[0.0], values]))
    return bool(((sums[span:] - sums[:-span]) / span <= bound).any())


def _manoeuvre(window: Window, ego: Ego, settings: ManoeuvreSettings) -> Manoeuvre | None:
    return _turn(window, ego, settings) or _sidestep(window, ego, settings)


def _turn(window: Window, ego: Ego, settings: ManoeuvreSettings) -> Manoeuvre | None:
    """A tight heading change that lasts, some of which still lies ahead of the keyframe."""
    turned = ego.heading[window.frame : window.last + 1] - ego.heading[window.frame]
    side = 1 if abs(turned.max()) >= abs(turned.min()) else -1
    ahead = float((side * turned).max())
    after = side * (ego.heading[window.frame : window.complete + 1] - ego.heading[window.frame])
    before = side * (ego.heading[window.frame] - ego.heading[window.first : window.frame + 1])
    total = float(after.max() + max(before.max(), 0.0))
    if total < settings.turn_rad or ahead < settings.turn_ahead_rad:
        return None
    if float(after[-1]) < settings.return_share * float(after.max()):
        return None
    if _tightest_radius(ego, window.first, window.complete, side, settings) > settings.turn_radius_m:
        return None
    start = window.frame + _first(side * turned >= settings.begun_rad)
    finishing = float(after.max()) < settings.ahead_share * total
    return Manoeuvre("turn", _side(side), start, heading_rad=total, finishing=finishing)


def _tightest_radius(ego: Ego, first: int, last: int, side: int, settings: ManoeuvreSettings) -> float:
    curvature = driven_curvature(ego, first, last, settings)
    greatest = float((side * curvature).max(initial=0.0))
    return 1 / greatest if greatest > 0 else float("inf")


def driven_curvature(ego: Ego, first: int, last: int, settings: ManoeuvreSettings) -> np.ndarray:
    """Signed curvature over half-second stretches; 0 where the ego hardly moves."""
    span = min(round(settings.curvature_span_s / FRAME_S), last - first)
    if span < 1:
        return np.zeros(1)
    heading = ego.heading[first : last + 1]
    driven = _driven(ego, first, last)
    distance, turned = driven[span:] - driven[:-span], heading[span:] - heading[:-span]
    moving = np.abs(distance) > settings.curvature_min_m
    return np.where(moving, turned / np.where(moving, distance, 1.0), 0.0)


def _driven(ego: Ego, first: int, last: int) -> np.ndarray:
    """Driven way from `first`, negative when backing up."""
    way = (ego.along[first:last] + ego.along[first + 1 : last + 1]) / 2 * FRAME_S
    return np.concatenate([[0.0], np.cumsum(way)])


@dataclass(frozen=True)
class _Deviation:
    """How far the ego leaves a continued path from the keyframe on, left positive.

    Attributes:
        offset: (F,) lateral offset, m.
        turned: (F,) heading off the path, rad.
    """

    offset: np.ndarray
    turned: np.ndarray

    @property
    def ended(self) -> float:
        return float(abs(self.turned[-1]))


def _sidestep(window: Window, ego: Ego, settings: ManoeuvreSettings) -> Manoeuvre | None:
    """A lane change or a nudge: a lateral offset from the continued path, with the heading back at the end."""
    off = _deviation(window, ego, settings)
    if (
        off is None
        or off.ended > settings.settled_rad
        or off.ended > settings.return_share * float(np.abs(off.turned).max())
    ):
        return None
    within = off.offset[: window.last - window.frame + 1]
    final = float(off.offset[-1])
    if settings.lane_change_m <= abs(final) <= settings.lane_change_max_m:
        side = 1 if final > 0 else -1
        to_come = float((side * within).max() - side * within[0])
        if to_come < settings.shift_left_m:
            return None
        begun = _begun("lane_change", side, abs(final), window, off, settings)
        return replace(begun, finishing=to_come < max(settings.shift_m, settings.ahead_share * abs(final)))
    side = 1 if abs(within.max()) >= abs(within.min()) else -1
    peak = float((side * within).max())
    if not settings.nudge_m <= peak <= settings.nudge_max_m or peak - side * within[0] < max(
        settings.nudge_m, settings.ahead_share * peak
    ):
        return None
    begun = _begun("nudge", side, peak, window, off, settings)
    return replace(begun, returned=side * final <= settings.return_share * peak)


def _begun(
    kind: ManoeuvreKind, side: int, offset_m: float, window: Window, off: _Deviation, settings: ManoeuvreSettings
) -> Manoeuvre:
    start = window.frame + _first(side * off.turned >= settings.begun_rad)
    return Manoeuvre(kind, _side(side), start, offset_m=offset_m)


def _side(sign: int) -> Side:
    return "left" if sign > 0 else "right"


def _deviation(window: Window, ego: Ego, settings: ManoeuvreSettings) -> _Deviation | None:
    """The deviation from the path that the ego kept to and ends along; None where it kept to none.

    That path goes straight on or on along the arc of the history, from the keyframe or, for one that lies inside a
    manoeuvre, straight on from an earlier pose.
    """
    back = round(settings.begun_before_s / FRAME_S)
    arc = _history_curvature(window, ego, settings)
    paths = [(window.frame, 0.0)]
    paths += [(window.frame, arc)] if abs(arc) >= settings.straight_per_m else []
    paths += [(window.first, 0.0), (max(window.frame - back, 0), 0.0)]
    tried = [_deviation_from(*path, window, ego) for path in paths if _kept_to(*path, ego, settings)]
    best = min((off.ended for off in tried), default=0.0)
    return next((off for off in tried if off.ended <= best + settings.same_rad), None)


def _kept_to(origin: int, arc: float, ego: Ego, settings: ManoeuvreSettings) -> bool:
    """Whether the ego came to a frame's pose along the path of the given curvature."""
    first = max(origin - round(settings.kept_s / FRAME_S), 0)
    turned = ego.heading[first : origin + 1] - ego.heading[first] - arc * _driven(ego, first, origin)
    return bool(np.abs(turned).max() <= settings.begun_rad)


def _deviation_from(origin: int, arc: float, window: Window, ego: Ego) -> _Deviation:
    """Deviation from the path that leaves a frame's pose with the given curvature."""
    future = slice(window.frame, window.complete + 1)
    heading = ego.heading[origin]
    dx, dy = ego.x[future] - ego.x[origin], ego.y[future] - ego.y[origin]
    forward, left = dx * np.cos(heading) + dy * np.sin(heading), dy * np.cos(heading) - dx * np.sin(heading)
    turned = ego.heading[future] - heading
    if arc == 0.0:
        return _Deviation(left, turned)
    radius = 1 / arc
    offset = radius - np.sign(radius) * np.hypot(forward, left - radius)
    return _Deviation(offset, turned - arc * _driven(ego, window.frame, window.complete))


def _history_curvature(window: Window, ego: Ego, settings: ManoeuvreSettings) -> float:
    driven = float(_driven(ego, window.first, window.frame)[-1])
    if driven < settings.min_arc_m:
        return 0.0
    return float(ego.heading[window.frame] - ego.heading[window.first]) / driven


def _bend(window: Window, ego: Ego, settings: RulesSettings) -> Bend | None:
    """The tightest bend of the driven route after the keyframe that asks for care at the initial speed."""
    turned = ego.heading[window.frame : window.complete + 1] - ego.heading[window.frame]
    side = 1 if abs(turned.max()) >= abs(turned.min()) else -1
    if float((side * turned).max()) < settings.curve.heading_rad:
        return None
    radius = _tightest_radius(ego, window.frame, window.complete, side, settings.manoeuvre)
    if radius > settings.curve.max_radius_m:
        return None
    driven = _driven(ego, window.frame, window.complete)
    before = side * driven_curvature(ego, window.first, window.frame, settings.manoeuvre)
    entered = float(before[-1]) >= settings.curve.entered_share / radius
    begins = 0.0 if entered else float(driven[_first(side * turned >= settings.manoeuvre.begun_rad)])
    return Bend(_side(side), float((side * turned).max()), radius, begins, float(before[-1]))
