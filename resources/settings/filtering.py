"""Settings of the filtering section: what the instruments measure labels by, and the policy that judges them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self, get_args

from pydantic import (
    Field,
    NegativeFloat,
    NonNegativeFloat,
    PositiveFloat,
    PositiveInt,
    field_validator,
    model_validator,
)

from resources.settings.models import SPELLINGS
from resources.settings.section import Section

JudgeStage = Literal["evidence", "behavior", "causal", "critic"]
Seconds = Annotated[float, Field(ge=0.1)]
"""A time of at least one frame."""


class MotionThresholds(Section):
    """What the recorded motion after a keyframe is called (label rules, Consistency with the trajectory)."""

    window_s: Seconds = Field(6.0, description="motion looked at after the keyframe, s")
    least_window_s: Seconds = Field(2.0, description="with less of the clip left both axes abstain, s")
    reference_s: Seconds = Field(0.5, description="v0 is the mean speed over this long before the keyframe, s")
    arc_s: Seconds = Field(2.0, description="the arc continues the curvature of this long before, s")
    arc_least_m: PositiveFloat = Field(1.0, description="the arc is straight where the ego drove less than this, m")

    reverse_mps: NegativeFloat = Field(-0.12, description="mean speed along heading of reversing, at most, m/s")
    reverse_s: Seconds = Field(1.0, description="held for this long, s")
    stopped_mps: NonNegativeFloat = Field(0.5, description="speed of a stop, at most, m/s")
    stopped_s: Seconds = Field(0.5, description="held for this long, s")
    standing_mps: NonNegativeFloat = Field(
        0.3, description="v0 up to which the ego already stands: driving off is then speed_up, not stopped, m/s"
    )
    speed_change_mps: PositiveFloat = Field(1.0, description="least fall or rise of speed from v0, m/s")
    speed_change_share: NonNegativeFloat = Field(0.10, description="and at least this part of v0")

    leave_heading_deg: PositiveFloat = Field(8.0, description="heading off the arc that makes left or right, degrees")
    leave_offset_m: PositiveFloat = Field(0.5, description="position off the arc that makes left or right, m")

    @model_validator(mode="after")
    def _fit_the_window(self) -> Self:
        longest = max(self.least_window_s, self.reverse_s, self.stopped_s)
        if longest > self.window_s:
            raise ValueError(f"window_s ({self.window_s} s) is shorter than what is looked for in it ({longest} s)")
        return self


class AgreementThresholds(Section):
    """How much motion a decision or a claim in the text needs to agree with it."""

    turn_heading_deg: PositiveFloat = Field(15.0, description="heading change of a turn, degrees")
    lane_offset_m: PositiveFloat = Field(1.5, description="offset of a lane change, merge, split or pull-over, m")
    nudge_offset_m: PositiveFloat = Field(0.3, description="offset of a nudge, m")
    underway_deg: PositiveFloat = Field(
        2.0, description="heading change before the keyframe that shows a manoeuvre to that side under way, degrees"
    )
    gentle_mps: PositiveFloat = Field(2.0, description="a claim may be one bucket off below this change of speed, m/s")


class GroundingThresholds(Section):
    """When a cited cause counts as seen."""

    history_s: Seconds = Field(2.0, description="how long before the keyframe causes may be seen, s")
    range_m: PositiveFloat = Field(100.0, description="distance up to which a tracked box can be seen, m")


class TextThresholds(Section):
    """When a label's text is not worth keeping."""

    least_words: PositiveInt = Field(4, description="words of the shortest trace")
    loop_words: PositiveInt = Field(3, description="words of the groups that are counted to find text going in circles")
    loop_share: PositiveFloat = Field(0.3, le=1, description="part of those groups that occurred before, in a loop")
    loop_least_words: PositiveInt = Field(12, description="text of fewer words is never taken for a loop")


class DuplicateThresholds(Section):
    """When a label says nearly the same as another one of its labeler, over the whole set (`coc judge`)."""

    similarity: PositiveFloat = Field(
        0.9, le=1, description="part of their words that two labels have in common, their figures and sides all"
    )
    least_words: PositiveInt = Field(12, description="labels of fewer words are not compared")


class JudgeSettings(Section):
    """A model that looks at the frames and says how far labels are right; frames are encoded as labels.vlm says."""

    model: str | None = Field(
        None, description="model alias that judges every usable label (coc models); unset: none does"
    )
    stages: tuple[JudgeStage, ...] = Field(
        get_args(JudgeStage), min_length=1, description="what it is asked about a label, a request each"
    )
    labelers: tuple[str, ...] | None = Field(None, description="whose labels it judges; unset: everyone's")
    prompts: Path | None = Field(None, description="folder with prompts of your own; unset: those shipped")

    @field_validator("model")
    @classmethod
    def _one_spelling(cls, alias: str | None) -> str | None:
        """A judge's files go by one alias, however it is spelt."""
        return alias and SPELLINGS.get(alias, alias)

    @field_validator("stages")
    @classmethod
    def _each_once(cls, stages: tuple[JudgeStage, ...]) -> tuple[JudgeStage, ...]:
        return tuple(stage for stage in get_args(JudgeStage) if stage in stages)


class FilterSettings(Section):
    """Instruments and policy; a change of policy judges anew without a new measurement or model call."""

    motion: MotionThresholds = MotionThresholds()
    agreement: AgreementThresholds = AgreementThresholds()
    grounding: GroundingThresholds = GroundingThresholds()
    text: TextThresholds = TextThresholds()
    duplicates: DuplicateThresholds = DuplicateThresholds()
    judge: JudgeSettings = JudgeSettings()
    policy: str = Field(
        "default", min_length=1, description="name of a packaged policy, or path of a policy's YAML file"
    )
