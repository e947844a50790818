"""HTTP/1.1 as far as the stub needs it."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from tests.chat_stub.answers import Json
from tests.chat_stub.faults import error_body


@dataclass
class Seen:
    """One request as it came in.

    Attributes:
        key: its Idempotency-Key, else a hash of its body.
        raw: its body; emptied after the answer where the stub keeps none.
        outcome: `pending`, `answered`, the fault it got, or `lost` where the client had gone before its answer.
        answered: a whole chat completion was sent, be what it says spoilt or not.
    """

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    raw: bytes
    key: str = ""
    outcome: str = "pending"
    answered: bool = False

    @property
    def api_key(self) -> str:
        return self.headers.get("api-key") or self.headers.get("authorization", "").removeprefix("Bearer ")

    @property
    def body(self) -> Json:
        return json.loads(self.raw)


@dataclass(frozen=True)
class Reply:
    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)

    def encoded(self) -> bytes:
        lines = [f"HTTP/1.1 {self.status} {_REASONS.get(self.status, 'Status')}", f"content-length: {len(self.body)}"]
        fields = {"content-type": "application/json", **self.headers}
        lines += [f"{name}: {value}" for name, value in fields.items()]
        return "\r\n".join(lines).encode() + b"\r\n\r\n" + self.body


_REASONS = {200: "OK", 400: "Bad Request", 401: "Unauthorized", 404: "Not Found", 429: "Too Many Requests"}


def json_reply(body: Json, status: int = 200) -> Reply:
    return Reply(status, json.dumps(body).encode())


def missing(what: str, name: str) -> Reply:
    return json_reply(error_body(f"No such {what}: {name}", "invalid_request_error"), 404)


async def read_request(reader: asyncio.StreamReader) -> Seen:
    """The next request of a connection; raises IncompleteReadError where the client has closed it."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    method, target, _ = head[0].split(" ", 2)
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:-2])}
    path, _, query = target.partition("?")
    raw = await _read_body(reader, headers)
    key = headers.get("idempotency-key") or hashlib.sha256(raw).hexdigest()
    return Seen(method, path, query, headers, raw, key)


async def _read_body(reader: asyncio.StreamReader, headers: Mapping[str, str]) -> bytes:
    if headers.get("transfer-encoding", "").lower() != "chunked":
        return await reader.readexactly(int(headers.get("content-length", 0)))
    chunks = []
    while size := int((await reader.readuntil(b"\r\n")).split(b";")[0], 16):
        chunks.append((await reader.readexactly(size + 2))[:-2])
    await reader.readuntil(b"\r\n")
    return b"".join(chunks)
