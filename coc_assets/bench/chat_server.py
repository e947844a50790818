"""A chat-completions server for the benchmark: fixed answers after a fixed latency, as little work a request as can be.

    python -m coc_assets.bench.chat_server --latency 0.05

prints its base URL and serves until its standard input ends, so it never outlives whoever started it. The step that is
asked for is found by looking for the schema's name in the body; nothing is parsed. GET /v1/figures tells what it was
asked since the last time, and starts anew.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections import Counter
from collections.abc import Mapping
from typing import Any

MODEL = "bench-vlm"
_HEAD_END = b"\r\n\r\n"
_LENGTH = b"content-length:"
_SCHEMA_NAME = b'"json_schema": {"name": "'

_DECISION = {
    "perception": "A white van drives ahead in the ego lane and brakes; the lane has solid markings.",
    "prediction": "The van goes on braking.",
    "longitudinal_decision": "lead_obstacle_following",
    "lateral_decision": "lane_keeping",
    "lateral_direction": "none",
    "scenario": "slow_for_lead",
    "causes": [1, 2],
    "route_and_rules": [],
    "planning": "Slow down behind the van and stay in the lane.",
    "justification": "The van ahead brakes, so the gap to it shrinks.",
    "trace": "Slow down and stay in the lane because the van ahead brakes.",
}
ANSWERS: Mapping[str, Mapping[str, Any]] = {
    "see": {
        "components": [
            {
                "category": "critical_object",
                "phrase": "white van ahead in the ego lane, braking",
                "attributes": [{"key": "motion", "value": "slowing"}, {"key": "distance", "value": "about 20 m"}],
                "first_frame": 2,
                "last_frame": 5,
            },
            {
                "category": "lane",
                "phrase": "ego lane with solid markings on both sides",
                "attributes": [],
                "first_frame": 1,
                "last_frame": 5,
            },
        ]
    },
    "decide": _DECISION,
    "repair": _DECISION,
}
"""What is answered, by the name of the schema."""


def completion(text: str) -> bytes:
    """A chat completion with that text, as a server sends it."""
    usage = {"prompt_tokens": 3000, "completion_tokens": 200, "total_tokens": 3200}
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    body = {
        "id": "chatcmpl-bench",
        "object": "chat.completion",
        "created": 0,
        "model": MODEL,
        "choices": [choice],
        "usage": usage,
    }
    return json.dumps(body).encode()


class Figures:
    """Chat requests since the figures were last asked for.

    `first_s` is when the first one had arrived and `last_s` when the last answer left, on the machine's monotonic
    clock; `cpu_s` is the server's processor time meanwhile.
    """

    def __init__(self) -> None:
        self.requests: Counter[str] = Counter()
        self.first_s: float | None = None
        self.last_s: float | None = None
        self._cpu_before_s = time.process_time()

    def arrived(self, step: str) -> None:
        self.requests[step] += 1
        if self.first_s is None:
            self.first_s = time.monotonic()

    def answered(self) -> None:
        self.last_s = time.monotonic()

    def told(self) -> bytes:
        cpu_s = time.process_time() - self._cpu_before_s
        values = {"requests": self.requests, "first_s": self.first_s, "last_s": self.last_s, "cpu_s": cpu_s}
        return json.dumps(values).encode()


class Desk:
    """What all connections share: the latency, the replies and the figures."""

    def __init__(self, latency_s: float, loop: asyncio.AbstractEventLoop) -> None:
        self._latency_s = latency_s
        self._loop = loop
        self._figures = Figures()
        self._replies = {step: _reply(completion(json.dumps(answer))) for step, answer in ANSWERS.items()}

    def take(self, head: bytes, body: bytes, transport: asyncio.Transport) -> None:
        """Answers one request, a chat request after the latency."""
        if head.startswith(b"POST"):
            step = _step(body)
            self._figures.arrived(step)
            self._loop.call_later(self._latency_s, self._answer, transport, self._replies[step])
        elif b"/figures" in head.split(b"\r\n", 1)[0]:
            told, self._figures = self._figures.told(), Figures()
            transport.write(_reply(told))
        else:
            transport.write(_reply(json.dumps({"object": "list", "data": [{"id": MODEL, "object": "model"}]}).encode()))

    def _answer(self, transport: asyncio.Transport, reply: bytes) -> None:
        if not transport.is_closing():
            transport.write(reply)
            self._figures.answered()


class Connection(asyncio.Protocol):
    """One kept-alive connection; a client sends its next request after the answer."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._received = bytearray()
        self._body_at = self._end = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        if not self._end:
            self._read_head()
        if self._end and len(self._received) >= self._end:
            whole = bytes(self._received)
            self._received.clear()
            head, body = whole[: self._body_at], whole[self._body_at :]
            self._end = 0
            self._desk.take(head, body, self._transport)

    def _read_head(self) -> None:
        found = self._received.find(_HEAD_END)
        if found >= 0:
            self._body_at = found + len(_HEAD_END)
            self._end = self._body_at + _length(bytes(self._received[: self._body_at]))


def _length(head: bytes) -> int:
    _, found, rest = head.lower().partition(_LENGTH)
    return int(rest.split(b"\r\n", 1)[0]) if found else 0


def _step(body: bytes) -> str:
    """The schema comes after the messages, so it is sought from the end."""
    name = body.rfind(_SCHEMA_NAME) + len(_SCHEMA_NAME)
    return body[name : body.index(b'"', name)].decode()


def _reply(body: bytes) -> bytes:
    head = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    return head.encode() + body


async def serve(latency_s: float) -> None:
    """Serves on a free port until standard input ends."""
    loop = asyncio.get_running_loop()
    desk = Desk(latency_s, loop)
    server = await loop.create_server(lambda: Connection(desk), "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()[:2]
    print(f"http://{host}:{port}/v1", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    server.close()


def main() -> None:
    parser = argparse.ArgumentParser(description="Answers chat completions with fixed labels after a fixed latency.")
    parser.add_argument("--latency", type=float, default=0.05, metavar="S", help="seconds a request (default 0.05)")
    asyncio.run(serve(parser.parse_args().latency))


if __name__ == "__main__":
    main()
