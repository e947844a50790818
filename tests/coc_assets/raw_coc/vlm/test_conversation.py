from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from coc_assets.raw_coc.vlm.conversation import Conversation, Finished, advance
from coc_assets.raw_coc.vlm.question import Question
from tests.coc_assets.raw_coc.vlm.talks import (
    USUAL,
    answering,
    component,
    converse,
    decided,
    entry,
    plan,
    seen,
    view,
)

SHIFT_RIGHT = {1.0: "slightly_shift_right", 1.5: "slightly_shift_right"}


def words(question: Question) -> str:
    return "\n".join(turn.text for turn in question.turns)


def test_two_passes_give_a_record_of_what_both_said() -> None:
    finished, asked = converse(view(), plan(), USUAL)
    record = finished.record
    assert [question.step for question in asked] == ["see", "decide"]
    assert record.status == "ok"
    assert (record.longitudinal_decision, record.lateral_decision) == ("lead_obstacle_following", "lane_keeping")
    assert record.text.trace == "Slow down and stay in the lane because the van ahead brakes."
    (cause,) = record.components
    assert (cause.rank, cause.phrase) == (1, "white van ahead in the ego lane braking")
    assert (cause.seen_from_us, cause.seen_to_us) == (1_500_000, 3_000_000)  # frames 2 and 5 of the history
    assert (record.model, record.passes, record.attempts, record.prompt_tokens) == ("stub-vlm-2026", 2, 2, 200)
    assert (record.cost_usd, record.latency_s) == (0.5, 1.0)
    assert [response.step for response in record.responses] == ["see", "decide"]
    assert record.raw_response == record.responses[1].text == decided()


def test_the_first_pass_is_shown_and_told_nothing_after_the_keyframe() -> None:
    first = advance(view(lanes={3.0: "left_lane_change"}), plan(), {})
    assert isinstance(first, Question)
    assert first.shown == "history"
    assert "left lane change" not in words(first)
    assert "t=+0.5s" not in words(first) and "t=-0.5s" in words(first)
    other_future = replace(view(), future=(), timeline=view().timeline[:5], speeds=view().speeds[:5])
    assert advance(other_future, plan(), {}) == first


def test_the_second_pass_is_told_the_components_the_manoeuvres_and_signed_instants() -> None:
    _, (_, second) = converse(view(lanes={3.0: "left_lane_change"}), plan(), USUAL)
    assert second.shown == "all"
    assert "1. critical object white van ahead in the ego lane braking slowing" in words(second)
    assert "t=+3.0s: maintain speed; go straight; left lane change" in words(second)
    assert "t=-2.0s: speed 10.00, sideways +0.25" in words(second)
    assert "positive is to the left" in words(second)


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (decided(causes=[2]), "causes name"),
        (decided(trace="Stop because the traffic light is red."), "traffic light"),
        (decided(lateral_decision="turn"), "needs lateral_direction"),
        (decided(trace="Slow down <|im_end|> for the van."), "<|im_end|>"),
        (decided(trace="Slow down <\u200b|im_end|\u200b> for the van."), "<|im_end|>"),
        (decided(trace="Slow down for the <\u2060video> van."), "<video>"),
        (
            decided(
                trace="Stop because the light turns red and a pedestrian crosses.",
                route_and_rules=[
                    {"category": "yield_stop_control", "phrase": "red traffic light, pedestrian crossing"}
                ],
            ),
            "pedestrian",
        ),
        (decided(longitudinal_decision="fly"), "longitudinal_decision"),
        ("I would say it slows down.", ""),
        ('{"perception": "A van', ""),
        (json.dumps({"trace": "Slow down."}), "perception"),
    ],
)
def test_an_unusable_answer_is_asked_for_again_with_what_is_wrong(answer: str, problem: str) -> None:
    finished, asked = converse(view(), plan(), answering(see=seen(), decide=[answer, decided()]))
    assert [(question.step, question.round) for question in asked] == [("see", 1), ("decide", 1), ("decide", 2)]
    assert asked[2].turns[:2] == asked[1].turns
    assert asked[2].turns[2].role == "assistant"
    assert problem in asked[2].turns[3].text
    assert finished.record.status == "ok"
    assert [response.round for response in finished.record.responses] == [1, 1, 2]


def test_a_second_unusable_answer_makes_the_label_invalid_and_keeps_both() -> None:
    finished, asked = converse(view(), plan(), answering(see=seen(), decide=["no", "still no"]))
    record = finished.record
    assert record.status == "invalid"
    assert record.reason is not None and record.reason.startswith("invalid_answer: decide, asked twice")
    assert [response.text for response in record.responses] == [seen(), "no", "still no"]
    assert record.attempts == 3
    assert finished.ended_by == (asked[1].key, asked[2].key)


