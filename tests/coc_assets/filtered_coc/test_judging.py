from __future__ import annotations

import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from coc_assets.bench.judging import make_store
from coc_assets.filtered_coc.duplicates import near_duplicates
from coc_assets.filtered_coc.judging import diff_policies, judge, report
from coc_assets.filtered_coc.policy import load_policy
from coc_assets.filtered_coc.stage import STAGE
from coc_assets.instances import open_instance
from coc_assets.stage import Work, Workspace, run_stage, standing
from coc_assets.stages import STAGES_BY_NAME
from coc_assets.status import chunk_status
from resources import schemas
from resources.receipts import Receipt, digest_of, read_receipt, write_receipt
from resources.reviews import Review, append_reviews
from resources.schemas import ReviewDecision
from resources.settings import Settings
from resources.settings.filtering import DuplicateThresholds
from resources.store import RECEIPT, Store

OWN = """
name: own
rules:
  - {rule: wordy, instrument: text_structure, name: words, op: ">", value: 29, verdict: reject, hint: too many words}
  - {rule: fast, instrument: trajectory_consistency, name: speed_change_mps, op: ">", value: 3.2, verdict: reject}
  - {rule: unseen, instrument: nobody, name: measured, op: ">", value: 1, verdict: reject, missing: fire, labelers: [x]}
  - {rule: long, instrument: text_structure, name: words, op: ">", value: 24, verdict: review}
"""
TABLES = ("filtered_coc.parquet", "measurements.parquet", "rejects.parquet", "set_measurements.parquet")


@pytest.fixture
def own(tmp_path: Path) -> str:
    (tmp_path / "own.yaml").write_text(OWN)
    return str(tmp_path / "own.yaml")


@pytest.fixture
def of_sample(sample: Path, sample_store: Path, tmp_path: Path) -> Workspace:
    shutil.copytree(sample_store, tmp_path / "store")
    return Workspace(Settings(dataset=sample, store=tmp_path / "store"))


@pytest.fixture
def made_up(tmp_path: Path) -> Workspace:
    """Four chunks of 15 labels each, judged by the default policy."""
    workspace = Workspace(Settings(dataset=None, store=tmp_path / "store"))
    make_store(workspace, 60, 4)
    return workspace


def under(workspace: Workspace, policy: str) -> Workspace:
    filtering = workspace.settings.filtering.model_copy(update={"policy": policy})
    return Workspace(workspace.settings.model_copy(update={"filtering": filtering}))


def files_of(workspace: Workspace) -> dict[str, tuple[bytes, int]]:
    """Content and time of every file in the partitions of filtered_coc."""
    folder = workspace.store.root / "filtered_coc"
    return {str(path.relative_to(folder)): (path.read_bytes(), path.stat().st_mtime_ns)
            for path in folder.glob("chunk=*/*") if path.is_file()}  # fmt: skip


def without_time(receipt: Receipt | None) -> dict[str, object]:
    assert receipt is not None
    return receipt.model_dump(exclude={"duration_s", "finished_at"})


def is_fresh(workspace: Workspace, stage: str, chunk: str) -> bool:
    work = Work(workspace, STAGES_BY_NAME[stage], chunk)
    return standing(work).is_fresh(work)


@pytest.mark.parametrize("policy", ["strict", "keep-all", "own"])
def test_leaves_what_a_run_under_the_policy_leaves(of_sample: Workspace, policy: str, own: str, tmp_path: Path) -> None:
    named = own if policy == "own" else policy
    shutil.copytree(of_sample.store.root, tmp_path / "run")
    run = under(Workspace(of_sample.settings.model_copy(update={"store": tmp_path / "run"})), named)
    judged = judge(of_sample, of_sample.store.chunks(), named)
    assert judged.changed == ("0000", "0001")
    for chunk in judged.changed:
        run_stage(STAGE, run, chunk)
        for table in TABLES:
            left, expected = (w.store.partition(STAGE.name, chunk) / table for w in (of_sample, run))
            assert left.read_bytes() == expected.read_bytes(), (chunk, table)
        receipts = [read_receipt(w.store, STAGE.name, chunk) for w in (of_sample, run)]
        assert without_time(receipts[0]) == without_time(receipts[1])
    if policy == "own":
        assert min(judged.verdicts.values()) > 0


