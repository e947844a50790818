"""Asking a model what a chunk's journal does not answer yet, request by request, whatever the questions are for."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator, MutableMapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import groupby
from typing import Any, Protocol

from coc_assets.raw_coc.vlm.media import ChunkMedia, ClipMedia
from coc_assets.raw_coc.vlm.question import Agenda, Question, Topic, Turn
from coc_assets.raw_coc.vlm.view import KeyframeView
from coc_assets.sources.video import VideoError
from resources.journal import Entry, Outcome
from resources.models.failures import BackendDown, GaveUp, ModelFailure, OverBudget, Refused, Rejected, Stopping
from resources.models.request import Answered, ChatRequest, Message, Part, Sampling, Text

_CLIPS_AHEAD = 2  # clips decoded at a time, so that the model never waits for pictures
_SEVERAL = 3  # so many requests that fail, and none that is served, are no coincidence
_MORE_WORKERS = 2.0  # talks a request in flight: while one answer is read and stored, another one asks

Report = Callable[[int, int, str], None]


class Asks(Protocol):
    """What answers requests; `resources.models.caller.Caller` in production."""

    async def ask(self, request: ChatRequest) -> Answered: ...


class Keeps(Protocol):
    """What keeps answers; `resources.journal.JournalWriter` in production."""

    async def append(self, entry: Entry) -> None: ...


@dataclass
class Tally:
    """How a chunk stands.

    Attributes:
        unit: what comes of a topic, in the plural.
        ended: topics that came to an end here.
    """

    total: int
    unit: str
    done: int = 0
    asked: int = 0
    started: float = field(default_factory=time.monotonic)
    tokens: int = 0
    cost_usd: float = 0.0
    ended: int = 0

    def count(self, answered: Answered) -> None:
        usage = answered.answer.usage
        self.asked += 1
        self.tokens += usage.prompt_tokens + usage.completion_tokens if usage else 0
        self.cost_usd += answered.cost_usd or 0.0

    @property
    def note(self) -> str:
        """Topics and tokens a second, and spend, as the progress line shows them."""
        seconds = max(time.monotonic() - self.started, 1e-9)
        spend = f", ${self.cost_usd:.2f}" if self.cost_usd else ""
        return f"{self.ended / seconds:.1f} {self.unit}/s, {self.tokens / seconds:,.0f} tokens/s{spend}"


async def ask_chunk(
    agenda: Agenda,
    entries: MutableMapping[str, Entry],
    media: ChunkMedia,
    caller: Asks,
    journal: Keeps,
    *,
    in_flight: int,
    backend: str,
    run: str | None,
    report: Report,
) -> None:
    """Asks everything that the journal does not answer, and keeps each answer before anything is built on it.

    Args:
        entries: the journal by key; grows.
        in_flight: requests at a time, to have enough talks at hand.
        report: called with topics done, in total, and a note on rates and spend.

    Raises:
        BackendDown: no request can be served; what was answered is kept.
        Stopping: the run is ending; the same.
    """
    await _Chunk(agenda, entries, media, caller, journal, backend, run, report).ask(in_flight)


class _Chunk:
    """The talks of one chunk, many at a time."""

    def __init__(
        self,
        agenda: Agenda,
        entries: MutableMapping[str, Entry],
        media: ChunkMedia,
        caller: Asks,
        journal: Keeps,
        backend: str,
        run: str | None,
        report: Report,
    ) -> None:
        self._agenda = agenda
        self._entries = entries
        self._media = media
        self._caller = caller
        self._journal = journal
        self._backend = backend
        self._run = run
        self._report = report
        self._tally = Tally(len(agenda.topics), agenda.unit)
        self._doubtful: list[Entry] = []
        self._served = False
        self._ended: Exception | None = None

    async def ask(self, in_flight: int) -> None:
        clips = self._open_clips()
        self._tally.done = self._tally.total - sum(len(topics) for topics in clips)
        self._say()
        ready: asyncio.Queue[tuple[Topic, ClipMedia] | None] = asyncio.Queue(maxsize=2 * in_flight)
        waiting = iter(clips)
        workers = max(2, round(in_flight * _MORE_WORKERS))
        async with asyncio.TaskGroup() as tasks:
            decoding = [tasks.create_task(self._decode(waiting, ready)) for _ in range(_CLIPS_AHEAD)]
            for _ in range(workers):
                tasks.create_task(self._work(ready))
            await asyncio.wait(decoding)
            for _ in range(workers):
                await ready.put(None)
        if self._ended:
            raise self._ended
        await self._keep_doubtful()

    def _open_clips(self) -> list[list[Topic]]:
        """Topics that still have a question, by clip in the agenda's order."""
        still = [topic for topic in self._agenda.topics if isinstance(topic.talk().advance(self._entries), Question)]
        return [list(topics) for _, topics in groupby(still, key=lambda topic: topic.view.clip_id)]

    async def _decode(self, clips: Iterator[list[Topic]], ready: asyncio.Queue[tuple[Topic, ClipMedia] | None]) -> None:
        for topics in clips:
            if self._ended:
                return
            try:
                media = await asyncio.to_thread(self._media.clip, views_of(topics))
            except VideoError as error:
                await self._no_pictures(topics, error)
                continue
            except Exception as error:
                self._end(error)
                return
            for topic in topics:
                await ready.put((topic, media))

    async def _no_pictures(self, topics: Iterable[Topic], error: VideoError) -> None:
        """The video turned out damaged: each topic ends with that."""
        for topic in topics:
            question = topic.talk().advance(self._entries)
            if isinstance(question, Question):
                await self._keep(self._entry(question, "error", f"{error.reason}: {error.hint}"))
            self._count_done()

    async def _work(self, ready: asyncio.Queue[tuple[Topic, ClipMedia] | None]) -> None:
        while (item := await ready.get()) is not None:
            if not self._ended:
                await self._converse(*item)

    async def _converse(self, topic: Topic, media: ClipMedia) -> None:
        talk = topic.talk()
        try:
            while isinstance(question := talk.advance(self._entries), Question):
                entry = await self._answer(question, topic.view, media)
                if entry.outcome == "error":
                    self._doubtful.append(entry)
                    break
                await self._keep(entry)
        except Exception as ended:  # whatever it is: what others have under way is paid for, and still kept
            self._end(ended)
        else:
            self._tally.ended += 1
            self._count_done()

    def _end(self, error: Exception) -> None:
        """Nothing more is taken up; of several reasons the first that says more than "the run is ending" is told."""
        if self._ended is None or isinstance(self._ended, Stopping):
            self._ended = error

    async def _answer(self, question: Question, view: KeyframeView, media: ClipMedia) -> Entry:
        try:
            answered = await self._caller.ask(request_of(question, self._agenda, view, media))
        except (OverBudget, Refused, Rejected, GaveUp) as failure:
            outcome, reason = ending_of(failure)
            return self._entry(question, outcome, reason, attempts=failure.attempts)
        self._served = True
        self._tally.count(answered)
        return self._entry(question, "answered", **answer_fields(answered))

    async def _keep_doubtful(self) -> None:
        """Records the requests that failed for good, unless all did: then it is the server's fault, not theirs.

        Raises:
            BackendDown: all did; none is recorded, so the next run asks them again.
        """
        if not self._served and len(self._doubtful) >= _SEVERAL:
            last = self._doubtful[-1].reason
            raise BackendDown(
                f"All {len(self._doubtful)} requests failed, so none is recorded. Mend the cause and run again. The "
                f"last failure: {last}"
            )
        for entry in self._doubtful:
            await self._keep(entry)

    def _entry(self, question: Question, outcome: Outcome, reason: str | None = None, **answer: Any) -> Entry:
        return entry_of(question, self._agenda, outcome, self._backend, self._run, reason, **answer)

    async def _keep(self, entry: Entry) -> None:
        await self._journal.append(entry)
        self._entries[entry.key] = entry

    def _count_done(self) -> None:
        self._tally.done += 1
        self._say()

    def _say(self) -> None:
        self._report(self._tally.done, self._tally.total, self._tally.note)


