"""Settings of the meta_actions section: the thresholds that the rule tables refer to by name."""

from __future__ import annotations

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt, field_validator

from resources.settings.section import Section


class MetaActionSettings(Section):
    """Thresholds of the meta-action rules; the defaults reproduce the published Chain-of-Causation autolabeler.

    Units are m, s, rad, m/s and m/s²; a tick is one 0.1 s frame. Symmetrical thresholds are given once, as a magnitude:
    the rule tables negate them where they mean the other side.
    """

    hold_ticks: PositiveInt = Field(3, description="ticks after a cut in which no further cut is looked for")
    smoothing_ticks: PositiveInt = Field(5, description="window of the centred means over acceleration and yaw steps")
    cut_hysteresis: NonNegativeFloat = Field(0.15, lt=1, description="a cut's hysteresis, as a part of the cut")
    negligible_distance: NonNegativeFloat = Field(1e-6, description="no turn rate is taken over less than this, m")

    cut_speed: NonNegativeFloat = Field(0.3, description="speed along heading at which longitudinal segments are cut")
    cut_gentle: NonNegativeFloat = Field(0.1, description="smoothed acceleration at which segments are cut, m/s²")
    cut_strong: NonNegativeFloat = Field(1.25, description="smoothed acceleration at which segments are cut, m/s²")
    reverse_speed: NonNegativeFloat = Field(0.12, description="backing at this mean speed or more is reverse")
    stop_speed: NonNegativeFloat = Field(0.12, description="mean speed up to which the ego stands")
    gentle_acceleration: PositiveFloat = Field(0.15, description="mean acceleration from which speed is not maintained")
    strong_acceleration: PositiveFloat = Field(1.4, description="mean acceleration from which it is strong")
    speed_change: NonNegativeFloat = Field(0.8, description="least change of speed of an acceleration, m/s")
    longitudinal_minimum_ticks: NonNegativeInt = Field(8, description="shortest longitudinal span but maintain_speed")
    maintain_speed_minimum_ticks: NonNegativeInt = Field(12, description="shortest maintain_speed span")

    cut_backing_speed: NonNegativeFloat = Field(0.1, description="backing speed at which lateral segments are cut")
    cut_turn_rate: NonNegativeFloat = Field(0.001, description="turn rate at which lateral segments are cut, rad/m")
    cut_sharp_turn_rate: NonNegativeFloat = Field(0.05, description="turn rate at which segments are cut, rad/m")
    backing_speed: NonNegativeFloat = Field(0.1, description="backing at this mean speed or more steers in reverse")
    reverse_turn_rate: NonNegativeFloat = Field(0.002, description="least turn rate of steering in reverse, rad/m")
    sharp_turn_rate: NonNegativeFloat = Field(0.05, description="least turn rate of sharp steering, rad/m")
    sharp_heading_change: NonNegativeFloat = Field(0.2, description="least turn of sharp steering and in reverse, rad")
    steer_turn_rate: NonNegativeFloat = Field(0.0015, description="least turn rate of steering, rad/m")
    steer_heading_change: NonNegativeFloat = Field(0.015, description="least turn of steering, rad")
    lateral_minimum_ticks: NonNegativeInt = Field(10, description="shortest lateral span")

    @field_validator("smoothing_ticks")
    @classmethod
    def _centred(cls, ticks: int) -> int:
        if ticks % 2 == 0:
            raise ValueError(f"a centred window needs an odd number of ticks, not {ticks}")
        return ticks
