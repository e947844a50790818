"""What goes over the wire, what is read from answers, and what each failure becomes."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import socket
from dataclasses import replace
from pathlib import Path

import httpx2
import openai
import pytest
from pydantic import SecretStr

from resources.models import chat_completions
from resources.models.chat_completions import (
    ChatCompletions,
    answer_of,
    failure_of,
    request_body,
    retry_after_s,
    shortened,
    status_failure,
)
from resources.models.endpoints import Endpoint
from resources.models.failures import BackendDown, ModelFailure, Refused, Rejected, TimedOut, Transient, Unreachable
from resources.models.request import ChatRequest, Image, Message, Sampling, Text, Usage, Video
from tests.chat_stub import REFUSAL, ChatStub, Faults, StubAnswer

SECRET = "sk-never-to-be-seen"
SERVER = Endpoint("server", "qwen", "http://box:8000/v1", SecretStr(SECRET), "LOCAL_OPENAI_API_KEY")
OPENAI = Endpoint("openai", "gpt-4.1", "https://api.example/v1", SecretStr(SECRET), "OPENAI_API_KEY")
GPT5 = Endpoint("openai", "gpt-5", "https://api.example/v1", SecretStr(SECRET), "OPENAI_API_KEY", gpt5_family=True)
SAMPLING = Sampling(max_tokens=99, temperature=0.0, top_p=0.9, repetition_penalty=1.1, seed=42)
SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"], "additionalProperties": False}


def asked(text="hello", key="key-1", **changes):
    return ChatRequest(key, "alias", [Message("user", (Text(text),))], changes.pop("sampling", SAMPLING), **changes)


@pytest.fixture(params=["own", "aiohttp"])
def transport(request, monkeypatch):
    """Both ways of sending requests must behave the same."""
    if request.param == "own":
        monkeypatch.setattr(chat_completions, "http_client", lambda: None)
    else:
        pytest.importorskip("aiohttp")


def at(base_url, **changes):
    return Endpoint(
        **{"backend": "server", "model_id": "m", "api_key": SecretStr(SECRET), **changes}, base_url=base_url
    )


def run(endpoint, *requests, timeout_s=30.0, environ=None):
    """Answers of requests that are sent at the same time."""

    async def ask():
        client = ChatCompletions(endpoint, environ or {})
        try:
            return await asyncio.gather(*(client.ask(request, timeout_s) for request in requests))
        finally:
            await client.close()

    return asyncio.run(ask())


def failure(endpoint, timeout_s=30.0, environ=None):
    with pytest.raises(ModelFailure) as caught:
        run(endpoint, asked(), timeout_s=timeout_s, environ=environ)
    return caught.value


# Request -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("endpoint", "sampling", "told"),
    [
        (
            SERVER,
            SAMPLING,
            {"max_tokens": 99, "temperature": 0.0, "top_p": 0.9, "repetition_penalty": 1.1, "seed": 42},
        ),
        (SERVER, Sampling(5, temperature=None), {"max_tokens": 5}),
        (OPENAI, SAMPLING, {"max_tokens": 99, "temperature": 0.0, "seed": 42}),
        (GPT5, SAMPLING, {"max_completion_tokens": 99}),
        (replace(GPT5, backend="server", thinking=True), SAMPLING, {"max_completion_tokens": 99}),
        (GPT5, Sampling(7, temperature=1.0, seed=1), {"max_completion_tokens": 7, "temperature": 1.0}),
    ],
)
def test_each_kind_of_model_is_told_what_it_takes(endpoint, sampling, told):
    body = request_body(asked(sampling=sampling), endpoint)
    assert body.pop("model") == endpoint.model_id
    assert [message["role"] for message in body.pop("messages")] == ["user"]
    assert body == told


def test_a_schema_is_asked_for_strictly():
    body = request_body(asked(schema=SCHEMA, schema_name="causes"), SERVER)
    wanted = {"name": "causes", "schema": SCHEMA, "strict": True}
    assert body["response_format"] == {"type": "json_schema", "json_schema": wanted}
    assert not {"guided_json", "mm_processor_kwargs", "extra_body"} & set(body)


@pytest.mark.parametrize(("thinking", "told"), [(True, True), (False, False), (None, None)])
def test_only_servers_hear_of_thinking(thinking, told):
    server = request_body(asked(), at("http://box/v1", thinking=thinking))
    assert server.get("chat_template_kwargs") == (None if told is None else {"enable_thinking": told})
    assert "chat_template_kwargs" not in request_body(asked(), at("http://box/v1", backend="openai", thinking=thinking))


def test_turns_become_messages():
    turns = [
        Message("system", (Text("be brief"), Text(" and true"))),
        Message("user", (Text("what"), Image(4, 2, b"jpeg"), Video(4, 2, 16, b"mp4"))),
        Message("assistant", (Text("that"),)),
    ]
    system, user, assistant = request_body(ChatRequest("k", "m", turns, SAMPLING), SERVER)["messages"]
    assert system == {"role": "system", "content": "be brief and true"}
    assert assistant == {"role": "assistant", "content": "that"}
    text, image, video = user["content"]
    jpeg, mp4 = (base64.b64encode(data).decode() for data in (b"jpeg", b"mp4"))
    assert text == {"type": "text", "text": "what"}
    assert image == {"type": "image_url", "image_url": {"url": f"data:image/jpeg;base64,{jpeg}", "detail": "high"}}
    assert video == {"type": "video_url", "video_url": {"url": f"data:video/mp4;base64,{mp4}"}}


def test_files_are_named_by_url():
    parts = (Image(4, 2, path=Path("/store/a b.jpg")), Video(4, 2, 16, path=Path("/store/c.mp4")))
    body = request_body(ChatRequest("k", "m", [Message("user", parts)], SAMPLING), SERVER)
    image, video = body["messages"][0]["content"]
    assert (image["image_url"]["url"], video["video_url"]["url"]) == ("file:///store/a%20b.jpg", "file:///store/c.mp4")


@pytest.mark.parametrize("turn", [Message("user", (Image(4, 2),)), Message("system", (Image(4, 2, b"jpeg"),))])
def test_pictures_without_content_or_in_the_wrong_turn_are_an_error(turn):
    with pytest.raises(ValueError, match=r"neither bytes nor a path|only users show pictures"):
        request_body(ChatRequest("k", "m", [turn], SAMPLING), SERVER)


def test_the_body_arrives_as_it_was_made(transport):
    request = asked("größer – 漢字", schema=SCHEMA)
    with ChatStub() as stub:
        run(at(stub.base_url), request)
        seen = stub.requests[0]
    assert (seen.path, seen.body) == ("/v1/chat/completions", request_body(request, at(stub.base_url)))


def test_the_key_of_the_question_and_the_bearer_key_are_sent(transport, monkeypatch):
    for name in ("OPENAI_ORG_ID", "OPENAI_PROJECT_ID", "OPENAI_API_KEY", "OPENAI_ADMIN_KEY", "OPENAI_BASE_URL"):
        monkeypatch.setenv(name, "of another account")
    with ChatStub() as stub:
        run(at(stub.base_url), asked())
        run(at(stub.base_url, backend="openai", organization="org-1", project="proj-1"), asked())
        server, cloud = (seen.headers for seen in stub.requests)
    assert (server["idempotency-key"], server["authorization"]) == ("key-1", f"Bearer {SECRET}")
    assert server["content-type"] == "application/json"
    assert not {"openai-organization", "openai-project"} & set(server)
    assert (cloud["openai-organization"], cloud["openai-project"]) == ("org-1", "proj-1")


def test_requests_go_side_by_side(transport):
    with ChatStub(held=True) as stub:

        async def ask():
            client = ChatCompletions(at(stub.base_url), {})
            answers = asyncio.gather(*(client.ask(asked(f"q{n}", f"k{n}"), 30) for n in range(20)))
            await asyncio.to_thread(stub.wait_for_asked, 20)
            stub.release()
            await answers
            await client.close()

        asyncio.run(ask())
        assert (stub.most_in_flight, stub.answered.total()) == (20, 20)


def test_a_cancelled_request_leaves_the_client_usable(transport):
    with ChatStub(faults=["hang"]) as stub:

        async def ask():
            client = ChatCompletions(at(stub.base_url), {})
            task = asyncio.create_task(client.ask(asked(), 30))
            await asyncio.to_thread(stub.wait_for_asked, 1)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            answer = await client.ask(asked(), 30)
            await client.close()
            return answer

        assert asyncio.run(ask()).finish_reason == "stop"


# Answer --------------------------------------------------------------------------------------------------------------


def read(reply):
    return answer_of(json.dumps(reply).encode(), shortened)


def completion(message, **more):
    return {"model": "m-1", "choices": [{"message": message, "finish_reason": "stop"}], **more}


@pytest.mark.parametrize(
    ("message", "text", "refusal"),
    [
        ({"content": "yes"}, "yes", None),
        ({"content": None, "refusal": "no"}, "", "no"),
        ({"content": "yes", "refusal": ""}, "yes", None),
        ({}, "", None),
        ({"content": [{"type": "text", "text": "a"}, {"type": "image"}, {"type": "text", "text": "b"}]}, "ab", None),
        ({"content": 7}, "7", None),
        ({"content": ["a", {"text": None}, {"text": 7}]}, "a7", None),
        ({"content": "yes", "refusal": False}, "yes", None),
        ({"refusal": {"reason": "no"}}, "", "{'reason': 'no'}"),
        ({"refusal": ["no", 1]}, "", "['no', 1]"),
        ({"content": "<think>hm</think>yes", "reasoning_content": "hm"}, "<think>hm</think>yes", None),
    ],
)
def test_an_answer_is_read(message, text, refusal):
    answer = read(completion(message))
    assert (answer.text, answer.refusal, answer.finish_reason, answer.model) == (text, refusal, "stop", "m-1")


@pytest.mark.parametrize(
    ("usage", "read_as"),
    [
        (None, None),
        ({}, None),
        ({"prompt_tokens": 5, "completion_tokens": 3}, Usage(5, 3)),
        ({"prompt_tokens": 5, "completion_tokens": None, "prompt_tokens_details": None}, Usage(5, 0)),
        (
            {
                "prompt_tokens": 5,
                "completion_tokens": 3,
                "prompt_tokens_details": {"cached_tokens": 4},
                "completion_tokens_details": {"reasoning_tokens": 2},
            },
            Usage(5, 3, 4, 2),
        ),
        ({"prompt_tokens": 5, "completion_tokens": 3, "cached_tokens": 1, "reasoning_tokens": 2}, Usage(5, 3, 1, 2)),
        (
            {"prompt_tokens": 5, "completion_tokens": 3, "output_tokens_details": {"reasoning_tokens": 3}},
            Usage(5, 3, 0, 3),
        ),
        ({"prompt_tokens": 5, "completion_tokens": 3, "cached_tokens": 9}, Usage(5, 3, 5)),
        ({"prompt_tokens": 5, "completion_tokens": 3, "cached_tokens": -1}, Usage(5, 3, 0)),
        ({"prompt_tokens": -5, "completion_tokens": 3}, None),
        ({"prompt_tokens": 5, "completion_tokens": -3}, None),
        ({"prompt_tokens": 5, "completion_tokens": 3, "reasoning_tokens": -1}, None),
        ({"prompt_tokens": 10**12, "completion_tokens": 3}, None),
        ({"prompt_tokens": 5, "completion_tokens": 10**30}, None),
    ],
)
def test_usage_is_read(usage, read_as):
    assert read(completion({"content": "x"}, usage=usage)).usage == read_as


@pytest.mark.parametrize(
    "content",
    [
        b"<html>",
        b"\xff\xfe",
        b"",
        b"[]",
        b"null",
        b'{"choices": []}',
        b'{"choices": [{}]}',
        b'{"choices": [{"message": "hm"}]}',
        b'{"choices": {"0": 1}}',
        b'{"choices": 1}',
        *(
            b'{"choices": [{"message": {"content": "x"}}], "usage": {"prompt_tokens": %s}}' % count
            for count in (
                b'"many"',
                b"Infinity",
                b"1e999",
                b"NaN",
                b"[1]",
                b'{"a": 1}',
                b"9" * 5000,
            )
        ),
        b'{"choices": [{"message": {"content": "x"}}], "usage": [1]}',
        b'{"choices": [{"message": {"content": "x"}}], "usage": {"prompt_tokens_details": 3}}',
        b"[" * 100_000,
        b'{"choices": [{"message": {"content": %s}}]}' % (b"[" * 100_000),
        b'{"error": {"message": "try later"}}',
    ],
)
def test_an_unreadable_answer_may_be_asked_for_again(content):
    with pytest.raises(Transient, match="cannot be read"):
        answer_of(content, shortened)


@pytest.mark.parametrize(
    ("fault", "text", "finish_reason", "refusal"),
    [
        ("refusal", "", "stop", REFUSAL),
        ("text_refusal", REFUSAL, "stop", None),
        ("filtered", "", "content_filter", None),
        ("truncate", '{"a": "o', "length", None),
        ("control_characters", '{"a": "one\n\ttwo"}', "stop", None),
        ("stop_token", '{"a": "one two"}<|im_end|>', "stop", None),
        ("empty", "", "stop", None),
    ],
)
def test_spoilt_answers_are_answers(transport, fault, text, finish_reason, refusal):
    with ChatStub(answer=lambda body: StubAnswer('{"a": "one two"}', model="m-2"), faults=fault) as stub:
        [answer] = run(at(stub.base_url), asked())
    assert (answer.text, answer.finish_reason, answer.refusal) == (text, finish_reason, refusal)
    assert (answer.model, answer.usage.prompt_tokens > 0) == ("m-2", True)


# Failure -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "kind", "words"),
    [
        ("rate_limit", Transient, "429: Rate limit reached"),
        ("rate_limit_date", Transient, "429: Rate limit reached"),
        ("no_quota", BackendDown, "Add credit"),
        ("server_error", Transient, "500: The server had an error"),
        ("overloaded", Transient, "503: The engine is overloaded"),
        ("bad_request", Rejected, "400: Invalid value: messages"),
        ("unauthorized", BackendDown, "Check the key in MY_KEY"),
        ("expired_token", BackendDown, "Check the key in MY_KEY"),
        ("forbidden", BackendDown, "which models it may use"),
        ("no_model", BackendDown, "models.aliases.<alias>.model"),
        ("policy", Refused, "content management policy"),
        ("hang", TimedOut, "did not answer within 0.2 s"),
        ("reset", Unreachable, "did not answer"),
        ("drop", Unreachable, "did not answer"),
        ("garbage", Transient, "cannot be read: '<html>"),
        ("no_choices", Transient, "cannot be read"),
    ],
)
def test_each_fault_is_what_it_is(transport, fault, kind, words):
    with ChatStub(faults=fault) as stub:
        failed = failure(at(stub.base_url, key_from="MY_KEY"), timeout_s=0.2 if fault == "hang" else 30.0)
        assert stub.asked.total() == 1  # no retries of the SDK's own
    assert type(failed) is kind
    assert words in str(failed)
    assert "within" not in str(failed) or fault == "hang"


def test_nothing_of_the_request_hangs_on_a_failure(transport):
    with ChatStub(faults="unauthorized") as stub:  # its words repeat the key
        failed = failure(at(stub.base_url))
    assert SECRET not in str(failed)
    assert "Incorrect API key provided: ***" in str(failed)
    assert (failed.__cause__, failed.__context__) == (None, None)


def test_other_secrets_of_the_environment_are_not_shown():
    with ChatStub(answer=lambda body: "", faults="unauthorized") as stub:
        failed = failure(at(stub.base_url, api_key=SecretStr("plain-old-key")), environ={"NVIDIA_API_KEY": "Incorrect"})
    assert str(failed).count("***") == 2


def test_known_secrets_are_not_kept_of_answers(transport):
    def echo(body):
        return StubAnswer(f'{{"a": "{SECRET}, and the bearer of news"}}', model=f"m-{SECRET}", finish_reason=SECRET)

    with ChatStub(answer=echo) as stub:
        [answer] = run(at(stub.base_url), asked())
    assert answer.text == '{"a": "***, and the bearer of news"}'
    assert (answer.model, answer.finish_reason) == ("m-***", "***")
    with ChatStub(answer=lambda body: StubAnswer(None, refusal=f"no {SECRET} and no other-secret")) as stub:
        [answer] = run(at(stub.base_url), asked(), environ={"NVIDIA_API_KEY": "other-secret"})
    assert answer.refusal == "no *** and no ***"


def test_a_long_wait_is_passed_on(transport):
    with ChatStub(faults=Faults(("rate_limit",), retry_after_s=77)) as stub:
        assert failure(at(stub.base_url)).retry_after_s == 77


@pytest.mark.parametrize(
    ("headers", "wait_s"),
    [
        ({}, None),
        ({"retry-after": "12"}, 12.0),
        ({"retry-after": "0"}, 0.0),
        ({"retry-after": "1.5"}, 1.5),
        ({"retry-after": "12", "retry-after-ms": "250"}, 0.25),
        ({"retry-after": "Thu, 01 Jan 1970 00:02:00 GMT"}, 20.0),
        ({"retry-after": "Thu, 01 Jan 1970 00:01:00 GMT"}, 0.0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-3"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "", "retry-after-ms": "x"}, None),
    ],
)
def test_retry_after_is_read(headers, wait_s):
    assert retry_after_s(headers, now=lambda: 100.0) == wait_s


@pytest.mark.parametrize(
    ("status", "body", "kind", "words"),
    [
        (408, {}, Transient, "408"),
        (409, {"error": {"message": "busy"}}, Transient, "409: busy"),
        (429, {"error": {"message": "token rate limit", "code": None}}, Transient, "token rate limit"),
        (429, {"error": {"message": "m", "type": "insufficient_quota"}}, BackendDown, "Add credit"),
        (502, "<html>Bad Gateway</html>", Transient, "502: <html>Bad Gateway"),
        (400, {"error": {"message": "m", "code": "content_policy_violation"}}, Refused, "m"),
        (403, {"error": {"message": "m", "innererror": {"code": "ResponsibleAIPolicyViolation"}}}, Refused, "m"),
        (400, "failed: ResponsibleAIPolicyViolation", Refused, "failed"),
        (400, {"object": "error", "message": "At most 16 images", "code": 400}, Rejected, "400: At most 16 images"),
        (422, {"detail": [{"loc": ["body", "seed"]}]}, Rejected, "seed"),
        (413, {"error": "too large"}, Rejected, "413: too large"),
        (413, [], Rejected, "413"),
        (500, "[" * 100_000, Transient, "500"),
        (400, '{"error": {"message": %s}}' % ("[" * 100_000), Rejected, "400"),
        (429, '{"error": {"message": 7, "code": Infinity}}', Transient, "429: 7"),
        (404, {"detail": "Not Found"}, BackendDown, "LOCAL_OPENAI_BASE_URL"),
        (401, "", BackendDown, "LOCAL_OPENAI_API_KEY"),
        (302, "", Rejected, "302"),
    ],
)
def test_each_status_is_what_it_is(status, body, kind, words):
    content = (body if isinstance(body, str) else json.dumps(body)).encode()
    failed = status_failure(status, content, {"retry-after": "3"}, SERVER, shortened)
    assert type(failed) is kind
    assert words in str(failed)
    assert getattr(failed, "retry_after_s", 3.0) == 3.0


@pytest.mark.parametrize(
    ("endpoint", "status", "words"),
    [
        (OPENAI, 401, "Check the key in OPENAI_API_KEY"),
        (OPENAI, 404, "OPENAI_BASE_URL"),
        (Endpoint("nvidia", "m", "https://n/v1"), 404, "NV_INFERENCE_URL"),
        (Endpoint("server", "m", "http://b/v1"), 401, "Set LOCAL_OPENAI_API_KEY to its key"),
        (Endpoint("azure", "m", "https://a/v1"), 401, "NVHOST_OAI_CLIENT_SECRET"),
        (Endpoint("server", "m", "http://user:hunter22@b/v1"), 401, "http://b/v1 answered 401"),
    ],
)
def test_the_mend_is_the_backend_s_own(endpoint, status, words):
    assert words in str(status_failure(status, b"", {}, endpoint, shortened))


def test_the_server_s_words_are_cut():
    failed = status_failure(400, json.dumps({"error": {"message": "long\n " * 1000}}).encode(), {}, SERVER, shortened)
    assert len(str(failed)) < 400
    assert str(failed).endswith("…")
    assert "\n" not in str(failed)


@contextlib.contextmanager
def port(listening):
    """A local port that takes connections and never answers, or that refuses them."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        if listening:
            held.listen()
        yield f"http://127.0.0.1:{held.getsockname()[1]}/v1"


