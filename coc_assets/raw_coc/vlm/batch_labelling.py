"""Asking about one chunk by the provider's batches: a part of the price, answers within a day.

    take up   the batches of an earlier run that the journal says are under way
    ask       what no batch under way asks yet, clip by clip, in request files; each becomes a batch
    look      at the batches every `models.batch_poll_s`; the answers of those that ended go to the journal
    … until every topic is finished; a topic's next step is asked as soon as the batch of its last one ended

Nothing is paid for twice, whenever the process dies, because the journal says what is about to happen:

    died                             the journal holds            then
    before a batch is created        nothing                      it is asked: nothing was paid
    while one is created             `creating`, without an id    looked for at the provider by its metadata
    until its answers are there      its id                       looked at again
    while its answers are kept       its id and some answers      looked at again; the rest is kept
"""

from __future__ import annotations

import asyncio
import hashlib
import itertools
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from tempfile import TemporaryFile
from typing import IO, Any, Protocol, TypeVar

from coc_assets.raw_coc.records import canonical_json
from coc_assets.raw_coc.vlm.asking import Report, answer_fields, ending_of, entry_of, now, request_of, views_of
from coc_assets.raw_coc.vlm.media import ChunkMedia
from coc_assets.raw_coc.vlm.question import Agenda, Question, Topic
from coc_assets.sources.video import VideoError
from resources.journal import BatchEvent, Entry, JournalContent, Line, Outcome
from resources.models.batches import ENDED, GONE, OPENAI_LIMITS, Batch, Batches, BatchGone, FileLimits, Results
from resources.models.failures import (
    BackendDown,
    GaveUp,
    ModelFailure,
    OverBudget,
    Rejected,
    Stopping,
    Transient,
)
from resources.models.pacing import Sleep
from resources.models.pricing import cost_usd, estimate_tokens, worst_cost_usd
from resources.models.purse import Crowded, Purse
from resources.models.request import Answered, ChatAnswer, ChatRequest
from resources.settings.models import ModelSettings, ModelsSettings

CREATING = "creating"
"""State of an event without an id: a batch of these keys may come to be."""
CREATED = "created"
"""State of an event with an id: it is under way, whatever the provider says by now."""
NOT_CREATED = "not_created"
"""State of an event without an id: it did not."""
UNASKED = "unasked-"
"""Begins the key of an answer that nothing waited for when it came: it was paid, and answers nothing."""
_MARK = "coc"  # metadata by which a batch is found again
_WORST = "worst_usd"  # metadata: what it may cost at most
_NAP_S = 0.5  # how soon a wait notices that the run ends
_AT_ONCE = 1000  # entries that are given to the journal at a time
_RUN_THROUGH = ("completed", "expired")  # ends in which a lacking answer is worth another batch
Waiting = tuple[Topic, Question]
Value = TypeVar("Value")


class KeepsLines(Protocol):
    """What keeps answers and events; `resources.journal.JournalWriter` in production."""

    async def append(self, line: Line) -> None: ...


async def ask_chunk_by_batch(
    agenda: Agenda,
    entries: MutableMapping[str, Entry],
    media: ChunkMedia,
    batches: Batches,
    journal: KeepsLines,
    *,
    told: JournalContent,
    chunk: str,
    models: ModelsSettings,
    purse: Purse | None,
    backend: str,
    run: str | None,
    report: Report,
    stopping: Callable[[], bool] = lambda: False,
    sleep: Sleep = asyncio.sleep,
    limits: FileLimits = OPENAI_LIMITS,
) -> None:
    """Asks everything that the journal does not answer by batches, and keeps each answer before more is asked.

    Args:
        entries: the journal by key, less what is asked again; grows.
        media: with transport `base64`, whatever the settings say: a batch cannot read files.
        told: the journal as it was found, batches and all.
        report: called with topics done, in total, and a note on the batches and spend.
        stopping: says that the run is ending; batches go on at the provider, and the next run takes them up.

    Raises:
        BackendDown: batches are not served, or one was not run; what was answered is kept.
        Stopping: the run is ending; the same.
        ValueError: a budget without a price.
    """
    till = _Till(purse, agenda.model.settings, models.batch_price_share)
    said, paced = (backend, run, report), (stopping, sleep, limits)
    await _Asking(agenda, entries, media, batches, journal, told, chunk, models, till, *said, *paced).all()


