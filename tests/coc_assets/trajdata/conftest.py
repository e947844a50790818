from __future__ import annotations

from pathlib import Path

import pytest

from coc_assets.stage import Workspace, run_stage
from coc_assets.trajdata_cache.stage import STAGE
from coc_assets.trajectory_cache.stage import STAGE as TRAJECTORY_CACHE
from resources.settings import Settings
from resources.store import Store

CHUNKS = ("0000", "0001")


@pytest.fixture(scope="session")
def workspace(sample: Path, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """The sample's clips in a store of its own, with their trajdata cache. Not to be changed."""
    workspace = Workspace(Settings(dataset=sample, store=tmp_path_factory.mktemp("trajdata") / "store"))
    for chunk in CHUNKS:
        for stage in (TRAJECTORY_CACHE, STAGE):
            run_stage(stage, workspace, chunk)
    return workspace


@pytest.fixture(scope="session")
def store(workspace: Workspace) -> Store:
    return workspace.store
