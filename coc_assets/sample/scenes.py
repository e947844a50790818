"""The scripts: what happens in each kind of sample clip, and why.

A script draws its parameters, drives the ego, sets the cause in motion 0.5 … 1.5 s before the ego reacts, and adds
bystanders that cause nothing. Onsets lie where keyframes can: half a second after frame 20 … 135.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from coc_assets.sample import cast as casting
from coc_assets.sample.bicycle import EGO, Bend, Shift, SpeedChange, bends, scene_clock, shifts, speed_profile
from coc_assets.sample.cast import Cast
from coc_assets.sample.roads import (
    STOP_LINE_M,
    Centreline,
    Layout,
    crossing_half_width,
    crossroads,
    reference_line,
    zebra,
)
from coc_assets.sample.staging import Draft, Draw, Side, place, travelled
from coc_assets.sample.widening import drawn_until_sound
from coc_assets.sample.world import Actor, Line, Road, Scene

LAST_KEYFRAME_ONSET_S = 13.3
# Two keyframes of a clip keep 3 s apart: so do braking and steering, stopping and driving on.
STEER_AFTER_S = 3.45
STAND_S = 2.8


def two_way(draw: Draw, parking: bool | None = None) -> Layout:
    wide = parking if parking is not None else draw.rng.uniform() < 0.5
    return Layout(lane_width=draw("lane_width_m", 3.35, 3.65), oncoming=1, parking=2.3 if wide else 0.0)


def multi_lane(draw: Draw, side: Side) -> Layout:
    """Two or three lanes the ego's way, at least one on the given side."""
    extra = int(draw.rng.uniform() < 0.35)
    left, right = (1, extra) if side == "left" else (extra, 1)
    return Layout(lane_width=draw("lane_width_m", 3.4, 3.7), left=left, right=right, oncoming=int(draw.rng.integers(3)))


def any_layout(draw: Draw) -> Layout:
    return two_way(draw) if draw.rng.uniform() < 0.5 else multi_lane(draw, "left")


def street_life(draft: Draft, speed: float, lanes: Sequence[int] | None = None) -> list[Actor]:
    """Bystanders of every kind that the road has room for."""
    cast, layout = draft.cast, draft.layout
    return [
        *casting.parked(cast, layout),
        *casting.neighbours(cast, layout, speed, lanes),
        *casting.oncoming(cast, layout),
        *casting.walkers(cast, layout),
    ]


def lead_brakes(draw: Draw) -> Scene:
    """A lead at a steady gap brakes hard to about half its speed; the ego slows behind it."""
    clock, speed = scene_clock(), draw("speed_mps", 9.0, 14.0)
    lead_at, reaction = draw("lead_brakes_s", 4.5, 8.0), draw("reaction_s", 1.3, 1.5)
    drop = draw("drop_share", 0.42, 0.5) * speed
    onset = lead_at + reaction
    slow = SpeedChange(onset, -drop, draw("ego_decel_mps2", 2.2, 2.8))
    draft = Draft(draw, "lead_brakes", any_layout(draw), speed_profile(clock, speed, [slow]))
    shape = draft.cast.vehicle()
    where = draft.ahead(lead_at, draw("headway_s", 1.6, 1.8) * speed, shape)
    brake = SpeedChange(lead_at, -drop, draw("lead_decel_mps2", 3.4, 4.2), 0.4, 0.6)
    lead = draft.cast.actor(shape, draft.cast.run(lead_at, where, speed, [brake]), 0.0)
    draft.claim(onset, "lead_obstacle_following", cause="lead_brakes", actor=lead)
    return draft.finish([lead], street_life(draft, speed))


