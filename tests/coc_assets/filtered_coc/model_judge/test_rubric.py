"""What a judge may answer, and what it is told."""

from __future__ import annotations

import json
from typing import Any

import pytest

from coc_assets.filtered_coc.model_judge.rubric import JUDGE_STAGES, PROMPTS, STEPS, label_told
from coc_assets.filtered_coc.policy import load_policy
from coc_assets.raw_coc.vlm.answers import Returned, Unusable, read_answer
from coc_assets.raw_coc.vlm.prompts import load_prompts
from resources.models.dummy import least_instance
from resources.settings.filtering import JudgeStage
from tests.model_judgements import judgement

LABEL: dict[str, Any] = {
    "label_id": "0123456789abcdef",
    "labeler": "somebody",
    "longitudinal_decision": "yield",
    "lateral_decision": None,
    "lateral_direction": None,
    "trace": 'Slow down because a man says "stop".',
    "perception": None,
    "prediction": None,
    "planning": None,
    "justification": None,
    "components": [
        {"category": "critical_object", "phrase": "man ahead", "attributes": [{"key": "pose", "value": "crosswalk"}]}
    ],
}


def read(stage: JudgeStage, text: str, finish_reason: str = "stop") -> dict[str, Any]:
    return read_answer(Returned(text, finish_reason, None), STEPS[stage].answer).model_dump()


def test_the_ten_scores_and_two_ratings() -> None:
    figures = {stage: STEPS[stage].answer.figures() for stage in JUDGE_STAGES}
    assert {stage: len(names) for stage, names in figures.items()} == {
        "evidence": 2, "behavior": 4, "causal": 4, "critic": 2
    }  # fmt: skip


@pytest.mark.parametrize("policy", ["strict", "default"])
def test_policies_name_figures_that_there_are(policy: str) -> None:
    known = {(step.instrument, name) for step in STEPS.values() for name in step.answer.figures()}
    named = {
        (rule.instrument, rule.name) for rule in load_policy(policy).rules if rule.instrument.startswith("judged_")
    }
    assert named and named <= known


@pytest.mark.parametrize("stage", JUDGE_STAGES)
def test_schemas_are_closed_bounded_and_say_why_first(stage: JudgeStage) -> None:
    schema = STEPS[stage].schema
    explanation, *figures = schema["properties"]
    assert explanation == "explanation" and tuple(figures) == STEPS[stage].answer.figures()
    assert schema["required"] == list(schema["properties"]) and schema["additionalProperties"] is False
    assert schema["properties"]["explanation"]["maxLength"] == 400
    most = 5 if stage == "critic" else 1
    for name in figures:
        assert (schema["properties"][name]["minimum"], schema["properties"][name]["maximum"]) == (0, most)
    assert read(stage, json.dumps(least_instance(schema)))["explanation"] == "Dummy response."


@pytest.mark.parametrize(
    ("value", "read_as"),
    [(0, 0.0), (1, 1.0), (0.25, 0.25), ("0.25", 0.25), (" 1 ", 1.0), (1e-9, 1e-9)],
)
def test_scores_that_are_taken(value: object, read_as: float) -> None:
    assert read("evidence", judgement("evidence", visual_evidence_score=value))["visual_evidence_score"] == read_as


@pytest.mark.parametrize("value", [True, False, None, -0.01, 1.01, "high", "nan", "inf", "", [0.5], {"score": 0.5}])
def test_scores_that_are_not(value: object) -> None:
    with pytest.raises(Unusable, match="visual_evidence_score"):
        read("evidence", judgement("evidence", visual_evidence_score=value))


@pytest.mark.parametrize(
    ("value", "read_as"), [(0, 0), (5, 5), (4.0, 4), ("3", 3), (3.5, None), (6, None), (True, None)]
)
def test_ratings_are_whole(value: object, read_as: int | None) -> None:
    text = judgement("critic", causal_quality=value)
    if read_as is None:
        with pytest.raises(Unusable, match="causal_quality"):
            read("critic", text)
    else:
        assert read("critic", text)["causal_quality"] == read_as


def test_a_missing_score_is_named_and_what_was_not_asked_for_is_left_out() -> None:
    scores = json.loads(judgement("evidence", mood="good"))
    assert "mood" not in read("evidence", json.dumps(scores))
    del scores["scene_factor_hallucination_score"]
    with pytest.raises(Unusable, match="scene_factor_hallucination_score"):
        read("evidence", json.dumps(scores))


@pytest.mark.parametrize(
    ("wrapped", "explanation"),
    [
        ("<think>hm</think>```json\n{}\n```", "Looks right to me (critic)."),
        ("Here you are: {} Bye.", "Looks right to me (critic)."),
    ],
)
def test_answers_are_found_in_what_surrounds_them(wrapped: str, explanation: str) -> None:
    assert read("critic", wrapped.replace("{}", judgement("critic")))["explanation"] == explanation


def test_long_and_lacking_explanations_are_no_reason_to_ask_again() -> None:
    long = read("critic", judgement("critic", explanation="so\n" * 400))["explanation"]
    assert len(long) == 400 and long.startswith("so so") and long.endswith("…")
    scores = json.loads(judgement("critic"))
    del scores["explanation"]
    assert read("critic", json.dumps(scores))["explanation"] == ""


def test_a_cut_off_answer_is_not_taken() -> None:
    with pytest.raises(Unusable, match="cut off"):
        read("critic", judgement("critic"), "length")


def test_the_label_is_told_as_json_without_who_made_it() -> None:
    told = label_told(LABEL)
    said = json.loads(told.removeprefix("The label:\n"))
    assert said == {
        "longitudinal_decision": "yield",
        "trace": LABEL["trace"],
        "causes": [{"category": "critical_object", "phrase": "man ahead", "pose": "crosswalk"}],
    }
    assert label_told({**LABEL, "labeler": "another", "label_id": "f"}) == told


def test_the_shipped_prompts_name_every_figure_they_ask_for() -> None:
    prompts = load_prompts(None, PROMPTS)
    for stage in JUDGE_STAGES:
        assert all(name in prompts[stage].system for name in STEPS[stage].answer.figures())
        assert prompts[stage].version.startswith(f"{stage}-1-")
        assert "$" not in prompts[stage].rendered(history_s="2", future_s="6")
