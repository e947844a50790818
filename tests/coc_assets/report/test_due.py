"""What the report says is to be mended, why, and with which command."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from coc_assets.cli import build_parser
from coc_assets.report.due import Finding, chunk_ranges, findings, states_by_stage
from coc_assets.stage import Workspace
from coc_assets.stages import STAGES
from coc_assets.status import ChunkStatus, store_status
from resources.receipts import read_receipt, write_receipt
from resources.settings import load_settings
from tests.coc_assets.report.made import check
from tests.coc_assets.review.made import copied, workspace_of


@pytest.fixture
def look(sample: Path, sample_store: Path, tmp_path: Path) -> Workspace:
    return workspace_of(sample, copied(sample_store, tmp_path))


def found(look: Workspace) -> list[Finding]:
    return findings(look, store_status(look))


def change(look: Workspace, stage: str, chunk: str, **values: object) -> None:
    receipt = read_receipt(look.store, stage, chunk)
    assert receipt
    write_receipt(look.store, receipt.model_copy(update=values))


def remove(look: Workspace, stage: str, chunk: str) -> None:
    (look.store.partition(stage, chunk) / "receipt.json").unlink()


@pytest.mark.parametrize(
    ("chunks", "ranges"), [((), ""), (("0007",), "7"), (("0003", "0000", "0002", "0001", "0009"), "0-3,9")]
)
def test_chunks_are_named_as_the_commands_take_them(chunks: tuple[str, ...], ranges: str) -> None:
    assert chunk_ranges(chunks) == ranges


def test_a_sound_store_wants_nothing(look: Workspace) -> None:
    assert found(look) == []
    assert all(row.states["done"] == 2 and row.waiting == 0 for row in states_by_stage(store_status(look)))


def test_only_the_first_asset_that_is_missing_is_named_and_those_after_it_wait(look: Workspace) -> None:
    for chunk in ("0000", "0001"):
        remove(look, "meta_actions", chunk)
    (one,) = found(look)
    assert (one.kind, one.stage, one.chunks) == ("missing", "meta_actions", ("0000", "0001"))
    rows = {row.stage: row for row in states_by_stage(store_status(look))}
    assert rows["meta_actions"].states["missing"] == 2 and rows["meta_actions"].waiting == 0
    assert rows["training_shards"].states["stale"] == 2 and rows["training_shards"].waiting == 2


def test_a_failure_is_told_in_the_stage_s_words_and_the_same_one_once(look: Workspace) -> None:
    for chunk in ("0000", "0001"):
        change(
            look, "clip_videos", chunk, status="failed", error=f"clip_videos of chunk {chunk} failed: the disk is full"
        )
    (one,) = [one for one in found(look) if one.kind == "failed"]
    assert one.reason == "clip_videos of chunk NNNN failed: the disk is full" and len(one.chunks) == 2


def test_why_something_is_stale_is_said(sample: Path, look: Workspace) -> None:
    receipt = read_receipt(look.store, "trajectory_cache", "0001")
    assert receipt
    whole = receipt.fingerprints["whole"]
    zip_file = next(name for name in whole.inputs if name.endswith(".zip"))
    older = whole.model_copy(update={"code_version": "0", "inputs": {**whole.inputs, zip_file: "other"}})
    change(look, "trajectory_cache", "0001", fingerprints={"whole": older})
    (one,) = found(look)
    assert one.kind == "stale" and one.chunks == ("0001",)
    assert "made by version 0 of the stage" in one.reason and zip_file.replace("0001", "NNNN") in one.reason


def test_a_changed_setting_names_its_section_and_a_new_labeler_the_labels_that_lack(look: Workspace) -> None:
    settings = look.settings
    other = settings.model_copy(update={"keyframes": settings.keyframes.model_copy(update={"lead": 7})})
    assert [(one.stage, one.reason) for one in found(Workspace(other))] == [
        ("keyframe_segments", "settings that shape it changed (keyframes)")
    ]
    labelled = Workspace(settings.model_copy(update={"labeler": "dummy"}))
    assert [(one.stage, one.reason) for one in found(labelled)] == [("raw_coc", "no labels of dummy yet")]


def test_files_that_are_gone_and_checks_that_were_not_evaluated_are_said(look: Workspace) -> None:
    next(look.store.partition("training_shards", "0000").glob("samples.parquet")).unlink()
    change(look, "training_shards", "0001", checks={})
    reasons = {one.chunks[0]: one.reason for one in found(look)}
    assert reasons["0000"] == "files that the receipt names are gone"
    assert reasons["0001"].startswith("its checks were not evaluated")


def test_a_failed_check_that_blocks_is_graver_than_what_is_missing_behind_it(look: Workspace) -> None:
    receipt = read_receipt(look.store, "filtered_coc", "0000")
    assert receipt
    failed = check(False, blocking=True, said="2 labels have no verdict.")
    change(look, "filtered_coc", "0000", checks={**receipt.checks, "every_ok_label_has_a_verdict": failed})
    remove(look, "training_shards", "0000")
    (one,) = found(look)
    assert one.kind == "blocked" and one.reason == "every_ok_label_has_a_verdict: 2 labels have no verdict."


def test_every_command_is_one_that_coc_takes(look: Workspace) -> None:
    remove(look, "clip_videos", "0001")
    receipt = read_receipt(look.store, "meta_actions", "0000")
    assert receipt
    change(look, "meta_actions", "0000", checks={**receipt.checks, "spans": check(False, said="no")})
    commands = [shlex.split(one.command) for one in found(look)]
    assert len(commands) == 2
    for command in commands:
        options = build_parser().parse_args(command[1:])
        assert options.store == look.settings.store and options.dataset == look.settings.dataset


def test_a_command_that_would_list_very_many_chunks_makes_all_that_is_due(tmp_path: Path) -> None:
    missing = {stage.name: "missing" for stage in STAGES}
    statuses = [ChunkStatus(f"{number:04d}", dict(missing), {}) for number in range(0, 1000, 2)]
    (one,) = findings(workspace_of(None, tmp_path), statuses)
    assert len(one.chunks) == 500 and "--chunks" not in one.command
    (few,) = findings(workspace_of(None, tmp_path), statuses[:3])
    assert few.command.endswith("--chunks 0,2,4")


def test_a_command_mends_what_it_is_named_for(look: Workspace) -> None:
    from coc_assets.cli import main

    remove(look, "keyframe_segments", "0001")
    (one,) = found(look)
    assert main(shlex.split(one.command)[1:]) == 0
    assert found(Workspace(load_settings(dataset=look.settings.dataset, store=look.settings.store))) == []