def lead_stopped(draw: Draw) -> Scene:
    """A vehicle stands in the ego's lane; the ego comes up from afar and stops behind it."""
    clock, speed = scene_clock(), draw("speed_mps", 8.0, 11.5)
    onset = draw("onset_s", 4.0, 8.5)
    stop = stop_from(onset, speed, draw("stopping_s", 4.6, 5.8))
    draft = Draft(draw, "lead_stopped", any_layout(draw), speed_profile(clock, speed, [stop]))
    shape = draft.cast.vehicle()
    lead = draft.cast.actor(shape, draft.ahead(stop.end_s, draw("gap_m", 3.5, 6.0), shape), 0.0)
    draft.claim(onset, "lead_obstacle_following", cause="lead_stopped", actor=lead)
    return draft.finish([lead], street_life(draft, speed))


def slower_lead_lane_change(draw: Draw) -> Scene:
    """A lead drives more slowly than the ego, which passes it in the lane beside, sometimes speeding up."""
    clock, speed = scene_clock(), draw("speed_mps", 10.0, 12.0)
    side, sign = draw.side()
    onset, duration = draw("onset_s", 4.0, 6.5), draw("lane_change_s", 6.7, 7.1)
    layout = multi_lane(draw, side)
    passing = draw.pick("passing", ("steady", "faster")) == "faster"
    gain = [SpeedChange(onset + 1.0, draw("gain_mps", 1.9, 2.6), 0.7)] if passing else []
    profile = speed_profile(clock, speed, gain)
    start = travelled(clock, profile, onset)
    move = Shift(start, travelled(clock, profile, onset + duration) - start, sign * layout.lane_width)
    draft = Draft(draw, "slower_lead_lane_change", layout, profile, shifts([move]))
    shape = draft.cast.vehicle(0.5)
    where = draft.ahead(onset, draw("headway_s", 1.6, 1.75) * speed, shape)
    lead = draft.cast.actor(shape, draft.cast.run(onset, where, speed - draw("slower_mps", 1.9, 2.4)), 0.0)
    longitudinal = "acceleration_for_passing" if passing else "set_speed_tracking"
    draft.claim(onset, longitudinal, "lane_change", side, "slower_lead", lead)
    free_lanes = [lane for lane in range(-layout.right, layout.left + 1) if lane not in (0, sign)]
    return draft.finish([lead], street_life(draft, speed, free_lanes))


def cut_in(draw: Draw) -> Scene:
    """A slower vehicle from the lane beside moves in close ahead; the ego slows to open the gap."""
    clock, speed = scene_clock(), draw("speed_mps", 11.0, 15.0)
    side, sign = draw.side()
    cut_at, reaction = draw("cut_in_s", 4.0, 8.0), draw("reaction_s", 1.35, 1.5)
    slower, onset = draw("slower_mps", 1.8, 2.6), cut_at + reaction
    slow = SpeedChange(onset, -(slower + draw("extra_drop_mps", 1.0, 1.5)), draw("ego_decel_mps2", 1.15, 1.3))
    layout = multi_lane(draw, side)
    draft = Draft(draw, "cut_in", layout, speed_profile(clock, speed, [slow]))
    shape = draft.cast.shape("car")
    along = draft.cast.run(cut_at, draft.ahead(cut_at, draw("gap_m", 14.5, 17.5), shape), speed - slower)
    across = draft.cast.glide(cut_at, draw("cut_in_duration_s", 2.6, 3.0), layout.lane(sign), 0.0)
    cutter = draft.cast.actor(shape, along, across)
    draft.claim(onset, "yield", cause="cut_in", actor=cutter)
    return draft.finish([cutter], street_life(draft, speed, [lane for lane in (1, -1) if lane != sign]))


