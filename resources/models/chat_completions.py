"""Models behind the chat-completions API: OpenAI, NVIDIA inference, and any server of one's own.

    what comes back                                   raised
    nothing, or a connection that breaks off          Unreachable
    nothing within the attempt's time                 TimedOut
    408, 409, 429, 5xx, a body that cannot be read    Transient, with the wait that the server asks for
    429 that says the account has no money left       BackendDown
    401, 403, 404                                     BackendDown
    4xx by the provider's content policy              Refused
    any other 4xx                                     Rejected

Source: models.md, sections 1.3, 2 and 6. A refusal in the model's own words is an answer.
"""

from __future__ import annotations

import asyncio
import json
import math
import time
from base64 import b64encode
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from email.utils import parsedate_to_datetime
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from resources.models.endpoints import Endpoint
from resources.models.failures import BackendDown, ModelFailure, Refused, Rejected, TimedOut, Transient, Unreachable
from resources.models.redaction import NO_KEY, answer_redactor, redact, secrets_in
from resources.models.request import (
    ChatAnswer,
    ChatRequest,
    Image,
    Message,
    ModelClient,
    Part,
    Text,
    Usage,
    Video,
)
from resources.models.sampling import told

if TYPE_CHECKING:
    import httpx2
    from openai import AsyncOpenAI

Body = dict[str, Any]
Clean = Callable[[str], str]

_CONNECT_S = 10.0
_REACHABLE_S = 5.0
UNREADABLE = (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError)
"""What reading a server's JSON raises where it does not say what it should."""
_MOST_TOKENS = 100_000_000  # no request has as many; a server that counts more cannot count
_LONGEST_WORDS = 300
_LONGEST_READ = 20_000  # an error page may be of any size
_POLICY_CODES = frozenset({"content_filter", "content_policy_violation"})
_POLICY_WORDS = "ResponsibleAIPolicyViolation"
_NO_MONEY = frozenset({"insufficient_quota", "billing_hard_limit_reached", "billing_not_active"})
_AGAIN = frozenset({408, 409, 429})
_NO_ENTRY = frozenset({401, 403})
_CONNECTING = frozenset({"ClientConnectorError", "ConnectionTimeoutError"})


