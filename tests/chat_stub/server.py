"""The stub itself."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import replace
from email.utils import formatdate
from pathlib import Path
from typing import Any

from tests.chat_stub.answers import Answer, Json, StubAnswer, counted, default_answer, schema_name_of
from tests.chat_stub.batches import Batches, BatchPlan
from tests.chat_stub.faults import ANSWER_FAULTS, ERRORS, SENT_KEY, FaultName, Faults, faults_of, spoilt
from tests.chat_stub.http import Reply, Seen, json_reply, missing, read_request


class ChatStub:
    """The server, in a thread of its own while the `with` block runs.

    Attributes:
        answers: what is answered by name of the request's JSON schema; tests add to it. Others get `default_answer`.
        faults: may be replaced while it runs.
        token_status: what requests for an access token (any path ending in /token) get; 200 gives token-1, token-2, …
    """

    def __init__(
        self,
        latency_s: float = 0.0,
        answer: Answer | None = None,
        faults: Faults | FaultName | Sequence[FaultName | None] | None = None,
        seed: int = 0,
        *,
        answers: Mapping[str, Answer] | None = None,
        models: Sequence[str] = ("stub-model",),
        batch: BatchPlan | None = None,
        cached_tokens: int = 0,
        held: bool = False,
        keep_bodies: bool = True,
        port: int = 0,
        log: Path | None = None,
    ) -> None:
        """
        Args:
            answer: says everything; unset: `answers`, then `default_answer`.
            faults: a name for every request, a list for the first ones, or `Faults`.
            models: what GET /models lists.
            cached_tokens: prompt tokens of each request that count as cached.
            held: as after `hold()`.
            keep_bodies: off for long runs.
            log: gets one JSON line a chat request, when it is over.
        """
        self.answers: dict[str, Answer] = dict(answers or {})
        self.faults = faults_of(faults)
        self.token_status = 200
        self.token_lifetime_s = 3600
        self.batches = Batches(batch or BatchPlan(), self._completion)
        self.latency_s, self._answer, self._seed = latency_s, answer, seed
        self._models, self._cached_tokens, self._keep_bodies = tuple(models), cached_tokens, keep_bodies
        self._port, self._held, self._log = port, held, log
        self._requests: list[Seen] = []
        self._asked: Counter[str] = Counter()
        self._answered: Counter[str] = Counter()
        self._faulted: Counter[str] = Counter()
        self._tokens = self._chats = self._in_flight = self._most_in_flight = 0
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    # -- what a test looks at

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self._port}/v1"

    @property
    def requests(self) -> list[Seen]:
        """All that was asked of it, in order of arrival."""
        with self._changed:
            return list(self._requests)

    @property
    def chats(self) -> list[Seen]:
        """The chat requests among `requests`."""
        return [seen for seen in self.requests if seen.path.endswith("/chat/completions")]

    @property
    def asked(self) -> Counter[str]:
        """How often each key was asked for a chat completion."""
        with self._changed:
            return self._asked.copy()

    @property
    def answered(self) -> Counter[str]:
        """How often each key got a whole chat completion."""
        with self._changed:
            return self._answered.copy()

    @property
    def in_flight(self) -> int:
        return self._in_flight

    @property
    def most_in_flight(self) -> int:
        """The most chat requests that it ever had at a time."""
        return self._most_in_flight

    def wait_until(self, true: Callable[[], bool], timeout_s: float = 30.0) -> None:
        """Blocks until it is true, looking whenever a chat request comes or goes."""
        with self._changed:
            assert self._changed.wait_for(true, timeout_s), f"not within {timeout_s} s; asked: {self._asked.total()}"

    def wait_for_asked(self, count: int, timeout_s: float = 30.0) -> None:
        """Blocks until it was asked for so many chat completions."""
        self.wait_until(lambda: self._asked.total() >= count, timeout_s)

    def hold(self) -> None:
        """Lets chat requests wait for `release`."""
        self._loop.call_soon_threadsafe(self._gate.clear)

    def release(self) -> None:
        self._loop.call_soon_threadsafe(self._gate.set)

    # -- running

    def __enter__(self) -> ChatStub:
        ready: Future[int] = Future()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve(ready)), name="chat-stub", daemon=True)
        self._thread.start()
        self._port = ready.result(timeout=30)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        assert self._thread
        self._thread.join(timeout=30)

    async def _serve(self, ready: Future[int]) -> None:
        self._loop, self._stop, self._gate = asyncio.get_running_loop(), asyncio.Event(), asyncio.Event()
        self._connections: set[asyncio.Task[Any]] = set()
        if not self._held:
            self._gate.set()
        try:
            server = await asyncio.start_server(self._connection, "127.0.0.1", self._port, limit=1 << 20, backlog=1024)
        except OSError as error:
            ready.set_exception(error)
            return
        ready.set_result(server.sockets[0].getsockname()[1])
        await self._stop.wait()
        server.close()
        for connection in self._connections:
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
        await asyncio.sleep(0)  # the turn in which transports close their sockets

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        self._connections.add(task)
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
                while await self._exchange(reader, writer):
                    pass
        finally:
            self._connections.discard(task)
            writer.transport.abort()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """One request and its reply; False ends the connection."""
        seen = await read_request(reader)
        with self._changed:
            self._requests.append(seen)
        if seen.method == "POST" and seen.path.endswith("/chat/completions"):
            keep = await self._chat(seen, reader, writer)
        else:
            writer.write(self._other(seen).encoded())
            keep = True
        await writer.drain()
        return keep and seen.headers.get("connection", "").lower() != "close"

    def _other(self, seen: Seen) -> Reply:
        if seen.path.endswith("/models"):
            rows = [{"id": name, "object": "model", "created": 0, "owned_by": "stub"} for name in self._models]
            return json_reply({"object": "list", "data": rows})
        if seen.path.endswith("/token"):
            return self._token()
        found = self.batches.route(seen.method, seen.path, seen.query, seen.headers, seen.raw)
        return found or missing("path", f"{seen.method} {seen.path}")

    def _token(self) -> Reply:
        if self.token_status != 200:
            return json_reply({"error": "invalid_client"}, self.token_status)
        self._tokens += 1
        return json_reply({"access_token": f"token-{self._tokens}", "expires_in": self.token_lifetime_s})

    # -- chat completions

    async def _chat(self, seen: Seen, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        fault = self._arrived(seen)
        outcome, content = "lost", b""
        try:
            await self._gate.wait()
            if self.latency_s:
                await asyncio.sleep(self.latency_s)
            if fault == "hang":
                outcome = "hang"
                await reader.read(1)
            elif not reader.at_eof() and not writer.is_closing():
                content = self._content(seen, fault)
                outcome = fault or "answered"
        finally:
            self._over(seen, outcome)  # before the client has its answer, and asks us what we saw
        writer.write(content)
        if fault == "drop":
            writer.close()
        return bool(content) and fault != "drop"

    def _arrived(self, seen: Seen) -> FaultName | None:
        key = seen.key
        with self._changed:
            fault = self.faults.draw(self._chats, key, self._asked[key], self._faulted[key], self._seed)
            self._chats += 1
            self._asked[key] += 1
            self._faulted[key] += fault is not None
            self._in_flight += 1
            self._most_in_flight = max(self._most_in_flight, self._in_flight)
            self._changed.notify_all()
        return fault

    def _content(self, seen: Seen, fault: FaultName | None) -> bytes:
        """All that is sent for a request; nothing where the connection just ends."""
        if fault == "reset":
            return b""
        content = self._reply(seen, fault).encoded()
        seen.answered = fault is None or fault in ANSWER_FAULTS
        return content[:-20] if fault == "drop" else content

    def _reply(self, seen: Seen, fault: FaultName | None) -> Reply:
        if fault in ERRORS:
            status, body = ERRORS[fault]
            reply = json_reply(body, status)
            said = reply.body.replace(SENT_KEY.encode(), seen.api_key.encode())
            return replace(reply, body=said, headers=self._retry_after(fault))
        if fault == "garbage":
            return Reply(200, b"<html>upstream connect error</html>")
        if fault == "no_choices":
            return json_reply({"object": "chat.completion", "choices": []})
        return json_reply(self._completion(seen.body, fault))

    def _retry_after(self, fault: FaultName | None) -> dict[str, str]:
        if fault == "rate_limit":
            return {"retry-after": f"{self.faults.retry_after_s:g}"}
        if fault == "rate_limit_date":
            return {"retry-after": formatdate(time.time() + self.faults.retry_after_s, usegmt=True)}
        return {}

    def _completion(self, body: Json, fault: FaultName | None) -> Json:
        said = (self._answer or self.answers.get(schema_name_of(body)) or default_answer)(body)
        answer = spoilt(said if isinstance(said, StubAnswer) else StubAnswer(said), fault)
        message = {"role": "assistant", "content": answer.text, "refusal": answer.refusal}
        return {
            "id": "chatcmpl-stub",
            "object": "chat.completion",
            "created": 0,
            "model": answer.model or body.get("model", "stub-model"),
            "choices": [{"index": 0, "message": message, "finish_reason": answer.finish_reason}],
            "usage": answer.usage or counted(body, answer.text or "", self._cached_tokens),
        }

    def _over(self, seen: Seen, outcome: str) -> None:
        if self._log:
            row = {"key": seen.key, "model": seen.body.get("model"), "outcome": outcome}
            row |= {"schema": schema_name_of(seen.body), "answered": seen.answered}
            with self._log.open("a") as file:  # closed at once, so that the line is there when a test kills us
                file.write(json.dumps(row) + "\n")
        with self._changed:
            seen.outcome = outcome
            if not self._keep_bodies:
                seen.raw = b""
            self._answered[seen.key] += seen.answered
            self._in_flight -= 1
            self._changed.notify_all()
