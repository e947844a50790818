from __future__ import annotations

import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from coc_assets.doctor import instance
from coc_assets.doctor.finding import Finding, Setup
from coc_assets.instances import open_instance


@pytest.fixture
def home(bare: Setup, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    with open_instance(bare.settings.store) as opened:
        opened.get_runs_count()
        assert opened.schedule_storage
        opened.schedule_storage.all_instigator_state()
    return bare.store.dagster_home


def found(setup: Setup) -> Finding:
    [finding] = instance.instance(setup)
    return finding


def test_an_instance_that_coc_made_is_sound(bare: Setup, home: Path) -> None:
    finding = found(bare)
    assert (finding.level, "opens (0 runs)" in finding.said) == ("ok", True)


def test_none_yet_is_ok_and_none_is_made(bare: Setup) -> None:
    assert found(bare).level == "ok"
    assert not bare.store.dagster_home.exists()


def test_one_without_its_settings_is_warned_of(bare: Setup, home: Path) -> None:
    (home / "dagster.yaml").unlink()
    finding = found(bare)
    assert (finding.level, finding.mend.startswith(f"cp dagster.yaml {home}")) == ("warn", True)


def test_tables_of_another_version_are_a_problem(bare: Setup, home: Path) -> None:
    with sqlite3.connect(home / "history" / "runs.db") as database:
        database.execute("UPDATE alembic_version SET version_num = 'c63a27054f08'")
    finding = found(bare)
    assert (finding.level, "tables of runs" in finding.said) == ("problem", True)
    assert f"DAGSTER_HOME={home} dagster instance migrate" in finding.mend


@pytest.mark.parametrize(
    ("configuration", "said"),
    [
        ("storage: {nonsense: 1}\n", "does not open"),
        ("storage: {sqlite: {base_dir: {env: NOT_SET_ANYWHERE}}}\n", "reads NOT_SET_ANYWHERE, which is not set"),
        ("storage: {postgres: {postgres_url: 'postgresql+psycopg2://u:sekret@127.0.0.1:9/db'}}\n", "127.0.0.1"),
        ("storage: {postgres: {postgres_url: 'postgresql+pg8000://u:sekret@127.0.0.1:9/db'}}\n", "No module named"),
    ],
)
def test_storage_that_cannot_be_reached_is_a_problem(
    bare: Setup, home: Path, configuration: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)  # between attempts
    (home / "dagster.yaml").write_text(configuration)
    finding = found(bare)
    assert finding.level == "problem"
    assert said in finding.said
    assert "sekret" not in f"{finding.said} {finding.mend}"
    assert finding.mend


def test_another_home_goes_first(bare: Setup, home: Path, tmp_path: Path) -> None:
    finding = found(replace(bare, environ={"DAGSTER_HOME": str(tmp_path / "elsewhere")}))
    assert f"no Dagster instance at {tmp_path / 'elsewhere'} yet" in finding.said
