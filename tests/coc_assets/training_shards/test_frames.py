"""The stage on a dataset folder with real videos: frames, egomotion and what becomes of what is missing."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image

from coc_assets.sources.video import iterate_frames
from coc_assets.training_shards import CoCShardDataset
from coc_assets.training_shards.build import BuildResult, build
from coc_assets.training_shards.frames import dataset_frames, to_jpeg
from coc_assets.training_shards.sample import asked_frames_us, ego_arrays
from coc_assets.training_shards.verify import verify_chunk
from resources.dataset import DatasetRoot
from resources.settings.shards import ShardSettings
from resources.settings.trajectory import TrajectorySettings
from tests.coc_assets.training_shards.made import CHUNK, CLIPS, Chunk, driven, label, picture

FRONT = "camera_front_wide_120fov"
FRAMES, STEP_US, FIRST_US = 300, 33_000, -12_345
CLIP, OTHER = CLIPS[:2]
TIMES_US = FIRST_US + STEP_US * np.arange(FRAMES) + np.random.default_rng(3).integers(-4_000, 4_000, FRAMES)


def _brightness(index: int) -> int:
    return 20 + index * 7 % 200


def _mp4(frames: int = FRAMES) -> bytes:
    """Flat grey pictures, each telling its index by its brightness."""
    import av

    out = io.BytesIO()
    with av.open(out, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=30, options={"preset": "ultrafast", "crf": "1", "g": "30"})
        stream.width, stream.height, stream.pix_fmt = 64, 36, "yuv420p"
        for index in range(frames):
            shade = np.full((36, 64, 3), _brightness(index), np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(shade, format="rgb24")))
        container.mux(stream.encode(None))
    return out.getvalue()


@pytest.fixture(scope="module")
def video() -> bytes:
    return _mp4()


def _parquet(**columns: np.ndarray) -> bytes:
    out = io.BytesIO()
    pl.DataFrame(columns).write_parquet(out)
    return out.getvalue()


def _zip(path: Path, members: dict[str, bytes]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)


@pytest.fixture
def members(video: bytes) -> dict[str, bytes]:
    """Members of the camera archive, for a test to spoil."""
    stamps = _parquet(timestamp=TIMES_US)
    return {f"{clip}.{FRONT}.{kind}": content for clip in (CLIP, OTHER)
            for kind, content in (("mp4", video), ("timestamps.parquet", stamps))}  # fmt: skip


def _root(folder: Path, camera: dict[str, bytes] | None) -> DatasetRoot:
    ego = driven()
    names = ("qx", "qy", "qz", "qw", "x", "y", "z")
    values = dict(zip(names, np.concatenate([ego.quaternion, ego.xyz], axis=1).T, strict=True))
    egomotion = _parquet(timestamp=ego.t_us, **values)
    number = int(CHUNK)
    _zip(
        folder / f"labels/egomotion/egomotion.chunk_{number:04d}.zip",
        {f"{clip}.egomotion.parquet": egomotion for clip in (CLIP, OTHER)},
    )
    if camera is not None:
        _zip(folder / f"camera/{FRONT}/{FRONT}.chunk_{number:04d}.zip", camera)
    return DatasetRoot(folder)


def _build(
    root: DatasetRoot, out_dir: Path, *, videos: dict[str, str] | None = None, reuse: bool = True, **changed: object
) -> BuildResult:
    rows = [label(clip, t0_us) for clip in (CLIP, OTHER) for t0_us in (3_000_000, 6_543_210)]
    tables = Chunk(rows, splits={CLIP: "train", OTHER: "train"}).tables()
    return build(
        root,
        CHUNK,
        tables,
        settings=ShardSettings(**changed),
        trajectory_settings=TrajectorySettings(),
        rarest_first=(),
        out_dir=out_dir,
        videos=videos,
        reuse=reuse,
    )


def test_samples_show_the_frames_at_or_before_the_asked_instants(tmp_path: Path, members: dict[str, bytes]) -> None:
    made = _build(_root(tmp_path / "data", members), tmp_path / "out")
    assert made.tables["rejects"].is_empty()
    assert verify_chunk(tmp_path / "out") == []
    dataset = CoCShardDataset(tmp_path / "out")
    assert len(dataset) == 4
    for item in (dataset[at] for at in range(4)):
        asked = item["t0_us"] + np.array([-300_000, -200_000, -100_000, 0])
        expected = [max(at for at in range(FRAMES) if TIMES_US[at] <= instant) for instant in asked]
        assert item["absolute_timestamps"].tolist() == [TIMES_US[expected].tolist()]
        shades = item["image_frames"].double().mean(dim=(0, 2, 3, 4))
        np.testing.assert_allclose(shades, [_brightness(at) for at in expected], atol=2.5)
        for name, array in ego_arrays(driven(), item["t0_us"]).items():
            np.testing.assert_array_equal(item[name], array)


def _drop(suffix: str) -> Callable[[dict[str, bytes]], None]:
    return lambda members: members.pop(f"{CLIP}.{FRONT}.{suffix}")


def _replace(suffix: str, content: bytes) -> Callable[[dict[str, bytes]], None]:
    return lambda members: members.update({f"{CLIP}.{FRONT}.{suffix}": content})


def _cut_the_video(members: dict[str, bytes]) -> None:
    _replace("mp4", _mp4(60))(members)


@pytest.mark.parametrize(
    ("spoil", "reason", "hint"),
    [
        (_drop("mp4"), "no_video", f"{CLIP}.{FRONT}.mp4: the archive has no such member"),
        (_drop("timestamps.parquet"), "no_video", f"{CLIP}.{FRONT}.timestamps.parquet: the archive has no such member"),
        (_replace("mp4", b"no video" * 99), "video_undecodable", f"{CLIP}.{FRONT}.mp4: "),
        (_cut_the_video, "video_shorter_than_clip", "and the video has 60"),
        (
            _replace("timestamps.parquet", _parquet(timestamp=TIMES_US[:60])),
            "video_shorter_than_clip",
            f"the video covers {TIMES_US[0]} … {TIMES_US[59]} µs",
        ),
        (
            _replace("timestamps.parquet", _parquet(timestamp=TIMES_US[:0])),
            "video_shorter_than_clip",
            "the video covers no instant",
        ),
        (
            _replace("timestamps.parquet", _parquet(timestamp=TIMES_US[::-1])),
            "timestamps_not_ascending",
            "run backwards",
        ),
    ],
)
def test_a_clip_that_lost_its_video_goes_on_without_frames(
    tmp_path: Path, members: dict[str, bytes], spoil: Callable[[dict[str, bytes]], None], reason: str, hint: str
) -> None:
    spoil(members)
    made = _build(_root(tmp_path / "data", members), tmp_path / "out")
    rejects = made.tables["rejects"].to_dicts()
    assert [(row["clip_id"], row["severity"], row["feature"], row["reason"]) for row in rejects] == [
        (CLIP, "degraded", "video", reason)
    ] * 2
    assert hint in rejects[0]["hint"]
    assert f"camera/{FRONT}/" in rejects[0]["hint"]
    cameras = [
        (item["clip_id"], len(item["camera_indices"]))
        for item in map(CoCShardDataset(tmp_path / "out").__getitem__, range(4))
    ]
    assert cameras == [(CLIP, 0), (CLIP, 0), (OTHER, 1), (OTHER, 1)]


def test_a_video_that_breaks_off_costs_only_the_samples_behind_the_break(
    tmp_path: Path, members: dict[str, bytes]
) -> None:
    _replace("mp4", _mp4(150))(members)  # 4.9 s
    made = _build(_root(tmp_path / "data", members), tmp_path / "out")
    assert [(row["keyframe_id"], row["reason"]) for row in made.tables["rejects"].to_dicts()] == [
        (f"{CLIP}-06543210", "video_shorter_than_clip")
    ]
    dataset = CoCShardDataset(tmp_path / "out")
    assert [len(dataset[at]["camera_indices"]) for at in range(4)] == [1, 0, 1, 1]


def test_a_video_is_opened_once_for_all_samples_of_its_clip(
    tmp_path: Path, members: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded = _decodes(monkeypatch)
    _build(_root(tmp_path / "data", members), tmp_path / "out")
    assert decoded == [8, 8]


def test_without_the_cameras_archive_every_sample_goes_on(tmp_path: Path) -> None:
    made = _build(_root(tmp_path / "data", None), tmp_path / "out")
    assert made.tables["samples"].height == 4
    assert {row["reason"] for row in made.tables["rejects"].to_dicts()} == {"no_video"}
    assert "is not on disk; mirror it" in made.tables["rejects"]["hint"][0]


VIDEOS = {f"camera/{FRONT}/{FRONT}.chunk_{int(CHUNK):04d}.zip": "a1"}


def _decodes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Counts the frames that are decoded from here on."""
    decoded: list[int] = []

    def watched(file: object, indices: list[int]) -> object:
        decoded.append(len(indices))
        return iterate_frames(file, indices)

    monkeypatch.setattr("coc_assets.training_shards.frames.iterate_frames", watched)
    return decoded