def review(labels: pl.DataFrame, number: int, decision: ReviewDecision, reviewer: str = "ann") -> Review:
    row = labels.filter(pl.col("status") == "ok").row(number, named=True)
    told = {name: row[name] for name in ("label_id", "keyframe_id", "clip_id", "labeler")}
    return Review(**told, reviewer=reviewer, decision=decision, reviewed_at="2025-01-01T00:00:00Z")


def repeat_a_label(workspace: Workspace, source: str = "0000", target: str = "0001") -> tuple[str, str]:
    """Makes one label of a chunk say what one of another chunk says; both their ids."""
    store = workspace.store
    one, other = (store.read_labels(chunk) for chunk in (source, target))
    specific = one.filter((pl.col("status") == "ok") & (pl.col("components").list.len() > 0)).head(1)
    victim = other.filter(pl.col("status") == "ok")["label_id"].first()
    of_victim = pl.col("label_id") == victim
    texts = ["trace", "perception", "prediction", "planning", "justification", "components"]
    copied = [pl.when(of_victim).then(pl.lit(specific[name])).otherwise(pl.col(name)).alias(name) for name in texts]
    relabel(workspace, target, other.with_columns(copied))
    return specific["label_id"].item(), str(victim)


def relabel(workspace: Workspace, chunk: str, labels: pl.DataFrame) -> None:
    """Other labels, and a partition of filtered_coc that was made from them."""
    store = workspace.store
    store.write_table(labels, schemas.RAW_COC, store.table_path(schemas.RAW_COC, chunk, labeler="rules"), chunk)
    of_labels, of_verdicts = (read_receipt(store, stage, chunk) for stage in ("raw_coc", "filtered_coc"))
    assert of_labels is not None and of_verdicts is not None
    version = digest_of(labels.hash_rows().to_list())
    write_receipt(store, of_labels.model_copy(update={"data_version": version}))
    whole = of_verdicts.fingerprints["whole"]
    made_from = whole.model_copy(update={"upstream": {**whole.upstream, "raw_coc": version}})
    write_receipt(store, of_verdicts.model_copy(update={"fingerprints": {"whole": made_from}}))


def of_set(workspace: Workspace, instrument: str) -> dict[str, float]:
    tables = [workspace.store.read_table(schemas.SET_MEASUREMENTS, chunk) for chunk in workspace.store.chunks()]
    main = pl.col("name").is_in(["majority", "near_duplicates"])
    rows = pl.concat(tables).filter(main & (pl.col("instrument") == instrument))
    return dict(rows.select("label_id", "value").iter_rows())


def verdict_of(workspace: Workspace, label_id: str) -> tuple[str, list[str]]:
    (row,) = verdicts_of(workspace).filter(pl.col("label_id") == label_id).to_dicts()
    return row["verdict"], row["reasons"]


def test_reviews_and_duplicates_are_left_as_a_run_leaves_them(of_sample: Workspace, tmp_path: Path) -> None:
    store = of_sample.store
    repeat_a_label(of_sample)
    run_stage(STAGE, of_sample, "0001", force=True)
    labels = store.read_labels("0000")
    append_reviews(store.reviews_path("0000"), [review(labels, 0, "reject"), review(labels, 1, "keep")])
    judge(of_sample, store.chunks(), "default")
    append_reviews(store.reviews_path("0000"), [review(labels, 0, "keep"), review(labels, 2, "reject", "bob")])
    shutil.copytree(store.root, tmp_path / "run")
    run = under(Workspace(of_sample.settings.model_copy(update={"store": tmp_path / "run"})), "strict")
    judged = judge(of_sample, store.chunks(), "strict")
    assert judged.changed == ("0000", "0001")
    assert (judged.duplicates, judged.reviewed) == (2, 2)
    for chunk in judged.changed:
        run_stage(STAGE, run, chunk)
        for table in TABLES:
            left, expected = (w.store.partition(STAGE.name, chunk) / table for w in (of_sample, run))
            assert left.read_bytes() == expected.read_bytes(), (chunk, table)
        assert is_fresh(under(of_sample, "strict"), "filtered_coc", chunk)


