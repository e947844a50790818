"""The checks by levels, through Dagster, on a store that `coc run` made."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import dagster as dg
import pytest

from checks import ASSET_CHECKS, filtered_coc
from coc_assets.cli import main
from coc_assets.instances import open_instance
from coc_assets.profile import Profile, profile_bytes
from coc_assets.running import plan_chunk
from coc_assets.stage import Workspace
from coc_assets.status import chunk_status
from resources.receipts import read_receipt
from resources.settings import Settings
from resources.settings.quality import QualitySettings
from resources.store import Store
from tests.tree import tree

BY_LEVELS = (
    filtered_coc.enough_labels_are_kept,
    filtered_coc.no_reason_rejects_too_many,
    filtered_coc.actions_match_the_profile,
    filtered_coc.decisions_match_the_profile,
    filtered_coc.verdicts_match_the_profile,
    filtered_coc.judge_agrees_with_the_motion,
    filtered_coc.text_is_read,
    filtered_coc.turned_motion_is_noticed,
)
NAMES = {check.check_key.name for check in BY_LEVELS}
OTHERS = Profile(chunks=("0000",), data="", keyframes=100, actions={"reverse": 100})
WARNS: dict[str, object] = {"least_labels": 1, "action_drift": {"warn": 0.5}}
FAILS: dict[str, object] = {"least_labels": 1, "action_drift": {"warn": None, "error": 0.5}}


@pytest.fixture
def store(sample_store: Path, tmp_path: Path) -> Path:
    """A copy that a test may change."""
    shutil.copytree(sample_store, tmp_path / "store")
    return tmp_path / "store"


def workspace(sample: Path, store: Path, levels: dict[str, object] | None = None) -> Workspace:
    return Workspace(
        Settings(dataset=sample, store=store, quality=QualitySettings.model_validate(levels or {})),
    )


def test_checks_by_levels_are_evaluated_and_block_only_by_an_error_level(sample_store: Path) -> None:
    assert set(BY_LEVELS) <= set(ASSET_CHECKS)
    assert all(spec.blocking for check in BY_LEVELS for spec in check.check_specs)
    receipt = read_receipt(Store(sample_store), "filtered_coc", "0000")
    assert receipt is not None
    assert {name for name, record in receipt.checks.items() if record.levels} == NAMES
    assert receipt.blocked_by() == []


def test_other_levels_make_a_partition_due_with_what_reads_it_and_nothing_else(sample: Path, store: Path) -> None:
    required = {"filtered_coc": frozenset(NAMES)}
    selected = ("raw_coc", "filtered_coc", "training_shards")
    assert plan_chunk(workspace(sample, store), "0000", selected, required).due == ()
    other = workspace(sample, store, WARNS)
    assert plan_chunk(other, "0000", selected, required).due == ("filtered_coc", "training_shards")
    assert chunk_status(other, "0000").states == {
        **chunk_status(workspace(sample, store), "0000").states,
        "filtered_coc": "stale",
        "training_shards": "stale",
    }


def test_a_run_under_other_levels_evaluates_anew_and_makes_nothing(
    sample: Path, store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "others.json").write_bytes(profile_bytes(OTHERS))
    monkeypatch.setenv("COC_QUALITY__PROFILE", str(tmp_path / "others.json"))
    before = tree(store)
    run = ["run", "--dataset", str(sample), "--store", str(store), "--chunks", "0"]
    monkeypatch.setenv("COC_QUALITY", json.dumps(WARNS))
    assert main(run) == 0
    assert "filtered_coc.actions_match_the_profile: action of keyframes is " in capsys.readouterr().out
    assert tree(store) == before
    assert main(run) == 0
    assert "0 stages to make" in capsys.readouterr().err
    _two_evaluations_with_numbers_that_can_be_plotted(store)

    monkeypatch.setenv("COC_QUALITY", json.dumps(FAILS))
    assert main(run) == 1
    assert "filtered_coc: actions_match_the_profile: " in capsys.readouterr().err
    with open_instance(store) as instance:
        last = instance.get_runs(limit=1)[0]
        steps = {step.step_key for step in instance.get_run_step_stats(last.run_id)}
    assert "filtered_coc" in steps and "training_shards" not in steps  # blocked
    assert tree(store) == before


def _two_evaluations_with_numbers_that_can_be_plotted(store: Path) -> None:
    with open_instance(store) as instance:
        records = instance.event_log_storage.get_asset_check_execution_history(
            dg.AssetCheckKey(dg.AssetKey("filtered_coc"), "actions_match_the_profile"), limit=10
        )
    found = [record.event.dagster_event.asset_check_evaluation_data for record in records if record.event]
    of_chunk = [one for one in found if one.partition == "0000"]
    assert [one.passed for one in of_chunk] == [False, True]  # newest first
    assert len(found) == 3  # and one of the other chunk
    for name in ("figure", "threshold", "warn_level", "distance", "explained_by_sampling"):
        assert isinstance(of_chunk[0].metadata[name], dg.FloatMetadataValue | dg.IntMetadataValue)
    assert of_chunk[0].metadata["threshold"].value == 0.5
    assert "figure" not in of_chunk[1].metadata  # there was no profile: nothing that could be plotted
    assert all("keyframe_id" in row.data for row in of_chunk[0].metadata["worst_rows"].records)
