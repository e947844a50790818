"""The decisions a label states: one a channel, the first after the keyframe, with the causes that bear on them.

Which decision was taken is read from the ego's motion after the keyframe; the tables below keep it within what the
CoC-label rules let agree with that motion. Why it was taken comes from the causes seen by the keyframe.
"""

from __future__ import annotations

from dataclasses import dataclass

from coc_assets.raw_coc.rules.causes import Cause, CauseKind, followed_lead, sidestep_cause, speed_causes
from coc_assets.raw_coc.rules.motion import Bend, Manoeuvre, Motion
from coc_assets.raw_coc.rules.scene import Scene
from resources.schemas import LateralDecision, LongitudinalDecision, Side
from resources.schemas import Scenario as SceneClass
from resources.settings.labels import RulesSettings

YIELDS: frozenset[CauseKind] = frozenset({"crossing_person", "cut_in", "crossing_vehicle", "oncoming"})
_STRONG_LEADS: frozenset[CauseKind] = frozenset({"stopped_lead", "braking_lead", "slower_lead"})
_YIELD_SCENES: dict[CauseKind, SceneClass] = {
    "crossing_person": "yield_to_vru",
    "cut_in": "cut_in",
    "crossing_vehicle": "passing_intersection",
    "oncoming": "risky_driving",
}
_MANOEUVRE_SCENES: dict[LateralDecision, SceneClass] = {
    "turn": "turn",
    "lane_change": "lane_change",
    "out_of_lane_nudge": "nudge",
    "in_lane_nudge": "nudge",
}


@dataclass(frozen=True)
class Decision:
    """What a label states before it is put into words.

    Attributes:
        speed_cause: actor behind the longitudinal decision.
        side_cause: actor behind the lateral one.
        bend: the route's bend, where it is why the ego slows or does not speed up yet.
        unobserved: the ego slows or stops and nothing measured says why.
    """

    scenario: SceneClass
    longitudinal: LongitudinalDecision | None
    lateral: LateralDecision | None
    direction: Side | None = None
    speed_cause: Cause | None = None
    side_cause: Cause | None = None
    bend: Bend | None = None
    unobserved: bool = False


def decide(scene: Scene, motion: Motion) -> Decision:
    """Both decisions at one keyframe, their causes and the scene class."""
    if motion.bucket == "reverse":
        return Decision("reverse", None, None, unobserved=True)
    side_cause = sidestep_cause(scene, motion)
    lateral, manoeuvre = _lateral(motion, side_cause, scene.settings)
    side_cause = side_cause if manoeuvre else None
    if motion.bucket in ("slow_down", "stopped"):
        found = _slowing(scene, motion)
    else:
        found = _going(scene, motion, manoeuvre, side_cause)
    return Decision(
        scenario=_scenario(motion, lateral, found, scene.settings),
        longitudinal=found.decision,
        lateral=lateral,
        direction=manoeuvre.direction if manoeuvre else None,
        speed_cause=found.cause,
        side_cause=side_cause,
        bend=found.bend,
        unobserved=found.unobserved,
    )


@dataclass(frozen=True)
class _Longitudinal:
    decision: LongitudinalDecision
    cause: Cause | None = None
    bend: Bend | None = None
    unobserved: bool = False


def _lateral(
    motion: Motion, cause: Cause | None, settings: RulesSettings
) -> tuple[LateralDecision | None, Manoeuvre | None]:
    """The lateral decision, and the manoeuvre where it is one.

    One that is nearly over is no decision any more. A nudge comes back, or goes around something that stands; one that
    nothing explains must be a large one.
    """
    manoeuvre = motion.manoeuvre
    if manoeuvre is None:
        return "lane_keeping", None
    if manoeuvre.finishing:
        return None, None
    if manoeuvre.kind != "nudge":
        return manoeuvre.kind, manoeuvre
    large = manoeuvre.offset_m >= settings.manoeuvre.untracked_nudge_m
    standing = cause is not None and cause.kind == "blocker"
    if not standing and not (manoeuvre.returned and (cause is not None or large)):
        return "lane_keeping", None
    in_lane = manoeuvre.offset_m <= settings.manoeuvre.in_lane_nudge_m
    return ("in_lane_nudge" if in_lane else "out_of_lane_nudge"), manoeuvre


def _slowing(scene: Scene, motion: Motion) -> _Longitudinal:
    """The ego slows, stops or keeps standing: an actor, else the route, else a cause that nothing measured shows."""
    causes = speed_causes(scene, motion)
    strong = [cause for cause in causes if cause.kind in YIELDS | _STRONG_LEADS]
    if strong:
        return _Longitudinal("yield" if strong[0].kind in YIELDS else "lead_obstacle_following", strong[0])
    if not motion.stops and motion.manoeuvre is not None and motion.manoeuvre.kind == "turn":
        return _Longitudinal("speed_adaptation")
    if not motion.stops and _asks_for_care(motion, scene.settings):
        return _Longitudinal("speed_adaptation", bend=motion.bend)
    if causes:
        return _Longitudinal("lead_obstacle_following", causes[0])
    if motion.stops:
        return _Longitudinal("stop_for_static_constraint", unobserved=True)
    return _Longitudinal("speed_adaptation", unobserved=True)


def _asks_for_care(motion: Motion, settings: RulesSettings) -> bool:
    bend = motion.bend
    return bend is not None and motion.v0**2 / bend.radius_m >= settings.curve.lateral_mps2


def _at_bend(motion: Motion, settings: RulesSettings) -> bool:
    """Whether the ego is in a bend that asks for care, or about to be; one farther ahead explains no held speed."""
    bend = motion.bend
    return bend is not None and bend.begins_m <= settings.curve.near_s * motion.v0 and _asks_for_care(motion, settings)


def _going(scene: Scene, motion: Motion, manoeuvre: Manoeuvre | None, passed: Cause | None) -> _Longitudinal:
    """The ego holds or raises its speed: past a slower lead, behind a lead, or freely."""
    gain = motion.extreme - motion.v0
    if manoeuvre is not None and manoeuvre.kind == "lane_change":
        passing = passed is not None and gain >= scene.settings.motion.passing_gain_mps
        return _Longitudinal("acceleration_for_passing", passed) if passing else _Longitudinal("set_speed_tracking")
    followed = followed_lead(scene, motion) if manoeuvre is None else None
    if followed is not None:
        return _Longitudinal("lead_obstacle_following", followed)
    if manoeuvre is None and _at_bend(motion, scene.settings):
        if motion.late:
            return _Longitudinal("set_speed_tracking", bend=motion.bend)
        if motion.bucket == "steady" and motion.drift != "rises":
            return _Longitudinal("speed_adaptation", bend=motion.bend)
    return _Longitudinal("set_speed_tracking")


def _scenario(
    motion: Motion, lateral: LateralDecision | None, found: _Longitudinal, settings: RulesSettings
) -> SceneClass:
    if found.cause is not None and found.cause.kind in _YIELD_SCENES:
        return _YIELD_SCENES[found.cause.kind]
    if lateral is not None and lateral in _MANOEUVRE_SCENES:
        return _MANOEUVRE_SCENES[lateral]
    if found.unobserved:
        return "unobserved"
    if found.bend is not None:
        return "curvy_road"
    if found.decision == "lead_obstacle_following" and motion.bucket in ("slow_down", "stopped"):
        return "stop_for_lead" if motion.stops else "slow_for_lead"
    return "resume" if motion.bucket == "speed_up" and motion.v0 <= settings.motion.resume_mps else "free_driving"