def test_reviews_since_are_taken_up_and_hold(made_up: Workspace) -> None:
    store = made_up.store
    labels, big = store.read_labels("0001"), files_of(made_up)["chunk=0001/measurements.parquet"]
    append_reviews(store.reviews_path("0001"), [review(labels, 0, "reject"), review(labels, 1, "keep")])
    judged = judge(made_up, store.chunks(), "default")
    assert (judged.changed, judged.reviewed) == (("0001",), 2)
    ids = labels.filter(pl.col("status") == "ok")["label_id"]
    assert of_set(made_up, "human_review") == {ids[0]: 0, ids[1]: 1}
    assert verdict_of(made_up, ids[0])[0] == "reject"
    assert verdict_of(made_up, ids[0])[1][0] == "people_reject"
    assert verdict_of(made_up, ids[1])[0] == "keep"
    assert files_of(made_up)["chunk=0001/measurements.parquet"] == big
    assert not judge(made_up, store.chunks(), "default").receipts

    append_reviews(store.reviews_path("0001"), [review(labels, 1, "reject")])
    assert judge(made_up, store.chunks(), "default").reviewed == 1
    assert of_set(made_up, "human_review") == {ids[0]: 0, ids[1]: 0}


def test_duplicates_across_chunks_are_found_and_gone_with_the_label(made_up: Workspace) -> None:
    one, other = repeat_a_label(made_up)
    judged = judge(made_up, made_up.store.chunks(), "default")
    assert (judged.changed, judged.duplicates) == (("0000", "0001"), 2)
    assert of_set(made_up, "set_duplicates") == {one: 1, other: 1}
    assert "near_duplicate" in verdict_of(made_up, one)[1]
    assert not judge(made_up, made_up.store.chunks(), "default").receipts

    labels = made_up.store.read_labels("0001")
    changed = pl.when(pl.col("label_id") == other).then(pl.lit("Another.")).otherwise(pl.col("trace"))
    relabel(made_up, "0001", labels.with_columns(trace=changed, perception=changed, prediction=changed))
    judged = judge(made_up, made_up.store.chunks(), "default")
    assert (judged.changed, judged.duplicates) == (("0000", "0001"), 0)
    assert "near_duplicate" not in verdict_of(made_up, one)[1]


def test_duplicates_are_those_of_the_whole_store_whichever_chunks_are_judged(made_up: Workspace) -> None:
    one, other = repeat_a_label(made_up)
    assert judge(made_up, ["0001"], "default").changed == ("0001",)
    assert of_set(made_up, "set_duplicates") == {other: 1}
    assert judge(made_up, ["0003", "0002", "0001", "0000"], "default").changed == ("0000",)
    assert of_set(made_up, "set_duplicates") == {one: 1, other: 1}


def test_without_looking_for_duplicates_earlier_ones_stand(made_up: Workspace) -> None:
    repeat_a_label(made_up)
    assert judge(made_up, made_up.store.chunks(), "default", find_duplicates=False).changed == ()
    judge(made_up, made_up.store.chunks(), "default")
    before = of_set(made_up, "set_duplicates")
    judged = judge(made_up, made_up.store.chunks(), "strict", find_duplicates=False)
    assert (len(judged.changed), judged.duplicates) == (4, 2)
    assert of_set(made_up, "set_duplicates") == before


