"""The words of a `rules` label, made from what was measured.

Perception, prediction and justification, and the causes in the trace, hold figures of the history alone; planning holds
what the ego then does. Nothing is said that ego motion and obstacle tracks cannot show.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from coc_assets.raw_coc.records import Attribute, Component, LabelText
from coc_assets.raw_coc.rules.causes import Cause, CauseKind, at_last_sight
from coc_assets.raw_coc.rules.decisions import YIELDS, Decision
from coc_assets.raw_coc.rules.motion import Bend, Motion
from coc_assets.raw_coc.rules.scene import Scene, Sighting, sighting
from resources.settings.labels import RulesSettings

_CRAWL_MPS = 0.1  # slower, a time to arrival says nothing
_NOUNS = {
    "automobile": "vehicle",
    "other_vehicle": "vehicle",
    "trailer": "trailer",
    "person": "pedestrian",
    "rider": "rider",
    "stroller": "stroller",
    "animal": "animal",
    "protruding_object": "object",
}


@dataclass(frozen=True)
class Cited:
    """An actor a label cites: why, and what the history shows of it."""

    kind: CauseKind
    seen: Sighting

    @property
    def noun(self) -> str:
        return _NOUNS.get(self.seen.label_class, self.seen.label_class.replace("_", " "))

    @property
    def side(self) -> str:
        return "left" if self.seen.lateral_m > 0 else "right"


@dataclass(frozen=True)
class Surroundings:
    """How much the history shows around the ego.

    Attributes:
        tracked: whether obstacle tracks of the clip exist.
        count: actors seen.
        nearest_m: gap to the nearest box in the ego's path at the keyframe, None where there is none in range.
        range_m: how far ahead that was looked for.
    """

    tracked: bool
    count: int
    nearest_m: float | None
    range_m: float


@dataclass(frozen=True)
class Facts:
    """Everything a label's words may use."""

    motion: Motion
    decision: Decision
    cited: tuple[Cited, ...]
    route: Bend | None
    route_seen_us: tuple[int, int] | None
    around: Surroundings
    ego_before_mps: float
    ego_along_mps: float
    settings: RulesSettings

    @property
    def unobserved(self) -> bool:
        """The ego slows, if only a little, and nothing measured says why."""
        eases = self.motion.drift == "falls" and not self.cited and self.route is None
        return self.decision.unobserved or eases


def facts_of(scene: Scene, motion: Motion, decision: Decision) -> Facts:
    """Measures what the decision's words need."""
    causes = [cause for cause in (decision.speed_cause, decision.side_cause) if cause is not None]
    once = {cause.track: cause for cause in reversed(causes)}
    order = sorted(once.values(), key=causes.index)
    route = _route(motion, decision)
    return Facts(
        motion=motion,
        decision=decision,
        cited=tuple(_cite(scene, cause, motion) for cause in order),
        route=route,
        route_seen_us=_route_seen(scene, motion, route),
        around=_surroundings(scene, motion),
        ego_before_mps=float(scene.ego.speed[motion.window.first]),
        ego_along_mps=float(scene.ego.along[motion.window.frame]),
        settings=scene.settings,
    )


def _cite(scene: Scene, cause: Cause, motion: Motion) -> Cited:
    return Cited(cause.kind, sighting(scene, cause.track, motion.window))


def _route(motion: Motion, decision: Decision) -> Bend | None:
    """The bend of the route that the decision rests on: a turn's, or the one that the ego slows for."""
    return motion.bend if decision.lateral == "turn" else decision.bend


def _route_seen(scene: Scene, motion: Motion, route: Bend | None) -> tuple[int, int] | None:
    """Since when the ego is in the bend already; None where it lies ahead of the keyframe."""
    if route is None or route.begins_m > 0:
        return None
    window = motion.window
    side = 1 if route.direction == "left" else -1
    left = side * (scene.ego.heading[window.frame] - scene.ego.heading[window.first : window.frame + 1])
    since = int(np.argmax(left <= max(float(left.max()) - scene.settings.manoeuvre.begun_rad, 0.0)))
    return int(scene.ego.t_us[window.first + since]), int(scene.ego.t_us[window.frame])


