"""Labels judged by a model, end to end: `coc run --judge`, its journal, and the measurements built from it."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml

from coc_assets.cli import main
from coc_assets.filtered_coc.model_judge.rubric import JUDGE_STAGES, STEPS
from coc_assets.filtered_coc.stage import STAGE
from coc_assets.raw_coc.stage import STAGE as RAW_COC
from coc_assets.stage import Workspace, run_stage
from resources import schemas
from resources.journal import read_journal
from resources.receipts import Receipt
from resources.settings import load_settings
from resources.store import Store
from tests.chat_stub import ChatStub, Faults
from tests.chat_stub.faults import ANSWER_FAULTS
from tests.model_answers import ANSWERS
from tests.model_judgements import JUDGEMENTS, judgement

SECRET = "sk-verysecret0123456789abcdef"
PRICE = {"input_usd": 1.0, "output_usd": 10.0}
QUICK = {"base_s": 0.001, "cap_s": 0.01}
FIGURES = sum(len(step.answer.figures()) for step in STEPS.values())
Run = Callable[..., int]
Make = Callable[..., Receipt]


@pytest.fixture(scope="session")
def labelled(filmed: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A dataset of one chunk with pictures, and a store with labels by rules. Not to be changed."""
    dataset, store = filmed[0], tmp_path_factory.mktemp("labelled") / "store"
    shutil.copytree(filmed[1], store)
    run_stage(RAW_COC, Workspace(load_settings(dataset=dataset, store=store)), "0000")
    return dataset, store


@pytest.fixture
def stub() -> Iterator[ChatStub]:
    with ChatStub(answers={**ANSWERS, **JUDGEMENTS}) as server:
        yield server


@pytest.fixture
def store(labelled: tuple[Path, Path], tmp_path: Path) -> Store:
    shutil.copytree(labelled[1], tmp_path / "store")
    return Store(tmp_path / "store")


@pytest.fixture
def configured(stub: ChatStub, tmp_path: Path, monkeypatch: Any) -> Callable[..., None]:
    """Writes `coc.yaml`: the stub as two models, and settings of the test's own."""
    monkeypatch.setenv("STUB_KEY", SECRET)
    monkeypatch.setenv("COC_CONFIG", str(tmp_path / "coc.yaml"))

    def write(model: dict | None = None, models: dict | None = None, **settings: Any) -> None:
        served = {"backend": "server", "base_url": stub.base_url, "api_key_env": "STUB_KEY", "timeout_s": 5.0}
        alias = {"model": "stub-model", "price": PRICE, **served, **(model or {})}
        aliases = {"stub": alias, "other": {**alias, "model": "other-model"}, **(models or {}).pop("aliases", {})}
        written = {"models": {"retry": QUICK, "aliases": aliases, **(models or {})}, **settings}
        (tmp_path / "coc.yaml").write_text(yaml.safe_dump(written))

    return write


@pytest.fixture
def coc(labelled: tuple[Path, Path], store: Store, configured: Callable[..., None]) -> Run:
    """`coc run --judge stub` on the store."""

    def run(*arguments: str, judge: str | None = "stub", **settings: Any) -> int:
        configured(**settings)
        dataset = ["--dataset", str(labelled[0]), "--store", str(store.root)]
        return main(["run", *dataset, *(["--judge", judge] if judge else []), *arguments])

    return run


@pytest.fixture
def make(labelled: tuple[Path, Path], store: Store, configured: Callable[..., None]) -> Callable[..., Receipt]:
    """The stage alone, without Dagster."""

    def run(judge: str | None = "stub", force: bool = False, **settings: Any) -> Receipt:
        configured(**settings)
        judged_by = {"judge": {"model": judge}} if judge else None
        workspace = Workspace(load_settings(dataset=labelled[0], store=store.root, filtering=judged_by))
        try:
            return run_stage(STAGE, workspace, "0000", force=force).receipt
        finally:
            for asking in workspace.companions.values():
                asking.leave()

    return run


def labels(store: Store) -> pl.DataFrame:
    return store.read_labels("0000").filter(pl.col("status") == "ok")


def judged(store: Store, version: str = "stub-model/") -> pl.DataFrame:
    rows = pl.read_parquet(store.partition("filtered_coc", "0000") / "measurements.parquet")
    return rows.filter(pl.col("instrument").str.starts_with("judged_"), pl.col("version").str.starts_with(version))


