"""`coc run` on what is out of date, and on chunks that a query names."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from coc_assets.cli import ASSETS, main
from coc_assets.definitions import build_definitions
from coc_assets.instances import open_instance
from coc_assets.running import plan_chunk
from coc_assets.stage import Workspace
from resources.receipts import Receipt, read_receipt
from resources.settings import Settings
from resources.store import RECEIPT, Store
from tests.tree import tree


@pytest.fixture(autouse=True)
def _no_surroundings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def store(sample_store: Path, tmp_path: Path) -> Store:
    """A copy that a test may change."""
    shutil.copytree(sample_store, tmp_path / "store")
    return Store(tmp_path / "store")


def receipts(store: Store) -> dict[tuple[str, str], tuple[str, int]]:
    """When each partition was finished, by its receipt and by the file system."""
    found = {}
    for path in store.root.glob("*/chunk=*/receipt.json"):
        stage, chunk = path.parent.parent.name, path.parent.name.removeprefix("chunk=")
        found[stage, chunk] = (json.loads(path.read_text())["finished_at"], path.stat().st_mtime_ns)
    return found


def age(store: Store) -> None:
    """Dates every receipt back, so that one made anew differs whatever the clock's resolution."""
    for stage, chunk in receipts(store):
        path = store.partition(stage, chunk) / RECEIPT
        receipt = Receipt.model_validate_json(path.read_bytes())
        dated = receipt.model_copy(update={"finished_at": "2020-01-01T00:00:00+00:00"})
        path.write_text(json.dumps(dated.model_dump(), indent=1, sort_keys=True))


def run_stale(sample: Path, store: Store, *arguments: str) -> int:
    return main(["run", "--dataset", str(sample), "--store", str(store.root), "--stale", *arguments])


@pytest.mark.parametrize(
    ("setting", "value", "made"),
    [
        ("COC_SHARDS__JPEG_QUALITY", "90", {"training_shards"}),
        ("COC_FILTERING__POLICY", "keep-all", {"filtered_coc", "training_shards"}),
        ("COC_KEYFRAMES__COOLDOWN", "31", set(ASSETS[2:])),
    ],
)
def test_a_changed_threshold_makes_only_the_stages_that_depend_on_it(
    sample: Path, store: Store, monkeypatch: pytest.MonkeyPatch, setting: str, value: str, made: set[str]
) -> None:
    shutil.rmtree(store.partition("training_shards", "0001"))
    age(store)
    before = receipts(store)
    monkeypatch.setenv(setting, value)
    assert run_stale(sample, store) == 0
    after = receipts(store)
    due = {(stage, chunk) for stage in made for chunk in ("0000", "0001")} - {("training_shards", "0001")}
    assert {key for key in before if before[key] != after[key]} == due
    assert before.keys() == after.keys(), "what was never made is left so"
    assert run_stale(sample, store) == 0
    assert receipts(store) == after


def test_what_was_never_made_is_left_so_and_said(
    sample: Path, store: Store, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.rmtree(store.partition("clip_videos", "0001"))
    assert run_stale(sample, store) == 0
    assert "2 chunks: 0 stages to make, 10 fresh, 4 never made and left so." in capsys.readouterr().err
    assert not store.partition("clip_videos", "0001").exists()


def test_a_making_that_was_cut_off_goes_on(sample: Path, store: Store) -> None:
    """The receipt goes before a stage is made again and comes back last; a kill in between leaves the tables."""
    workspace = Workspace(Settings(dataset=sample, store=store.root))
    (store.partition("keyframe_segments", "0000") / RECEIPT).unlink()
    assert plan_chunk(workspace, "0000", ASSETS, {}, stale=True).due == ASSETS[2:]
    before = tree(store.root)
    assert run_stale(sample, store) == 0
    assert read_receipt(store, "keyframe_segments", "0000") is not None
    assert {name: digest for name, digest in tree(store.root).items() if name in before} == before


def test_a_backfills_run_goes_on_where_the_chunk_stands(sample: Path, store: Store) -> None:
    """The job that backfills and the queue run: finished stages are found fresh, the others are made."""
    shutil.rmtree(store.partition("training_shards", "0001"))
    before = receipts(store)
    job = build_definitions(Workspace(Settings(dataset=sample, store=store.root))).resolve_job_def("label_chunk")
    with open_instance(store.root) as instance:
        result = job.execute_in_process(partition_key="0001", instance=instance)
    fresh = {
        event.step_key: event.step_materialization_data.materialization.metadata["fresh"].value
        for event in result.all_events
        if event.is_step_materialization
    }
    assert {name: fresh[name] for name in ASSETS} == {name: name != "training_shards" for name in ASSETS}
    made = {key for key in receipts(store) if key not in before}
    assert made == {("training_shards", "0001")}


def test_a_stale_run_needs_no_dataset_named(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COC_SHARDS__JPEG_QUALITY", "90")
    assert main(["run", "--store", str(store.root), "--stale", "--chunks", "1"]) == 0


@pytest.mark.parametrize("option", [["--force"], ["--retry", "invalid"]])
def test_stale_and_what_is_not_stale_exclude_each_other(
    sample: Path, store: Store, capsys: pytest.CaptureFixture[str], option: list[str]
) -> None:
    assert run_stale(sample, store, *option) == 2
    assert "Leave one of them out" in capsys.readouterr().err


def test_a_query_chooses_the_chunks(
    sample: Path, store: Store, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COC_SHARDS__JPEG_QUALITY", "90")
    before = receipts(store)
    sql = "SELECT chunk, count(*) AS n FROM keyframes WHERE chunk = '0001' GROUP BY chunk"
    run = ["run", "--dataset", str(sample), "--store", str(store.root), "--where", sql]
    assert main([*run, "--chunks", "0"]) == 0
    assert "names none of these chunks" in capsys.readouterr().out
    assert main(run) == 0
    assert {key for key, stood in receipts(store).items() if stood != before[key]} == {("training_shards", "0001")}


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        (
            "SELECT clip_id FROM clips",
            "--where needs a column chunk of chunk ids such as '0003'; this query gives clip_id",
        ),
        ("SELECT 3 AS chunk", "this query gives chunk (Int32)"),
        ("SELECT chunk FROM nonesuch", "Views: clips"),
        ("DROP VIEW clips", "exactly one SELECT"),
    ],
)
def test_a_query_that_names_no_chunks_is_a_usage_error(
    sample: Path, store: Store, capsys: pytest.CaptureFixture[str], sql: str, said: str
) -> None:
    assert main(["run", "--dataset", str(sample), "--store", str(store.root), "--where", sql]) == 2
    assert said in capsys.readouterr().err.replace("\n", " ")


def test_chunks_that_the_dataset_does_not_have_are_left_out_and_named(
    sample: Path, store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    sql = "SELECT unnest(['0001', '0456']) AS chunk"
    assert main(["run", "--dataset", str(sample), "--store", str(store.root), "--where", sql]) == 0
    said = capsys.readouterr().err
    assert "no egomotion for them: 0456" in said and "1 chunk: 0 stages to make, 7 fresh" in said
