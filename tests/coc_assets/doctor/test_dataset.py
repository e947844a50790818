from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from coc_assets.doctor import dataset
from coc_assets.doctor.finding import Finding, Setup
from resources.dataset import EGOMOTION, OBSTACLES, DatasetRoot
from resources.settings import Settings


@pytest.fixture
def setup(sample: Path, tmp_path: Path) -> Setup:
    shutil.copytree(sample, tmp_path / "dataset")
    return Setup(Settings(dataset=tmp_path / "dataset", store=tmp_path / "store"), {})


def archive(setup: Setup, feature: str, chunk: str) -> Path:
    assert setup.settings.dataset
    return DatasetRoot(setup.settings.dataset).archive_path(feature, chunk)


def faults(findings: Iterable[Finding]) -> list[Finding]:
    return [finding for finding in findings if finding.level != "ok"]


def test_a_generated_sample_lacks_nothing_but_the_camera(setup: Setup) -> None:
    for check in (dataset.root, dataset.listings, dataset.archives):
        assert [*check(setup)] and not faults(check(setup)), check
    [camera] = faults(dataset.features(setup))
    assert camera.level == "warn"
    assert "2 of 2 chunks have no camera_front_wide_120fov (0000, 0001)" in camera.said
    assert "camera_front_wide_120fov.chunk_0000.zip" in camera.mend


@pytest.mark.parametrize("check", [dataset.listings, dataset.features, dataset.archives])
def test_without_a_dataset_only_the_root_is_told_of(bare: Setup, check: Callable[[Setup], Iterable[Finding]]) -> None:
    assert [*check(bare)] == []
    [finding] = dataset.root(bare)
    assert (finding.level, "--dataset DIR" in finding.mend) == ("problem", True)


def test_a_missing_or_empty_root_is_a_problem(bare: Setup, tmp_path: Path) -> None:
    for path, said in ((tmp_path / "nowhere", "is not a folder"), (tmp_path, "holds no chunk")):
        [finding] = dataset.root(replace(bare, settings=Settings(dataset=path)))
        assert finding.level == "problem"
        assert said in finding.said
        assert "coc sample --out" in finding.mend


def test_a_root_that_may_not_be_read_is_a_problem(setup: Setup, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: DatasetRoot) -> list[str]:
        raise PermissionError(13, "Permission denied", "labels")

    monkeypatch.setattr(DatasetRoot, "chunks", refuse)
    [finding] = dataset.root(setup)
    assert (finding.level, finding.said) == ("problem", "labels cannot be read")
    assert finding.mend.startswith("chmod -R u+rX")


def test_a_zip_that_was_cut_short_is_a_problem(setup: Setup) -> None:
    cut = archive(setup, EGOMOTION, "0001")
    cut.write_bytes(cut.read_bytes()[:-100])
    [finding] = dataset.archives(setup)
    assert finding.level == "problem"
    assert f"{cut} has no readable member directory" in finding.said
    assert "Fetch it again" in finding.mend


def test_only_a_sample_of_many_archives_is_looked_at_unless_thorough(
    setup: Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dataset, "_SAMPLE", 2)
    archive(setup, OBSTACLES, "0000").write_bytes(b"")
    [finding] = dataset.archives(setup)
    assert (finding.level, finding.said.split(";")[0]) == ("ok", "2 archives have a member directory that reads of 4")
    [finding] = dataset.archives(replace(setup, thorough=True))
    assert finding.level == "problem"


def test_chunks_without_tracks_are_counted(setup: Setup) -> None:
    archive(setup, OBSTACLES, "0001").unlink()
    finding = faults(dataset.features(setup))[0]
    assert "1 of 2 chunks have no obstacle.offline (0001)" in finding.said


def test_listings_that_cannot_be_read_or_lack_chunks(setup: Setup) -> None:
    root = DatasetRoot(setup.settings.dataset or Path())
    root.clip_index().filter(root.clip_index()["chunk"] != "0001").write_parquet(root.index_path)
    [finding] = faults(dataset.listings(setup))
    assert (finding.level, finding.said) == ("warn", "clip_index.parquet lists no clip of chunk 0001")
    root.index_path.write_text("no parquet")
    [finding] = faults(dataset.listings(replace(setup)))
    assert (finding.level, finding.mend) == ("problem", "Fetch it again") or "fetch it again" in finding.said
    root.index_path.unlink()
    [finding] = faults(dataset.listings(replace(setup)))
    assert (finding.level, finding.mend) == ("warn", f"Fetch it to {root.index_path}")
    (root.path / "features.csv").write_text("nonsense\n1\n")
    assert [finding.level for finding in faults(dataset.root(replace(setup)))] == ["problem"]
