"""Labels from a model, end to end: `coc run --labeler`, the asking process, the journal, and what is left behind."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml

from coc_assets.cli import ASSETS, main
from coc_assets.raw_coc.vlm.keeper import AskingProcess, Job
from coc_assets.stage import StageError
from resources.journal import read_journal
from resources.settings import load_settings
from resources.store import Store
from tests.chat_stub import ChatStub, Faults
from tests.chat_stub.faults import ANSWER_FAULTS
from tests.model_answers import ANSWERS

UPSTREAM = list(ASSETS[: ASSETS.index("raw_coc")])
SECRET = "sk-verysecret0123456789abcdef"
PRICE = {"input_usd": 1.0, "output_usd": 10.0}
QUICK = {"base_s": 0.001, "cap_s": 0.01}


@pytest.fixture
def stub() -> Iterator[ChatStub]:
    with ChatStub(answers=ANSWERS) as server:
        yield server


Run = Callable[..., int]


@pytest.fixture
def store(filmed: tuple[Path, Path], tmp_path: Path) -> Store:
    shutil.copytree(filmed[1], tmp_path / "store")
    return Store(tmp_path / "store")


@pytest.fixture
def coc(filmed: tuple[Path, Path], store: Store, stub: ChatStub, tmp_path: Path, monkeypatch: Any) -> Run:
    """`coc run --labeler stub` on the store, with settings of the test's own."""
    monkeypatch.setenv("STUB_KEY", SECRET)
    monkeypatch.setenv("COC_CONFIG", str(tmp_path / "coc.yaml"))

    def run(*arguments: str, labeler: str = "stub", model: dict | None = None, **settings: Any) -> int:
        served = {"backend": "server", "base_url": stub.base_url, "api_key_env": "STUB_KEY", "timeout_s": 5.0}
        alias = {"model": "stub-model", "price": PRICE, **served, **(model or {})}
        models = {"retry": QUICK, **{"aliases": {"stub": alias, "other": alias}, **settings.pop("models", {})}}
        (tmp_path / "coc.yaml").write_text(yaml.safe_dump({"models": models, **settings}))
        dataset = ["--dataset", str(filmed[0]), "--store", str(store.root)]
        return main(["run", *dataset, "--labeler", labeler, *arguments])

    return run


def labels(store: Store, labeler: str = "stub") -> pl.DataFrame:
    return pl.read_parquet(store.partition("raw_coc", "0000") / f"labeler={labeler}.parquet")


def statuses(store: Store) -> Counter[str]:
    return Counter(labels(store)["status"].to_list())


def keyframes(store: Store) -> int:
    return pl.read_parquet(store.partition("keyframe_segments", "0000") / "keyframes.parquet").height


def test_a_chunk_is_labelled_judged_and_packed(coc: Run, store: Store, stub: ChatStub) -> None:
    assert coc() == 0
    assert statuses(store) == {"ok": keyframes(store)}
    made = labels(store)
    assert set(made["model"]) == {"stub-model"}
    assert made["components"].list.len().min() == 1
    assert (made["cost_usd"] > 0).all() and (made["prompt_tokens"] > 0).all()
    verdicts = pl.read_parquet(store.partition("filtered_coc", "0000") / "filtered_coc.parquet")
    assert verdicts.height == made.height
    samples = pl.read_parquet(store.partition("training_shards", "0000") / "samples.parquet")
    assert samples.height == verdicts.filter(pl.col("verdict") == "keep").height > 0
    assert set(samples["labeler"]) == {"stub"}
    assert set(stub.asked.values()) == {1}
    assert not (store.partition("raw_coc", "0000") / "media").exists()


def test_the_status_of_a_store_goes_by_the_labeler_that_it_has(coc: Run, store: Store, capsys: Any) -> None:
    assert coc() == 0
    capsys.readouterr()
    assert main(["status", "--store", str(store.root)]) == 0
    said = capsys.readouterr().out
    assert "stale" not in said
    assert "labeler: stub" in said


def test_history_alone_is_shown_to_the_first_pass_and_all_to_the_second(coc: Run, store: Store, stub: ChatStub) -> None:
    assert coc() == 0
    pictures = {"see": set(), "decide": set()}
    for seen in stub.chats:
        body = seen.body
        parts = [part for message in body["messages"] if message["role"] == "user" for part in message["content"]]
        name = body["response_format"]["json_schema"]["name"]
        if name in pictures:
            pictures[name].add(sum(part["type"] == "image_url" for part in parts))
            assert parts[0]["type"] == "text" and parts[-1]["type"] == "image_url"
    assert pictures["see"] == {5}
    assert max(pictures["decide"]) == 16


