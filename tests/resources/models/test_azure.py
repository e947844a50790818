"""Tokens of NVIDIA-hosted Azure: fetched, used, renewed, never shown."""

from __future__ import annotations

import asyncio
import contextlib
from urllib.parse import parse_qs

import pytest
from pydantic import SecretStr

from resources.models.azure import AzureChatCompletions
from resources.models.endpoints import Endpoint
from resources.models.failures import BackendDown, Transient, Unreachable
from resources.models.request import ChatRequest, Message, Sampling, Text
from tests.chat_stub import ChatStub

ID, SECRET = "client-id-of-mine", "client-secret-of-mine"


def client(stub, **changes):
    endpoint = Endpoint(
        "azure",
        "gpt-5",
        f"{stub.base_url}/azure/openai",
        client_id=SecretStr(ID),
        client_secret=SecretStr(SECRET),
        gpt5_family=True,
    )
    return AzureChatCompletions(endpoint, {}, **{"token_url": f"{stub.base_url}/token", **changes})


def asked(key="k"):
    return ChatRequest(key, "gpt5", [Message("user", (Text("hello"),))], Sampling(10))


def run(azure, times=1, before=lambda number: None):
    """Asks one request after the other, `before(number)` ahead of each."""

    async def ask():
        try:
            for number in range(times):
                before(number)
                answer = await azure.ask(asked(), 30)
            return answer
        finally:
            await azure.close()

    return asyncio.run(ask())


def tokens_asked_for(stub):
    return [seen for seen in stub.requests if seen.path.endswith("/token")]


def test_a_token_is_fetched_once_and_signs_requests(monkeypatch):
    for name in ("OPENAI_ORG_ID", "OPENAI_PROJECT_ID", "AZURE_OPENAI_API_KEY", "AZURE_OPENAI_AD_TOKEN"):
        monkeypatch.setenv(name, "of another account")
    with ChatStub() as stub:
        run(client(stub), times=3)
        [asked_for], chats = tokens_asked_for(stub), stub.chats
    assert parse_qs(asked_for.raw.decode()) == {
        "grant_type": ["client_credentials"],
        "client_id": [ID],
        "client_secret": [SECRET],
        "scope": ["azureopenai-readwrite"],
    }
    assert {seen.path for seen in chats} == {"/v1/azure/openai/deployments/gpt-5/chat/completions"}
    assert {seen.query for seen in chats} == {"api-version=2025-01-01-preview"}
    assert [seen.headers["api-key"] for seen in chats] == ["token-1"] * 3
    assert not any("of another account" in seen.headers.values() for seen in chats)
    assert {seen.key for seen in chats} == {"k"}
    assert (chats[0].body["model"], chats[0].body["max_completion_tokens"]) == ("gpt-5", 10)


def test_requests_at_the_same_time_share_one_token():
    with ChatStub() as stub:

        async def ask():
            azure = client(stub)
            await asyncio.gather(*(azure.ask(asked(f"k{number}"), 30) for number in range(10)))
            await azure.close()

        asyncio.run(ask())
        assert (len(tokens_asked_for(stub)), len(stub.chats)) == (1, 10)


@pytest.mark.parametrize(
    ("lifetime_s", "elapsed_s", "tokens"),
    [(3600, 3539, 1), (3600, 3541, 2), (50, 44, 1), (50, 46, 2)],
)
def test_a_token_is_renewed_before_it_runs_out(lifetime_s, elapsed_s, tokens):
    now = [1000.0]

    def before(number):
        now[0] += elapsed_s * number

    with ChatStub() as stub:
        stub.token_lifetime_s = lifetime_s
        run(client(stub, clock=lambda: now[0]), times=2, before=before)
        assert len(tokens_asked_for(stub)) == tokens
        assert stub.chats[-1].headers["api-key"] == f"token-{tokens}"


def test_a_token_without_an_end_is_kept():
    now = [0.0]
    with ChatStub() as stub:
        stub.token_lifetime_s = None
        run(client(stub, clock=lambda: now[0]), times=2, before=lambda number: now.__setitem__(0, number * 1e9))
        assert len(tokens_asked_for(stub)) == 1


def test_an_expired_token_is_renewed_and_the_request_sent_again():
    with ChatStub(faults=[None, "expired_token"]) as stub:
        run(client(stub), times=2)
        assert [seen.headers["api-key"] for seen in stub.chats] == ["token-1", "token-1", "token-2"]
        assert [seen.outcome for seen in stub.chats] == ["answered", "expired_token", "answered"]


