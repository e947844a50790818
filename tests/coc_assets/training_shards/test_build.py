from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections import Counter
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image

from coc_assets.sources.egomotion import ClipRejected
from coc_assets.training_shards import sample
from coc_assets.training_shards.build import ClipReaders, build_chunk
from coc_assets.training_shards.frames import Seen
from coc_assets.training_shards.plan import ShardPlanError
from coc_assets.training_shards.tar import from_npy
from resources import schemas
from resources.settings.shards import ShardSettings
from resources.store import Store
from tests.coc_assets.training_shards.made import (
    CHUNK,
    CLIPS,
    Chunk,
    built,
    driven,
    frames_of,
    key_of,
    label,
    no_frames,
    no_sources,
    picture,
)

TRAIN = dict.fromkeys(CLIPS, "train")


def _chunk(clips: int = 3, times: tuple[int, ...] = (3_000_000, 7_100_000)) -> Chunk:
    return Chunk([label(clip, t0_us) for clip in CLIPS[:clips] for t0_us in times], splits=TRAIN)


def _digests(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}


def _members(folder: Path, shard: str) -> dict[str, bytes]:
    with tarfile.open(folder / Path(shard).name) as tar:
        return {info.name: tar.extractfile(info).read() for info in tar}


def test_a_sample_holds_every_member_the_format_names(tmp_path: Path) -> None:
    made = built(tmp_path, _chunk(1, (3_000_000,)))
    key = key_of(CLIPS[0], 3_000_000)
    assert made.files == ["train-000700.tar", "index.parquet", "manifest.json"]
    members = _members(tmp_path, "train-000700.tar")
    assert set(members) == {
        f"{key}.{suffix}"
        for suffix in (
            "json", "cot.txt", "ego_history_xyz.npy", "ego_history_rot.npy", "ego_future_xyz.npy",
            "ego_future_rot.npy", "absolute_timestamps.npy", "cam1_f0.jpg", "cam1_f1.jpg", "cam1_f2.jpg", "cam1_f3.jpg",
        )
    }  # fmt: skip
    assert members[f"{key}.cot.txt"].decode() == "Slow down behind the lead vehicle – rules."
    for name, array in sample.ego_arrays(driven(), 3_000_000).items():
        np.testing.assert_array_equal(from_npy(members[f"{key}.{name}.npy"]), array)
    stamps = from_npy(members[f"{key}.absolute_timestamps.npy"])
    assert stamps.dtype == np.int64
    assert stamps.tolist() == [[2_695_000, 2_795_000, 2_895_000, 2_995_000]]
    for number, frame_us in enumerate(stamps[0]):
        seen = np.asarray(Image.open(io.BytesIO(members[f"{key}.cam1_f{number}.jpg"])))
        np.testing.assert_allclose(seen, picture(frame_us), atol=1)


def test_the_json_says_where_the_sample_comes_from_and_what_was_decided(tmp_path: Path) -> None:
    built(tmp_path, _chunk(1, (3_000_000,)))
    key = key_of(CLIPS[0], 3_000_000)
    about = json.loads(_members(tmp_path, "train-000700.tar")[f"{key}.json"])
    assert {name: about[name] for name in ("schema_version", "key", "chunk", "clip_id", "t0_us", "split")} == {
        "schema_version": 1, "key": key, "chunk": CHUNK, "clip_id": CLIPS[0], "t0_us": 3_000_000, "split": "train",
    }  # fmt: skip
    assert about["camera_indices"] == [1]
    assert about["decisions"] == {
        "longitudinal": "lead_obstacle_following", "lateral": None, "lateral_direction": None,
    }  # fmt: skip
    assert about["components"][0]["phrase"] == "lead vehicle 14 m ahead"
    assert about["provenance"] == {
        "label_id": f"rules:{key}", "labeler": "rules", "model": None, "prompt_version": "1", "parameters": "{}",
        "answered_at": None,
    }  # fmt: skip
    assert about["quality"] == {"verdict": "keep", "reasons": [], "policy_version": "p1"}


