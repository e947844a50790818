"""Files of a sample: stored zips of fixed bytes, and a folder that is published whole or not at all."""

from __future__ import annotations

import hashlib
import json
import zipfile

import pytest

from coc_assets.sample import writer
from coc_assets.sample.writer import FEATURES, MANIFEST, SampleError

MEMBERS = [("one.parquet", bytes(range(200))), ("two.parquet", b"x" * 77)]


def test_zips_are_stored_and_depend_on_their_members_alone(tmp_path):
    for name in ("a.zip", "b.zip"):
        writer.write_zip(tmp_path / "deep" / name, MEMBERS)
    assert (tmp_path / "deep/a.zip").read_bytes() == (tmp_path / "deep/b.zip").read_bytes()
    with zipfile.ZipFile(tmp_path / "deep/a.zip") as archive:
        assert [(info.filename, archive.read(info)) for info in archive.infolist()] == MEMBERS
        assert {info.compress_type for info in archive.infolist()} == {zipfile.ZIP_STORED}
        assert {info.date_time for info in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


@pytest.mark.parametrize("broken", ["one.parquet", "two.parquet"])
def test_a_corrupt_member_fails_its_checksum_and_leaves_the_others(tmp_path, broken):
    path = tmp_path / "a.zip"
    writer.write_zip(path, MEMBERS)
    writer.corrupt_member(path, broken)
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() == broken
        for name, content in MEMBERS:
            if name != broken:
                assert archive.read(name) == content


def test_features_csv_leads_to_the_archives_and_members(tmp_path):
    import pandas as pd

    writer.write_features(tmp_path)
    table = pd.read_csv(tmp_path / "features.csv", index_col="feature")
    assert list(table.columns) == ["directory", "chunk_path", "clip_files_in_zip"]
    assert table.at["egomotion", "chunk_path"].format(chunk_id=7) == "labels/egomotion/egomotion.chunk_0007.zip"
    assert set(table.index) == {"camera_front_wide_120fov", "egomotion", "obstacle.offline"}
    for feature in FEATURES:
        listed = json.loads(table.at[feature.name, "clip_files_in_zip"])
        assert {alias: name.format(clip_id="C") for alias, name in listed.items()} == {
            alias: feature.member(alias, "C") for alias in feature.members
        }
        assert feature.archive(tmp_path, 3) == tmp_path / table.at[feature.name, "chunk_path"].format(chunk_id=3)


def test_a_failed_write_leaves_what_was_there(tmp_path):
    root = tmp_path / "sample"
    root.mkdir()
    (root / "old").write_text("old")
    with pytest.raises(RuntimeError), writer.published(root) as making:
        (making / "new").write_text("new")
        raise RuntimeError
    assert [path.name for path in tmp_path.iterdir()] == ["sample"]
    assert [path.name for path in root.iterdir()] == ["old"]


def test_a_finished_write_takes_the_place_of_what_was_there(tmp_path):
    root = tmp_path / "deep" / "sample"
    for content in ("first", "second"):
        with writer.published(root) as making:
            (making / content).write_text(content)
    assert [path.name for path in root.iterdir()] == ["second"]
    assert [path.name for path in root.parent.iterdir()] == ["sample"]


def make_sample(root) -> None:
    root.mkdir()
    (root / "features.csv").write_text("feature")
    writer.write_manifest(root, {"seed": 1}, {"clips": 2})


def test_the_manifest_marks_a_sample_and_knows_its_files(tmp_path):
    root = tmp_path / "sample"
    make_sample(root)
    manifest = writer.read_manifest(root)
    assert manifest is not None and manifest["arguments"] == {"seed": 1}
    assert "nothing comes from NVIDIA" in str(manifest["note"])
    digest = hashlib.sha256(b"feature").hexdigest()
    assert manifest["files"] == {"features.csv": {"bytes": 7, "sha256": digest}}
    assert writer.is_whole(root, manifest)
    (root / "features.csv").write_text("feat")
    assert not writer.is_whole(root, manifest)
    (root / "features.csv").unlink()
    assert not writer.is_whole(root, manifest)


def test_an_absent_or_empty_folder_holds_no_sample(tmp_path):
    assert writer.read_manifest(tmp_path / "absent") is None
    assert writer.read_manifest(tmp_path) is None


def _foreign_file(root):
    root.mkdir()
    (root / "thesis.tex").write_text("precious")


def _file_beside_a_sample(root):
    make_sample(root)
    (root / "thesis.tex").write_text("precious")


def _unreadable_manifest(root):
    root.mkdir()
    (root / MANIFEST).write_text("thesis.tex")


def _a_file(root):
    root.write_text("thesis.tex")


@pytest.mark.parametrize("make", [_foreign_file, _file_beside_a_sample, _unreadable_manifest, _a_file])
def test_what_no_generator_wrote_is_named_and_kept(tmp_path, make):
    root = tmp_path / "sample"
    make(root)
    with pytest.raises(SampleError, match=r"sample.*(thesis\.tex|sample\.json|is a file)"):
        writer.read_manifest(root)
    assert root.exists()
