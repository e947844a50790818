from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from coc_assets.arrivals.due import in_need, need_of
from coc_assets.arrivals.fetching import arrived
from coc_assets.stage import Workspace, run_stage
from coc_assets.stages import STAGES
from resources.receipts import Receipt, write_receipt
from resources.settings import Settings


@pytest.fixture
def workspace(sample: Path, sample_store: Path, tmp_path: Path) -> Workspace:
    """Two chunks, labelled and fresh."""
    shutil.copytree(sample, tmp_path / "dataset")
    shutil.copytree(sample_store, tmp_path / "store")
    return Workspace(Settings(dataset=tmp_path / "dataset", store=tmp_path / "store"))


def need(workspace: Workspace, chunk: str) -> str:
    return need_of(workspace, chunk, arrived(workspace)[1][chunk])


def test_a_touched_file_needs_one_run_which_finds_all_fresh(workspace: Workspace) -> None:
    os.utime(workspace.root.archive_path("egomotion", "0000"), ns=(0, 0))
    assert (need(workspace, "0000"), need(workspace, "0001")) == ("due", "none")
    assert all(run_stage(stage, workspace, "0000").fresh for stage in STAGES)
    assert need(workspace, "0000") == "none"


def test_a_stage_that_failed_is_told_from_one_that_is_missing(workspace: Workspace) -> None:
    write_receipt(workspace.store, Receipt(stage="raw_coc", chunk="0000", status="failed"))
    shutil.rmtree(workspace.store.partition("raw_coc", "0001"))
    assert (need(workspace, "0000"), need(workspace, "0001")) == ("failed", "due")


@pytest.mark.parametrize(
    "most, patient, due, left", [(2, True, ["0000", "0001"], 0), (1, True, ["0001"], 1), (2, False, ["0001"], 1)]
)
def test_weighing_ends_when_enough_are_due_or_time_runs_out(
    workspace: Workspace, most: int, patient: bool, due: list[str], left: int
) -> None:
    shutil.rmtree(workspace.store.root / "filtered_coc")
    found = arrived(workspace)[1]
    came = in_need(workspace, found, ["0001", "0000"], most, lambda: patient)
    assert (came.due, came.left) == (due, left)