def test_a_second_run_asks_nothing(coc: Run, store: Store, stub: ChatStub) -> None:
    assert coc() == 0
    asked = stub.asked.total()
    assert coc() == 0
    assert coc("--force", "--select", "raw_coc") == 0
    assert stub.asked.total() == asked


def test_the_table_is_rebuilt_from_the_journal_byte_for_byte(coc: Run, store: Store, stub: ChatStub) -> None:
    assert coc("--select", "raw_coc") == 0
    partition = store.partition("raw_coc", "0000")
    before = (partition / "labeler=stub.parquet").read_bytes()
    asked = stub.asked.total()
    for name in ("labeler=stub.parquet", "receipt.json"):
        (partition / name).unlink()
    assert coc("--select", "raw_coc") == 0
    assert (partition / "labeler=stub.parquet").read_bytes() == before
    assert stub.asked.total() == asked


def test_a_changed_prompt_asks_only_what_it_touches(coc: Run, store: Store, stub: ChatStub, tmp_path: Path) -> None:
    assert coc("--select", "raw_coc") == 0
    before, kept = stub.asked, labels(store)
    (tmp_path / "prompts").mkdir()
    (tmp_path / "prompts" / "decide.yaml").write_text("version: 2\nsystem: Decide anew.\n")
    assert coc("--select", "raw_coc", "--yes", labels={"vlm": {"prompts": str(tmp_path / "prompts")}}) == 0
    new = stub.asked - before
    assert new.total() >= keyframes(store)
    again = {seen.body["response_format"]["json_schema"]["name"] for seen in stub.chats[before.total() :]}
    assert "see" not in again
    assert set(labels(store)["label_id"]).isdisjoint(kept["label_id"])


def test_two_labelers_live_side_by_side(coc: Run, store: Store, stub: ChatStub, capsys: Any) -> None:
    assert coc("--select", "raw_coc") == 0
    bytes_ = (store.partition("raw_coc", "0000") / "labeler=stub.parquet").read_bytes()
    assert coc("--select", "raw_coc", labeler="other") == 0
    assert coc("--select", "raw_coc", labeler="rules") == 0
    assert store.labelers("0000") == ["other", "rules", "stub"]
    assert (store.partition("raw_coc", "0000") / "labeler=stub.parquet").read_bytes() == bytes_
    capsys.readouterr()
    agreed = "SELECT count(*) AS n FROM raw_coc a JOIN raw_coc b USING (keyframe_id) WHERE a.labeler < b.labeler"
    assert main(["sql", "--store", str(store.root), "--format", "json", agreed]) == 0
    assert json.loads(capsys.readouterr().out) == [{"n": 3 * keyframes(store)}]


def test_decisions_that_contradict_the_measured_lane_manoeuvres_are_asked_about_again(
    filmed: tuple[Path, Path], coc: Run, store: Store, stub: ChatStub
) -> None:
    from coc_assets.raw_coc.vlm.contradiction import lateral_prior
    from coc_assets.raw_coc.vlm.labelling import prepare
    from coc_assets.stage import Workspace

    assert coc("--select", "raw_coc") == 0
    alias = {"stub": {"backend": "server", "base_url": stub.base_url, "model": "stub-model"}}
    settings = load_settings(dataset=filmed[0], store=store.root, labeler="stub", models={"aliases": alias})
    views = prepare(Workspace(settings), "0000").views
    moved = {view.keyframe_id for view in views if lateral_prior(view.timeline)}
    assert set(labels(store).filter(pl.col("repair") == "unresolved")["keyframe_id"]) == moved


def test_a_server_that_is_down_fails_the_chunk_at_once_and_clearly(
    coc: Run, store: Store, stub: ChatStub, capsys: Any
) -> None:
    assert coc("--select", "raw_coc", model={"base_url": "http://127.0.0.1:9/v1"}) == 1
    said = capsys.readouterr().err
    assert "http://127.0.0.1:9/v1 did not answer" in said and "Start the server" in said
    assert not (store.partition("raw_coc", "0000") / "labeler=stub.parquet").exists()
    assert coc("--select", "raw_coc") == 0
    assert statuses(store) == {"ok": keyframes(store)}