def person_crossing(draw: Draw) -> Scene:
    """A person walks across at a crosswalk; the ego stops for them and drives on when the lane is clear."""
    clock, speed = scene_clock(), draw("speed_mps", 6.5, 8.5)
    side, sign = draw.side()
    # From the near pavement the way is shorter: a slow walker still holds the ego up.
    slowest, fastest = (1.0, 1.25) if side == "left" else (0.8, 0.95)
    reaction, pace = draw("reaction_s", 1.25, 1.45), draw("pace_mps", slowest, fastest)
    walk_at = draw("walks_s", 2.4, 3.6)
    onset, slant = walk_at + reaction, draw("slant", -0.18, 0.18)
    stop = stop_from(onset, speed, draw("stopping_s", 4.2, 4.6))
    layout = two_way(draw, parking=False)
    origin = layout.left_edge + 0.9 if side == "left" else layout.right_edge - 1.6
    target = layout.right_edge - 1.5 if side == "left" else layout.left_edge + 1.5
    clear_s = walk_at + 0.3 + (abs(origin) + layout.lane_width / 2 + 0.6) / pace
    go_at = max(clear_s + draw("restart_s", 0.6, 1.0), stop.end_s + STAND_S)
    go = SpeedChange(go_at, speed, draw("ego_accel_mps2", 1.1, 1.3))
    draft = Draft(draw, "person_crossing", layout, speed_profile(clock, speed, [stop, go]))
    shape = draft.cast.shape("person")
    where = draft.ahead(stop.end_s, draw("gap_m", 3.5, 5.0), shape)
    pacing = SpeedChange(walk_at, pace, 3.0, 0.1, 0.1)
    halt = SpeedChange(walk_at + abs(target - origin) / pace, -pace, 3.0, 0.1, 0.1)
    walk = draft.cast.run(walk_at, 0.0, 0.0, [pacing, halt])
    along = where + slant * (walk - abs(origin))
    person = draft.cast.actor(shape, along, origin - sign * walk, -sign * np.pi / 2)
    draft.claim(onset, "yield", cause="person_crossing", actor=person)
    claim_resume(draft, go_at)
    road = draft.with_paint(zebra(draft.line, layout, where))
    return draft.finish([person], street_life(draft, speed), road)


def parked_blocker_nudge(draw: Draw) -> Scene:
    """A parked car juts into the lane; the ego swings out around it and back."""
    clock, speed = scene_clock(), draw("speed_mps", 6.0, 7.0)
    side, sign = draw.side(("left", "left", "left", "right"))  # parked cars are mostly on the right
    onset, offset = draw("onset_s", 4.5, 8.5), draw("offset_m", 1.0, 1.2)
    swing, profile = draw("swing_m", 14.5, 16.0), speed_profile(clock, speed)
    # To the left the ego crosses into the oncoming lane; to the right this is a one-way street with a spare lane.
    width = draw("lane_width_m", 3.35, 3.6)
    if offset <= (width - EGO.width) / 2:
        raise ValueError(f"{offset} m to the side stays within a lane of {width} m: widen the offset.")
    layout = Layout(width, oncoming=1) if side == "left" else Layout(width, right=1, oncoming=0)
    start = travelled(clock, profile, onset)
    length = draw("blocker_length_m", 4.3, 4.8)
    back = start + swing + 5.0 + length
    moves = [Shift(start, swing, sign * offset), Shift(back, swing, -sign * offset)]
    draft = Draft(draw, "parked_blocker_nudge", layout, profile, shifts(moves))
    shape = replace(draft.cast.shape("car"), length=length)
    where = start + swing + 1.0 + EGO.front + length / 2
    intrusion = EGO.width / 2 + draw("shy_m", -0.25, 0.05)
    blocker = draft.cast.actor(shape, where, -sign * (intrusion + shape.width / 2))
    draft.claim(onset, "set_speed_tracking", "out_of_lane_nudge", side, "parked_blocker", blocker)
    return draft.finish([blocker], casting.walkers(draft.cast, layout))


