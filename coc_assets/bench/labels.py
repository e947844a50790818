"""How fast a model labels, against what the model's server could serve: one server, one run, one ratio.

The server answers after a fixed latency (`chat_server`). First a bare client finds its limit: kept-alive sockets that
send ready-made bodies and look at nothing but the length of the reply. Then the stage `raw_coc` labels the same
keyframes the way `coc run` does: a process of its own asks, every answer is flushed to the journal, and the table is
built from it. Both rates are the server's count, from its first request to its last answer.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args
from urllib.parse import urlsplit
from urllib.request import urlopen

from coc_assets.bench.chat_server import ANSWERS, MODEL, completion
from coc_assets.bench.tables import figures_table
from coc_assets.raw_coc.vlm.asking import ask_chunk
from coc_assets.raw_coc.vlm.keeper import AskingProcess, companion_of
from coc_assets.raw_coc.vlm.labelling import Prepared, prepare
from coc_assets.raw_coc.vlm.media import ChunkMedia, Transport
from coc_assets.sample.generate import generate
from coc_assets.stage import Workspace, run_stage
from coc_assets.stages import STAGES_BY_NAME
from resources import schemas
from resources.journal import Entry
from resources.models.chat_completions import answer_of, request_body
from resources.models.endpoints import Endpoint, resolve
from resources.models.request import Answered, ChatRequest
from resources.settings import Settings
from resources.settings.labels import LabelSettings, VlmSettings
from resources.settings.models import ModelSettings, ModelsSettings
from resources.settings.videos import VideoSettings

if TYPE_CHECKING:
    from rich.table import Table

TRANSPORTS: tuple[Transport, ...] = get_args(Transport)
_CLIPS = 6
_BASE64_HEIGHT = 270  # pixels
_BARE_REQUESTS = 1600
_RECORDED_KEYFRAMES = 64  # whose requests the bare client repeats
_HEAD_END = b"\r\n\r\n"
_LENGTH = b"content-length: "


@dataclass(frozen=True)
class Served:
    """What the server was asked: requests, the seconds from the first one to the last answer, its processor time."""

    requests: int
    first_s: float
    last_s: float
    cpu_s: float

    @property
    def per_s(self) -> float:
        return self.requests / max(self.last_s - self.first_s, 1e-9)


@dataclass(frozen=True)
class Labelled:
    """One pass of the stage.

    Attributes:
        stage_s: all of it. start_s: of that, until the server had its first request.
        asking_cpu_s: processor time of the thread that asks, while it asks; None where the system does not tell.
        process_cpu_s: of its process, decoding included.
    """

    served: Served
    stage_s: float
    start_s: float
    asking_cpu_s: float | None
    process_cpu_s: float | None


def run_label_bench(
    keyframes: int = 2000, latency_s: float = 0.05, in_flight: int = 16, clips: int = _CLIPS
) -> dict[str, object]:
    """Measures labelling by a model and returns figures fit for JSON.

    `requests_per_s`: of the stage. `server_limit_per_s`: of the bare client with the same requests; before and after
    the stage, the better one. `ratio` compares the two. Frames go as files that the server opens, so requests have a
    few KB; `base64_…` is the same with frames of 270 pixels in the request. `ideal_per_s`: requests in flight by
    latency. `stage_s`: the whole stage; `start_s`: of that, until the first request; `process_start_s`: of that,
    starting the process that asks. `…_cpu_ms`: processor time a request, of the thread that asks, of its process
    (decoding and flushing included), and of the server. `prepared_keyframes_per_s`: decoding and encoding of frames in
    one thread, of keyframes as far apart as the sample has them.

    Args:
        keyframes: labelled in each pass.
        latency_s: of each answer.
        in_flight: requests at a time.
        clips: generated, whose keyframes are repeated.
    """
    with tempfile.TemporaryDirectory(prefix="coc-bench-") as folder, chat_server(latency_s) as url:
        settings = _settings(Path(folder).resolve(), url, in_flight)
        chunk = make_sample(settings, clips)
        prepared_per_s = _prepared_per_s(Workspace(settings), chunk)
        repeat_keyframes(Workspace(settings), chunk, keyframes)
        files = _pass(settings, "file_url", chunk, url, keyframes, in_flight)
        pictures = _pass(settings, "base64", chunk, url, keyframes, in_flight)
    return {
        **files,
        **{f"base64_{name}": value for name, value in pictures.items()},
        "ideal_per_s": round(in_flight / latency_s, 1),
        "process_start_s": _process_start_s(),
        "prepared_keyframes_per_s": prepared_per_s,
        "keyframes": keyframes,
        "latency_ms": round(latency_s * 1e3, 3),
        "in_flight": in_flight,
    }


def label_table(figures: dict[str, object]) -> Table:
    """The figures of `run_label_bench` for a terminal, a row each."""
    return figures_table("Labelling by a model, against the limit of its server", figures)


# ---- what is labelled -----------------------------------------------------------------------------------------------


def make_sample(settings: Settings, clips: int) -> str:
    """Generates one chunk of sound clips with video and makes all tables that labelling reads; names the chunk."""
    assert settings.dataset
    generate(settings.dataset, chunks=1, clips=clips, defects=False)
    workspace = Workspace(settings)
    (chunk,) = workspace.root.chunks()
    for name in ("trajectory_cache", "meta_actions", "keyframe_segments", "clip_videos"):
        run_stage(STAGES_BY_NAME[name], workspace, chunk)
    return chunk


def repeat_keyframes(workspace: Workspace, chunk: str, count: int) -> None:
    """Repeats the chunk's own keyframes to so many, each a microsecond after the one before, and says what they show.

    They show the same frames, so that hardly any time goes into decoding: what that takes is a figure of its own.
    """
    store = workspace.store
    own = store.read_table(schemas.KEYFRAMES, chunk).rows(named=True)
    times = [count // len(own) + (number < count % len(own)) for number in range(len(own))]
    rows = [_later(row, after_us) for row, many in zip(own, times, strict=True) for after_us in range(many)]
    repeated = schemas.rows_to_frame(rows, schemas.KEYFRAMES)
    store.write_table(repeated, schemas.KEYFRAMES, store.table_path(schemas.KEYFRAMES, chunk), chunk)
    run_stage(STAGES_BY_NAME["clip_videos"], workspace, chunk, force=True)


def _later(keyframe: dict[str, Any], after_us: int) -> dict[str, Any]:
    t0_us = keyframe["t0_us"] + after_us
    return keyframe | {"keyframe_id": f"{keyframe['clip_id']}-{t0_us:08d}", "t0_us": t0_us}


def _settings(folder: Path, url: str, in_flight: int) -> Settings:
    return Settings(
        dataset=folder / "dataset",
        store=folder / "store",
        labeler=_alias("file_url"),
        videos=VideoSettings(segments="on_demand"),
        models=_models(url, in_flight),
    )


def _models(url: str, in_flight: int) -> ModelsSettings:
    model = ModelSettings(backend="server", model=MODEL, base_url=url, max_in_flight=in_flight)
    return ModelsSettings(
        aliases={_alias(transport): model.model_copy(update={"transport": transport}) for transport in TRANSPORTS}
    )


def _alias(transport: Transport) -> str:
    """A model of its own, so that each pass has a journal and a table of its own."""
    return f"bench-{transport}"


def _for(settings: Settings, transport: Transport) -> Settings:
    height = _BASE64_HEIGHT if transport == "base64" else settings.labels.vlm.image_height
    labels = LabelSettings(vlm=VlmSettings(image_height=height))
    return settings.model_copy(update={"labeler": _alias(transport), "labels": labels})


def _prepared_per_s(workspace: Workspace, chunk: str) -> float:
    """Keyframes a second whose frames are decoded and encoded; the first clip, which pays for imports, is left out."""
    prepared = prepare(workspace, chunk)
    warm_up, *clips = [list(views) for _, views in groupby(prepared.views, key=lambda view: view.clip_id)]
    with _media(workspace, prepared, chunk, "base64") as media:
        media.clip(warm_up)
        started = time.perf_counter()
        for views in clips or [warm_up]:
            media.clip(views)
        seconds = time.perf_counter() - started
    return round(sum(map(len, clips or [warm_up])) / seconds, 1)


def _media(workspace: Workspace, prepared: Prepared, chunk: str, transport: Transport) -> ChunkMedia:
    settings = workspace.settings
    folder = settings.store / "frames"
    return ChunkMedia(
        workspace.root, chunk, settings.videos.camera, settings.labels.vlm, prepared.plan.media, transport, folder
    )


# ---- one pass -------------------------------------------------------------------------------------------------------


def _pass(
    settings: Settings, transport: Transport, chunk: str, url: str, keyframes: int, in_flight: int
) -> dict[str, Any]:
    """The server's limit, the stage, and the limit once more."""
    workspace = Workspace(_for(settings, transport))
    bodies = asyncio.run(recorded_bodies(workspace, chunk, transport))
    before = bare(url, bodies, in_flight)
    labelled = label(workspace, chunk, url, keyframes)
    limit = max(before, bare(url, bodies, in_flight), key=lambda served: served.per_s)
    requests = labelled.served.requests
    return {
        "ratio": round(labelled.served.per_s / limit.per_s, 3),
        "requests_per_s": round(labelled.served.per_s, 1),
        "server_limit_per_s": round(limit.per_s, 1),
        "requests": requests,
        "request_kb": round(sum(map(len, bodies)) / len(bodies) / 1024, 1),
        "stage_s": round(labelled.stage_s, 2),
        "start_s": round(labelled.start_s, 2),
        "asking_cpu_ms": _ms_each(labelled.asking_cpu_s, requests),
        "asking_process_cpu_ms": _ms_each(labelled.process_cpu_s, requests),
        "server_cpu_ms": _ms_each(labelled.served.cpu_s, requests),
    }