def test_equal_input_gives_equal_bytes_whatever_the_order_of_rows(tmp_path: Path) -> None:
    chunk = _chunk(4)
    first = built(tmp_path / "a", chunk)
    second = built(tmp_path / "b", Chunk(chunk.labels[::-1], splits=TRAIN))
    assert _digests(tmp_path / "a") == _digests(tmp_path / "b")
    for name, table in first.tables.items():
        assert table.equals(second.tables[name])


def test_samples_lead_to_their_bytes(tmp_path: Path) -> None:
    store = Store(tmp_path)
    folder = store.partition("training_shards", CHUNK)
    made = built(folder, _chunk(3), ShardSettings(max_shard_bytes=40_000))
    samples = schemas.conform(made.tables["samples"], schemas.SAMPLES)
    assert samples["keyframe_id"].to_list() == sorted(samples["keyframe_id"])
    assert samples["shard"].n_unique() > 1
    for row in samples.to_dicts():
        data = (tmp_path / row["shard"]).read_bytes()[row["offset"] : row["offset"] + row["size"]]
        with tarfile.open(fileobj=io.BytesIO(data)) as group:
            names = group.getnames()
            assert {name.partition(".")[0] for name in names} == {row["keyframe_id"]}
            assert row["member"] in names
            about = json.loads(group.extractfile(row["member"]).read())
        assert (about["clip_id"], about["t0_us"]) == (row["clip_id"], row["t0_us"])
        assert about["provenance"]["label_id"] == row["label_id"]


def test_the_index_and_the_samples_table_agree(tmp_path: Path) -> None:
    made = built(tmp_path, _chunk(3), ShardSettings(max_shard_bytes=40_000))
    index = pl.read_parquet(tmp_path / "index.parquet").sort("key")
    samples = made.tables["samples"]
    for column, same in [("key", "keyframe_id"), *((name, name) for name in ("split", "member", "offset", "size"))]:
        assert index[column].to_list() == samples[same].to_list()
    assert [f"training_shards/chunk={CHUNK}/{name}" for name in index["shard"]] == samples["shard"].to_list()


def test_shards_are_even_and_below_the_ceiling(tmp_path: Path) -> None:
    ceiling = 60_000
    made = built(tmp_path, _chunk(7), ShardSettings(max_shard_bytes=ceiling))
    manifest = json.loads((tmp_path / "manifest.json").read_bytes())
    counts = [shard["samples"] for shard in manifest["shards"].values()]
    assert sum(counts) == 14
    assert max(counts) - min(counts) <= 1
    assert len(counts) > 2
    for name, shard in manifest["shards"].items():
        data = (tmp_path / name).read_bytes()
        assert shard["bytes"] == len(data) <= ceiling
        assert shard["sha256"] == hashlib.sha256(data).hexdigest()
    assert [name for name in made.files if name.endswith(".tar")] == sorted(manifest["shards"])


def test_a_ceiling_below_one_sample_fails_before_a_shard_is_written(tmp_path: Path) -> None:
    with pytest.raises(ShardPlanError, match="max_shard_bytes"):
        built(tmp_path, _chunk(1), ShardSettings(max_shard_bytes=10_240))
    assert list(tmp_path.iterdir()) == []


def test_the_manifest_counts_splits_and_label_versions(tmp_path: Path) -> None:
    rows = [label(CLIPS[0], 3_000_000), label(CLIPS[1], 3_000_000), label(CLIPS[1], 6_000_000, "vlm")]
    chunk = Chunk(rows, splits={CLIPS[0]: "train", CLIPS[1]: "val"})
    built(tmp_path, chunk, ShardSettings(labelers=("rules", "vlm")))
    manifest = json.loads((tmp_path / "manifest.json").read_bytes())
    assert manifest["samples"] == 3
    assert manifest["splits"] == {
        "train": {"samples": 1, "shards": ["train-000700.tar"]},
        "val": {"samples": 2, "shards": ["val-000700.tar"]},
    }
    assert manifest["labels"] == [
        {"labeler": "rules", "model": None, "prompt_version": "1", "policy_version": "p1", "samples": 2},
        {"labeler": "vlm", "model": "vlm-8b", "prompt_version": "1", "policy_version": "p1", "samples": 1},
    ]


