"""What is asked of a vision-language model and what it answers, whatever serves it.

One client type serves them all: `ModelClient.ask` sends one chat request and returns one answer. Pacing, retries,
budget and the journal lie around it (`caller`, `journal`) and know nothing of providers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

Role = Literal["system", "user", "assistant"]


@dataclass(frozen=True)
class Text:
    """Words."""

    text: str


@dataclass(frozen=True)
class Image:
    """One frame, as JPEG bytes or as a file that the server can open.

    Attributes:
        width, height: pixels.
        jpeg: the encoded picture; None where `path` is given.
        path: absolute path of the encoded picture; sent as file://.
    """

    width: int
    height: int
    jpeg: bytes | None = None
    path: Path | None = None


@dataclass(frozen=True)
class Video:
    """Frames as one mp4, as bytes or as a file that the server can open.

    Attributes:
        width, height: pixels.
        frames: how many it holds.
        mp4, path: as in `Image`.
    """

    width: int
    height: int
    frames: int
    mp4: bytes | None = None
    path: Path | None = None


Part = Text | Image | Video


@dataclass(frozen=True)
class Message:
    """One turn of a conversation."""

    role: Role
    parts: tuple[Part, ...]


@dataclass(frozen=True)
class Sampling:
    """How tokens are drawn; None leaves it to the server."""

    max_tokens: int
    temperature: float | None = 0.0
    top_p: float | None = None
    repetition_penalty: float | None = None
    seed: int | None = None


@dataclass(frozen=True)
class ChatRequest:
    """One request.

    Attributes:
        key: names the question and everything that shapes its answer; sent as Idempotency-Key.
        model: id asked for.
        schema: JSON schema that the answer must follow; None for free text.
        schema_name: its name, letters, digits and underscores.
    """

    key: str
    model: str
    messages: Sequence[Message]
    sampling: Sampling
    schema: Mapping[str, Any] | None = None
    schema_name: str = "answer"


@dataclass(frozen=True)
class Usage:
    """Tokens of one request as the server counts them.

    Attributes:
        prompt_tokens: all of the prompt, `cached_tokens` of them read from the server's prefix cache.
        completion_tokens: all that was generated, `reasoning_tokens` of them not shown.
    """

    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int = 0
    reasoning_tokens: int = 0


@dataclass(frozen=True)
class ChatAnswer:
    """What the model returned.

    Attributes:
        text: the answer as returned; empty where there is none.
        finish_reason: `stop`, `length`, `content_filter`, … as the server says.
        model: the model's id as the server reports it.
        usage: None where the server does not say.
        refusal: the model's refusal, where it made use of that field.
    """

    text: str
    finish_reason: str
    model: str
    usage: Usage | None = None
    refusal: str | None = None


class ModelClient(Protocol):
    """Sends one request at a time as often as it is called; safe to call concurrently within one event loop."""

    async def ask(self, request: ChatRequest, timeout_s: float) -> ChatAnswer:
        """One attempt, no retries.

        Raises:
            ModelFailure: any of its kinds (`resources.models.failures`); nothing else escapes.
        """
        ...

    async def close(self) -> None: ...


@dataclass(frozen=True)
class Answered:
    """An answer and what it took.

    Attributes:
        attempts: requests sent for it, failed ones included.
        latency_s: of the attempt that was answered.
        cost_usd: by the price in the settings; None where there is none.
    """

    answer: ChatAnswer
    attempts: int
    latency_s: float
    cost_usd: float | None = field(default=None)