def test_duplicates_are_looked_for_again_only_where_labels_or_thresholds_changed(
    made_up: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[int] = []

    def looking(labels: pl.DataFrame, thresholds: DuplicateThresholds) -> pl.DataFrame:
        looked.append(labels.height)
        return near_duplicates(labels, thresholds)

    monkeypatch.setattr("coc_assets.filtered_coc.duplicates.near_duplicates", looking)
    one, other = repeat_a_label(made_up)
    for policy in ("default", "strict", "keep-all"):
        judge(made_up, made_up.store.chunks(), policy)
    assert len(looked) == 1
    store = made_up.store
    store.write_table(
        schemas.empty(schemas.SET_MEASUREMENTS), schemas.SET_MEASUREMENTS,
        store.table_path(schemas.SET_MEASUREMENTS, "0000"), "0000",
    )  # fmt: skip
    judge(made_up, store.chunks(), "default")
    assert of_set(made_up, "set_duplicates") == {one: 1, other: 1}
    assert len(looked) == 1
    filtering = made_up.settings.filtering
    wordier = filtering.duplicates.model_copy(update={"least_words": 500})
    changed = filtering.model_copy(update={"duplicates": wordier})
    judge(Workspace(made_up.settings.model_copy(update={"filtering": changed})), store.chunks(), "default")
    assert (len(looked), of_set(made_up, "set_duplicates")) == (2, {})


def test_what_a_judge_cost_stays_in_the_receipt(made_up: Workspace) -> None:
    receipt = read_receipt(made_up.store, "filtered_coc", "0001")
    assert receipt is not None
    figures = {**receipt.figures, "judged": 12, "cost_usd": 0.5}
    write_receipt(made_up.store, receipt.model_copy(update={"figures": figures}))
    left = judge(made_up, ["0001"], "strict").receipts["0001"].figures
    assert (left["judged"], left["cost_usd"]) == (12, 0.5)


def test_no_model_is_asked(made_up: Workspace) -> None:
    """In a process of its own that may connect to nothing, and where no client library gets imported."""
    script = (
        "import sys\n"
        "def refuse(event, _):\n"
        "    assert not event.startswith('socket.connect'), 'something was asked'\n"
        "sys.addaudithook(refuse)\n"
        "from pathlib import Path\n"
        "from coc_assets.filtered_coc.judging import judge\n"
        "from coc_assets.stage import Workspace\n"
        "from resources.settings import Settings\n"
        "workspace = Workspace(Settings(dataset=None, store=Path(sys.argv[1])))\n"
        "assert len(judge(workspace, workspace.store.chunks(), 'strict').changed) == 4\n"
        "assert not {'openai', 'httpx', 'vllm'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", script, str(made_up.store.root)], check=True)


def test_a_following_run_finds_verdicts_fresh_and_shards_stale(of_sample: Workspace, own: str) -> None:
    judge(of_sample, ["0000", "0001"], own)
    for chunk in ("0000", "0001"):
        assert is_fresh(under(of_sample, own), "filtered_coc", chunk)
        assert not is_fresh(under(of_sample, own), "training_shards", chunk)
        assert not is_fresh(of_sample, "filtered_coc", chunk)
        # its checks spoke of other verdicts
        assert chunk_status(under(of_sample, own), chunk).states["filtered_coc"] == "stale"


def test_nothing_but_labels_and_measurements_is_read_and_measurements_stay(of_sample: Workspace) -> None:
    for table in (schemas.TRAJECTORIES, schemas.TRACKS, schemas.KEYFRAMES):
        of_sample.store.table_path(table, "0000").unlink()
    before = files_of(of_sample)
    assert judge(of_sample, ["0000"], "strict").changed == ("0000",)
    after = files_of(of_sample)
    assert after["chunk=0000/measurements.parquet"] == before["chunk=0000/measurements.parquet"]
    assert {name for name in before if after[name] != before[name]} <= {
        "chunk=0000/filtered_coc.parquet", "chunk=0000/rejects.parquet", "chunk=0000/receipt.json"
    }  # fmt: skip


