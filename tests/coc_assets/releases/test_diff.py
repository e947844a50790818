from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from coc_assets.cli import main
from coc_assets.releases.diff import Side, diff, open_release
from coc_assets.training_shards import CoCShardDataset
from resources.settings import Settings


def side(folder: Path) -> Side:
    return open_release(Settings(), str(folder))


def told(store: Path, before: str, after: str, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    capsys.readouterr()
    assert main(["diff", before, after, "--store", str(store), "--format", "json"]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_a_release_does_not_differ_from_its_copy(made: Path, copied: Path) -> None:
    found = diff(side(made), side(copied), examples=3)
    samples = pl.read_parquet(made / "samples.parquet").height
    assert found.totals == {"samples_before": samples, "samples_after": samples, "added": 0, "removed": 0, "moved": 0,
                            "relabelled": 0, "other_bytes": 0}  # fmt: skip
    assert found.settings.is_empty()
    assert found.versions.is_empty()
    assert found.examples.is_empty()


def test_each_change_is_counted_where_it_belongs(made: Path) -> None:
    before = side(made)
    keys = before.samples["key"].to_list()
    gone, new, moved, relabelled, reworded, repacked = keys[:6]

    def where(key: str, then: str, column: str) -> pl.Expr:
        return pl.when(pl.col("key") == key).then(pl.lit(then)).otherwise(column).alias(column)

    changed = before.samples.filter(pl.col("key") != gone).with_columns(
        where(moved, "other", "split"),
        where(relabelled, "another", "label_id"),
        where(reworded, "another", "cot_sha256"),
        crc32=pl.when(pl.col("key") == repacked).then(pl.col("crc32") + 1).otherwise("crc32"),
    )
    after = Side(made, before.manifest, changed)
    without_new = Side(made, before.manifest, before.samples.filter(pl.col("key") != new))
    found = diff(without_new, after, examples=9)
    change_of = {(row["change"], row["key"]) for row in found.examples.to_dicts()}
    assert change_of == {("removed", gone), ("added", new), ("moved", moved), ("relabelled", relabelled),
                         ("relabelled", reworded), ("other_bytes", repacked)}  # fmt: skip
    by_split = {row["split"]: row for row in found.counts["split"].to_dicts()}
    assert by_split["other"] | {"before": 0, "after": 1, "moved": 1} == by_split["other"]
    for counts in found.counts.values():
        assert counts.select("added", "removed", "moved", "relabelled", "other_bytes").sum().row(0) == (1, 1, 1, 2, 1)
        assert counts["after"].sum() == changed.height


def test_examples_tell_both_texts_where_the_shards_are_there(made: Path, copied: Path) -> None:
    before = side(made)
    key = before.samples["key"][0]
    renamed = pl.when(pl.col("key") == key).then(pl.lit("another")).otherwise("label_id")
    text = CoCShardDataset(made)[CoCShardDataset(made).position_of(key)]["cot"]
    for shard in copied.glob("*.tar"):
        shard.unlink()
    after = Side(copied, before.manifest, before.samples.with_columns(label_id=renamed))
    row = diff(before, after, examples=1).examples.row(0, named=True)
    assert (row["change"], row["key"], row["text_before"], row["text_after"]) == ("relabelled", key, text, None)


def test_a_cap_a_split_and_a_policy_show_in_the_diff(
    store: Path, sample: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["release", "v1", "--store", str(store)]) == 0
    with monkeypatch.context() as capped:
        capped.setenv("COC_RELEASE__BALANCE", '[{"by": "decision", "cap": 1, "splits": []}]')
        assert main(["release", "v2", "--store", str(store)]) == 0
    found = told(store, "v1", "v2", capsys)
    totals = found["totals"]
    assert totals["removed"] == totals["samples_before"] - totals["samples_after"] > 0
    assert totals["added"] == totals["relabelled"] == totals["other_bytes"] == 0
    assert [row["key"] for row in found["settings"]] == ["release.balance"]

    monkeypatch.setenv("COC_FILTERING__POLICY", "keep-all")
    monkeypatch.setenv("COC_SHARDS__SPLIT_BY", "hash")
    monkeypatch.setenv("COC_SHARDS__SPLITS", '{"all": 1.0}')
    assert main(["release", "v3", "--store", str(store)]) == 2
    assert main(["run", "--dataset", str(sample), "--store", str(store)]) == 0
    assert main(["release", "v3", "--store", str(store)]) == 0
    found = told(store, str(store / "releases/v1"), "v3", capsys)
    assert found["totals"]["moved"] == found["totals"]["samples_before"]
    assert found["totals"]["samples_after"] - found["totals"]["samples_before"] == found["totals"]["added"]
    changed = {row["key"]: (row["before"], row["after"]) for row in found["settings"]}
    assert changed["shards.split_by"] == ("dataset", "hash")
    assert changed["filtering.policy"][0].startswith("default@")
    assert changed["filtering.policy"][1].startswith("keep-all@")
    assert any("policy=keep-all@" in row["what"] for row in found["versions"])
    assert main(["diff", "v1", "v3", "--store", str(store), "--examples", "1"]) == 0
    out = capsys.readouterr().out
    assert "by split" in out
    assert "shards.split_by" in out


def test_a_release_that_there_is_not_or_is_damaged_is_a_usage_error(
    store: Path, copied: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["diff", str(copied), "v9", "--store", str(store)]) == 2
    assert "No release 'v9': neither in" in capsys.readouterr().err.replace("\n", " ")
    (copied / "manifest.json").write_text("{}")
    assert main(["diff", str(copied), str(copied), "--store", str(store)]) == 2
    assert f"What is amiss: coc verify {copied}" in capsys.readouterr().err.replace("\n", " ")
