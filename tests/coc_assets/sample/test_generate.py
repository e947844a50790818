"""A sample as a whole: layout, repeatable bytes, scripts and defects in turn."""

from __future__ import annotations

import io
import json
import uuid
import zipfile
from pathlib import Path

import pandas as pd
import polars as pl
import pytest

from coc_assets.sample import generate as generator
from coc_assets.sample.defects import DEFECT_KINDS
from coc_assets.sample.generate import SampleSummary, generate, plan
from coc_assets.sample.scenes import SCRIPTS
from coc_assets.sample.writer import CAMERA, SampleError

EGOMOTION_ZIP = "labels/egomotion/egomotion.chunk_{:04d}.zip"
OBSTACLE_ZIP = "labels/obstacle.offline/obstacle.offline.chunk_{:04d}.zip"
CAMERA_ZIP = f"camera/{CAMERA}/{CAMERA}.chunk_{{:04d}}.zip"


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> SampleSummary:
    return generate(tmp_path_factory.mktemp("sample") / "dataset", chunks=2, clips=12, seed=3, video=False)


def members(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {info.filename: archive.open(info).read() for info in archive.infolist()}


def files_of(root: Path) -> dict[str, bytes]:
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_the_layout_is_the_datasets(sample):
    assert sorted(files_of(sample.root)) == sorted(
        [
            "clip_index.parquet",
            "features.csv",
            "metadata/data_collection.parquet",
            "metadata/feature_presence.parquet",
            "sample.json",
            "truth.parquet",
            *(form.format(chunk) for form in (EGOMOTION_ZIP, OBSTACLE_ZIP) for chunk in (0, 1)),
        ]
    )


def test_the_index_lists_every_clip_with_chunk_split_and_validity(sample):
    index = pd.read_parquet(sample.root / "clip_index.parquet")
    assert index.index.name == "clip_id" and index.index.is_unique and len(index) == sample.clips == 24
    assert all(str(uuid.UUID(clip_id)) == clip_id for clip_id in index.index)
    assert list(index.columns) == ["chunk", "split", "clip_is_valid"]
    assert index["chunk"].tolist() == [0] * 12 + [1] * 12
    assert index["clip_is_valid"].dtype == bool
    assert set(index["split"]) <= {"train", "val", "test"}
    for chunk, clips in index.groupby("chunk"):
        names = set(members(sample.root / EGOMOTION_ZIP.format(chunk)))
        assert names == {f"{clip_id}.egomotion.parquet" for clip_id in clips.index}


def test_most_clips_train():
    splits = [clip.split for clip in plan(20, 12, 0)]
    assert 0.7 < splits.count("train") / len(splits) < 0.9
    assert set(splits) == {"train", "val", "test"}


def test_presence_says_what_the_zips_hold(sample):
    presence = pd.read_parquet(sample.root / "metadata/feature_presence.parquet")
    assert presence.index.name == "clip_id" and {str(kind) for kind in presence.dtypes} == {"bool"}
    tracked = {name.split(".")[0] for chunk in (0, 1) for name in members(sample.root / OBSTACLE_ZIP.format(chunk))}
    assert set(presence.index[presence["obstacle.offline"]]) == tracked
    assert presence["egomotion"].all() and not presence[CAMERA].any()


def test_members_are_readable_tables(sample):
    ((_, egomotion), *_) = members(sample.root / EGOMOTION_ZIP.format(1)).items()
    rows = pd.read_parquet(io.BytesIO(egomotion))
    assert rows["timestamp"].dtype == "int64" and len(rows) > 2000
    ((_, boxes), *_) = members(sample.root / OBSTACLE_ZIP.format(1)).items()
    assert set(pd.read_parquet(io.BytesIO(boxes))["reference_frame"]) == {"rig"}


def test_truth_lies_beside_the_data_with_a_row_a_scripted_answer(sample):
    truth = pl.read_parquet(sample.root / "truth.parquet")
    index = pd.read_parquet(sample.root / "clip_index.parquet")
    assert set(truth["clip_id"]) == set(index.index)
    assert set(truth["chunk"]) == {"0000", "0001"}
    assert all(json.loads(text) for text in truth["parameters"])
    tracks = {
        name.split(".")[0]: set(pl.read_parquet(io.BytesIO(content))["track_id"])
        for chunk in (0, 1)
        for name, content in members(sample.root / OBSTACLE_ZIP.format(chunk)).items()
    }
    named = truth.filter(pl.col("cause_track_id").is_not_null())
    assert named.height >= 10
    assert all(row["cause_track_id"] in tracks[row["clip_id"]] for row in named.iter_rows(named=True))
    assert dict(truth.filter(pl.col("defect").is_not_null()).select("clip_id", "defect").iter_rows()) == sample.defects


def test_the_same_arguments_give_the_same_bytes(sample, tmp_path):
    again = generate(tmp_path / "again", chunks=2, clips=12, seed=3, video=False)
    assert files_of(again.root) == files_of(sample.root)
    assert not again.reused


def test_more_chunks_leave_the_first_ones_alone(sample, tmp_path):
    one = generate(tmp_path / "one", chunks=1, clips=12, seed=3, video=False)
    for form in (EGOMOTION_ZIP, OBSTACLE_ZIP):
        assert (one.root / form.format(0)).read_bytes() == (sample.root / form.format(0)).read_bytes()


def test_another_seed_gives_other_clips(sample):
    assert not {clip.clip_id for clip in plan(2, 12, 4)} & set(
        pd.read_parquet(sample.root / "clip_index.parquet").index
    )


@pytest.mark.parametrize(("chunks", "clips"), [(1, 12), (3, 12), (6, 2), (11, 1)])
def test_scripts_take_turns_over_all_chunks(chunks, clips):
    scripts = [clip.script for clip in plan(chunks, clips, 0)]
    assert set(scripts[: len(SCRIPTS)]) == set(SCRIPTS)
    assert scripts[len(SCRIPTS) :] == scripts[: -len(SCRIPTS)]


def test_one_clip_in_twelve_is_defective_and_the_kinds_take_turns():
    planned = plan(len(DEFECT_KINDS), 12, 0)
    defective = [clip for clip in planned if clip.defect]
    assert [clip.chunk for clip in defective] == list(range(len(DEFECT_KINDS)))
    assert [clip.defect for clip in defective] == list(DEFECT_KINDS)
    assert sum(bool(clip.defect) for clip in plan(1, 36, 0)) == 3
    assert len({clip.index for clip in defective}) > 3
    assert not any(clip.defect for clip in plan(3, 12, 0, defects=False))


def test_the_default_sample_shows_a_rejected_a_mended_and_a_degraded_clip():
    assert [clip.defect for clip in plan(3, 12, 0) if clip.defect] == ["long_gap", "shuffled_rows", "video_truncated"]


def test_without_video_there_is_no_video_to_damage():
    assert [clip.defect for clip in plan(3, 12, 0, video=False) if clip.defect] == ["long_gap", "shuffled_rows"]


def test_defects_touch_no_other_clip(sample, tmp_path):
    sound = generate(tmp_path / "sound", chunks=1, clips=12, seed=3, video=False, defects=False)
    damaged, whole = (members(root / EGOMOTION_ZIP.format(0)) for root in (sample.root, sound.root))
    different = {name.split(".")[0] for name in whole if damaged[name] != whole[name]}
    assert sound.defective == 0 and different == set(sample.defects) & {name.split(".")[0] for name in whole}
    assert len(different) == 1


def test_defects_of_files_and_index_reach_the_disk(tmp_path):
    kinds = ["corrupt_member", "clip_invalid", "tracks_missing", None, "long_gap"]
    made = generate(tmp_path / "damaged", chunks=1, clips=4, video=False, defect_kinds=kinds)
    clip_ids = [clip.clip_id for clip in plan(1, 4, 0)]
    assert made.defects == dict(zip(clip_ids, kinds[:3], strict=False))
    with zipfile.ZipFile(made.root / EGOMOTION_ZIP.format(0)) as archive:
        assert archive.testzip() == f"{clip_ids[0]}.egomotion.parquet"
    index = pd.read_parquet(made.root / "clip_index.parquet")
    assert index["clip_is_valid"].tolist() == [True, False, True, True]
    tracked = {name.split(".")[0] for name in members(made.root / OBSTACLE_ZIP.format(0))}
    assert tracked == set(clip_ids) - {clip_ids[2]}
    presence = pd.read_parquet(made.root / "metadata/feature_presence.parquet")
    assert presence["obstacle.offline"].tolist() == [True, True, False, True]


def test_video_defects_reach_the_camera_archive(tmp_path, monkeypatch):
    asked: list[tuple[str, int, bool]] = []

    def encode(scene, camera_us, burn_in):
        asked.append((scene.clip_id, len(camera_us), burn_in))
        return scene.clip_id.encode() * 100

    monkeypatch.setattr(generator, "_encode", encode)
    kinds = [None, "video_missing", "video_truncated", "timestamps_missing", "video_short"]
    made = generate(tmp_path / "v", chunks=1, clips=5, defect_kinds=kinds, workers=1, burn_in=True)
    ids = [clip.clip_id for clip in plan(1, 5, 0)]
    found = members(made.root / CAMERA_ZIP.format(0))
    video, times = (lambda k: f"{ids[k]}.{CAMERA}.mp4"), (lambda k: f"{ids[k]}.{CAMERA}.timestamps.parquet")
    assert set(found) == {video(0), times(0), video(2), times(2), video(3), video(4), times(4)}
    assert found[video(0)] == ids[0].encode() * 100
    assert found[video(2)] == (ids[2].encode() * 100)[:1440]
    instants = [pl.read_parquet(io.BytesIO(found[times(k)]))["timestamp"] for k in (0, 4)]
    assert asked == [(ids[0], len(instants[0]), True), *asked[1:3], (ids[4], len(instants[1]), True)]
    assert len(instants[1]) < 0.55 * len(instants[0])
    presence = pd.read_parquet(made.root / "metadata/feature_presence.parquet")
    assert presence[CAMERA].tolist() == [True, False, True, True, True]


def test_progress_counts_every_clip(tmp_path):
    told: list[tuple[int, int]] = []
    generate(tmp_path / "p", chunks=2, clips=2, video=False, progress=lambda done, total: told.append((done, total)))
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_a_sample_is_kept_when_asked_for_again_and_made_anew_when_it_is_not_whole(tmp_path):
    root = tmp_path / "kept"
    first = generate(root, chunks=1, clips=1, video=False)
    stamp = (root / "truth.parquet").stat().st_mtime_ns
    assert generate(root, chunks=1, clips=1, video=False).reused
    assert (root / "truth.parquet").stat().st_mtime_ns == stamp
    (root / "truth.parquet").write_bytes(b"")
    assert not generate(root, chunks=1, clips=1, video=False).reused
    assert (root / "truth.parquet").stat().st_size > 0
    other = generate(root, chunks=1, clips=1, seed=1, video=False)
    assert not other.reused and other.seed != first.seed


def test_what_is_not_a_sample_is_left_alone(tmp_path):
    (tmp_path / "thesis.tex").write_text("precious")
    with pytest.raises(SampleError, match=r"thesis\.tex"):
        generate(tmp_path, chunks=1, clips=1, video=False)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


@pytest.mark.parametrize("wrong", [{"chunks": 0}, {"clips": 0}, {"seed": -1}])
def test_impossible_counts_are_named(tmp_path, wrong):
    ((name, value),) = wrong.items()
    with pytest.raises(SampleError, match=f"{name}={value}"):
        generate(tmp_path / "no", video=False, **wrong)
    assert not (tmp_path / "no").exists()


@pytest.mark.slow
def test_videos_do_not_depend_on_the_number_of_processes(tmp_path):
    one, two = (generate(tmp_path / str(count), chunks=1, clips=2, workers=count) for count in (1, 2))
    assert files_of(one.root) == files_of(two.root)
