"""How fast training shards are written and read: against a plain tar writer, and against decoding the clips' videos.

Clips are drawn as the sample's are, with a sensor's noise on top, and encoded with x264. Everything is thrown away.
"""

from __future__ import annotations

import io
import os
import tarfile
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from fractions import Fraction
from itertools import repeat
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from coc_assets.sample import scenes
from coc_assets.sample.render import Camera, ScenePainter
from coc_assets.sample.writer import CAMERA, FRONT_CAMERA, parquet_bytes, write_features, write_zip
from coc_assets.sources.video import decode_frames, frames_at_or_before
from coc_assets.training_shards import tar
from coc_assets.training_shards.frames import CameraFrames, dataset_frames
from coc_assets.training_shards.members import members_of
from coc_assets.training_shards.plan import plan_chunk
from coc_assets.training_shards.sample import FUTURE_STEPS, HISTORY_STEPS, asked_frames_us
from coc_assets.training_shards.selection import KeptKeyframe, Row
from coc_assets.training_shards.writer import Spool, write_index, write_manifest, write_shards
from resources.dataset import VIDEO, DatasetRoot
from resources.settings.shards import ShardSettings
from resources.store import flush

if TYPE_CHECKING:
    from rich.table import Table

Members = tuple[str, Mapping[str, bytes]]
"""A sample's key, and content by suffix."""


@dataclass(frozen=True)
class Film:
    """A made-up clip's video.

    Attributes:
        name: what the figures call it.
        width, height: picture size, pixels.
        keyframe_every: most frames from one key frame to the next.
    """

    name: str
    width: int
    height: int
    keyframe_every: int


FILMS = (
    Film("360p", 640, 360, 30),
    Film("1080p", 1920, 1080, 30),
    Film("1080p_rare_keys", 1920, 1080, 250),  # x264's own choice
)
FILM_S = 20
SAMPLES_OF_A_FILM = 6
_FPS = 30
_CHUNK, _SPLIT = "0000", "train"
_FIRST_T0_US, _LAST_T0_US = 1_700_000, 13_600_000
_SCRIPT = "lead_brakes"
_X264 = {"preset": "veryfast", "crf": "23"}
_NOISE, _NOISES = 3.0, 8  # standard deviation, grey levels; pictures of it that take turns
_LABEL_TEXT = (
    "Keep a safe gap by slowing down and stay in the lane because the lead vehicle 14.2 m ahead is slowing down, "
    "closing at 2.1 m/s."
)


@dataclass(frozen=True)
class Filmed:
    """A clip on disk and the samples to be made of it.

    Attributes:
        root: dataset that holds its video.
        timestamps_us: (F,) int64, instants of its frames, clip clock, µs.
        asked_us: (K, 4) int64, instants of the samples' frames.
    """

    root: DatasetRoot
    clip_id: str
    timestamps_us: np.ndarray
    asked_us: np.ndarray

    @property
    def member(self) -> str:
        """The video's name in the chunk's zip."""
        return self.root.member_name(CAMERA, VIDEO, self.clip_id)


@dataclass(frozen=True)
class MadeSample:
    """What shards are written from: a keyframe with its label, arrays by name, and frames encoded as JPEG."""

    kept: KeptKeyframe
    ego_arrays: Mapping[str, np.ndarray]
    frames: list[CameraFrames]

    def members(self) -> Members:
        return self.kept.key, members_of(self.kept, self.kept.labels[0], self.ego_arrays, self.frames)


