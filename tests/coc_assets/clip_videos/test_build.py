"""A chunk's videos and segments: what is usable, what each keyframe is shown, and what is said of the rest."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from coc_assets.clip_videos.build import build, ensure_segments
from coc_assets.sources.video import decode_frames
from resources import schemas
from resources.dataset import DatasetRoot
from resources.settings.videos import VideoSettings
from tests.coc_assets.clip_videos.burnt import clip_mp4, damaged, read_number

CHUNK = "0007"
CAMERA = "camera_front_wide_120fov"
ARCHIVE = f"camera/{CAMERA}/{CAMERA}.chunk_{CHUNK}.zip"
SETTINGS = VideoSettings(history_s=0.5, future_s=1.0, sample_step_s=0.25, preset="ultrafast")
# 90 irregular frames over the 3 s of every clip here; keyframes at 0.6 s and 2.4 s.
TIMES = -20_000 + np.concatenate([[0], np.cumsum(np.random.default_rng(4).integers(30_000, 37_000, 89))])
MOMENTS_US = (600_000, 2_400_000)


@dataclass
class Files:
    """What was published, by name."""

    published: dict[str, bytes]

    def write(self, name: str, content: bytes) -> str:
        self.published[name] = content
        return f"clip_videos/chunk={CHUNK}/{name}"


def timestamps_file(times: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    pl.DataFrame({"timestamp": times}, schema={"timestamp": pl.Int64}).write_parquet(buffer)
    return buffer.getvalue()


def dataset(folder: Path, clips: Mapping[str, tuple[bytes | None, bytes | None]]) -> DatasetRoot:
    """A dataset with one camera archive: mp4 and timestamps by clip id, None for a member that is not there."""
    path = folder / ARCHIVE
    path.parent.mkdir(parents=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for clip_id, (mp4, times) in clips.items():
            for suffix, content in (("mp4", mp4), ("timestamps.parquet", times)):
                if content is not None:
                    archive.writestr(f"{clip_id}.{CAMERA}.{suffix}", content)
    return DatasetRoot(folder)


def clip_rows(*clip_ids: str) -> pl.DataFrame:
    return schemas.rows_to_frame([{"clip_id": c, "first_us": 0, "frames": 30} for c in clip_ids], schemas.CLIPS)


def keyframe_rows(*clip_ids: str, moments_us: tuple[int, ...] = MOMENTS_US) -> pl.DataFrame:
    rows: list[dict[str, object]] = [
        {"keyframe_id": f"{c}-{t:08d}", "clip_id": c, "t0_us": t} for c in clip_ids for t in moments_us
    ]
    return schemas.rows_to_frame(rows, schemas.KEYFRAMES)


def built(
    root: DatasetRoot, *clip_ids: str, cut: bool = False, **options: Any
) -> tuple[dict[str, pl.DataFrame], Files]:
    files = Files({})
    frames = keyframe_rows(*clip_ids)
    return build(root, CHUNK, clip_rows(*clip_ids), frames, SETTINGS, cut, files.write, **options), files


def sound() -> tuple[bytes, bytes]:
    return clip_mp4(90), timestamps_file(TIMES)


def test_a_sound_clip_on_demand(tmp_path: Path) -> None:
    tables, files = built(dataset(tmp_path, {"a": sound()}), "a")
    assert tables["rejects"].is_empty() and not files.published
    (video,) = tables["videos"].to_dicts()
    assert video["path"] == f"{ARCHIVE}::a.{CAMERA}.mp4"
    assert (video["chunk"], video["clip_id"], video["camera"]) == (CHUNK, "a", CAMERA)
    assert (video["frames"], video["width"], video["height"]) == (90, 144, 80)
    assert (video["first_us"], video["last_us"]) == (TIMES[0], TIMES[-1])
    assert video["fps"] == pytest.approx(89e6 / (TIMES[-1] - TIMES[0]))
    early, late = tables["segments"].to_dicts()
    assert (early["status"], early["path"], early["keyframe_id"]) == ("on_demand", None, "a-00600000")
    assert TIMES[early["source_frame"]].tolist() == early["frame_us"]
    assert len(early["frame_us"]) == 6 and early["missing_us"] == []
    assert early["first_us"] == TIMES[TIMES <= 100_000].max()
    assert early["last_us"] == TIMES[TIMES < 1_600_000].max()
    assert late["missing_us"] == [3_150_000] and late["last_us"] == TIMES[-1]


def test_cut_segments_hold_the_frames_that_their_rows_say(tmp_path: Path) -> None:
    tables, files = built(dataset(tmp_path, {"a": sound(), "b": sound()}), "a", "b", cut=True)
    assert tables["segments"]["status"].to_list() == ["cut"] * 4
    for row in tables["segments"].to_dicts():
        name = f"{row['keyframe_id']}.{CAMERA}.mp4"
        assert row["path"] == f"clip_videos/chunk={CHUNK}/{name}"
        first, last = np.searchsorted(TIMES, [row["first_us"], row["last_us"]])
        pictures = decode_frames(io.BytesIO(files.published[name]), range(last - first + 1))
        assert [read_number(image) for image in pictures.values()] == list(range(first, last + 1))
        assert first <= min(row["source_frame"]) and max(row["source_frame"]) <= last


def test_tables_conform_and_repeat(tmp_path: Path) -> None:
    root = dataset(tmp_path, {"b": sound(), "a": sound(), "c": (None, None)})
    (first, files), (second, again) = (built(root, "b", "a", "c", cut=True) for _ in range(2))
    assert files.published == again.published
    assert all(first[name].equals(second[name]) for name in first)
    tables = {"videos": schemas.VIDEOS, "segments": schemas.SEGMENTS, "rejects": schemas.REJECTS}
    assert all(first[name].schema == table.schema for name, table in tables.items())
    assert first["videos"]["clip_id"].to_list() == ["b", "a"]
    assert first["segments"]["keyframe_id"].to_list() == keyframe_rows("b", "a", "c")["keyframe_id"].to_list()


@dataclass(frozen=True)
class Defect:
    """A clip with something wrong: its members, and what comes of it."""

    members: Callable[[], tuple[bytes | None, bytes | None]]
    reason: str
    hint: str
    on_demand: tuple[str, str]
    cut: tuple[str, str]
    frames: int | None = None


NO_VIDEO = ("no_video", "no_video")
UNDECODABLE = ("undecodable", "undecodable")
DEFECTS = {
    "no mp4": Defect(lambda: (None, sound()[1]), "video_missing", "mp4 is not in the archive", NO_VIDEO, NO_VIDEO),
    "neither": Defect(lambda: (None, None), "video_missing", "mp4 is not in the archive", NO_VIDEO, NO_VIDEO),
    "no timestamps": Defect(
        lambda: (sound()[0], None), "timestamps_missing", "parquet is not in the archive", NO_VIDEO, NO_VIDEO
    ),
    "timestamps unreadable": Defect(
        lambda: (sound()[0], b"PAR1"), "timestamps_unusable", "holds no frame timestamps", NO_VIDEO, NO_VIDEO
    ),
    "timestamps fall": Defect(
        lambda: (sound()[0], timestamps_file(TIMES[[0, 1, 3, 2]])),
        "timestamps_unusable",
        f"do not ascend at row 3 ({TIMES[2]} µs)",
        NO_VIDEO,
        NO_VIDEO,
    ),
    "no timestamp": Defect(
        lambda: (sound()[0], timestamps_file(TIMES[:0])), "timestamps_unusable", "are none", NO_VIDEO, NO_VIDEO
    ),
    "mp4 truncated": Defect(
        lambda: (sound()[0][:-2000], sound()[1]), "video_undecodable", "cut short", UNDECODABLE, UNDECODABLE
    ),
    "mp4 truncated, header last": Defect(
        lambda: (clip_mp4(90, index_first=False)[:-2000], sound()[1]),
        "video_undecodable",
        "Fetch the file again",
        UNDECODABLE,
        UNDECODABLE,
    ),
    "no mp4 at all": Defect(
        lambda: (b"<html>404</html>" * 99, sound()[1]), "video_undecodable", "Fetch", UNDECODABLE, UNDECODABLE
    ),
    "fewer frames than timestamps": Defect(
        lambda: (clip_mp4(30), sound()[1]),
        "video_shorter_than_clip",
        "has 30 frames for 90 timestamps",
        ("on_demand", "no_video"),
        ("cut", "no_video"),
        frames=30,
    ),
    "ends early": Defect(
        lambda: (clip_mp4(70), timestamps_file(TIMES[:70])),
        "video_shorter_than_clip",
        "of a clip from 0.00 to 2.90 s",
        ("on_demand", "on_demand"),
        ("cut", "cut"),
        frames=70,
    ),
    "starts late": Defect(
        lambda: (clip_mp4(60), timestamps_file(TIMES[30:])),
        "video_shorter_than_clip",
        "of a clip from 0.00 to 2.90 s",
        ("on_demand", "on_demand"),
        ("cut", "cut"),
        frames=60,
    ),
    "fewer timestamps than frames": Defect(
        lambda: (sound()[0], timestamps_file(TIMES[:88])),
        "timestamps_shorter_than_video",
        "has 90 frames and 88 timestamps",
        ("on_demand", "on_demand"),
        ("cut", "cut"),
        frames=88,
    ),
}


@pytest.mark.parametrize("cut", [False, True], ids=["on demand", "cut"])
@pytest.mark.parametrize("defect", DEFECTS.values(), ids=DEFECTS)
def test_defects_degrade_their_clip_alone(tmp_path: Path, defect: Defect, cut: bool) -> None:
    root = dataset(tmp_path, {"bad": defect.members(), "good": sound()})
    tables, files = built(root, "bad", "good", cut=cut)
    (reject,) = tables["rejects"].to_dicts()
    assert (reject["stage"], reject["clip_id"], reject["keyframe_id"]) == ("clip_videos", "bad", None)
    assert (reject["severity"], reject["feature"], reject["reason"]) == ("degraded", "video", defect.reason)
    assert reject["hint"].startswith(f"{ARCHIVE}::bad.{CAMERA}.") and defect.hint in reject["hint"]
    assert "etch" in reject["hint"]  # the mend
    statuses = tables["segments"]["status"].to_list()
    assert tuple(statuses[:2]) == (defect.cut if cut else defect.on_demand)
    assert statuses[2:] == ["cut" if cut else "on_demand"] * 2
    assert dict(tables["videos"].select("clip_id", "frames").iter_rows()).get("bad") == defect.frames
    assert len(files.published) == statuses.count("cut")
    without = tables["segments"].filter(pl.col("status").is_in(["no_video", "undecodable"]))
    assert without["source_frame"].list.len().sum() == without["frame_us"].list.len().sum() == 0
    assert without["missing_us"].list.len().to_list() == [6] * without.height


def test_damage_inside_a_video_is_found_when_it_is_decoded(tmp_path: Path) -> None:
    mp4 = damaged(clip_mp4(90, "h264_no_b_frames"), share=0.5)
    root = dataset(tmp_path, {"a": (mp4, timestamps_file(TIMES))})
    lazily, _ = built(root, "a")
    assert lazily["segments"]["status"].to_list() == ["on_demand"] * 2
    tables, files = built(root, "a", cut=True)
    assert tables["segments"]["status"].to_list() == ["undecodable"] * 2
    assert tables["rejects"]["reason"].to_list() == ["video_undecodable"]
    assert tables["videos"].is_empty() and not files.published


def test_chunk_without_a_camera_archive(tmp_path: Path) -> None:
    tables, _ = built(DatasetRoot(tmp_path), "a", "b")
    (reject,) = tables["rejects"].to_dicts()
    assert (reject["clip_id"], reject["reason"], reject["severity"]) == (None, "video_missing", "degraded")
    assert reject["hint"].startswith(f"{ARCHIVE} is not on disk; mirror it")
    assert tables["segments"]["status"].to_list() == ["no_video"] * 4
    assert tables["videos"].is_empty()


def test_archive_cut_short(tmp_path: Path) -> None:
    root = dataset(tmp_path, {"a": sound(), "b": sound()})
    path = tmp_path / ARCHIVE
    path.write_bytes(path.read_bytes()[: len(clip_mp4(90)) + 20_000])
    tables, _ = built(root, "a", "b", cut=True)
    assert tables["rejects"].select("clip_id", "reason").rows() == [(None, "archive_damaged"), ("b", "video_missing")]
    assert "lies beyond what is left" in tables["rejects"]["hint"][1]
    assert tables["segments"]["status"].to_list() == ["cut", "cut", "no_video", "no_video"]


def test_keyframes_outside_the_video_have_none(tmp_path: Path) -> None:
    root = dataset(tmp_path, {"a": sound()})
    frames = keyframe_rows("a", moments_us=(2_000_000, 9_000_000))
    tables = build(root, CHUNK, clip_rows("a"), frames, SETTINGS, True, Files({}).write)
    assert tables["segments"]["status"].to_list() == ["cut", "no_video"]
    assert tables["segments"]["first_us"].to_list()[1] is None


def test_clips_without_keyframes_have_their_video_listed(tmp_path: Path) -> None:
    root = dataset(tmp_path, {"a": sound()})
    tables = build(root, CHUNK, clip_rows("a"), schemas.empty(schemas.KEYFRAMES), SETTINGS, True, Files({}).write)
    assert (tables["videos"].height, tables["segments"].height) == (1, 0)


def test_progress_counts_clips(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    built(dataset(tmp_path, {"a": sound()}), "a", "gone", progress=lambda done, total: seen.append((done, total)))
    assert seen == [(1, 2), (2, 2)]


def test_segments_on_demand_are_those_cut_at_once(tmp_path: Path) -> None:
    root = dataset(tmp_path, {"a": sound(), "b": sound()})
    at_once, files = built(root, "a", "b", cut=True)
    later, lazily = built(root, "a", "b")
    needed = ["a-02400000", "b-00600000"]
    rows = ensure_segments(root, CHUNK, later["segments"], needed, SETTINGS, lazily.write)
    assert rows.equals(at_once["segments"].filter(pl.col("keyframe_id").is_in(needed)))
    assert lazily.published == {name: files.published[name] for name in (f"{id_}.{CAMERA}.mp4" for id_ in needed)}


def test_segments_that_are_there_are_not_cut_again(tmp_path: Path) -> None:
    root = dataset(tmp_path, {"a": sound()})
    tables, _ = built(root, "a", cut=True)
    files = Files({})
    rows = ensure_segments(root, CHUNK, tables["segments"], ["a-00600000"], SETTINGS, files.write)
    assert rows["status"].to_list() == ["cut"] and not files.published


def test_on_demand_a_damaged_video_is_undecodable(tmp_path: Path) -> None:
    mp4 = damaged(clip_mp4(90, "h264_no_b_frames"), share=0.5)
    root = dataset(tmp_path, {"a": (mp4, timestamps_file(TIMES)), "b": sound()})
    tables, files = built(root, "a", "b")
    rows = ensure_segments(root, CHUNK, tables["segments"], ["a-00600000", "b-00600000"], SETTINGS, files.write)
    assert rows["status"].to_list() == ["undecodable", "cut"]
    assert rows["source_frame"].list.len().to_list() == [0, 6]
    assert list(files.published) == [f"b-00600000.{CAMERA}.mp4"]