def test_a_cut_off_answer_may_be_longer_the_second_time() -> None:
    def answer(question: Question) -> object:
        if question.step == "see":
            return seen()
        return entry(question, '{"perc', finish_reason="length") if question.round == 1 else decided()

    _, asked = converse(view(), plan(), answer)  # type: ignore[arg-type]
    assert [question.max_tokens for question in asked] == [1000, 1000, 2000]
    assert "cut off" in asked[2].turns[3].text


@pytest.mark.parametrize(
    "refusal",
    [{"refusal": "I cannot help with that."}, {"text": "I'm sorry, but I can't assist with that request."},
     {"finish_reason": "content_filter", "text": ""}],
)  # fmt: skip
def test_a_refusal_is_a_state_and_is_not_asked_again(refusal: dict[str, str]) -> None:
    finished, asked = converse(view(), plan(), lambda question: entry(question, **refusal))
    assert len(asked) == 1
    assert finished.record.status == "refused"
    assert finished.record.text.trace is None
    assert finished.ended_by == (asked[0].key,)


@pytest.mark.parametrize("outcome", ["error", "refused", "over_budget"])
def test_a_request_without_answer_ends_the_label_in_its_state(outcome: str) -> None:
    def answer(question: Question) -> object:
        if question.step == "see":
            return seen()
        return entry(question, outcome=outcome, text=None, reason=f"{outcome}: why", attempts=5)

    finished, asked = converse(view(), plan(), answer)  # type: ignore[arg-type]
    assert (finished.record.status, finished.record.reason) == (outcome, f"{outcome}: why")
    assert finished.record.attempts == 6
    assert finished.ended_by == (asked[1].key,)


def test_a_keyframe_without_pictures_is_not_asked_about() -> None:
    finished = advance(view(history=(), future=(), video=None, problem="no_video: none there"), plan(), {})
    assert isinstance(finished, Finished)
    assert (finished.record.status, finished.record.reason) == ("error", "no_video: none there")
    assert finished.record.attempts == 0


def test_a_contradiction_is_repaired_once_and_both_answers_are_kept() -> None:
    right = decided(
        lateral_decision="in_lane_nudge",
        lateral_direction="right",
        trace="Nudge right within the lane because the van ahead brakes.",
    )
    finished, asked = converse(view(lanes=SHIFT_RIGHT), plan(), answering(see=seen(), decide=decided(), repair=right))
    record = finished.record
    assert [question.step for question in asked] == ["see", "decide", "repair"]
    assert "The earlier answer:" in words(asked[2]) and "lead_obstacle_following" in words(asked[2])
    assert (record.lateral_decision, record.lateral_direction, record.repair) == ("in_lane_nudge", "right", "repaired")
    assert [response.text for response in record.responses] == [seen(), decided(), right]
    assert record.prompt_version.count("+") == 2 and "repair-1-" in record.prompt_version


def test_a_repair_that_still_contradicts_leaves_the_first_answer_and_says_so() -> None:
    left = decided(
        lateral_decision="lane_change", lateral_direction="left", trace="Change lane to the left for the van."
    )
    finished, _ = converse(view(lanes=SHIFT_RIGHT), plan(), answering(see=seen(), decide=decided(), repair=left))
    assert (finished.record.status, finished.record.repair) == ("ok", "unresolved")
    assert finished.record.lateral_decision == "lane_keeping"
    assert finished.record.responses[-1].text == left


def test_an_unusable_repair_leaves_the_first_answer() -> None:
    finished, asked = converse(
        view(lanes=SHIFT_RIGHT), plan(), answering(see=seen(), decide=decided(), repair=["?", "??"])
    )
    assert (finished.record.status, finished.record.repair) == ("ok", "unresolved")
    assert len(asked) == 4


def test_repair_can_be_switched_off() -> None:
    finished, asked = converse(view(lanes=SHIFT_RIGHT), plan(vlm={"repair": False}), USUAL)
    assert len(asked) == 2
    assert finished.record.repair is None


def test_causes_are_ranked_as_chosen_and_the_route_comes_after_them() -> None:
    van, cone = component(), component("traffic cones on the right", category="odd_constraint")
    answer = decided(
        causes=[2, 1, 2], route_and_rules=[{"category": "routing_intent", "phrase": "ego leaves at the next exit"}]
    )
    finished, _ = converse(view(), plan(), answering(see=seen(van, cone), decide=answer))
    assert [(c.rank, c.phrase) for c in finished.record.components] == [
        (1, "traffic cones on the right"),
        (2, "white van ahead in the ego lane braking"),
        (3, "ego leaves at the next exit"),
    ]
    assert finished.record.components[2].seen_from_us is None