def _surroundings(scene: Scene, motion: Motion) -> Surroundings:
    reach = scene.settings.lead.range_m
    if scene.actors is None:
        return Surroundings(False, 0, None, reach)
    seen = scene.seen(motion.window)
    gap, clearance = at_last_sight(scene.gap, motion.window), at_last_sight(scene.clearance, motion.window)
    ahead = gap[seen & (clearance < 0) & (gap > -scene.settings.body.front_m) & (gap < reach)]
    return Surroundings(True, int(seen.sum()), float(ahead.min()) if len(ahead) else None, reach)


def components_of(facts: Facts) -> tuple[Component, ...]:
    """The causes as ranked components: actors first, then the route."""
    parts = [_actor_component(cited, rank, facts) for rank, cited in enumerate(facts.cited, 1)]
    if facts.route is not None:
        parts.append(_route_component(facts.route, len(parts) + 1, facts))
    return tuple(parts)


def _actor_component(cited: Cited, rank: int, facts: Facts) -> Component:
    seen = cited.seen
    values = {
        "type": seen.label_class,
        "pose": _pose(cited, facts.settings),
        "motion": _motion(cited, facts.settings),
        "uncertainty": "low" if _is_evident(cited, facts.settings) else "high",
        "gap_m": _m(seen.gap_m),
        "speed_mps": _m(seen.speed_mps),
        "closing_mps": _m(seen.closing_mps),
    }
    return Component(
        rank=rank,
        category="critical_object",
        phrase=_phrase(cited, facts.settings),
        attributes=_attributes(values),
        track_id=seen.track_id,
        seen_from_us=seen.seen_from_us,
        seen_to_us=seen.seen_to_us,
    )


def _route_component(route: Bend, rank: int, facts: Facts) -> Component:
    """A bend the ego is in is a road event; one ahead is known only as the way the ego means to go."""
    seen = facts.route_seen_us
    what = "turn" if facts.decision.lateral == "turn" else "curve"
    values = {"type": what, "direction": route.direction, "source": "ego motion" if seen else "driven route"}
    values |= {"begins_m": _m(route.begins_m)} if not seen else {"radius_m": _m(1 / route.curvature_before)}
    return Component(
        rank=rank,
        category="road_event" if seen else "routing_intent",
        phrase=_route_phrase(route, facts),
        attributes=_attributes(values),
        seen_from_us=seen[0] if seen else None,
        seen_to_us=seen[1] if seen else None,
    )


def _attributes(values: dict[str, str]) -> tuple[Attribute, ...]:
    return tuple(Attribute(key=key, value=value) for key, value in values.items())


def _pose(cited: Cited, settings: RulesSettings) -> str:
    if abs(cited.seen.course_rad) > settings.oncoming.heading_rad and cited.seen.speed_mps > settings.oncoming.min_mps:
        return "oncoming"
    return "in-path" if cited.seen.clearance_m < 0 else cited.side


def _motion(cited: Cited, settings: RulesSettings) -> str:
    seen = cited.seen
    if seen.speed_mps < settings.tracks.still_mps:
        return "stopped"
    if cited.kind in ("crossing_person", "crossing_vehicle"):
        return "crossing"
    if cited.kind == "cut_in":
        return "cut-in"
    lost = seen.speed_before_mps - seen.speed_mps
    return "slowing" if lost >= settings.lead.noticed_mps else "moving"


def _is_evident(cited: Cited, settings: RulesSettings) -> bool:
    """Whether the history alone shows what makes the actor the cause."""
    seen = cited.seen
    if cited.kind in ("cut_in", "crossing_person", "crossing_vehicle"):
        return seen.least_clearance_m < 0 or seen.approach_mps >= settings.cut_in.evident_mps
    if cited.kind == "braking_lead":
        return seen.speed_before_mps - seen.speed_mps >= settings.lead.noticed_mps
    if cited.kind == "stopped_lead":
        return seen.speed_mps < settings.tracks.still_mps
    return True


