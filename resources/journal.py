"""The journal of a model that labels or judges in one partition: every paid answer, kept the moment it arrives.

One JSON line an answer, append-only, flushed to disk before anything is built on it. Tables are built from it and from
nothing else, so a killed run goes on without asking again, and building twice gives the same bytes. It is the ledger
too: `coc cost` and the view `requests` read its lines. A writer holds the file's lock as long as it lives.
"""

from __future__ import annotations

import asyncio
import fcntl
import math
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError

from resources.sql import query
from resources.store import Store, flush

_LOOK_AGAIN_S = 0.5  # at a lock that another process holds

Outcome = Literal["answered", "refused", "error", "over_budget"]
"""`answered` keeps the text as returned, usable or not; the others end the label or judgement until `--retry`."""


def _writable(words: str) -> str:
    """The words as UTF-8 can hold them: half a surrogate pair, which JSON may bring, becomes `?`."""
    return words if words.isascii() else words.encode(errors="replace").decode()


_Words = Annotated[str, AfterValidator(_writable)]


class Entry(BaseModel):
    """One line: a question and what became of it.

    Attributes:
        key: names the question and everything that shapes its answer (keyframe, model, prompt version, parameters and
            content shown); of several lines with one key the last holds.
        label_id: the label that is judged; None where a label is asked for.
        step: what is asked. round: 1, or 2 where an unusable answer was asked for again.
        asked_model: id asked for. model: id that the server reports.
        text, finish_reason, refusal: as returned. reason: why there is no answer.
        attempts: requests sent. latency_s: of the one that was answered.
        answered_at: UTC instant, ISO 8601. run: the run that paid.
        batch_id: of the provider's batch, where it came by one.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)
    key: str
    keyframe_id: str
    label_id: str | None = None
    step: str
    round: int = 1
    outcome: Outcome
    backend: str = ""
    asked_model: str = ""
    model: _Words | None = None
    prompt_version: str = ""
    text: _Words | None = None
    finish_reason: _Words | None = None
    refusal: _Words | None = None
    reason: _Words | None = None
    attempts: int = 0
    prompt_tokens: int | None = None
    cached_tokens: int | None = None
    completion_tokens: int | None = None
    reasoning_tokens: int | None = None
    cost_usd: float | None = None
    latency_s: float | None = None
    answered_at: str | None = None
    run: str | None = None
    batch_id: str | None = None


class BatchEvent(BaseModel):
    """One line about a batch of the provider's; its answers come as entries of their own.

    Attributes:
        keys: the questions in it; may be left out once they are told.
        state: as the provider says.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)
    event: Literal["batch"] = "batch"
    batch_id: str
    keys: tuple[str, ...] = ()
    state: str


Line = Entry | BatchEvent


@dataclass(frozen=True)
class JournalContent:
    """What a journal holds.

    Attributes:
        lines: every entry in order, superseded ones too: each was paid for.
        batches: events of batches, in order.
        unreadable: lines that are no entry and no event; a killed writer leaves one half written.
    """

    lines: Sequence[Entry] = ()
    batches: Sequence[BatchEvent] = ()
    unreadable: int = 0

    @cached_property
    def entries(self) -> dict[str, Entry]:
        """What holds: the last line of each key."""
        return {entry.key: entry for entry in self.lines}


def read_journal(path: Path) -> JournalContent:
    """What the journal holds; nothing where there is no file. Safe while a writer is at work."""
    lines: list[Entry] = []
    batches: list[BatchEvent] = []
    unreadable = 0
    for raw in lines_of(path):
        line = _read(raw)
        if isinstance(line, Entry):
            lines.append(line)
        elif line:
            batches.append(line)
        else:
            unreadable += 1
    return JournalContent(lines, batches, unreadable)


def spent_usd(store: Store) -> float:
    """US dollars that all journals of the store say were paid; a line without a price adds nothing."""
    priced = query(store, "SELECT cost_usd FROM requests WHERE cost_usd IS NOT NULL")
    return math.fsum(priced["cost_usd"])  # exact, so the order in which files are read does not matter