def run_shard_bench(
    samples: int = 200,
    passes: int = 7,
    film_passes: int = 4,
    films: Sequence[Film] = FILMS,
    seconds: int = FILM_S,
    folder: Path | None = None,
) -> dict[str, dict[str, float]]:
    """Measures writing and reading for clips of several kinds; ours and what it is held against take turns.

    Args:
        samples: to write into shards, each with four frames of one camera.
        passes, film_passes: how many, of which the best counts, of writing and of all that has to do with videos.
        films: kinds of clips.
        seconds: length of the clips.
        folder: where everything is made and thrown away; the system's place for temporary files if not given.

    Returns:
        By film and name:

        write_mb_per_s: members made, tar groups set up, shards planned, written and hashed, index and manifest; flushed
            to disk. plain_mb_per_s: `tarfile` writing the same ready-made members into one file, flushed to disk.
            write_ratio: the first to the second.
        read_ms: a sample of `CoCShardDataset` at random, as tensors. decode_ms: its four frames decoded from the clip's
            mp4 in the chunk's zip, which frames they are being known. read_ratio: the second to the first.
        clip_pass_ms, sample_passes_ms: frames of all samples of a clip, decoded in one pass and encoded as JPEG, as the
            stage does; in a pass a sample. pass_ratio: the second to the first.
        samples, written_mb, samples_of_a_clip: how many and how much. jpeg_kb: mean of a frame. film_mbit_per_s: of the
            clip.
    """
    with tempfile.TemporaryDirectory(prefix="coc-bench-", dir=folder) as made:
        place = Path(made)
        filmed = make_films(place / "dataset", films, seconds)
        return {film.name: _figures(one, samples, passes, film_passes, place) for film, one in filmed.items()}


