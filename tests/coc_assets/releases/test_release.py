from __future__ import annotations

import hashlib
import json
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import polars as pl
import pytest
import yaml

from coc_assets.cli import main
from coc_assets.releases.manifest import read_manifest
from coc_assets.releases.shards import plan_release
from coc_assets.training_shards import CoCShardDataset
from coc_assets.training_shards.plan import ShardPlanError
from resources.settings import Settings
from resources.settings.shards import ShardSettings
from tests.tree import tree


def release(store: Path, *arguments: str, name: str = "v1") -> int:
    return main(["release", name, "--store", str(store), *arguments])


def parts(folder: Path, pattern: str) -> Iterator[tuple[str, bytes]]:
    """Name and content of every member of every shard below a folder."""
    for path in sorted(folder.glob(pattern)):
        with tarfile.open(path) as shard:
            for member in shard:
                content = shard.extractfile(member)
                assert content is not None
                yield member.name, content.read()


def said(capsys: pytest.CaptureFixture[str]) -> str:
    return capsys.readouterr().err.replace("\n", " ")


def test_a_release_holds_every_sample_as_its_chunk_has_it(sample_store: Path, made: Path) -> None:
    assert dict(parts(made, "*.tar")) == dict(parts(sample_store, "training_shards/*/*.tar"))


def test_a_release_is_a_dataset_of_its_own(sample_store: Path, made: Path) -> None:
    released, chunks = CoCShardDataset(made), CoCShardDataset(sample_store)
    assert sorted(released.keys) == sorted(chunks.keys)
    key = released.keys[0].decode()
    at = (released.position_of(key), chunks.position_of(key))
    assert released[at[0]]["cot"] == chunks[at[1]]["cot"]
    assert released[at[0]]["ego_future_xyz"].equal(chunks[at[1]]["ego_future_xyz"])


def test_samples_are_mixed_over_chunks_and_counts_are_even(made: Path) -> None:
    samples = pl.read_parquet(made / "samples.parquet")
    index = pl.read_parquet(made / "index.parquet")
    assert index["key"].to_list() == samples["key"].to_list()
    counts = index.group_by("split", "shard").len().sort("shard")
    for (split,), of_split in counts.group_by("split"):
        assert of_split["len"].max() - of_split["len"].min() <= 1
        assert of_split.height == min(4, samples.filter(pl.col("split") == split).height)
    train = samples.filter(pl.col("split") == "train")["chunk"].to_list()
    assert train not in (sorted(train), sorted(train, reverse=True))


