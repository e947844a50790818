"""What a model is told about one keyframe: which frames, what the ego did, how fast it went."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

Scope = Literal["history", "future", "all"]
"""Frames up to t0, from t0 on, or all."""
SCOPES: tuple[Scope, ...] = get_args(Scope)


@dataclass(frozen=True)
class ShownFrame:
    """One frame shown.

    Attributes:
        asked_s: instant it stands for, relative to the keyframe, s: −2.0, −1.5 … 5.5.
        frame_us: its own instant, clip clock, µs; at or just before the asked one.
        source_frame: its index in the clip's video.
    """

    asked_s: float
    frame_us: int
    source_frame: int


@dataclass(frozen=True)
class TimelineRow:
    """Meta-actions at one instant, snake_case; None where the clip has no such frame.

    Attributes:
        asked_s: relative to the keyframe, s.
    """

    asked_s: float
    longitudinal: str | None
    lateral: str | None
    lane: str | None


@dataclass(frozen=True)
class SpeedRow:
    """Ego speed at one instant, m/s.

    Attributes:
        asked_s: relative to the keyframe, s.
        along_mps: along the ego's heading, negative when reversing.
        left_mps: component of the velocity to the left of the heading at t0; positive is left.
    """

    asked_s: float
    along_mps: float
    left_mps: float


@dataclass(frozen=True)
class KeyframeView:
    """Everything that is shown and told about one keyframe.

    Attributes:
        history: frames at or before t0, ascending. future: frames after it, ascending.
        missing_s: asked instants without a frame, relative to t0, s.
        timeline, speeds: the instants −2.0 … 6.0 s at 2 Hz that the clip has, ascending.
        video: digest of the content of the clip's video; None without video.
        problem: why no frame can be shown, beginning with a countable word; None where some can.
    """

    keyframe_id: str
    clip_id: str
    t0_us: int
    history: tuple[ShownFrame, ...]
    future: tuple[ShownFrame, ...]
    missing_s: tuple[float, ...]
    timeline: tuple[TimelineRow, ...]
    speeds: tuple[SpeedRow, ...]
    video: str | None
    problem: str | None = None


def frames_of(view: KeyframeView, scope: Scope) -> tuple[ShownFrame, ...]:
    """The frames that a scope shows, ascending; t0's own frame is in every scope.

    Raises:
        ValueError: the view has no history frames, or one that lies after t0.
    """
    if not view.history:
        raise ValueError(f"Keyframe {view.keyframe_id} has no history frame to show ({view.problem}).")
    late = [frame for frame in view.history if frame.frame_us > view.t0_us or frame.asked_s > 0]
    if late:
        raise ValueError(
            f"The history of keyframe {view.keyframe_id} holds a frame of {late[0].frame_us} µs, "
            f"after t0 at {view.t0_us} µs. Run clip_videos again."
        )
    whole = view.history + view.future
    shown = {
        "history": view.history,
        "future": tuple(frame for frame in whole if frame.asked_s >= 0),
        "all": whole,
    }
    return shown[scope]