def test_used_up_quota_stops_the_chunk_and_records_nothing(coc: Run, store: Store, stub: ChatStub, capsys: Any) -> None:
    stub.faults = Faults(["no_quota"], 1.0)
    assert coc("--select", "raw_coc") == 1
    assert "quota" in capsys.readouterr().err
    assert read_journal(store.journal_path("0000", "stub")).entries == {}


def test_faults_of_all_kinds_end_with_every_keyframe_in_a_state(coc: Run, store: Store, stub: ChatStub) -> None:
    kinds = ("rate_limit", "server_error", "overloaded", "reset", "drop", "garbage", "bad_request", "policy", "hang")
    stub.faults = Faults([*kinds, *ANSWER_FAULTS], 0.2, retry_after_s=0.01)
    more = {"keyframes": {"mode": "span_start"}}
    assert coc("--select", *UPSTREAM, **more) == 0
    assert coc("--select", "raw_coc", model={"timeout_s": 0.5}, **more) == 0
    found = labels(store)
    assert found["keyframe_id"].n_unique() == found.height == keyframes(store)
    assert set(found["status"]) <= {"ok", "refused", "invalid", "error"}
    assert found.filter(pl.col("status") != "ok")["reason"].is_not_null().all()
    assert (found["attempts"] >= 1).all()


def test_what_is_invalid_is_asked_again_on_request_and_nothing_else(coc: Run, store: Store, stub: ChatStub) -> None:
    spoilt: list[object] = []

    def one_never(body: dict) -> str:
        spoilt.append(body["messages"][1])
        return "no JSON at all" if body["messages"][1] == spoilt[0] else str(ANSWERS["decide"](body))

    stub.answers["decide"] = one_never
    assert coc("--select", "raw_coc") == 0
    assert statuses(store)["invalid"] == 1
    kept = labels(store).filter(pl.col("status") == "ok")
    before = stub.asked
    stub.answers["decide"] = ANSWERS["decide"]
    assert coc("--select", "raw_coc", "--retry", "invalid,error") == 0
    assert statuses(store) == {"ok": keyframes(store)}
    assert (stub.asked - before).total() == 1
    assert labels(store).join(kept, on="label_id", how="semi").equals(kept)


def test_retry_wants_labels_that_are_up_to_date(
    coc: Run, store: Store, stub: ChatStub, tmp_path: Path, capsys: Any
) -> None:
    stub.faults = Faults(["policy"], 1.0)
    assert coc("--select", "raw_coc") == 0
    asked = stub.asked.total()
    (tmp_path / "prompts").mkdir()
    (tmp_path / "prompts" / "see.yaml").write_text("version: 2\nsystem: Look anew.\n")
    new = {"labels": {"vlm": {"prompts": str(tmp_path / "prompts")}}}
    assert coc("--select", "raw_coc", "--retry", "refused", **new) == 2
    assert "out of date" in capsys.readouterr().err
    assert stub.asked.total() == asked


def test_a_server_that_rejects_everything_leaves_no_labels(coc: Run, store: Store, stub: ChatStub) -> None:
    stub.faults = Faults(["bad_request"], 1.0)
    assert coc("--select", "raw_coc") == 1
    assert read_journal(store.journal_path("0000", "stub")).entries == {}
    stub.faults = Faults([], 0.0)
    assert coc("--select", "raw_coc") == 0
    assert statuses(store) == {"ok": keyframes(store)}


def test_a_refusal_is_a_state_and_never_a_label(coc: Run, store: Store, stub: ChatStub) -> None:
    stub.faults = Faults(["policy"], 1.0)
    assert coc() == 0
    assert statuses(store) == {"refused": keyframes(store)}
    assert labels(store)["trace"].is_null().all()
    assert pl.read_parquet(store.partition("training_shards", "0000") / "samples.parquet").height == 0


def test_a_budget_is_not_passed_and_the_rest_can_follow(coc: Run, store: Store, stub: ChatStub) -> None:
    assert coc("--select", "raw_coc", "--budget", "0.05", model={"max_tokens": 500}) == 0
    spent = labels(store)["cost_usd"].sum()
    over = statuses(store)["over_budget"]
    assert 0 < over < keyframes(store)
    assert 0 < spent <= 0.05
    before = stub.asked
    assert coc("--select", "raw_coc", "--budget", "5", "--retry", "over_budget", model={"max_tokens": 500}) == 0
    assert statuses(store) == {"ok": keyframes(store)}
    assert max(stub.asked.values()) == 1
    assert (stub.asked - before).total() >= over