def _m(value: float) -> str:
    """A figure to one decimal, never "-0.0"."""
    return f"{round(value, 1) + 0.0:.1f}"


def _phrase(cited: Cited, settings: RulesSettings) -> str:
    """The actor, its place and its motion, as the history shows them."""
    return f"{_who(cited)} {_where(cited)} {_how(cited, settings)}"


def _who(cited: Cited) -> str:
    role = {"stopped_lead": "lead ", "braking_lead": "lead ", "slower_lead": "lead ", "lead": "lead "}
    return f"the {role.get(cited.kind, '')}{cited.noun}"


def _where(cited: Cited) -> str:
    seen = cited.seen
    ahead = f"{_m(seen.gap_m)} m ahead" if seen.gap_m > 0 else "alongside"
    if seen.clearance_m < 0 or cited.kind in ("stopped_lead", "braking_lead", "slower_lead", "lead"):
        return ahead
    return f"{ahead} and {_m(abs(seen.lateral_m))} m to the {cited.side} of the path"


def _how(cited: Cited, settings: RulesSettings) -> str:
    seen = cited.seen
    near = settings.cut_in.evident_mps
    if seen.speed_mps < settings.tracks.still_mps:
        return "is standing"
    if cited.kind in ("crossing_person", "crossing_vehicle", "cut_in"):
        verb = "is moving into" if cited.kind == "cut_in" else "is crossing"
        if seen.clearance_m < 0:
            return f"{verb} the ego's path at {_m(seen.speed_mps)} m/s"
        if abs(seen.approach_mps) >= near:
            way = "is moving towards" if seen.approach_mps > 0 else "is leaving"
            return f"{way} the ego's path at {_m(abs(seen.approach_mps))} m/s"
        return f"is moving at {_m(seen.speed_mps)} m/s"
    if _pose(cited, settings) == "oncoming":
        return f"is coming towards the ego at {_m(seen.speed_mps)} m/s"
    if seen.speed_before_mps - seen.speed_mps >= settings.lead.noticed_mps:
        return f"is slowing from {_m(seen.speed_before_mps)} to {_m(seen.speed_mps)} m/s{_closing(seen, settings)}"
    return f"is driving at {_m(seen.speed_mps)} m/s{_closing(seen, settings)}"


def _closing(seen: Sighting, settings: RulesSettings) -> str:
    return f", closing at {_m(seen.closing_mps)} m/s" if seen.closing_mps >= settings.lead.closing_mps else ""


def _route_phrase(route: Bend, facts: Facts) -> str:
    what = "turn" if facts.decision.lateral == "turn" else "curve"
    if facts.route_seen_us:
        return f"the ego is in a {what} to the {route.direction} of about {_m(1 / route.curvature_before)} m radius"
    return f"the driven route leads into a {what} to the {route.direction} {_m(route.begins_m)} m ahead"


def words_of(facts: Facts) -> LabelText:
    """The trace and the four parts."""
    return LabelText(
        trace=f"{_action(facts)}{_reason(facts)}.",
        perception=_sentences(*_perception(facts)),
        prediction=_sentences(*_prediction(facts)),
        planning=_sentences(_planning(facts)),
        justification=_sentences(*_justification(facts)),
    )


def _sentences(*parts: str) -> str:
    return " ".join(f"{part[0].upper()}{part[1:]}." for part in parts if part)


def _action(facts: Facts) -> str:
    """The decision clause: what the ego does with its speed and its path."""
    purpose = {"lead_obstacle_following": " to keep the distance", "acceleration_for_passing": " to pass"}
    sideways = _sideways(facts)
    clause = f"{_speed_action(facts)} and {sideways}" if sideways else _speed_action(facts)
    if _rises_late(facts):
        clause += f", then speed up to {_m(facts.motion.extreme)} m/s"
    return clause + purpose.get(facts.decision.longitudinal or "", "")


