"""`generate` makes a sample: it plans clips, builds their scenes, writes what sensors saw and renders the video."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import polars as pl

from coc_assets.sample import scenes, writer
from coc_assets.sample.defects import DEFECT_KINDS, ClipFiles, DefectKind, damage
from coc_assets.sample.tracks import camera_clock, egomotion_clock, egomotion_rows, obstacle_clock, obstacle_rows
from coc_assets.sample.world import Scene
from coc_assets.sample.writer import EGOMOTION, FRONT_CAMERA, OBSTACLES, SampleError

DEFECTIVE_EVERY = 12
_SPLITS, _SPLIT_SHARES = ("train", "val", "test"), (0.8, 0.1, 0.1)
_COUNTRIES = ("Germany", "Sweden", "United States")
_TRUNCATED_SHARE = 0.4

Progress = Callable[[int, int], None]  # clips done, clips in all


@dataclass(frozen=True)
class Planned:
    """One clip before it is built."""

    chunk: int
    index: int
    clip_id: str
    script: str
    split: str
    defect: DefectKind | None


@dataclass(frozen=True)
class SampleSummary:
    """What a sample holds.

    Attributes:
        clips: clips in all chunks together.
        scenes: clips a script.
        defects: kind of damage by clip id.
        bytes: size of all files.
        reused: the folder held this very sample already.
    """

    root: Path
    chunks: int
    clips: int
    seed: int
    video: bool
    scenes: dict[str, int]
    defects: dict[str, str]
    bytes: int
    reused: bool

    @property
    def defective(self) -> int:
        """How many clips are damaged on purpose."""
        return len(self.defects)


@dataclass(frozen=True)
class Built:
    """A clip that is ready to be written."""

    plan: Planned
    scene: Scene
    files: ClipFiles


def generate(
    out: Path,
    chunks: int = 3,
    clips: int = 12,
    seed: int = 0,
    video: bool = True,
    defects: bool = True,
    progress: Progress | None = None,
    burn_in: bool = False,
    defect_kinds: Sequence[DefectKind | None] | None = None,
    workers: int | None = None,
    widen: float = 0.0,
) -> SampleSummary:
    """Writes a generated dataset in the PhysicalAI-AV layout, or keeps the one that is there already.

    Args:
        out: folder to write; it must be new, empty or an earlier sample.
        chunks: number of chunks; the first ones do not depend on it.
        clips: clips a chunk; one in twelve is defective.
        seed: not negative.
        video: whether to render the front camera.
        defects: False leaves every clip whole.
        progress: called with (clips done, clips in all).
        burn_in: writes each frame's number and instant into the picture, for tests of frame choice.
        defect_kinds: instead of one in twelve: what is wrong with clip 0, 1, … of every chunk, None for whole ones.
        workers: rendering processes, by default one a core; the bytes do not depend on it.
        widen: above 0, every scene parameter lies outside the range that it has at 0, at most this share of its length
            away.

    Raises:
        SampleError: `out` holds files of something else, a count is below 1, the seed below 0, or `widen` is not within
            0 … 1 or leaves no sound scene.
    """
    if not 0 <= widen <= 1:
        raise SampleError(f"widen takes a share of 0 to 1, not {widen}; 0.25 draws from a quarter beyond each range.")
    if chunks < 1 or clips < 1 or seed < 0:
        raise SampleError(f"A sample needs chunks >= 1, clips >= 1, seed >= 0, not {chunks=}, {clips=}, {seed=}.")
    planned = plan(chunks, clips, seed, video, defects, defect_kinds)
    arguments: dict[str, object] = {
        "generator": _own_digest(),
        "chunks": chunks,
        "clips": clips,
        "seed": seed,
        "video": video,
        "defects": defects,
        "burn_in": burn_in,
        "defect_kinds": None if defect_kinds is None else list(defect_kinds),
    } | ({"widen": widen} if widen else {})
    manifest = writer.read_manifest(out)
    reused = manifest is not None and manifest.get("arguments") == arguments and writer.is_whole(out, manifest)
    if not reused:
        with writer.published(out) as root:
            _write(root, planned, seed, video, burn_in, progress, workers, widen)
            writer.write_manifest(root, arguments, _counts(planned))
    size = sum(path.stat().st_size for path in out.rglob("*") if path.is_file())
    counts = _counts(planned)
    return SampleSummary(out, chunks, len(planned), seed, video, counts["scenes"], counts["defects"], size, reused)


def plan(
    chunks: int,
    clips: int,
    seed: int,
    video: bool = True,
    defects: bool = True,
    defect_kinds: Sequence[DefectKind | None] | None = None,
) -> list[Planned]:
    """All clips of a sample; those of a chunk do not depend on other chunks."""
    names = list(scenes.SCRIPTS)
    order = [names[k] for k in _rng(seed, "order").permutation(len(names))]
    made = []
    for chunk in range(chunks):
        kinds = dict(enumerate(defect_kinds)) if defect_kinds is not None else _one_in_twelve(seed, chunk, clips)
        for index in range(clips):
            identity = _rng(seed, "identity", chunk, index)
            clip_id = str(UUID(bytes=identity.bytes(16), version=4))
            split = str(identity.choice(_SPLITS, p=_SPLIT_SHARES))
            kind = kinds.get(index) if defects else None
            if kind and not video and _is_of_video(kind):
                kind = None
            made.append(Planned(chunk, index, clip_id, order[(chunk * clips + index) % len(order)], split, kind))
    return made


def build(planned: Planned, seed: int, widen: float = 0.0) -> Built:
    """The scene of a planned clip and the rows that its sensors give, damaged where the plan says so."""
    sensors = _rng(seed, "sensors", planned.chunk, planned.index)
    ego_us = egomotion_clock(sensors)
    script_rng = _rng(seed, "scene", planned.chunk, planned.index)
    scene = scenes.build(planned.script, planned.clip_id, script_rng, int(ego_us[0]), widen)
    files = ClipFiles(
        egomotion=egomotion_rows(scene, ego_us, sensors),
        obstacles=obstacle_rows(scene, obstacle_clock(sensors), float(sensors.uniform(85.0, 110.0))),
        camera_us=camera_clock(sensors),
    )
    if planned.defect:
        files = damage(files, planned.defect, _rng(seed, "defect", planned.chunk, planned.index))
    return Built(planned, scene, files)


def _write(
    root: Path,
    planned: list[Planned],
    seed: int,
    video: bool,
    burn_in: bool,
    progress: Progress | None,
    workers: int | None,
    widen: float,
) -> None:
    done, truth = 0, []
    with ExitStack() as stack:
        pool = _pool(stack, workers, len(planned)) if video else None
        for chunk in sorted({clip.chunk for clip in planned}):
            built = [build(clip, seed, widen) for clip in planned if clip.chunk == chunk]
            truth += [row for clip in built for row in _truth_rows(clip)]
            _write_labels(root, chunk, built)
            for _ in _write_camera(root, chunk, built, burn_in, pool) if video else built:
                done += 1
                if progress:
                    progress(done, len(planned))
    writer.write_features(root)
    _write_index(root, planned, video)
    (root / writer.TRUTH).write_bytes(writer.parquet_bytes(pl.DataFrame(truth, schema=TRUTH_SCHEMA)))


def _write_labels(root: Path, chunk: int, built: list[Built]) -> None:
    archive = EGOMOTION.archive(root, chunk)
    members = [(EGOMOTION.member("egomotion", clip.plan.clip_id), clip) for clip in built]
    writer.write_zip(archive, ((name, writer.parquet_bytes(clip.files.egomotion)) for name, clip in members))
    for name, clip in members:
        if clip.files.corrupt:
            writer.corrupt_member(archive, name)
    tracked = [(clip.plan.clip_id, clip.files.obstacles) for clip in built if clip.files.obstacles is not None]
    writer.write_zip(
        OBSTACLES.archive(root, chunk),
        ((OBSTACLES.member("obstacle.offline", clip_id), writer.parquet_bytes(rows)) for clip_id, rows in tracked),
    )


def _write_camera(
    root: Path, chunk: int, built: list[Built], burn_in: bool, pool: ProcessPoolExecutor | None
) -> Iterator[None]:
    """Renders and writes a chunk's videos; yields once a clip."""
    seen = [clip for clip in built if clip.files.video != "missing"]
    if pool is None:
        videos: Iterator[bytes] = (_encode(clip.scene, clip.files.camera_us, burn_in) for clip in seen)
    else:
        waiting = [pool.submit(_encode, clip.scene, clip.files.camera_us, burn_in) for clip in seen]
        videos = (future.result() for future in waiting)
    members: list[tuple[str, bytes]] = []
    for clip in built:
        clip_id, files = clip.plan.clip_id, clip.files
        if files.video != "missing":
            mp4 = next(videos)
            kept = mp4[: int(len(mp4) * _TRUNCATED_SHARE)] if files.video == "truncated" else mp4
            members.append((FRONT_CAMERA.member("video", clip_id), kept))
        if files.has_timestamps and files.video != "missing":
            instants = pl.DataFrame({"timestamp": files.camera_us})
            members.append((FRONT_CAMERA.member("frame_timestamps", clip_id), writer.parquet_bytes(instants)))
        yield
    writer.write_zip(FRONT_CAMERA.archive(root, chunk), members)