def test_a_budget_without_a_price_is_a_usage_error(coc: Run, capsys: Any) -> None:
    assert coc("--budget", "5", labeler="gpt5") == 2
    assert "models.aliases.gpt5.price" in capsys.readouterr().err


def test_a_dry_run_asks_nothing_and_counts_what_is_left(coc: Run, store: Store, stub: ChatStub, capsys: Any) -> None:
    assert coc("--dry-run") == 0
    said = capsys.readouterr().out
    assert f"{keyframes(store)} keyframes, 0 answered" in said
    assert f"{2 * keyframes(store)}" in said
    assert stub.asked.total() == 0
    assert coc("--select", "raw_coc") == 0
    capsys.readouterr()
    assert coc("--dry-run") == 0
    assert f"{keyframes(store)} answered" in capsys.readouterr().out


def test_costs_are_told_by_run_model_and_chunk(coc: Run, store: Store, stub: ChatStub, capsys: Any) -> None:
    assert coc("--select", "raw_coc") == 0
    assert coc("--select", "raw_coc", labeler="other") == 0
    spent = labels(store)["cost_usd"].sum() + labels(store, "other")["cost_usd"].sum()
    for by, rows in (("run", 2), ("model", 1), ("chunk", 1), ("labeler", 2)):
        capsys.readouterr()
        assert main(["cost", "--store", str(store.root), "--by", by, "--format", "json"]) == 0
        told = json.loads(capsys.readouterr().out)
        assert len(told) == rows
        assert sum(row["cost_usd"] for row in told) == pytest.approx(spent)


def test_no_secret_is_left_anywhere(coc: Run, store: Store, stub: ChatStub, capfd: Any) -> None:
    stub.faults = Faults(["unauthorized"], 1.0)  # the stub repeats the key in what it says
    assert coc() == 1
    stub.faults = Faults(["bad_request", "server_error"], 0.3)
    assert coc() == 0
    assert any(seen.headers.get("authorization") == f"Bearer {SECRET}" for seen in stub.chats)
    said = "".join(capfd.readouterr())
    assert "stub" in said
    assert SECRET not in said
    assert [str(path) for path in files(store.root) if holds(path, SECRET)] == []


def files(root: Path) -> list[Path]:
    return [path for path in root.rglob("*") if path.is_file()]


def holds(path: Path, secret: str) -> bool:
    if secret.encode() in path.read_bytes():
        return True
    if path.suffix != ".parquet":
        return False
    return secret in json.dumps(pl.read_parquet(path).to_dicts(), default=str)


def test_a_model_labeler_takes_a_slot_of_its_pool_and_rules_does_not(coc: Run, store: Store) -> None:
    from coc_assets.definitions import build_definitions
    from coc_assets.stage import Workspace
    from resources.settings import Settings

    def pool(labeler: str) -> str | None:
        definitions = build_definitions(Workspace(Settings(labeler=labeler)))
        return definitions.resolve_assets_def("raw_coc").op.pool

    assert coc("--select", "raw_coc") == 0
    assert pool("rules") is None
    assert pool("qwen3.5_35b") == "vlm"
    (database,) = (store.dagster_home / "history" / "runs").glob("index.db")
    with sqlite3.connect(database) as connection:
        held = connection.execute("SELECT count(*) FROM concurrency_slots WHERE run_id IS NOT NULL").fetchone()
    assert held == (0,)


def test_a_chunk_is_labelled_by_batches(coc: Run, store: Store, stub: ChatStub, capsys: Any) -> None:
    by_batch = {"models": {"batch": True, "batch_poll_s": 0.01}}
    assert coc("--select", "raw_coc", **by_batch) == 0
    assert statuses(store) == {"ok": keyframes(store)}
    assert stub.chats == []
    entries = list(read_journal(store.journal_path("0000", "stub")).entries.values())
    assert all(entry.batch_id for entry in entries)
    full = sum(entry.prompt_tokens * 1e-6 + entry.completion_tokens * 1e-5 for entry in entries)  # type: ignore[operator]
    assert labels(store)["cost_usd"].sum() == pytest.approx(full / 2)
    kept = (store.partition("raw_coc", "0000") / "labeler=stub.parquet").read_bytes()
    assert coc("--select", "raw_coc", "--force") == 0
    assert (store.partition("raw_coc", "0000") / "labeler=stub.parquet").read_bytes() == kept
    assert stub.chats == []