def test_a_refused_connection_is_told_from_a_silent_one(transport):
    with port(listening=False) as url:
        refused = failure(at(url))
    with port(listening=True) as url:
        silent = failure(at(url), timeout_s=0.2)
    assert (type(refused), type(silent)) == (Unreachable, TimedOut)
    assert "Connect" in str(refused)
    assert "within 0.2 s" in str(silent)


@pytest.mark.parametrize(
    ("kind", "limit_s", "failed_as"), [("ConnectTimeout", 10, Unreachable), ("ReadTimeout", 600, TimedOut)]
)
def test_connections_have_a_shorter_limit_than_answers(kind, limit_s, failed_as):
    timed_out = getattr(httpx2, kind)("")
    timed_out.__cause__ = TimeoutError()
    error = openai.APITimeoutError(httpx2.Request("POST", "http://box:8000/v1"))
    error.__cause__ = timed_out
    failed = failure_of(error, SERVER, 600.0, shortened)
    assert type(failed) is failed_as
    assert str(failed) == f"http://box:8000/v1 did not answer within {limit_s} s."


@contextlib.contextmanager
def full_port():
    """A local port whose queue of connections is full, so that connecting takes for ever."""
    with contextlib.ExitStack() as held:
        server = held.enter_context(socket.socket())
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        for _ in range(4):
            waiting = held.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(server.getsockname())
        yield f"http://127.0.0.1:{server.getsockname()[1]}/v1"


