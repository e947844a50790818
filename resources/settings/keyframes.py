"""Settings of the keyframes section."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, NonNegativeFloat, NonNegativeInt, field_validator

from resources.schemas import META_ACTIONS, KeyframeMode
from resources.settings.section import Section

RAREST_FIRST = (
    "reverse_left",
    "reverse_right",
    "reverse",
    "sharp_steer_left",
    "sharp_steer_right",
    "strong_deceleration",
    "strong_acceleration",
    "stop",
    "steer_left",
    "steer_right",
    "gentle_deceleration",
    "gentle_acceleration",
)
SPEED_CHANGES = ("gentle_acceleration", "gentle_deceleration", "strong_acceleration", "strong_deceleration")
UNEVENTFUL = ("go_straight", "keep_lane", "maintain_speed")

Fraction = Annotated[float, Field(ge=0, le=1)]


class KeyframeSettings(Section):
    """Which instants become keyframes, in frames of 0.1 s where a name says nothing else.

    The defaults of `min_frame`, `max_frame`, `min_duration` and `target_count` are the published autolabeler's.
    """

    mode: KeyframeMode = Field("decision", description="decision, or span_start as the published autolabeler")
    min_frame: NonNegativeInt = Field(20, description="first frame a keyframe may lie on")
    max_frame: NonNegativeInt = Field(135, description="last frame a keyframe may lie on")

    lead: NonNegativeInt = Field(5, description="decision: frames between the keyframe and the span's start")
    cooldown: NonNegativeInt = Field(30, description="decision: least distance between keyframes of a clip")
    min_speed_change: NonNegativeFloat = Field(0.8, description="decision: least change of speed of an event, m/s")
    speed_change_actions: tuple[str, ...] = Field(SPEED_CHANGES, description="decision: events that must change speed")
    uneventful: tuple[str, ...] = Field(UNEVENTFUL, description="decision: actions whose start is no decision")
    rarest_first: tuple[str, ...] = Field(RAREST_FIRST, description="fixed ranking; actions it lacks are commoner")
    keep_fraction: dict[str, Fraction] = Field({}, description="decision: part kept of an action's keyframes")

    min_duration: NonNegativeInt = Field(10, description="span_start: shortest span")
    target_count: NonNegativeInt = Field(500_000, description="span_start: most spans an action, at export")

    trainable_after_us: int = Field(1_600_000, description="t0 of a trainable keyframe lies after this, µs")
    trainable_until_us: int = Field(13_600_000, description="and not after this, µs")

    @field_validator("speed_change_actions", "uneventful", "rarest_first", "keep_fraction")
    @classmethod
    def _known_actions(cls, names: tuple[str, ...] | dict[str, float]) -> tuple[str, ...] | dict[str, float]:
        unknown = sorted(set(names) - set(META_ACTIONS))
        if unknown:
            raise ValueError(f"unknown meta-actions {unknown}; known are {list(META_ACTIONS)}")
        return names
