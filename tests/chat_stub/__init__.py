"""A stand-in for an OpenAI-compatible server: chat completions, models, files and batches, with faults on demand.

    with ChatStub(faults=Faults(("rate_limit", "drop"), probability=0.2, most_per_key=3)) as stub:
        ...  # ask stub.base_url
    assert set(stub.answered.values()) == {1}

Answers follow the request's JSON schema and depend on the request alone. Alone in a process, so that clients can be
killed around it:

    python -m tests.chat_stub --port 0 --latency 0.05 --faults 0.2 --log FILE

prints its base URL and appends one JSON line a chat request to FILE.
"""

from __future__ import annotations

from tests.chat_stub.answers import Answer, StubAnswer, default_answer, instance_of, schema_name_of, schema_of
from tests.chat_stub.batches import BatchPlan
from tests.chat_stub.faults import ANSWER_FAULTS, BROKEN_FAULTS, ERROR_FAULTS, PASSING, REFUSAL, FaultName, Faults
from tests.chat_stub.http import Seen
from tests.chat_stub.server import ChatStub

__all__ = [
    "ANSWER_FAULTS",
    "BROKEN_FAULTS",
    "ERROR_FAULTS",
    "PASSING",
    "REFUSAL",
    "Answer",
    "BatchPlan",
    "ChatStub",
    "FaultName",
    "Faults",
    "Seen",
    "StubAnswer",
    "default_answer",
    "instance_of",
    "schema_name_of",
    "schema_of",
]
