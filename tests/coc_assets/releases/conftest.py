"""A release of the generated sample, made by the command."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from coc_assets.cli import main


@pytest.fixture(autouse=True)
def _no_surroundings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("COC_CONFIG", "COC_DATASET", "COC_STORE", "DAGSTER_HOME"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="session")
def made(sample_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A release of all of the sample in four shards a split, where there are as many samples. Not to be changed."""
    folder = tmp_path_factory.mktemp("release") / "v1"
    with pytest.MonkeyPatch.context() as settings:
        settings.setenv("COC_RELEASE__SHARDS_MULTIPLE_OF", "4")
        assert main(["release", "v1", "--store", str(sample_store), "--out", str(folder)]) == 0
    return folder


@pytest.fixture
def copied(made: Path, tmp_path: Path) -> Path:
    """A copy of the release that a test may change, far from its store."""
    shutil.copytree(made, tmp_path / "elsewhere" / "copy")
    return tmp_path / "elsewhere" / "copy"


@pytest.fixture
def store(sample_store: Path, tmp_path: Path) -> Path:
    """A copy that a test may change."""
    shutil.copytree(sample_store, tmp_path / "store")
    return tmp_path / "store"