def asked_of(stub: ChatStub, since: int = 0) -> Counter[str]:
    """Requests by stage."""
    return Counter(seen.body["response_format"]["json_schema"]["name"] for seen in stub.chats[since:])


def test_every_label_gets_every_figure_and_is_asked_about_once(coc: Run, store: Store, stub: ChatStub) -> None:
    assert coc() == 0
    rows = judged(store)
    assert rows.height == FIGURES * labels(store).height > 0
    assert rows["value"].null_count() == 0
    assert set(rows.filter(pl.col("name") == "causal_quality")["value"]) == {4.0}
    assert set(rows.filter(pl.col("instrument") == "judged_causal")["detail"]) == {"Looks right to me (causal)."}
    assert asked_of(stub) == dict.fromkeys(JUDGE_STAGES, labels(store).height)
    assert set(stub.asked.values()) == {1}
    entries = read_journal(store.judge_journal_path("0000", "stub")).entries.values()
    assert {entry.label_id for entry in entries} == set(labels(store)["label_id"])
    assert not (store.partition("filtered_coc", "0000") / "media").exists()


def test_each_stage_is_shown_its_own_window_and_the_critic_alone_the_motion(make: Make, stub: ChatStub) -> None:
    make()
    pictures: dict[str, Counter[int]] = {stage: Counter() for stage in JUDGE_STAGES}
    for seen in stub.chats:
        stage = seen.body["response_format"]["json_schema"]["name"]
        system, user = seen.body["messages"]
        parts = user["content"]
        pictures[stage][sum(part["type"] == "image_url" for part in parts)] += 1
        assert parts[0]["text"].startswith("The label:\n") and parts[-1]["type"] == "image_url"
        assert ("Recorded manoeuvres" in parts[0]["text"]) == (stage == "critic")
        first = next(part["text"] for part in parts[1:] if part["type"] == "text")
        assert first == ("t = 0.0 s" if stage == "behavior" else "t = -2.0 s")
        assert "$" not in system["content"]
    assert set(pictures["evidence"]) == {5}
    assert max(pictures["behavior"]) == 12
    assert max(pictures["causal"]) == max(pictures["critic"]) == 16


def test_a_verdict_goes_by_what_the_judge_says(make: Make, store: Store, stub: ChatStub) -> None:
    stub.answers["evidence"] = lambda body: judgement("evidence", scene_factor_hallucination_score="0.95")
    make()
    verdicts = pl.read_parquet(store.partition("filtered_coc", "0000") / "filtered_coc.parquet")
    assert all("invented_factor" in reasons for reasons in verdicts["reasons"])


def test_a_second_run_asks_nothing_and_the_table_is_rebuilt_from_the_journal(
    make: Make, store: Store, stub: ChatStub
) -> None:
    make()
    partition, asked = store.partition("filtered_coc", "0000"), stub.asked.total()
    before = (partition / "measurements.parquet").read_bytes()
    make(force=True)
    for name in ("measurements.parquet", "receipt.json"):
        (partition / name).unlink()
    make()
    assert (partition / "measurements.parquet").read_bytes() == before
    assert stub.asked.total() == asked


def test_a_changed_prompt_asks_its_own_stage_alone(make: Make, store: Store, stub: ChatStub, tmp_path: Path) -> None:
    make()
    before, kept = stub.asked.total(), judged(store)
    (tmp_path / "prompts").mkdir()
    (tmp_path / "prompts" / "causal.yaml").write_text("version: 2\nsystem: Judge anew.\n")
    own = {"filtering": {"judge": {"prompts": str(tmp_path / "prompts")}}}
    make(**own)
    assert asked_of(stub, before) == {"causal": labels(store).height}
    now = judged(store)
    assert now.height == kept.height + 4 * labels(store).height  # the earlier figures stay
    newest = now.group_by("label_id", "name", maintain_order=True).agg(pl.col("version").last())
    versions = newest.filter(pl.col("name") == "causal_evidence_score")["version"]
    assert all(version.startswith("stub-model/causal-2-") for version in versions)


