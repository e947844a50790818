from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from coc_assets.stage import DatasetInputs, Made, Stage, StageError, Work, Workspace, run_stage, standing
from resources import schemas
from resources.receipts import read_receipt
from resources.settings import Settings

CHUNK = "0000"


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    (tmp_path / "dataset").mkdir()
    (tmp_path / "dataset" / "input").write_text("one")
    return Workspace(Settings(dataset=tmp_path / "dataset", store=tmp_path / "store"))


def make_clips(work: Work) -> Made:
    text = (work.root.path / "input").read_text()
    clips = schemas.rows_to_frame([{"clip_id": text, "mended": []}], schemas.CLIPS)
    return Made({"clips": clips, "rejects": schemas.empty(schemas.REJECTS)})


FIRST = Stage(
    name="trajectory_cache",
    code_version="1",
    upstream=(),
    tables=(schemas.CLIPS,),
    sections=("trajectory",),
    inputs=lambda work: DatasetInputs(files=[work.root.path / "input"], rows={"index": [1]}),
    make=make_clips,
)


def make_keyframes(work: Work) -> Made:
    clips = work.read(schemas.CLIPS)["clip_id"].to_list()
    keyframes = schemas.rows_to_frame([{"keyframe_id": clip, "actions": []} for clip in clips], schemas.KEYFRAMES)
    return Made({"keyframes": keyframes, "rejects": schemas.empty(schemas.REJECTS)})


SECOND = Stage(
    name="keyframe_segments",
    code_version="1",
    upstream=("trajectory_cache",),
    tables=(schemas.KEYFRAMES,),
    sections=("keyframes",),
    make=make_keyframes,
)


def run(workspace: Workspace, stage: Stage, **options: bool) -> bool:
    """Whether the stage was fresh."""
    return run_stage(stage, workspace, CHUNK, **options).fresh


def is_fresh(workspace: Workspace, stage: Stage) -> bool:
    work = Work(workspace, stage, CHUNK)
    return standing(work).is_fresh(work)


def test_a_second_run_is_fresh_and_force_makes_it_again(workspace: Workspace) -> None:
    assert [run(workspace, FIRST), run(workspace, FIRST), run(workspace, FIRST, force=True)] == [False, True, False]


def test_changed_content_makes_a_stage_stale_and_a_touched_file_does_not(workspace: Workspace) -> None:
    run(workspace, FIRST)
    source = workspace.root.path / "input"
    source.write_text("one")  # another mtime, the same content
    assert is_fresh(workspace, FIRST)
    source.write_text("two")
    assert not is_fresh(workspace, FIRST)


@pytest.mark.parametrize(
    "change",
    [
        lambda stage: replace(stage, code_version="2"),
        lambda stage: replace(stage, shape=lambda _: "camera"),
        lambda stage: replace(stage, inputs=lambda work: DatasetInputs(rows={"index": [2]})),
    ],
    ids=["code version", "shape", "index rows"],
)
def test_whatever_shapes_a_stage_makes_it_stale(workspace: Workspace, change) -> None:
    run(workspace, FIRST)
    assert not is_fresh(workspace, change(FIRST))


def test_only_the_settings_of_its_own_sections_make_a_stage_stale(workspace: Workspace) -> None:
    for stage in (FIRST, SECOND):
        run(workspace, stage)
    settings = workspace.settings
    changed = settings.model_copy(update={"keyframes": settings.keyframes.model_copy(update={"lead": 7})})
    other = Workspace(changed)
    assert is_fresh(other, FIRST)
    assert not is_fresh(other, SECOND)


def test_new_bytes_upstream_make_downstream_stale_and_equal_bytes_do_not(workspace: Workspace) -> None:
    for stage in (FIRST, SECOND):
        run(workspace, stage)
    run(workspace, FIRST, force=True)
    assert is_fresh(workspace, SECOND)
    (workspace.root.path / "input").write_text("two")
    run(workspace, FIRST)
    assert not is_fresh(workspace, SECOND)


def test_a_deleted_table_is_made_again(workspace: Workspace) -> None:
    run(workspace, FIRST)
    workspace.store.table_path(schemas.CLIPS, CHUNK).unlink()
    assert not run(workspace, FIRST)
    assert workspace.store.read_table(schemas.CLIPS, CHUNK).height == 1


