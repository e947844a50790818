"""OpenAI's Batch API: many chat requests in one file, answered within a day at a part of the price.

    what comes back                          raised
    nothing, 408, 409, 429, 5xx              Transient, as for single requests
    404, 405 where batches should be         BackendDown: the server takes none
    404 for one batch or file                BackendDown: another account's key, or it is gone
    any other 4xx                            BackendDown: the provider's words

A line of the results is an answer, or the failure that the same reply to a single request would be; a line that was not
run at all (expired, cancelled) is Transient. Source: models.md, section 6.12.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any, Literal

from resources.models.chat_completions import UNREADABLE, ChatCompletions, answer_of, request_body, status_failure
from resources.models.endpoints import Endpoint
from resources.models.failures import BackendDown, ModelFailure, Refused, Rejected, Transient
from resources.models.request import ChatAnswer, ChatRequest, Image, Video

if TYPE_CHECKING:
    import httpx2

Json = dict[str, Any]
Results = dict[str, ChatAnswer | ModelFailure]
"""By key of the request."""

GONE = "gone"
"""State of our own: the provider does not know the batch any more."""
ENDED = frozenset({"completed", "failed", "expired", "cancelled", GONE})
"""States after which a batch changes no more."""
_TAKEN_BY = ("openai", "server")
_URL: Literal["/v1/chat/completions"] = "/v1/chat/completions"
_NOT_SERVED = frozenset({404, 405, 501})
_CALL_S = 60.0
_PAGE = 100
_MOST_PAGES = 100
_WORDS = 3  # of the errors of a batch that is not valid, so many are told


@dataclass(frozen=True)
class FileLimits:
    """What one request file may hold."""

    requests: int = 50_000
    size_bytes: int = 200_000_000


OPENAI_LIMITS = FileLimits()


class BatchGone(BackendDown):
    """The provider does not know a batch that was created earlier, or its results."""


@dataclass(frozen=True)
class Batch:
    """A batch as the provider tells of it.

    Attributes:
        state: `validating`, `in_progress`, `finalizing`, `completed`, `failed`, `expired`, `cancelling` or `cancelled`.
        served: requests that are over, failed ones included.
        words: what the provider says is wrong with it; empty where nothing is.
        too_much: it was refused for what the account has waiting already.
    """

    batch_id: str
    state: str
    metadata: Mapping[str, str]
    served: int = 0
    files: tuple[str, ...] = ()
    words: str = ""
    too_much: bool = False

    @property
    def ended(self) -> bool:
        return self.state in ENDED


def open_batches(endpoint: Endpoint, environ: Mapping[str, str], timeout_s: float) -> Batches:
    """The batches of an endpoint's account; connects when first asked.

    Args:
        timeout_s: of an upload or a download.

    Raises:
        BackendDown: this kind of backend takes no batches.
    """
    if endpoint.backend not in _TAKEN_BY:
        raise BackendDown(
            f"models.batch is on, but backend {endpoint.backend} takes no batches. Set models.batch to false, or "
            f"models.aliases.<alias>.backend to {' or '.join(_TAKEN_BY)}."
        )
    return Batches(endpoint, environ, timeout_s)


class Batches(ChatCompletions):
    """Batches and their files, at the same server and with the same key as single requests."""

    def __init__(self, endpoint: Endpoint, environ: Mapping[str, str], timeout_s: float) -> None:
        super().__init__(endpoint, environ)
        self._timeout_s = timeout_s

    def line(self, request: ChatRequest) -> bytes:
        """A request as it stands in a request file.

        Raises:
            ValueError: a picture is given as a file.
        """
        parts = (part for message in request.messages for part in message.parts)
        if any(isinstance(part, Image | Video) and part.path for part in parts):
            raise ValueError(
                "A batch cannot read files of this machine. Set models.aliases.<alias>.transport to base64."
            )
        body = request_body(request, self._endpoint)
        return json.dumps({"custom_id": request.key, "method": "POST", "url": _URL, "body": body}).encode() + b"\n"

    async def require(self) -> None:
        """Looks whether batches are taken at all, before anything is prepared.

        Raises:
            ModelFailure: they are not.
        """
        await self._listed(1, None)

    async def upload(self, lines: IO[bytes]) -> str:
        """Hands in a request file; says its id. Costs nothing.

        Raises:
            ModelFailure: Transient or BackendDown, as the table above says.
        """
        lines.seek(0)
        file = ("requests.jsonl", lines, "application/jsonl")
        files = self._openai.files.with_raw_response
        told = await self._called(
            lambda: files.create(file=file, purpose="batch", timeout=self._timeout_s), self._timeout_s
        )
        if "id" not in told:
            raise self._unreadable("of the file that was handed in")
        return str(told["id"])

    async def create(self, file_id: str, metadata: Mapping[str, str]) -> Batch:
        """Starts a batch, which is to be paid from then on.

        Raises:
            ModelFailure: Transient: it may have been created or not; BackendDown: it was not.
        """
        batches = self._openai.batches.with_raw_response
        told = await self._called(
            lambda: batches.create(
                input_file_id=file_id,
                endpoint=_URL,
                completion_window="24h",
                metadata=dict(metadata),
                timeout=_CALL_S,
            )
        )
        return self._batch(told)

    async def look(self, batch_id: str) -> Batch:
        """How a batch stands.

        Raises:
            ModelFailure: Transient or BackendDown, as the table above says.
        """
        batches = self._openai.batches.with_raw_response
        return self._batch(
            await self._called(lambda: batches.retrieve(batch_id, timeout=_CALL_S), missing=self._gone(batch_id))
        )

    async def find(self, metadata: Mapping[str, str], known: frozenset[str]) -> Batch | None:
        """The newest batch with these metadata among its own, leaving out known ids; None where there is none.

        Raises:
            ModelFailure: Transient or BackendDown, as the table above says.
        """
        after: str | None = None
        for _ in range(_MOST_PAGES):
            page = await self._listed(_PAGE, after)
            if not isinstance(page.get("data"), list):
                raise self._unreadable("of its batches")
            batches = [*map(self._batch, page["data"])]
            for batch in batches:
                if batch.batch_id not in known and metadata.items() <= batch.metadata.items():
                    return batch
            if not page.get("has_more") or not batches:
                return None
            after = batches[-1].batch_id
        return None

    async def results(self, batch: Batch) -> Results:
        """What became of the requests of a batch that has ended, in no order; some may lack.

        Raises:
            ModelFailure: Transient or BackendDown, as the table above says.
        """
        files = self._openai.files.with_raw_response
        results: Results = {}
        for file_id in batch.files:

            def content(file_id: str = file_id) -> Awaitable[Any]:
                return files.content(file_id, timeout=self._timeout_s)

            data = await self._content(content, self._timeout_s, self._gone(file_id))
            results.update(result for line in data.splitlines() if (result := self._result(line)))
        return results

    def _result(self, line: bytes) -> tuple[str, ChatAnswer | ModelFailure] | None:
        """One line of a result file; None where it cannot be read."""
        try:
            told = json.loads(line, strict=False)
            key = str(told["custom_id"])
        except UNREADABLE:
            return None
        try:
            return key, self._outcome(told.get("response"), told.get("error"))
        except Transient as failure:
            return key, failure
        except UNREADABLE:
            start = self._clean(line.decode(errors="replace"))
            return key, Transient(f"{self._endpoint.shown_url} answered what cannot be read: {start!r}")

    def _outcome(self, response: Json | None, error: Json | None) -> ChatAnswer | ModelFailure:
        if not response:
            return Transient(f"{self._endpoint.shown_url} did not run the request: {self._words_of(error)}")
        body = json.dumps(response.get("body")).encode()
        status = int(response["status_code"])
        if status != 200:
            return status_failure(status, body, {}, self._endpoint, self._clean)
        return answer_of(body, self._clean, self._hide)

    def _batch(self, told: Json) -> Batch:
        """A batch as it is told of.

        Raises:
            Transient: it cannot be read.
        """
        try:
            return self._read(told)
        except UNREADABLE:
            pass
        raise self._unreadable("of a batch")

    def _unreadable(self, what: str) -> Transient:
        return Transient(f"{self._endpoint.shown_url} told {what} what cannot be read.")

    def _read(self, told: Json) -> Batch:
        errors = (told.get("errors") or {}).get("data") or ()
        counts = told.get("request_counts") or {}
        return Batch(
            batch_id=str(told["id"]),
            state=str(told["status"]),
            metadata=dict(told.get("metadata") or {}),
            served=int(counts.get("completed") or 0) + int(counts.get("failed") or 0),
            files=tuple(told[name] for name in ("output_file_id", "error_file_id") if told.get(name)),
            words=self._clean(" ".join(self._words_of(error) for error in errors[:_WORDS])),
            too_much=any(error.get("code") == "token_limit_exceeded" for error in errors),
        )

    def _words_of(self, error: Json | None) -> str:
        told = error or {}
        return self._clean(str(told.get("message") or told.get("code") or "it says nothing more"))

    async def _listed(self, limit: int, after: str | None) -> Json:
        batches = self._openai.batches.with_raw_response
        more = {"after": after} if after else {}
        return await self._called(lambda: batches.list(limit=limit, timeout=_CALL_S, **more))  # type: ignore[arg-type]

    async def _called(
        self, send: Callable[[], Awaitable[Any]], timeout_s: float = _CALL_S, missing: BackendDown | None = None
    ) -> Json:
        content = await self._content(send, timeout_s, missing or self._not_served())
        try:
            told = json.loads(content)
            if isinstance(told, dict):
                return told
        except (ValueError, RecursionError):
            pass
        start = self._clean(content.decode(errors="replace"))
        raise Transient(f"{self._endpoint.shown_url} answered what cannot be read: {start!r}")

    async def _content(self, send: Callable[[], Awaitable[Any]], timeout_s: float, missing: BackendDown) -> bytes:
        """The body of a 200; `missing` is raised where there is nothing at the path."""
        import openai

        async def sent() -> httpx2.Response:
            try:
                return (await send()).http_response
            except openai.APIStatusError as error:
                if error.status_code not in _NOT_SERVED:
                    raise
            raise missing  # not within the handler: the error's request holds the key

        try:
            return await self._asked(sent, timeout_s)
        except (Refused, Rejected) as failure:
            refused = BackendDown(f"The batch was not taken: {failure}")
        raise refused

    def _not_served(self) -> BackendDown:
        return BackendDown(
            f"models.batch is on, but {self._endpoint.shown_url} serves no batches. Set models.batch to false, or "
            "change models.aliases.<alias>.base_url."
        )

    def _gone(self, name: str) -> BatchGone:
        return BatchGone(
            f"{self._endpoint.shown_url} knows no {name}, of a batch that was created earlier. Set the key and the "
            f"project that it was created with (the key is now that in {self._endpoint.key_from or 'no variable'}). "
            "If it is gone for good, set models.forget_batches: true for one run: what it asked is then asked and paid "
            "for anew."
        )
