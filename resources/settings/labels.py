"""Settings of the labels section: how raw_coc decides and says it.

`labels.rules` holds every threshold of the `rules` labeler, a group a family of causes or motions; the coc-label rules
give the starting values.
"""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from resources.settings.section import Section


class WindowSettings(Section):
    """What of a clip one label looks at, around its keyframe."""

    history_s: float = Field(2.0, gt=0, description="evidence window before the keyframe, s")
    future_s: float = Field(6.0, gt=0, description="motion after the keyframe that decides which decision was taken, s")
    min_future_s: float = Field(
        2.0, gt=0, description="with less motion left after the keyframe no decision is made, s"
    )
    cause_delay_s: float = Field(
        3.0, ge=0, description="a cause begins at most this long after the ego starts to act, s"
    )
    min_seen_s: float = Field(0.3, ge=0, description="an actor seen for less of the history is not cited, s")
    last_seen_s: float = Field(0.5, gt=0, description="an actor last seen longer before the keyframe is not cited, s")


class BodySettings(Section):
    """The ego's outline around the rig origin (centre of the rear axle)."""

    front_m: float = Field(3.9, gt=0, description="rig origin to front bumper, m")
    rear_m: float = Field(1.0, gt=0, description="rig origin to rear bumper, m")
    width_m: float = Field(2.0, gt=0, description="width of the swept strip, m")

    @property
    def half_width_m(self) -> float:
        return self.width_m / 2


class TrackSettings(Section):
    """How obstacle boxes become actors on the clip's frames."""

    max_gap_s: float = Field(0.5, gt=0, description="a track is not interpolated across longer gaps, s")
    coast_s: float = Field(
        3.0, ge=0, description="an actor whose track ends is carried on at its velocity this long, s"
    )
    velocity_span_s: float = Field(0.4, gt=0, description="an actor's velocity is its displacement over this span, s")
    sighting_span_s: float = Field(0.6, gt=0, description="figures about an actor's speed are fitted over this time, s")
    line_extension_m: float = Field(150.0, gt=0, description="straight extension of the ego's path at both ends, m")
    line_spacing_m: float = Field(0.5, gt=0, description="spacing of the reference line's vertices, at least, m")
    still_mps: float = Field(0.5, gt=0, description="an actor slower than this stands, m/s")


class MotionSettings(Section):
    """Buckets of ego motion that decisions must agree with."""

    initial_speed_s: float = Field(0.5, gt=0, description="the initial speed is the mean over this time before t0, s")
    min_change_mps: float = Field(1.0, gt=0, description="speed change that counts as slowing down or speeding up, m/s")
    min_change_share: float = Field(
        0.1, ge=0, description="the same as a share of the initial speed; the greater holds"
    )
    slight_change_mps: float = Field(
        0.5, gt=0, description="a smaller change that is still put into words as easing off or gaining speed, m/s"
    )
    slight_s: float = Field(1.0, gt=0, description="held for at least this long, s")
    gentle_mps: float = Field(
        2.0, gt=0, description="a change within the steady bucket that is called a little, below this, m/s"
    )
    late_rise_s: float = Field(
        2.5, gt=0, description="a rise of speed that begins later than this is no speeding up at the keyframe, s"
    )
    onset_change_mps: float = Field(
        0.15, gt=0, description="the ego acts from where its speed left the initial one by this, m/s"
    )
    stopped_mps: float = Field(0.5, gt=0, description="the ego stands at or below this speed, m/s")
    stopped_s: float = Field(0.5, gt=0, description="for at least this long, s")
    reverse_mps: float = Field(0.12, gt=0, description="mean speed against the heading that counts as reversing, m/s")
    reverse_s: float = Field(1.0, gt=0, description="for at least this long, s")
    standing_mps: float = Field(
        0.3, gt=0, description="the ego stands at the keyframe at or below this initial speed, m/s"
    )
    resume_mps: float = Field(3.0, gt=0, description="speeding up from this initial speed or less is resuming, m/s")
    passing_gain_mps: float = Field(
        0.5, gt=0, description="speed gained during a lane change that counts as passing, m/s"
    )