def views_of(topics: Iterable[Topic]) -> list[KeyframeView]:
    """The topics' keyframes, each once."""
    return list({topic.view.keyframe_id: topic.view for topic in topics}.values())


def ending_of(failure: ModelFailure) -> tuple[Outcome, str]:
    """What becomes of a question whose request failed for good: outcome, and why, beginning with a countable word."""
    if isinstance(failure, OverBudget):
        return "over_budget", f"over_budget: {failure}"
    if isinstance(failure, Refused):
        return "refused", f"refused_by_provider: {failure}"
    return "error", f"request_failed: {failure}"


def entry_of(
    question: Question,
    agenda: Agenda,
    outcome: Outcome,
    backend: str,
    run: str | None,
    reason: str | None = None,
    **answer: Any,
) -> Entry:
    """The journal line of a question.

    Args:
        reason: why there is no answer. answer: fields of `answer_fields`, and attempts of a failed one.
    """
    return Entry(
        key=question.key,
        keyframe_id=question.keyframe_id,
        label_id=question.label_id,
        step=question.step,
        round=question.round,
        outcome=outcome,
        backend=backend,
        asked_model=agenda.asked_model,
        prompt_version=question.prompt_version,
        reason=reason,
        answered_at=now(),
        run=run,
        **answer,
    )


def request_of(question: Question, agenda: Agenda, view: KeyframeView, media: ClipMedia) -> ChatRequest:
    """The question with its frames filled in."""
    own = agenda.model.settings
    return ChatRequest(
        key=question.key,
        model=agenda.asked_model,
        messages=[_message(turn, view, media) for turn in question.turns],
        sampling=Sampling(
            max_tokens=question.max_tokens,
            temperature=own.temperature,
            top_p=own.top_p,
            repetition_penalty=own.repetition_penalty,
            seed=own.seed,
        ),
        schema=question.schema,
        schema_name=question.step,
    )


def _message(turn: Turn, view: KeyframeView, media: ClipMedia) -> Message:
    frames: tuple[Part, ...] = media.parts(view, turn.shown) if turn.shown else ()
    return Message(turn.role, (Text(turn.text), *frames))


def answer_fields(answered: Answered) -> dict[str, Any]:
    """What a journal line takes over from an answer."""
    answer = answered.answer
    usage = answer.usage
    return {
        "model": answer.model,
        "text": answer.text,
        "finish_reason": answer.finish_reason,
        "refusal": answer.refusal,
        "attempts": answered.attempts,
        "latency_s": round(answered.latency_s, 4),
        "cost_usd": answered.cost_usd,
        "prompt_tokens": usage.prompt_tokens if usage else None,
        "cached_tokens": usage.cached_tokens if usage else None,
        "completion_tokens": usage.completion_tokens if usage else None,
        "reasoning_tokens": usage.reasoning_tokens if usage else None,
    }


def now() -> str:
    """The present UTC instant, to the millisecond."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")