def _ms_each(seconds: float | None, requests: int) -> float | None:
    return None if seconds is None else round(seconds / requests * 1e3, 2)


def label(workspace: Workspace, chunk: str, url: str, keyframes: int) -> Labelled:
    """Labels the chunk as a run does.

    Raises:
        RuntimeError: not every label is ok, so the figures would mean nothing.
    """
    asking = _Watched()
    watched = replace(workspace, progress=asking.watch, companions={companion_of(workspace.settings.labeler): asking})
    served_since(url)
    began = time.monotonic()
    try:
        run_stage(STAGES_BY_NAME["raw_coc"], watched, chunk)
    finally:
        asking.leave()
    stage_s = time.monotonic() - began
    labels = workspace.store.read_table(schemas.RAW_COC, chunk, labeler=workspace.settings.labeler)
    counts = dict(labels["status"].value_counts().iter_rows())
    if counts != {"ok": keyframes}:
        raise RuntimeError(f"The benchmark's labels should be {keyframes} ok, and are {counts}.")
    served = served_since(url)
    return Labelled(served, stage_s, served.first_s - began, *asking.cpu_s)


class _Watched(AskingProcess):
    """An asking process whose processor time is read when it begins to ask and when it is through."""

    def __init__(self) -> None:
        super().__init__()
        self._readings: list[tuple[float | None, float | None]] = []

    def watch(self, chunk: str, stage: str, done: int, total: int, note: str) -> None:
        if self._child and note and (done == total or not self._readings):
            process = str(self._child.pid)
            self._readings.append((_cpu_s(f"{process}/task/{process}"), _cpu_s(process)))

    @property
    def cpu_s(self) -> tuple[float | None, float | None]:
        """Of the thread that asks, and of its whole process."""
        thread, process = zip(self._readings[0], self._readings[-1], strict=True)
        return _between(*thread), _between(*process)