def test_a_token_that_others_renewed_is_not_renewed_again():
    with ChatStub(faults=["expired_token"] * 5) as stub:

        async def ask():
            azure = client(stub)
            await asyncio.gather(*(azure.ask(asked(f"k{number}"), 30) for number in range(5)))
            await azure.close()

        stub.hold()

        async def together():
            asking = asyncio.create_task(ask())
            await asyncio.to_thread(stub.wait_for_asked, 5)
            stub.release()
            await asking

        asyncio.run(together())
        assert len(tokens_asked_for(stub)) == 2
        assert [seen.headers["api-key"] for seen in stub.chats] == ["token-1"] * 5 + ["token-2"] * 5


def test_a_token_is_renewed_once_only():
    with ChatStub(faults="expired_token") as stub:
        with pytest.raises(BackendDown, match="NVHOST_OAI_CLIENT_SECRET"):
            run(client(stub))
        assert (len(stub.chats), len(tokens_asked_for(stub))) == (2, 2)


def test_other_refusals_of_the_credentials_are_final():
    with ChatStub(faults="unauthorized") as stub:  # its words repeat the token
        with pytest.raises(BackendDown) as down:
            run(client(stub))
        assert (len(stub.chats), len(tokens_asked_for(stub))) == (1, 1)
    assert "token-1" not in str(down.value)
    assert "***" in str(down.value)


def test_the_token_in_use_is_not_kept_of_answers():
    with ChatStub(answer=lambda body: "token-102 it is, no more token-101", faults=[None, "expired_token"]) as stub:
        stub._tokens = 100
        assert run(client(stub), times=2).text == "*** it is, no more token-101"


def test_refused_credentials_are_told_with_the_mend():
    with ChatStub() as stub:
        stub.token_status = 403
        with pytest.raises(BackendDown, match=r"/token answered 403: .*invalid_client.*NVHOST_OAI_CLIENT_ID") as down:
            run(client(stub))
        assert stub.chats == []
    assert SECRET not in str(down.value)
    assert (down.value.__cause__, down.value.__context__) == (None, None)


def test_an_answer_without_a_token_is_told():
    with ChatStub() as stub, pytest.raises(BackendDown, match="200 without one"):
        run(client(stub, token_url=f"{stub.base_url}/models"))


@pytest.mark.parametrize(
    ("status", "kind"),
    [(408, Transient), (429, Transient), (500, Transient), (503, Transient)]
    + [(status, BackendDown) for status in (302, 400, 401, 403, 404, 409, 422)],
)
def test_a_busy_token_server_may_be_asked_again_and_one_that_says_no_may_not(status, kind):
    with ChatStub() as stub:
        stub.token_status = status
        with pytest.raises(kind, match=f"No access token: .*/token answered {status}") as failed:
            run(client(stub))
    assert type(failed.value) is kind
    assert ("NVHOST_OAI_CLIENT_ID" in str(failed.value)) == (kind is BackendDown)
    assert (failed.value.__cause__, failed.value.__context__) == (None, None)


def granting(content, ask):
    """Asks while a server of tokens answers with `content` only."""

    async def reply(reader, writer):
        with contextlib.suppress(ConnectionError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(content)
            writer.close()

    async def run_both():
        async with await asyncio.start_server(reply, "127.0.0.1", 0) as server:
            return await ask(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/token")

    return asyncio.run(run_both())


def test_the_wait_that_the_token_server_asks_for_is_passed_on():
    async def ask(url):
        azure = client(stub, token_url=url)
        try:
            await azure.ask(asked(), 30)
        finally:
            await azure.close()

    with ChatStub() as stub, pytest.raises(Transient) as failed:
        granting(b"HTTP/1.1 429 X\r\nRetry-After: 17\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", ask)
    assert failed.value.retry_after_s == 17


@pytest.mark.parametrize("lifetime", ["soon", [], -5, 0])
def test_a_lifetime_that_says_nothing_is_for_ever(lifetime):
    now = [0.0]
    with ChatStub() as stub:
        stub.token_lifetime_s = lifetime
        run(client(stub, clock=lambda: now[0]), times=2, before=lambda number: now.__setitem__(0, number * 1e9))
        assert len(tokens_asked_for(stub)) == 1


def test_an_unreachable_token_server_is_named_and_may_be_asked_again():
    url = "http://127.0.0.1:1/token"
    with ChatStub() as stub, pytest.raises(Unreachable, match=url) as failed:
        run(client(stub, token_url=url))
    assert type(failed.value) is Unreachable
    assert SECRET not in str(failed.value)
    assert (failed.value.__cause__, failed.value.__context__) == (None, None)