def test_under_the_policy_in_force_nothing_is_written(made_up: Workspace) -> None:
    before = files_of(made_up)
    judged = judge(made_up, made_up.store.chunks(), "default")
    assert judged.fresh == ("0000", "0001", "0002", "0003")
    assert not judged.receipts and not judged.changed and not judged.moved
    assert sum(judged.verdicts.values()) == verdicts_of(made_up).height
    assert files_of(made_up) == before


def test_there_and_back_gives_the_same_bytes(made_up: Workspace) -> None:
    before = {name: content for name, (content, _) in files_of(made_up).items() if not name.endswith(RECEIPT)}
    for policy in ("strict", "keep-all", "default"):
        assert len(judge(made_up, made_up.store.chunks(), policy).changed) == 4
    assert {name: files_of(made_up)[name][0] for name in before} == before


def test_counts_what_moved(made_up: Workspace) -> None:
    before = verdicts_of(made_up)
    judged = judge(made_up, made_up.store.chunks(), "strict")
    after = verdicts_of(made_up)
    assert judged.policy == load_policy("strict").version == after["policy_version"].unique().item()
    assert Counter(judged.verdicts) == Counter(after["verdict"].to_list())
    both = before.join(after, on=["chunk", "label_id"]).filter(pl.col("verdict") != pl.col("verdict_right"))
    assert Counter(judged.moved) == Counter(both.select("verdict", "verdict_right").iter_rows())
    assert judged.moved


def verdicts_of(workspace: Workspace) -> pl.DataFrame:
    store = workspace.store
    return pl.concat([store.read_table(schemas.VERDICTS, chunk) for chunk in store.chunks()])


def set_receipt(workspace: Workspace, stage: str, **changes: object) -> None:
    receipt = read_receipt(workspace.store, stage, "0002")
    assert receipt is not None
    write_receipt(workspace.store, receipt.model_copy(update=changes))


def other_code(workspace: Workspace) -> None:
    receipt = read_receipt(workspace.store, "filtered_coc", "0002")
    assert receipt is not None
    older = receipt.fingerprints["whole"].model_copy(update={"code_version": "0"})
    set_receipt(workspace, "filtered_coc", fingerprints={"whole": older})


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        pytest.param(lambda w: set_receipt(w, "raw_coc", data_version="x"), "raw_coc changed", id="labels"),
        pytest.param(lambda w: set_receipt(w, "raw_coc", data_version=""), "raw_coc changed", id="labels failed"),
        pytest.param(lambda w: set_receipt(w, "filtered_coc", status="failed"), "not finished", id="failed"),
        pytest.param(lambda w: (folder(w) / RECEIPT).unlink(), "not finished", id="no receipt"),
        pytest.param(lambda w: (folder(w) / "measurements.parquet").unlink(), "not finished", id="no file"),
        pytest.param(other_code, "another version of the code", id="code"),
    ],
)  # fmt: skip
def test_what_was_not_measured_from_what_is_there_is_left_out_and_named(
    made_up: Workspace, spoil: Callable[[Workspace], None], said: str
) -> None:
    spoil(made_up)
    before = files_of(made_up)
    judged = judge(made_up, made_up.store.chunks(), "strict")
    assert judged.changed == ("0000", "0001", "0003")
    assert list(judged.left_out) == ["0002"]
    assert said in judged.left_out["0002"]
    assert f"coc run --store {made_up.store.root} --chunks 2 --select filtered_coc" in judged.left_out["0002"]
    left = {name: file for name, file in files_of(made_up).items() if "0002" in name}
    assert left == {name: file for name, file in before.items() if "0002" in name}
    assert list(diff_policies(made_up, made_up.store.chunks(), "default", "strict").left_out) == ["0002"]


def folder(workspace: Workspace) -> Path:
    return workspace.store.partition("filtered_coc", "0002")


