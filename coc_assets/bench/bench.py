"""How fast egomotion archives become trajectories, meta-actions and keyframes, against only opening the archives.

Dagster is left out, files are not: every pass reads zips and writes Parquet as the stages do. Processes are started,
imported and warmed up before the clock runs; passes of all kinds are short and take turns, and the best of each kind
counts, so that a busy machine blurs the figures little.
"""

from __future__ import annotations

import multiprocessing
import os
import resource
import shutil
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from coc_assets.bench import plain
from coc_assets.bench.tables import figures_table
from coc_assets.keyframe_segments import selection
from coc_assets.meta_actions import spans as meta_actions
from coc_assets.sources import pai
from coc_assets.sources.egomotion import ClipRejected, Egomotion, clean
from coc_assets.trajectory_cache import tables
from coc_assets.trajectory_cache.resampling import resample, trajectory_frame
from resources import schemas
from resources.archives import MemberError
from resources.dataset import EGOMOTION, DatasetRoot
from resources.settings import Settings, load_settings
from resources.settings.trajectory import TrajectorySettings
from resources.store import Store

if TYPE_CHECKING:
    from rich.table import Table

COLUMNS = ("timestamp", "qx", "qy", "qz", "qw", "x", "y", "z", "vx", "vy")
"""What resampling needs of a member."""

_CACHE_TABLES = (schemas.CLIPS, schemas.TRAJECTORIES, schemas.TRACKS, schemas.REJECTS)
_MIB = 1 << 20
_PROCESSES = 2


@dataclass(frozen=True)
class Bench:
    """One process's share: chunks of a dataset, a store of its own to write to, and which of the cores is its own."""

    dataset: Path
    store: Path
    chunks: tuple[str, ...]
    settings: Settings
    core: int = 0


@dataclass(frozen=True)
class Answer:
    """What a process says after a pass: clips done, seconds in all and by step where it took them, peak memory."""

    clips: int
    seconds: float
    steps: dict[str, float]
    peak_rss_mib: float