def _encode(scene: Scene, camera_us: np.ndarray, burn_in: bool) -> bytes:
    from coc_assets.sample.video import encode_clip

    return encode_clip(scene, camera_us, burn_in)


def _pool(stack: ExitStack, workers: int | None, clips: int) -> ProcessPoolExecutor | None:
    count = min(workers or os.cpu_count() or 1, clips)
    if count == 1:
        return None
    pool = ProcessPoolExecutor(count, mp_context=get_context("spawn"), initializer=_draw_in_one_thread)
    stack.callback(pool.shutdown, cancel_futures=True)
    return pool


def _draw_in_one_thread() -> None:
    """The processes fill the cores; OpenCV's own threads would only get in each other's way."""
    import cv2

    cv2.setNumThreads(1)


def _write_index(root: Path, planned: list[Planned], video: bool) -> None:
    clip_id = [clip.clip_id for clip in planned]
    valid = [clip.defect != "clip_invalid" for clip in planned]
    writer.write_indexed(
        root / "clip_index.parquet",
        {
            "clip_id": clip_id,
            "chunk": [clip.chunk for clip in planned],
            "split": [clip.split for clip in planned],
            "clip_is_valid": valid,
        },
    )
    has_video = [video and clip.defect != "video_missing" for clip in planned]
    presence = {
        FRONT_CAMERA.name: has_video,
        EGOMOTION.name: [True] * len(planned),
        OBSTACLES.name: [clip.defect != "tracks_missing" for clip in planned],
    }
    writer.write_indexed(root / "metadata/feature_presence.parquet", {"clip_id": clip_id, **presence})
    collection = [_rng(0, "collection", int(clip.clip_id[:8], 16)) for clip in planned]
    writer.write_indexed(
        root / "metadata/data_collection.parquet",
        {
            "clip_id": clip_id,
            "country": [str(rng.choice(_COUNTRIES)) for rng in collection],
            "month": [int(rng.integers(1, 13)) for rng in collection],
            "hour_of_day": [int(rng.integers(7, 19)) for rng in collection],
            "platform_class": ["generated"] * len(planned),
        },
    )