def curve(draw: Draw) -> Scene:
    """The road bends; the ego slows for it and picks up speed again behind it."""
    clock, speed = scene_clock(), draw("speed_mps", 11.0, 13.5)
    _, sign = draw.side()
    onset, drop = draw("onset_s", 4.0, 5.5), draw("drop_share", 0.28, 0.33) * speed
    slow = SpeedChange(onset, -drop, draw("ego_decel_mps2", 1.15, 1.3))
    angle, length = np.radians(draw("angle_deg", 26.0, 31.0)), draw("bend_m", 29.0, 33.0)
    start_s = max(slow.end_s - 0.8, onset + STEER_AFTER_S)
    out_s = start_s + length / (speed - drop)
    go = SpeedChange(out_s, drop * 0.8, 1.1)
    profile = speed_profile(clock, speed, [slow, go])
    bend = Bend(travelled(clock, profile, start_s), length, sign * float(angle))
    draft = Draft(draw, "curve", two_way(draw), profile, bends([bend])).follow()
    draft.claim(onset, "speed_adaptation", cause="curve")
    claim_resume(draft, out_s)
    return draft.finish([], street_life(draft, speed))


def turn(draw: Draw) -> Scene:
    """The ego slows for a crossing, turns left or right and drives off."""
    clock, speed = scene_clock(), draw("speed_mps", 8.0, 10.5)
    side, sign = draw.side()
    onset, crawl = draw("onset_s", 3.5, 5.5), draw("turn_speed_mps", 4.0, 4.5)
    slow = SpeedChange(onset, crawl - speed, draw("ego_decel_mps2", 1.9, 2.2))
    length = draw("turn_m", 20.0, 22.0) if side == "left" else draw("turn_m", 17.0, 18.5)
    steer_s = max(slow.end_s - 0.2, onset + STEER_AFTER_S)
    go = SpeedChange(steer_s + 0.8 * length / crawl, draw("gain_mps", 3.0, 4.5), 1.3)
    profile = speed_profile(clock, speed, [slow, go])
    begin = travelled(clock, profile, steer_s)
    draft = Draft(draw, "turn", two_way(draw, parking=False), profile, bends([Bend(begin, length, sign * np.pi / 2)]))
    after = reference_line(draft.steering).place(np.array([begin + length + 1.0]), 0.0)[0]
    crossing = float(after[0]) - sign * draft.layout.lane_width / 2
    draft.claim(onset, "speed_adaptation", "turn", side, "turn")
    draft.claim(steer_s, None, "turn", side, "turn")
    half = crossing_half_width(draft.layout)
    extras = [
        *casting.waiting(draft.cast, draft.layout, crossing, half),
        *standing(draft.cast, draft.layout, crossing - half - 14.0),
    ]
    return draft.finish([], extras, crossroads(draft.line, draft.layout, crossing))


def free_driving(draw: Draw) -> Scene:
    """Nothing stands in the ego's way: it holds its speed, or takes it up to the one it wants."""
    clock, speed = scene_clock(), draw("speed_mps", 8.0, 15.0)
    picks_up = draw.pick("pace", ("steady", "faster")) == "faster"
    onset = draw("onset_s", 4.0, 9.0) if picks_up else None
    gain = [] if onset is None else [SpeedChange(onset, draw("gain_mps", 3.0, 4.5), draw("ego_accel_mps2", 0.9, 1.2))]
    draft = Draft(draw, "free_driving", any_layout(draw), speed_profile(clock, speed, gain))
    draft.claim(onset, "set_speed_tracking")
    return draft.finish([], street_life(draft, float(draft.speed[-1])))


def stop_unobserved(draw: Draw) -> Scene:
    """The ego stops at a stop line with nothing tracked ahead: no obstacle track shows why."""
    clock, speed = scene_clock(), draw("speed_mps", 8.0, 12.0)
    onset = draw("onset_s", 4.0, 6.0)
    stop = stop_from(onset, speed, draw("stopping_s", 4.8, 5.6))
    go_at = stop.end_s + max(draw("wait_s", STAND_S, 5.0), STAND_S)
    go = SpeedChange(go_at, min(speed, 7.0), draw("ego_accel_mps2", 1.1, 1.3))
    draft = Draft(draw, "stop_unobserved", two_way(draw, parking=False), speed_profile(clock, speed, [stop, go]))
    at_line = travelled(clock, draft.speed, stop.end_s) + EGO.front + draw("gap_m", 0.6, 1.6)
    crossing = at_line + STOP_LINE_M + crossing_half_width(draft.layout)
    draft.claim(onset, "stop_for_static_constraint", cause="unobserved", trackable=False)
    claim_resume(draft, go_at)
    road = crossroads(draft.line, draft.layout, crossing)
    extras = [*casting.oncoming(draft.cast, draft.layout), *standing(draft.cast, draft.layout, crossing - 16.0)]
    return draft.finish([], extras, road)


