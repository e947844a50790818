"""`coc import` and the forms of `coc export` that it reads, as a user meets them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pytest
import yaml

from coc_assets.cli import main
from coc_assets.running import only_run_on
from resources import schemas
from resources.receipts import read_receipt
from resources.settings import load_settings
from resources.store import Store

TEXTS = ["trace", "perception", "prediction", "planning", "justification"]
FORMS = {
    "cot-yaml": "",
    "jsonl": "labels.jsonl",
    "ood-reasoning": "reasoning/ood_reasoning.parquet",
}


@pytest.fixture
def store(sample_store: Path, tmp_path: Path) -> Store:
    shutil.copytree(sample_store, tmp_path / "store")
    return Store(tmp_path / "store")


def labels_of(store: Store, labeler: str) -> pl.DataFrame:
    frames = [
        store.read_table(schemas.RAW_COC, chunk, labeler=labeler)
        for chunk in store.chunks()
        if labeler in store.labelers(chunk)
    ]
    return pl.concat(frames).sort("keyframe_id")


def kept_of(store: Store) -> pl.DataFrame:
    kept = [store.read_table(schemas.VERDICTS, chunk).filter(verdict="keep") for chunk in store.chunks()]
    return labels_of(store, "rules").join(pl.concat(kept), on="label_id", how="semi").sort("keyframe_id")


def keyframe(store: Store, chunk: str = "0000") -> dict[str, Any]:
    """A keyframe of the store amid its clip."""
    return store.read_table(schemas.KEYFRAMES, chunk).filter(pl.col("frame").is_between(40, 120)).row(0, named=True)


def bring(store: Store, path: Path, labeler: str = "theirs", *more: str) -> int:
    return main(["import", str(path), "--labeler", labeler, "--store", str(store.root), *more])


def lines(path: Path, *labels: dict[str, Any]) -> Path:
    path.write_text("".join(f"{json.dumps(label)}\n" for label in labels))
    return path


def line(at: dict[str, Any], trace: str | None = "Stop because the light is red", shift_us: int = 0) -> dict[str, Any]:
    return {"clip_id": at["clip_id"], "t0_us": at["t0_us"] + shift_us, "trace": trace}


@pytest.mark.parametrize("form", FORMS)
def test_what_is_exported_comes_back_with_the_same_texts_and_keyframes(
    store: Store, tmp_path: Path, form: str, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert main(["export", form, "--store", str(store.root), "--out", str(out)]) == 0
    assert bring(store, out / FORMS[form]) == 0
    sent, back = kept_of(store), labels_of(store, "theirs")
    assert sent.height > 10
    assert back.select("keyframe_id", "t0_us").equals(sent.select("keyframe_id", "t0_us"))
    texts = TEXTS[1:] if form == "jsonl" else TEXTS[:1]
    assert back.select(texts).equals(sent.select(texts))
    assert set(back["status"]) == {"ok"} and set(back["origin"]) == {"imported"}
    assert f"{sent.height} events read, {sent.height} labels of theirs taken in" in capsys.readouterr().out


def test_a_label_without_four_parts_survives_json_lines(store: Store, tmp_path: Path) -> None:
    """Labels from elsewhere have one text, which the four-part form has no place for."""
    at = keyframe(store)
    assert bring(store, lines(tmp_path / "in.jsonl", line(at))) == 0
    label = labels_of(store, "theirs").row(0, named=True)
    verdicts = store.read_table(schemas.VERDICTS, "0000")
    keep = verdicts.head(1).with_columns(
        label_id=pl.lit(label["label_id"]), labeler=pl.lit("theirs"), verdict=pl.lit("keep")
    )
    store.write_table(pl.concat([verdicts, keep]), schemas.VERDICTS, store.table_path(schemas.VERDICTS, "0000"), "0000")
    out = tmp_path / "out"
    assert main(["export", "jsonl", "--labeler", "theirs", "--store", str(store.root), "--out", str(out)]) == 0
    assert bring(store, out / "labels.jsonl", "again") == 0
    assert labels_of(store, "again")["trace"].to_list() == [label["trace"]]


def test_ood_reasoning_is_what_the_recipe_reads(
    store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["export", "ood-reasoning", "--store", str(store.root), "--out", str(tmp_path)]) == 0
    table = pd.read_parquet(tmp_path / "reasoning" / "ood_reasoning.parquet")
    assert table.index.name == "clip_id" and list(table.columns) == ["split", "feature", "event_cluster", "events"]
    kept = kept_of(store)
    assert set(table.index) == set(kept["clip_id"])
    events = [event for text in table["events"] for event in json.loads(text)]
    assert {event["cot"] for event in events} == {event["coc"] for event in events} == set(kept["trace"])
    frames = {event["event_start_timestamp"]: event["event_start_frame"] for event in events}
    keyframes = pl.concat([store.read_table(schemas.KEYFRAMES, chunk) for chunk in store.chunks()])
    assert frames.items() <= set(keyframes.select("t0_us", "frame").iter_rows())
    assert f"{kept.height} events of {len(table)} clips, none left out" in capsys.readouterr().out


def test_export_of_one_labeler(store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["export", "jsonl", "--store", str(store.root), "--out", str(tmp_path), "--labeler"]
    assert main([*command, "rules"]) == 0
    assert len((tmp_path / "labels.jsonl").read_text().splitlines()) == kept_of(store).height
    assert main([*command, "nobody"]) == 2
    assert "no labels of 'nobody'; it has those of rules" in capsys.readouterr().err
    assert main(["export", "keyframes", "--store", str(store.root), "--out", "x", "--labeler", "rules"]) == 2


def test_what_cannot_be_taken_in_is_counted_and_named(
    store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    at, tree = keyframe(store), tmp_path / "run"
    start = at["frame"] * schemas.FRAME_US
    for clip_id, name, document in (
        (at["clip_id"], start, {"effect_on_ego_behavior": "Stop <|im_end|> because 停 🚦"}),
        (at["clip_id"], start + 10_000, {"effect_on_ego_behavior": "Go"}),
        (at["clip_id"], start + 100_000, {"final_content": "Responsible AI Policy Violation."}),
        (at["clip_id"], start + 200_000, {"effect_on_ego_behavior": None}),
        (at["clip_id"], 99_000_000, {"effect_on_ego_behavior": "Go"}),
        ("unknown-clip", 5_000_000, {"effect_on_ego_behavior": "Go"}),
    ):
        (tree / clip_id).mkdir(parents=True, exist_ok=True)
        (tree / clip_id / f"cot_{name:08d}.yaml").write_text(yaml.safe_dump(document, allow_unicode=True))
    (tree / at["clip_id"] / "cot_1.yaml").write_bytes(b"{{{: :")
    assert bring(store, tree) == 1, "a file was unreadable"
    said = capsys.readouterr().out
    assert "7 events read, 3 labels of theirs taken in" in said
    assert "1 invalid, 1 ok, 1 refused" in said
    for reason in ("unreadable", "duplicate", "outside_the_clip", "not_in_the_store"):
        assert f"left out, {reason}: 1\n" in said
    assert f"{at['clip_id']}/cot_1.yaml" in said and f"coc run --dataset DIR --store {store.root}" in said
    assert labels_of(store, "theirs")["trace"].to_list() == [
        "Stop <|im_end|> because 停 🚦", "Responsible AI Policy Violation.", None
    ]  # fmt: skip


def test_clips_of_chunks_that_are_not_made_are_named_with_their_chunk(
    store: Store, sample: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    elsewhere = keyframe(store, "0001")
    for asset in store.root.glob("*/chunk=0001"):
        shutil.rmtree(asset)
    assert bring(store, lines(tmp_path / "in.jsonl", line(elsewhere), line(keyframe(store)))) == 0
    assert f"coc run --dataset {sample} --store {store.root} --chunks 1" in capsys.readouterr().out


def test_importing_again_replaces_all_labels_of_that_name(
    store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    both = [line(keyframe(store, chunk)) for chunk in ("0000", "0001")]
    before = {chunk: read_receipt(store, "raw_coc", chunk) for chunk in ("0000", "0001")}
    assert bring(store, lines(tmp_path / "both.jsonl", *both)) == 0
    assert bring(store, lines(tmp_path / "one.jsonl", both[0] | {"trace": "Yield to a pedestrian"})) == 0
    assert "taken out of chunk 0001" in capsys.readouterr().out
    assert labels_of(store, "theirs")["trace"].to_list() == ["Yield to a pedestrian"]
    assert store.labelers("0001") == ["rules"]
    after = read_receipt(store, "raw_coc", "0001")
    assert after and before["0001"] and after.outputs == before["0001"].outputs


def test_only_the_chunks_that_are_named_are_touched(store: Store, tmp_path: Path) -> None:
    both = [line(keyframe(store, chunk)) for chunk in ("0000", "0001")]
    assert bring(store, lines(tmp_path / "both.jsonl", *both)) == 0
    changed = [label | {"trace": "Yield to a pedestrian"} for label in both]
    assert bring(store, lines(tmp_path / "changed.jsonl", *changed), "theirs", "--chunks", "1") == 0
    traces = dict(labels_of(store, "theirs").select("chunk", "trace").iter_rows())
    assert traces == {"0000": both[0]["trace"], "0001": "Yield to a pedestrian"}


def test_an_import_of_nothing_leaves_the_store_as_it_is(store: Store, tmp_path: Path) -> None:
    assert bring(store, lines(tmp_path / "in.jsonl", line(keyframe(store)))) == 0
    (tmp_path / "broken.jsonl").write_text("{\n")
    assert bring(store, tmp_path / "broken.jsonl") == 1
    assert labels_of(store, "theirs").height == 1


def test_dagster_hears_of_it(store: Store, tmp_path: Path) -> None:
    import dagster as dg

    from coc_assets.instances import open_instance

    assert bring(store, lines(tmp_path / "in.jsonl", line(keyframe(store)))) == 0
    receipt = read_receipt(store, "raw_coc", "0000")
    with open_instance(store.root) as instance:
        records = instance.fetch_materializations(
            dg.AssetRecordsFilter(asset_key=dg.AssetKey("raw_coc"), asset_partitions=["0000"]), limit=1
        ).records
    told = records[0].asset_materialization
    assert told and receipt and told.tags is not None
    assert told.tags["dagster/data_version"] == receipt.data_version
    assert told.metadata["imported_labeler"].value == "theirs"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["gone", "--labeler", "theirs"], "There is no gone to import"),
        (["here", "--labeler", "theirs"], "holds no cot_*.yaml"),
        (["here/x.jsonl", "--labeler", "rules"], "Labels of 'rules' are made here"),
        (["here/x.jsonl", "--labeler", "a/b"], "cannot name a labeler"),
        (["here/x.jsonl", "--labeler", "theirs", "--chunks", "7"], "0007"),
    ],
)
def test_usage(
    store: Store,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    said: str,
) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "x.jsonl").touch()
    monkeypatch.chdir(tmp_path)
    assert main(["import", *arguments, "--store", str(store.root)]) == 2
    assert said in capsys.readouterr().err


def test_nothing_else_works_on_the_store_meanwhile(
    store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with only_run_on(load_settings(store=store.root)):
        assert bring(store, lines(tmp_path / "in.jsonl", line(keyframe(store)))) == 2
    assert "is at work on" in capsys.readouterr().err
    assert store.labelers("0000") == ["rules"]


def test_imported_labels_are_measured_judged_and_trained_on_wherever_they_lie(
    store: Store, sample: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    at = keyframe(store)
    made_here = labels_of(store, "rules")
    texts = [line(at), line(at, shift_us=333_333), line(at, "I'm sorry, I can't assist with that.", 700_000)]
    assert bring(store, lines(tmp_path / "in.jsonl", *texts)) == 0
    assert main(["status", "--store", str(store.root)]) == 0
    assert f"{made_here.height} labels" in capsys.readouterr().out

    monkeypatch.setenv("COC_SHARDS__LABELERS", '["theirs", "rules"]')
    monkeypatch.setenv("COC_FILTERING__POLICY", "keep-all")
    assert main(["run", "--dataset", str(sample), "--store", str(store.root), "--chunks", "0"]) == 0, "checks hold"
    own = f"{at['clip_id']}-{at['t0_us'] + 333_333:08d}"
    labels = labels_of(store, "theirs").filter(status="ok")
    assert labels["keyframe_id"].to_list() == [at["keyframe_id"], own]
    assert labels_of(store, "rules").equals(made_here)

    figures = store.read_table(schemas.MEASUREMENTS, "0000").join(labels, on="label_id", how="semi")
    named = {
        name: figures.filter(name=name)["value"].to_list() for name in ("keyframe_gone", "future_s", "longitudinal")
    }
    assert named["keyframe_gone"] == [0.0, 0.0]
    assert None not in named["future_s"] + named["longitudinal"]
    verdicts = store.read_table(schemas.VERDICTS, "0000").filter(labeler="theirs")
    assert verdicts["verdict"].to_list() == ["keep", "keep"]
    samples = store.read_table(schemas.SAMPLES, "0000").filter(labeler="theirs")
    assert samples["keyframe_id"].to_list() == [at["keyframe_id"], own]

    out = tmp_path / "out"
    assert main(["export", "cot-yaml", "--labeler", "theirs", "--store", str(store.root), "--out", str(out)]) == 0
    assert bring(store, out, "again") == 0
    assert labels_of(store, "again")["keyframe_id"].to_list() == [at["keyframe_id"], own], "to the microsecond"
