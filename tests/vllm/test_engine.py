"""The in-process engine, run inside the vLLM test environment (`engine_run`)."""

from __future__ import annotations

import json

import jsonschema
import pytest

from tests.vllm.schemas import SCHEMAS

pytestmark = pytest.mark.vllm
BLOCK = 128  # tokens; vLLM on a processor keeps prompts in blocks of it


@pytest.mark.parametrize("name", SCHEMAS)
def test_questions_asked_at_once_are_answered_by_their_schemas(outcomes, name):
    assert outcomes[name]["finish_reason"] == "stop"
    jsonschema.validate(json.loads(outcomes[name]["text"]), SCHEMAS[name])


def test_a_video_is_looked_at_too(outcomes):
    jsonschema.validate(json.loads(outcomes["video"]["text"]), SCHEMAS["nested"])
    assert 0 < outcomes["video"]["usage"]["prompt_tokens"] < outcomes["nested"]["usage"]["prompt_tokens"]


def test_the_answer_depends_on_the_pictures_and_on_nothing_else(outcomes):
    assert outcomes["again"]["text"] == outcomes["flat"]["text"] != outcomes["other pictures"]["text"]


def test_a_prompt_seen_before_is_read_from_the_cache(outcomes):
    usage = outcomes["again"]["usage"]
    assert usage["prompt_tokens"] - BLOCK <= usage["cached_tokens"] < usage["prompt_tokens"]


def test_an_answer_cut_off_says_so(outcomes):
    assert outcomes["cut off"]["finish_reason"] == "length"
    assert outcomes["cut off"]["usage"]["completion_tokens"] == 8


@pytest.mark.parametrize(
    ("name", "failure", "words"),
    [
        ("too many", "Rejected", "16 image"),
        ("too long", "Rejected", "8192 tokens"),
        ("no schema", "Rejected", "nonsense"),
        ("too slow", "TimedOut", "0.001 s"),
    ],
)
def test_what_cannot_be_answered_fails_by_its_kind(outcomes, name, failure, words):
    assert outcomes[name]["failure"] == failure
    assert words in outcomes[name]["message"]