def test_missing_input_names_the_command_that_makes_it(workspace: Workspace) -> None:
    with pytest.raises(StageError, match=r"reads trajectory_cache, not finished in .* --select trajectory_cache"):
        run(workspace, SECOND)


def test_a_failure_is_in_the_receipt_and_the_next_run_tries_again(workspace: Workspace) -> None:
    def fail(_: Work) -> Made:
        raise RuntimeError("disk on fire")

    with pytest.raises(StageError, match="disk on fire"):
        run(workspace, replace(FIRST, make=fail))
    receipt = read_receipt(workspace.store, FIRST.name, CHUNK)
    assert (receipt.status, receipt.error) == ("failed", "RuntimeError: disk on fire")
    with pytest.raises(StageError, match="not finished"):
        run(workspace, SECOND)
    assert not run(workspace, FIRST)


def test_a_stage_killed_midway_is_not_taken_for_whole_when_settings_go_back(workspace: Workspace) -> None:
    run(workspace, FIRST)

    def killed(work: Work) -> Made:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(workspace, replace(FIRST, code_version="2", make=killed))
    assert not is_fresh(workspace, FIRST)


def test_files_of_an_earlier_plan_go(workspace: Workspace) -> None:
    def with_file(name: str) -> Stage:
        def make(work: Work) -> Made:
            work.store.write_bytes(work.folder / name, b"1")
            return replace(make_clips(work), files=[name])

        return replace(FIRST, code_version=name, make=make)

    run(workspace, with_file("a.tar"))
    run(workspace, with_file("b.tar"))
    names = {path.name for path in workspace.store.partition(FIRST.name, CHUNK).iterdir()}
    assert names == {"b.tar", "clips.parquet", "rejects.parquet", "receipt.json"}


def label_by(name: str) -> Stage:
    def make(work: Work) -> Made:
        rows = [{"label_id": name, "labeler": name, "components": []}]
        return Made(
            {"raw_coc": schemas.rows_to_frame(rows, schemas.RAW_COC), "rejects": schemas.empty(schemas.REJECTS)}
        )

    return Stage("raw_coc", name, (), (schemas.RAW_COC,), (), make, by_labeler=True)


def with_labeler(workspace: Workspace, name: str) -> Workspace:
    return Workspace(workspace.settings.model_copy(update={"labeler": name}))


def test_labelers_lie_side_by_side_and_stay_fresh_each(workspace: Workspace) -> None:
    for name in ("rules", "qwen"):
        assert not run(with_labeler(workspace, name), label_by(name))
    for name in ("rules", "qwen"):
        assert run(with_labeler(workspace, name), label_by(name))
    assert workspace.store.read_labels(CHUNK)["labeler"].to_list() == ["qwen", "rules"]


def test_a_failed_labeler_leaves_the_other_ones_claim(workspace: Workspace) -> None:
    run(with_labeler(workspace, "rules"), label_by("rules"))

    def fail(_: Work) -> Made:
        raise RuntimeError("no server")

    with pytest.raises(StageError):
        run(with_labeler(workspace, "qwen"), replace(label_by("qwen"), make=fail))
    assert set(read_receipt(workspace.store, "raw_coc", CHUNK).fingerprints) == {"rules"}
    assert workspace.store.read_labels(CHUNK)["labeler"].to_list() == ["rules"]


def test_counts_and_reasons_are_in_the_receipt(workspace: Workspace) -> None:
    def make(work: Work) -> Made:
        rows = [
            {"clip_id": "a", "severity": "rejected", "reason": "gap_too_long"},
            {"clip_id": "b", "severity": "degraded", "reason": "video_missing"},
            {"severity": "rejected", "reason": "archive_damaged"},
        ]
        return replace(make_clips(work), tables={**make_clips(work).tables, "rejects": schemas.reject_rows(rows)})

    receipt = run_stage(replace(FIRST, make=make), workspace, CHUNK).receipt
    assert receipt.counts == {"clips": 1, "rejects": 3}
    assert receipt.rejects == {"archive_damaged": 1, "gap_too_long": 1, "video_missing": 1}
    assert receipt.figures["rejected"] == 1
    stored = workspace.store.read_table(schemas.REJECTS, CHUNK, asset=FIRST.name)
    assert stored["chunk"].unique().to_list() == [CHUNK] and isinstance(stored, pl.DataFrame)
