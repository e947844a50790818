"""What the stub server's model says of any keyframe, so that it becomes a usable label."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

from tests.chat_stub import Answer
from tests.chat_stub.answers import Json

COLOURS = ("white", "silver", "black", "red", "blue", "green", "grey", "brown")


def see(body: Json) -> str:
    """A van ahead, of a colour that goes by what was shown."""
    return json.dumps(
        {
            "components": [
                {
                    "category": "critical_object",
                    "phrase": f"{_colour(body)} van ahead in the ego lane",
                    "attributes": [{"key": "motion", "value": "slowing"}],
                    "first_frame": 1,
                    "last_frame": 5,
                }
            ]
        }
    )


def decide(body: Json) -> str:
    colour = _colour(body)
    return json.dumps(
        {
            "perception": f"A {colour} van is ahead in the ego lane.",
            "prediction": "The van goes on ahead.",
            "longitudinal_decision": "lead_obstacle_following",
            "lateral_decision": "lane_keeping",
            "lateral_direction": "none",
            "scenario": "slow_for_lead",
            "causes": [1],
            "route_and_rules": [],
            "planning": "Keep the distance to the van.",
            "justification": f"The {colour} van ahead is close.",
            "trace": f"Keep the distance and stay in the lane because the {colour} van ahead is close.",
        }
    )


ANSWERS: Mapping[str, Answer] = {"see": see, "decide": decide, "repair": decide}


def _colour(body: Json) -> str:
    return COLOURS[hashlib.sha256(json.dumps(body["messages"]).encode()).digest()[0] % len(COLOURS)]