def shard_table(figures: Mapping[str, Mapping[str, float]]) -> Table:
    """The figures, one a row, a column a film."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    table.add_column("figure")
    for film in figures:
        table.add_column(film, justify="right")
    for name in next(iter(figures.values())):
        table.add_row(name, *(f"{of_film[name]:,}" for of_film in figures.values()))
    return table


def make_films(root: Path, films: Sequence[Film], seconds: int = FILM_S) -> dict[Film, Filmed]:
    """A dataset root with one chunk, a clip a film, and the samples to be made of each."""
    frames = seconds * _FPS
    timestamps_us = np.arange(frames, dtype=np.int64) * 1_000_000 // _FPS
    clip_ids = [f"{number:08x}-0000-4000-8000-000000000000" for number in range(len(films))]
    videos = _encoded(films, timestamps_us)
    instants = parquet_bytes(pl.DataFrame({"timestamp": timestamps_us}))
    members = [(FRONT_CAMERA.member("video", clip), video) for clip, video in zip(clip_ids, videos, strict=True)]
    members += [(FRONT_CAMERA.member("frame_timestamps", clip), instants) for clip in clip_ids]
    write_zip(FRONT_CAMERA.archive(root, int(_CHUNK)), members)
    write_features(root)
    last_us = min(_LAST_T0_US, int(timestamps_us[-1]))
    asked_us = np.stack([asked_frames_us(int(t0)) for t0 in np.linspace(_FIRST_T0_US, last_us, SAMPLES_OF_A_FILM)])
    return {
        film: Filmed(DatasetRoot(root), clip, timestamps_us, asked_us)
        for film, clip in zip(films, clip_ids, strict=True)
    }


def _encoded(films: Sequence[Film], timestamps_us: np.ndarray) -> list[bytes]:
    if len(films) == 1:
        return [encode_film(films[0], timestamps_us)]
    with ProcessPoolExecutor(min(os.cpu_count() or 1, len(films)), mp_context=get_context("spawn")) as pool:
        return list(pool.map(encode_film, films, repeat(timestamps_us)))


def encode_film(film: Film, timestamps_us: np.ndarray) -> bytes:
    """An mp4 of a car that follows another: H.264, yuv420p, encoded in one thread."""
    import av

    painter = ScenePainter(
        scenes.build(_SCRIPT, film.name, np.random.default_rng(0), 0), Camera(film.width, film.height)
    )
    noises = _noises(film)
    out = io.BytesIO()
    with av.open(out, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=_FPS, options=_X264)
        stream.width, stream.height, stream.pix_fmt = film.width, film.height, "yuv420p"
        stream.codec_context.thread_count = 1
        stream.codec_context.gop_size = film.keyframe_every
        for index, t_us in enumerate(timestamps_us.tolist()):
            planes = _noisy_planes(painter.paint(t_us), noises[index % len(noises)])
            frame = av.VideoFrame.from_ndarray(planes, format="yuv420p")
            frame.pts, frame.time_base = index, Fraction(1, _FPS)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return out.getvalue()


def _noises(film: Film) -> list[np.ndarray]:
    random = np.random.default_rng(0)
    shape = (film.height * 3 // 2, film.width)
    return [np.rint(random.normal(0, _NOISE, shape)).astype(np.int16) for _ in range(_NOISES)]


def _noisy_planes(picture: np.ndarray, noise: np.ndarray) -> np.ndarray:
    import cv2

    planes = cv2.cvtColor(picture, cv2.COLOR_RGB2YUV_I420)
    return np.clip(planes + noise, 0, 255).astype(np.uint8)


def write_ours(samples: Sequence[MadeSample], folder: Path) -> None:
    """Shards, index and manifest of the samples, by the functions that the stage calls."""
    settings = ShardSettings()
    with tempfile.TemporaryFile(dir=folder) as scratch:
        spool = Spool(scratch)
        groups = []
        for one in samples:
            key, members = one.members()
            groups.append(spool.add(key, _SPLIT, tar.group_pieces(key, members)))
        sizes = {_SPLIT: [group.size for group in groups]}
        planned = plan_chunk(_CHUNK, sizes, settings.shard_bytes, settings.max_shard_bytes)
        written = write_shards(folder, planned, {_SPLIT: groups})
    write_index(folder, written)
    write_manifest(folder, written, {"chunk": _CHUNK})


def write_plainly(samples: Sequence[Members], folder: Path) -> None:
    """The members as one tar, by `tarfile` alone."""
    path = folder / f"{_SPLIT}.tar"
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as archive:
        for key, members in samples:
            for suffix in sorted(members):
                info = tarfile.TarInfo(f"{key}.{suffix}")
                info.size = len(members[suffix])
                archive.addfile(info, io.BytesIO(members[suffix]))
    flush(path)


def _figures(filmed: Filmed, samples: int, passes: int, film_passes: int, folder: Path) -> dict[str, float]:
    seen = dataset_frames(filmed.root, _CHUNK, ShardSettings())(filmed.clip_id, filmed.asked_us)
    shown = [one.frames for one in seen]
    return {
        **_writing([_sample(number, _like(shown[number % len(shown)])) for number in range(samples)], passes, folder),
        **_reading(filmed, [_sample(number, frames) for number, frames in enumerate(shown)], film_passes, folder),
        **_passing(filmed, film_passes, folder),
        **_facts(filmed, shown),
    }


def _writing(samples: Sequence[MadeSample], passes: int, folder: Path) -> dict[str, float]:
    members = [one.members() for one in samples]
    megabytes = sum(len(content) for _, contents in members for content in contents.values()) / 1e6
    works = {
        "plain": lambda out: write_plainly(members, out),
        "ours": lambda out: write_ours(samples, out),
    }
    best = _best(works, passes, folder)
    return {
        "write_mb_per_s": round(megabytes / best["ours"]),
        "plain_mb_per_s": round(megabytes / best["plain"]),
        "write_ratio": round(best["plain"] / best["ours"], 2),
        "samples": len(samples),
        "written_mb": round(megabytes, 1),
    }


def _reading(filmed: Filmed, samples: Sequence[MadeSample], passes: int, folder: Path) -> dict[str, float]:
    from coc_assets.training_shards.dataset import CoCShardDataset

    with tempfile.TemporaryDirectory(dir=folder) as shards:
        write_ours(samples, Path(shards))
        dataset = CoCShardDataset(shards)
        order = np.random.default_rng(0).permutation(len(samples)).tolist()
        frames = frames_at_or_before(filmed.timestamps_us, filmed.asked_us)[order]
        works = {
            "ours": lambda _: [dataset[position] for position in order],
            "videos": lambda _: [_decode(filmed, of_sample) for of_sample in frames],
        }
        best = _best(works, passes, folder)
    return {
        "read_ms": round(1e3 * best["ours"] / len(samples), 2),
        "decode_ms": round(1e3 * best["videos"] / len(samples), 1),
        "read_ratio": round(best["videos"] / best["ours"], 1),
    }


def _decode(filmed: Filmed, frames: np.ndarray) -> dict[int, np.ndarray]:
    """Pictures of those frames, from the chunk's zip on disk."""
    with filmed.root.open_archive(CAMERA, _CHUNK) as archive, archive.open(filmed.member) as video:
        return decode_frames(video, frames.tolist())