def test_repeat_and_processes_and_place_change_no_byte(
    sample_store: Path, made: Path, store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COC_RELEASE__SHARDS_MULTIPLE_OF", "4")
    assert release(sample_store, "--out", str(tmp_path / "again")) == 0
    assert release(store, "--jobs", "2") == 0
    assert tree(tmp_path / "again") == tree(made)
    assert tree(store / "releases/v1") == tree(made)


def test_the_manifest_tells_counts_sources_and_every_file(made: Path) -> None:
    manifest = read_manifest(made / "manifest.json")
    samples = pl.read_parquet(made / "samples.parquet")
    assert manifest["samples"] == samples.height
    assert {name: one["samples"] for name, one in manifest["splits"].items()} == dict(
        samples["split"].value_counts().iter_rows()
    )
    for split, counts in manifest["counts"].items():
        of_split = samples.filter(pl.col("split") == split)
        for column in ("longitudinal_decision", "lateral_decision", "labeler", "action", "scenario"):
            assert counts[column] == dict(of_split[column].fill_null("none").value_counts().iter_rows())
    assert set(manifest["sources"]["chunks"]) == {"0000", "0001"}
    assert set(manifest["sources"]["chunks"]["0000"]) == set(manifest["sources"]["code"])
    assert manifest["sources"]["labels"] == [
        {"labeler": "rules", "model": None, "prompt_version": samples["prompt_version"][0],
         "policy_version": samples["policy_version"][0], "samples": samples.height}
    ]  # fmt: skip
    present = {path.relative_to(made).as_posix(): path for path in made.rglob("*") if path.is_file()}
    named = manifest["files"] | manifest["shards"]
    assert set(named) == set(present) - {"manifest.json"}
    for name, facts in named.items():
        data = present[name].read_bytes()
        assert (facts["sha256"], facts["bytes"]) == (hashlib.sha256(data).hexdigest(), len(data)), name


def test_nothing_in_a_release_tells_of_this_machine(made: Path, sample: Path, sample_store: Path) -> None:
    for path in made.rglob("*"):
        if path.is_file():
            data = path.read_bytes()
            for place in (sample.parent, sample_store.parent, made.parent, Path.home()):
                assert str(place).encode() not in data, (path, place)


def test_the_texts_of_the_samples_are_known_by_their_hash(made: Path) -> None:
    dataset = CoCShardDataset(made)
    for key, text_hash in pl.read_parquet(made / "samples.parquet").select("key", "cot_sha256").iter_rows():
        assert hashlib.sha256(dataset[dataset.position_of(key)]["cot"].encode()).hexdigest() == text_hash


def test_a_cap_a_weight_and_a_target_leave_samples_out_with_their_reason(
    sample_store: Path, made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rules = [{"by": "scene", "cap": 2, "splits": []}, {"by": "lateral_decision", "weights": {"turn": 0}, "splits": []}]
    monkeypatch.setenv("COC_RELEASE__BALANCE", json.dumps(rules))
    monkeypatch.setenv("COC_RELEASE__TARGET_COUNT", "9")
    assert release(sample_store, "--out", str(tmp_path / "v2"), name="v2") == 0
    samples = pl.read_parquet(tmp_path / "v2/samples.parquet")
    left_out = pl.read_parquet(tmp_path / "v2/left_out.parquet")
    everything = pl.read_parquet(made / "samples.parquet")
    assert samples.height == 9
    assert samples.group_by("split", "scenario").len()["len"].max() <= 2
    assert "turn" not in samples["lateral_decision"]
    assert sorted([*samples["key"], *left_out["key"]]) == sorted(everything["key"])
    told = read_manifest(tmp_path / "v2/manifest.json")["left_out"]
    assert told == dict(left_out["reason"].value_counts().sort("reason").iter_rows())
    assert "left out: " + ", ".join(f"{count} {reason}" for reason, count in told.items()) in capsys.readouterr().out


def test_a_class_that_there_is_not_is_a_usage_error(
    sample_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COC_RELEASE__BALANCE", '[{"by": "scene", "caps": {"parade": 2}}]')
    assert release(sample_store, "--out", str(tmp_path / "v2")) == 2
    assert "release.balance by scene names 'parade', which is no class. The samples have: " in said(capsys)
    assert list(tmp_path.glob("*v2*")) == []


def test_chunks_that_are_not_finished_are_refused_or_left_out(
    store: Path, sample: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (store / "filtered_coc/chunk=0001/receipt.json").unlink()
    assert release(store) == 2
    message = said(capsys)
    assert "1 chunk is not ready to be released: chunk 0001: training_shards is stale, because filtered_coc" in message
    assert f"Make them: coc run --dataset {sample} --store {store} --chunks 1" in message
    assert not (store / "releases").exists()
    assert release(store, "--finished-only") == 0
    assert "chunk 0001 left out: training_shards is stale" in said(capsys)
    assert set(pl.read_parquet(store / "releases/v1/samples.parquet")["chunk"]) == {"0000"}
    assert list(read_manifest(store / "releases/v1/manifest.json")["sources"]["chunks"]) == ["0000"]


def test_a_failed_check_or_another_form_than_the_chunks_have_is_refused(
    store: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = store / "training_shards/chunk=0000/receipt.json"
    receipt = json.loads(path.read_bytes())
    receipt["checks"]["shards_equal_their_manifest"] |= {"passed": False, "severity": "ERROR"}
    path.write_text(json.dumps(receipt))
    assert release(store) == 2
    assert "chunk 0000: checks failed: shards_equal_their_manifest" in said(capsys)
    assert release(store, "--chunks", "1") == 0
    monkeypatch.setenv("COC_SHARDS__FORMATS", '["wds", "jsonl"]')
    assert release(store, "--chunks", "1", name="v2") == 2
    assert "chunk 0001: training_shards is stale" in said(capsys)


def test_a_release_is_never_written_over_another(
    made: Path, sample_store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = tree(made)
    assert release(sample_store, "--out", str(made)) == 2
    assert f"{made} is there already. A release never changes: choose another name" in said(capsys)
    assert tree(made) == before


@pytest.mark.parametrize("name", ["../up", ".hidden", "a/b", "", "x" * 65])
def test_names_that_are_no_folder_names_are_usage_errors(
    name: str, sample_store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert release(sample_store, name=name) == 2
    assert "cannot name a release" in said(capsys)


def _damage(shard: Path) -> None:
    data = bytearray(shard.read_bytes())
    data[700] ^= 1
    shard.write_bytes(data)


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_damage_in_a_chunk_is_named_and_leaves_nothing_of_the_release(
    jobs: str, store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shard = next((store / "training_shards/chunk=0001").glob("train-*.tar"))
    _damage(shard)
    assert release(store, "--jobs", jobs) == 1
    message = said(capsys)
    index = pl.read_parquet(shard.parent / "index.parquet", hive_partitioning=False)
    row = index.filter((pl.col("shard") == shard.name) & (pl.col("offset") == 0)).row(0, named=True)
    assert f"{shard} is damaged in sample {row['key']}: bytes 0 to {row['size'] - 1} are not" in message
    assert f"--store {store} --chunks 1 --select training_shards --force" in message
    assert list((store / "releases").iterdir()) == []


def test_the_command_that_a_damaged_chunk_names_mends_it(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shard = next((store / "training_shards/chunk=0001").glob("train-*.tar"))
    _damage(shard)
    assert release(store) == 1
    mend = said(capsys).rpartition("coc ")[2].split()
    assert main(mend) == 0
    assert release(store) == 0


@pytest.mark.parametrize(
    "table", ["training_shards/chunk=0000/samples.parquet", "raw_coc/chunk=0000/labeler=rules.parquet"]
)
def test_a_damaged_table_is_named_and_not_opened(table: str, store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _damage(store / table)
    assert release(store) == 1
    message = said(capsys)
    assert f"{store / table} is not as it was written. Nothing was released." in message
    assert f"--chunks 0 --select {table.partition('/')[0]} --force" in message


def test_a_missing_shard_is_named(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for shard in (store / "training_shards/chunk=0001").glob("*.tar"):
        shard.unlink()
    assert release(store) == 2
    assert "chunk 0001: training_shards is stale" in said(capsys)


def _resample(path: Path, samples: pl.DataFrame) -> None:
    """Other samples, with a receipt that says so."""
    samples.write_parquet(path)
    receipt = json.loads((path.parent / "receipt.json").read_bytes())
    receipt["outputs"][path.name] = hashlib.sha256(path.read_bytes()).hexdigest()
    (path.parent / "receipt.json").write_text(json.dumps(receipt))


def _moved_to_chunk_one(store: Path) -> str:
    """Gives a clip of chunk 0000 to chunk 0001 as well, in its samples alone."""
    first, second = (store / f"training_shards/chunk={chunk}/samples.parquet" for chunk in ("0000", "0001"))
    row = pl.read_parquet(first, hive_partitioning=False).head(1).with_columns(chunk=pl.lit("0001"))
    _resample(second, pl.concat([pl.read_parquet(second, hive_partitioning=False), row]))
    return str(row["clip_id"][0])


def _split_in_two(store: Path) -> str:
    path = store / "training_shards/chunk=0000/samples.parquet"
    samples = pl.read_parquet(path, hive_partitioning=False)
    clip_id = samples.filter(pl.col("clip_id").is_duplicated())["clip_id"][0]
    first = samples["keyframe_id"] == samples.filter(pl.col("clip_id") == clip_id)["keyframe_id"][0]
    _resample(path, samples.with_columns(split=pl.when(first).then(pl.lit("other")).otherwise("split")))
    return str(clip_id)


@pytest.mark.parametrize(
    ("change", "what"), [(_moved_to_chunk_one, "chunks 0000 and 0001"), (_split_in_two, "splits other and ")]
)
def test_a_clip_in_two_chunks_or_splits_is_refused(
    change: Callable[[Path], str], what: str, store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clip_id = change(store)
    assert release(store) == 2
    assert f"Clip {clip_id} lies in {what}" in said(capsys)


def test_a_set_without_samples_is_refused(
    sample_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COC_RELEASE__BALANCE", '[{"by": "scene", "cap": 0, "splits": []}]')
    assert release(sample_store, "--out", str(tmp_path / "none")) == 2
    assert "release.balance leaves none of" in said(capsys)


def test_shards_are_planned_by_split_and_none_exceeds_the_ceiling() -> None:
    settings = Settings(shards=ShardSettings(shard_bytes=10_240, max_shard_bytes=10_240))
    assert [shard.name for shard in plan_release({"val": [4096] * 3, "train": [9216]}, settings)] == [
        "train-000000.tar", "val-000000.tar", "val-000001.tar",
    ]  # fmt: skip
    with pytest.raises(ShardPlanError, match=r"exceeds shards\.max_shard_bytes=10240"):
        plan_release({"train": [10_240]}, settings)


def test_card_and_datasheet_tell_of_the_set(made: Path) -> None:
    text = (made / "README.md").read_text()
    manifest = read_manifest(made / "manifest.json")
    front = yaml.safe_load(text.split("---\n")[1])
    assert front["license"] == "other"
    assert {one["path"] for one in front["configs"][0]["data_files"]} == {
        f"{split}-*.tar" for split in manifest["splits"]
    }
    for path in sorted((made / "plots").iterdir()):
        assert f"](plots/{path.name})" in text
    for split, one in manifest["splits"].items():
        assert f"| {split} | {one['samples']} | {one['clips']} | {len(one['shards'])} |" in text
    assert manifest["sources"]["labels"][0]["policy_version"] in text
    sheet = json.loads((made / "datasheet.json").read_bytes())
    assert [section["section"] for section in sheet["sections"]] == [
        "motivation", "composition", "collection_process", "preprocessing", "uses", "distribution", "maintenance",
    ]  # fmt: skip
    composition = sheet["sections"][1]["questions"]
    instances = next(one for one in composition if "How many instances" in one["question"])
    assert instances["answer"] == f"{manifest['samples']} samples of {manifest['clips']} clips."
    assert instances["figures"]["samples"] == manifest["samples"]
    latest_us = max(pl.read_parquet(made / "samples.parquet")["t0_us"])
    assert sheet["figures"]["t0_s"]["max"] == round(latest_us / 1e6, 3)
