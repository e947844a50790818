"""What a judge is asked at each stage: which frames it is shown, what it is told, and which figures it has to give.

Source: the published validation stages (evidence 0–2 s, behaviour 2–8 s, cause 0–8 s of the window, ten scores in
[0, 1]) and a critic that rates from 0 to 5. The caps that the prompt of `causal` states are asked for, not enforced:
scores are kept as returned.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from coc_assets.raw_coc.vlm.answers import answer_schema
from coc_assets.raw_coc.vlm.lenient import clean, shortened
from coc_assets.raw_coc.vlm.prompts import PromptSet, whole_told
from coc_assets.raw_coc.vlm.view import KeyframeView, Scope
from resources.settings.filtering import JudgeStage

JUDGE_STAGES: tuple[JudgeStage, ...] = get_args(JudgeStage)
PROMPTS = PromptSet(JUDGE_STAGES, Path(__file__).parent / "prompts", "filtering.judge.prompts")
_LONGEST_EXPLANATION = 400
_TOLD = (
    "longitudinal_decision",
    "lateral_decision",
    "lateral_direction",
    "trace",
    "perception",
    "prediction",
    "planning",
    "justification",
)


def _number(value: object) -> object:
    """Numbers, and texts that hold one; a truth value is none."""
    if isinstance(value, bool):
        raise ValueError("must be a number, not true or false")
    if isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            raise ValueError(f"must be a number, got {shortened(value)!r}") from None
    return value


def _brief(value: object) -> object:
    """An explanation on one line, cut where it is too long: it is for people to read, and no reason to ask again."""
    return shortened(clean(value), _LONGEST_EXPLANATION) if isinstance(value, str) else value


# The bounds stand before the validator, or else the JSON schema would lack them.
Score = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False), BeforeValidator(_number)]
Rating = Annotated[int, Field(ge=0, le=5), BeforeValidator(_number)]


class JudgeAnswer(BaseModel):
    """What all stages answer; keys that are not asked for are left out."""

    model_config = ConfigDict(extra="ignore", frozen=True)
    explanation: Annotated[str, BeforeValidator(_brief)] = Field("", max_length=_LONGEST_EXPLANATION)

    @classmethod
    def figures(cls) -> tuple[str, ...]:
        """Names of the figures that it gives."""
        return tuple(name for name in cls.model_fields if name != "explanation")


class EvidenceAnswer(JudgeAnswer):
    visual_evidence_score: Score
    scene_factor_hallucination_score: Score


class BehaviorAnswer(JudgeAnswer):
    behavior_match_score: Score
    longitudinal_match_score: Score
    lateral_match_score: Score
    behavior_hallucination_score: Score


class CausalAnswer(JudgeAnswer):
    decision_supported_by_video: Score
    causal_evidence_score: Score
    causal_consistency_score: Score
    causal_hallucination_score: Score


class CriticAnswer(JudgeAnswer):
    behavior_consistency: Rating
    causal_quality: Rating


def _nothing_else(_: KeyframeView) -> str:
    return ""


@dataclass(frozen=True)
class JudgeStep:
    """One stage.

    Attributes:
        instrument: its figures' instrument in `measurements`.
        shown: the frames that it is shown.
        told: what it is told of the recording, beside the label.
    """

    instrument: str
    shown: Scope
    answer: type[JudgeAnswer]
    told: Callable[[KeyframeView], str] = _nothing_else

    @cached_property
    def schema(self) -> dict[str, Any]:
        return answer_schema(self.answer)


STEPS: Mapping[JudgeStage, JudgeStep] = {
    "evidence": JudgeStep("judged_evidence", "history", EvidenceAnswer),
    "behavior": JudgeStep("judged_behavior", "future", BehaviorAnswer),
    "causal": JudgeStep("judged_causal", "all", CausalAnswer),
    "critic": JudgeStep("judged_critic", "all", CriticAnswer, whole_told),
}


def label_told(label: Mapping[str, Any]) -> str:
    """A label as judges read it; who made it is not told.

    Args:
        label: a row of `raw_coc`.
    """
    said: dict[str, Any] = {name: label[name] for name in _TOLD if label[name] is not None}
    said["causes"] = [
        {
            "category": component["category"],
            "phrase": component["phrase"],
            **{item["key"]: item["value"] for item in component["attributes"] or ()},
        }
        for component in label["components"] or ()
    ]
    return f"The label:\n{json.dumps(said, ensure_ascii=False)}"
