from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest

from coc_assets.cli import ASSETS, OPTIONAL_ASSETS, main
from coc_assets.definitions import build_definitions
from coc_assets.running import plan_chunk
from coc_assets.stage import StageError, Workspace, run_stage
from coc_assets.stages import OPTIONAL_STAGES, STAGES_BY_NAME
from coc_assets.trajdata_cache.stage import STAGE
from resources.receipts import read_receipt
from resources.settings import Settings


def due(workspace: Workspace, *selected: str) -> tuple[str, ...]:
    return plan_chunk(workspace, "0001", selected, {}).due


def test_coc_run_makes_it_where_it_is_selected_and_then_finds_it_fresh(sample: Path, tmp_path: Path) -> None:
    workspace = Workspace(Settings(dataset=sample, store=tmp_path / "store"))
    place = ["--dataset", str(sample), "--store", str(tmp_path / "store"), "--chunks", "1"]
    assert due(workspace, "trajectory_cache", "trajdata_cache") == ("trajectory_cache", "trajdata_cache")
    assert main(["run", *place, "--select", "trajectory_cache", "trajdata_cache"]) == 0
    receipt = read_receipt(workspace.store, "trajdata_cache", "0001")
    assert receipt.figures["agents"] > receipt.counts["trajdata_scenes"] == 6
    assert due(workspace, "trajectory_cache", "trajdata_cache") == ()
    without_tracks = workspace.settings.trajdata.model_copy(update={"tracks": False})
    changed = Workspace(workspace.settings.model_copy(update={"trajdata": without_tracks}))
    assert due(changed, "trajectory_cache", "trajdata_cache") == ("trajdata_cache",)


def test_without_its_input_it_fails_and_says_what_makes_it(tmp_path: Path) -> None:
    with pytest.raises(
        StageError, match=r"trajdata_cache of chunk 0001 reads trajectory_cache, .* --select trajectory"
    ):
        run_stage(STAGE, Workspace(Settings(store=tmp_path / "store")), "0001")


def test_no_job_and_no_plain_run_makes_it(tmp_path: Path) -> None:
    names = {stage.name for stage in OPTIONAL_STAGES}
    assert names == set(OPTIONAL_ASSETS)
    assert not names & (set(ASSETS) | set(STAGES_BY_NAME))
    definitions = build_definitions(Workspace(Settings(store=tmp_path / "store")))
    in_job = {
        key.to_user_string() for key in definitions.resolve_job_def("label_chunk").asset_layer.executable_asset_keys
    }
    assert in_job == set(ASSETS)
    spec = next(spec for spec in definitions.resolve_all_asset_specs() if spec.key == dg.AssetKey("trajdata_cache"))
    assert spec.group_name == "optional"
    assert [dep.asset_key.to_user_string() for dep in spec.deps] == ["trajectory_cache"]


def test_the_definitions_import_neither_trajdata_nor_torch() -> None:
    code = "import sys, coc_assets.definitions; print({'trajdata', 'torch'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()", done.stdout