def test_all_events_of_a_clip_share_its_split(tmp_path: Path) -> None:
    rows = [label(clip, t0_us) for clip in CLIPS for t0_us in (2_000_000, 5_000_000)]
    samples = built(tmp_path, Chunk(rows), frames=no_frames).tables["samples"]
    assert samples.group_by("clip_id").agg(pl.col("split").n_unique())["split"].to_list() == [1] * len(CLIPS)
    assert samples["split"].n_unique() > 1


def test_every_kept_label_is_a_sample_or_a_reject(tmp_path: Path) -> None:
    rows = [
        label(CLIPS[0], 3_000_000, "rules"),
        label(CLIPS[0], 3_000_000, "vlm"),
        label(CLIPS[0], 1_600_000, "rules"),  # at the open end of the window
        label(CLIPS[0], 13_700_000, "vlm"),
        label(CLIPS[1], 4_000_000, "vlm", trace="Stop <|end|>."),
        label(CLIPS[1], 4_000_000, "rules"),  # steps in for the unusable preferred one
        label(CLIPS[1], 5_000_000, "stranger"),
        label(CLIPS[2], 4_000_000, "rules"),
        label(CLIPS[3], 4_000_000, "rules"),  # its clip is rejected
    ]
    dropped = frozenset({f"rules:{key_of(CLIPS[2], 4_000_000)}"})
    chunk = Chunk(rows, splits=TRAIN, dropped=dropped)

    def egomotion_of(clip_id: str) -> object:
        if clip_id == CLIPS[3]:
            raise ClipRejected("gap_too_long", "the zip changed")
        return driven()

    settings = ShardSettings(labelers=("vlm", "rules"))
    readers = ClipReaders(egomotion_of, frames_of(settings), no_sources())
    made = build_chunk(CHUNK, chunk.tables(), settings=settings, readers=readers, out_dir=tmp_path)
    samples, rejects = made.tables["samples"], schemas.conform(made.tables["rejects"], schemas.REJECTS)
    assert samples["label_id"].to_list() == [
        f"vlm:{key_of(CLIPS[0], 3_000_000)}",
        f"rules:{key_of(CLIPS[1], 4_000_000)}",
    ]
    why = {row["label_id"]: (row["reason"], row["feature"]) for row in rejects.to_dicts()}
    assert why == {
        f"rules:{key_of(CLIPS[0], 3_000_000)}": ("not_preferred", None),
        f"rules:{key_of(CLIPS[0], 1_600_000)}": ("outside_training_window", None),
        f"vlm:{key_of(CLIPS[0], 13_700_000)}": ("outside_training_window", None),
        f"vlm:{key_of(CLIPS[1], 4_000_000)}": ("text_has_control_tokens", None),
        f"stranger:{key_of(CLIPS[1], 5_000_000)}": ("not_preferred", None),
        f"rules:{key_of(CLIPS[3], 4_000_000)}": ("gap_too_long", "egomotion"),
    }
    kept = [row["label_id"] for row in rows if row["label_id"] not in dropped]
    assert Counter(samples["label_id"]) + Counter(rejects["label_id"]) == Counter(kept)
    assert set(rejects["severity"]) == {"rejected"}
    assert set(rejects["stage"]) == {"training_shards"}
    assert set(rejects["chunk"]) == {CHUNK}


@pytest.mark.parametrize(
    ("t0_us", "held", "rejected"),
    [(3_000_000, (0, 9_400_000), False), (3_000_000, (0, 9_399_999), True), (1_700_000, (200_001, 20_000_000), True)],
)
def test_egomotion_must_cover_history_and_future(
    tmp_path: Path, t0_us: int, held: tuple[int, int], rejected: bool
) -> None:
    made = built(tmp_path, _chunk(1, (t0_us,)), ego=driven(first_us=held[0], last_us=held[1]))
    reasons = [(row["reason"], row["feature"]) for row in made.tables["rejects"].to_dicts()]
    assert reasons == ([("outside_training_window", "egomotion")] if rejected else [])
    assert made.tables["samples"].height == (0 if rejected else 1)


