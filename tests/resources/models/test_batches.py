"""Batches at a server: what is handed in, how they are found again, and what each line of the results becomes."""

from __future__ import annotations

import asyncio
import io
import json

import pytest
from pydantic import SecretStr

from resources.models import chat_completions
from resources.models.batches import Batch, open_batches
from resources.models.chat_completions import ChatCompletions, request_body
from resources.models.endpoints import Endpoint
from resources.models.failures import BackendDown, Refused, Rejected, Transient, Unreachable
from resources.models.request import ChatAnswer, ChatRequest, Image, Message, Sampling, Text, Usage, Video
from tests.chat_stub import BatchPlan, ChatStub
from tests.chat_stub.faults import ERRORS

SECRET = "sk-never-to-be-seen"
SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"], "additionalProperties": False}


@pytest.fixture(params=["own", "aiohttp"])
def transport(request, monkeypatch):
    """Both ways of sending requests must behave the same."""
    if request.param == "own":
        monkeypatch.setattr(chat_completions, "http_client", lambda: None)
    else:
        pytest.importorskip("aiohttp")


def endpoint(base_url="http://127.0.0.1:9/v1", **changes):
    values = {"backend": "server", "model_id": "m", "api_key": SecretStr(SECRET), "key_from": "MY_KEY"}
    return Endpoint(**{**values, **changes}, base_url=base_url)


def asked(key, text="what"):
    parts = (Text(text), Image(4, 2, b"jpeg"), Video(4, 2, 16, b"mp4"))
    return ChatRequest(key, "alias", [Message("user", parts)], Sampling(99), SCHEMA, "causes")


def using(at, use):
    """Runs `use(batches)` and closes the client."""

    async def run():
        batches = open_batches(at, {}, 30.0)
        try:
            return await use(batches)
        finally:
            await batches.close()

    return asyncio.run(run())


async def started(batches, *requests, metadata=None):
    lines = b"".join(map(batches.line, requests))
    return await batches.create(await batches.upload(io.BytesIO(lines)), metadata or {})


async def ended(batches, batch):
    while not (batch := await batches.look(batch.batch_id)).ended:
        pass
    return batch


def run_through(stub, *requests):
    """The batch at its end, and its results."""

    async def use(batches):
        batch = await ended(batches, await started(batches, *requests))
        return batch, await batches.results(batch)

    return using(endpoint(stub.base_url), use)


# What is handed in ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "at",
    [endpoint(thinking=False), endpoint(backend="openai"), endpoint(backend="openai", gpt5_family=True)],
    ids=["server", "openai", "gpt5"],
)
def test_a_line_holds_what_a_single_request_would(at):
    line = open_batches(at, {}, 1.0).line(asked("k1"))
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert json.loads(line) == {
        "custom_id": "k1",
        "method": "POST",
        "url": "/v1/chat/completions",
        "body": request_body(asked("k1"), at),
    }


def test_the_file_that_is_handed_in_holds_the_lines(transport):
    with ChatStub() as stub:
        batch = using(
            endpoint(stub.base_url), lambda batches: started(batches, asked("k1"), asked("k2"), metadata={"a": "b"})
        )
        name, content = stub.batches.files[stub.batches.batches[batch.batch_id]["input_file_id"]]
        told = [seen for seen in stub.requests if seen.path.endswith("/files")]
    assert name.endswith(".jsonl")
    assert [json.loads(line)["custom_id"] for line in content.splitlines()] == ["k1", "k2"]
    assert batch == Batch(batch.batch_id, "validating", {"a": "b"})
    assert told[0].api_key == SECRET


@pytest.mark.parametrize("kind", ["picture", "video"])
def test_pictures_on_disk_are_refused(kind, tmp_path):
    part = Image(4, 2, path=tmp_path / "a.jpg") if kind == "picture" else Video(4, 2, 16, path=tmp_path / "a.mp4")
    request = ChatRequest("k", "alias", [Message("user", (part,))], Sampling(9))
    with pytest.raises(ValueError, match="transport to base64"):
        open_batches(endpoint(), {}, 1.0).line(request)


# What comes back -----------------------------------------------------------------------------------------------------


