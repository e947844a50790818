"""Our client against a real vLLM server: what it sends is understood, and what comes back is read."""

from __future__ import annotations

import asyncio
import json

import jsonschema
import pytest
from pydantic import SecretStr

from resources.models.chat_completions import ChatCompletions
from resources.models.endpoints import Endpoint
from resources.models.failures import BackendDown, Rejected
from resources.models.request import ChatRequest, Image, Message, Sampling, Text, Video
from tests.vllm import serving
from tests.vllm.pictures import FRAMES, HEIGHT, WIDTH, jpegs, mp4
from tests.vllm.schemas import SCHEMAS

pytestmark = pytest.mark.vllm
BLOCK = 128  # tokens; vLLM on a processor keeps prompts in blocks of it


@pytest.fixture(scope="session")
def media_folder(tmp_path_factory):
    """Folder that the server may read."""
    folder = tmp_path_factory.mktemp("media")
    for index, jpeg in enumerate(jpegs()):
        (folder / f"{index}.jpg").write_bytes(jpeg)
    (folder / "drive.mp4").write_bytes(mp4())
    return folder


@pytest.fixture(scope="session")
def base_url(tiny_model, media_folder, tmp_path_factory):
    """A server with the tiny model."""
    log = tmp_path_factory.mktemp("server") / "server.log"
    with serving.server(tiny_model, media_folder, log) as url:
        yield url


@pytest.fixture
def ask(base_url):
    """Asks the server questions, all at once."""

    def asked(*requests, model=serving.MODEL):
        return asyncio.run(_answers(base_url, model, requests))

    return asked


async def _answers(base_url, model, requests):
    client = ChatCompletions(Endpoint("server", model, base_url, SecretStr("EMPTY"), thinking=False), {})
    try:
        return await asyncio.gather(*(client.ask(request, 300.0) for request in requests))
    finally:
        await client.close()


def question(parts, schema=None, max_tokens=300, words="What does the ego do?"):
    messages = (Message("system", (Text("You label."),)), Message("user", (Text(words), *parts)))
    return ChatRequest("one-key", serving.MODEL, messages, Sampling(max_tokens), schema)


def pictures(seed=0):
    return [Image(WIDTH, HEIGHT, jpeg=jpeg) for jpeg in jpegs(seed)]


def files(folder):
    return [Image(WIDTH, HEIGHT, path=folder / f"{index}.jpg") for index in range(FRAMES)]


def film(folder):
    return Video(WIDTH, HEIGHT, FRAMES, path=folder / "drive.mp4")


def test_sixteen_pictures_are_answered_by_every_schema(ask):
    answers = ask(*(question(pictures(), schema) for schema in SCHEMAS.values()))
    for answer, schema in zip(answers, SCHEMAS.values(), strict=True):
        assert answer.finish_reason == "stop"
        jsonschema.validate(json.loads(answer.text), schema)


def test_the_server_names_its_model_and_counts_tokens(ask):
    (answer,) = ask(question(pictures(), SCHEMAS["choice"]))
    assert answer.model == serving.MODEL
    assert answer.refusal is None
    assert answer.usage.prompt_tokens > 16 * 100
    assert 0 < answer.usage.completion_tokens < 300


def test_a_prompt_seen_before_is_read_from_the_cache(ask):
    request = question(pictures(), SCHEMAS["flat"], words="Once more: what does the ego do?")
    (first,) = ask(request)
    (second,) = ask(request)
    assert first.usage.cached_tokens == 0
    assert second.usage.prompt_tokens - BLOCK <= second.usage.cached_tokens < second.usage.prompt_tokens
    assert second.text == first.text


def test_pictures_as_files_and_as_bytes_are_the_same_to_it(ask, media_folder):
    schema = SCHEMAS["flat"]
    sent, read, other = ask(*(question(shown, schema) for shown in (pictures(), files(media_folder), pictures(seed=1))))
    assert read.text == sent.text != other.text
    assert read.usage.prompt_tokens == sent.usage.prompt_tokens


def test_a_video_as_file_and_as_bytes_is_the_same_to_it(ask, media_folder):
    sent = Video(WIDTH, HEIGHT, FRAMES, mp4=(media_folder / "drive.mp4").read_bytes())
    answers = ask(*(question([video], SCHEMAS["nested"]) for video in (sent, film(media_folder))))
    jsonschema.validate(json.loads(answers[0].text), SCHEMAS["nested"])
    assert answers[0].text == answers[1].text
    assert answers[0].usage.prompt_tokens == answers[1].usage.prompt_tokens > 8 * 100  # two frames at a time


@pytest.mark.parametrize(
    ("name", "request_of"),
    [
        ("flat", lambda folder: question(files(folder), SCHEMAS["flat"])),
        (
            "video",
            lambda folder: question([film(folder)], SCHEMAS["nested"]),
        ),
    ],
)
def test_the_engine_in_our_process_is_asked_the_same(ask, outcomes, media_folder, name, request_of):
    (served,) = ask(request_of(media_folder))
    assert outcomes[name]["text"] == served.text
    assert outcomes[name]["usage"]["prompt_tokens"] == served.usage.prompt_tokens


def test_an_answer_cut_off_says_so(ask):
    (answer,) = ask(question([], max_tokens=8))
    assert answer.finish_reason == "length"
    assert answer.usage.completion_tokens == 8


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        ("--allowed-local-media-path", lambda folder: [Image(WIDTH, HEIGHT, path=folder.parent / "elsewhere.jpg")]),
        ("16 image", lambda folder: [*files(folder), *files(folder)[:1]]),
    ],
)
def test_what_the_server_may_not_do_is_rejected(ask, media_folder, words, parts):
    with pytest.raises(Rejected, match=words):
        ask(question(parts(media_folder)))


def test_a_model_it_does_not_have_is_no_fault_of_the_question(ask):
    with pytest.raises(BackendDown, match="another"):
        ask(question([]), model="another")