def test_measurements_under_other_thresholds_are_left_out(made_up: Workspace) -> None:
    filtering = made_up.settings.filtering
    text = filtering.text.model_copy(update={"least_words": 9})
    changed = made_up.settings.model_copy(update={"filtering": filtering.model_copy(update={"text": text})})
    judged = judge(Workspace(changed), ["0000"], "strict")
    assert "other settings of the filtering section" in judged.left_out["0000"]


def test_measurements_judged_by_a_policy_of_ones_own_are_known_again(made_up: Workspace, own: str) -> None:
    judge(made_up, ["0000"], own)
    Path(own).unlink()
    assert judge(made_up, ["0000"], "strict").changed == ("0000",)


def test_a_chunk_without_labels_follows_and_has_not_changed(tmp_path: Path) -> None:
    workspace = Workspace(Settings(dataset=None, store=tmp_path / "store"))
    make_store(workspace, 1, 2)
    judged = judge(workspace, ["0000", "0001"], "strict")
    assert (tuple(judged.receipts), judged.changed) == (("0000", "0001"), ("0001",))
    assert is_fresh(under(workspace, "strict"), "filtered_coc", "0000")


def test_labels_of_equal_ids_in_two_chunks_are_told_apart(made_up: Workspace) -> None:
    """As where one dataset was copied under another chunk's name."""
    for source in ("raw_coc", "filtered_coc"):
        for path in made_up.store.partition(source, "0000").glob("*.parquet"):
            shutil.copyfile(path, made_up.store.partition(source, "0001") / path.name)
    store = made_up.store
    for table in (schemas.MEASUREMENTS, schemas.VERDICTS):
        rows = store.read_table(table, "0001").with_columns(chunk=pl.lit("0001"))
        rows = rows.with_columns(value=pl.lit(6.0)) if table is schemas.MEASUREMENTS else rows
        store.write_table(rows, table, store.table_path(table, "0001"), "0001")
    labels = store.read_table(schemas.RAW_COC, "0001", labeler="rules")
    store.write_table(labels, schemas.RAW_COC, store.table_path(schemas.RAW_COC, "0001", labeler="rules"), "0001")
    alone = judge(made_up, ["0000"], "strict").receipts["0000"].figures
    judge(made_up, ["0000"], "default")
    judged = judge(made_up, ["0000", "0001"], "strict")
    assert judged.receipts["0000"].figures == alone
    assert set(store.read_table(schemas.VERDICTS, "0001")["verdict"]) == {"reject"}


@pytest.fixture
def spoilt(monkeypatch: pytest.MonkeyPatch) -> Callable[[BaseException], None]:
    """Makes the writing of chunk 0002 end half-way."""
    write = Store.write_table

    def spoil(fault: BaseException) -> None:
        def failing(self: Store, frame: pl.DataFrame, table: schemas.Table, path: Path, chunk: str) -> None:
            if chunk == "0002" and table is schemas.REJECTS:
                raise fault
            write(self, frame, table, path, chunk)

        monkeypatch.setattr(Store, "write_table", failing)

    return spoil


def test_a_partition_that_cannot_be_written_is_named_and_the_others_go_on(
    made_up: Workspace, spoilt: Callable[[BaseException], None]
) -> None:
    spoilt(RuntimeError("no room"))
    judged = judge(made_up, made_up.store.chunks(), "strict")
    assert judged.changed == ("0000", "0001", "0003")
    assert list(judged.failed) == ["0002"]
    assert "no room" in judged.failed["0002"]
    receipt = read_receipt(made_up.store, "filtered_coc", "0002")
    assert receipt is not None
    assert (receipt.status, receipt.fingerprints) == ("failed", {})


