from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from coc_assets.logs import FOLDER, LOGGER, configure_logging, log_event
from coc_assets.stage import Made, StageError, Work, Workspace, run_stage
from coc_assets.stages import STAGES_BY_NAME
from resources.settings import Settings


@pytest.fixture(autouse=True)
def _as_it_was() -> Iterator[None]:
    logger = logging.getLogger(LOGGER)
    handlers, level = list(logger.handlers), logger.level
    yield
    logger.handlers[:] = handlers
    logger.setLevel(level)


def chosen(store: Path, **operate: Any) -> Settings:
    settings = Settings(store=store, operate=operate)
    configure_logging(settings)
    return settings


def lines(store: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for path in sorted((store / FOLDER).iterdir()) for line in path.read_text().splitlines()]


def test_a_stage_is_told_once_as_made_and_then_as_fresh(sample: Path, tmp_path: Path) -> None:
    chosen(tmp_path, log_file=True)
    workspace = Workspace(Settings(dataset=sample, store=tmp_path))
    for _ in range(2):
        outcome = run_stage(STAGES_BY_NAME["trajectory_cache"], workspace, "0000", run="r1")
    made, fresh = lines(tmp_path)
    assert {name: made[name] for name in ("event", "level", "chunk", "stage", "state", "run", "rows", "rejected")} == {
        "event": "stage",
        "level": "info",
        "chunk": "0000",
        "stage": "trajectory_cache",
        "state": "made",
        "run": "r1",
        "rows": 6,
        "rejected": 0,
    }
    assert made["seconds"] == outcome.receipt.duration_s
    assert made["time"].endswith("+00:00")
    assert (fresh["state"], "seconds" in fresh, "labeler" in fresh) == ("fresh", False, False)


def test_a_failure_is_an_error_with_its_words(sample: Path, tmp_path: Path) -> None:
    def fails(work: Work) -> Made:
        raise ValueError("clip 7 has no frames")

    chosen(tmp_path, log_file=True)
    stage = replace(STAGES_BY_NAME["trajectory_cache"], make=fails)
    with pytest.raises(StageError):
        run_stage(stage, Workspace(Settings(dataset=sample, store=tmp_path)), "0000")
    (line,) = lines(tmp_path)
    assert (line["level"], line["state"]) == ("error", "failed")
    assert line["error"] == "ValueError: clip 7 has no frames"


def test_secrets_are_masked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "geheimnis-2026")
    chosen(tmp_path, log_file=True)
    log_event("stage", error="401 for geheimnis-2026 at https://user:pw@host/v1")
    assert lines(tmp_path)[0]["error"] == "401 for *** at https://***@host/v1"


@pytest.mark.parametrize(
    ("form", "line"),
    [
        ("text", 'info stage chunk=0000 rows=3 error="two words" note="a=\\"b\\""'),
        (
            "json",
            '"level": "info", "event": "stage", "chunk": "0000", "rows": 3, "error": "two words", "note": "a=\\"b\\""}',
        ),
    ],
)
def test_lines_on_stderr(form: str, line: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    chosen(tmp_path, log=form)
    log_event("stage", chunk="0000", rows=3, error="two words", note='a="b"', left_out=None)
    said = capsys.readouterr().err
    assert said.endswith(line + "\n")
    assert said.count("\n") == 1
    assert not (tmp_path / FOLDER).exists()


def test_nothing_is_said_until_chosen(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    chosen(tmp_path)
    log_event("stage", level=logging.ERROR, error="lost")
    assert capsys.readouterr().err == ""
    assert not (tmp_path / FOLDER).exists()


def test_the_later_settings_hold(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(3):
        chosen(tmp_path, log="text")
    log_event("gc", runs=1)
    assert capsys.readouterr().err.count("\n") == 1
    chosen(tmp_path)
    log_event("gc", runs=1)
    assert capsys.readouterr().err == ""


def test_a_log_that_cannot_be_written_fails_no_stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logging, "raiseExceptions", False)
    (tmp_path / FOLDER).write_text("in the way")
    chosen(tmp_path, log_file=True)
    log_event("stage", chunk="0000")


def test_dagster_takes_the_lines_up_where_it_is_told_to(tmp_path: Path) -> None:
    """`python_logs` in dagster.yaml: the lines become messages of the run, in the UI beside its events."""
    import dagster as dg

    (tmp_path / "dagster.yaml").write_text(
        f"telemetry: {{enabled: false}}\npython_logs: {{managed_python_loggers: [{LOGGER}], python_log_level: INFO}}\n"
    )

    @dg.asset
    def told() -> None:
        log_event("stage", chunk="0000")

    with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
        result = dg.materialize([told], instance=instance)
        messages = [record.user_message for record in instance.all_logs(result.run_id) if not record.dagster_event]
    assert messages == ["stage chunk=0000"]