def test_a_label_whose_words_change_is_asked_about_anew(make: Make, store: Store, stub: ChatStub) -> None:
    make()
    before = stub.asked.total()
    path = store.table_path(schemas.RAW_COC, "0000", labeler="rules")
    changed = pl.read_parquet(path).with_columns(
        trace=pl.when(pl.int_range(pl.len()) == 0).then(pl.lit("Stop for a tram.")).otherwise("trace")
    )
    store.write_table(changed, schemas.RAW_COC, path, "0000")
    make(force=True)
    assert asked_of(stub, before) == dict.fromkeys(JUDGE_STAGES, 1)
    assert judged(store).height == FIGURES * labels(store).height


def test_labels_that_say_the_same_are_asked_about_once(make: Make, store: Store, stub: ChatStub) -> None:
    path = store.table_path(schemas.RAW_COC, "0000", labeler="rules")
    rows = pl.read_parquet(path)
    twin = rows.with_columns(labeler=pl.lit("twin"), label_id=pl.col("label_id").str.reverse())
    store.write_table(twin, schemas.RAW_COC, path.with_name("labeler=twin.parquet"), "0000")
    make()
    assert asked_of(stub) == dict.fromkeys(JUDGE_STAGES, rows.height)
    assert judged(store).height == 2 * FIGURES * rows.height
    assert judged(store)["value"].null_count() == 0


def test_only_labelers_and_stages_that_are_named_are_judged(make: Make, store: Store, stub: ChatStub) -> None:
    make(filtering={"judge": {"labelers": ["somebody"]}})
    assert stub.chats == [] and judged(store).is_empty()
    make(filtering={"judge": {"stages": ["critic"], "labelers": ["rules"]}})
    assert asked_of(stub) == {"critic": labels(store).height}


def test_figures_stay_when_the_judge_is_switched_off_and_two_judges_live_side_by_side(
    make: Make, store: Store, stub: ChatStub
) -> None:
    make()
    first = judged(store)
    make(judge="other")
    asked = stub.asked.total()
    assert asked == 2 * 4 * labels(store).height
    both = judged(store, "")
    assert judged(store).equals(first) and both.height == 2 * first.height
    make(judge=None)
    assert judged(store, "").equals(both)
    assert stub.asked.total() == asked


def test_without_a_judge_its_settings_shape_nothing(make: Make, store: Store, stub: ChatStub) -> None:
    before = make(judge=None)
    assert make(judge=None, filtering={"judge": {"stages": ["critic"]}}).fingerprints == before.fingerprints
    assert stub.chats == []


def test_status_and_judging_anew_go_by_the_judge_that_the_store_had(
    coc: Run, store: Store, stub: ChatStub, capsys: Any
) -> None:
    assert coc() == 0
    asked = stub.asked.total()
    capsys.readouterr()
    assert main(["status", "--store", str(store.root)]) == 0
    said = capsys.readouterr().out
    assert "stale" not in said and "judge: stub" in said
    assert main(["judge", "--store", str(store.root), "--policy", "strict"]) == 0
    assert "1 chunk changed" in capsys.readouterr().out
    assert stub.asked.total() == asked and judged(store)["value"].null_count() == 0


def test_a_server_that_is_down_fails_the_stage_once_and_records_nothing(
    coc: Run, make: Make, store: Store, stub: ChatStub, capsys: Any
) -> None:
    assert coc("--select", "filtered_coc", model={"base_url": "http://127.0.0.1:9/v1"}) == 1
    said = capsys.readouterr().err
    assert said.count("http://127.0.0.1:9/v1 did not answer") == 1 and "judge stub, chunk 0000" in said
    assert read_journal(store.judge_journal_path("0000", "stub")).lines == []
    make()
    assert judged(store)["value"].null_count() == 0


def test_faults_of_all_kinds_end_with_a_figure_or_the_reason_why_not(make: Make, store: Store, stub: ChatStub) -> None:
    kinds = ("rate_limit", "server_error", "overloaded", "reset", "drop", "garbage", "bad_request", "policy")
    stub.faults = Faults([*kinds, *ANSWER_FAULTS], 0.3, retry_after_s=0.01)
    make()
    rows = judged(store)
    assert rows.height == FIGURES * labels(store).height
    assert rows["detail"].null_count() == 0
    lacking = rows.filter(pl.col("value").is_null())["detail"].str.extract(r"^(\w+): ", 1)
    assert set(lacking) <= {"refused", "refused_by_provider", "invalid_answer", "request_failed"}


