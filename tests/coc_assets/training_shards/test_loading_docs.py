"""The code of docs/loading.md is run as it stands, on a made-up release, and gives what its comments say."""

from __future__ import annotations

import ast
import importlib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
import yaml

from coc_assets.releases.gather import SAMPLES
from coc_assets.training_shards.frames import CameraFrames, FramesOf, Seen, to_jpeg
from coc_assets.training_shards.index import read_index
from coc_assets.training_shards.plan import Shard
from coc_assets.training_shards.writer import Group, write_index, write_shards
from resources.settings.shards import ShardSettings
from tests.coc_assets.training_shards.made import CLIPS, Chunk, built, label, no_frames, picture

PAGE = Path(__file__).parents[3] / "docs" / "loading.md"
TIMES = (3_000_000, 7_100_000)
TOLD = re.compile(r"#\s*->\s*(.*)$")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def told_values(code: str) -> list[tuple[str, str]]:
    """Expressions of a block, and what the comment behind each says that they give."""
    lines = code.splitlines()
    said = [(node, TOLD.search(lines[node.lineno - 1])) for node in ast.parse(code).body if isinstance(node, ast.Expr)]
    return [(ast.unparse(node.value), found.group(1)) for node, found in said if found]


def _wide_frames(_: str, asked_us: np.ndarray) -> list[Seen]:
    def front(frame_us: np.ndarray) -> CameraFrames:
        jpegs = [to_jpeg(picture(int(at), 360, 640), ShardSettings()) for at in frame_us]
        return CameraFrames(1, frame_us, jpegs)

    return [Seen([front(shown_us)], []) for shown_us in asked_us]


def _groups(folder: Path, clips: Sequence[str], frames: FramesOf) -> list[Group]:
    rows = [label(clip, t0_us, lateral_decision="lane_keeping") for clip in clips for t0_us in TIMES]
    built(folder, Chunk(rows, splits=dict.fromkeys(clips, "train")), frames=frames)
    index = read_index(folder)
    return [
        Group(key.decode(), "train", int(size), 0, lambda at=at: index.read(at))  # type: ignore[misc]
        for at, (key, size) in enumerate(zip(index.keys, index.size, strict=True))
    ]


def _release(folder: Path, groups: Sequence[Group], shards: int) -> None:
    folder.mkdir(parents=True)
    cut = [len(groups) * at // shards for at in range(shards + 1)]
    planned = [Shard(f"train-{at:06d}.tar", "train", range(cut[at], cut[at + 1])) for at in range(shards)]
    write_index(folder, write_shards(folder, planned, {"train": groups}))
    rows = [
        {"key": group.key, "split": "train", "longitudinal_decision": "lead_obstacle_following"} for group in groups
    ]
    pl.DataFrame(rows, schema=SAMPLES).write_parquet(folder / "samples.parquet")


@pytest.fixture(scope="module")
def releases(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which `store/releases` has `v1`, 22 samples in four shards, and `mixed`, one without video."""
    root = tmp_path_factory.mktemp("docs")
    seen = _groups(root / "seen", CLIPS[:11], _wide_frames)
    unseen = _groups(root / "unseen", CLIPS[11:12], no_frames)
    _release(root / "store" / "releases" / "v1", seen, 4)
    _release(root / "store" / "releases" / "mixed", [seen[0], unseen[0]], 1)
    return root


def test_the_code_runs_as_it_stands_and_gives_what_it_says(releases: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(releases)
    names: dict[str, Any] = {"torch": torch}
    compared = 0
    for code in blocks("python"):
        exec(compile(code, str(PAGE), "exec"), names)
        for expression, said in told_values(code):
            assert repr(eval(expression, names)) == said, expression
            compared += 1
    assert compared >= 12


def test_mirroring_twice_gives_the_sample_of_the_page(releases: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(releases)
    names: dict[str, Any] = {}
    for code in (blocks("python")[0], next(code for code in blocks("python") if "MirroredCoC" in code)):
        exec(code, names)
    assert torch.equal(names["again"]["image_frames"], names["sample"]["image_frames"])


def test_the_hydra_node_makes_the_dataset(releases: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As `hydra.utils.instantiate` does: the target is found by its dotted name, the other keys are its keywords."""
    monkeypatch.chdir(releases)
    (node,) = [yaml.safe_load(code)["data"]["train"]["dataset"] for code in blocks("yaml")]
    module, _, name = node.pop("_target_").rpartition(".")
    assert len(getattr(importlib.import_module(module), name)(**node)) == 22