def test_answers_are_those_of_single_requests_whatever_their_order(transport):
    requests = [asked(f"k{number}", f"question {number}") for number in range(9)]

    async def single(at):
        client = ChatCompletions(at, {})
        try:
            return {request.key: await client.ask(request, 30.0) for request in requests}
        finally:
            await client.close()

    with ChatStub(cached_tokens=7) as stub:
        batch, results = run_through(stub, *requests)
        assert results == asyncio.run(single(endpoint(stub.base_url)))
    assert list(results) != [request.key for request in requests]
    assert (batch.state, batch.served, batch.words) == ("completed", 9, "")
    assert results["k0"].usage.cached_tokens == 7


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ("policy", Refused),
        ("bad_request", Rejected),
        ("server_error", Transient),
        ("rate_limit", Transient),
        ("no_quota", BackendDown),
        ("no_model", BackendDown),
        ("truncate", ChatAnswer),
        ("refusal", ChatAnswer),
    ],
)
def test_a_line_that_failed_is_what_a_single_request_would_be(fault, kind):
    with ChatStub(batch=BatchPlan(polls=1, line_faults={"k1": fault})) as stub:
        _, results = run_through(stub, asked("k1"), asked("k2"))
    assert type(results["k1"]) is kind
    assert isinstance(results["k2"], ChatAnswer)
    if fault in ERRORS:
        assert ERRORS[fault][1]["error"]["message"][:20] in str(results["k1"])


def test_lines_that_were_not_run_are_worth_another_attempt():
    with ChatStub(batch=BatchPlan(polls=1, end="expired")) as stub:
        batch, results = run_through(stub, *(asked(f"k{number}") for number in range(4)))
    kinds = sorted(type(result).__name__ for result in results.values())
    assert (batch.state, kinds) == ("expired", ["ChatAnswer", "ChatAnswer", "Transient", "Transient"])
    assert any("completion window" in str(result) for result in results.values())


def test_a_batch_that_is_not_valid_says_why():
    with ChatStub(batch=BatchPlan(polls=1, end="failed")) as stub:
        batch, results = run_through(stub, asked("k1"))
    assert (batch.state, batch.words, batch.too_much, results) == ("failed", "The batch is not valid.", False, {})


@pytest.mark.parametrize(
    ("line", "kept"),
    [
        (b"no json", set()),
        (b'{"response": {"status_code": 200}}', set()),
        (b'"text"', set()),
        (b'{"custom_id": "k", "response": {"status_code": 200, "body": {"choices": []}}}', {"k"}),
        (b'{"custom_id": "k", "response": null, "error": null}', {"k"}),
        (b'{"custom_id": "k", "response": {"status_code": Infinity}}', {"k"}),
        (b'{"custom_id": "k", "response": {"status_code": "many"}}', {"k"}),
        (b'{"custom_id": "k", "response": {}, "error": "text"}', {"k"}),
        (b'{"custom_id": "k", "response": [1]}', {"k"}),
        (b"[" * 100_000, set()),
        (
            b'{"custom_id": "k", "response": {"status_code": 200, "body": {"choices": [{"message": {"content": "x"}}], '
            b'"usage": {"prompt_tokens": 1e999}}}}',
            {"k"},
        ),
    ],
)
def test_what_cannot_be_read_is_no_answer(line, kept):
    async def use(batches):
        return await batches.results(Batch("b", "completed", {}, files=("file-1",)))

    with ChatStub() as stub:
        stub.batches.files["file-1"] = ("output.jsonl", line + b"\n")
        results = using(endpoint(stub.base_url), use)
    assert set(results) == kept
    assert all(type(result) is Transient for result in results.values())


def test_known_secrets_are_not_kept_of_answers():
    body = {"model": f"m {SECRET}", "choices": [{"message": {"content": f"it is {SECRET}"}, "finish_reason": "stop"}]}
    line = {"custom_id": "k", "response": {"status_code": 200, "body": body}, "error": None}
    with ChatStub() as stub:
        stub.batches.files["file-1"] = ("output.jsonl", json.dumps(line).encode())
        results = using(
            endpoint(stub.base_url), lambda batches: batches.results(Batch("b", "completed", {}, files=("file-1",)))
        )
    assert results == {"k": ChatAnswer("it is ***", "stop", "m ***")}