TRUTH_SCHEMA = {
    "chunk": pl.String,
    "clip_id": pl.String,
    "scene": pl.String,
    "parameters": pl.String,
    "longitudinal_decision": pl.String,
    "lateral_decision": pl.String,
    "lateral_direction": pl.String,
    "cause": pl.String,
    "cause_track_id": pl.String,
    "onset_us": pl.Int64,
    "trackable": pl.Boolean,
    "defect": pl.String,
}


def _truth_rows(clip: Built) -> list[dict[str, Any]]:
    shared = {
        "chunk": f"{clip.plan.chunk:04d}",
        "clip_id": clip.plan.clip_id,
        "parameters": json.dumps(clip.scene.parameters, sort_keys=True),
        "defect": clip.plan.defect,
    }
    return [shared | asdict(truth) for truth in clip.scene.truth]


def _counts(planned: list[Planned]) -> dict[str, Any]:
    scripts = [clip.script for clip in planned]
    return {
        "clips": len(planned),
        "scenes": {script: scripts.count(script) for script in sorted(set(scripts))},
        "defects": {clip.clip_id: clip.defect for clip in planned if clip.defect},
    }


def _one_in_twelve(seed: int, chunk: int, clips: int) -> dict[int, DefectKind | None]:
    """Defects of a chunk by clip: the kinds take turns over all chunks."""
    place = int(_rng(seed, "defect_place", chunk).integers(DEFECTIVE_EVERY))
    turn = chunk * -(-clips // DEFECTIVE_EVERY)
    return {
        index: DEFECT_KINDS[(turn + k) % len(DEFECT_KINDS)]
        for k, index in enumerate(range(place, clips, DEFECTIVE_EVERY))
    }


def _is_of_video(kind: DefectKind) -> bool:
    return kind.startswith(("video", "timestamps"))


def _own_digest() -> str:
    """Digest of this package's sources: a newer generator does not take an older one's sample for its own."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


_STREAMS = ("order", "identity", "scene", "sensors", "defect", "defect_place", "collection")


def _rng(seed: int, stream: str, *place: int) -> np.random.Generator:
    """Random numbers of their own for every clip and purpose, so that no clip shifts another's."""
    return np.random.default_rng([seed, _STREAMS.index(stream), *place])
