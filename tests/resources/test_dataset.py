from __future__ import annotations

import re

import pandas as pd
import polars as pl
import pytest

from resources.dataset import DatasetError, DatasetRoot
from tests.resources import pai_files as files

CLIPS = [files.clip_id(number) for number in range(3)]


def test_chunks_are_those_whose_egomotion_is_on_disk(tmp_path):
    for chunk in (12, 3, 150):
        files.write_egomotion(tmp_path, {}, chunk)
    (tmp_path / "labels/egomotion/egomotion.chunk_0004.zip.incomplete").touch()
    files.write_index(tmp_path, CLIPS, chunk=5)  # in the index only
    files.write_obstacles(tmp_path, {}, chunk=6)  # without egomotion
    assert DatasetRoot(tmp_path).chunks() == ["0003", "0012", "0150"]


@pytest.mark.parametrize("chunk_path", ["truth/ego/part_{chunk_id}.zip", "ego/part_{chunk_id}.zip"])
def test_the_feature_list_decides_where_things_lie(tmp_path, chunk_path):
    files.write_features(tmp_path, {"egomotion": ("truth", chunk_path, {"pose": "{clip_id}.pose.parquet"})})
    archive = tmp_path / "truth/ego/part_7.zip"
    archive.parent.mkdir(parents=True)
    archive.write_bytes(files.zipped({}))
    root = DatasetRoot(tmp_path)
    assert root.chunks() == ["0007"]
    assert root.archive_path("egomotion", "0007") == archive
    assert root.member_name("egomotion", "egomotion", "c") == "c.pose.parquet"
    assert root.archive_path("obstacle.offline", "0007").name == "obstacle.offline.chunk_0007.zip"  # not in the list


@pytest.mark.parametrize(
    ("feature", "alias", "path", "member"),
    [
        ("egomotion", "egomotion", "labels/egomotion/egomotion.chunk_0042.zip", "c.egomotion.parquet"),
        (
            "obstacle.offline",
            "obstacle.offline",
            "labels/obstacle.offline/obstacle.offline.chunk_0042.zip",
            "c.obstacle.offline.parquet",
        ),
        (files.CAMERA, "video", f"camera/{files.CAMERA}/{files.CAMERA}.chunk_0042.zip", f"c.{files.CAMERA}.mp4"),
        (
            files.CAMERA,
            "frame_timestamps",
            f"camera/{files.CAMERA}/{files.CAMERA}.chunk_0042.zip",
            f"c.{files.CAMERA}.timestamps.parquet",
        ),
    ],
)
def test_without_a_feature_list_the_release_layout_holds(tmp_path, feature, alias, path, member):
    root = DatasetRoot(tmp_path)
    assert root.relative(root.archive_path(feature, "0042")) == path
    assert root.member_name(feature, alias, "c") == member
    assert root.clip_ids_of(["x/c.mp4", member, "README.md", f"d{member}"], feature, alias) == ["c", "dc"]


def test_other_aliases_of_a_camera_fall_back_to_the_release_names(tmp_path):
    members = {"mp4": f"{{clip_id}}.{files.CAMERA}.mp4", "boxes": "{clip_id}.boxes.parquet"}
    files.write_features(tmp_path, {files.CAMERA: ("camera", "camera/c_{chunk_id:04d}.zip", members)})
    root = DatasetRoot(tmp_path)
    assert root.member_name(files.CAMERA, "video", "c") == f"c.{files.CAMERA}.mp4"
    assert root.member_name(files.CAMERA, "boxes", "c") == "c.boxes.parquet"
    with pytest.raises(KeyError, match="lidar"):
        root.member_name(files.CAMERA, "lidar", "c")


def test_calibration_lies_beside_the_archives(tmp_path):
    path = DatasetRoot(tmp_path).archive_path("camera_intrinsics", "0001")
    assert path == tmp_path / "calibration/camera_intrinsics/camera_intrinsics.chunk_0001.parquet"