def test_a_line_without_usage_is_an_answer_all_the_same():
    body = {"model": "m", "choices": [{"message": {"content": "yes"}, "finish_reason": "stop"}], "usage": None}
    line = {"custom_id": "k", "response": {"status_code": 200, "body": body}, "error": None}
    with ChatStub() as stub:
        stub.batches.files["file-1"] = ("output.jsonl", json.dumps(line).encode())
        results = using(
            endpoint(stub.base_url), lambda batches: batches.results(Batch("b", "completed", {}, files=("file-1",)))
        )
    assert results == {"k": ChatAnswer("yes", "stop", "m")}
    assert Usage(0, 0) != results["k"].usage


# Found again ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", [1, 2, 100])
def test_a_batch_is_found_by_its_metadata(page, monkeypatch):
    monkeypatch.setattr("resources.models.batches._PAGE", page)
    marks = ["x", "y", "x", "z", "y"]

    async def use(batches):
        ids = [(await started(batches, asked("k"), metadata={"coc": mark, "n": "1"})).batch_id for mark in marks]
        await started(batches, asked("k"))

        async def found(mark, *known):
            batch = await batches.find({"coc": mark}, frozenset(known))
            return None if batch is None else ids.index(batch.batch_id)

        return [
            await found("x"),
            await found("x", ids[2]),
            await found("x", ids[0], ids[2]),
            await found("y"),
            await found("none"),
        ]

    with ChatStub() as stub:
        assert using(endpoint(stub.base_url), use) == [2, 0, None, 4, None]


# Not served ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("backend", ["azure", "nvidia", "vllm", "dummy"])
def test_other_backends_take_no_batches(backend):
    with pytest.raises(BackendDown, match=rf"models\.batch is on, but backend {backend} .*Set models\.batch to false"):
        open_batches(endpoint(backend=backend), {}, 1.0)


def test_a_server_that_takes_batches_is_told_from_one_that_does_not(transport):
    with ChatStub() as stub:
        using(endpoint(stub.base_url), lambda batches: batches.require())
        elsewhere = stub.base_url.replace("/v1", "/nowhere/v1")
        with pytest.raises(BackendDown, match=r"serves no batches\. Set models\.batch to false") as down:
            using(endpoint(elsewhere), lambda batches: batches.require())
    assert elsewhere in str(down.value)
    assert (down.value.__cause__, down.value.__context__) == (None, None)


@pytest.mark.parametrize("what", ["look", "results"])
def test_a_batch_of_another_account_is_named_with_the_mend(what):
    async def use(batches):
        if what == "look":
            await batches.look("batch_77")
        else:
            await batches.results(Batch("batch_77", "completed", {}, files=("file-77",)))

    with ChatStub() as stub, pytest.raises(BackendDown, match=r"_77|-77") as down:
        using(endpoint(stub.base_url), use)
    assert "MY_KEY" in str(down.value)


def test_a_server_that_is_not_there_is_unreachable():
    with pytest.raises(Unreachable):
        using(endpoint(), lambda batches: batches.require())


REPLIES = [
    (401, b'{"error": {"message": "Incorrect API key provided: %s."}}' % SECRET.encode(), BackendDown),
    (400, b'{"error": {"message": "No file for %s.", "code": "invalid"}}' % SECRET.encode(), BackendDown),
    (503, b"%s is busy" % SECRET.encode(), Transient),
    (200, b"<html>%s" % SECRET.encode(), Transient),
    (200, b"[]", Transient),
    (200, b"[" * 100_000, Transient),
    (200, b"{}", Transient),
    (200, b'{"id": "b", "status": "x", "request_counts": {"completed": 1e999}}', Transient),
    (200, b'{"id": "b", "status": "x", "errors": {"data": ["x"]}}', Transient),
]


@pytest.mark.parametrize(("status", "content", "kind"), REPLIES, ids=[f"{row[0]} {row[1][:20]!r}" for row in REPLIES])
def test_failures_have_their_kind_and_hold_no_secret(status, content, kind):
    async def reply(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        head = b"HTTP/1.1 %d X\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % (status, len(content))
        writer.write(head + content)
        writer.close()

    async def ask():
        async with await asyncio.start_server(reply, "127.0.0.1", 0) as server:
            batches = open_batches(endpoint(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"), {}, 30.0)
            try:
                await batches.create("file-1", {"coc": "x"})
            finally:
                await batches.close()

    with pytest.raises(kind) as failed:
        asyncio.run(ask())
    assert type(failed.value) is kind
    assert SECRET not in str(failed.value)
