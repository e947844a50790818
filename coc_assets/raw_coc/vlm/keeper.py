"""The process that asks: it outlives a killed run for as long as its requests are on their way.

A request that was sent is paid for, whether or not its sender still lives when the answer comes. So a child process in
a session of its own sends them and journals the answers. While its parent lives it takes chunk after chunk; when the
parent is gone (its pipe ends, however it died) it sends nothing more, keeps what still comes in, and leaves. The
journal is locked meanwhile, so the next run waits for those answers instead of asking again.

The two talk in JSON lines: a job down, progress and one result up. Only messages go up, never exceptions, so no header
or key of a request can reach the run's logs.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol, TextIO

from pydantic import BaseModel, ConfigDict

from coc_assets.raw_coc.vlm.asking import ask_chunk
from coc_assets.raw_coc.vlm.batch_labelling import ask_chunk_by_batch, unsettled
from coc_assets.raw_coc.vlm.media import ChunkMedia
from coc_assets.raw_coc.vlm.question import Agenda, forget
from coc_assets.stage import StageError, Work, Workspace
from resources import schemas
from resources.journal import Entry, JournalContent, JournalWriter, read_journal, spent_usd
from resources.models.batches import open_batches
from resources.models.breaker import Breaker
from resources.models.caller import Caller
from resources.models.clients import open_client
from resources.models.endpoints import Endpoint, resolve
from resources.models.failures import BackendDown, Stopping
from resources.models.pacing import Pacer
from resources.models.purse import Purse
from resources.models.redaction import redact, secrets_in
from resources.models.request import ModelClient
from resources.settings import Settings, SettingsError

Progress = Callable[[int, int, str], None]
Wanted = Literal["labels", "judgements"]
_AGENDAS: Mapping[Wanted, str] = {
    "labels": "coc_assets.raw_coc.vlm.labelling",
    "judgements": "coc_assets.filtered_coc.model_judge.agenda",
}
"""Module that knows what is asked, by what is wanted; the child alone loads it."""
_MEDIA_FOLDER = "media"
_SAY_EVERY_S = 0.2


class Job(BaseModel):
    """One chunk to ask about, as the asking process is told.

    Attributes:
        wanted: what the answers are for.
        settings: of the run, as JSON; they hold no secrets.
        retry: statuses in which what is wanted is asked for again.
        run: names the run in the ledger.
        processes: how many of these work side by side; limits are shared out among them.
    """

    model_config = ConfigDict(frozen=True)
    settings: dict[str, Any]
    chunk: str
    wanted: Wanted = "labels"
    retry: tuple[schemas.LabelStatus, ...] = ()
    run: str | None = None
    processes: int = 1


class KnowsWhatToAsk(Protocol):
    """What a module of `_AGENDAS` provides."""

    def prepare(self, workspace: Workspace, chunk: str) -> Agenda: ...

    def journal_of(self, workspace: Workspace, chunk: str) -> Path: ...


def have_asked(work: Work, alias: str, wanted: Wanted) -> None:
    """Has a model asked what the stage's chunk still wants of it, by the process that asks that model for this run.

    Raises:
        StageError: the backend is down, or the asking process died; what was answered is kept.
    """
    job = Job(
        settings=work.settings.model_dump(mode="json"),
        chunk=work.chunk,
        wanted=wanted,
        retry=work.retry,
        run=work.run,
        processes=work.workspace.processes,
    )
    work.workspace.companion(companion_of(alias), AskingProcess).ask(job, work.report)


def companion_of(alias: str) -> str:
    """The name of the process that asks a model, whatever for: an engine is loaded once."""
    return f"asking {alias}"


class AskingProcess:
    """The parent's end: starts the child at the first job and hands it one after the other."""

    def __init__(self) -> None:
        self._child: subprocess.Popen[str] | None = None

    def ask(self, job: Job, progress: Progress) -> None:
        """Has asked what a job wants, until the journal answers all of it.

        Raises:
            StageError: the backend is down, or the asking process died; what was answered is kept.
        """
        child = self._running()
        try:
            _send(child.stdin, job.model_dump(mode="json"))
            while line := _line(child.stdout):
                if "progress" in line:
                    with contextlib.suppress(BrokenPipeError):  # whoever watched is gone; the answers are still wanted
                        progress(*line["progress"])
                elif "failed" in line:
                    raise StageError(line["failed"])
                else:
                    return
        except BrokenPipeError:
            pass
        except BaseException as error:
            if not isinstance(error, StageError):
                self.leave()  # interrupted: the child finishes what is on its way, by itself
            raise
        raise StageError(_died(child.wait(), job))

    def leave(self) -> None:
        """Lets the child go: it sends nothing more, keeps the answers still to come, and ends by itself."""
        child, self._child = self._child, None
        for pipe in (child.stdin, child.stdout) if child is not None else ():
            with contextlib.suppress(BrokenPipeError):
                pipe.close()  # type: ignore[union-attr]  # both are pipes

    def _running(self) -> subprocess.Popen[str]:
        if self._child is None or self._child.poll() is not None:
            self._child = subprocess.Popen(
                [sys.executable, "-m", "coc_assets.raw_coc.vlm.keeper"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                encoding="utf-8",
                start_new_session=True,  # neither Ctrl-C nor a killed process group reaches it
            )
        return self._child


def _died(status: int, job: Job) -> str:
    how = f"killed by signal {-status}" if status < 0 else f"exit status {status}"
    return (
        f"The process that asks the model for chunk {job.chunk} died ({how}; out of memory?). "
        "What was answered is kept; the same command goes on from there."
    )


# ---- the child's end ------------------------------------------------------------------------------------------------


def main() -> None:
    """Takes jobs until the parent is gone."""
    up = _own_stdout()
    jobs, parent_gone = _Inbox.reading(sys.stdin)
    with asyncio.Runner() as loop:
        asker = _Asker(loop, up, parent_gone)
        while (job := jobs.next()) is not None:
            _send(up, asker.outcome(Job.model_validate(job)))
        asker.close()


class _Inbox:
    """Jobs as they come, read by a thread that also notices when the parent is gone."""

    def __init__(self, stream: TextIO, gone: threading.Event) -> None:
        import queue

        self._jobs: queue.Queue[dict[str, Any] | None] = queue.Queue()
        self._stream = stream
        self._gone = gone
        threading.Thread(target=self._read, daemon=True).start()

    @classmethod
    def reading(cls, stream: TextIO) -> tuple[_Inbox, threading.Event]:
        gone = threading.Event()
        return cls(stream, gone), gone

    def next(self) -> dict[str, Any] | None:
        return self._jobs.get()

    def _read(self) -> None:
        while line := _line(self._stream):
            self._jobs.put(line)
        self._gone.set()
        self._jobs.put(None)


class _Asker:
    """Does job after job with one client, as an engine in this process takes minutes to load."""

    def __init__(self, loop: asyncio.Runner, up: TextIO, parent_gone: threading.Event) -> None:
        self._loop = loop
        self._up = up
        self._parent_gone = parent_gone
        self._open: _Open | None = None

    def outcome(self, job: Job) -> dict[str, Any]:
        """Does the job and says how it ended, in a message without secrets."""
        secrets: tuple[str, ...] = secrets_in(os.environ, None)
        try:
            workspace = Workspace(Settings.model_validate(job.settings))
            knows: KnowsWhatToAsk = importlib.import_module(_AGENDAS[job.wanted])
            agenda = knows.prepare(workspace, job.chunk)
            endpoint = resolve(agenda.model, os.environ)
            secrets = secrets_in(os.environ, endpoint)
            with _journal(knows.journal_of(workspace, job.chunk), self._up) as journal:
                chunk = _Chunk(workspace, agenda, endpoint, job, journal, self._up, self._parent_gone)
                if workspace.settings.models.batch:
                    self._loop.run(chunk.ask_by_batch())
                else:
                    self._loop.run(chunk.ask(self._opened(chunk)))
        except Stopping:
            return {"failed": "The run is ending."}
        except (BackendDown, SettingsError, StageError, ValueError, OSError) as error:
            return {"failed": redact(f"{_asked_of(job)}: {error}", secrets)}
        except Exception as error:
            return {"failed": redact(f"{_asked_of(job)}: {type(error).__name__}: {error}", secrets)}
        return {"done": True}

    def close(self) -> None:
        if self._open is not None:
            self._loop.run(self._open.client.close())
            self._open = None

    def _opened(self, chunk: _Chunk) -> _Open:
        """Client and caller of the last chunk, unless something else is asked or the backend counted as down."""
        if self._open is not None and self._open.serves(chunk):
            return self._open
        self.close()
        self._open = _Open(chunk, open_client(chunk.endpoint, chunk.agenda.model.settings, os.environ))
        return self._open


class _Open:
    """A client, and the pace, estimates and failures in a row of one backend, which outlast a chunk."""

    def __init__(self, chunk: _Chunk, client: ModelClient) -> None:
        own, models = chunk.agenda.model.settings, chunk.workspace.settings.models
        self.client = client
        self.in_flight = max(1, (own.max_in_flight or 16) // chunk.job.processes)
        self._made_for = _shaped_by(chunk)
        self._breaker = Breaker(models.retry.down_after)
        requests, tokens = chunk.share(own.requests_per_minute), chunk.share(own.tokens_per_minute)
        self.caller = Caller(
            client,
            own,
            models.retry,
            Pacer(self.in_flight, requests, tokens, time.monotonic),
            self._breaker,
            chunk.purse,
            stopping=chunk.parent_gone.is_set,
        )

    def serves(self, chunk: _Chunk) -> bool:
        try:
            self._breaker.check()
        except BackendDown:
            return False  # the next chunk looks for itself whether it still is
        return self._made_for == _shaped_by(chunk)


def _shaped_by(chunk: _Chunk) -> tuple[object, ...]:
    """What a client and its caller are made of."""
    return chunk.endpoint, chunk.agenda.model.settings, chunk.workspace.settings.models, chunk.job.processes


def _asked_of(job: Job) -> str:
    settings = job.settings
    who = {
        "labels": lambda: f"labeler {settings['labeler']}",
        "judgements": lambda: f"judge {settings['filtering']['judge']['model']}",
    }[job.wanted]
    return f"{who()}, chunk {job.chunk}"


@contextlib.contextmanager
def _journal(path: Path, up: TextIO) -> Iterator[JournalWriter]:
    def waiting(seconds: float) -> None:
        _send(up, {"progress": [0, 1, f"waiting for the last requests of an earlier run, {seconds:.0f} s"]})

    journal = JournalWriter.open(path, waiting)
    try:
        yield journal
    finally:
        journal.close()


@dataclass(frozen=True)
class _Chunk:
    """One chunk about to be asked about, its journal open and locked."""

    workspace: Workspace
    agenda: Agenda
    endpoint: Endpoint
    job: Job
    journal: JournalWriter
    up: TextIO
    parent_gone: threading.Event

    async def ask(self, opened: _Open) -> None:
        """Asks request by request.

        Raises:
            BackendDown: nothing can be served, or batches of an earlier run are still under way.
        """
        content = read_journal(self.journal.path)  # under the lock: nobody else adds to it now
        _require_settled(content)
        await _require_reachable(opened.client, self.endpoint)
        with self._media(self.agenda.model.settings.transport or "base64") as media:
            await ask_chunk(
                self.agenda,
                self._known(content),
                media,
                opened.caller,
                self.journal,
                in_flight=opened.in_flight,
                backend=self.endpoint.backend,
                run=self.job.run,
                report=_telling(self.up),
            )
            media.remove()

    async def ask_by_batch(self) -> None:
        """Asks by the provider's batches; takes up those of an earlier run."""
        content = read_journal(self.journal.path)
        own, models = self.agenda.model.settings, self.workspace.settings.models
        batches = open_batches(self.endpoint, os.environ, own.timeout_s or 600.0)
        try:
            with self._media("base64") as media:
                await ask_chunk_by_batch(
                    self.agenda,
                    self._known(content),
                    media,
                    batches,
                    self.journal,
                    told=content,
                    chunk=self.job.chunk,
                    models=models,
                    purse=self.purse,
                    backend=self.endpoint.backend,
                    run=self.job.run,
                    report=_telling(self.up),
                    stopping=self.parent_gone.is_set,
                )
        finally:
            await batches.close()

    def _known(self, content: JournalContent) -> dict[str, Entry]:
        """What the journal answers, less what is to be asked again."""
        entries = dict(content.entries)
        forget(self.agenda, entries, self.job.retry)
        return entries

    def _media(self, transport: Literal["base64", "file_url"]) -> ChunkMedia:
        settings = self.workspace.settings
        return ChunkMedia(
            self.workspace.root,
            self.job.chunk,
            settings.videos.camera,
            settings.labels.vlm,
            self.agenda.media,
            transport,
            (self.journal.path.parent / _MEDIA_FOLDER).absolute(),
            self.agenda.scopes,
        )

    def share(self, limit: float | None) -> float | None:
        return limit / self.job.processes if limit else None

    @property
    def purse(self) -> Purse | None:
        store, budget = self.workspace.store, self.workspace.settings.models.budget_usd
        return None if budget is None else Purse(store.budget_path, budget, lambda: spent_usd(store))


def _require_settled(content: JournalContent) -> None:
    """Answers of a batch under way are paid for: asking one by one would pay for them twice."""
    under_way, creating = unsettled(content.batches)
    if under_way or creating:
        named = ", ".join(under_way) or "one that may have been created"
        raise BackendDown(
            f"A batch of an earlier run is under way at the provider ({named}). Set models.batch: true and run again "
            "to take its answers up."
        )


async def _require_reachable(client: ModelClient, endpoint: Endpoint) -> None:
    """A server of one's own is looked at first: that it is down is then said at once, and once."""
    reachable = getattr(client, "reachable", None)
    if endpoint.backend == "server" and reachable is not None:
        await reachable()


def _telling(up: TextIO) -> Progress:
    """Progress to the parent, a few times a second; a parent that is gone hears nothing."""
    last = [0.0]

    def tell(done: int, total: int, note: str) -> None:
        now = time.monotonic()
        if done == total or now - last[0] >= _SAY_EVERY_S:
            last[0] = now
            _send(up, {"progress": [done, total, note]})

    return tell


def _own_stdout() -> TextIO:
    """The pipe to the parent, kept from whatever prints: those words go to stderr."""
    up = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return up


def _send(stream: Any, message: Mapping[str, Any]) -> None:
    with contextlib.suppress(BrokenPipeError, ValueError):
        stream.write(json.dumps(message) + "\n")
        stream.flush()


def _line(stream: Any) -> dict[str, Any] | None:
    line = stream.readline()
    return json.loads(line) if line else None


if __name__ == "__main__":
    main()
