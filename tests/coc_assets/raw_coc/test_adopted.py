import shutil
from pathlib import Path

import pytest

from coc_assets.raw_coc.adopted import adopt, adopted_chunks, require_free_name, withdraw
from coc_assets.raw_coc.records import LabelRecord, LabelText
from coc_assets.raw_coc.stage import STAGE
from coc_assets.stage import StageError, Work, Workspace, standing
from resources import schemas
from resources.receipts import Receipt, read_receipt
from resources.settings import Settings
from resources.store import Store

CHUNK = "0000"


@pytest.fixture
def workspace(sample: Path, sample_store: Path, tmp_path: Path) -> Workspace:
    copy = tmp_path / "store"
    shutil.copytree(sample_store, copy, ignore=shutil.ignore_patterns(".dagster", "training_shards"))
    return Workspace(Settings(dataset=sample, store=copy))


def record(store: Store, trace: str = "Stop because the light is red", labeler: str = "theirs") -> LabelRecord:
    keyframe = store.read_table(schemas.KEYFRAMES, CHUNK).row(0, named=True)
    return LabelRecord(
        keyframe_id=keyframe["keyframe_id"],
        clip_id=keyframe["clip_id"],
        t0_us=keyframe["t0_us"],
        labeler=labeler,
        origin="imported",
        prompt_version="imported",
        parameters="{}",
        text=LabelText(trace=trace),
    )


def receipt_of(workspace: Workspace) -> Receipt:
    receipt = read_receipt(workspace.store, STAGE.name, CHUNK)
    assert receipt is not None
    return receipt


def test_adopted_labels_stand_beside_those_made_here(workspace: Workspace) -> None:
    before = receipt_of(workspace)
    after = adopt(workspace, CHUNK, "theirs", [record(workspace.store)])
    assert workspace.store.labelers(CHUNK) == ["rules", "theirs"]
    assert set(after.fingerprints) == {"rules", "theirs"}
    assert after.data_version != before.data_version and after.checks == {}
    work = Work(workspace, STAGE, CHUNK)
    assert standing(work).is_fresh(work)


def test_figures_stay_those_of_the_labeler_that_ran_here(workspace: Workspace) -> None:
    before = receipt_of(workspace)
    adopt(workspace, CHUNK, "theirs", [record(workspace.store)])
    after = receipt_of(workspace)
    assert (after.counts, after.figures, after.dataset) == (before.counts, before.figures, before.dataset)


def test_other_content_of_the_same_label_is_written_and_the_same_is_not(workspace: Workspace) -> None:
    first = adopt(workspace, CHUNK, "theirs", [record(workspace.store)])
    path = workspace.store.table_path(schemas.RAW_COC, CHUNK, labeler="theirs")
    written = path.stat().st_mtime_ns
    again = adopt(workspace, CHUNK, "theirs", [record(workspace.store)])
    assert (again.outputs, path.stat().st_mtime_ns) == (first.outputs, written)
    second = adopt(workspace, CHUNK, "theirs", [record(workspace.store, "Stop because the light is yellow")])
    assert second.data_version != first.data_version
    labels = workspace.store.read_table(schemas.RAW_COC, CHUNK, labeler="theirs")
    assert labels["trace"].to_list() == ["Stop because the light is yellow"]


def test_withdrawn_labels_leave_the_store_as_it_was(workspace: Workspace) -> None:
    before = receipt_of(workspace)
    adopt(workspace, CHUNK, "theirs", [record(workspace.store)])
    left = withdraw(workspace.store, CHUNK, "theirs")
    assert left and left.outputs == receipt_of(workspace).outputs
    assert workspace.store.labelers(CHUNK) == ["rules"]
    assert (left.outputs, left.data_version) == (before.outputs, before.data_version)
    work = Work(workspace, STAGE, CHUNK)
    assert standing(work).is_fresh(work)


def test_withdrawing_the_only_labels_leaves_no_receipt(workspace: Workspace) -> None:
    shutil.rmtree(workspace.store.partition(STAGE.name, CHUNK))
    adopt(workspace, CHUNK, "theirs", [record(workspace.store)])
    assert withdraw(workspace.store, CHUNK, "theirs") is None
    assert read_receipt(workspace.store, STAGE.name, CHUNK) is None
    assert workspace.store.labelers(CHUNK) == []


def test_chunks_with_adopted_labels_and_names_that_were_made_here(workspace: Workspace) -> None:
    adopt(workspace, CHUNK, "theirs", [record(workspace.store)])
    assert adopted_chunks(workspace.store, "theirs", ["0000", "0001"]) == [CHUNK]
    assert adopted_chunks(workspace.store, "others", ["0000", "0001"]) == []
    with pytest.raises(StageError, match="'rules' that were made here"):
        adopted_chunks(workspace.store, "rules", [CHUNK])


@pytest.mark.parametrize("name", ["rules", "human", "gpt5", "", ".hidden", "a/b", "a b", "a\n"])
def test_names_that_cannot_be_given(name: str) -> None:
    with pytest.raises(StageError):
        require_free_name(name, Settings())


@pytest.mark.parametrize("name", ["theirs", "coc-autolabeler_v2.1", "2026"])
def test_names_that_can(name: str) -> None:
    require_free_name(name, Settings())
