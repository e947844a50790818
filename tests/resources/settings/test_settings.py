from __future__ import annotations

from pathlib import Path

import pytest

from resources.settings import SettingsError, load_settings


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("COC_CONFIG", "COC_DATASET", "COC_STORE"):
        monkeypatch.delenv(name, raising=False)


def test_flags_win_over_environment_over_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "coc.yaml").write_text("store: from-file\ndataset: from-file\nlabeler: from-file\n")
    monkeypatch.setenv("COC_DATASET", "from-env")
    monkeypatch.setenv("COC_STORE", "from-env")
    settings = load_settings(store=Path("from-flag"))
    assert (settings.store, settings.dataset, settings.labeler) == (Path("from-flag"), Path("from-env"), "from-file")


def test_sections_merge_key_by_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "coc.yaml").write_text("keyframes:\n  mode: span_start\n")
    monkeypatch.setenv("COC_KEYFRAMES__COOLDOWN", "25")
    settings = load_settings()
    assert (settings.keyframes.mode, settings.keyframes.cooldown) == ("span_start", 25)


@pytest.mark.parametrize(
    ("yaml", "message"),
    [
        ("keyframes:\n  mood: decision\n", "keyframes.mood: unknown key"),
        ("keyfames: {}\n", "keyfames: unknown key"),
        ("keyframes:\n  mode: sometimes\n", "keyframes.mode"),
        ("- a\n- b\n", "must hold keys and values"),
        ("a: [\n", "not valid YAML"),
    ],
)
def test_a_bad_file_is_named_with_its_key(tmp_path: Path, yaml: str, message: str) -> None:
    (tmp_path / "coc.yaml").write_text(yaml)
    with pytest.raises(SettingsError, match=message) as caught:
        load_settings()
    assert "coc.yaml" in str(caught.value)


def test_a_missing_named_file_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COC_CONFIG", "nowhere.yaml")
    with pytest.raises(SettingsError, match=r"nowhere\.yaml, which does not exist"):
        load_settings()


def test_a_misspelt_section_in_the_environment_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COC_KEYFRAME__MODE", "decision")
    with pytest.raises(SettingsError, match="COC_KEYFRAME__MODE names no settings section"):
        load_settings()