def reversing(draw: Draw) -> Scene:
    """The ego stands in a bay, backs out with its tail to one side, and stands again."""
    clock = scene_clock()
    _, sign = draw.side()
    onset, pace = draw("onset_s", 3.0, 5.0), draw("pace_mps", 1.3, 1.7)
    back = SpeedChange(onset, -pace, 0.9, 0.5, 0.8)
    halt = SpeedChange(back.end_s + draw("backing_s", 5.0, 6.0), pace, 0.9, 0.5, 0.8)
    profile = speed_profile(clock, 0.0, [back, halt])
    clear = travelled(clock, profile, onset + 3.6)
    swing = Bend(clear, travelled(clock, profile, 20.0) - clear, sign * draw("swing_rad", 0.45, 0.55), 0.3)
    draft = Draft(draw, "reversing", Layout(oncoming=0), profile, bends([swing]))
    draft.claim(onset, None, None)
    bays = [draft.cast.actor(draft.cast.shape("car"), 1.5, d) for d in (-5.8, -2.9, 2.9, 5.8)]
    return draft.finish([], bays, car_park(draft.line))


Script = Callable[[Draw], Scene]
SCRIPTS: dict[str, Script] = {
    script.__name__: script
    for script in (
        lead_brakes,
        lead_stopped,
        slower_lead_lane_change,
        cut_in,
        person_crossing,
        parked_blocker_nudge,
        curve,
        turn,
        free_driving,
        stop_unobserved,
        reversing,
    )
}  # fmt: skip


def stop_from(
    onset_s: float, speed: float, duration_s: float, ramp_s: float = 0.5, release_s: float = 1.2
) -> SpeedChange:
    """Braking to a stand in the given time."""
    return SpeedChange(onset_s, -speed, speed / (duration_s - (ramp_s + release_s) / 2), ramp_s, release_s)


def claim_resume(draft: Draft, onset_s: float) -> None:
    """The ego takes up its speed again, where a keyframe can still see it."""
    if onset_s <= LAST_KEYFRAME_ONSET_S:
        draft.claim(onset_s, "set_speed_tracking")


def standing(cast: Cast, layout: Layout, where: float) -> list[Actor]:
    """People who stand on the pavement before a crossing."""
    places = ((where, layout.right_edge - 1.8), (where - 9.0, layout.right_edge - 1.5), (where, layout.left_edge + 1.8))
    return [cast.actor(cast.shape("person"), s, d) for s, d in places if cast.rng.uniform() < 0.6]


def car_park(line: Centreline) -> Road:
    """A paved yard with a row of bays, open to the ego's rear."""
    corners = np.array([[-40.0, -30.0], [7.0, -30.0], [7.0, 30.0], [-40.0, 30.0]])
    ends = np.array([-1.6, 5.0])
    bays = [Line(line.place(ends, d), "solid", 0.12) for d in np.arange(-15.95, 16.0, 2.9)]
    return Road([corners], bays)


def build(script: str, clip_id: str, rng: np.random.Generator, first_us: int, widen: float = 0.0) -> Scene:
    """One scene of a script.

    Args:
        first_us: instant at which the ego is at the local frame's origin: the clip's first egomotion sample.
        widen: see `Draw`; above 0, scenes that do not hold together are drawn again.
    """
    scene = drawn_until_sound(SCRIPTS[script], rng, widen) if widen else SCRIPTS[script](Draw(rng))
    return place(scene, clip_id, first_us, float(rng.uniform(-np.pi, np.pi)))