def _passing(filmed: Filmed, passes: int, folder: Path) -> dict[str, float]:
    frames_of, asked_us = dataset_frames(filmed.root, _CHUNK, ShardSettings()), filmed.asked_us
    works = {
        "clip": lambda _: frames_of(filmed.clip_id, asked_us),
        "sample": lambda _: [frames_of(filmed.clip_id, of_sample[None]) for of_sample in asked_us],
    }
    best = _best(works, passes, folder)
    return {
        "clip_pass_ms": round(1e3 * best["clip"]),
        "sample_passes_ms": round(1e3 * best["sample"]),
        "pass_ratio": round(best["sample"] / best["clip"], 2),
        "samples_of_a_clip": len(asked_us),
    }


def _facts(filmed: Filmed, shown: Sequence[Sequence[CameraFrames]]) -> dict[str, float]:
    sizes = [len(jpeg) for frames in shown for camera in frames for jpeg in camera.jpegs]
    with filmed.root.open_archive(CAMERA, _CHUNK) as archive:
        film_bytes = archive.members[filmed.member].size
    return {
        "jpeg_kb": round(float(np.mean(sizes)) / 1e3, 1),
        "film_mbit_per_s": round(8 * film_bytes / float(filmed.timestamps_us[-1]), 2),
    }


def _best(works: Mapping[str, Callable[[Path], object]], passes: int, folder: Path) -> dict[str, float]:
    """Least seconds of each kind of work; they take turns, each in a folder of its own that goes with it."""
    best = dict.fromkeys(works, float("inf"))
    for _ in range(passes):
        for name, work in works.items():
            os.sync()  # what another left to be written is not this one's to wait for
            with tempfile.TemporaryDirectory(dir=folder) as out:
                started = time.perf_counter()
                work(Path(out))
                best[name] = min(best[name], time.perf_counter() - started)
    return best


def _like(frames: Sequence[CameraFrames]) -> list[CameraFrames]:
    """Other bytes of the same lengths: a whole chunk's frames do not fit into the processor's caches either."""
    random = np.random.default_rng(0)
    return [
        CameraFrames(one.camera_index, one.frame_us, [random.bytes(len(jpeg)) for jpeg in one.jpegs]) for one in frames
    ]


def _sample(number: int, frames: list[CameraFrames]) -> MadeSample:
    random = np.random.default_rng(number)
    shapes = {"history": HISTORY_STEPS, "future": FUTURE_STEPS}
    arrays = {
        **{f"ego_{name}_xyz": random.normal(size=(1, steps, 3)).astype(np.float32) for name, steps in shapes.items()},
        **{
            f"ego_{name}_rot": random.normal(size=(1, steps, 3, 3)).astype(np.float32) for name, steps in shapes.items()
        },
    }
    clip_id, t0_us = f"{number:08x}-0000-4000-8000-000000000000", _FIRST_T0_US
    key = f"{clip_id}-{t0_us:08d}"
    keyframe = {"keyframe_id": key, "clip_id": clip_id, "t0_us": t0_us, "chunk": _CHUNK, "action": "decelerate"}
    return MadeSample(KeptKeyframe(keyframe, _SPLIT, [_label()]), arrays, frames)


def _label() -> Row:
    component = {"rank": 1, "category": "critical_object", "phrase": "lead vehicle 14.2 m ahead", "track_id": "7"}
    return {
        **dict.fromkeys(("trace", "perception", "prediction", "planning", "justification"), _LABEL_TEXT),
        **dict.fromkeys(("lateral_decision", "lateral_direction", "model", "answered_at")),
        "scenario": "slow_for_lead",
        "longitudinal_decision": "lead_obstacle_following",
        "components": [component] * 3,
        "label_id": "0123456789abcdef",
        "labeler": "rules",
        "prompt_version": "1",
        "parameters": "{}",
        "verdict": "keep",
        "reasons": [],
        "policy_version": "1",
    }