def test_stopped_half_way_a_partition_claims_nothing_and_the_others_are_whole(
    made_up: Workspace, spoilt: Callable[[BaseException], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    spoilt(KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        judge(made_up, made_up.store.chunks(), "strict")
    assert read_receipt(made_up.store, "filtered_coc", "0002") is None
    monkeypatch.undo()
    judged = judge(made_up, made_up.store.chunks(), "strict")
    assert list(judged.left_out) == ["0002"]
    assert {*judged.fresh, *judged.changed} == {"0000", "0001", "0003"}


def test_dagster_hears_of_changed_partitions_and_of_no_run(made_up: Workspace) -> None:
    judged = judge(made_up, ["0001", "0002"], "strict")
    judged = replace(judged, changed=("0001",))
    with open_instance(made_up.store.root) as instance:
        report(instance, judged)
        assert instance.get_materialized_partitions(dg.AssetKey("filtered_coc")) == {"0001"}
        event = instance.get_latest_materialization_event(dg.AssetKey("filtered_coc"))
        assert event is not None and event.asset_materialization is not None
        said, receipt = event.asset_materialization, judged.receipts["0001"]
        assert said.tags == {"dagster/data_version": receipt.data_version}
        assert said.metadata["dagster/partition_row_count"].value == receipt.counts["filtered_coc"]
        assert said.metadata["policy"].value == judged.policy
        assert {name: said.metadata[name].value for name in receipt.figures} == receipt.figures
        assert instance.get_runs() == []


def test_diff_says_what_judging_would_change_and_writes_nothing(made_up: Workspace) -> None:
    before, chunks = files_of(made_up), made_up.store.chunks()
    diff = diff_policies(made_up, chunks, "default", "strict", examples=2)
    assert files_of(made_up) == before
    moved = {(row["before"], row["after"]): row["labels"] for row in diff.verdicts.to_dicts()}
    judged = judge(made_up, chunks, "strict")
    assert {pair: labels for pair, labels in moved.items() if pair[0] != pair[1]} == judged.moved
    assert sum(moved.values()) == verdicts_of(made_up).height
    assert (diff.before, diff.after) == (load_policy("default").version, judged.policy)
    assert diff.rules["labels"].sum() == sum(judged.moved.values())
    graver = diff.rules.filter((pl.col("before") == "review") & (pl.col("after") == "reject"))
    assert set(graver["rule_after"]) <= {rule.rule for rule in load_policy("strict").rules if rule.verdict == "reject"}


def test_diff_goes_by_duplicates_and_reviews_as_of_now_and_writes_nothing(made_up: Workspace) -> None:
    one, other = repeat_a_label(made_up)
    labels = made_up.store.read_labels("0002")
    append_reviews(made_up.store.reviews_path("0002"), [review(labels, 0, "reject")])
    before = sorted(path for path in made_up.store.root.rglob("*"))
    diff = diff_policies(made_up, made_up.store.chunks(), "keep-all", "strict", examples=100)
    assert sorted(path for path in made_up.store.root.rglob("*")) == before
    reasons = dict(diff.examples.select("label_id", "reasons_after").iter_rows())
    assert "near_duplicate" in reasons[one] and "near_duplicate" in reasons[other]
    reviewed = labels.filter(pl.col("status") == "ok")["label_id"].first()
    assert reviewed not in reasons  # people decided: final in both


def test_diff_shows_examples_of_each_move(made_up: Workspace) -> None:
    diff = diff_policies(made_up, made_up.store.chunks(), "default", "keep-all", examples=2)
    texts = pl.concat([made_up.store.read_labels(chunk) for chunk in made_up.store.chunks()])
    traces = dict(texts.select("label_id", "trace").iter_rows())
    counts = Counter(diff.examples.select("before", "after").iter_rows())
    assert counts.keys() == {("reject", "keep"), ("review", "keep")}
    assert max(counts.values()) == 2
    for row in diff.examples.to_dicts():
        assert row["trace"] == traces[row["label_id"]]
        assert row["reasons_before"] and not row["reasons_after"]


def test_diff_of_nothing(tmp_path: Path) -> None:
    diff = diff_policies(Workspace(Settings(dataset=None, store=tmp_path)), ["0000"], "default", "strict")
    assert (diff.verdicts.height, diff.rules.height, diff.examples.height) == (0, 0, 0)
    assert list(diff.left_out) == ["0000"]