class ChatCompletions(ModelClient):
    """One model behind the chat-completions API."""

    def __init__(self, endpoint: Endpoint, environ: Mapping[str, str]) -> None:
        """Opens no connection.

        Args:
            environ: where secrets lie that no message may show.
        """
        self._endpoint = endpoint
        self._secrets = secrets_in(environ, endpoint)
        self._hides: tuple[tuple[str, ...], Clean] = (), str
        self._openai = self._open()

    async def ask(self, request: ChatRequest, timeout_s: float) -> ChatAnswer:
        content = json.dumps(request_body(request, self._endpoint)).encode()  # twice as fast as the SDK on base64
        headers = {"Idempotency-Key": request.key}
        said = await self._asked(lambda: self._send(content, headers, timeout_s), timeout_s)
        return answer_of(said, self._clean, self._hide)

    async def reachable(self) -> None:
        """Looks whether a server is there at all, which takes seconds where a request may take minutes.

        One that is slow, busy or has no list of models is there; what it is worth, the first request shows.

        Raises:
            BackendDown: no connection can be made, or the key is not accepted.
        """
        down: ModelFailure | None = None
        try:
            async with asyncio.timeout(2 * _REACHABLE_S):  # longer than its parts, which tell what was waited for
                await self._look()
        except Exception as error:  # transports raise what they like
            down = self._verdict(error)
        if down is not None:
            raise down

    async def close(self) -> None:
        await self._openai.close()

    def _open(self) -> AsyncOpenAI:
        from openai import AsyncOpenAI

        endpoint = self._endpoint
        key = endpoint.api_key.get_secret_value() if endpoint.api_key else NO_KEY
        client = AsyncOpenAI(api_key=key, base_url=endpoint.base_url, max_retries=0, http_client=http_client())
        client.organization, client.project = endpoint.organization, endpoint.project  # else the SDK's own variables
        return client

    async def _send(self, content: bytes, headers: Mapping[str, str], timeout_s: float) -> httpx2.Response:
        """Sends a request as `create` would, less its pydantic objects, which take half of the CPU time."""
        import httpx2

        timeout = httpx2.Timeout(timeout_s, connect=min(timeout_s, _CONNECT_S))
        options: Any = {"headers": headers, "timeout": timeout}
        return await self._openai.post("/chat/completions", content=content, cast_to=httpx2.Response, options=options)

    async def _look(self) -> httpx2.Response:
        import httpx2

        return await self._openai.get("/models", cast_to=httpx2.Response, options={"timeout": _REACHABLE_S})

    def _verdict(self, error: Exception) -> ModelFailure | None:
        """Why nothing can be asked of a server that answered a look with an error; None where that is not said."""
        failure = failure_of(error, self._endpoint, _REACHABLE_S, self._clean)
        if _unconnected([*_chain(error)]):
            return BackendDown(f"{failure} Start the server, or set {_url_settings(self._endpoint)}.")
        return failure if isinstance(failure, BackendDown) and getattr(error, "status_code", 0) in _NO_ENTRY else None

    async def _asked(self, send: Callable[[], Awaitable[httpx2.Response]], timeout_s: float) -> bytes:
        """The body of a 200.

        Raises:
            ModelFailure: whatever else came, without a trace of the request: that holds the key.
        """
        try:
            async with asyncio.timeout(timeout_s):
                response = await send()
            return response.content
        except ModelFailure as failure:
            failed = failure
        except Exception as error:  # transports raise what they like
            failed = failure_of(error, self._endpoint, timeout_s, self._clean)
        raise failed from None

    def _clean(self, text: str) -> str:
        return shortened(redact(text[:_LONGEST_READ], self._hidden()))

    @property
    def _hide(self) -> Clean:
        """Takes what is hidden out of a model's words; made once, as that takes longer than its use."""
        hidden = self._hidden()
        if hidden != self._hides[0]:
            self._hides = hidden, answer_redactor(hidden)
        return self._hides[1]

    def _hidden(self) -> tuple[str, ...]:
        """What no message or answer may show."""
        return self._secrets


def http_client() -> httpx2.AsyncClient | None:
    """aiohttp's transport where it is installed, which takes half the CPU time a request; else None, the SDK's own."""
    from openai import DefaultAioHttpClient

    return DefaultAioHttpClient() if find_spec("aiohttp") else None


# Request -------------------------------------------------------------------------------------------------------------


def request_body(request: ChatRequest, endpoint: Endpoint) -> Body:
    """A request as it goes over the wire.

    Raises:
        ValueError: a picture without content, or one that is not in a user's turn.
    """
    body: Body = {"model": endpoint.model_id, "messages": [_message(message) for message in request.messages]}
    if request.schema is not None:
        asked = {"name": request.schema_name, "schema": request.schema, "strict": True}
        body["response_format"] = {"type": "json_schema", "json_schema": asked}
    return body | _told(request, endpoint)


def _told(request: ChatRequest, endpoint: Endpoint) -> Body:
    """How tokens are drawn, under the names that the server knows."""
    knobs = told(endpoint.taker, request.sampling, endpoint.thinking)
    body: Body = {name: value for name, value in knobs.items() if value is not None}
    if "thinking" in body:
        body["chat_template_kwargs"] = {"enable_thinking": body.pop("thinking")}
    if endpoint.gpt5_family:
        body["max_completion_tokens"] = body.pop("max_tokens")
    return body


def _message(message: Message) -> Body:
    if message.role == "user":
        return {"role": "user", "content": [_part(part) for part in message.parts]}
    return {"role": message.role, "content": "".join(_words(part, message) for part in message.parts)}


def _words(part: Part, message: Message) -> str:
    if not isinstance(part, Text):
        raise ValueError(f"A {type(part).__name__} in a turn of the {message.role}; only users show pictures.")
    return part.text


def _part(part: Part) -> Body:
    match part:
        case Text():
            return {"type": "text", "text": part.text}
        case Image():
            return {
                "type": "image_url",
                "image_url": {"url": _url("image/jpeg", part.jpeg, part.path), "detail": "high"},
            }
        case Video():
            return {"type": "video_url", "video_url": {"url": _url("video/mp4", part.mp4, part.path)}}