def _shards(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("*.tar")}


def test_frames_of_an_earlier_build_are_taken_over(
    tmp_path: Path, members: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    root = _root(tmp_path / "data", members)
    _build(root, tmp_path / "fresh", min_spacing_s=5.0)
    _build(root, tmp_path / "out", videos=VIDEOS)
    decoded = _decodes(monkeypatch)
    _build(root, tmp_path / "out", videos=VIDEOS, min_spacing_s=5.0)
    assert decoded == []
    assert _shards(tmp_path / "out") == _shards(tmp_path / "fresh")
    _build(root, tmp_path / "out", videos=VIDEOS)  # the samples that were left out are decoded again, the others not
    assert decoded == [4, 4]


@pytest.mark.parametrize(
    "changed",
    [
        {"videos": dict.fromkeys(VIDEOS, "b2")},
        {"videos": VIDEOS, "jpeg_quality": 40},
        {"videos": VIDEOS, "reuse": False},
    ],
)
def test_frames_of_other_videos_or_settings_are_not(
    tmp_path: Path, members: dict[str, bytes], monkeypatch: pytest.MonkeyPatch, changed: dict[str, object]
) -> None:
    root = _root(tmp_path / "data", members)
    _build(root, tmp_path / "out", videos=VIDEOS)
    decoded = _decodes(monkeypatch)
    _build(root, tmp_path / "out", **changed)
    assert decoded == [8, 8]


def test_damaged_frames_are_decoded_again(
    tmp_path: Path, members: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    root = _root(tmp_path / "data", members)
    _build(root, tmp_path / "out", videos=VIDEOS)
    sound = _shards(tmp_path / "out")
    (name, content), *_ = sound.items()
    (tmp_path / "out" / name).write_bytes(content[:2_000] + b"\0" + content[2_001:])
    decoded = _decodes(monkeypatch)
    _build(root, tmp_path / "out", videos=VIDEOS)
    assert decoded == [4]
    assert _shards(tmp_path / "out") == sound


def test_where_video_is_required_the_clip_without_it_is_rejected(tmp_path: Path, members: dict[str, bytes]) -> None:
    _replace("mp4", b"no video")(members)
    made = _build(_root(tmp_path / "data", members), tmp_path / "out", require_video=True)
    assert made.tables["samples"]["clip_id"].to_list() == [OTHER, OTHER]
    assert [(row["clip_id"], row["reason"]) for row in made.tables["rejects"].to_dicts()] == [(CLIP, "no_video")] * 2


def test_cameras_that_are_there_come_in_order_of_their_index(tmp_path: Path, members: dict[str, bytes]) -> None:
    settings = ShardSettings(cameras=("camera_front_tele_30fov", FRONT))
    (seen,) = dataset_frames(_root(tmp_path, members), CHUNK, settings)(CLIP, asked_frames_us(3_000_000)[None])
    assert [one.camera_index for one in seen.frames] == [1]
    assert [(one.camera, one.reason) for one in seen.lost] == [("camera_front_tele_30fov", "no_video")]


def test_a_clip_whose_egomotion_is_gone_is_rejected(tmp_path: Path, members: dict[str, bytes]) -> None:
    root = _root(tmp_path / "data", members)
    path = root.archive_path("egomotion", CHUNK)
    with zipfile.ZipFile(path) as archive:
        left = {name: archive.read(name) for name in archive.namelist() if CLIP not in name}
    _zip(path, left)
    made = _build(root, tmp_path / "out")
    assert made.tables["samples"]["clip_id"].to_list() == [OTHER, OTHER]
    rejects = made.tables["rejects"].to_dicts()
    assert [(row["clip_id"], row["reason"], row["feature"]) for row in rejects] == [
        (CLIP, "egomotion_missing", "egomotion")
    ] * 2


@pytest.mark.parametrize(("height", "size"), [(None, (32, 18)), (9, (16, 9)), (36, (64, 36))])
def test_frames_keep_their_shape_at_the_asked_height(height: int | None, size: tuple[int, int]) -> None:
    settings = ShardSettings.model_construct(**{**ShardSettings().model_dump(), "frame_height": height})
    assert Image.open(io.BytesIO(to_jpeg(picture(0), settings))).size == size


def test_quality_changes_the_bytes_and_repeating_does_not() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (36, 64, 3), np.uint8)
    fine, coarse = ShardSettings(jpeg_quality=95), ShardSettings(jpeg_quality=40)
    assert to_jpeg(noise, fine) == to_jpeg(noise, fine)
    assert len(to_jpeg(noise, coarse)) < len(to_jpeg(noise, fine))