def test_one_pass_asks_once_and_says_so() -> None:
    single = json.dumps({"components": [component()], **json.loads(decided())})
    one = plan(vlm={"passes": 1})
    finished, (question,) = converse(view(), one, answering(single=single))
    assert (question.step, question.shown) == ("single", "all")
    assert finished.record.passes == 1
    assert finished.record.prompt_version.startswith("single-1-")
    assert json.loads(finished.record.parameters)["passes"] == 1


def test_a_component_first_seen_after_the_keyframe_is_sent_back() -> None:
    late = json.dumps({"components": [component(first_frame=12, last_frame=14)], **json.loads(decided())})
    fine = json.dumps({"components": [component(first_frame=4, last_frame=14)], **json.loads(decided())})
    finished, asked = converse(view(), plan(vlm={"passes": 1}), answering(single=[late, fine]))
    assert "first seen after history frame 5" in asked[1].turns[3].text
    (cause,) = finished.record.components
    assert (cause.seen_from_us, cause.seen_to_us) == (2_500_000, 3_000_000)


def test_a_sentence_becomes_a_record() -> None:
    text = "Nudge left because a truck is parked on the right shoulder."
    finished, (question,) = converse(view(), plan(free_text=True), answering(reason=text))
    record = finished.record
    assert (question.schema, question.shown) == (None, "history")
    assert "t=+0.5s" not in words(question)
    assert (record.lateral_decision, record.lateral_direction) == ("out_of_lane_nudge", "left")
    assert record.text.trace == text
    assert record.components and record.components[0].seen_from_us is None
    assert record.passes == 1


def test_a_sentence_without_a_decision_is_invalid_after_one_more_try() -> None:
    finished, asked = converse(view(), plan(free_text=True), answering(reason="The sky is blue."))
    assert finished.record.status == "invalid"
    assert len(asked) == 2


def test_what_is_answered_is_not_asked_again() -> None:
    entries: dict = {}
    converse(view(), plan(), USUAL, entries)
    _, asked = converse(view(), plan(), USUAL, entries)
    assert asked == []


def keys(**changes: object) -> list[str]:
    view_ = changes.pop("view", view())
    return [question.key for question in converse(view_, plan(**changes), USUAL)[1]]  # type: ignore[arg-type]


def test_a_changed_prompt_asks_only_the_questions_that_it_changes(tmp_path: Path) -> None:
    (tmp_path / "decide.yaml").write_text("version: 2\nsystem: Decide, please.\n")
    see, decide = keys()
    assert keys(vlm={"prompts": tmp_path})[0] == see
    assert keys(vlm={"prompts": tmp_path})[1] != decide


@pytest.mark.parametrize(
    "changed",
    [
        {"view": view(video="another content")},
        {"view": replace(view(), history=view().history[1:], missing_s=(-2.0,))},
        {"view": replace(view(), speeds=tuple(replace(row, along_mps=9.0) for row in view().speeds))},
        {"view": view(keyframe_id="clip-b-03000000")},
        {"vlm": {"image_height": 360}},
        {"vlm": {"most_components": 4}},
        {"model_shape": {"alias": "stub", "model": "another", "temperature": 0.0}},
        {"max_tokens": 2000},
        {"media": "video"},
    ],
    ids=str,
)
def test_whatever_shapes_the_answer_is_in_the_key(changed: dict) -> None:
    assert keys(**changed)[0] != keys()[0]


def test_a_changed_manoeuvre_asks_the_second_pass_only() -> None:
    see, decide = keys()
    changed = keys(view=view(lanes={5.0: "follow_curve_left"}))
    assert changed[0] == see
    assert changed[1] != decide


def test_the_labels_depend_on_the_journal_alone() -> None:
    entries: dict = {}
    first, _ = converse(view(), plan(), USUAL, entries)
    again = advance(view(), plan(), dict(reversed(entries.items())))
    assert isinstance(again, Finished)
    assert again.record == first.record


@pytest.mark.parametrize(
    ("changes", "answer"),
    [
        ({}, USUAL),
        ({}, answering(see=["no JSON", seen()], decide=["{}", decided()])),
        ({}, answering(see="no JSON")),
        ({"lanes": SHIFT_RIGHT}, answering(see=seen(), decide=decided(), repair=decided(causes=[9]))),
        ({"problem": "no_video: nothing"}, USUAL),
    ],
)
def test_a_conversation_that_goes_on_asks_and_ends_as_one_that_is_replayed(changes, answer) -> None:
    entries = {}
    conversation = Conversation(view(**changes), plan())
    while isinstance(question := conversation.advance(entries), Question):
        assert question == conversation.advance(entries) == advance(view(**changes), plan(), entries)
        entries[question.key] = entry(question, answer(question))
    assert question == conversation.advance({}) == advance(view(**changes), plan(), entries)
