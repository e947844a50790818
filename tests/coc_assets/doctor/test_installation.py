from __future__ import annotations

from dataclasses import replace

import pytest

from coc_assets.doctor import installation
from coc_assets.doctor.finding import Setup, installed_version


def versions(**changed: str | None) -> object:
    return lambda name: changed[name] if name in changed else installed_version(name)


def test_what_is_installed_here_is_sound(bare: Setup) -> None:
    for check in (installation.python, installation.packages, installation.video_encoder):
        assert [finding.level for finding in check(bare)] == ["ok"], check


@pytest.mark.parametrize(
    ("package", "found", "said"),
    [
        ("dagster", "1.12.0", "dagster 1.12.0 is installed, where ==1.13.27 is needed"),
        ("dagster-webserver", "1.13.26", "dagster-webserver 1.13.26 is installed, where ==1.13.27 is needed"),
        ("polars", "1.30.0", "polars 1.30.0 is installed, where >=2.1 is needed"),
        ("duckdb", None, "duckdb is not installed"),
    ],
)
def test_a_package_of_another_version_is_a_problem(bare: Setup, package: str, found: str | None, said: str) -> None:
    [finding] = installation.packages(replace(bare, version_of=versions(**{package: found})))
    assert (finding.level, finding.said) == ("problem", said)
    assert f"-m pip install '{package}" in finding.mend


def test_optional_packages_may_be_absent_but_not_of_another_version(bare: Setup) -> None:
    [absent] = installation.packages(replace(bare, version_of=versions(**{"vllm": None, "ruff": None})))
    assert absent.level == "ok"
    [old] = installation.packages(replace(bare, version_of=versions(vllm="0.1")))
    assert (old.level, old.said) == ("warn", "vllm 0.1 is installed, where >=0.30 is needed")


def test_an_old_python_is_a_problem(bare: Setup, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.python_version", lambda: "3.9.2")
    [finding] = installation.python(bare)
    assert (finding.level, finding.mend) == ("problem", "make setup PYTHON=python3.11")


def test_an_ffmpeg_without_the_encoder_is_a_problem(bare: Setup, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installation, "_ENCODER", "libx999")
    [finding] = installation.video_encoder(bare)
    assert finding.level == "problem"
    assert "pip install --force-reinstall --no-deps av" in finding.mend
