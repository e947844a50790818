from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from coc_assets.cli import main
from coc_assets.doctor.examination import CHECKS, examine
from coc_assets.doctor.finding import Finding, Setup
from resources.settings import Settings


@pytest.fixture(autouse=True)
def _no_surroundings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DAGSTER_HOME", raising=False)


def test_a_sound_set_up_exits_with_zero(
    sample: Path, sample_store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(sample_store, tmp_path / "store")
    assert main(["doctor", "--dataset", str(sample), "--store", "store"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1].startswith("sound: ")
    assert lines[-1].endswith(" 0 problems")
    assert {line.split(maxsplit=1)[1].split(":")[0] for line in lines if line.startswith(("ok", "warn"))} == set(CHECKS)


def test_one_problem_exits_with_one_and_says_the_mend(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--dataset", "nowhere", "--store", "store"]) == 1
    out = capsys.readouterr().out
    assert "problem  dataset: The dataset root nowhere is not a folder" in out
    assert "→ Correct --dataset or COC_DATASET, or generate a sample there: coc sample --out nowhere" in out
    assert "not sound: " in out


def test_json_has_every_finding_with_its_mend(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert told["sound"] is False
    [dataset] = [finding for finding in told["findings"] if finding["check"] == "dataset"]
    assert dataset == {
        "check": "dataset",
        "level": "problem",
        "said": "no dataset is named",
        "mend": "Pass --dataset DIR, or set COC_DATASET or `dataset:` in coc.yaml",
    }


def test_settings_that_cannot_be_read_keep_no_other_check_from_being_made(
    sample: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COC_KEYFRAMES__MODE", "nope")
    assert main(["doctor", "--dataset", str(sample), "--json"]) == 1
    findings = json.loads(capsys.readouterr().out)["findings"]
    assert {finding["check"] for finding in findings if finding["level"] == "problem"} == {"settings"}
    assert {finding["level"] for finding in findings if finding["check"] == "dataset"} == {"ok"}


def test_the_dataset_that_the_store_came_from_is_looked_at(
    sample: Path, sample_store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(sample_store, tmp_path / "store")
    assert main(["doctor", "--json"]) == 0
    findings = json.loads(capsys.readouterr().out)["findings"]
    assert any(str(sample) in finding["said"] for finding in findings if finding["check"] == "dataset")


def test_a_misspelt_option_is_a_usage_error() -> None:
    with pytest.raises(SystemExit) as left:
        main(["doctor", "--dateset", "x"])
    assert left.value.code == 2


def test_a_check_that_breaks_off_is_a_problem_and_the_next_is_made(tmp_path: Path) -> None:
    def breaks(_: Setup) -> list[Finding]:
        raise ValueError("odd: sk-abcdef123456")

    def denied(_: Setup) -> list[Finding]:
        raise PermissionError(13, "Permission denied", "/some/file")

    setup = Setup(Settings(store=tmp_path), {})
    found = [it.finding for it in examine(setup, {"a": breaks, "b": denied, "c": lambda _: [Finding("ok", "fine")]})]
    assert [finding.level for finding in found] == ["problem", "problem", "ok"]
    assert found[0].said == "the check broke off (ValueError: odd: ***)"
    assert found[1].said == "/some/file: Permission denied"
