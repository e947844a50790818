from __future__ import annotations

import io
import json
import shutil
from pathlib import Path

import polars as pl
import pytest

from coc_assets.cli import ASSETS, UsageError, build_parser, main, parse_chunks
from coc_assets.stages import STAGES
from resources.settings import Settings
from tests.tree import tree

DOCS = Path(__file__).resolve().parents[2] / "docs"


@pytest.fixture(autouse=True)
def _no_surroundings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("COC_CONFIG", "COC_DATASET", "COC_STORE", "DAGSTER_HOME"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def store(sample_store: Path, tmp_path: Path) -> Path:
    """A copy that a test may change."""
    shutil.copytree(sample_store, tmp_path / "store")
    return tmp_path / "store"


def rows(capsys: pytest.CaptureFixture[str], store: Path, sql: str) -> list[dict[str, object]]:
    capsys.readouterr()
    assert main(["sql", "--store", str(store), "--format", "json", sql]) == 0
    return json.loads(capsys.readouterr().out)


def test_the_command_names_the_assets_in_flow_order() -> None:
    assert tuple(stage.name for stage in STAGES) == ASSETS


@pytest.mark.parametrize(
    ("spec", "chunks"),
    [(None, ["0000", "0001", "0007"]), ("0-1,7", ["0000", "0001", "0007"]), ("7, 1", ["0001", "0007"])],
)
def test_chunk_specifications(spec: str | None, chunks: list[str]) -> None:
    assert parse_chunks(spec, ["0000", "0001", "0007"], Settings()) == chunks


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("3", "no egomotion for chunk 0003. It has: 0000"),
        ("a-b", "cannot read 'a-b'"),
        ("3-1", "write 1-3"),
    ],
)
def test_unknown_chunks_are_usage_errors(spec: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        parse_chunks(spec, ["0000"], Settings(dataset=Path("dataset")))


def test_usage_errors_exit_with_two_and_say_the_mend(
    sample: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for arguments, message in (
        (["run"], "No dataset named. Pass --dataset DIR"),
        (["run", "--dataset", "nowhere"], "nowhere"),
        (["run", "--dataset", str(sample), "--chunks", "9"], "no egomotion for chunk 0009"),
        (["run", "--dataset", str(sample), "--labeler", "gpt9"], "No labeler 'gpt9'. There are: rules"),
        (["status"], "No store at store. Make one: coc run"),
        (["sql", "--store", str(tmp_path), "DROP VIEW clips"], "exactly one SELECT"),
        (["export", "jsonl", "--out", "out"], "No store at store"),
        (["sample", "--out", str(sample.parent)], str(sample.parent)),
        (["run", "--dataset", str(sample), "--store", str(sample / "clip_index.parquet")], "clip_index.parquet"),
    ):
        assert main(arguments) == 2, arguments
        assert message in capsys.readouterr().err.replace("\n", " "), arguments


def test_a_policy_that_there_is_not_is_a_usage_error(
    sample: Path, store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "coc.yaml").write_text("filtering: {policy: nonesuch}\n")
    assert main(["run", "--dataset", str(sample), "--store", str(store)]) == 2
    said = capsys.readouterr().err.replace("\n", " ")
    assert "filtering.policy: 'nonesuch' is neither packaged (default, keep-all, strict)" in said


def test_a_second_run_makes_nothing_and_changes_nothing(
    sample: Path, store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = tree(store)
    assert main(["run", "--dataset", str(sample), "--store", str(store)]) == 0
    assert "2 chunks: 0 stages to make, 14 fresh." in capsys.readouterr().err
    assert tree(store) == before


def test_one_process_and_two_and_force_make_the_same_store(sample: Path, sample_store: Path, tmp_path: Path) -> None:
    store = tmp_path / "two"
    assert main(["run", "--dataset", str(sample), "--store", str(store), "--jobs", "2"]) == 0
    assert tree(store) == tree(sample_store)
    assert main(["run", "--dataset", str(sample), "--store", str(store), "--force", "--chunks", "1"]) == 0
    assert tree(store) == tree(sample_store)


def test_selected_assets_take_no_upstream_along(
    sample: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = ["run", "--dataset", str(sample), "--store", str(tmp_path / "s"), "--chunks", "0", "--select"]
    assert main([*run, "meta_actions"]) == 1
    assert "reads trajectory_cache, not finished in" in capsys.readouterr().err
    assert main([*run, "trajectory_cache", "meta_actions"]) == 0
    assert {path.name for path in (tmp_path / "s").iterdir()} == {".dagster", "meta_actions", "trajectory_cache"}


def test_stale_inputs_that_are_not_selected_are_named(
    sample: Path, store: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COC_KEYFRAMES__LEAD", "8")
    assert main(["run", "--dataset", str(sample), "--store", str(store), "--select", "training_shards"]) == 0
    assert "stale: keyframe_segments clip_videos raw_coc filtered_coc. Add them" in capsys.readouterr().err


def test_another_dataset_does_not_replace_a_chunk_unasked(
    sample: Path, store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "other"
    assert main(["sample", "--out", str(other), "--chunks", "1", "--clips", "1", "--seed", "9", "--no-video"]) == 0
    before = tree(store)
    assert main(["run", "--dataset", str(other), "--store", str(store)]) == 2
    assert "Chunk 0000 in" in capsys.readouterr().err
    assert tree(store) == before
    shutil.copytree(sample, tmp_path / "moved")
    assert main(["run", "--dataset", str(tmp_path / "moved"), "--store", str(store)]) == 0
    assert tree(store) == before


def test_a_changed_setting_makes_only_what_it_shapes(
    sample: Path, store: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COC_SHARDS__JPEG_QUALITY", "90")
    assert main(["run", "--dataset", str(sample), "--store", str(store)]) == 0
    assert "2 stages to make, 12 fresh" in capsys.readouterr().err


def test_status_shows_stale_and_missing_stages(
    store: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.rmtree(store / "filtered_coc" / "chunk=0001")
    monkeypatch.setenv("COC_KEYFRAMES__COOLDOWN", "31")
    assert main(["status", "--store", str(store)]) == 0
    lines = capsys.readouterr().out.splitlines()
    states = {line.split()[0]: line.split()[1:8] for line in lines[1:3]}
    assert states["0000"] == ["done", "done", "stale", "stale", "stale", "stale", "stale"]
    assert states["0001"] == ["done", "done", "stale", "stale", "stale", "–", "stale"]


def test_labels_of_the_sample_have_a_trace_each(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    counted = rows(capsys, store, "SELECT count(*) AS n, count(trace) AS traces FROM raw_coc WHERE status = 'ok'")
    assert counted[0]["n"] == counted[0]["traces"] > 0


def test_sql_formats(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sql = "SELECT chunk, frames, mended FROM clips ORDER BY ALL LIMIT 1"
    assert rows(capsys, store, sql) == [{"chunk": "0000", "frames": 201, "mended": []}]
    main(["sql", "--store", str(store), "--format", "csv", sql])
    assert capsys.readouterr().out == "chunk,frames,mended\n0000,201,[]\n"
    main(["sql", "--store", str(store), sql])
    assert capsys.readouterr().out.split() == ["chunk", "frames", "mended", "0000", "201", "[]"]


def test_sql_writes_parquet_to_a_pipe(store: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    main(["sql", "--store", str(store), "--format", "parquet", "SELECT DISTINCT chunk FROM clips ORDER BY 1"])
    assert pl.read_parquet(io.BytesIO(capfdbinary.readouterr().out))["chunk"].to_list() == ["0000", "0001"]


def test_exports_of_every_form(store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for form in ("meta-actions", "keyframes", "cot-yaml", "jsonl"):
        assert main(["export", form, "--store", str(store), "--out", str(tmp_path / form)]) == 0
    kept = rows(capsys, store, "SELECT count(*) AS n FROM filtered_coc WHERE verdict = 'keep'")[0]["n"]
    clips = rows(capsys, store, "SELECT count(*) AS n FROM clips")[0]["n"]
    assert len(list((tmp_path / "meta-actions").glob("final_outputs/*.txt"))) == clips
    assert len(list((tmp_path / "cot-yaml").glob("*/cot_*.yaml"))) == kept
    lines = [json.loads(line) for line in (tmp_path / "jsonl" / "labels.jsonl").read_text().splitlines()]
    assert len(lines) == kept
    assert all(set(line) >= {"clip_id", "t0_us"} and line["justification"] for line in lines)
    names = {path.name for path in (tmp_path / "keyframes").iterdir()}
    assert names == {"segments_relative_timestamp_all.json", "segments_relative_timestamp_sampled.json"}


def test_every_command_and_option_is_documented() -> None:
    page = (DOCS / "commands.md").read_text()
    subcommands = next(action for action in build_parser()._actions if action.dest == "command").choices
    for name, parser in subcommands.items():
        assert f"## `coc {name}`" in page, name
        section = page.split(f"## `coc {name}`")[1].split("\n## ")[0]
        options = {option for action in parser._actions for option in action.option_strings} - {"-h", "--help"}
        assert {option for option in options if f"`{option}" not in section} == set(), name


def test_judging_under_another_policy_makes_new_verdicts_and_no_labels(
    store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    labels_before = {name: digest for name, digest in tree(store).items() if name.startswith("raw_coc/")}
    assert main(["policy", "diff", "default", "keep-all", "--store", str(store)]) == 0
    assert "keep" in capsys.readouterr().out
    assert main(["judge", "--store", str(store), "--policy", "keep-all"]) == 0
    assert "2 chunks changed" in capsys.readouterr().out
    assert rows(capsys, store, "SELECT DISTINCT verdict FROM filtered_coc") == [{"verdict": "keep"}]
    assert {name: digest for name, digest in tree(store).items() if name.startswith("raw_coc/")} == labels_before
    assert main(["judge", "--store", str(store), "--policy", "keep-all"]) == 0
    assert "0 chunks changed, 2 followed it already" in capsys.readouterr().out


def test_judging_a_store_without_labels_is_a_usage_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["judge", "--store", str(tmp_path / "none"), "--policy", "strict"]) == 2
    assert "Make them: coc run" in capsys.readouterr().err