class ManoeuvreSettings(Section):
    """Lateral manoeuvres of the ego."""

    turn_rad: float = Field(0.61, gt=0, description="heading change of a turn, history included (35 degrees), rad")
    turn_ahead_rad: float = Field(0.27, gt=0, description="of it still to come at the keyframe (15.5 degrees), rad")
    ahead_share: float = Field(
        0.67, ge=0, lt=1, description="a manoeuvre with a smaller share still to come is finishing"
    )
    completion_s: float = Field(2.0, ge=0, description="a manoeuvre of the window is followed this much longer, s")
    begun_before_s: float = Field(4.0, gt=0, description="a manoeuvre may have begun this long before the keyframe, s")
    kept_s: float = Field(0.8, gt=0, description="a path that a manoeuvre leaves was kept to for this long before, s")
    begun_rad: float = Field(
        0.02, gt=0, description="a manoeuvre begins where the heading leaves the path by this, rad"
    )
    same_rad: float = Field(0.004, ge=0, description="headings closer than this are the same, rad")
    curvature_span_s: float = Field(0.5, gt=0, description="curvature is measured over this time, s")
    curvature_min_m: float = Field(0.3, gt=0, description="and is 0 where less is driven in it, m")
    straight_per_m: float = Field(1e-4, ge=0, description="a history of less curvature is straight, 1/m")
    turn_radius_m: float = Field(35.0, gt=0, description="tightest radius of a turn; wider ones are curves, m")
    settled_rad: float = Field(
        0.175, gt=0, description="heading at the end of a lane change or nudge, off the start (10 degrees), rad"
    )
    return_share: float = Field(
        0.5, gt=0, lt=1, description="a sidestep keeps less of its greatest heading deviation, a turn more"
    )
    lane_change_m: float = Field(2.5, gt=0, description="lateral offset of a lane change, at least, m")
    shift_m: float = Field(1.6, gt=0, description="of it still to come within the window, at least, m")
    shift_left_m: float = Field(0.5, gt=0, description="with less of it still to come the lane change is over, m")
    lane_change_max_m: float = Field(15.0, gt=0, description="a greater offset is the road's bend, m")
    nudge_m: float = Field(0.3, gt=0, description="peak lateral offset of a nudge, at least, m")
    nudge_max_m: float = Field(2.2, gt=0, description="peak lateral offset of a nudge, at most, m")
    untracked_nudge_m: float = Field(
        1.0, gt=0, description="a nudge that no tracked object explains peaks at least here, m"
    )
    in_lane_nudge_m: float = Field(0.8, gt=0, description="a nudge up to this offset stays in its lane, m")
    min_arc_m: float = Field(2.0, gt=0, description="driven distance needed to measure the history's curvature, m")


class CurveSettings(Section):
    """Bends of the driven route that explain a lower speed."""

    heading_rad: float = Field(0.2, gt=0, description="heading change of a bend within the window, at least, rad")
    max_radius_m: float = Field(250.0, gt=0, description="wider bends explain no slow-down, m")
    lateral_mps2: float = Field(
        1.0, gt=0, description="least lateral acceleration that the initial speed would ask for, m/s²"
    )
    near_s: float = Field(
        2.0, ge=0, description="a bend that the ego reaches within this time explains a speed that it holds, s"
    )
    entered_share: float = Field(
        0.3, gt=0, le=1, description="the ego is in the bend from this share of its curvature on"
    )


class LeadSettings(Section):
    """An actor ahead in the swept strip that moves the same way or stands."""

    heading_rad: float = Field(0.524, gt=0, description="greatest heading difference (30 degrees), rad")
    min_s: float = Field(0.8, gt=0, description="an actor is a lead only after being one for this long, s")
    range_m: float = Field(80.0, gt=0, description="range cap, m")
    min_range_m: float = Field(15.0, gt=0, description="range at standstill, m")
    range_s: float = Field(6.0, gt=0, description="range grows with this time gap, s")
    ttc_s: float = Field(5.0, gt=0, description="a shorter time to collision makes a lead causal, s")
    headway_s: float = Field(2.0, gt=0, description="a shorter headway makes a lead causal, s")
    braking_mps: float = Field(1.5, gt=0, description="a lead that loses more speed brakes, m/s")
    slower_mps: float = Field(1.0, gt=0, description="a lead this much slower than the ego is a slower lead, m/s")
    crawl_mps: float = Field(2.0, gt=0, description="the ego stops for a lead that is no faster than this by then, m/s")
    noticed_mps: float = Field(0.8, gt=0, description="speed an actor lost in the history that is called slowing, m/s")
    closing_mps: float = Field(0.3, gt=0, description="a gap that shrinks faster is called closing, m/s")
    lane_half_width_m: float = Field(1.75, gt=0, description="half a lane, for the lane that the ego leaves, m")


