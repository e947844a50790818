"""The dummy says that it is none, in whatever form it is asked."""

from __future__ import annotations

import asyncio
import json
from typing import Annotated, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field

from resources.models.dummy import DUMMY_TEXT, Dummy, least_instance
from resources.models.request import ChatRequest, Message, Sampling, Text, Usage


class Part(BaseModel):
    model_config = ConfigDict(extra="forbid")
    name: str
    side: Literal["left", "right"] | None


class Record(BaseModel):
    model_config = ConfigDict(extra="forbid")
    kind: Literal["cause"]
    decision: Literal["stop", "yield"]
    text: Annotated[str, Field(min_length=40, max_length=60)]
    short: Annotated[str, Field(max_length=5)]
    at_s: Annotated[float, Field(ge=-2, le=0)]
    count: Annotated[int, Field(gt=3)]
    parts: Annotated[list[Part], Field(min_length=2, max_length=8)]
    more: list[Part]
    sure: bool
    note: str = ""


def ask(schema=None):
    request = ChatRequest("k", "dummy", [Message("user", (Text("hello"),))], Sampling(10), schema)
    return asyncio.run(Dummy().ask(request, 1.0))


def test_free_text_is_the_dummy_s():
    answer = ask()
    assert (answer.text, answer.finish_reason, answer.usage) == (DUMMY_TEXT, "stop", Usage(0, 0))


def test_a_schema_is_followed_with_the_least():
    record = Record.model_validate_json(ask(Record.model_json_schema()).text)
    assert (record.kind, record.decision, record.at_s, record.count, record.sure) == ("cause", "stop", -2.0, 4, False)
    assert record.text.startswith(DUMMY_TEXT)
    assert [part.model_dump() for part in record.parts] == [{"name": DUMMY_TEXT, "side": None}] * 2
    assert (record.more, "note" in record.model_fields_set) == ([], False)


@pytest.mark.parametrize(
    ("schema", "least"),
    [
        ({"type": ["string", "null"]}, None),
        ({"type": ["string", "integer"]}, DUMMY_TEXT),
        ({"enum": ["a", None]}, None),
        ({"enum": ["a", "b"]}, "a"),
        ({"oneOf": [{"type": "string"}, {"const": 1}]}, DUMMY_TEXT),
        ({"type": "integer"}, 0),
        ({"type": "number", "maximum": -1.5}, -1.5),
        ({"type": "null"}, None),
        ({}, DUMMY_TEXT),
    ],
)
def test_each_kind_has_its_least(schema, least):
    assert least_instance(schema) == least
    assert json.dumps(least_instance(schema)) == json.dumps(least)