def _speed_action(facts: Facts) -> str:
    motion, decision = facts.motion, facts.decision
    if motion.bucket == "reverse":
        return "Reverse"
    if motion.bucket == "stopped" and motion.standing:
        return "Remain stopped"
    if motion.bucket in ("slow_down", "stopped"):
        slowing = "slowing down to a stop" if motion.bucket == "stopped" else "slowing down"
        leading = {"yield": "Yield by ", "speed_adaptation": "Adapt the speed by "}.get(decision.longitudinal or "")
        return f"{leading}{slowing}" if leading else slowing.replace("slowing", "Slow", 1)
    if motion.bucket == "speed_up":
        return _rising(facts)
    return _holding(facts)


def _rises_late(facts: Facts) -> bool:
    """The speed rises only after a while of driving on."""
    return facts.motion.late and not facts.motion.standing


def _rising(facts: Facts) -> str:
    motion = facts.motion
    if _rises_late(facts):
        return f"Proceed{_through_the_bend(facts)} at {_held(facts)}"
    if motion.late:
        return f"Resume the speed after {_m(motion.hold_s)} s at standstill"
    return "Resume the speed" if facts.decision.scenario == "resume" else "Speed up"


def _holding(facts: Facts) -> str:
    """What the ego does while its speed stays in the steady bucket; the words do not deny a drift."""
    motion = facts.motion
    gentle = _is_gentle(facts)
    if motion.drift == "falls":
        words = "Ease off a little" if gentle else "Adjust the speed downwards"
    elif motion.drift == "rises":
        words = "Pick up a little speed" if gentle else "Proceed at a growing speed"
    else:
        words = "Hold the adapted speed" if facts.decision.longitudinal == "speed_adaptation" else "Keep the speed"
    return words + _through_the_bend(facts)


def _is_gentle(facts: Facts) -> bool:
    return abs(facts.motion.extreme - facts.motion.v0) < facts.settings.motion.gentle_mps


def _through_the_bend(facts: Facts) -> str:
    return " through the curve" if facts.decision.bend is not None else ""


def _held(facts: Facts) -> str:
    """The speed before a late rise, as one figure or as the range that it went through."""
    low, high = facts.motion.held_mps
    if high - low < facts.settings.motion.slight_change_mps:
        return f"about {_m(facts.motion.v0)} m/s"
    return f"{_m(low)} to {_m(high)} m/s"


def _sideways(facts: Facts) -> str:
    direction = facts.decision.direction
    return {
        "turn": f"turn {direction}",
        "lane_change": f"change lane to the {direction}",
        "out_of_lane_nudge": f"nudge {direction} beyond the lane",
        "in_lane_nudge": f"nudge {direction} within the lane",
        "lane_keeping": "stay in the lane",
    }.get(facts.decision.lateral or "", "")


def _reason(facts: Facts) -> str:
    """The clause that ends the trace: the causes, most important first, or what tracks show in their stead.

    Without causes and without tracks there is none: a motion that nothing explains is not its own reason.
    """
    causes = [_phrase(cited, facts.settings) for cited in facts.cited]
    if facts.route is not None:
        causes.append(_route_phrase(facts.route, facts))
    known = f" because {' and '.join(causes)}" if causes else ""
    if facts.unobserved:
        seen = f": {_nothing_ahead(facts)}" if facts.around.tracked else ""
        return f"{known}{' and' if known else ''} for an unobserved cause{seen}"
    if known:
        return known
    if facts.around.tracked:
        return f" because {_nothing_ahead(facts)}"
    return _end_of_manoeuvre(facts)


def _end_of_manoeuvre(facts: Facts) -> str:
    """The manoeuvre that the ego comes out of, which the lateral channel does not decide any more."""
    manoeuvre = facts.motion.manoeuvre
    if manoeuvre is None or facts.decision.lateral is not None:
        return ""
    return f" as the ego's {manoeuvre.kind.replace('_', ' ')} to the {manoeuvre.direction} comes to its end"


def _nothing_ahead(facts: Facts) -> str:
    """What the tracks show in the ego's path: nothing, or nothing near enough."""
    around, ego = facts.around, _ego_phrase(facts)
    if around.nearest_m is None:
        return f"{ego} with no tracked object in its path within {around.range_m:.0f} m"
    return f"{ego} and the nearest tracked object in its path, {_m(around.nearest_m)} m ahead, does not constrain it"