def _between(before: float | None, after: float | None) -> float | None:
    return None if before is None or after is None else after - before


def _cpu_s(task: str) -> float | None:
    """Processor time of a process or thread so far; None where the system does not tell."""
    try:
        fields = Path(f"/proc/{task}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _process_start_s() -> float:
    """Starting the process that asks, its imports included, when there is nothing to ask."""
    started = time.perf_counter()
    subprocess.run([sys.executable, "-m", "coc_assets.raw_coc.vlm.keeper"], stdin=subprocess.DEVNULL, check=True)
    return round(time.perf_counter() - started, 2)


# ---- the server, and a bare client ----------------------------------------------------------------------------------


@contextmanager
def chat_server(latency_s: float) -> Iterator[str]:
    """The server in a process of its own; its base URL."""
    command = [sys.executable, "-m", "coc_assets.bench.chat_server", "--latency", str(latency_s)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        url = process.stdout.readline().strip()
        if not url:
            raise RuntimeError(f"The benchmark's server did not start: {' '.join(command)}")
        yield url


def served_since(url: str) -> Served:
    """What the server was asked since this was last asked for."""
    with urlopen(f"{url}/figures", timeout=10) as reply:
        told = json.load(reply)
    return Served(sum(told["requests"].values()), told["first_s"] or 0.0, told["last_s"] or 0.0, told["cpu_s"])


async def recorded_bodies(workspace: Workspace, chunk: str, transport: Transport) -> list[bytes]:
    """The requests that labelling makes, as they go over the wire, of the chunk's first keyframes."""
    prepared = prepare(workspace, chunk)
    first = replace(prepared, views=prepared.views[:_RECORDED_KEYFRAMES])
    recorder = _Recorder(resolve(prepared.model, os.environ))
    with _media(workspace, first, chunk, transport) as media:
        await ask_chunk(
            first, {}, media, recorder, recorder, in_flight=1, backend="server", run=None, report=lambda *_: None
        )
        media.remove()
    return recorder.bodies


class _Recorder:
    """Answers at once what the server would answer, keeps the request, and forgets the answer."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.bodies: list[bytes] = []
        self._endpoint = endpoint

    async def ask(self, request: ChatRequest) -> Answered:
        self.bodies.append(json.dumps(request_body(request, self._endpoint)).encode())
        said = completion(json.dumps(ANSWERS[request.schema_name]))
        return Answered(answer_of(said, str), attempts=1, latency_s=0.0)

    async def append(self, entry: Entry) -> None:
        pass


def bare(url: str, bodies: Sequence[bytes], in_flight: int, requests: int = _BARE_REQUESTS) -> Served:
    """What the server serves a client that does nothing but send and receive."""
    served_since(url)
    asyncio.run(_drive(url, bodies, in_flight, requests))
    return served_since(url)


async def _drive(url: str, bodies: Sequence[bytes], in_flight: int, requests: int) -> None:
    parts = urlsplit(url)
    assert parts.hostname
    assert parts.port
    head = f"POST {parts.path}/chat/completions HTTP/1.1\r\nhost: {parts.netloc}\r\n"
    waiting = iter([bodies[number % len(bodies)] for number in range(requests)])
    loop = asyncio.get_running_loop()
    lines = [_Line(head, waiting, loop.create_future()) for _ in range(in_flight)]
    for line in lines:
        await loop.create_connection(lambda line=line: line, parts.hostname, parts.port)  # type: ignore[misc]
    await asyncio.gather(*(line.done for line in lines))


class _Line(asyncio.Protocol):
    """One connection that sends a request as soon as the last one is answered, until there are no more."""

    def __init__(self, head: str, waiting: Iterator[bytes], done: asyncio.Future[None]) -> None:
        self.done = done
        self._head = head
        self._waiting = waiting
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._send()

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, found, body = self._received.partition(_HEAD_END)
        if found and len(body) >= int(head.partition(_LENGTH)[2].split(b"\r\n", 1)[0]):
            self._received = b""
            self._send()

    def connection_lost(self, error: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(error or ConnectionError("The benchmark's server closed a connection."))

    def _send(self) -> None:
        body = next(self._waiting, None)
        if body is None:
            self.done.set_result(None)
            self._transport.close()
            return
        self._transport.write(f"{self._head}content-length: {len(body)}\r\n\r\n".encode())
        self._transport.write(body)
