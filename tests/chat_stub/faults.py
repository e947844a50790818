"""What goes wrong at the stub, and when."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

from tests.chat_stub.answers import Json, StubAnswer

ErrorFault = Literal[
    "rate_limit",  # 429 with Retry-After in seconds
    "rate_limit_date",  # 429 with Retry-After as an HTTP date
    "no_quota",  # 429 with code insufficient_quota
    "server_error",  # 500
    "overloaded",  # 503
    "bad_request",  # 400
    "unauthorized",  # 401
    "expired_token",  # 401 that says so, as a gateway in front of Azure does
    "forbidden",  # 403
    "no_model",  # 404 with code model_not_found
    "policy",  # 400 with code content_filter and ResponsibleAIPolicyViolation
]
BrokenFault = Literal[
    "hang",  # no answer, ever
    "reset",  # connection closed before the answer
    "drop",  # connection closed within the answer's body
    "garbage",  # 200 whose body is no JSON
    "no_choices",  # 200 whose JSON holds no answer
]
AnswerFault = Literal[
    "refusal",  # message.refusal is set, content is null
    "text_refusal",  # a refusal in words where the answer should be
    "filtered",  # finish_reason content_filter, content null
    "truncate",  # finish_reason length, the JSON is cut off
    "bad_json",  # prose in place of JSON
    "control_characters",  # raw line breaks and tabs within JSON strings
    "stop_token",  # <|im_end|> behind the answer
    "empty",  # content is the empty string
]
FaultName = ErrorFault | BrokenFault | AnswerFault
ERROR_FAULTS: tuple[ErrorFault, ...] = get_args(ErrorFault)
BROKEN_FAULTS: tuple[BrokenFault, ...] = get_args(BrokenFault)
ANSWER_FAULTS: tuple[AnswerFault, ...] = get_args(AnswerFault)
PASSING: tuple[FaultName, ...] = (
    *("rate_limit", "rate_limit_date", "server_error", "overloaded"),
    *("reset", "drop", "garbage"),
)
"""Faults that another attempt gets over, without waiting for a timeout."""


@dataclass(frozen=True)
class Faults:
    """Which requests go wrong, and how.

    Attributes:
        names: drawn from at random with `probability`; with probability 1 and one name, every request gets it.
        schedule: the fault of the first, second, … chat request, None for none; what follows goes by `names`.
        most_per_key: after so many faults a key is answered, so that retries succeed; None: no end.
        retry_after_s: what Retry-After says.
    """

    names: Sequence[FaultName] = ()
    probability: float = 1.0
    schedule: Sequence[FaultName | None] = ()
    most_per_key: int | None = None
    retry_after_s: float = 0.0

    def draw(self, number: int, key: str, attempt: int, had: int, seed: int) -> FaultName | None:
        """The fault of a request: the `number`-th of all and the `attempt`-th of its key, which had `had` faults."""
        if self.most_per_key is not None and had >= self.most_per_key:
            return None
        if number < len(self.schedule):
            return self.schedule[number]
        dice = random.Random(f"{seed}:{key}:{attempt}")
        return dice.choice(list(self.names)) if self.names and dice.random() < self.probability else None


def faults_of(given: Faults | FaultName | Sequence[FaultName | None] | None) -> Faults:
    if isinstance(given, Faults):
        return given
    if given is None:
        return Faults()
    return Faults((given,)) if isinstance(given, str) else Faults(schedule=tuple(given))


def error_body(message: str, kind: str, code: str | None = None, **more: Any) -> Json:
    return {"error": {"message": message, "type": kind, "param": None, "code": code, **more}}


SENT_KEY = "<your key>"
_POLICY = error_body(
    "The response was filtered due to the prompt triggering the content management policy.",
    "invalid_request_error",
    "content_filter",
    innererror={"code": "ResponsibleAIPolicyViolation"},
)
ERRORS: Mapping[str | None, tuple[int, Json]] = {
    "rate_limit": (429, error_body("Rate limit reached.", "requests", "rate_limit_exceeded")),
    "rate_limit_date": (429, error_body("Rate limit reached.", "requests", "rate_limit_exceeded")),
    "no_quota": (429, error_body("You exceeded your current quota.", "insufficient_quota", "insufficient_quota")),
    "server_error": (500, error_body("The server had an error.", "server_error")),
    "overloaded": (503, error_body("The engine is overloaded.", "server_error")),
    "bad_request": (400, error_body("Invalid value: messages.", "invalid_request_error", "invalid_value")),
    "unauthorized": (
        401,
        error_body(f"Incorrect API key provided: {SENT_KEY}.", "invalid_request_error", "invalid_api_key"),
    ),
    "expired_token": (401, error_body("Unauthorized: the access token is expired.", "invalid_request_error")),
    "forbidden": (403, error_body("Not allowed to use this model.", "invalid_request_error")),
    "no_model": (404, error_body("The model does not exist.", "invalid_request_error", "model_not_found")),
    "policy": (400, _POLICY),
}
REFUSAL = "I'm sorry, but I can't help with that."


def spoilt(answer: StubAnswer, fault: FaultName | None) -> StubAnswer:
    """The answer with a fault in what it says."""
    if fault is None:
        return answer
    text = answer.text or ""
    changes: Mapping[str | None, Json] = {
        "refusal": {"text": None, "refusal": REFUSAL},
        "text_refusal": {"text": REFUSAL},
        "filtered": {"text": None, "finish_reason": "content_filter"},
        "truncate": {"text": text[: len(text) // 2], "finish_reason": "length"},
        "bad_json": {"text": "The ego slows down, because the car ahead does."},
        "control_characters": {"text": _with_control_characters(text)},
        "stop_token": {"text": f"{text}<|im_end|>"},
        "empty": {"text": ""},
    }
    return replace(answer, **changes.get(fault, {}))


def _with_control_characters(text: str) -> str:
    """A raw line break and a tab in every string that has a space."""
    try:
        encoded = json.dumps(_broken_up(json.loads(text)))
    except ValueError:
        return f"{text}\n\t"
    return encoded.replace("\\n", "\n").replace("\\t", "\t")


def _broken_up(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _broken_up(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_broken_up(item) for item in value]
    return value.replace(" ", "\n\t", 1) if isinstance(value, str) else value