def test_a_connection_that_is_never_made_is_no_timeout_of_the_request(transport, monkeypatch):
    monkeypatch.setattr(chat_completions, "_CONNECT_S", 0.2)
    with full_port() as url:
        failed = failure(at(url))
    assert type(failed) is Unreachable
    assert "within 0.2 s" in str(failed)


async def _replying(content, ask, end=True):
    """Runs `ask(base_url)` beside a server that sends `content` to whatever it reads."""

    async def reply(reader, writer):
        with contextlib.suppress(ConnectionError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(content)
            if end:
                writer.close()

    server = await asyncio.start_server(reply, "127.0.0.1", 0)
    async with server:
        return await ask(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1")


async def _asked_at(base_url, timeout_s=30.0):
    client = ChatCompletions(at(base_url), {})
    try:
        return await client.ask(asked(), timeout_s)
    finally:
        await client.close()


def test_what_is_no_http_is_unreachable(transport):
    with pytest.raises(Unreachable):
        asyncio.run(_replying(b"SSH-2.0-OpenSSH_9.2\r\n", _asked_at))


def test_an_answer_that_trickles_in_ends_with_the_attempt(transport):
    """The limit holds for the whole attempt, not for each piece of the answer."""

    async def dribble(reader, writer):
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        with contextlib.suppress(ConnectionError):
            while not reader.at_eof():
                writer.write(b" ")
                await writer.drain()
                await asyncio.sleep(0.01)
        writer.close()

    async def ask():
        async with await asyncio.start_server(dribble, "127.0.0.1", 0) as server:
            await _asked_at(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1", 0.3)

    with pytest.raises(Unreachable, match=r"within 0\.3 s"):
        asyncio.run(ask())


# Reachable -----------------------------------------------------------------------------------------------------------


async def _looked_at(base_url):
    client = ChatCompletions(at(base_url), {})
    try:
        await client.reachable()
    finally:
        await client.close()


def test_a_server_that_is_there_is_reachable(transport):
    with ChatStub() as stub:
        asyncio.run(_looked_at(stub.base_url))
        assert [seen.path for seen in stub.requests] == ["/v1/models"]


NO_MONEY = b'{"error": {"code": "insufficient_quota"}}'


@pytest.mark.parametrize(
    "reply",
    [
        b"503 Busy\r\nContent-Length: 0\r\n\r\n",
        b"404 Not Found\r\nContent-Length: 0\r\n\r\n",
        b"405 Method Not Allowed\r\nContent-Length: 0\r\n\r\n",
        b"429 Too Many\r\nRetry-After: 999\r\nContent-Length: %d\r\n\r\n%s" % (len(NO_MONEY), NO_MONEY),
        b"200 OK\r\nContent-Length: 6\r\n\r\n<html>",
        b"200 OK\r\nContent-Length: 9999\r\n\r\ncut off",
        b"",
    ],
)
def test_a_server_that_says_anything_or_breaks_off_is_reachable(transport, reply):
    asyncio.run(_replying(b"HTTP/1.1 " * bool(reply) + reply, _looked_at))


def test_a_server_that_takes_its_time_is_reachable(transport, monkeypatch):
    monkeypatch.setattr(chat_completions, "_REACHABLE_S", 0.2)
    with port(listening=True) as url:
        asyncio.run(_looked_at(url))


@contextlib.contextmanager
def no_such_host():
    yield "http://nowhere.invalid/v1"


@pytest.mark.parametrize("nowhere", [lambda: port(listening=False), full_port, no_such_host])
def test_a_server_that_is_not_there_is_named_with_the_mend(transport, nowhere, monkeypatch):
    monkeypatch.setattr(chat_completions, "_REACHABLE_S", 0.2 if nowhere is full_port else 5.0)
    with nowhere() as url, pytest.raises(BackendDown, match=r"Start the server, or set .*base_url") as down:
        asyncio.run(_looked_at(url))
    assert url in str(down.value)
    assert (down.value.__cause__, down.value.__context__) == (None, None)


@pytest.mark.parametrize("status", [b"401 Unauthorized", b"403 Forbidden"])
def test_wrong_keys_are_found_early(transport, status):
    with pytest.raises(BackendDown, match=status[:3].decode()) as down:
        asyncio.run(_replying(b"HTTP/1.1 %s\r\nContent-Length: 0\r\n\r\n" % status, _looked_at))
    assert (down.value.__cause__, down.value.__context__) == (None, None)