def test_what_failed_is_asked_again_on_request_and_nothing_else(
    coc: Run, make: Make, store: Store, stub: ChatStub
) -> None:
    stub.answers["critic"] = lambda body: judgement("critic", causal_quality=9)
    make()
    rows = judged(store).filter(pl.col("instrument") == "judged_critic")
    assert rows["value"].null_count() == rows.height
    assert all(detail.startswith("invalid_answer: critic, asked twice: causal_quality") for detail in rows["detail"])
    before = stub.asked.total()
    stub.answers["critic"] = JUDGEMENTS["critic"]
    assert coc("--retry", "invalid", "--select", "filtered_coc") == 0
    assert asked_of(stub, before) == {"critic": labels(store).height}
    assert judged(store)["value"].null_count() == 0
    assert coc("--retry", "invalid", "--select", "filtered_coc") == 0
    assert stub.asked.total() == before + labels(store).height


def test_labels_without_pictures_are_not_asked_about(make: Make, store: Store, stub: ChatStub) -> None:
    segments = store.read_table(schemas.SEGMENTS, "0000").with_columns(status=pl.lit("no_video"))
    store.write_table(segments, schemas.SEGMENTS, store.table_path(schemas.SEGMENTS, "0000"), "0000")
    make()
    rows = judged(store)
    assert rows.height == FIGURES * labels(store).height > 0
    assert rows["value"].null_count() == rows.height
    assert all(detail.startswith("no_video: ") for detail in rows["detail"])
    assert stub.chats == []


def test_labelling_and_judging_share_one_budget_that_is_not_passed(coc: Run, store: Store, stub: ChatStub) -> None:
    cheap = {"max_tokens": 500}
    assert coc("--select", "raw_coc", "filtered_coc", "--labeler", "stub", "--budget", "0.15", model=cheap) == 0
    entries = [
        entry
        for path in (store.journal_path("0000", "stub"), store.judge_journal_path("0000", "stub"))
        for entry in read_journal(path).lines
    ]
    assert 0 < sum(entry.cost_usd or 0.0 for entry in entries) <= 0.15
    over = judged(store).filter(pl.col("value").is_null())
    assert over.height and all(detail.startswith("over_budget: ") for detail in over["detail"])
    assert coc("--budget", "50", "--labeler", "stub", "--retry", "over_budget", model=cheap) == 0
    assert coc("--budget", "50", "--labeler", "stub", model=cheap) == 0
    assert judged(store)["value"].null_count() == 0
    assert max(stub.asked.values()) == 1


def test_costs_and_materialisations_tell_of_judging(coc: Run, store: Store, stub: ChatStub, capsys: Any) -> None:
    import dagster as dg

    from coc_assets.instances import open_instance

    assert coc("--select", "filtered_coc") == 0
    capsys.readouterr()
    assert main(["cost", "--store", str(store.root), "--by", "step", "--format", "json"]) == 0
    told = {row["step"]: row for row in json.loads(capsys.readouterr().out)}
    assert {step: row["answered"] for step, row in told.items()} == dict.fromkeys(
        sorted(JUDGE_STAGES), labels(store).height
    )
    with open_instance(store.root) as instance:
        said = instance.get_latest_materialization_event(dg.AssetKey("filtered_coc")).asset_materialization
    assert said.metadata["judged"].value == labels(store).height
    assert said.metadata["cost_usd"].value == pytest.approx(sum(row["cost_usd"] for row in told.values()), abs=1e-6)
    assert said.metadata["prompt_tokens"].value == sum(row["prompt_tokens"] for row in told.values())


def test_a_dry_run_counts_what_would_be_asked(coc: Run, store: Store, stub: ChatStub, capsys: Any) -> None:
    assert coc("--dry-run") == 0
    said = capsys.readouterr().out
    count = 4 * labels(store).height
    assert f"judge stub: {count} judgements" in said and f"requests           {count:>12,}" in said
    assert "still to be made" not in said
    assert coc("--dry-run", "--labeler", "other") == 0
    assert f"at most {count:,} requests about labels of other" in capsys.readouterr().out
    assert stub.chats == []