def run_bench(
    dataset: Path, *, settings: Settings | None = None, repeat: int = 25, clips: int = 200, chunk_clips: int = 100
) -> dict[str, object]:
    """Measures the kinematic stages on two processes and returns figures fit for JSON.

    Rates are clips a second. `clips_per_s`: zips to stored trajectories, meta-actions and keyframes, two processes.
    `open_only_clips_per_s`: opening the members and nothing else, two processes: their bytes out of the zip, checked
    against the checksum, and their Parquet table decoded in the fastest way at hand; `ratio` compares the two. Two
    parts of opening are given apart: `open_columns_clips_per_s` decodes just the columns that resampling needs,
    `read_bytes_clips_per_s` nothing. `baseline_clips_per_s`: one clip at a time in plain Python, same tables, one
    process; `baseline_ratio` compares it with `open_only_one_core_clips_per_s`, `ratio_to_baseline` compares
    `clips_per_s` with it. `stages`: seconds a step takes for all `clips` in one process and thread; `tables`,
    `meta_actions` and `keyframes` include writing. `peak_rss_mib`: of the larger process.

    Args:
        dataset: any dataset root; its clips are repeated as often as needed.
        settings: thresholds; the defaults if not given.
        repeat: passes of each kind, of which the best counts.
        clips: clips to process in a pass, spread over chunks of `chunk_clips`, the size of the dataset's own.
    """
    settings = settings or load_settings()
    with tempfile.TemporaryDirectory(prefix="coc-bench-") as folder:
        chunks = repeat_dataset(dataset, Path(folder) / "dataset", max(clips // chunk_clips, _PROCESSES), chunk_clips)
        shares = [
            Bench(Path(folder) / "dataset", Path(folder) / f"store{core}", chunks[core::_PROCESSES], settings, core)
            for core in range(_PROCESSES)
        ]
        with _processes(shares) as both:
            return _measure(both, repeat, len(chunks) * chunk_clips)


def bench_table(figures: dict[str, object]) -> Table:
    """The figures of `run_bench` for a terminal, a row each, steps last."""
    stages = figures["stages"]
    assert isinstance(stages, dict)
    steps = {f"stages.{step} (s)": seconds for step, seconds in stages.items()}
    told = {name: value for name, value in figures.items() if name != "stages"} | steps
    return figures_table("Egomotion zips to stored trajectories, meta-actions and keyframes", told)


def repeat_dataset(dataset: Path, target: Path, chunks: int, chunk_clips: int) -> tuple[str, ...]:
    """A dataset root of so many chunks, each the same archive of so many of `dataset`'s sound members, again and again.

    Raises:
        DatasetError: `dataset` holds no chunk.
        ValueError: no member of it can be read.
    """
    source, made = DatasetRoot(dataset), DatasetRoot(target)
    contents = _sound_members(source, chunk_clips)
    if not contents:
        raise ValueError(f"{dataset} holds no readable egomotion member; point the benchmark at another dataset.")
    names = tuple(f"{chunk:04d}" for chunk in range(chunks))
    first = made.archive_path(EGOMOTION, names[0])
    first.parent.mkdir(parents=True)
    with zipfile.ZipFile(first, "w", zipfile.ZIP_STORED) as archive:
        for clip in range(chunk_clips):
            archive.writestr(made.member_name(EGOMOTION, EGOMOTION, f"{clip:08d}"), contents[clip % len(contents)])
    for name in names[1:]:
        made.archive_path(EGOMOTION, name).symlink_to(first)
    return names


def _sound_members(source: DatasetRoot, most: int) -> list[bytes]:
    contents: list[bytes] = []
    for chunk in source.chunks():
        with source.open_archive(EGOMOTION, chunk) as archive:
            for name in archive.members:
                if len(contents) == most:
                    return contents
                try:
                    content = archive.read(name)
                    clean(pai.parse_egomotion(content, name), TrajectorySettings(), name)
                except (MemberError, ClipRejected):
                    continue
                contents.append(content)
    return contents


def make_tables(bench: Bench) -> dict[str, float]:
    """Zips to stored tables, by the functions that the stages call; frames are handed on in memory."""
    root, store, settings = DatasetRoot(bench.dataset), Store(bench.store), bench.settings
    for chunk in bench.chunks:
        cache = tables.build(root, chunk, settings.trajectory, settings.videos.camera)
        for table in _CACHE_TABLES:
            _write(store, table, cache[table.name], chunk, asset=tables.STAGE)
        clips, trajectories = cache[schemas.CLIPS.name], cache[schemas.TRAJECTORIES.name]
        spans = meta_actions.build(trajectories, settings.meta_actions)
        _write(store, schemas.META_ACTION_SPANS, spans, chunk)
        keyframes, _ = selection.build(clips, trajectories, spans, settings.keyframes)
        _write(store, schemas.KEYFRAMES, keyframes, chunk)
    return {}


def make_tables_by_step(bench: Bench) -> dict[str, float]:
    """The same work step by step in one thread; seconds of each step."""
    root, store, settings = DatasetRoot(bench.dataset), Store(bench.store), bench.settings
    watch = _StopWatch()
    for chunk in bench.chunks:
        clips = tables.CleanClips()
        resampled = resample(_cleaned(root, chunk, settings.trajectory, clips, watch), settings.trajectory)
        watch.lap("resample")
        rows = tables.clip_rows(clips, resampled, splits={}, with_video=(), with_tracks=())
        trajectories = trajectory_frame(resampled, clips.ids)
        _write(store, schemas.CLIPS, rows, chunk)
        _write(store, schemas.TRAJECTORIES, trajectories, chunk)
        watch.lap("tables")
        spans = meta_actions.build(trajectories, settings.meta_actions)
        _write(store, schemas.META_ACTION_SPANS, spans, chunk)
        watch.lap("meta_actions")
        keyframes, _ = selection.build(rows, trajectories, spans, settings.keyframes)
        _write(store, schemas.KEYFRAMES, keyframes, chunk)
        watch.lap("keyframes")
    return watch.seconds


def _cleaned(
    root: DatasetRoot, chunk: str, settings: TrajectorySettings, clips: tables.CleanClips, watch: _StopWatch
) -> Iterator[Egomotion]:
    """Clips one by one, each step's seconds taken; what passes before the next is asked for is resampling."""
    with root.open_archive(EGOMOTION, chunk) as archive:
        for clip_id, name in zip(root.clip_ids_of(archive.members, EGOMOTION, EGOMOTION), archive.members, strict=True):
            content = archive.read(name)
            watch.lap("open")
            raw = pai.parse_egomotion(content, name)
            watch.lap("decode")
            ego, mended = clean(raw, settings, name)
            watch.lap("clean")
            clips.ids.append(clip_id)
            clips.mended.append(mended)
            yield ego
            watch.lap("resample")


def make_tables_plainly(bench: Bench) -> dict[str, float]:
    """The same tables, one clip at a time in plain Python."""
    root, store, settings = DatasetRoot(bench.dataset), Store(bench.store), bench.settings
    for chunk in bench.chunks:
        states: dict[str, plain.ClipStates] = {}
        spans: list[dict[str, object]] = []
        keyframes: list[dict[str, object]] = []
        with root.open_archive(EGOMOTION, chunk) as archive:
            for name in archive.members:
                clip_id = root.clip_ids_of([name], EGOMOTION, EGOMOTION)[0]
                ego, _ = clean(pai.parse_egomotion(archive.read(name), name), settings.trajectory, name)
                clip = states[clip_id] = plain.resample_clip(ego, settings.trajectory.max_frames)
                found = plain.spans_of_clip(clip, settings.meta_actions)
                spans += [plain.span_row(clip_id, span) for span in found]
                chosen = plain.keyframes_of_clip(clip_id, clip.speed, found, settings.keyframes)
                keyframes += [plain.keyframe_row(clip_id, clip, keyframe) for keyframe in chosen]
        _write(store, schemas.TRAJECTORIES, plain.trajectory_rows(states), chunk)
        _write(store, schemas.META_ACTION_SPANS, schemas.rows_to_frame(spans, schemas.META_ACTION_SPANS), chunk)
        _write(store, schemas.KEYFRAMES, schemas.rows_to_frame(keyframes, schemas.KEYFRAMES), chunk)
    return {}


def open_members(bench: Bench, columns: Sequence[str] | None = None) -> dict[str, float]:
    """Every member's bytes and its decoded table, or those columns of it; nothing more."""
    for content in _contents(bench):
        file = pq.ParquetFile(pa.BufferReader(content), pre_buffer=False)
        file.read(columns=list(columns) if columns else None, use_threads=False)
    return {}


def read_members(bench: Bench) -> dict[str, float]:
    """Every member's bytes, checked against their checksum, as reading a zip does."""
    for _ in _contents(bench):
        pass
    return {}


def warm_up(bench: Bench) -> dict[str, float]:
    """Imports and compiles all that `make_tables` needs, by making one chunk."""
    return make_tables(replace(bench, chunks=bench.chunks[:1]))


_PASSES: dict[str, Callable[[Bench], dict[str, float]]] = {
    "warm_up": warm_up,
    "make": make_tables,
    "open": open_members,
    "columns": partial(open_members, columns=COLUMNS),
    "read": read_members,
    "plain": make_tables_plainly,
    "steps": make_tables_by_step,
}


_FIGURES = (
    ("clips_per_s", "make", _PROCESSES),
    ("open_only_clips_per_s", "open", _PROCESSES),
    ("open_columns_clips_per_s", "columns", _PROCESSES),
    ("read_bytes_clips_per_s", "read", _PROCESSES),
    ("open_only_one_core_clips_per_s", "open", 1),
    ("baseline_clips_per_s", "plain", 1),
)
"""Rates: name in the report, pass, processes that make it."""


class _StopWatch:
    """Seconds by step, each lap counting from the one before."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._last = time.perf_counter()

    def lap(self, step: str) -> None:
        now = time.perf_counter()
        self.seconds[step] = self.seconds.get(step, 0.0) + now - self._last
        self._last = now


def _write(store: Store, table: schemas.Table, frame: pl.DataFrame, chunk: str, *, asset: str = "") -> None:
    store.write_table(frame, table, store.table_path(table, chunk, asset=asset), chunk)


def _contents(bench: Bench) -> Iterator[bytes]:
    root = DatasetRoot(bench.dataset)
    for chunk in bench.chunks:
        with root.open_archive(EGOMOTION, chunk) as archive:
            yield from map(archive.read, archive.members)


def _measure(both: Sequence[Connection], repeat: int, clips: int) -> dict[str, object]:
    """Passes of all kinds in turn; one process alone does its own share of the clips."""
    best = {key: 0.0 for key, _, _ in _FIGURES}
    laps: list[dict[str, float]] = []
    peaks = []
    for _ in range(repeat):
        for key, kind, processes in _FIGURES:
            rate, answers = _pass(both[:processes], kind)
            best[key] = max(best[key], rate)
            peaks.append(max(answer.peak_rss_mib for answer in answers))
        _, (answer,) = _pass(both[:1], "steps")
        laps.append({step: seconds * clips / answer.clips for step, seconds in answer.steps.items()})
    return {
        **{key: round(rate, 1) for key, rate in best.items()},
        "ratio": round(best["clips_per_s"] / best["open_only_clips_per_s"], 3),
        "ratio_to_baseline": round(best["clips_per_s"] / best["baseline_clips_per_s"], _PROCESSES),
        "baseline_ratio": round(best["baseline_clips_per_s"] / best["open_only_one_core_clips_per_s"], 3),
        "peak_rss_mib": round(peaks[0], 1),  # of the first pass: later ones leave their own in the process
        "stages": {step: round(min(lap[step] for lap in laps), 4) for step in laps[0]},
        "clips": clips,
        "processes": len(both),
    }


def _pass(processes: Sequence[Connection], kind: str) -> tuple[float, list[Answer]]:
    """Clips a second of all processes together, as the last one to finish has it, and their answers."""
    for process in processes:
        process.send(kind)
    answers = [process.recv() for process in processes]
    for answer in answers:
        if isinstance(answer, BaseException):
            raise answer
    return sum(answer.clips for answer in answers) / max(answer.seconds for answer in answers), answers


@contextmanager
def _processes(shares: Sequence[Bench]) -> Iterator[list[Connection]]:
    """A warmed-up process a share, to be sent the names of passes; ended on the way out."""
    context = multiprocessing.get_context("spawn")
    connections, processes = [], []
    try:
        for share in shares:
            ours, theirs = context.Pipe()
            process = context.Process(target=_serve, args=(theirs, share), daemon=True)
            with _on_core(share.core):
                process.start()
            theirs.close()
            connections.append(ours)
            processes.append(process)
        _pass(connections, "warm_up")
        yield connections
    finally:
        for connection in connections:
            connection.close()
        for process in processes:
            process.join(timeout=10)
            if process.is_alive():
                process.terminate()


def _serve(connection: Connection, bench: Bench) -> None:
    """A process's whole life: a pass for each name received, until nobody sends any more."""
    while True:
        try:
            kind = connection.recv()
        except EOFError:
            return
        try:
            connection.send(_answer(kind, bench))
        except Exception as error:
            connection.send(RuntimeError(f"Pass {kind!r} over {bench.dataset} failed: {type(error).__name__}: {error}"))


@contextmanager
def _on_core(core: int) -> Iterator[None]:
    """Processes started within keep to one core, and size their thread pools for it; Linux alone can do that."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {sorted(cores)[core % len(cores)]})
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)


def _answer(kind: str, bench: Bench) -> Answer:
    shutil.rmtree(bench.store, ignore_errors=True)
    started = time.perf_counter()
    steps = _PASSES[kind](bench)
    seconds = time.perf_counter() - started
    with DatasetRoot(bench.dataset).open_archive(EGOMOTION, bench.chunks[0]) as archive:
        clips = len(archive.members) * len(bench.chunks)
    return Answer(clips, seconds, steps, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / _MIB)