def _ego_phrase(facts: Facts) -> str:
    if facts.motion.standing:
        return "the ego is standing"
    if facts.ego_along_mps < -facts.settings.motion.reverse_mps:
        return f"the ego backs up at {_m(facts.motion.v0)} m/s"
    return f"the ego drives at {_m(facts.motion.v0)} m/s"


def _perception(facts: Facts) -> list[str]:
    around = facts.around
    if not around.tracked:
        return [_ego_phrase(facts), *_route_seen_phrase(facts), "no tracked object is available in this clip"]
    known = f"{around.count} {'object is' if around.count == 1 else 'objects are'} tracked around it"
    if not facts.cited:
        return [_nothing_ahead(facts), *_route_seen_phrase(facts), known]
    return [
        _ego_phrase(facts),
        *(_phrase(cited, facts.settings) for cited in facts.cited),
        *_route_seen_phrase(facts),
        known,
    ]


def _route_seen_phrase(facts: Facts) -> list[str]:
    return [_route_phrase(facts.route, facts)] if facts.route is not None and facts.route_seen_us else []


def _prediction(facts: Facts) -> list[str]:
    """What the history leads to if everyone goes on as they were."""
    said = [_expected(cited, facts.settings) for cited in facts.cited]
    if facts.route is not None:
        said.append(_expected_route(facts.route, facts))
    if not said and facts.motion.standing:
        said.append(
            f"{facts.around.count} tracked objects go on as they were measured"
            if facts.around.tracked
            else "the ego stands as before"
        )
    if not said:
        seconds = facts.settings.window.future_s
        said.append(f"at {_m(facts.motion.v0)} m/s the ego covers {_m(facts.motion.v0 * seconds)} m in {seconds:.0f} s")
    return said


def _expected(cited: Cited, settings: RulesSettings) -> str:
    seen = cited.seen
    if cited.kind in YIELDS and cited.kind != "oncoming" and seen.clearance_m >= 0:
        if seen.approach_mps < settings.cut_in.evident_mps:
            return f"{_who(cited)} is {_m(seen.clearance_m)} m beside the strip that the ego sweeps"
        return (
            f"{_who(cited)} reaches the ego's path in about {_m(seen.clearance_m / seen.approach_mps)} s at this pace"
        )
    if cited.kind in ("crossing_person", "crossing_vehicle"):
        return f"{_who(cited)} is in the ego's path, which the ego reaches in {_time_to(seen, seen.ego_mps)}"
    if cited.kind in ("blocker", "moving_blocker"):
        return f"on its present path the ego comes alongside {_who(cited)} in {_time_to(seen, seen.closing_mps)}"
    if seen.closing_mps >= settings.lead.closing_mps:
        return f"at the present speeds the gap to {_who(cited)} closes in {_m(max(seen.gap_m, 0) / seen.closing_mps)} s"
    return f"at the present speeds the gap to {_who(cited)} stays near {_m(seen.gap_m)} m"


def _time_to(seen: Sighting, speed: float) -> str:
    if speed < _CRAWL_MPS:
        return "no foreseeable time"
    return f"about {_m(max(seen.gap_m, 0.0) / speed)} s"


def _expected_route(route: Bend, facts: Facts) -> str:
    if facts.route_seen_us or facts.motion.v0 < facts.settings.motion.stopped_mps:
        return f"the route goes on to the {route.direction}"
    return (
        f"at {_m(facts.motion.v0)} m/s the ego reaches the bend to the {route.direction} "
        f"in {_m(route.begins_m / facts.motion.v0)} s"
    )