def test_input_files_are_those_on_disk(tmp_path):
    egomotion = files.write_egomotion(tmp_path, {})
    camera = files.write_archive(tmp_path, files.CAMERA, {})
    features = ["egomotion", "obstacle.offline", files.CAMERA]
    assert DatasetRoot(tmp_path).input_files("0000", features) == [egomotion, camera]


@pytest.mark.parametrize(
    ("prepare", "message"),
    [
        (lambda root: root.rmdir(), r"{root} is not a folder\. .*coc sample --out"),
        (lambda root: None, r"{root} holds no chunk: .*labels/egomotion/egomotion\.chunk_.*COC_DATASET"),
        (lambda root: (root / "features.csv").write_text("a,b\n1,2\n"), r"{root}/features\.csv lists no features"),
        (
            lambda root: (root / "features.csv").write_text(
                "feature,directory,chunk_path,clip_files_in_zip\negomotion,labels,x_{chunk_id.zip,\n"
            ),
            r"{root}/features\.csv lists no features",
        ),
    ],
)
def test_a_root_that_cannot_be_used_says_how_to_mend_it(tmp_path, prepare, message):
    root = tmp_path / "pai"
    root.mkdir()
    prepare(root)
    with pytest.raises(DatasetError, match=message.format(root=re.escape(str(root)))):
        DatasetRoot(root).chunks()


def test_the_index_has_fixed_types_and_forgives_what_is_optional(tmp_path):
    rows = pd.DataFrame({"chunk": [1, 0, 0], "clip_is_valid": [None, True, False]}, index=pd.Index(["b", "a", "a"]))
    rows.to_parquet(tmp_path / "clip_index.parquet")  # an unnamed index, no splits, a repeated clip
    index = DatasetRoot(tmp_path).clip_index()
    assert index.schema == {"clip_id": pl.String, "chunk": pl.String, "split": pl.String, "clip_is_valid": pl.Boolean}
    assert index.rows() == [("b", "0001", None, None), ("a", "0000", None, True)]


def test_a_dataset_without_an_index_has_no_rows_in_it(tmp_path):
    root = DatasetRoot(tmp_path)
    assert root.clip_index().rows() == []
    assert root.index_rows("0000").columns == ["clip_id", "chunk", "split", "clip_is_valid"]


@pytest.mark.parametrize("content", [b"no parquet", files.parquet(pd.DataFrame({"clip": ["a"]}))])
def test_an_index_that_is_none_is_named(tmp_path, content):
    (tmp_path / "clip_index.parquet").write_bytes(content)
    with pytest.raises(DatasetError, match=re.escape(str(tmp_path / "clip_index.parquet"))):
        DatasetRoot(tmp_path).clip_index()


def test_the_index_is_read_again_when_it_changes(tmp_path):
    root = DatasetRoot(tmp_path)
    files.write_index(tmp_path, CLIPS[:1])
    assert root.clip_index().height == 1
    assert root.clip_index() is root.clip_index()
    files.write_index(tmp_path, CLIPS)
    assert root.clip_index().height == 3


@pytest.mark.parametrize("name", ["feature_presence", "sensor_presence"])
def test_index_rows_hold_what_the_listings_say_of_a_chunk(tmp_path, name):
    files.write_index(tmp_path, CLIPS[::-1])
    (tmp_path / "metadata").mkdir()
    presence = pd.DataFrame(
        {"radar_config": ["low", "high"], "egomotion": [True, True], files.CAMERA: [False, True]},
        index=pd.Index(CLIPS[:2], name="clip_id"),
    )
    presence.to_parquet(tmp_path / f"metadata/{name}.parquet")
    rows = DatasetRoot(tmp_path).index_rows("0000")
    assert rows["clip_id"].to_list() == CLIPS[::-1]
    assert rows[files.CAMERA].to_list() == [None, True, False]
    assert "radar_config" not in rows.columns
    assert DatasetRoot(tmp_path).index_rows("0001").is_empty()
