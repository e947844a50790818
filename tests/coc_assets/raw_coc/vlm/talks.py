"""Keyframes and answers made up for tests of the conversation."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from coc_assets.raw_coc.vlm.conversation import Finished, Plan, advance
from coc_assets.raw_coc.vlm.prompts import load_prompts
from coc_assets.raw_coc.vlm.question import Question
from coc_assets.raw_coc.vlm.view import KeyframeView, ShownFrame, SpeedRow, TimelineRow
from resources.journal import Entry
from resources.settings.labels import VlmSettings

HALF_S = 500_000


def view(**changes: Any) -> KeyframeView:
    """A keyframe at 3 s with all its frames, driving straight on in its lane at 10 m/s."""
    t0_us = changes.pop("t0_us", 3_000_000)
    lanes = changes.pop("lanes", {})
    steps = [step / 2 for step in range(-4, 12)]
    frames = [ShownFrame(asked, t0_us + round(asked * 1e6), 90 + round(asked * 30)) for asked in steps]
    values: dict[str, Any] = {
        "keyframe_id": "clip-a-03000000",
        "clip_id": "clip-a",
        "t0_us": t0_us,
        "history": tuple(frame for frame in frames if frame.asked_s <= 0),
        "future": tuple(frame for frame in frames if frame.asked_s > 0),
        "missing_s": (),
        "timeline": tuple(
            TimelineRow(step / 2, "maintain_speed", "go_straight", lanes.get(step / 2, "keep_lane"))
            for step in range(-4, 13)
        ),
        "speeds": tuple(SpeedRow(step / 2, 10.0, 0.25) for step in range(-4, 13)),
        "video": "0123456789abcdef",
    }
    return KeyframeView(**{**values, **changes})


def plan(**changes: Any) -> Plan:
    vlm = VlmSettings(**changes.pop("vlm", {}))
    values: dict[str, Any] = {
        "labeler": "stub",
        "asked_model": "stub-vlm",
        "model_shape": {"alias": "stub", "model": "stub-vlm", "temperature": 0.0},
        "vlm": vlm,
        "prompts": load_prompts(vlm.prompts),
        "media": "images",
        "max_tokens": 1000,
    }
    return Plan(**{**values, **changes})


def component(phrase: str = "white van ahead in the ego lane braking", **changes: Any) -> dict[str, Any]:
    values = {
        "category": "critical_object",
        "phrase": phrase,
        "attributes": [{"key": "motion", "value": "slowing"}],
        "first_frame": 2,
        "last_frame": 5,
    }
    return values | changes


def seen(*components: dict[str, Any]) -> str:
    return json.dumps({"components": list(components or [component()])})


def decided(**changes: Any) -> str:
    values = {
        "perception": "A white van drives ahead.",
        "prediction": "The van brakes.",
        "longitudinal_decision": "lead_obstacle_following",
        "lateral_decision": "lane_keeping",
        "lateral_direction": "none",
        "scenario": "slow_for_lead",
        "causes": [1],
        "route_and_rules": [],
        "planning": "Slow down behind the van.",
        "justification": "The van ahead brakes.",
        "trace": "Slow down and stay in the lane because the van ahead brakes.",
    }
    return json.dumps(values | changes)


def entry(question: Question, text: str = "", **changes: Any) -> Entry:
    values: dict[str, Any] = {
        "key": question.key,
        "keyframe_id": question.keyframe_id,
        "step": question.step,
        "round": question.round,
        "outcome": "answered",
        "model": "stub-vlm-2026",
        "prompt_version": question.prompt_version,
        "text": text,
        "finish_reason": "stop",
        "attempts": 1,
        "prompt_tokens": 100,
        "completion_tokens": 10,
        "cost_usd": 0.25,
        "latency_s": 0.5,
        "answered_at": "2026-01-01T00:00:00.000+00:00",
    }
    return Entry(**{**values, **changes})


def converse(
    view_: KeyframeView,
    plan_: Plan,
    answer: Callable[[Question], str | Entry],
    entries: dict[str, Entry] | None = None,
) -> tuple[Finished, list[Question]]:
    """Plays a conversation to its end; says what was asked."""
    known = {} if entries is None else entries
    asked = []
    while isinstance(question := advance(view_, plan_, known), Question):
        asked.append(question)
        assert len(asked) < 10, "the conversation does not end"
        answered = answer(question)
        known[question.key] = answered if isinstance(answered, Entry) else entry(question, answered)
    return question, asked


def answering(**by_step: str | list[str]) -> Callable[[Question], str]:
    """Answers by step; a list holds those of the rounds."""

    def answer(question: Question) -> str:
        given = by_step[question.step]
        return given if isinstance(given, str) else given[question.round - 1]

    return answer


USUAL = answering(see=seen(), decide=decided())