def test_an_asking_process_that_dies_fails_the_chunk_and_the_next_one_goes_on(
    filmed: tuple[Path, Path], store: Store, stub: ChatStub
) -> None:
    alias = {"backend": "server", "base_url": stub.base_url, "model": "stub-model"}
    settings = load_settings(dataset=filmed[0], store=store.root, labeler="stub", models={"aliases": {"stub": alias}})
    job = Job(settings=settings.model_dump(mode="json"), chunk="0000")
    asking = AskingProcess()
    stub.hold()
    with ThreadPoolExecutor(1) as threads:
        labelled = threads.submit(asking.ask, job, lambda *said: None)
        stub.wait_for_asked(3)
        os.kill(asking._child.pid, signal.SIGKILL)  # type: ignore[union-attr]
        with pytest.raises(StageError, match=r"killed by signal 9.*the same command goes on from there"):
            labelled.result()
    stub.release()
    asking.ask(job, lambda *said: None)
    asking.leave()
    assert len(read_journal(store.journal_path("0000", "stub")).entries) >= 2 * keyframes(store)


def test_a_sentence_model_fills_the_record_from_its_words(coc: Run, store: Store, stub: ChatStub) -> None:
    stub.answers[""] = lambda body: "Slow down to keep the distance because the lead vehicle ahead is braking."
    served = {"backend": "server", "base_url": stub.base_url, "model": "nvidia/alpamayo"}
    assert coc("--select", "raw_coc", labeler="alpamayo", models={"aliases": {"alpamayo": served}}) == 0
    made = labels(store, "alpamayo")
    assert made["status"].unique().to_list() == ["ok"]
    assert made["longitudinal_decision"].unique().to_list() == ["lead_obstacle_following"]
    assert made["components"].list.first().struct.field("category").unique().to_list() == ["critical_object"]
    assert made["passes"].unique().to_list() == [1]
    assert all("response_format" not in seen.body for seen in stub.chats)


def killed_run(stub: ChatStub, dataset: Path, store: Store, after_requests: int) -> None:
    """`coc run` in a process of its own, killed by SIGKILL when the server has been asked so many times more."""
    command = [sys.executable, "-m", "coc_assets.cli", "run", "--dataset", str(dataset), "--store", str(store.root)]
    due = stub.asked.total() + after_requests
    process = subprocess.Popen([*command, "--labeler", "stub"], stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    stub.wait_until(lambda: stub.asked.total() >= due or process.poll() is not None)
    process.kill()
    process.wait()


@pytest.mark.parametrize("kills", [2, pytest.param(10, marks=pytest.mark.slow)])
def test_killed_runs_ask_every_question_once(
    coc: Run, filmed: tuple[Path, Path], store: Store, stub: ChatStub, kills: int
) -> None:
    moments = random.Random(kills)
    settings = {"model": {"max_in_flight": 3}, "keyframes": {"mode": "span_start"}}
    assert coc("--select", *UPSTREAM, **settings) == 0
    stub.latency_s = 0.1
    for _ in range(kills):
        killed_run(stub, filmed[0], store, moments.randint(1, 5))
    assert coc(**settings) == 0
    assert set(stub.asked.values()) == {1}
    assert stub.asked.total() >= 2 * keyframes(store)
    made = labels(store)
    assert made["keyframe_id"].to_list() == made["keyframe_id"].unique(maintain_order=True).to_list()
    assert statuses(store) == {"ok": keyframes(store)}


def test_unknown_labelers_and_misplaced_options_are_usage_errors(coc: Run, capsys: Any) -> None:
    assert coc(labeler="gpt6") == 2
    assert "No labeler 'gpt6'. There are: rules, alpamayo" in capsys.readouterr().err
    assert coc("--retry", "invalid", labeler="rules") == 2
    assert "are for model labelers" in capsys.readouterr().err
    assert "COC_CONFIG" in os.environ
    assert coc(labeler="gpt5") == 2
    assert "OPENAI_API_KEY" in capsys.readouterr().err