def _url(media_type: str, data: bytes | None, path: Path | None) -> str:
    if path is not None:
        return path.as_uri()
    if data is None:
        raise ValueError(f"A part of type {media_type} has neither bytes nor a path.")
    return f"data:{media_type};base64,{b64encode(data).decode()}"


# Answer --------------------------------------------------------------------------------------------------------------


def answer_of(content: bytes, clean: Clean, hide: Clean = str) -> ChatAnswer:
    """What a chat completion says.

    Args:
        clean: makes a message of what cannot be read.
        hide: takes secrets out of what the model says.

    Raises:
        Transient: it is none.
    """
    try:
        reply = json.loads(content, strict=False)
        choice = reply["choices"][0]
        message = choice["message"]
        return ChatAnswer(
            text=hide(_content(message.get("content"))),
            finish_reason=hide(_said(choice.get("finish_reason"))),
            model=hide(_said(reply.get("model"))),
            usage=_usage(reply.get("usage")),
            refusal=hide(_said(message.get("refusal") or None)) or None,
        )
    except UNREADABLE:
        start = clean(content.decode(errors="replace"))
    raise Transient(f"The server's answer cannot be read: {start!r}")


def _content(content: Any) -> str:
    """The words, be they in one piece or in parts."""
    if not isinstance(content, list):
        return _said(content)
    return "".join(_said(part.get("text") if isinstance(part, dict) else part) for part in content)


def _said(value: Any) -> str:
    return "" if value is None else str(value)


def _usage(usage: Mapping[str, Any] | None) -> Usage | None:
    """Tokens as the server counts them; None where it does not, or counts what cannot be."""
    if not usage:
        return None
    prompt, completion = int(usage.get("prompt_tokens") or 0), int(usage.get("completion_tokens") or 0)
    cached = _detail(usage, "cached_tokens", "prompt_tokens_details")
    reasoning = _detail(usage, "reasoning_tokens", "completion_tokens_details", "output_tokens_details")
    if not all(0 <= count <= _MOST_TOKENS for count in (prompt, completion, reasoning)):
        return None
    return Usage(prompt, completion, min(max(cached, 0), prompt), reasoning)


def _detail(usage: Mapping[str, Any], name: str, *groups: str) -> int:
    """A figure at the top level or, as OpenAI does it, in a group."""
    found = [usage.get(name), *((usage.get(group) or {}).get(name) for group in groups)]
    return int(next((value for value in found if value is not None), 0))


# Failure -------------------------------------------------------------------------------------------------------------


def failure_of(error: Exception, endpoint: Endpoint, timeout_s: float, clean: Clean) -> ModelFailure:
    """What an error of the SDK or its transport means."""
    import openai

    if isinstance(error, openai.APIStatusError):
        return status_failure(error.status_code, error.response.content, error.response.headers, endpoint, clean)
    chain = [*_chain(error)]
    if _out_of_time(chain):
        if _unconnected(chain):
            return Unreachable(f"{endpoint.shown_url} did not answer within {min(timeout_s, _CONNECT_S):g} s.")
        return TimedOut(f"{endpoint.shown_url} did not answer within {timeout_s:g} s.")
    reason = f"{type(chain[-1]).__name__}: {clean(str(chain[-1]))}"  # those before it call a refusal a timeout
    return Unreachable(f"{endpoint.shown_url} did not answer ({reason}).")


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """An error, its cause, the cause of that, and so on."""
    while error is not None:
        yield error
        error = error.__cause__


def _out_of_time(chain: Sequence[BaseException]) -> bool:
    import httpx2

    kinds = (TimeoutError,) if _of_aiohttp(chain) else (TimeoutError, httpx2.TimeoutException)
    return any(isinstance(link, kinds) for link in chain)


def _unconnected(chain: Sequence[BaseException]) -> bool:
    """Whether no connection was made: refused, no such host, or nothing in the time that connecting has."""
    import httpx2

    of_aiohttp = _of_aiohttp(chain)
    if of_aiohttp:
        return any(kind.__name__ in _CONNECTING for link in of_aiohttp for kind in type(link).__mro__)
    return any(isinstance(link, httpx2.ConnectError | httpx2.ConnectTimeout) for link in chain)