def test_without_video_a_sample_goes_on_without_frames(tmp_path: Path) -> None:
    made = built(tmp_path, _chunk(1, (3_000_000,)), frames=no_frames)
    key = key_of(CLIPS[0], 3_000_000)
    members = _members(tmp_path, "train-000700.tar")
    assert json.loads(members[f"{key}.json"])["camera_indices"] == []
    assert from_npy(members[f"{key}.absolute_timestamps.npy"]).shape == (0, 4)
    assert not [name for name in members if name.endswith(".jpg")]
    (row,) = made.tables["rejects"].to_dicts()
    assert (row["severity"], row["feature"], row["reason"], row["keyframe_id"], row["label_id"]) == (
        "degraded", "video", "no_video", key, None,
    )  # fmt: skip
    assert "camera_front_wide_120fov: camera.zip is not on disk" in row["hint"]


def test_where_video_is_required_it_is_rejected(tmp_path: Path) -> None:
    made = built(tmp_path, _chunk(1, (3_000_000,)), ShardSettings(require_video=True), frames=no_frames)
    assert made.tables["samples"].is_empty()
    (row,) = made.tables["rejects"].to_dicts()
    assert (row["severity"], row["feature"], row["reason"]) == ("rejected", "video", "no_video")
    assert row["label_id"] == f"rules:{key_of(CLIPS[0], 3_000_000)}"


def test_a_chunk_without_samples_still_has_its_index_and_manifest(tmp_path: Path) -> None:
    made = built(tmp_path, Chunk([]))
    assert made.files == ["index.parquet", "manifest.json"]
    assert pl.read_parquet(tmp_path / "index.parquet").height == 0
    assert json.loads((tmp_path / "manifest.json").read_bytes())["samples"] == 0
    assert made.tables["samples"].schema == schemas.SAMPLES.schema
    assert made.tables["rejects"].schema == schemas.REJECTS.schema


def test_files_of_an_earlier_plan_are_not_among_the_partitions(tmp_path: Path) -> None:
    earlier = built(tmp_path, _chunk(6), ShardSettings(max_shard_bytes=40_000))
    now = built(tmp_path, _chunk(2))
    assert len(earlier.files) > len(now.files) == 3
    Store(tmp_path).keep_only(tmp_path, now.files)
    built(tmp_path.with_name("clean"), _chunk(2))
    assert _digests(tmp_path) == _digests(tmp_path.with_name("clean"))


def test_preferring_a_labeler_that_the_chunk_lacks_changes_nothing(tmp_path: Path) -> None:
    rows = [label(CLIPS[0], 3_000_000, "rules"), label(CLIPS[0], 3_000_000, "vlm"), label(CLIPS[1], 3_000_000, "vlm")]
    now = built(tmp_path / "now", Chunk(rows), ShardSettings(labelers=("rules",)))
    then = built(tmp_path / "then", Chunk(rows), ShardSettings(labelers=("newcomer", "rules")))
    assert _digests(tmp_path / "now") == _digests(tmp_path / "then")
    assert now.tables["rejects"].equals(then.tables["rejects"])


