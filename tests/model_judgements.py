"""What the stub server's model says when it judges a label."""

from __future__ import annotations

import json
from collections.abc import Mapping

from coc_assets.filtered_coc.model_judge.rubric import JUDGE_STAGES, STEPS
from resources.settings.filtering import JudgeStage
from tests.chat_stub import Answer
from tests.chat_stub.answers import Json


def judgement(stage: JudgeStage, **figures: object) -> str:
    """A usable answer: 4 of 5, or 0.8 of 1; what is bad, 0.1."""
    usual: dict[str, object] = {
        name: 4 if stage == "critic" else 0.1 if "hallucination" in name else 0.8
        for name in STEPS[stage].answer.figures()
    }
    return json.dumps({"explanation": f"Looks right to me ({stage}).", **usual, **figures})


def _saying(stage: JudgeStage) -> Answer:
    def answer(_: Json) -> str:
        return judgement(stage)

    return answer


JUDGEMENTS: Mapping[str, Answer] = {stage: _saying(stage) for stage in JUDGE_STAGES}