def _of_aiohttp(chain: Sequence[BaseException]) -> list[BaseException]:
    """Errors of aiohttp; where there are any, the SDK's say nothing: they call every broken connection a timeout."""
    return [link for link in chain if type(link).__module__.startswith("aiohttp.")]


def status_failure(
    status: int, content: bytes, headers: Mapping[str, str], endpoint: Endpoint, clean: Clean
) -> ModelFailure:
    """What an HTTP status other than 2xx means.

    Args:
        headers: names in lower case, or matched without regard to case.
        clean: takes secrets out of the server's own words and shortens them.
    """
    text = content.decode(errors="replace")
    message, codes = _read_error(text)
    said = f"{endpoint.shown_url} answered {status}: {clean(message)}"
    if codes & _POLICY_CODES or _POLICY_WORDS in text:
        return Refused(said)
    if status == 429 and codes & _NO_MONEY:
        return BackendDown(f"{said} Add credit to the account of {_key_name(endpoint)}, or change models.aliases.")
    if status in _AGAIN or status >= 500:
        return Transient(said, retry_after_s(headers))
    if status in _NO_ENTRY:
        return BackendDown(f"{said} {_key_mend(endpoint)}")
    if status == 404:
        return BackendDown(f"{said} {_model_mend(endpoint)}")
    return Rejected(said)


def retry_after_s(headers: Mapping[str, str], now: Callable[[], float] = time.time) -> float | None:
    """How long the server asks to wait, by Retry-After in seconds or as a date, or by retry-after-ms; else None."""
    milliseconds = _number(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return milliseconds / 1000
    asked = headers.get("retry-after")
    seconds = _number(asked)
    if seconds is not None or asked is None:
        return seconds
    try:
        return max(0.0, parsedate_to_datetime(asked).timestamp() - now())
    except (ValueError, OverflowError):
        return None


def shortened(text: str) -> str:
    """On one line, and no longer than a message can bear."""
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST_WORDS else f"{line[:_LONGEST_WORDS]}…"


def _number(text: str | None) -> float | None:
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if math.isfinite(value) and value >= 0 else None


def _read_error(text: str) -> tuple[str, frozenset[str]]:
    """The server's own words, and the codes it gives the error."""
    try:
        body = json.loads(text, strict=False)
        error = body.get("error", body) if isinstance(body, dict) else body
        if not isinstance(error, dict):
            return str(error), frozenset()
        codes = frozenset(str(error[name]) for name in ("code", "type") if error.get(name))
        return str(error.get("message") or error.get("detail") or text), codes
    except UNREADABLE:
        return text, frozenset()


# Mends ---------------------------------------------------------------------------------------------------------------


def _key_name(endpoint: Endpoint) -> str:
    return "NVHOST_OAI_CLIENT_ID" if endpoint.backend == "azure" else endpoint.key_from or str(endpoint.shown_url)


def _key_mend(endpoint: Endpoint) -> str:
    if endpoint.backend == "azure":
        return "Check NVHOST_OAI_CLIENT_ID and NVHOST_OAI_CLIENT_SECRET, and what they may use."
    if endpoint.key_from:
        return f"Check the key in {endpoint.key_from}, and which models it may use."
    return "Set LOCAL_OPENAI_API_KEY to its key, or models.aliases.<alias>.api_key_env to the variable that holds it."


def _model_mend(endpoint: Endpoint) -> str:
    return (
        f"Either it does not serve {endpoint.model_id!r}: set models.aliases.<alias>.model to what it serves; or its "
        f"URL is wrong: set {_url_settings(endpoint)}."
    )


def _url_settings(endpoint: Endpoint) -> str:
    variable = {"openai": "OPENAI_BASE_URL", "nvidia": "NV_INFERENCE_URL"}.get(
        endpoint.backend, "LOCAL_OPENAI_BASE_URL"
    )
    return f"models.aliases.<alias>.base_url or {variable} to a URL like http://host:8000/v1"
