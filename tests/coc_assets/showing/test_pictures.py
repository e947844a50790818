from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from coc_assets.showing import pictures
from coc_assets.showing.pictures import pictures_of
from coc_assets.stage import Work, Workspace
from coc_assets.stages import STAGES_BY_NAME
from resources.settings import Settings
from tests.tree import tree


def work_of(store: Path, stage: str, dataset: Path | None = None) -> Work:
    return Work(Workspace(Settings(store=store, dataset=dataset)), STAGES_BY_NAME[stage], "0000")


@pytest.mark.parametrize("stage", list(STAGES_BY_NAME))
def test_every_asset_has_its_distributions_and_the_store_stays_as_it_is(sample_store: Path, stage: str) -> None:
    before = tree(sample_store)
    said = pictures_of(work_of(sample_store, stage))
    assert said["distributions"].startswith(f"![{stage} of chunk 0000](data:image/svg+xml;base64,")
    assert len(said["distributions"]) < 15_000
    assert tree(sample_store) == before


def test_a_chunk_without_video_says_so(sample_store: Path, sample: Path) -> None:
    said = pictures_of(work_of(sample_store, "raw_coc", sample))["contact_sheet"]
    assert said.startswith("Chunk 0000 has no video of camera_front_wide_120fov")


def test_a_picture_that_cannot_be_drawn_says_why_and_fails_nothing(
    sample_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(sample_store, tmp_path / "store")
    table = tmp_path / "store" / "keyframe_segments" / "chunk=0000" / "keyframes.parquet"
    table.write_bytes(b"no table")
    said = pictures_of(work_of(tmp_path / "store", "keyframe_segments"))
    assert said["distributions"].startswith("Not drawn: ")
    monkeypatch.setattr(pictures, "svg", lambda _: 1 / 0)
    assert pictures_of(work_of(sample_store, "meta_actions")) == {
        "distributions": "Not drawn: ZeroDivisionError: division by zero"
    }