def _planning(facts: Facts) -> str:
    """What the ego does in the seconds after the keyframe, with its figures."""
    motion = facts.motion
    start, end, seconds = _m(motion.v0), _m(motion.extreme), _m(motion.change_s)
    held = f"{f'drive at {_held(facts)}' if not motion.standing else 'stay at standstill'} for {_m(motion.hold_s)} s"
    rise = f"speed up from {start} to {end} m/s within {seconds} s"
    little = " a little" if _is_gentle(facts) else ""
    drift = {"falls": f"ease off{little}", "rises": f"pick up{little} speed"}.get(motion.drift or "")
    speed = {
        "reverse": "back up",
        "stopped": "stay at standstill" if motion.standing else f"slow from {start} m/s to a stop within {seconds} s",
        "slow_down": f"slow from {start} to {end} m/s within {seconds} s",
        "speed_up": f"{held}, then speed up to {end} m/s," if motion.late else rise,
        "steady": f"{drift} from {start} to {end} m/s within {seconds} s" if drift else f"hold about {start} m/s",
    }[motion.bucket]
    manoeuvre = motion.manoeuvre if facts.decision.direction else None
    if manoeuvre is None:
        return f"{speed} and keep the lane" if facts.decision.lateral else speed
    if manoeuvre.kind == "turn":
        return f"{speed} and {_sideways(facts)} by {np.degrees(manoeuvre.heading_rad):.0f} degrees"
    return f"{speed} and {_sideways(facts)} by {_m(manoeuvre.offset_m)} m"


def _justification(facts: Facts) -> list[str]:
    """Why the decision follows from what was seen."""
    said = [_why(cited, facts) for cited in facts.cited]
    if facts.route is not None:
        said.append(_why_route(facts.route, facts))
    if facts.unobserved:
        seen = f": {_nothing_ahead(facts)}" if facts.around.tracked else ""
        said.append(f"the ego's motion shows the decision, its cause is unobserved{seen}")
    if not said:
        said.append(f"{_history_phrase(facts)}, and {_unconstrained(facts)}")
    return said


def _unconstrained(facts: Facts) -> str:
    if facts.around.tracked:
        return "nothing that is tracked constrains its speed"
    rises = facts.motion.bucket == "speed_up" or facts.motion.drift == "rises"
    return "no cause of the rise in speed is observed" if rises else "no cause for another speed is observed"


def _history_phrase(facts: Facts) -> str:
    before, now = _m(facts.ego_before_mps), _m(facts.motion.v0)
    if before == now:
        return f"the ego kept {now} m/s over the history"
    return f"the ego went from {before} to {now} m/s over the history"


def _why(cited: Cited, facts: Facts) -> str:
    seen = cited.seen
    if cited.kind in ("blocker", "moving_blocker"):
        room = f"leaves {_m(seen.clearance_m)} m" if seen.clearance_m > 0 else f"takes {_m(-seen.clearance_m)} m"
        return f"{_who(cited)} {room} of the strip that the ego sweeps, on the {cited.side}"
    if cited.kind in YIELDS:
        place = f"{_m(seen.clearance_m)} m from" if seen.clearance_m > 0 else "within"
        ego = f"{_m(seen.gap_m)} m away at {_m(seen.ego_mps)} m/s"
        return f"{_who(cited)} is {place} the strip that the ego sweeps, and the ego, {ego}, has to leave it room"
    headway = seen.gap_m / seen.ego_mps if seen.ego_mps > facts.settings.motion.stopped_mps else None
    gap = f"{_m(seen.gap_m)} m" + (f", a headway of {_m(headway)} s," if headway is not None else "")
    if facts.decision.lateral == "lane_change" and cited.kind == "slower_lead":
        return f"{_who(cited)} is {_m(seen.closing_mps)} m/s slower and {gap} ahead, so its lane holds the ego back"
    if seen.closing_mps >= facts.settings.lead.closing_mps:
        return f"the gap to {_who(cited)} is {gap} and shrinks at {_m(seen.closing_mps)} m/s"
    return f"the gap to {_who(cited)} is {gap} and has to be kept"


def _why_route(route: Bend, facts: Facts) -> str:
    speed = facts.motion.v0
    if facts.route_seen_us:
        asked = speed**2 * route.curvature_before
        return f"the {route.direction} bend asks for {_m(asked)} m/s² of lateral acceleration at {_m(speed)} m/s"
    return (
        f"the route leads to the {route.direction} with a radius of {_m(route.radius_m)} m, which asks for "
        f"{_m(speed**2 / route.radius_m)} m/s² of lateral acceleration at {_m(speed)} m/s"
    )