def test_a_judge_that_cannot_be_asked_is_a_usage_error(coc: Run, capsys: Any) -> None:
    for judge, said in (
        ("gpt6", "No model is called 'gpt6'"),
        ("gpt5", "OPENAI_API_KEY"),
        ("alpamayo", "answers in free text"),
    ):
        served = {"alpamayo": {"backend": "server", "base_url": "http://127.0.0.1:9/v1", "model": "nvidia/alpamayo"}}
        assert coc(judge=judge, models={"aliases": served}) == 2
        assert said in capsys.readouterr().err
    assert coc("--budget", "5", judge="gpt5") == 2
    assert "models.aliases.gpt5.price" in capsys.readouterr().err


def test_labels_are_judged_by_batches(make: Make, store: Store, stub: ChatStub) -> None:
    make(models={"batch": True, "batch_poll_s": 0.01})
    assert stub.chats == []
    assert judged(store)["value"].null_count() == 0
    assert all(entry.batch_id for entry in read_journal(store.judge_journal_path("0000", "stub")).lines)


def test_videos_are_sent_where_the_model_takes_videos(make: Make, store: Store, stub: ChatStub) -> None:
    stages = {"filtering": {"judge": {"stages": ["evidence", "behavior"]}}}
    make(model={"media": "video"}, **stages)
    assert judged(store)["value"].null_count() == 0
    captions = {
        seen.body["response_format"]["json_schema"]["name"]: seen.body["messages"][1]["content"][1]["text"]
        for seen in stub.chats
    }
    assert "from t = -2.0 s to t = 0.0 s" in captions["evidence"]
    assert "from t = 0.0 s to t = " in captions["behavior"]


def test_a_judge_takes_a_slot_of_the_pool() -> None:
    from coc_assets.definitions import build_definitions
    from coc_assets.stage import Workspace
    from resources.settings import Settings

    def pool(**filtering: Any) -> str | None:
        definitions = build_definitions(Workspace(Settings(filtering=filtering)))
        return definitions.resolve_assets_def("filtered_coc").op.pool

    assert pool() is None
    assert pool(judge={"model": "qwen3.5_35b"}) == "vlm"


def test_no_secret_is_left_anywhere(coc: Run, store: Store, stub: ChatStub, capfd: Any) -> None:
    stub.faults = Faults(["unauthorized"], 1.0)  # the stub repeats the key in what it says
    assert coc("--select", "filtered_coc") == 1
    stub.faults = Faults(["bad_request", "server_error"], 0.3)
    assert coc("--select", "filtered_coc") == 0
    assert any(seen.headers.get("authorization") == f"Bearer {SECRET}" for seen in stub.chats)
    assert SECRET not in "".join(capfd.readouterr())
    for path in (path for path in store.root.rglob("*") if path.is_file()):
        assert SECRET.encode() not in path.read_bytes(), path
        if path.suffix == ".parquet":
            assert SECRET not in json.dumps(pl.read_parquet(path).to_dicts(), default=str), path


@pytest.mark.parametrize("kills", [2, pytest.param(10, marks=pytest.mark.slow)])
def test_killed_runs_ask_every_question_once(
    coc: Run, labelled: tuple[Path, Path], store: Store, stub: ChatStub, kills: int
) -> None:
    moments, paced = random.Random(kills), {"model": {"max_in_flight": 3}}
    assert coc("--select", "trajectory_cache", judge=None, **paced) == 0  # leaves the settings there
    stub.latency_s = 0.1
    for _ in range(kills):
        _killed_run(stub, labelled[0], store, moments.randint(1, 6))
    assert coc(**paced) == 0
    assert set(stub.asked.values()) == {1}
    assert asked_of(stub) == dict.fromkeys(JUDGE_STAGES, labels(store).height)
    assert judged(store)["value"].null_count() == 0


def _killed_run(stub: ChatStub, dataset: Path, store: Store, after_requests: int) -> None:
    """`coc run` in a process of its own, killed by SIGKILL when the server has been asked so many times more."""
    command = [sys.executable, "-m", "coc_assets.cli", "run", "--dataset", str(dataset), "--store", str(store.root)]
    due = stub.asked.total() + after_requests
    process = subprocess.Popen([*command, "--judge", "stub"], stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    stub.wait_until(lambda: stub.asked.total() >= due or process.poll() is not None)
    process.kill()
    process.wait()
