"""`coc view` as a user calls it."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import polars as pl
import pytest

from coc_assets.cli import main
from tests.tree import tree


@pytest.fixture
def clip_id(sample_store: Path) -> str:
    return str(pl.read_parquet(sample_store / "trajectory_cache/chunk=0000/clips.parquet")["clip_id"][0])


def test_a_clip_without_video_gives_all_three_files_and_leaves_the_store_alone(
    sample: Path, sample_store: Path, clip_id: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("rerun", reason="the optional extra rerun is not installed")
    before = tree(sample_store)
    where = ["--store", str(sample_store), "--dataset", str(sample), "--out", str(tmp_path)]
    assert main(["view", clip_id[:12], *where, "--rrd"]) == 0
    said = capsys.readouterr()
    assert [Path(line).name for line in said.out.split()] == [f"{clip_id}.{suffix}" for suffix in ("mp4", "png", "rrd")]
    assert {path.name for path in tmp_path.iterdir()} == {Path(line).name for line in said.out.split()}
    assert "No video: camera/" in said.err and "is not on disk" in said.err
    assert tree(sample_store) == before


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (["--labeler", "qwen"], "has no labels of 'qwen'. It has labels of: rules."),
        (["--camera", "camera_rear"], "No video of camera_rear: camera/camera_rear/camera_rear.chunk_0000.zip is not"),
    ],
)
def test_what_the_clip_does_not_have_is_a_usage_error(
    sample: Path, sample_store: Path, clip_id: str, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    more: list[str], says: str,
) -> None:  # fmt: skip
    where = ["--store", str(sample_store), "--dataset", str(sample), "--out", str(tmp_path / "out")]
    assert main(["view", clip_id, *where, *more]) == 2
    assert says in capsys.readouterr().err.replace("\n", " ")
    assert not (tmp_path / "out").exists()


def test_an_unknown_clip_and_a_missing_store_are_usage_errors(
    sample_store: Path, clip_id: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["view", f"{clip_id}0", "--store", str(sample_store)]) == 2
    assert f"Did you mean {clip_id}" in capsys.readouterr().err.replace("\n", " ")
    assert main(["view", clip_id, "--store", str(tmp_path / "none")]) == 2
    assert "Make one: coc run" in capsys.readouterr().err
    missing = ["--store", str(sample_store), "--dataset", str(tmp_path / "none"), "--out", str(tmp_path / "out")]
    assert main(["view", clip_id, *missing]) == 2
    assert "is not a folder" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_without_rerun_it_is_said_how_to_install_it(
    sample_store: Path, clip_id: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert main(["view", clip_id, "--store", str(sample_store), "--rrd"]) == 2
    assert "pip install 'coc-assets[rerun]'" in capsys.readouterr().err
