from __future__ import annotations

from pathlib import Path

import pytest

from resources.settings import SettingsError, load_settings
from resources.settings.quality import AtLeast, AtMost, Levels


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("COC_CONFIG", raising=False)


@pytest.mark.parametrize(
    ("levels", "figure", "breach"),
    [
        (AtLeast(warn=0.5, error=0.2), 0.5, None),
        (AtLeast(warn=0.5, error=0.2), 0.49, "WARN"),
        (AtLeast(warn=0.5, error=0.2), 0.2, "WARN"),
        (AtLeast(warn=0.5, error=0.2), 0.19, "ERROR"),
        (AtMost(warn=0.2, error=0.5), 0.2, None),
        (AtMost(warn=0.2, error=0.5), 0.21, "WARN"),
        (AtMost(warn=0.2, error=0.5), 0.51, "ERROR"),
        (AtMost(warn=None, error=None), 1.0, None),
        (AtMost(warn=None, error=0.5), 0.6, "ERROR"),
        (AtMost(warn=0.0, error=None), 0.01, "WARN"),
        (AtMost(warn=0.3, error=0.3), 0.31, "ERROR"),
    ],
)
def test_the_gravest_level_that_a_figure_lies_beyond(levels: Levels, figure: float, breach: str | None) -> None:
    assert levels.breach(figure) == breach


def test_no_error_level_is_on_by_default_and_one_level_leaves_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    quality = load_settings().quality
    sections = [value for _, value in quality if isinstance(value, Levels)]
    assert len(sections) == 8
    assert all(levels.error is None and levels.warn is not None for levels in sections)
    monkeypatch.setenv("COC_QUALITY__KEPT__ERROR", "0.2")
    assert (load_settings().quality.kept.warn, load_settings().quality.kept.error) == (quality.kept.warn, 0.2)


def test_null_turns_a_level_off(tmp_path: Path) -> None:
    (tmp_path / "coc.yaml").write_text("quality: {kept: {warn: null}}\n")
    assert load_settings().quality.kept.warn is None


@pytest.mark.parametrize(
    ("yaml", "message"),
    [
        ("kept: {warn: 0.2, error: 0.5}", r"quality\.kept: warn \(0\.2\) lies beyond error \(0\.5\)"),
        ("judge_disagrees: {warn: 0.5, error: 0.2}", r"quality\.judge_disagrees: warn \(0\.5\) lies beyond error"),
        ("kept: {warn: 50}", r"quality\.kept\.warn: should be less than or equal to 1, got 50"),
        ("kept: 0.5", r"quality\.kept: should hold keys and values, got 0\.5"),
        ("least_labels: 0", r"quality\.least_labels: should be greater than 0"),
    ],
)
def test_levels_that_make_no_sense_are_errors(tmp_path: Path, yaml: str, message: str) -> None:
    (tmp_path / "coc.yaml").write_text(f"quality:\n  {yaml}\n")
    with pytest.raises(SettingsError, match=message):
        load_settings()