def unsettled(events: Iterable[BatchEvent]) -> tuple[dict[str, tuple[str, ...]], list[tuple[str, ...]]]:
    """Keys of the batches that are under way, by id; and the keys of those that may have come to be."""
    under_way: dict[str, tuple[str, ...]] = {}
    creating: dict[tuple[str, ...], None] = {}
    for event in events:
        if event.state == CREATING:
            creating[event.keys] = None
            continue
        creating.pop(event.keys, None)
        if event.state in ENDED:
            under_way.pop(event.batch_id, None)
        elif event.batch_id:
            under_way[event.batch_id] = event.keys
    return under_way, list(creating)


class _Till:
    """What requests may cost, what they cost, and the budget in between.

    Attributes:
        spent_usd: by this run.
    """

    def __init__(self, purse: Purse | None, own: ModelSettings, share: float) -> None:
        if purse is not None and own.price is None:
            raise ValueError(
                "models.budget_usd is set, but the model has no price, so what it costs is unknown. Set "
                "models.aliases.<alias>.price, or unset the budget."
            )
        self.spent_usd = 0.0
        self._purse, self._own, self._share = purse, own, share
        self._underestimate = 1.0

    def estimate(self, request: ChatRequest) -> int:
        """Prompt tokens, rather too many than too few."""
        return estimate_tokens(request, self._own.tokens_per_image)

    def set_aside(self, estimate: int, max_tokens: int) -> float:
        """Sets aside what a request may cost at most, USD.

        Raises:
            Crowded: it would fit, were the requests under way settled.
            OverBudget: it would not fit even then.
        """
        if self._own.price is None:
            return 0.0
        worst = worst_cost_usd(round(estimate * self._underestimate), max_tokens, self._own.price, self._share)
        if self._purse is not None:
            self._purse.reserve(worst)
        return worst

    def set_aside_again(self, worst_usd: float) -> float:
        """For a batch of an earlier run; 0 where the budget has no room for it: it is under way all the same."""
        if self._purse is None:
            return 0.0
        try:
            self._purse.reserve(worst_usd)
        except OverBudget:
            return 0.0
        return worst_usd

    def settle(self, held_usd: float, actual_usd: float) -> None:
        """Spends the actual cost out of what was set aside."""
        self.spent_usd += actual_usd
        if self._purse is not None:
            self._purse.settle(held_usd, actual_usd)

    def write_off(self, held_usd: float) -> None:
        """Counts as spent what was set aside for a batch that goes on without us."""
        if self._purse is not None and held_usd:
            self._purse.settle(held_usd, held_usd)

    def cost(self, answer: ChatAnswer, estimate: int | None, otherwise: float) -> float | None:
        """What an answer cost, USD; `otherwise` where the provider does not say how many tokens it took."""
        if answer.usage is None:
            return otherwise if self._own.price else None
        if estimate:
            self._underestimate = max(self._underestimate, answer.usage.prompt_tokens / estimate)
        return cost_usd(answer.usage, self._own.price, self._share)


@dataclass
class _Draft:
    """A request file that is being written.

    Attributes:
        estimates: prompt tokens by key of the request.
        worst_usd: what its requests may cost at most; it is set aside.
    """

    limits: FileLimits
    file: IO[bytes] = field(default_factory=TemporaryFile)
    size_bytes: int = 0
    estimates: dict[str, int] = field(default_factory=dict)
    worst_usd: float = 0.0

    def fits(self, line: bytes) -> bool:
        return len(self.estimates) < self.limits.requests and self.size_bytes + len(line) <= self.limits.size_bytes

    def add(self, key: str, line: bytes, estimate: int, worst_usd: float) -> None:
        self.file.write(line)
        self.size_bytes += len(line)
        self.estimates[key] = estimate
        self.worst_usd += worst_usd