class JournalWriter:
    """Appends to one journal, alone: a line is on disk before its `append` returns.

    Lines that come while the disk is busy are flushed together, in the order they came, by a thread of the writer's
    own. Not to be carried over a fork: the child would share the lock.
    """

    def __init__(self, path: Path, descriptor: int) -> None:
        """Use `JournalWriter.open`; `descriptor` is the file, locked and open for appending."""
        self.path = path
        self._descriptor = descriptor
        self._guard = threading.Lock()
        self._pending: list[tuple[bytes, Future[None]]] = []
        self._flusher = ThreadPoolExecutor(1, thread_name_prefix="journal")
        self._broken: OSError | None = None

    @classmethod
    def open(
        cls,
        path: Path,
        waiting: Callable[[float], None] = lambda seconds: None,
        *,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> Self:
        """The journal, for appending; made where there is none.

        Blocks while another process writes it, which may be finishing its last requests after a kill of its parent.

        Args:
            waiting: called about twice a second meanwhile, with the seconds waited so far.

        Raises:
            OSError: the file cannot be opened, written or locked.
        """
        descriptor = _opened(path)
        try:
            _lock(descriptor, path, waiting, sleep, clock)
            _seal(descriptor)
        except BaseException:
            os.close(descriptor)
            raise
        return cls(path, descriptor)

    async def append(self, entry: BaseModel) -> None:
        """Returns once the line is on disk. A line whose wait is cancelled is written all the same.

        Raises:
            OSError: it is not, for example because the disk is full; nothing of it is left in the file.
        """
        await asyncio.wrap_future(self._enqueue([entry]))

    def append_now(self, entries: Sequence[BaseModel]) -> None:
        """As `append`, for several entries and without an event loop: all of them or none."""
        self._enqueue(entries).result()

    def close(self) -> None:
        """Finishes what was begun and lets go of the lock."""
        self._flusher.shutdown(wait=True)
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _enqueue(self, lines: Sequence[BaseModel]) -> Future[None]:
        data = b"".join(_written(line) for line in lines)
        done: Future[None] = Future()
        with self._guard:
            if not self._pending:
                self._flusher.submit(self._flush)
            self._pending.append((data, done))
        return done

    def _flush(self) -> None:
        """Writes all that is pending, and tells everyone who waits for it what became of it."""
        with self._guard:
            batch, self._pending = self._pending, []
        awaited = [done for _, done in batch if done.set_running_or_notify_cancel()]
        try:
            self._write(b"".join(data for data, _ in batch))
        except Exception as error:
            for done in awaited:
                done.set_exception(_of_file(error, self.path))
        else:
            for done in awaited:
                done.set_result(None)

    def _write(self, data: bytes) -> None:
        """All of the data, flushed to disk, or none of it."""
        if self._broken:
            raise self._broken
        size = os.fstat(self._descriptor).st_size
        try:
            _write_whole(self._descriptor, data)
            os.fsync(self._descriptor)
        except OSError:
            self._take_back(size)
            raise

    def _take_back(self, size: int) -> None:
        """Cuts off what a failed write left; where even that fails no further line may follow it."""
        try:
            os.ftruncate(self._descriptor, size)
        except OSError as error:
            self._broken = error


def _written(line: BaseModel) -> bytes:
    return line.model_dump_json(exclude_none=True).encode() + b"\n"


def lines_of(path: Path) -> Iterator[bytes]:
    """The lines that are not blank, one at a time: a journal may be larger than what it is read for."""
    try:
        with path.open("rb") as file:
            yield from (line for line in file if not line.isspace())
    except FileNotFoundError:
        return


def _read(raw: bytes) -> Line | None:
    for kind in (Entry, BatchEvent):
        try:
            return kind.model_validate_json(raw)
        except ValidationError:
            continue
    return None


def _opened(path: Path) -> int:
    """The file's descriptor; that it exists is on disk, and its folders too."""
    made = [folder for folder in path.parents if not folder.exists()]
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o666)
    for folder in (path.parent, *(folder.parent for folder in made)):
        flush(folder)
    return descriptor


def _lock(
    descriptor: int,
    path: Path,
    waiting: Callable[[float], None],
    sleep: Callable[[float], None],
    clock: Callable[[], float],
) -> None:
    begun = clock()
    while True:
        try:
            return fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            waiting(clock() - begun)
            sleep(_LOOK_AGAIN_S)
        except OSError as error:
            told = f"{error.strerror}: cannot be locked; put the store on a file system that knows flock"
            raise OSError(error.errno, told, str(path)) from None


def _seal(descriptor: int) -> None:
    """Ends a line that a killed writer left half written, so that the next one stands by itself."""
    size = os.fstat(descriptor).st_size
    if size and os.pread(descriptor, 1, size - 1) != b"\n":
        _write_whole(descriptor, b"\n")


def _write_whole(descriptor: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def _of_file(error: Exception, path: Path) -> Exception:
    """An error of its own for each who waits, naming the file."""
    return OSError(error.errno, error.strerror, str(path)) if isinstance(error, OSError) else error