def test_progress_counts_clips(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    settings = ShardSettings()
    readers = ClipReaders(lambda _: driven(), frames_of(settings), no_sources())

    def watch(done: int, total: int) -> None:
        seen.append((done, total))

    build_chunk(CHUNK, _chunk(3).tables(), settings=settings, readers=readers, out_dir=tmp_path, progress=watch)
    assert seen == [(1, 3), (2, 3), (3, 3)]


def test_a_preferred_label_of_another_decision_is_not_replaced_by_a_lesser_labeler(tmp_path: Path) -> None:
    rows = [
        label(CLIPS[0], 3_000_000, "vlm", longitudinal_decision="yield"),
        label(CLIPS[0], 3_000_000, "rules"),
        label(CLIPS[1], 3_000_000, "rules"),
    ]
    settings = ShardSettings(labelers=("vlm", "rules"), decisions=("lead_obstacle_following",))
    made = built(tmp_path, Chunk(rows, splits=TRAIN), settings)
    assert made.tables["samples"]["clip_id"].to_list() == [CLIPS[1]]
    why = {row["label_id"]: row["reason"] for row in made.tables["rejects"].to_dicts()}
    assert why == {rows[0]["label_id"]: "decision_not_selected", rows[1]["label_id"]: "not_preferred"}


def test_thinned_labels_are_rejects(tmp_path: Path) -> None:
    made = built(tmp_path, _chunk(1, (3_000_000, 4_000_000)), ShardSettings(min_spacing_s=2.0))
    assert made.tables["samples"]["t0_us"].to_list() == [3_000_000]
    assert [row["reason"] for row in made.tables["rejects"].to_dicts()] == ["too_close"]


def test_clips_outside_the_split_file_are_rejects(tmp_path: Path) -> None:
    (tmp_path / "splits.csv").write_text(f"clip_id,split\n{CLIPS[1]},val\n")
    settings = ShardSettings(split_by="file", split_file=tmp_path / "splits.csv")
    made = built(tmp_path / "out", _chunk(2, (3_000_000,)), settings)
    assert made.tables["samples"].select("clip_id", "split").rows() == [(CLIPS[1], "val")]
    assert [(row["clip_id"], row["reason"]) for row in made.tables["rejects"].to_dicts()] == [
        (CLIPS[0], "not_in_split_file")
    ]


def test_shards_are_planned_for_their_target_size(tmp_path: Path) -> None:
    built(tmp_path, _chunk(7), ShardSettings(shard_bytes=60_000))
    manifest = json.loads((tmp_path / "manifest.json").read_bytes())
    assert len(manifest["shards"]) > 2
    assert all(shard["bytes"] < 80_000 for shard in manifest["shards"].values())


def test_samples_say_what_was_decided(tmp_path: Path) -> None:
    row = label(CLIPS[0], 3_000_000, lateral_decision="lane_change", lateral_direction="left")
    (found,) = built(tmp_path, Chunk([row], splits=TRAIN)).tables["samples"].to_dicts()
    assert {name: found[name] for name in ("action", "scenario", "longitudinal_decision", "lateral_direction")} == {
        "action": "stop", "scenario": "slow_for_lead", "longitudinal_decision": "lead_obstacle_following",
        "lateral_direction": "left",
    }  # fmt: skip


def test_without_shards_no_frame_is_decoded_and_samples_lie_nowhere(tmp_path: Path) -> None:
    def no_reader(*_: object) -> list[Seen]:
        raise AssertionError("frames are read though nobody stores them")

    made = built(tmp_path, _chunk(2, (3_000_000,)), ShardSettings(formats=("jsonl",)), frames=no_reader)
    assert made.files == ["manifest.json", "jsonl/train.jsonl"]
    assert made.tables["samples"].select("shard", "member", "offset", "size").null_count().row(0) == (2, 2, 2, 2)
    manifest = json.loads((tmp_path / "manifest.json").read_bytes())
    assert (manifest["samples"], manifest["samples_by_split"]) == (2, {"train": 2})
    content = (tmp_path / "jsonl/train.jsonl").read_bytes()
    assert manifest["files"] == {
        "jsonl/train.jsonl": {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
    }
    assert len(content.splitlines()) == 2


def test_a_sample_that_must_have_video_is_held_to_it_by_every_form(tmp_path: Path) -> None:
    settings = ShardSettings(formats=("jsonl",), require_video=True)
    made = built(tmp_path, _chunk(2, (3_000_000,)), settings, frames=no_frames)
    assert made.tables["samples"].is_empty()
    assert [row["reason"] for row in made.tables["rejects"].to_dicts()] == ["no_video"] * 2