@dataclass
class _UnderWay:
    """A batch that is to be paid.

    Attributes:
        estimates: prompt tokens by key; none for a batch of an earlier run.
        worst_usd: what it may cost at most; None until its metadata are seen. held_usd: set aside for it.
    """

    batch_id: str
    keys: tuple[str, ...]
    estimates: Mapping[str, int] = field(default_factory=dict)
    worst_usd: float | None = None
    held_usd: float = 0.0
    served: int = 0


class _Asking:
    """The batches of one chunk."""

    def __init__(
        self,
        agenda: Agenda,
        entries: MutableMapping[str, Entry],
        media: ChunkMedia,
        batches: Batches,
        journal: KeepsLines,
        told: JournalContent,
        chunk: str,
        models: ModelsSettings,
        till: _Till,
        backend: str,
        run: str | None,
        report: Report,
        stopping: Callable[[], bool],
        sleep: Sleep,
        limits: FileLimits,
    ) -> None:
        self._agenda, self._entries, self._media = agenda, entries, media
        self._batches, self._journal, self._told = batches, journal, told
        self._chunk, self._models, self._retry, self._till = chunk, models, models.retry, till
        self._backend, self._run, self._report = backend, run, report
        self._stopping, self._sleep, self._limits = stopping, sleep, limits
        self._known = {event.batch_id for event in told.batches if event.batch_id}
        self._kept = {(entry.batch_id, entry.key) for entry in told.lines if entry.batch_id}
        self._under_way: dict[str, _UnderWay] = {}
        self._draft: _Draft | None = None
        self._tries: dict[str, int] = {}
        self._left: Sequence[Topic] = agenda.topics
        self._held_back = False  # some questions wait for money or room that others take, until a batch has ended
        self._most: int | None = None  # requests at a time, once the provider has called more too much
        self._misses = 0
        self._pause_s: float = models.batch_poll_s

    async def all(self) -> None:
        try:
            await self._take_up()
            await self._look()
            while self._open():
                if not self._held_back or not self._under_way:
                    await self._ask()
                if self._under_way or self._held_back:
                    await self._wait(self._pause_s)
                await self._look()
        finally:
            for batch in self._under_way.values():
                self._till.write_off(batch.held_usd)
        self._say()

    def _open(self) -> list[Waiting]:
        """Topics that are not finished, and the question of each."""
        asked = ((topic, topic.talk().advance(self._entries)) for topic in self._left)
        still = [(topic, question) for topic, question in asked if isinstance(question, Question)]
        self._left = [topic for topic, _ in still]
        return still

    # -- batches of an earlier run

    async def _take_up(self) -> None:
        await self._persist(self._batches.require)
        under_way, creating = unsettled(self._told.batches)
        self._under_way = {batch_id: _UnderWay(batch_id, keys) for batch_id, keys in under_way.items()}
        for keys in creating:
            found = await self._persist(partial(self._find, keys))
            if found is None:
                await self._journal.append(BatchEvent(batch_id="", keys=keys, state=NOT_CREATED))
            else:
                await self._took(found, _UnderWay(found.batch_id, keys))

    async def _find(self, keys: Iterable[str]) -> Batch | None:
        return await self._batches.find({_MARK: self._mark(keys)}, frozenset(self._known))

    def _mark(self, keys: Iterable[str]) -> str:
        named = {"chunk": self._chunk, "labeler": self._agenda.model.alias, "keys": sorted(keys)}
        return hashlib.sha256(canonical_json(named).encode()).hexdigest()

    # -- asking

    async def _ask(self) -> None:
        """Hands in what no batch under way asks yet, as far as money and room go."""
        asked = {key for batch in self._under_way.values() for key in batch.keys}
        waiting = [(topic, question) for topic, question in self._open() if question.key not in asked]
        self._held_back = self._is_full()
        try:
            for _, of_clip in itertools.groupby(waiting, key=lambda item: item[0].view.clip_id):
                self._may_go()
                if self._held_back:
                    break
                await self._ask_clip(list(of_clip))
            await self._hand_in()
        finally:
            self._drop_draft()

    async def _ask_clip(self, waiting: Sequence[Waiting]) -> None:
        try:
            pictures = await asyncio.to_thread(self._media.clip, views_of(topic for topic, _ in waiting))
        except VideoError as error:
            why = f"{error.reason}: {error.hint}"
            await self._keep([self._entry(question, "error", why) for _, question in waiting])
            return
        for topic, question in waiting:
            if not self._held_back:
                await self._write(question, request_of(question, self._agenda, topic.view, pictures))
        self._say()

    async def _write(self, question: Question, request: ChatRequest) -> None:
        """Adds a request to the file, or says why it is not asked."""
        line = self._batches.line(request)
        if len(line) > self._limits.size_bytes:
            too_large = Rejected(f"it takes {len(line):,} bytes, and a batch {self._limits.size_bytes:,} at most.")
            await self._keep([self._failed(question, too_large, 0)])
            return
        draft = await self._with_room(line)
        if self._is_full():
            self._held_back = True
            return
        estimate = self._till.estimate(request)
        try:
            worst_usd = self._till.set_aside(estimate, request.sampling.max_tokens)
        except Crowded:
            self._held_back = True
        except OverBudget as failure:
            await self._keep([self._failed(question, failure, 0)])
        else:
            draft.add(question.key, line, estimate, worst_usd)

    async def _with_room(self, line: bytes) -> _Draft:
        """The file that the line goes to; a full one is handed in."""
        if self._draft is not None and not self._draft.fits(line):
            await self._hand_in()
        if self._draft is None:
            self._draft = _Draft(self._limits)
        return self._draft

    def _is_full(self) -> bool:
        if self._most is None:
            return False
        drafted = len(self._draft.estimates) if self._draft else 0
        return drafted + sum(len(batch.keys) for batch in self._under_way.values()) >= self._most

    async def _hand_in(self) -> None:
        """Makes the file a batch, which is to be paid from then on."""
        draft = self._draft
        if draft is None or not draft.estimates:
            return
        file_id = await self._persist(partial(self._batches.upload, draft.file))
        draft.file.close()
        keys = tuple(draft.estimates)
        await self._journal.append(BatchEvent(batch_id="", keys=keys, state=CREATING))
        self._draft = None
        created = await self._created(file_id, keys, draft.worst_usd)
        await self._took(created, _UnderWay(created.batch_id, keys, draft.estimates, draft.worst_usd, draft.worst_usd))

    async def _created(self, file_id: str, keys: tuple[str, ...], worst_usd: float) -> Batch:
        metadata = {
            _MARK: self._mark(keys),
            "chunk": self._chunk,
            "labeler": self._agenda.model.alias,
            _WORST: f"{worst_usd:.6f}",
        }
        try:
            return await self._batches.create(file_id, metadata)
        except Transient as failure:
            unsure = failure
        except BackendDown:
            await self._journal.append(BatchEvent(batch_id="", keys=keys, state=NOT_CREATED))
            self._till.settle(worst_usd, 0.0)
            raise
        try:
            return await self._found_or_created(file_id, keys, metadata, unsure)
        except BaseException:
            self._till.write_off(worst_usd)
            raise

    async def _found_or_created(
        self, file_id: str, keys: tuple[str, ...], metadata: Mapping[str, str], unsure: Transient
    ) -> Batch:
        """A request that got no answer may have created the batch: it is repeated only where there is none."""
        for attempt in itertools.count(1):
            await self._wait(self._back_off_s(unsure, attempt, self._retry.attempts))
            found = await self._persist(partial(self._find, keys))
            if found is not None:
                return found
            try:
                return await self._batches.create(file_id, metadata)
            except Transient as failure:
                unsure = failure
        raise AssertionError("counting ends by itself")

    async def _took(self, created: Batch, batch: _UnderWay) -> None:
        self._known.add(created.batch_id)
        self._under_way[created.batch_id] = batch
        await self._journal.append(BatchEvent(batch_id=created.batch_id, keys=batch.keys, state=CREATED))

    def _drop_draft(self) -> None:
        """Of a file that is not handed in after all, the money is given back."""
        if self._draft is not None:
            self._draft.file.close()
            self._till.settle(self._draft.worst_usd, 0.0)
            self._draft = None

    # -- looking

    async def _look(self) -> None:
        """Looks at every batch under way; one that cannot be reached now is looked at next time."""
        self._pause_s = self._models.batch_poll_s
        for batch in list(self._under_way.values()):
            self._may_go()
            try:
                seen = await self._batches.look(batch.batch_id)
                results = await self._batches.results(seen) if seen.ended else None
            except BatchGone:
                if not self._models.forget_batches:
                    raise
                await self._forget(batch)
                continue
            except Transient as failure:
                self._misses += 1
                wait_s = self._back_off_s(failure, self._misses, self._retry.down_after)
                self._pause_s = max(self._pause_s, wait_s)
                continue
            self._misses = 0
            self._note(batch, seen)
            if results is not None:
                await self._settle(batch, seen, results)
        self._say()

    async def _forget(self, batch: _UnderWay) -> None:
        """Gives a batch up that the provider does not know any more: what it asked is asked anew."""
        await self._journal.append(BatchEvent(batch_id=batch.batch_id, state=GONE))
        self._till.write_off(batch.held_usd)
        del self._under_way[batch.batch_id]
        self._held_back = False

    def _note(self, batch: _UnderWay, seen: Batch) -> None:
        batch.served = seen.served
        if batch.worst_usd is None:
            batch.worst_usd = float(seen.metadata.get(_WORST) or 0.0)
            batch.held_usd = self._till.set_aside_again(batch.worst_usd)

    async def _settle(self, batch: _UnderWay, seen: Batch, results: Results) -> None:
        """Keeps what a batch brought, then that it is over.

        Raises:
            BackendDown: it says that no request can be served at present.
        """
        questions = {question.key: question for _, question in self._open()}
        answers = {key: result for key, result in results.items() if isinstance(result, ChatAnswer)}
        entries = [
            self._answered(batch, key, answer, questions.get(key))
            for key, answer in answers.items()
            if not {(batch.batch_id, key), (batch.batch_id, UNASKED + key)} & self._kept
        ]
        down = self._not_run(batch, seen)
        if seen.state in _RUN_THROUGH:
            without = Transient(f"Batch {batch.batch_id} {seen.state} without an answer to it. {seen.words}".strip())
            kept = {key for batch_id, key in self._kept if batch_id == batch.batch_id}
            lacking = set(batch.keys) - set(answers) - kept
            failures = [(questions[key], results.get(key, without)) for key in questions if key in lacking]
            ended, down = self._failures(batch, failures, served=bool(answers))
            entries += ended
        await self._keep(entries)
        await self._journal.append(BatchEvent(batch_id=batch.batch_id, state=seen.state))
        self._till.settle(batch.held_usd, sum(entry.cost_usd or 0.0 for entry in entries))
        del self._under_way[batch.batch_id]
        self._held_back = False
        if down is not None:
            raise down

    def _not_run(self, batch: _UnderWay, seen: Batch) -> BackendDown | None:
        """What a batch that was not run means; one that was too much is asked again in smaller ones."""
        if seen.state in _RUN_THROUGH:
            return None
        if seen.too_much and len(batch.keys) > 1:
            self._most = len(batch.keys) // 2
            return None
        words = f" The provider says: {seen.words}" if seen.words else ""
        return BackendDown(
            f"Batch {batch.batch_id} {seen.state}.{words} What it answered is kept; run again to ask for the rest, or "
            "set models.batch to false to ask without batches."
        )

    def _failures(
        self, batch: _UnderWay, failures: Iterable[tuple[Question, object]], *, served: bool
    ) -> tuple[list[Entry], BackendDown | None]:
        """Entries of requests that failed for good, and why no more should be asked, if so."""
        entries: list[Entry] = []
        down: BackendDown | None = None
        for question, failure in failures:
            tries = self._tries[question.key] = self._tries.get(question.key, 0) + 1
            if isinstance(failure, BackendDown):
                down = down or failure
            elif isinstance(failure, Transient) and tries < self._retry.attempts:
                continue
            elif isinstance(failure, ModelFailure):
                entries.append(self._failed(question, failure, tries, batch.batch_id))
        errors = [entry for entry in entries if entry.outcome == "error"]
        if served or len(errors) < len(entries) or len(errors) < self._retry.down_after:
            return entries, down
        return [], down or BackendDown(
            f"All {len(errors)} requests of batch {batch.batch_id} failed, so the backend counts as down. Mend the "
            f"cause and run again; what is answered is kept. The last failure: {errors[-1].reason}"
        )

    # -- entries

    def _answered(self, batch: _UnderWay, key: str, answer: ChatAnswer, question: Question | None) -> Entry:
        """The line of an answer; that of one which nothing waits for any more only says what it cost."""
        average_usd = (batch.worst_usd or 0.0) / max(1, len(batch.keys))
        cost = self._till.cost(answer, batch.estimates.get(key), average_usd)
        attempts = self._tries.get(key, 0) + 1
        taken = answer_fields(Answered(answer, attempts, 0.0, cost)) | {"latency_s": None, "batch_id": batch.batch_id}
        if question is not None:
            return self._entry(question, "answered", **taken)
        told = {"backend": self._backend, "run": self._run, "answered_at": now()}
        return Entry(key=UNASKED + key, keyframe_id="", step="unasked", outcome="answered", **taken, **told)

    def _failed(self, question: Question, failure: ModelFailure, tries: int, batch_id: str | None = None) -> Entry:
        if isinstance(failure, Transient):
            failure = GaveUp(f"Gave up after {tries} batch{'es' if tries > 1 else ''}; the last: {failure}")
        outcome, reason = ending_of(failure)
        return self._entry(question, outcome, reason, attempts=tries, batch_id=batch_id)

    def _entry(self, question: Question, outcome: Outcome, reason: str | None = None, **answer: Any) -> Entry:
        return entry_of(question, self._agenda, outcome, self._backend, self._run, reason, **answer)

    async def _keep(self, entries: Sequence[Entry]) -> None:
        for start in range(0, len(entries), _AT_ONCE):
            part = entries[start : start + _AT_ONCE]
            await asyncio.gather(*(self._journal.append(entry) for entry in part))
            self._entries.update((entry.key, entry) for entry in part)

    # -- waiting

    async def _persist(self, call: Callable[[], Awaitable[Value]]) -> Value:
        """Repeats what costs nothing until it gets through."""
        for attempt in itertools.count(1):
            self._may_go()
            try:
                return await call()
            except Transient as failure:
                wait_s = self._back_off_s(failure, attempt, self._retry.attempts)
            await self._wait(wait_s)
        raise AssertionError("counting ends by itself")

    def _back_off_s(self, failure: Transient, attempt: int, most: int) -> float:
        """How long to wait after the so-manieth failure in a row, s."""
        asked_s = failure.retry_after_s or 0.0
        if attempt >= most:
            raise BackendDown(
                f"{attempt} requests about batches failed in a row; run again to go on. The last failure: {failure}"
            )
        if asked_s > self._retry.longest_retry_after_s:
            raise BackendDown(
                f"The server asks to wait {asked_s:.0f} s, longer than models.retry.longest_retry_after_s "
                f"({self._retry.longest_retry_after_s:.0f} s). Run again later, or raise that. It said: {failure}"
            )
        return max(asked_s, min(self._retry.cap_s, self._retry.base_s * 2.0 ** min(attempt - 1, 60)))

    async def _wait(self, seconds: float) -> None:
        left = seconds
        while left > 0:
            self._may_go()
            await self._sleep(min(left, _NAP_S))
            left -= _NAP_S
        self._may_go()

    def _may_go(self) -> None:
        if self._stopping():
            raise Stopping("The run is ending. Its batches go on at the provider; run again to take them up.")

    def _say(self) -> None:
        total = len(self._agenda.topics)
        asked = sum(len(batch.keys) for batch in self._under_way.values())
        served = sum(batch.served for batch in self._under_way.values())
        written = f", {len(self._draft.estimates)} more written" if self._draft else ""
        spend = f", ${self._till.spent_usd:.2f}" if self._till.spent_usd else ""
        note = f"{len(self._under_way)} batches under way, {served} of {asked} requests served{written}{spend}"
        self._report(total - len(self._left), total, note)
