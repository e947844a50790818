"""Settings of the quality section: from where on a chunk's labels are worth a warning, and from where on an error.

They shape no stage: a changed level evaluates the checks of `filtered_coc` again and makes nothing anew.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, PositiveInt, model_validator

from resources.settings.section import Section

Level = Annotated[float, Field(ge=0, le=1)]
Breach = Literal["WARN", "ERROR"]
_ERROR = "likewise an error: no training shards of the chunk"


class Levels(Section):
    """From where on a figure is worth a warning, and from where on an error; null is never.

    Attributes:
        bound: at least where the figure is the better the higher it is, at most where the lower.
    """

    bound: ClassVar[Literal["at least", "at most"]]
    warn: Level | None = None
    error: Level | None = None

    def breach(self, figure: float) -> Breach | None:
        """The gravest level that the figure lies beyond."""
        if self.error is not None and self._beyond(figure, self.error):
            return "ERROR"
        return "WARN" if self.warn is not None and self._beyond(figure, self.warn) else None

    def _beyond(self, figure: float, level: float) -> bool:
        return figure < level if self.bound == "at least" else figure > level

    @model_validator(mode="after")
    def _warns_first(self) -> Self:
        if self.warn is not None and self.error is not None and self._beyond(self.warn, self.error):
            raise ValueError(f"warn ({self.warn:g}) lies beyond error ({self.error:g}), so it would never warn")
        return self


class AtLeast(Levels):
    """Levels of a figure that is the better the higher it is."""

    bound = "at least"


class AtMost(Levels):
    """Levels of a figure that is the better the lower it is."""

    bound = "at most"


class Kept(AtLeast):
    """Share of a labeler's judged labels that are kept."""

    warn: Level | None = Field(0.5, description="a labeler of whose labels a smaller share is kept: warning")
    error: Level | None = Field(None, description=_ERROR)


class RejectedForOneReason(AtMost):
    """Share of a labeler's judged labels that one rule of the policy rejects."""

    warn: Level | None = Field(0.2, description="a rule that rejects a larger share of a labeler's labels: warning")
    error: Level | None = Field(None, description=_ERROR)


class ActionDrift(AtMost):
    """Distance of the keyframes' actions from the profile's, less what sampling explains."""

    warn: Level | None = Field(0.15, description="actions of keyframes farther from the profile: warning")
    error: Level | None = Field(None, description=_ERROR)


class DecisionDrift(AtMost):
    """Distance of a labeler's decisions from the profile's, on the worst channel, less what sampling explains."""

    warn: Level | None = Field(0.25, description="decisions of a labeler farther from the profile: warning")
    error: Level | None = Field(None, description=_ERROR)


class VerdictDrift(AtMost):
    """Distance of the verdicts on a labeler's labels from the profile's, less what sampling explains."""

    warn: Level | None = Field(0.2, description="verdicts on a labeler's labels farther from the profile: warning")
    error: Level | None = Field(None, description=_ERROR)


class JudgeDisagrees(AtMost):
    """Share of the labels that both looked at on which the judging model and the recorded motion disagree."""

    warn: Level | None = Field(0.25, description="a larger share on which judge and recorded motion differ: warning")
    error: Level | None = Field(None, description=_ERROR)


class TextRead(AtLeast):
    """Share of a labeler's texts from which the text parser reads a claim."""

    warn: Level | None = Field(0.9, description="a labeler of whose texts a smaller share can be read: warning")
    error: Level | None = Field(None, description=_ERROR)


class ParserSensitivity(AtLeast):
    """Share of texts that agree with the motion and would not, had the ego driven the other way; on the worst axis."""

    warn: Level | None = Field(
        0.4, description="text parser that notices a smaller share of motions turned round: warning"
    )
    error: Level | None = Field(None, description=_ERROR)


class QualitySettings(Section):
    """What the labels of a chunk are held against by the checks of filtered_coc; null turns a level off."""

    profile: Path | None = Field(None, description="reference made by `coc profile --out FILE`; null: no drift checks")
    least_labels: PositiveInt = Field(
        15, description="a labeler (for actions: a chunk) with fewer labels in a chunk is not held against the levels"
    )
    kept: Kept = Kept()
    rejected_for_one_reason: RejectedForOneReason = RejectedForOneReason()
    action_drift: ActionDrift = ActionDrift()
    decision_drift: DecisionDrift = DecisionDrift()
    verdict_drift: VerdictDrift = VerdictDrift()
    judge_disagrees: JudgeDisagrees = JudgeDisagrees()
    text_read: TextRead = TextRead()
    parser_sensitivity: ParserSensitivity = ParserSensitivity()