class CutInSettings(Section):
    """An actor that moves into the swept strip ahead."""

    outside_m: float = Field(1.5, gt=0, description="the box centre was farther than this from the line, m")
    outside_s: float = Field(0.3, gt=0, description="for at least this long, s")
    inside_share: float = Field(0.7, gt=0, le=1, description="share of the following time with its box in the strip")
    inside_s: float = Field(1.0, gt=0, description="length of that time, s")
    lateral_m: float = Field(1.0, gt=0, description="sideways motion of its own, at least, m")
    approach_s: float = Field(2.0, gt=0, description="its own course is looked up this long before it comes in, s")
    course_s: float = Field(1.0, gt=0, description="and measured over this time, s")
    headway_s: float = Field(3.0, gt=0, description="a cut-in is causal below this headway, s")
    gap_m: float = Field(20.0, gt=0, description="or below this gap, m")
    heading_rad: float = Field(0.785, gt=0, description="greatest heading difference (45 degrees), rad")
    evident_mps: float = Field(0.3, gt=0, description="sideways speed towards the path that the history must show, m/s")


class CrossingSettings(Section):
    """An actor that moves across the swept strip ahead."""

    min_course_rad: float = Field(0.785, gt=0, description="least angle of its course to the path (45 degrees), rad")
    max_course_rad: float = Field(2.356, gt=0, description="greatest angle (135 degrees), rad")
    person_mps: float = Field(0.4, gt=0, description="people and animals cross faster than this, m/s")
    vehicle_mps: float = Field(1.0, gt=0, description="vehicles cross faster than this, m/s")
    min_s: float = Field(0.4, gt=0, description="for at least this long, s")
    range_m: float = Field(40.0, gt=0, description="within this distance ahead of the ego, m")
    margin_m: float = Field(1.0, ge=0, description="it enters the strip widened by this on both sides, m")
    waiting_mps: float = Field(2.0, gt=0, description="a turning ego waits for crossing traffic at or below this, m/s")
    encroachment_s: float = Field(6.0, gt=0, description="the ego comes by within this time after it leaves, s")


class OncomingSettings(Section):
    """An actor that comes towards the ego."""

    heading_rad: float = Field(2.618, gt=0, description="least heading difference (150 degrees), rad")
    min_mps: float = Field(1.0, gt=0, description="least speed, m/s")
    ttc_s: float = Field(
        6.0, gt=0, description="an oncoming actor in the strip is causal below this time to meeting, s"
    )
    clearance_m: float = Field(1.0, ge=0, description="it explains a nudge when it comes closer than this, m")


class BlockerSettings(Section):
    """A standing or slow actor beside the path that the ego gives room."""

    range_m: float = Field(30.0, gt=0, description="within this distance ahead, m")
    clearance_m: float = Field(2.0, gt=0, description="side clearance to the driven strip below this, m")
    slower_mps: float = Field(2.0, gt=0, description="a moving blocker is this much slower than the ego, m/s")


class RulesSettings(Section):
    """Thresholds of the `rules` labeler."""

    window: WindowSettings = WindowSettings()
    body: BodySettings = BodySettings()
    tracks: TrackSettings = TrackSettings()
    motion: MotionSettings = MotionSettings()
    manoeuvre: ManoeuvreSettings = ManoeuvreSettings()
    curve: CurveSettings = CurveSettings()
    lead: LeadSettings = LeadSettings()
    cut_in: CutInSettings = CutInSettings()
    crossing: CrossingSettings = CrossingSettings()
    oncoming: OncomingSettings = OncomingSettings()
    blocker: BlockerSettings = BlockerSettings()


class VlmSettings(Section):
    """How a vision-language model is asked; everything here shapes its labels."""

    passes: int = Field(
        2,
        ge=1,
        le=2,
        description="2: causes are listed from the history alone, then the decision from all frames; 1: one request "
        "sees everything, so that causal locality is only asked for",
    )
    repair: bool = Field(True, description="ask once more where the answer contradicts the lane meta-actions")
    image_height: int = Field(540, ge=64, description="frames are scaled down to this height, pixels; never up")
    jpeg_quality: int = Field(90, ge=30, le=100, description="of the frames as images")
    video_crf: int = Field(20, ge=0, le=51, description="x264 constant rate factor of the frames as one video")
    most_components: int = Field(8, ge=1, le=8, description="critical components that pass 1 may list")
    prompts: Path | None = Field(None, description="folder with prompts of your own; unset: those shipped")


class LabelSettings(Section):
    """Settings of raw_coc, a group a labeler."""

    rules: RulesSettings = Field(RulesSettings(), description="thresholds of the rules labeler")
    vlm: VlmSettings = Field(VlmSettings(), description="how a model labeler asks")
